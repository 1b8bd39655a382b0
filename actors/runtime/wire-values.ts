import { assert } from '../../base/assert.ts'
import { WeirError } from '../../base/errors.ts'

/**
 * What msgpackr writes wrongly or not at all, wrapped so that it arrives as it was: -0, text that is not well-formed UTF-16, objects with
 * keys that mean something to JavaScript, and Maps (which would arrive as objects).
 */
export class Escape {
  readonly kind: EscapeKind
  readonly payload: unknown

  constructor(kind: EscapeKind, payload: unknown) {
    this.kind = kind
    this.payload = payload
  }
}

/** Kinds of the wire; their payload. */
const NEGATIVE_ZERO = 0 // null
const TEXT = 1 // UTF-16 code units, Uint16Array
const OBJECT = 2 // [key, value, key, value, …], keys as any text
const MAP = 3 // the same, keys as any value
type EscapeKind = typeof NEGATIVE_ZERO | typeof TEXT | typeof OBJECT | typeof MAP

/** Values within values: a filter of the deepest query (QUERY_DEPTH_MAX) takes four levels for each of its own. */
export const WIRE_DEPTH_MAX = 512

/** In the order of msgpackr's codes for them. */
export const TYPED_ARRAYS = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
] as const

const MINUS_ZERO = new Escape(NEGATIVE_ZERO, null)

/**
 * `value` with escapes where it needs them; the parts that need none are shared with it. A SharedArrayBuffer becomes undefined:
 * memory cannot be shared between nodes, and whoever sends one (FindRows.counted) must be content with not sharing it. Throws
 * internal for what is not plain data: dates, functions, instances of classes, cycles.
 */
export function escaped(value: unknown, depth = 0): unknown {
  switch (typeof value) {
    case 'string':
      return value.isWellFormed() ? value : new Escape(TEXT, codeUnitsOf(value))
    case 'number':
      return value === 0 && Object.is(value, -0) ? MINUS_ZERO : value
    case 'boolean':
    case 'bigint':
    case 'undefined':
      return value
    case 'object':
      if (value === null) return null
      if (depth >= WIRE_DEPTH_MAX) throw unsendable('values nested so deep')
      if (Array.isArray(value)) return escapedList(value, depth)
      return escapedObject(value, depth)
    default:
      throw unsendable(`a ${typeof value}`)
  }
}

/** What an escape that came in stands for. Throws an Error when it stands for nothing. */
export function unescaped(wire: unknown): unknown {
  const [kind, payload] = wire as readonly [unknown, unknown]
  if (kind === NEGATIVE_ZERO) return -0
  if (kind === TEXT && payload instanceof Uint16Array) return textOf(payload)
  if ((kind !== OBJECT && kind !== MAP) || !Array.isArray(payload) || payload.length % 2 !== 0) {
    throw new Error('an escape of an unknown kind')
  }
  return kind === MAP ? mapOf(payload) : objectOf(payload)
}

function escapedList(list: readonly unknown[], depth: number): unknown {
  let copy: unknown[] | undefined
  for (let i = 0; i < list.length; i++) {
    const item = list[i]
    const wire = escaped(item, depth + 1)
    if (copy === undefined && !Object.is(wire, item)) copy = list.slice(0, i)
    copy?.push(wire)
  }
  return copy ?? list
}

function escapedObject(value: object, depth: number): unknown {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) return escapedFields(value as Fields, depth)
  if (value instanceof Map) return new Escape(MAP, escapedList([...value].flat(1), depth + 2))
  if (value instanceof Set) return escapedSet(value, depth)
  if (value instanceof SharedArrayBuffer) return undefined
  if (value instanceof ArrayBuffer) return value
  if (ArrayBuffer.isView(value)) {
    // A Buffer of Node is a Uint8Array to us, and arrives as one.
    if (Buffer.isBuffer(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
    if (TYPED_ARRAYS.some((kind) => prototype === kind.prototype)) return value
  }
  throw unsendable(`a ${value.constructor?.name ?? 'nameless object'}`)
}

type Fields = Readonly<Record<string, unknown>>

function escapedFields(fields: Fields, depth: number): unknown {
  const keys = Object.keys(fields)
  let copy: Record<string, unknown> | undefined
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i]!
    if (key === '__proto__' || key === 'constructor' || !key.isWellFormed()) return escapedEntries(fields, keys, depth)
    const field = fields[key]
    const wire = escaped(field, depth + 1)
    if (copy === undefined && !Object.is(wire, field)) {
      copy = {}
      for (let j = 0; j < i; j++) copy[keys[j]!] = fields[keys[j]!]
    }
    if (copy !== undefined) copy[key] = wire
  }
  return copy ?? fields
}

function escapedEntries(fields: Fields, keys: readonly string[], depth: number): Escape {
  return new Escape(
    OBJECT,
    keys.flatMap((key) => [escaped(key), escaped(fields[key], depth + 2)]),
  )
}

function escapedSet(set: ReadonlySet<unknown>, depth: number): unknown {
  const list = [...set]
  const wire = escapedList(list, depth)
  return wire === list ? set : new Set(wire as readonly unknown[])
}

function mapOf(entries: readonly unknown[]): Map<unknown, unknown> {
  const map = new Map<unknown, unknown>()
  for (let i = 0; i < entries.length; i += 2) map.set(entries[i], entries[i + 1])
  return map
}

function objectOf(entries: readonly unknown[]): Fields {
  const object = {}
  for (let i = 0; i < entries.length; i += 2) {
    const key = entries[i]
    if (typeof key !== 'string') throw new Error('a key that is not text')
    // Defined, not assigned: a key `__proto__` is a field like any other.
    Object.defineProperty(object, key, { value: entries[i + 1], enumerable: true, writable: true, configurable: true })
  }
  return object
}

function codeUnitsOf(text: string): Uint16Array {
  return Uint16Array.from({ length: text.length }, (_, i) => text.charCodeAt(i))
}

function textOf(units: Uint16Array): string {
  let text = ''
  // In pieces: each unit of a call is an argument on the stack.
  for (let i = 0; i < units.length; i += 4096) text += String.fromCharCode(...units.subarray(i, i + 4096))
  return text
}

function unsendable(what: string): WeirError {
  assert(what !== '', 'what cannot be sent has a name')
  return new WeirError('internal', `${what} cannot be sent to another node`)
}

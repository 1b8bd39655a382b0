import { SPACE_IN_LINE, ValueSkipper } from '../ingest/json-text.ts'
import { KNOWN_HOST, KNOWN_NAMES, KNOWN_SERVICE, KNOWN_TIMESTAMP } from '../ingest/known-fields.ts'

/** Known fields that a line names itself, under any of their names. */
export const HAS_TIMESTAMP = 1
export const HAS_SERVICE = 2
export const HAS_HOST = 4

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

/** Keys at the top of a record that make it name a known field, by their length and first byte. */
const KEYS = new Map<number, { readonly name: Buffer; readonly field: number }[]>()
const KEY_BYTES_MAX = 31
/** 1 where KEYS has something: most keys are none of them, and a table says so at once. */
const MAY_BE_KNOWN = new Uint8Array((KEY_BYTES_MAX + 1) * 256)

for (const [known, field] of [
  [KNOWN_TIMESTAMP, HAS_TIMESTAMP],
  [KNOWN_SERVICE, HAS_SERVICE],
  [KNOWN_HOST, HAS_HOST],
] as const) {
  for (const path of KNOWN_NAMES[known]!) {
    const name = Buffer.from(firstKey(path))
    const slot = slotOf(name.length, name[0]!)
    const keys = KEYS.get(slot) ?? []
    if (!keys.some((key) => key.name.equals(name))) keys.push({ name, field })
    KEYS.set(slot, keys)
    MAY_BE_KNOWN[slot] = 1
  }
}

/** Key at the top of a canonical path: `a.b` is nested, `a\.b` one key. */
function firstKey(path: string): string {
  return (/^(?:\\.|[^.\\])+/.exec(path)?.[0] ?? path).replace(/\\(.)/g, '$1')
}

function slotOf(length: number, first: number): number {
  return length * 256 + first
}

/** Looks whether a line is one JSON object, and what it says about itself. One is used again and again. */
export class JsonLine {
  /** After `check` gave true: HAS_* of what the line names. */
  has = 0
  /** After `check` gave true: the members are bytes[start, end), without the braces; none where start is end. */
  start = 0
  end = 0
  readonly #skipper = new ValueSkipper()
  #bytes: Uint8Array | undefined
  #view: DataView = new DataView(new ArrayBuffer(0))

  /**
   * True when bytes[start, end) is a JSON object and nothing else. Eight bytes may be read behind `end`, and bytes[end] must be a control byte.
   */
  check(bytes: Uint8Array, start: number, end: number): boolean {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    }
    const view = this.#view
    const skipper = this.#skipper
    const space = SPACE_IN_LINE
    let p = start
    while (space[bytes[p]!] === 1) p++
    if (bytes[p] !== OPEN_BRACE) return false
    this.start = ++p
    let has = 0
    while (space[bytes[p]!] === 1) p++
    if (bytes[p] !== CLOSE_BRACE) {
      for (;;) {
        if (bytes[p] !== QUOTE) return false
        const keyEnd = skipper.skip(bytes, view, p, 2, space)
        if (keyEnd < 0) return false
        const length = keyEnd - p - 2
        if (length <= KEY_BYTES_MAX && MAY_BE_KNOWN[slotOf(length, bytes[p + 1]!)] === 1)
          has |= knownField(bytes, p + 1, length)
        p = keyEnd
        while (space[bytes[p]!] === 1) p++
        if (bytes[p] !== COLON) return false
        p++
        while (space[bytes[p]!] === 1) p++
        p = skipper.skip(bytes, view, p, 2, space)
        if (p < 0) return false
        while (space[bytes[p]!] === 1) p++
        if (bytes[p] !== COMMA) break
        p++
        while (space[bytes[p]!] === 1) p++
      }
      if (bytes[p] !== CLOSE_BRACE) return false
      this.end = p
    } else this.end = this.start
    p++
    while (space[bytes[p]!] === 1) p++
    this.has = has
    return p === end
  }
}

function knownField(bytes: Uint8Array, start: number, length: number): number {
  for (const { name, field } of KEYS.get(slotOf(length, bytes[start]!)) ?? []) {
    let i = 1
    while (i < length && bytes[start + i] === name[i]) i++
    if (i === length) return field
  }
  return 0
}

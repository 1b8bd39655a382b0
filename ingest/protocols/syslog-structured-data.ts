import { RECORD_FIELDS_MAX } from '../../base/limits.ts'
import { type JsonWriter, jsonKey } from './json-writer.ts'

const SPACE = 0x20
const QUOTE = 0x22
const EQUALS = 0x3d
const BACKSLASH = 0x5c
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const STRUCTURED_DATA = jsonKey('structuredData')

/**
 * Where the structured data (RFC 5424, 6.3) at `start` ends: elements such as `[id name="value" …]` without anything between. `start` when there is
 * none, or it is malformed, or has more parameters than a record may have fields.
 */
export function structuredDataEnd(bytes: Buffer, start: number, end: number): number {
  let p = start
  let parameters = 0
  while (p < end && bytes[p] === OPEN_BRACKET) {
    const id = p + 1
    p = nameEnd(bytes, id, end)
    if (p === id) return start
    while (p < end && bytes[p] !== CLOSE_BRACKET) {
      const name = skipSpaces(bytes, p, end)
      if (bytes[name] === CLOSE_BRACKET) {
        p = name
        break
      }
      const equals = nameEnd(bytes, name, end)
      if (name === p || equals === name || bytes[equals] !== EQUALS || bytes[equals + 1] !== QUOTE) return start
      const close = valueEnd(bytes, equals + 2, end)
      if (close >= end || ++parameters > RECORD_FIELDS_MAX) return start
      p = close + 1
    }
    if (p >= end) return start
    p++
  }
  return p
}

/** Writes structured data that is well-formed as an object of objects; a name that comes several times in an element has an array. */
export function writeStructuredData(json: JsonWriter, bytes: Buffer, start: number, end: number): void {
  json.key(STRUCTURED_DATA)
  json.openObject()
  for (let p = start; p < end; p++) {
    const idEnd = nameEnd(bytes, p + 1, end)
    json.keyText(bytes, p + 1, idEnd)
    p = writeElement(json, bytes, idEnd, end)
  }
  json.closeObject()
}

/** Returns where the closing bracket is. */
function writeElement(json: JsonWriter, bytes: Buffer, start: number, end: number): number {
  /** Start and end of the name, start and end of the value, of each parameter. */
  const places: number[] = []
  let p = start
  while (bytes[p] !== CLOSE_BRACKET) {
    const name = skipSpaces(bytes, p, end)
    p = name
    if (bytes[name] === CLOSE_BRACKET) break
    const equals = nameEnd(bytes, name, end)
    const close = valueEnd(bytes, equals + 2, end)
    places.push(name, equals, equals + 2, close)
    p = close + 1
  }
  json.openObject()
  for (let i = 0; i < places.length; i += 4) {
    if (sameName(bytes, places, i, 0, i) >= 0) continue
    json.keyText(bytes, places[i]!, places[i + 1]!)
    const again = sameName(bytes, places, i, i + 4, places.length)
    if (again >= 0) json.openArray()
    writeValue(json, bytes, places[i + 2]!, places[i + 3]!)
    for (let next = again; next >= 0; next = sameName(bytes, places, i, next + 4, places.length)) {
      writeValue(json, bytes, places[next + 2]!, places[next + 3]!)
    }
    if (again >= 0) json.closeArray()
  }
  json.closeObject()
  return p
}

/** The first parameter of [from, to) that is called as the one at `i`; -1 for none. */
function sameName(bytes: Buffer, places: readonly number[], i: number, from: number, to: number): number {
  const start = places[i]!
  const length = places[i + 1]! - start
  for (let other = from; other < to; other += 4) {
    const otherStart = places[other]!
    if (places[other + 1]! - otherStart !== length) continue
    let at = 0
    while (at < length && bytes[start + at] === bytes[otherStart + at]) at++
    if (at === length) return other
  }
  return -1
}

function writeValue(json: JsonWriter, bytes: Buffer, start: number, end: number): void {
  for (let p = start; p < end; p++) {
    if (bytes[p] !== BACKSLASH) continue
    json.string(bytes.toString('utf8', start, end).replace(/\\(["\\\]])/g, '$1'))
    return
  }
  json.text(bytes, start, end)
}

/** Names have no space, `=`, `]` or `"`. */
function nameEnd(bytes: Buffer, start: number, end: number): number {
  let p = start
  while (p < end) {
    const c = bytes[p]!
    if (c <= SPACE || c === EQUALS || c === CLOSE_BRACKET || c === QUOTE) break
    p++
  }
  return p
}

/** Where the quote is that ends the value; `end` when there is none. */
function valueEnd(bytes: Buffer, start: number, end: number): number {
  let p = start
  while (p < end && bytes[p] !== QUOTE) p += bytes[p] === BACKSLASH ? 2 : 1
  return Math.min(p, end)
}

function skipSpaces(bytes: Buffer, start: number, end: number): number {
  let p = start
  while (p < end && bytes[p] === SPACE) p++
  return p
}

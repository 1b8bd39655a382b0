import { RECORD_BYTES_MAX, RECORD_FIELDS_MAX } from '../../base/limits.ts'
import { CLOSE_BRACKET, COMMA, OPEN_BRACE, OPEN_BRACKET } from '../json-text.ts'
import type { DecodedBody, Decoding, Refusal } from './decoded-body.ts'
import { skipSpace, structureEnd, valueEnd } from './json-walk.ts'

/** The record of a longer object is too large, whatever is in it: its members are not looked at in one slice (T2). */
const OBJECT_BYTES_MAX = 2 * RECORD_BYTES_MAX
const TOO_LARGE: Refusal = { code: 'record_too_large', reason: `the object is longer than ${OBJECT_BYTES_MAX} bytes` }
/** Of more than a record may have, each by itself; looking at the rest would be one long slice. */
export const TOO_MANY_MEMBERS: Refusal = {
  code: 'too_many_fields',
  reason: `an object may have ${RECORD_FIELDS_MAX} members`,
}
const OBJECTS_ON_LINES = Buffer.from('\n{')

/** What makes records of objects. */
export interface ObjectDecoder {
  /** What is said of anything else. */
  readonly notAnObject: Refusal
  /** Begins the record of the object that stands at [start, end) of the request, and writes it; or returns why it is none. */
  write(start: number, end: number): Refusal | undefined
}

/**
 * Decodes JSON objects that come one after the other, with or without anything between them, or in arrays. What follows an object that never ends is
 * one refused record with it; what is between objects and is none is one up to the next line that begins with a brace.
 */
export function* decodeObjects(source: Buffer, into: DecodedBody, decoder: ObjectDecoder): Decoding {
  let isInArray = false
  /** Something in an array has no end: to look for the end of each of many such would take the length of the request squared. */
  let isOpenEnded = false
  for (let p = skipSpace(source, 0); p < source.length; p = skipSpace(source, p)) {
    if (into.isPauseDue(p)) yield
    const c = source[p]!
    if (c === OPEN_BRACE) {
      const end = yield* structureEnd(source, p, into)
      if (end < 0) {
        into.refuse(p, source.length, decoder.notAnObject)
        return
      }
      const refusal = end - p > OBJECT_BYTES_MAX ? TOO_LARGE : decoder.write(p, end)
      if (refusal === undefined) into.end(p, end)
      else into.refuse(p, end, refusal)
      p = end
    } else if (c === OPEN_BRACKET && !isInArray) {
      isInArray = true
      p++
    } else if (isInArray && (c === COMMA || c === CLOSE_BRACKET)) {
      isInArray = c === COMMA
      p++
    } else {
      let end: number =
        isInArray && !isOpenEnded ? valueEnd(source, p, Math.min(source.length, p + OBJECT_BYTES_MAX)) : -1
      if (end <= p) {
        isOpenEnded ||= isInArray && end < 0
        const line = source.indexOf(OBJECTS_ON_LINES, p)
        end = line < 0 ? source.length : line
      }
      into.refuse(p, end, decoder.notAnObject)
      p = end
    }
  }
}

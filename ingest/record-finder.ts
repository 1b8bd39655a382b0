import {
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COLON,
  COMMA,
  NEWLINE,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  SPACE_IN_DOCUMENT,
} from './json-text.ts'
import { REJECT_CATALOGUE, type RejectCode } from './reject.ts'
import {
  AT_ARRAY_NEXT,
  AT_ARRAY_START,
  AT_ARRAY_VALUE,
  AT_ENVELOPE_END,
  AT_LINE,
  AT_OBJECT,
  AT_START,
  AT_TAIL,
  type Scan,
} from './scan.ts'
import type { ScanWindow } from './scan-window.ts'

/** What `next` returns instead of a position. */
export const NEXT_IS_BEYOND = -1
export const NEXT_IS_NONE = -2
const NEXT_IS_FAULT = -3

/** Knows how records follow each other in a body: as lines, one after the other, in an array, in {"logs":[…]}. */
export class RecordFinder {
  /** After NEXT_IS_FAULT: what is wrong with the rest of the body. */
  faultCode: RejectCode = 'invalid_json'
  faultReason = ''

  readonly #u8: Uint8Array
  readonly #window: ScanWindow

  constructor(u8: Uint8Array, window: ScanWindow) {
    this.#u8 = u8
    this.#window = window
  }

  /**
   * From `p` to the first byte of the next record, over white space and separators. Otherwise NEXT_IS_BEYOND when the next
   * window shall start at `scan.position`, NEXT_IS_NONE at the end of the body, or NEXT_IS_FAULT with the fault set, which
   * concerns the rest of the body.
   */
  next(scan: Scan, from: number): number {
    const bytes = this.#u8
    const window = this.#window
    let p = from
    for (;;) {
      let c = bytes[p]!
      while (SPACE_IN_DOCUMENT[c] === 1) {
        if (c === NEWLINE) scan.line++
        c = bytes[++p]!
      }
      scan.position = window.offsetOf(p)
      if (p >= window.to) {
        if (scan.position < scan.body.length) return NEXT_IS_BEYOND
        if (scan.place === AT_ENVELOPE_END) return this.#fault('invalid_json', 'the envelope is not closed')
        if (scan.place >= AT_ARRAY_START && scan.place < AT_TAIL)
          return this.#fault('invalid_json', 'the array is not closed')
        return NEXT_IS_NONE
      }
      switch (scan.place) {
        case AT_LINE:
        case AT_OBJECT:
          return p
        case AT_START: {
          const inside = c === OPEN_BRACE ? this.#envelope(p) : -1
          if (inside >= 0) {
            scan.isEnvelope = true
            p = inside
          } else if (c === OPEN_BRACKET) p++
          else {
            scan.place = AT_OBJECT
            return p
          }
          scan.place = AT_ARRAY_START
          break
        }
        case AT_ARRAY_VALUE:
          if (c !== CLOSE_BRACKET && c !== COMMA) return p
          return this.#fault('invalid_json', 'no record after a ","')
        case AT_ARRAY_START:
          if (c !== CLOSE_BRACKET) return p
          p++
          scan.place = scan.isEnvelope ? AT_ENVELOPE_END : AT_TAIL
          break
        case AT_ARRAY_NEXT:
          if (c === COMMA) scan.place = AT_ARRAY_VALUE
          else if (c === CLOSE_BRACKET) scan.place = scan.isEnvelope ? AT_ENVELOPE_END : AT_TAIL
          else return this.#fault('invalid_json', 'something other than "," or "]" after a record')
          p++
          break
        case AT_ENVELOPE_END:
          if (c === COMMA) return this.#fault('invalid_envelope', REJECT_CATALOGUE.invalid_envelope.title)
          if (c !== CLOSE_BRACE) return this.#fault('invalid_json', 'the envelope is not closed')
          p++
          scan.place = AT_TAIL
          break
        default:
          return this.#fault('invalid_json', 'something after the last record')
      }
    }
  }

  /** Position after the `[` of {"logs":[, or -1 when the object at `at` does not begin so. */
  #envelope(at: number): number {
    const bytes = this.#u8
    let p = at
    for (const c of [OPEN_BRACE, QUOTE, 0x6c, 0x6f, 0x67, 0x73, QUOTE, COLON, OPEN_BRACKET]) {
      if (c < 0x61 || c === OPEN_BRACE) while (SPACE_IN_DOCUMENT[bytes[p]!] === 1) p++
      if (bytes[p++] !== c) return -1
    }
    return p
  }

  #fault(code: RejectCode, reason: string): number {
    this.faultCode = code
    this.faultReason = reason
    return NEXT_IS_FAULT
  }
}

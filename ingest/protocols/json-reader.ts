import { WeirError } from '../../base/errors.ts'
import {
  BACKSLASH,
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COLON,
  COMMA,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  SPACE_IN_DOCUMENT,
} from '../json-text.ts'

/** Longer strings are left to a search of their end, which costs a call. */
const SHORT_STRING_BYTES = 32
/** T2: passed in one go; about 1 ms. */
const SLICE_BYTES = 1024 * 1024
/** No key that anybody asks for is nearly as long. */
const KEY_BYTES_MAX = 64 * 1024

/**
 * Walks the envelope of a document in JSON and tells where its parts stand, without an object a part. Values are skipped by their
 * quotes and brackets alone: what is wrong inside of one comes out where it is read, as the scanner does with a record. The caller asks for
 * what it expects; throws invalid_body where something else stands.
 */
export class JsonReader {
  readonly #bytes: Buffer
  /** Where the next part begins. */
  at = 0
  /** The key that `nextMember` has found, without its quotes, as it is written. */
  keyStart = 0
  keyEnd = 0
  /** The value that `skip` has passed, with its quotes or brackets. */
  start = 0
  end = 0
  #isFirst = false
  /** While `skip` has not come to the end of a value: how deep in it, and whether in a string. */
  #isSkipping = false
  #depth = 0
  #isInString = false

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** First byte of what comes next; 0 at the end. */
  peek(): number {
    const bytes = this.#bytes
    let p = this.at
    while (SPACE_IN_DOCUMENT[bytes[p]!] === 1) p++
    this.at = p
    return p < bytes.length ? bytes[p]! : 0
  }

  /** Goes back, or forth, to a value. */
  seek(at: number): void {
    this.at = at
    this.#isFirst = false
  }

  enterObject(): void {
    this.#enter(OPEN_BRACE, 'an object')
  }

  enterArray(): void {
    this.#enter(OPEN_BRACKET, 'an array')
  }

  /** Reads the key of the object's next member, whose value is to be read next; false when the object has ended. */
  nextMember(): boolean {
    if (!this.#next(CLOSE_BRACE)) return false
    if (this.peek() !== QUOTE) throw this.#expected('a key')
    this.keyStart = ++this.at
    if (!this.#passString(this.at + KEY_BYTES_MAX)) throw this.#expected('the end of a key')
    this.keyEnd = this.at - 1
    if (this.peek() !== COLON) throw this.#expected('a colon')
    this.at++
    this.peek()
    return true
  }

  /** Goes to the array's next element, which is to be read next; false when the array has ended. */
  nextElement(): boolean {
    if (!this.#next(CLOSE_BRACKET)) return false
    this.peek()
    return true
  }

  keyIs(name: Uint8Array): boolean {
    const { length } = name
    if (this.keyEnd - this.keyStart !== length) return false
    for (let i = 0; i < length; i++) if (this.#bytes[this.keyStart + i] !== name[i]) return false
    return true
  }

  /** Passes the value that comes next. False when that takes long: then others may have the thread (T2), and `skip` is called again to go on. */
  skip(): boolean {
    if (!this.#isSkipping) {
      const first = this.peek()
      this.start = this.at
      this.#isFirst = false
      this.#depth = 0
      this.#isInString = first === QUOTE
      if (this.#isInString) this.at++
      else if (first !== OPEN_BRACE && first !== OPEN_BRACKET) {
        this.#skipWord()
        this.end = this.at
        return true
      }
    }
    this.#isSkipping = !this.#pass(this.at + SLICE_BYTES)
    this.end = this.at
    return !this.#isSkipping
  }

  /** Throws unless nothing but white space follows. */
  finish(): void {
    this.peek()
    if (this.at < this.#bytes.length) throw this.#expected('the end')
  }

  #enter(bracket: number, what: string): void {
    if (this.peek() !== bracket) throw this.#expected(what)
    this.at++
    this.#isFirst = true
  }

  #next(close: number): boolean {
    const c = this.peek()
    if (c === close) {
      this.at++
      this.#isFirst = false
      return false
    }
    if (!this.#isFirst) {
      if (c !== COMMA) throw this.#expected('a comma')
      this.at++
    }
    this.#isFirst = false
    return true
  }

  /** Goes on with the value to its end, or to `limit`; false there. */
  #pass(limit: number): boolean {
    const bytes = this.#bytes
    for (;;) {
      if (this.#isInString) {
        if (!this.#passString(limit)) return false
        this.#isInString = false
        if (this.#depth === 0) return true
      }
      let p = this.at
      const end = Math.min(limit, bytes.length)
      for (let c = 0; p < end; ) {
        c = bytes[p++]!
        if (c === QUOTE) {
          this.#isInString = true
          break
        }
        if (c === OPEN_BRACE || c === OPEN_BRACKET) this.#depth++
        else if ((c === CLOSE_BRACE || c === CLOSE_BRACKET) && --this.#depth === 0) {
          this.at = p
          return true
        }
      }
      this.at = p
      if (this.#isInString) continue
      if (p < bytes.length) return false
      throw this.#expected('the end of an object or array')
    }
  }

  /** Passes the rest of a string, its last quote included; false where it goes on beyond `limit`. */
  #passString(limit: number): boolean {
    const bytes = this.#bytes
    let p = this.at
    while (p < limit) {
      const shortEnd = Math.min(bytes.length, p + SHORT_STRING_BYTES)
      while (p < shortEnd) {
        const c = bytes[p]!
        if (c === QUOTE) {
          this.at = p + 1
          return true
        }
        p += c === BACKSLASH ? 2 : 1
      }
      const quote = bytes.indexOf(QUOTE, p)
      if (quote < 0) throw this.#expected('the end of a string')
      // A quote counts after an even number of backslashes.
      let before = quote
      while (before > p && bytes[before - 1] === BACKSLASH) before--
      p = quote + 1
      if (((quote - before) & 1) === 0) {
        this.at = p
        return true
      }
    }
    this.at = p
    return false
  }

  /** A number, true, false or null. */
  #skipWord(): void {
    const bytes = this.#bytes
    let p = this.at
    for (let c = bytes[p]!; p < bytes.length; c = bytes[++p]!) {
      if (c === COMMA || c === CLOSE_BRACE || c === CLOSE_BRACKET || SPACE_IN_DOCUMENT[c] === 1) break
    }
    if (p === this.at) throw this.#expected('a value')
    this.at = p
  }

  #expected(what: string): WeirError {
    return new WeirError(
      'invalid_body',
      `The body is not the JSON of this call: ${what} is expected at byte ${this.at}`,
    )
  }
}

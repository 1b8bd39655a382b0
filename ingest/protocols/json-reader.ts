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
    this.keyStart = this.at + 1
    this.#skipString()
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

  /** Passes the value that comes next. */
  skip(): void {
    const first = this.peek()
    this.start = this.at
    if (first === QUOTE) this.#skipString()
    else if (first === OPEN_BRACE || first === OPEN_BRACKET) this.#skipContainer()
    else this.#skipWord()
    this.end = this.at
    this.#isFirst = false
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

  #skipString(): void {
    const bytes = this.#bytes
    let p = this.at + 1
    const shortEnd = Math.min(bytes.length, p + SHORT_STRING_BYTES)
    while (p < shortEnd) {
      const c = bytes[p]!
      if (c === QUOTE) {
        this.at = p + 1
        return
      }
      p += c === BACKSLASH ? 2 : 1
    }
    for (;;) {
      const quote = bytes.indexOf(QUOTE, p)
      if (quote < 0) throw this.#expected('the end of a string')
      // A quote counts after an even number of backslashes.
      let before = quote
      while (before > p && bytes[before - 1] === BACKSLASH) before--
      p = quote + 1
      if (((quote - before) & 1) === 0) break
    }
    this.at = p
  }

  #skipContainer(): void {
    const bytes = this.#bytes
    let depth = 0
    while (this.at < bytes.length) {
      const c = bytes[this.at]!
      if (c === QUOTE) {
        this.#skipString()
        continue
      }
      this.at++
      if (c === OPEN_BRACE || c === OPEN_BRACKET) depth++
      else if ((c === CLOSE_BRACE || c === CLOSE_BRACKET) && --depth === 0) return
    }
    throw this.#expected('the end of an object or array')
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

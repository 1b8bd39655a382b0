import { TOKEN_FOLD } from '../base/tokenizer.ts'
import { FILTER_BYTES, filterBit, scanWords } from './kernel/word-scan.ts'

/** UTF-8 of the Kelvin sign: the one character outside ASCII that folds to an ASCII letter. */
const KELVIN = Buffer.from('\u212a')

/** Finds whole words of a list in texts, all in one pass, without regard to case (base/tokenizer.ts). */
export class WordTable {
  /** Words are ASCII and folded, of two characters at least; the number of one is its place. */
  readonly words: readonly string[]
  readonly #bytes: readonly Uint8Array[]
  /** Which tokens the kernel takes for candidates, and which words those may be. */
  readonly #filter = new Uint8Array(FILTER_BYTES)
  readonly #wordsOfBit = new Map<number, number[]>()
  readonly #lengthMin: number
  readonly #lengthMax: number

  constructor(words: readonly string[]) {
    this.words = words
    this.#bytes = words.map((word) => Uint8Array.from(word, (c) => c.charCodeAt(0)))
    this.#lengthMin = Math.min(...words.map((word) => word.length))
    this.#lengthMax = Math.max(...words.map((word) => word.length))
    this.#bytes.forEach((bytes, number) => {
      const bit = filterBit(bytes)
      this.#filter[bit >> 3]! |= 1 << (bit & 7)
      const known = this.#wordsOfBit.get(bit)
      if (known === undefined) this.#wordsOfBit.set(bit, [number])
      else known.push(number)
    })
  }

  /**
   * Calls `visit` for each word in each of `count` values, in order of values; value i is bytes[offsets[i], offsets[i + 1]). The word
   * begins at byte `at`. True where a word may be written in a way that is not seen here: with a Kelvin sign.
   */
  find(
    bytes: Uint8Array,
    offsets: Uint32Array,
    count: number,
    visit: (value: number, word: number, at: number) => void,
  ): boolean {
    const isOther = scanWords(
      { filter: this.#filter, lengthMin: this.#lengthMin, lengthMax: this.#lengthMax },
      bytes,
      offsets,
      count,
      (value, start, length, bit) => {
        for (const number of this.#wordsOfBit.get(bit) ?? []) {
          if (isThere(this.#bytes[number]!, bytes, start, length)) visit(value, number, start)
        }
      },
    )
    return isOther && Buffer.prototype.includes.call(bytes, KELVIN)
  }
}

function isThere(word: Uint8Array, bytes: Uint8Array, start: number, length: number): boolean {
  if (word.length !== length) return false
  for (let i = 0; i < length; i++) if (TOKEN_FOLD[bytes[start + i]!] !== word[i]) return false
  return true
}

/** True when the tokens before the one at `at` in bytes[start, at) are `tokens` (folded ASCII), the last of them next to it. */
export function precedes(bytes: Uint8Array, start: number, at: number, tokens: readonly Uint8Array[]): boolean {
  let i = at
  for (let t = tokens.length - 1; t >= 0; t--) {
    const token = tokens[t]!
    while (i > start && TOKEN_FOLD[bytes[i - 1]!] === 0) i--
    i -= token.length
    if (i < start || !isThere(token, bytes, i, token.length)) return false
    if (i > start && TOKEN_FOLD[bytes[i - 1]!] !== 0) return false
  }
  return true
}

/** True when the tokens that follow the one that ends at `at` in bytes[at, end) are `tokens`. */
export function follows(bytes: Uint8Array, at: number, end: number, tokens: readonly Uint8Array[]): boolean {
  let i = at
  for (const token of tokens) {
    while (i < end && TOKEN_FOLD[bytes[i]!] === 0) i++
    if (i + token.length > end || !isThere(token, bytes, i, token.length)) return false
    i += token.length
    if (i < end && TOKEN_FOLD[bytes[i]!] !== 0) return false
  }
  return true
}

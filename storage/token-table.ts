import { utf8Text } from '../base/bytes.ts'
import { hashBytes, sealed } from '../base/hash.ts'
import { foldTokenBytes, isWord, TOKEN_FOLD, WORD_LENGTH_MAX, WORD_LENGTH_MIN } from '../base/tokenizer.ts'
import { TokenShapes } from './token-shapes.ts'

/** More distinct words than this in a block are ids or noise; such a block is always scanned. */
export const BLOCK_WORDS_MAX = 4096

/**
 * Tokens found in some bytes, three entries each: hash; length × 256 + kind; end. The bytes of a token's folded form, each xor
 * KIND_BASE, ORed together are its kind: letters give bits below 0x20 only, digits and `_` others, non-ASCII bytes 0x80.
 */
export const LOG_STRIDE = 3
export const KIND_BASE = 0x60
const KIND_NOT_LETTERS = 0xe0
const KIND_NON_ASCII = 0x80
/** An ASCII token with a digit has, of the mask's bits, just this. */
export const KIND_DIGIT = 0x40
export const KIND_DIGIT_MASK = 0xc0
/** Kind of an entry that is a hash and nothing else. */
export const KIND_HASH_ONLY = 0x20

const HASHES_LOG2_MIN = 14
/** A larger table, made by an odd block, is given back at the next reset. */
const HASHES_LOG2_KEPT_MAX = 18
/** At most half of the slots hold words. */
const WORD_SLOTS_LOG2 = 13
const WORD_SHIFT = 32 - WORD_SLOTS_LOG2
const WORD_MASK = 2 ** WORD_SLOTS_LOG2 - 1
const FIBONACCI = 0x9e3779b1 | 0
/** Makes four ASCII letters lower-case. */
const FOUR_LOWER = 0x20202020

/** Hashes that a table may hold: three of four slots. */
function roomOf(slots: Int32Array): number {
  return (slots.length >>> 2) * 3
}

/**
 * Distinct hashes, and distinct words. Words have a small table of their own, which stays in the processor's nearest cache: most
 * tokens are words seen before, and those never reach the large table of hashes. A word is compared with the letters kept at its first
 * sight, so that two words of one hash are both found (S5). Reusable: `reset` keeps the memory.
 */
export class TokenTable {
  #log2Size = HASHES_LOG2_MIN
  /** Open addressing; 0: free, else a hash. */
  #slots = new Int32Array(2 ** HASHES_LOG2_MIN)
  /** The hashes in the slots, in order of first sight. */
  #hashes = new Int32Array(2 ** HASHES_LOG2_MIN)
  #hashCount = 0
  readonly #wordSlots = new Int32Array(2 ** WORD_SLOTS_LOG2)
  /** By slot of the word's hash: place of the word in #letters. */
  readonly #wordAt = new Int32Array(2 ** WORD_SLOTS_LOG2)
  /** Of each word its length, then its letters, four in a number, lowest first, the rest 0. */
  #letters = new Int32Array(4096)
  #lettersLength = 0
  #wordCount = 0
  /** Words with other letters than ASCII ones, and words whose hash was another word's first. */
  readonly #rareWords = new Set<string>()
  #wordsOverflow = false
  readonly #shapes = new TokenShapes()
  #places = new Int32Array(0)
  #folded = new Uint8Array(256)

  reset(): void {
    if (this.#log2Size > HASHES_LOG2_KEPT_MAX) {
      this.#log2Size = HASHES_LOG2_MIN
      this.#slots = new Int32Array(2 ** HASHES_LOG2_MIN)
      this.#hashes = new Int32Array(2 ** HASHES_LOG2_MIN)
    } else if (this.#hashCount > 0) this.#slots.fill(0)
    this.#wordSlots.fill(0)
    this.#hashCount = 0
    this.#lettersLength = 0
    this.#wordCount = 0
    this.#wordsOverflow = false
    this.#rareWords.clear()
    this.#shapes.reset()
  }

  /** The distinct hashes; a view that the next addition may change. */
  hashes(): Int32Array {
    return this.#hashes.subarray(0, this.#hashCount)
  }

  /** The distinct words by code unit order, or null when there are more than BLOCK_WORDS_MAX. */
  words(): string[] | null {
    if (this.#wordsOverflow) return null
    const words = [...this.#rareWords]
    const bytes = new Uint8Array(this.#letters.buffer)
    for (let at = 0; at < this.#lettersLength; ) {
      const length = this.#letters[at]!
      words.push(utf8Text(bytes, (at + 1) * 4, (at + 1) * 4 + length))
      at += 1 + ((length + 3) >>> 2)
    }
    return words.sort()
  }

  /** Shapes of the tokens that are no words (storage/token-shapes.ts). */
  shapes(): Uint8Array {
    return this.#shapes.finish()
  }

  /**
   * Adds the tokens in the first `length` entries of `log`, which were found in `bytes`. Kept apart from finding them, so that neither loop waits for
   * the other's branches.
   */
  addLogged(log: Int32Array, length: number, bytes: Uint8Array): void {
    this.#noteShapes(log, length, bytes)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    let entry = 0
    for (;;) {
      entry = this.#addKnown(log, entry, length, view)
      if (this.#isFull()) this.#grow()
      else if (entry >= length) return
      else {
        const kind = log[entry + 1]!
        const end = log[entry + 2]!
        if ((kind & KIND_NON_ASCII) !== 0) this.#addNonAscii(bytes, end - (kind >>> 8), end)
        else this.#addWord(sealed(log[entry]!), bytes, end - (kind >>> 8), kind >>> 8)
        entry += LOG_STRIDE
      }
    }
  }

  /** Of every ASCII token that is no word, each time it occurs: tokens of one hash have shapes of their own. */
  #noteShapes(log: Int32Array, length: number, bytes: Uint8Array): void {
    if (this.#places.length < length) this.#places = new Int32Array(length)
    const places = this.#places
    let count = 0
    for (let entry = 0; entry < length; entry += LOG_STRIDE) {
      const kind = log[entry + 1]!
      const tokenLength = kind >>> 8
      const isLetters = (kind & KIND_NOT_LETTERS) === 0
      if (isLetters && tokenLength >= WORD_LENGTH_MIN && tokenLength <= WORD_LENGTH_MAX) continue
      if (kind === KIND_HASH_ONLY || (kind & KIND_NON_ASCII) !== 0) continue
      places[count] = tokenLength
      places[count + 1] = log[entry + 2]!
      count += 2
    }
    this.#shapes.noteAll(bytes, places, count)
  }

  /**
   * Adds entries up to the first that is neither a hash nor a word seen before, or until the table is full; returns the entry to go on
   * with. Calls nothing: a call in the loop makes V8 load the arrays' addresses anew at each access, which costs half as much again.
   */
  #addKnown(log: Int32Array, from: number, length: number, view: DataView): number {
    const wordSlots = this.#wordSlots
    const wordAt = this.#wordAt
    const letters = this.#letters
    const slots = this.#slots
    const mask = slots.length - 1
    const shift = 32 - this.#log2Size
    const hashes = this.#hashes
    const room = roomOf(slots)
    const viewLength = view.byteLength
    let count = this.#hashCount
    let entry = from
    for (; entry < length; entry += LOG_STRIDE) {
      let hash = log[entry]!
      if (hash === 0) hash = 1
      const kind = log[entry + 1]!
      const tokenLength = kind >>> 8
      if ((kind & KIND_NOT_LETTERS) === 0 && tokenLength >= WORD_LENGTH_MIN && tokenLength <= WORD_LENGTH_MAX) {
        let slot = Math.imul(hash, FIBONACCI) >>> WORD_SHIFT
        let found = wordSlots[slot]!
        while (found !== hash && found !== 0) {
          slot = (slot + 1) & WORD_MASK
          found = wordSlots[slot]!
        }
        if (found === 0) break
        let place = log[entry + 2]! - tokenLength
        // Near the end of the bytes four at once cannot be read.
        if (place + tokenLength + 3 > viewLength) break
        let at = wordAt[slot]!
        let difference = letters[at++]! ^ tokenLength
        let left = tokenLength
        for (; left >= 4; left -= 4, place += 4)
          difference |= letters[at++]! ^ (view.getInt32(place, true) | FOUR_LOWER)
        if (left > 0) difference |= letters[at]! ^ ((view.getInt32(place, true) | FOUR_LOWER) & ((1 << (left * 8)) - 1))
        if (difference !== 0) break
      } else if ((kind & KIND_NON_ASCII) === 0) {
        let slot = Math.imul(hash, FIBONACCI) >>> shift
        let found = slots[slot]!
        while (found !== hash && found !== 0) {
          slot = (slot + 1) & mask
          found = slots[slot]!
        }
        if (found === 0) {
          slots[slot] = hash
          hashes[count++] = hash
          if (count === room) {
            entry += LOG_STRIDE
            break
          }
        }
      } else break
    }
    this.#hashCount = count
    return entry
  }

  /** `hash` is not 0. */
  #addHash(hash: number): void {
    const slots = this.#slots
    let slot = Math.imul(hash, FIBONACCI) >>> (32 - this.#log2Size)
    while (slots[slot] !== hash && slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1)
    if (slots[slot] === hash) return
    slots[slot] = hash
    this.#hashes[this.#hashCount++] = hash
    if (this.#isFull()) this.#grow()
  }

  /** A token with non-ASCII bytes; also right for one without. */
  #addNonAscii(bytes: Uint8Array, start: number, end: number): void {
    if (this.#folded.length < 3 * (end - start)) this.#folded = new Uint8Array(6 * (end - start))
    const length = foldTokenBytes(bytes, start, end, this.#folded)
    this.#addHash(sealed(hashBytes(this.#folded, 0, length)))
    const token = length <= WORD_LENGTH_MAX * 4 ? utf8Text(this.#folded, 0, length) : ''
    if (isWord(token)) this.#addRareWord(token)
    else this.#shapes.note(this.#folded, 0, length, false)
    // Decoders may take a leading byte-order mark away, so the token is found without it as well.
    if (end - start > 3 && bytes[start] === 0xef && bytes[start + 1] === 0xbb && bytes[start + 2] === 0xbf)
      this.#addNonAscii(bytes, start + 3, end)
  }

  /** A word of ASCII letters, which may be known. */
  #addWord(hash: number, bytes: Uint8Array, start: number, length: number): void {
    this.#addHash(hash)
    const slots = this.#wordSlots
    let slot = Math.imul(hash, FIBONACCI) >>> WORD_SHIFT
    while (slots[slot] !== hash && slots[slot] !== 0) slot = (slot + 1) & WORD_MASK
    const folded = bytes.subarray(start, start + length).map((byte) => TOKEN_FOLD[byte]!)
    if (slots[slot] === hash) {
      if (!this.#isWord(this.#wordAt[slot]!, folded)) this.#addRareWord(utf8Text(folded))
      return
    }
    if (!this.#hasRoomForWord()) return
    const size = 1 + ((length + 3) >>> 2)
    if (this.#lettersLength + size > this.#letters.length) {
      const grown = new Int32Array(this.#letters.length * 2)
      grown.set(this.#letters)
      this.#letters = grown
    }
    const at = this.#lettersLength
    this.#letters.fill(0, at, at + size)
    this.#letters[at] = length
    new Uint8Array(this.#letters.buffer).set(folded, (at + 1) * 4)
    this.#lettersLength = at + size
    slots[slot] = hash
    this.#wordAt[slot] = at
    this.#wordCount++
  }

  /** True when the word at `at` has these letters. */
  #isWord(at: number, folded: Uint8Array): boolean {
    if (this.#letters[at] !== folded.length) return false
    const letters = new Uint8Array(this.#letters.buffer, (at + 1) * 4, folded.length)
    return folded.every((byte, i) => byte === letters[i])
  }

  #addRareWord(word: string): void {
    if (!this.#rareWords.has(word) && this.#hasRoomForWord()) this.#rareWords.add(word)
  }

  #hasRoomForWord(): boolean {
    if (this.#wordCount + this.#rareWords.size < BLOCK_WORDS_MAX) return true
    this.#wordsOverflow = true
    return false
  }

  #isFull(): boolean {
    return this.#hashCount >= roomOf(this.#slots)
  }

  #grow(): void {
    this.#log2Size++
    const slots = new Int32Array(2 ** this.#log2Size)
    const hashes = new Int32Array(2 ** this.#log2Size)
    hashes.set(this.#hashes.subarray(0, this.#hashCount))
    for (let i = 0; i < this.#hashCount; i++) {
      let slot = Math.imul(hashes[i]!, FIBONACCI) >>> (32 - this.#log2Size)
      while (slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1)
      slots[slot] = hashes[i]!
    }
    this.#slots = slots
    this.#hashes = hashes
  }
}

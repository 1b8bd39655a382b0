import { assert } from '../base/assert.ts'
import { utf8Bytes } from '../base/bytes.ts'
import { isWord, TOKEN_FOLD } from '../base/tokenizer.ts'

/**
 * A coarse picture of the tokens of a block that are not words, so that prefixes and misspellings, which are looked up among its
 * words, need not open every block for the sake of its identifiers. 197 bytes: which pairs of first characters occur, whether
 * tokens that begin with eight hexadecimal digits (or are made of fewer) occur, and how long the tokens with few other
 * characters than letters are. It errs on the side of too much only (S5).
 */
const CLASSES = 38
const END = CLASSES
const PAIRS = CLASSES * (CLASSES + 1)
/** Longest token that can be near a word: 32 letters and two inserted. */
const NEAR_LENGTH_MAX = 34
const NEAR_BYTES = 5
const FLAG_HEXADECIMAL = 1
/** Lengths in characters are not known by the byte, so any such token may be near. */
const FLAG_NOT_ASCII = 2
const NEAR_ONE_AT = 1
const NEAR_TWO_AT = NEAR_ONE_AT + NEAR_BYTES
const PAIRS_AT = NEAR_TWO_AT + NEAR_BYTES
export const TOKEN_SHAPES_BYTES = PAIRS_AT + Math.ceil(PAIRS / 8)
const HEXADECIMAL_HEAD = 8

/** By folded byte: a-z, 0-9, `_`, everything else. */
const CLASS = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte >= 0x61 && byte <= 0x7a) return byte - 0x61
  if (byte >= 0x30 && byte <= 0x39) return 26 + byte - 0x30
  return byte === 0x5f ? 36 : 37
})
const IS_HEXADECIMAL = Uint8Array.from({ length: 256 }, (_, byte) =>
  (byte >= 0x30 && byte <= 0x39) || (byte >= 0x61 && byte <= 0x66) ? 1 : 0,
)

/** The same by byte as sent. */
const CLASS_AS_SENT = TOKEN_FOLD.map((byte) => CLASS[byte]!)
/** By byte as sent: 1 for what is no letter, plus NOT_HEXADECIMAL for what is no hexadecimal digit. */
const NOT_HEXADECIMAL = 16
const TRAITS = TOKEN_FOLD.map((byte) => (byte < 0x61 ? 1 : 0) + (IS_HEXADECIMAL[byte] === 1 ? 0 : NOT_HEXADECIMAL))

/** Gathers the shapes of a block; reusable. */
export class TokenShapes {
  readonly #pairs = new Uint8Array(PAIRS)
  readonly #nearOne = new Uint8Array(NEAR_LENGTH_MAX + 1)
  readonly #nearTwo = new Uint8Array(NEAR_LENGTH_MAX + 1)
  #flags = 0

  reset(): void {
    this.#pairs.fill(0)
    this.#nearOne.fill(0)
    this.#nearTwo.fill(0)
    this.#flags = 0
  }

  /**
   * Takes the token bytes[start, end), folded or not, that is no word (`isWord`); `ascii` when all its bytes are. Called for every
   * occurrence, not once a hash: two tokens of one hash have two shapes. About 10 ns.
   */
  note(bytes: Uint8Array, start: number, end: number, ascii: boolean): void {
    const length = end - start
    const second = length > 1 ? CLASS[folded(bytes[start + 1]!)]! : END
    const pair = CLASS[folded(bytes[start]!)]! * (CLASSES + 1) + second
    if (this.#pairs[pair] === 0) {
      if (hasHexadecimalHead(bytes, start, end)) this.#flags |= FLAG_HEXADECIMAL
      else this.#pairs[pair] = 1
    }
    if (!ascii) this.#flags |= FLAG_NOT_ASCII
    else if (length <= NEAR_LENGTH_MAX && this.#nearOne[length] === 0) this.#noteNear(bytes, start, end)
  }

  /**
   * The same for each ASCII token bytes[end - length, end) whose length and end stand in `places`, two entries each up to `count`. About
   * 12 ns a token: it calls nothing, so that V8 keeps the arrays' addresses.
   */
  noteAll(bytes: Uint8Array, places: Int32Array, count: number): void {
    const pairs = this.#pairs
    const nearOne = this.#nearOne
    const nearTwo = this.#nearTwo
    let flags = this.#flags
    for (let entry = 0; entry < count; entry += 2) {
      const length = places[entry]!
      const end = places[entry + 1]!
      const start = end - length
      // One walk over the first eight bytes answers both questions for nearly every token.
      const head = length < HEXADECIMAL_HEAD ? end : start + HEXADECIMAL_HEAD
      let sum = 0
      for (let i = start; i < head; i++) sum += TRAITS[bytes[i]!]!
      if (sum < NOT_HEXADECIMAL) flags |= FLAG_HEXADECIMAL
      else {
        const second = length > 1 ? CLASS_AS_SENT[bytes[start + 1]!]! : END
        pairs[CLASS_AS_SENT[bytes[start]!]! * (CLASSES + 1) + second] = 1
      }
      let others = sum & (NOT_HEXADECIMAL - 1)
      if (others > 2 || length > NEAR_LENGTH_MAX || nearOne[length] === 1) continue
      for (let i = head; i < end; i++) others += TRAITS[bytes[i]!]! & (NOT_HEXADECIMAL - 1)
      if (others <= 2) nearTwo[length] = 1
      if (others <= 1) nearOne[length] = 1
    }
    this.#flags = flags
  }

  /** The shapes of all tokens since the last reset. */
  finish(): Uint8Array {
    const shapes = new Uint8Array(TOKEN_SHAPES_BYTES)
    shapes[0] = this.#flags
    for (let length = 0; length <= NEAR_LENGTH_MAX; length++) {
      if (this.#nearOne[length] === 1) setBit(shapes, NEAR_ONE_AT, length)
      if (this.#nearTwo[length] === 1) setBit(shapes, NEAR_TWO_AT, length)
    }
    for (let pair = 0; pair < PAIRS; pair++) if (this.#pairs[pair] === 1) setBit(shapes, PAIRS_AT, pair)
    return shapes
  }

  #noteNear(bytes: Uint8Array, start: number, end: number): void {
    let others = 0
    for (let i = start; i < end && others <= 2; i++) {
      if (folded(bytes[i]!) < 0x61) others++
    }
    if (others <= 2) this.#nearTwo[end - start] = 1
    if (others <= 1) this.#nearOne[end - start] = 1
  }
}

/** False when no token that `shapes` was made of begins with `prefix` (folded, not empty). */
export function shapesMayBegin(shapes: Uint8Array, prefix: string): boolean {
  assert(prefix.length > 0, 'a prefix has letters')
  if (shapes.length !== TOKEN_SHAPES_BYTES) return true
  const bytes = utf8Bytes(prefix)
  if ((shapes[0]! & FLAG_HEXADECIMAL) !== 0 && hasHexadecimalHead(bytes, 0, bytes.length)) return true
  const row = CLASS[bytes[0]!]! * (CLASSES + 1)
  if (bytes.length > 1) return hasBit(shapes, PAIRS_AT, row + CLASS[bytes[1]!]!)
  for (let second = 0; second <= CLASSES; second++) if (hasBit(shapes, PAIRS_AT, row + second)) return true
  return false
}

/** False when no token that `shapes` was made of is within edit distance `distance` of `token` (folded). */
export function shapesMayBeNear(shapes: Uint8Array, token: string, distance: number): boolean {
  if (shapes.length !== TOKEN_SHAPES_BYTES || distance > 2 || !isWord(token)) return true
  if ((shapes[0]! & FLAG_NOT_ASCII) !== 0) return true
  // A token near a word differs from letters in at most `distance` characters: an edit takes away one of them.
  const at = distance <= 1 ? NEAR_ONE_AT : NEAR_TWO_AT
  for (let length = Math.max(1, token.length - distance); length <= token.length + distance; length++) {
    if (hasBit(shapes, at, length)) return true
  }
  return false
}

function hasHexadecimalHead(bytes: Uint8Array, start: number, end: number): boolean {
  const stop = Math.min(end, start + HEXADECIMAL_HEAD)
  for (let i = start; i < stop; i++) if (IS_HEXADECIMAL[folded(bytes[i]!)] === 0) return false
  return true
}

function folded(byte: number): number {
  return TOKEN_FOLD[byte]!
}

function setBit(bytes: Uint8Array, at: number, bit: number): void {
  bytes[at + (bit >>> 3)]! |= 1 << (bit & 7)
}

function hasBit(bytes: Uint8Array, at: number, bit: number): boolean {
  return ((bytes[at + (bit >>> 3)]! >>> (bit & 7)) & 1) === 1
}

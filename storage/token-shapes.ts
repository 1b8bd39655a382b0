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
export const PAIR_COUNT = CLASSES * (CLASSES + 1)
/** Longest token that can be near a word: 32 letters and two inserted. */
const NEAR_LENGTH_MAX = 34
export const NEAR_LENGTHS = NEAR_LENGTH_MAX + 1
const NEAR_BYTES = 5
const FLAG_HEXADECIMAL = 1
/** Lengths in characters are not known by the byte, so any such token may be near. */
const FLAG_NOT_ASCII = 2
const NEAR_ONE_AT = 1
const NEAR_TWO_AT = NEAR_ONE_AT + NEAR_BYTES
const PAIRS_AT = NEAR_TWO_AT + NEAR_BYTES
export const TOKEN_SHAPES_BYTES = PAIRS_AT + Math.ceil(PAIR_COUNT / 8)
const HEXADECIMAL_HEAD = 8

/** By folded byte: a-z, 0-9, `_`, everything else. */
export const CLASS_OF_FOLDED = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte >= 0x61 && byte <= 0x7a) return byte - 0x61
  if (byte >= 0x30 && byte <= 0x39) return 26 + byte - 0x30
  return byte === 0x5f ? 36 : 37
})
const IS_HEXADECIMAL = Uint8Array.from({ length: 256 }, (_, byte) =>
  (byte >= 0x30 && byte <= 0x39) || (byte >= 0x61 && byte <= 0x66) ? 1 : 0,
)

/** Gathers the shapes of a block; reusable. */
export class TokenShapes {
  readonly #pairs = new Uint8Array(PAIR_COUNT)
  readonly #nearOne = new Uint8Array(NEAR_LENGTHS)
  readonly #nearTwo = new Uint8Array(NEAR_LENGTHS)
  #flags = 0

  reset(): void {
    this.#pairs.fill(0)
    this.#nearOne.fill(0)
    this.#nearTwo.fill(0)
    this.#flags = 0
  }

  /**
   * Takes the token bytes[start, end), folded or not, that is no word (`isWord`); `ascii` when all its bytes are. Called for every
   * occurrence, not once a hash: two tokens of one hash have two shapes. The kernel notes ASCII tokens itself, by the same rule.
   */
  note(bytes: Uint8Array, start: number, end: number, ascii: boolean): void {
    const length = end - start
    const second = length > 1 ? CLASS_OF_FOLDED[folded(bytes[start + 1]!)]! : END
    const pair = CLASS_OF_FOLDED[folded(bytes[start]!)]! * (CLASSES + 1) + second
    if (hasHexadecimalHead(bytes, start, end)) this.#flags |= FLAG_HEXADECIMAL
    else this.#pairs[pair] = 1
    if (!ascii) this.#flags |= FLAG_NOT_ASCII
    else if (length <= NEAR_LENGTH_MAX && this.#nearOne[length] === 0) this.#noteNear(bytes, start, end)
  }

  /** Adds what the kernel noted of ASCII tokens (storage/kernel/tokens.as), in the same tables. */
  join(pairs: Uint8Array, nearOne: Uint8Array, nearTwo: Uint8Array, flags: number): void {
    for (let i = 0; i < PAIR_COUNT; i++) this.#pairs[i]! |= pairs[i]!
    for (let i = 0; i < NEAR_LENGTHS; i++) {
      this.#nearOne[i]! |= nearOne[i]!
      this.#nearTwo[i]! |= nearTwo[i]!
    }
    this.#flags |= flags
  }

  /** The shapes of all tokens since the last reset. */
  finish(): Uint8Array {
    const shapes = new Uint8Array(TOKEN_SHAPES_BYTES)
    shapes[0] = this.#flags
    for (let length = 0; length <= NEAR_LENGTH_MAX; length++) {
      if (this.#nearOne[length] === 1) setBit(shapes, NEAR_ONE_AT, length)
      if (this.#nearTwo[length] === 1) setBit(shapes, NEAR_TWO_AT, length)
    }
    for (let pair = 0; pair < PAIR_COUNT; pair++) if (this.#pairs[pair] === 1) setBit(shapes, PAIRS_AT, pair)
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
  const row = CLASS_OF_FOLDED[bytes[0]!]! * (CLASSES + 1)
  if (bytes.length > 1) return hasBit(shapes, PAIRS_AT, row + CLASS_OF_FOLDED[bytes[1]!]!)
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

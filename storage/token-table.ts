import { nameText, utf8Text } from '../base/bytes.ts'
import { hashBytes, sealed } from '../base/hash.ts'
import { foldTokenBytes, isWord, WORD_LENGTH_MAX, WORD_LENGTH_MIN } from '../base/tokenizer.ts'
import { BLOOM_HEADER_BYTES, bloomLog2Bits, newBloom } from './bloom.ts'
import {
  BATCH_BYTES,
  BlockKernel,
  CLASS,
  FLAGS,
  HASHES_LOG2,
  KERNEL_BYTES_KEPT_MAX,
  NEAR_ONE,
  NEAR_TWO,
  OFFSETS,
  PAIRS,
  ROWS_MAX,
  TEXT,
  TYPES,
  WORD_LIST,
  WORDS_MAX,
} from './kernel/block-kernel.ts'
import { CLASS_OF_FOLDED, NEAR_LENGTHS, PAIR_COUNT, TokenShapes } from './token-shapes.ts'

/** More distinct words than this in a block are ids or noise; such a block is always scanned. */
export const BLOCK_WORDS_MAX = WORDS_MAX

const INTEGERS_MAX = BATCH_BYTES / 8

/** The values to take: value i is bytes[offsets[i], offsets[i + 1]), of type types[i]. One value follows the other. */
export interface Values {
  readonly types: Uint8Array
  readonly offsets: Uint32Array
  readonly bytes: Uint8Array
}

/**
 * The distinct hashes of tokens and of (field, value) pairs, the distinct words, and the shapes of the tokens that are no words. Found and
 * kept by the kernel (storage/kernel/), batch by batch; only tokens with non-ASCII bytes are taken here. Reusable: `reset` keeps the memory.
 */
export class TokenTable {
  #kernel = newKernel()
  #textBytes = BATCH_BYTES
  /** Words with other letters than ASCII ones; at most one more than a block may have. */
  readonly #rareWords = new Set<string>()
  readonly #shapes = new TokenShapes()
  #folded = new Uint8Array(256)

  reset(): void {
    if (this.#kernel.byteLength > KERNEL_BYTES_KEPT_MAX) {
      this.#kernel = newKernel()
      this.#textBytes = BATCH_BYTES
    } else this.#kernel.call.reset()
    this.#rareWords.clear()
    this.#shapes.reset()
  }

  /** Takes the first `rowCount` of `values`. `seed` is valueSeed of their field, or 0 for no (field, value) hashes. 1.6 ns a byte of text, 1.2 of ids. */
  add(seed: number, values: Values, rowCount: number): void {
    const { offsets } = values
    for (let row = 0; row < rowCount; ) {
      const to = batchEnd(offsets, row, Math.min(rowCount, row + ROWS_MAX))
      this.#makeRoom(offsets[to]! - offsets[row]!)
      this.#addBatch(seed, values, row, to)
      row = to
    }
  }

  /** The same of integers, NaN for none. */
  addIntegers(seed: number, values: Float64Array, rowCount: number): void {
    const kernel = this.#kernel
    kernel.call.clearRecent()
    for (let row = 0; row < rowCount; row += INTEGERS_MAX) {
      const count = Math.min(INTEGERS_MAX, rowCount - row)
      kernel.f64.set(values.subarray(row, row + count), TEXT >>> 3)
      kernel.call.takeIntegers(count, seed)
    }
  }

  #addBatch(seed: number, { types, offsets, bytes }: Values, from: number, to: number): void {
    const kernel = this.#kernel
    const start = offsets[from]!
    kernel.u32.set(offsets.subarray(from, to + 1), OFFSETS >>> 2)
    if (seed !== 0) kernel.u8.set(types.subarray(from, to), TYPES)
    kernel.u8.set(bytes.subarray(start, offsets[to]!), TEXT)
    const odd = kernel.call.takeBatch(to - from, seed)
    if (odd === 0) return
    const startsAt = kernel.call.oddStarts() >>> 2
    const endsAt = kernel.call.oddEnds() >>> 2
    const starts = kernel.u32.slice(startsAt, startsAt + odd)
    const ends = kernel.u32.slice(endsAt, endsAt + odd)
    for (let i = 0; i < odd; i++) this.#addNonAscii(bytes, start + starts[i]!, start + ends[i]!)
  }

  /** The token bytes[start, end), which has non-ASCII bytes. */
  #addNonAscii(bytes: Uint8Array, start: number, end: number): void {
    if (this.#folded.length < 3 * (end - start)) this.#folded = new Uint8Array(6 * (end - start))
    const length = foldTokenBytes(bytes, start, end, this.#folded)
    this.#kernel.call.addHash(sealed(hashBytes(this.#folded, 0, length)))
    const token = length <= WORD_LENGTH_MAX * 4 ? utf8Text(this.#folded, 0, length) : ''
    if (!isWord(token)) this.#shapes.note(this.#folded, 0, length, false)
    else if (this.#rareWords.size <= BLOCK_WORDS_MAX) this.#rareWords.add(token)
    // Decoders may take a leading byte-order mark away, so the token is found without it as well.
    if (end - start > 3 && bytes[start] === 0xef && bytes[start + 1] === 0xbb && bytes[start + 2] === 0xbf)
      this.#addNonAscii(bytes, start + 3, end)
  }

  #makeRoom(textBytes: number): void {
    if (textBytes <= this.#textBytes) return
    this.#textBytes = 2 * textBytes
    this.#kernel.call.arrange(this.#textBytes, HASHES_LOG2)
  }

  /** The distinct hashes, in no particular order; a view that the next addition may change. */
  hashes(): Int32Array {
    const at = this.#kernel.call.hashes() >>> 2
    return this.#kernel.i32.subarray(at, at + this.#kernel.hashCount)
  }

  /** A filter of the hashes (storage/bloom.ts). */
  bloom(): Uint8Array {
    const bloom = newBloom(this.#kernel.hashCount)
    const address = this.#kernel.call.bloom(bloomLog2Bits(bloom)) >>> 0
    const bits = bloom.length - BLOOM_HEADER_BYTES
    bloom.set(this.#kernel.u8.subarray(address, address + bits), BLOOM_HEADER_BYTES)
    return bloom
  }

  /** The distinct words by code unit order, or null when there are more than BLOCK_WORDS_MAX. */
  words(): string[] | null {
    const kernel = this.#kernel
    if (kernel.wordsOverflow) return null
    const words = new Set(this.#rareWords)
    for (let i = 0; i < kernel.wordCount; i++) {
      const slot = kernel.u32[(WORD_LIST >>> 2) + i]!
      let end = slot + WORD_LENGTH_MIN
      while (end < slot + WORD_LENGTH_MAX && kernel.u8[end] !== 0) end++
      words.add(nameText(kernel.u8, slot, end))
    }
    return words.size > BLOCK_WORDS_MAX ? null : [...words].sort()
  }

  /** Shapes of the tokens that are no words (storage/token-shapes.ts). */
  shapes(): Uint8Array {
    const { u8 } = this.#kernel
    const at = (address: number, length: number) => u8.subarray(address, address + length)
    this.#shapes.join(at(PAIRS, PAIR_COUNT), at(NEAR_ONE, NEAR_LENGTHS), at(NEAR_TWO, NEAR_LENGTHS), u8[FLAGS]!)
    return this.#shapes.finish()
  }
}

/** Rows from `from` on, at least one and at most up to `limit`, that make a batch. */
function batchEnd(offsets: Uint32Array, from: number, limit: number): number {
  const end = offsets[from]! + BATCH_BYTES
  if (offsets[limit]! <= end) return limit
  let low = from + 1
  let high = limit
  // The last row that ends within the batch.
  while (low < high) {
    const middle = (low + high + 1) >>> 1
    if (offsets[middle]! <= end) low = middle
    else high = middle - 1
  }
  return low
}

function newKernel(): BlockKernel {
  const kernel = new BlockKernel()
  kernel.u8.set(CLASS_OF_FOLDED, CLASS)
  return kernel
}

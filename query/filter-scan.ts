import { isAscii } from 'node:buffer'
import type { Bitmap } from '../base/bitmap.ts'
import type { Literal } from './kernel/literal-search.ts'

/**
 * Scans of a list of values that lie one after the other in one buffer: the rows of a bytes column, or the distinct
 * values of a dictionary. The list is taken in chunks small enough that a chunk's text is born and dies in the young
 * generation and stays in the cache: decoding 550 KB costs 0.02 ms in chunks of 64 KiB, 0.35 ms in one piece
 * (bench/micro/filter.ts).
 */
export interface ValueList {
  readonly types: Uint8Array
  readonly offsets: Uint32Array
  readonly bytes: Uint8Array
}

const CHUNK_BYTES = 64 * 1024
/** With fewer survivors than one in so many, looking at each alone is cheaper than scanning them all. */
const SPARSE_RATIO = 8

const latin1Slice = Buffer.prototype.latin1Slice
const utf8Slice = Buffer.prototype.utf8Slice
const indexOfBytes = Buffer.prototype.indexOf

/** Text of bytes that are all ASCII; for others, one character a byte. */
export function latin1Of(bytes: Uint8Array, start: number, end: number): string {
  return latin1Slice.call(bytes, start, end)
}

export function utf8Of(bytes: Uint8Array, start: number, end: number): string {
  return utf8Slice.call(bytes, start, end)
}

/** Where `needle` first stands in `bytes`, or -1. */
export function indexOfIn(bytes: Uint8Array, needle: string | number | Uint8Array, from = 0): number {
  return indexOfBytes.call(bytes, needle, from)
}

export function textOf(list: ValueList, index: number): string {
  return utf8Slice.call(list.bytes, list.offsets[index], list.offsets[index + 1])
}

/** A run of values [from, to) whose bytes are [start, end). */
export interface Chunk {
  readonly from: number
  readonly to: number
  readonly start: number
  readonly end: number
  readonly isAscii: boolean
  /** So few of its values are in question that each is better looked at alone. */
  readonly isSparse: boolean
}

/** Calls `visit` for each run of about 64 KiB that holds a value of `within` (null: all). */
export function forEachChunk(
  list: ValueList,
  count: number,
  within: Bitmap | null,
  visit: (chunk: Chunk) => void,
): void {
  const { offsets, bytes } = list
  for (let from = 0; from < count; ) {
    const start = offsets[from]!
    const to = chunkEnd(offsets, from, count)
    const end = offsets[to]!
    const members = within === null ? to - from : countBetween(within, from, to)
    if (members > 0) {
      const isSparse = members * SPARSE_RATIO < to - from
      visit({ from, to, start, end, isAscii: isAscii(bytes.subarray(start, end)), isSparse })
    }
    from = to
  }
}

function chunkEnd(offsets: Uint32Array, from: number, count: number): number {
  const limit = offsets[from]! + CHUNK_BYTES
  if (offsets[count]! <= limit) return count
  let low = from + 1
  let high = count
  while (low < high) {
    const middle = (low + high + 1) >>> 1
    if (offsets[middle]! <= limit) low = middle
    else high = middle - 1
  }
  return low
}

/** Members of `bitmap` in [from, to). */
function countBetween(bitmap: Bitmap, from: number, to: number): number {
  const { words } = bitmap
  let count = 0
  const first = from >>> 5
  const last = (to - 1) >>> 5
  for (let i = first; i <= last; i++) {
    let word = words[i]!
    if (i === first) word &= -1 << (from & 31)
    if (i === last) word &= -1 >>> (31 - ((to - 1) & 31))
    if (word === 0) continue
    word -= (word >>> 1) & 0x55555555
    word = (word & 0x33333333) + ((word >>> 2) & 0x33333333)
    count += Math.imul((word + (word >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
  }
  return count
}

/**
 * Finds an ASCII literal. `accept` looks closer at a hit that lies wholly within value `index`, at byte `at`; what it takes is added to
 * `found`.
 */
export function scanLiteral(
  list: ValueList,
  chunk: Chunk,
  within: Bitmap | null,
  literal: Literal,
  accept: (index: number, at: number) => boolean,
  found: Bitmap,
): void {
  const { offsets, bytes } = list
  const { start } = chunk
  const { length } = literal
  const hits = literal.find(bytes, start, chunk.end)
  let index = chunk.from
  /** Hits before it are in values that are decided. */
  let decidedEnd = 0
  for (let i = 0; i < hits.length; i++) {
    const at = start + hits[i]!
    if (at < decidedEnd) continue
    while (offsets[index + 1]! <= at) index++
    const valueEnd = offsets[index + 1]!
    if (within !== null && !within.has(index)) decidedEnd = valueEnd
    else if (at + length <= valueEnd && accept(index, at)) {
      found.add(index)
      decidedEnd = valueEnd
    }
  }
}

import { assert } from '../base/assert.ts'
import type { Bitmap } from '../base/bitmap.ts'
import { BLOOM_HEADER_BYTES, BLOOM_PROBES, bloomLog2Bits, bloomProbes } from './bloom.ts'
import type { Pace } from './pace.ts'
import type { ChunkedRegion } from './segment-chunks.ts'

/**
 * S7: the bloom filters of a segment. Filters of one size form a group, groups by ascending size; a group of B filters of m bits is a
 * matrix of m rows of B bits, without padding between rows: bit j of row r is bit r of the group's j-th filter, in the order of blocks. A
 * probe reads five rows and knows about all blocks of the group. Bits count from the lowest of each byte; a group takes
 * ceil(m × B / 32) × 4 bytes.
 */
interface BloomGroup {
  readonly log2Bits: number
  /** Block numbers, ascending. */
  readonly members: Uint32Array
  /** Where the group begins in the region's data. */
  readonly dataOffset: number
  readonly dataLength: number
}

function groupsOf(log2BitsOfBlocks: Uint8Array): {
  readonly groups: readonly BloomGroup[]
  readonly dataLength: number
} {
  const groups: BloomGroup[] = []
  let dataOffset = 0
  for (const log2Bits of [...new Set(log2BitsOfBlocks)].sort((a, b) => a - b)) {
    const members: number[] = []
    log2BitsOfBlocks.forEach((of, block) => {
      if (of === log2Bits) members.push(block)
    })
    const dataLength = Math.ceil((2 ** log2Bits * members.length) / 32) * 4
    groups.push({ log2Bits, members: Uint32Array.from(members), dataOffset, dataLength })
    dataOffset += dataLength
  }
  return { groups, dataLength: dataOffset }
}

/** The region's data for the filters of all blocks, in the order of blocks. 0.2 ms a filter of 64 KiB. */
export async function sliceBlooms(blooms: readonly Uint8Array[], pace: Pace): Promise<Uint8Array> {
  const { groups, dataLength } = groupsOf(Uint8Array.from(blooms, bloomLog2Bits))
  const words = new Uint32Array(dataLength / 4)
  for (const group of groups) {
    const rows = 2 ** group.log2Bits
    const filters = Array.from(group.members, (block) => asWords(blooms[block]!.subarray(BLOOM_HEADER_BYTES)))
    const out = words.subarray(group.dataOffset / 4, (group.dataOffset + group.dataLength) / 4)
    for (let member = 0; member < filters.length; member += 32) {
      const slice = filters.slice(member, member + 32)
      for (let row = 0; row < rows; row += ROWS_PER_STEP) {
        transposeInto(out, slice, member, filters.length, row, Math.min(row + ROWS_PER_STEP, rows))
        if (pace.isDue()) await pace.rest()
      }
    }
  }
  return new Uint8Array(words.buffer)
}

/** The filters again, each with its header, in the order of blocks. */
export async function unsliceBlooms(data: Uint8Array, log2BitsOfBlocks: Uint8Array, pace: Pace): Promise<Uint8Array[]> {
  const { groups, dataLength } = groupsOf(log2BitsOfBlocks)
  assert(data.length === dataLength, 'all groups are there')
  const blooms = new Array<Uint8Array>(log2BitsOfBlocks.length)
  for (const group of groups) {
    const rows = 2 ** group.log2Bits
    const width = group.members.length
    const filters = Array.from(group.members, () => new Uint32Array(rows / 32))
    const words = asWords(data.subarray(group.dataOffset, group.dataOffset + group.dataLength))
    for (let member = 0; member < width; member += 32) {
      const slice = filters.slice(member, member + 32)
      for (let row = 0; row < rows; row += ROWS_PER_STEP) {
        transposeFrom(words, slice, member, width, row, Math.min(row + ROWS_PER_STEP, rows))
        if (pace.isDue()) await pace.rest()
      }
    }
    for (const [j, bits] of filters.entries()) blooms[group.members[j]!] = bloomOf(group.log2Bits, bits)
  }
  return blooms
}

/** The filters of a segment as they are looked up. */
export class SlicedBlooms {
  readonly #groups: readonly BloomGroup[]
  readonly #region: ChunkedRegion

  constructor(log2BitsOfBlocks: Uint8Array, region: ChunkedRegion) {
    const { groups, dataLength } = groupsOf(log2BitsOfBlocks)
    assert(dataLength === region.dataLength, 'the directory and the footer agree on the filters')
    this.#groups = groups
    this.#region = region
  }

  /** Takes out of `among` the blocks whose filters do not hold all of `hashes`. One read a row, until nothing is left. */
  async retain(among: Bitmap, hashes: Int32Array): Promise<Bitmap> {
    const probes = new Uint32Array(BLOOM_PROBES)
    for (const hash of hashes) {
      for (const group of this.#groups) {
        bloomProbes(group.log2Bits, hash, probes)
        for (let i = 0; i < BLOOM_PROBES; i++) {
          if (!group.members.some((block) => among.has(block))) break
          await this.#retainRow(among, group, probes[i]!)
        }
      }
    }
    return among
  }

  async #retainRow(among: Bitmap, group: BloomGroup, row: number): Promise<void> {
    const width = group.members.length
    const firstBit = row * width
    const firstByte = Math.floor(firstBit / 8)
    const length = Math.floor((firstBit + width - 1) / 8) - firstByte + 1
    const bytes = await this.#region.read(group.dataOffset + firstByte, length)
    let bit = firstBit - firstByte * 8
    for (let j = 0; j < width; j++, bit++) {
      if (((bytes[bit >>> 3]! >>> (bit & 7)) & 1) === 0) among.delete(group.members[j]!)
    }
  }
}

const ROWS_PER_STEP = 32 * 1024

/** The bytes, copied, as little-endian words. Not by `slice`: that of a Buffer copies nothing. */
function asWords(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(new Uint8Array(bytes).buffer)
}

/** A filter with its header, of its bits as little-endian words. */
function bloomOf(log2Bits: number, bits: Uint32Array): Uint8Array {
  const bloom = new Uint8Array(BLOOM_HEADER_BYTES + bits.byteLength)
  bloom.set(Uint8Array.of(0x42, 1, log2Bits, 0))
  bloom.set(new Uint8Array(bits.buffer), BLOOM_HEADER_BYTES)
  assert(bloomLog2Bits(bloom) === log2Bits, 'a filter is whole')
  return bloom
}

const square = new Uint32Array(32)

/** Writes rows [from, to) of up to 32 filters, the `first`-th of `width` onwards, to the matrix `out`. */
function transposeInto(
  out: Uint32Array,
  filters: readonly Uint32Array[],
  first: number,
  width: number,
  from: number,
  to: number,
): void {
  const count = filters.length
  if (width === 1) {
    out.set(filters[0]!.subarray(from >>> 5, to >>> 5), from >>> 5)
    return
  }
  // Bit positions go beyond 32 bits in large groups, so the word and the bit in it are counted apart.
  let word = Math.floor((from * width + first) / 32)
  let shift = (from * width + first) % 32
  const wordStep = width >>> 5
  const shiftStep = width & 31
  for (let row = from; row < to; row += 32) {
    for (let j = 0; j < count; j++) square[j] = filters[j]![row >>> 5]!
    square.fill(0, count)
    transposeSquare(square)
    for (let k = 0; k < 32; k++) {
      const bits = square[k]!
      if (bits !== 0) {
        out[word]! |= bits << shift
        if (shift + count > 32) out[word + 1]! |= bits >>> (32 - shift)
      }
      shift += shiftStep
      word += wordStep + (shift >>> 5)
      shift &= 31
    }
  }
}

/** The inverse of transposeInto. */
function transposeFrom(
  matrix: Uint32Array,
  filters: readonly Uint32Array[],
  first: number,
  width: number,
  from: number,
  to: number,
): void {
  const count = filters.length
  if (width === 1) {
    filters[0]!.set(matrix.subarray(from >>> 5, to >>> 5), from >>> 5)
    return
  }
  const mask = count === 32 ? 0xffffffff : 2 ** count - 1
  let word = Math.floor((from * width + first) / 32)
  let shift = (from * width + first) % 32
  const wordStep = width >>> 5
  const shiftStep = width & 31
  for (let row = from; row < to; row += 32) {
    for (let k = 0; k < 32; k++) {
      let bits = matrix[word]! >>> shift
      if (shift + count > 32) bits |= matrix[word + 1]! << (32 - shift)
      square[k] = bits & mask
      shift += shiftStep
      word += wordStep + (shift >>> 5)
      shift &= 31
    }
    transposeSquare(square)
    for (let j = 0; j < count; j++) filters[j]![row >>> 5] = square[j]!
  }
}

/** Transposes 32 × 32 bits in place: bit j of word k becomes bit k of word j (Hacker's Delight, 7-3, lowest bit first). */
function transposeSquare(words: Uint32Array): void {
  swapHalves(words, 16, 0x0000ffff)
  swapHalves(words, 8, 0x00ff00ff)
  swapHalves(words, 4, 0x0f0f0f0f)
  swapHalves(words, 2, 0x33333333)
  swapHalves(words, 1, 0x55555555)
}

function swapHalves(words: Uint32Array, half: number, mask: number): void {
  for (let base = 0; base < 32; base += half * 2) {
    for (let k = base; k < base + half; k++) {
      const low = words[k]!
      const high = words[k + half]!
      const swapped = ((low >>> half) ^ high) & mask
      words[k] = low ^ (swapped << half)
      words[k + half] = high ^ swapped
    }
  }
}

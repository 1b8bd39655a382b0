import { assert } from '../base/assert.ts'
import { checksum } from '../base/checksum.ts'
import type { Clock } from '../base/clock.ts'
import { systemClock } from '../base/clock.ts'
import { COLUMN_OVERFLOW, FIELD_SERVICE } from '../base/columns.ts'
import { compressLater, compressNow, isLongToCompress } from '../base/zstd.ts'
import type { BlockSummary, EncodedBlock } from './block.ts'
import { blockHeaderLength } from './block-header.ts'
import { bloomLog2Bits } from './bloom.ts'
import { ContentHash, segmentKey } from './object-store/object-keys.ts'
import { Pace } from './pace.ts'
import type { SegmentIdentity, SegmentMeta } from './segment.ts'
import { firstPosition, lastPosition, SEGMENT_NAMES_MAX } from './segment.ts'
import { sliceBlooms } from './segment-blooms.ts'
import { storedLength, writeChunks } from './segment-chunks.ts'
import { encodeDirectory, type SegmentBlock } from './segment-directory.ts'
import { encodeFooter, FOOTER_BYTES, SEGMENT_MAGIC } from './segment-footer.ts'
import { encodeTerms } from './segment-terms.ts'

const DIRECTORY_ZSTD_LEVEL = 3
/** Copied and hashed in one go: about 2 ms. */
const PIECE_BYTES = 2 * 1024 * 1024

export interface FinishedSegment {
  /** The object to put under meta.key. */
  readonly bytes: Uint8Array
  readonly meta: SegmentMeta
}

/**
 * Makes a segment of blocks of one (shard, day, retention class, generation). The bytes depend on the blocks alone, not on the
 * order they were added in: a publish that is repeated after a crash makes the same object.
 */
export class SegmentWriter {
  readonly #identity: SegmentIdentity
  readonly #createdMs: number
  readonly #clock: Clock
  readonly #blocks: EncodedBlock[] = []
  #byteLength = 0

  constructor(identity: SegmentIdentity, createdMs: number, clock: Clock = systemClock) {
    this.#identity = identity
    this.#createdMs = createdMs
    this.#clock = clock
  }

  get blockCount(): number {
    return this.#blocks.length
  }

  /** Bytes of blocks and filters so far; about what the segment will have. */
  get byteLength(): number {
    return this.#byteLength
  }

  /** Takes a block; its bytes must stay as they are until `finish`. */
  add(block: EncodedBlock): void {
    const first = this.#blocks[0]?.summary ?? block.summary
    const { day, retentionClass, generation, byteLength } = block.summary
    assert(
      day === first.day && retentionClass === first.retentionClass && generation === first.generation,
      'a segment is of one day, retention class and generation',
    )
    assert(byteLength === block.bytes.length, 'a summary knows the length of its block')
    this.#blocks.push(block)
    this.#byteLength += block.bytes.length + block.bloom.length
  }

  /** The finished segment; there must be a block. The writer is used up. */
  async finish(): Promise<FinishedSegment> {
    assert(this.#blocks.length > 0, 'a segment has blocks')
    const pace = new Pace(this.#clock)
    const blocks = this.#blocks.sort((a, b) => compareSummaries(a.summary, b.summary))
    const blooms = await sliceBlooms(
      blocks.map((block) => block.bloom),
      pace,
    )
    const terms = await encodeTerms(
      blocks.map((block) => block.words),
      pace,
    )
    const entries: SegmentBlock[] = []
    let bloomsOffset = SEGMENT_MAGIC.length
    for (const { summary, bytes, bloom, words } of blocks) {
      const headerLength = blockHeaderLength(bytes)
      const hasWords = words !== null
      entries.push({ summary, offset: bloomsOffset, headerLength, bloomLog2Bits: bloomLog2Bits(bloom), hasWords })
      bloomsOffset += bytes.length
    }
    const { day, retentionClass, generation } = blocks[0]!.summary
    const plain = encodeDirectory({ day, retentionClass, generation, blocks: entries, termRuns: terms.runs })
    const isLong = isLongToCompress(plain, DIRECTORY_ZSTD_LEVEL)
    const directory = isLong
      ? await compressLater(plain, DIRECTORY_ZSTD_LEVEL)
      : compressNow(plain, DIRECTORY_ZSTD_LEVEL)
    const termsOffset = bloomsOffset + storedLength(blooms.length)
    const directoryOffset = termsOffset + storedLength(terms.data.length)
    const byteLength = directoryOffset + directory.length + FOOTER_BYTES

    const bytes = new Uint8Array(Buffer.allocUnsafeSlow(byteLength).buffer)
    bytes.set(SEGMENT_MAGIC, 0)
    for (const [i, block] of blocks.entries()) {
      bytes.set(block.bytes, entries[i]!.offset)
      if (pace.isDue()) await pace.rest()
    }
    await writeChunks(blooms, bytes, bloomsOffset, pace)
    await writeChunks(terms.data, bytes, termsOffset, pace)
    bytes.set(directory, directoryOffset)
    const footer = encodeFooter({
      byteLength,
      bloomsOffset,
      bloomsDataLength: blooms.length,
      termsOffset,
      termsDataLength: terms.data.length,
      directoryOffset,
      directoryLength: directory.length,
      directoryInflatedLength: plain.length,
      directoryChecksum: checksum(directory),
    })
    bytes.set(footer, byteLength - FOOTER_BYTES)
    const summaries = blocks.map((block) => block.summary)
    return { bytes, meta: await this.#meta(summaries, bytes, pace) }
  }

  async #meta(summaries: readonly BlockSummary[], bytes: Uint8Array, pace: Pace): Promise<SegmentMeta> {
    const hash = new ContentHash()
    for (let from = 0; from < bytes.length; from += PIECE_BYTES) {
      hash.update(bytes.subarray(from, from + PIECE_BYTES))
      if (pace.isDue()) await pace.rest()
    }
    const { day, retentionClass, generation } = summaries[0]!
    const meta = {
      day,
      retentionClass,
      tenants: bounded(summaries.map(({ tenant }) => tenant)),
      services: servicesOf(summaries),
      rowCount: summaries.reduce((rows, { rowCount }) => rows + rowCount, 0),
      blockCount: summaries.length,
      byteLength: bytes.length,
      minMs: Math.min(...summaries.map(({ minMs }) => minMs)),
      maxMs: Math.max(...summaries.map(({ maxMs }) => maxMs)),
      generation,
      firstSequence: Math.min(...summaries.map(({ firstSequence }) => firstSequence)),
      lastSequence: Math.max(...summaries.map(({ lastSequence }) => lastSequence)),
      mergeLevel: this.#identity.mergeLevel,
      createdMs: this.#createdMs,
      key: '',
    }
    const { shard, epoch } = this.#identity
    const positions = { first: firstPosition(meta), last: lastPosition(meta) }
    return { ...meta, key: segmentKey({ shard, day, epoch, ...positions, contentHash: hash.text() }) }
  }
}

/** The order of blocks in a segment: a tenant's blocks lie together, oldest first. */
function compareSummaries(a: BlockSummary, b: BlockSummary): number {
  if (a.tenant !== b.tenant) return a.tenant < b.tenant ? -1 : 1
  return a.minMs - b.minMs || a.firstSequence - b.firstSequence || (a.blockId < b.blockId ? -1 : 1)
}

function servicesOf(summaries: readonly BlockSummary[]): string[] | null {
  const services: string[] = []
  for (const { dimensions, columnNames } of summaries) {
    const known = Object.hasOwn(dimensions, FIELD_SERVICE) ? dimensions[FIELD_SERVICE] : undefined
    if (known !== undefined) services.push(...known)
    else if (columnNames.includes(FIELD_SERVICE) || columnNames.includes(COLUMN_OVERFLOW)) return null
  }
  return bounded(services)
}

function bounded<T extends string>(names: readonly T[]): T[] | null {
  const distinct = [...new Set(names)].sort()
  return distinct.length > SEGMENT_NAMES_MAX ? null : distinct
}

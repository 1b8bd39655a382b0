import { assert } from '../base/assert.ts'
import { ByteReader, ByteWriter, corruptData } from '../base/bytes.ts'
import type { DayNumber, TenantId } from '../base/ids.ts'
import { DIMENSION_BYTES_MAX, PATH_BYTES_MAX, VALUE_BYTES_MAX } from '../base/limits.ts'
import type { BlockSummary } from './block.ts'
import type { TermRun } from './segment-terms.ts'

/** A block as the directory knows it. */
export interface SegmentBlock {
  readonly summary: BlockSummary
  /** Place of the block in the segment; its length is summary.byteLength. */
  readonly offset: number
  /** Bytes of the block's own header. */
  readonly headerLength: number
  /** log2 of the bits of its bloom filter. */
  readonly bloomLog2Bits: number
  /** False where the block had too many words for the terms. */
  readonly hasWords: boolean
}

export interface SegmentDirectory {
  readonly day: DayNumber
  readonly retentionClass: number
  readonly generation: number
  /** In the order of the segment; block numbers are places in this list. */
  readonly blocks: readonly SegmentBlock[]
  readonly termRuns: readonly TermRun[]
}

const BLOCKS_MAX = 1 << 20
const STRINGS_MAX = 1 << 24
const STRING_BYTES_MAX = 4 * PATH_BYTES_MAX
/** Of a value of a dimension, as older writers put them in. */
const LISTED_BYTES_MAX = VALUE_BYTES_MAX
const SHAPES_BYTES_MAX = 4096
const FLAG_WORDS = 1
const FLAG_SHAPES = 2

/** Layout in docs/formats.md; compressed by the writer. Texts are kept once, lists of them too. */
export function encodeDirectory(directory: SegmentDirectory): Uint8Array {
  const strings = new Interner()
  const lists = new Interner()
  const listNumber = (texts: readonly string[]) => lists.number(texts.map((text) => strings.number(text)).join(' '))
  const blocks = new ByteWriter()
  let offset = directory.blocks[0]?.offset ?? 0
  for (const { summary, ...block } of directory.blocks) {
    assert(block.offset === offset, 'blocks follow each other')
    offset += summary.byteLength
    const shapes = summary.otherTokens
    blocks.text(summary.blockId).varint(strings.number(summary.tenant))
    blocks.varint(summary.firstSequence).varint(summary.lastSequence).varint(summary.rowCount)
    blocks.f64(summary.minMs).f64(summary.maxMs).varint(summary.byteLength)
    blocks.varint(block.headerLength).u8(block.bloomLog2Bits)
    blocks.u8((block.hasWords ? FLAG_WORDS : 0) | (shapes === undefined ? 0 : FLAG_SHAPES))
    if (shapes !== undefined) blocks.varint(shapes.length).raw(shapes)
    blocks.varint(listNumber(summary.columnNames))
    const dimensions = Object.entries(summary.dimensions).filter(([, values]) => values.every(isShort))
    blocks.varint(dimensions.length)
    for (const [name, values] of dimensions) {
      // Sorted, so that blocks with the same values share one list, here and in memory.
      blocks.varint(strings.number(name)).varint(listNumber([...values].sort()))
    }
    const numbers = Object.entries(summary.numbers)
    blocks.varint(numbers.length)
    for (const [name, [min, max]] of numbers) blocks.varint(strings.number(name)).f64(min).f64(max)
  }
  const out = new ByteWriter()
  out.f64(directory.day).varint(directory.retentionClass).varint(directory.generation)
  out.varint(strings.texts.length)
  for (const text of strings.texts) out.text(text)
  out.varint(lists.texts.length)
  for (const list of lists.texts) {
    const names = list === '' ? [] : list.split(' ')
    out.varint(names.length)
    for (const name of names) out.varint(Number(name))
  }
  out
    .varint(directory.blocks.length)
    .f64(directory.blocks[0]?.offset ?? 0)
    .raw(blocks.finish())
  out.varint(directory.termRuns.length)
  for (const run of directory.termRuns) out.text(run.firstTerm).varint(run.length).varint(run.termCount)
  return out.finish()
}

/** Throws corrupt_data. */
export function decodeDirectory(bytes: Uint8Array): SegmentDirectory {
  const reader = new ByteReader(bytes)
  const day = reader.f64() as DayNumber
  const retentionClass = reader.varint()
  const generation = reader.varint()
  const strings: string[] = []
  for (let left = reader.varint(STRINGS_MAX); left > 0; left--) strings.push(reader.text(LISTED_BYTES_MAX))
  const stringAt = () => {
    const text = strings[reader.varint()]
    if (text === undefined) throw corruptData('a directory names a text that is not there')
    return text
  }
  const lists: (readonly string[])[] = []
  for (let left = reader.varint(STRINGS_MAX); left > 0; left--) {
    const names: string[] = []
    for (let name = reader.varint(STRINGS_MAX); name > 0; name--) names.push(stringAt())
    lists.push(names)
  }
  const listAt = () => {
    const list = lists[reader.varint()]
    if (list === undefined) throw corruptData('a directory names a list that is not there')
    return list
  }
  const blocks: SegmentBlock[] = []
  const blockCount = reader.varint(BLOCKS_MAX)
  let offset = reader.f64()
  for (let number = 0; number < blockCount; number++) {
    const block = readBlock(reader, offset, { day, retentionClass, generation }, stringAt, listAt)
    blocks.push(block)
    offset += block.summary.byteLength
  }
  const termRuns: TermRun[] = []
  let termOffset = 0
  for (let left = reader.varint(STRINGS_MAX); left > 0; left--) {
    const run = {
      firstTerm: reader.text(STRING_BYTES_MAX),
      offset: termOffset,
      length: reader.varint(),
      termCount: reader.varint(),
    }
    termRuns.push(run)
    termOffset += run.length
  }
  reader.finish()
  return { day, retentionClass, generation, blocks, termRuns }
}

function readBlock(
  reader: ByteReader,
  offset: number,
  common: Pick<BlockSummary, 'day' | 'retentionClass' | 'generation'>,
  stringAt: () => string,
  listAt: () => readonly string[],
): SegmentBlock {
  const blockId = reader.text(STRING_BYTES_MAX)
  const tenant = stringAt() as TenantId
  const firstSequence = reader.varint()
  const lastSequence = reader.varint()
  const rowCount = reader.varint()
  const minMs = reader.f64()
  const maxMs = reader.f64()
  const byteLength = reader.varint()
  const headerLength = reader.varint(byteLength)
  const bloomLog2Bits = reader.u8()
  const flags = reader.u8()
  // A copy (a Buffer's own slice is none): what is kept must not hold the whole directory in memory.
  const otherTokens =
    (flags & FLAG_SHAPES) === 0 ? undefined : new Uint8Array(reader.raw(reader.varint(SHAPES_BYTES_MAX)))
  const columnNames = listAt()
  const dimensions: [string, readonly string[]][] = []
  for (let left = reader.varint(STRINGS_MAX); left > 0; left--) dimensions.push([stringAt(), listAt()])
  const numbers: [string, [number, number]][] = []
  for (let left = reader.varint(STRINGS_MAX); left > 0; left--) {
    numbers.push([stringAt(), [reader.f64(), reader.f64()]])
  }
  const summary: BlockSummary = {
    ...common,
    blockId,
    tenant,
    firstSequence,
    lastSequence,
    rowCount,
    minMs,
    maxMs,
    byteLength,
    // fromEntries defines own properties, also for a field that is called __proto__.
    dimensions: Object.fromEntries(dimensions),
    numbers: Object.fromEntries(numbers),
    columnNames,
    ...(otherTokens === undefined ? {} : { otherTokens }),
  }
  return { summary, offset, headerLength, bloomLog2Bits, hasWords: (flags & FLAG_WORDS) !== 0 }
}

/** Local blocks of older writers list values of any length. */
function isShort(value: string): boolean {
  return value.length <= DIMENSION_BYTES_MAX && Buffer.byteLength(value) <= DIMENSION_BYTES_MAX
}

/** Numbers texts in order of first use. */
class Interner {
  readonly texts: string[] = []
  readonly #numbers = new Map<string, number>()

  number(text: string): number {
    const known = this.#numbers.get(text)
    if (known !== undefined) return known
    const number = this.texts.length
    this.#numbers.set(text, number)
    this.texts.push(text)
    return number
  }
}

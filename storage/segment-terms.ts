import { Bitmap } from '../base/bitmap.ts'
import { ByteReader, ByteWriter, corruptData, utf8Bytes, utf8Text } from '../base/bytes.ts'
import type { Pace } from './pace.ts'
import type { ChunkedRegion } from './segment-chunks.ts'
import { FUZZY_SCAN_WORDS_MAX, nearTo, suggestWords } from './vocabulary.ts'

/**
 * The words of a segment: terms in the order of their code points, in runs of TERMS_PER_RUN; within a run each term says how many bytes it
 * shares with the one before it, then the rest, then the blocks that hold it. The first term of every run stands in the
 * directory, so that one read finds a term.
 */
const TERMS_PER_RUN = 64
/** Tags of a posting list: all blocks that have words; a bitmap; else 1 + the count of a list of differences. */
const POSTINGS_ALL = 0
const POSTINGS_BITMAP = 1
const TERM_BYTES_MAX = 256

/** Where a run is; kept in the directory. */
export interface TermRun {
  readonly firstTerm: string
  /** In the region's data. */
  readonly offset: number
  readonly length: number
  readonly termCount: number
}

export interface EncodedTerms {
  readonly data: Uint8Array
  readonly runs: readonly TermRun[]
}

/** Encodes the words of all blocks, null where a block has too many. Each list is distinct. */
export async function encodeTerms(
  wordsOfBlocks: readonly (readonly string[] | null)[],
  pace: Pace,
): Promise<EncodedTerms> {
  const blocksOf = new Map<string, number[]>()
  let blocksWithWords = 0
  for (const [block, words] of wordsOfBlocks.entries()) {
    if (words === null) continue
    blocksWithWords++
    for (const word of words) {
      const blocks = blocksOf.get(word)
      if (blocks === undefined) blocksOf.set(word, [block])
      else blocks.push(block)
    }
    if (pace.isDue()) await pace.rest()
  }
  const data = new ByteWriter()
  const runs: TermRun[] = []
  let run: { firstTerm: string; offset: number; termCount: number } | undefined
  let previous: Uint8Array = new Uint8Array(0)
  const closeRun = () => {
    if (run !== undefined) runs.push({ ...run, length: data.length - run.offset })
    run = undefined
  }
  for await (const words of inOrder(blocksOf.keys(), pace)) {
    for (const word of words) {
      if (run?.termCount === TERMS_PER_RUN) closeRun()
      if (run === undefined) {
        run = { firstTerm: word, offset: data.length, termCount: 0 }
        previous = new Uint8Array(0)
      }
      const bytes = utf8Bytes(word)
      const shared = sharedPrefix(previous, bytes)
      data
        .varint(shared)
        .varint(bytes.length - shared)
        .raw(bytes.subarray(shared))
      writePostings(data, blocksOf.get(word)!, blocksWithWords, wordsOfBlocks.length)
      previous = bytes
      run.termCount++
    }
    if (pace.isDue()) await pace.rest()
  }
  closeRun()
  return { data: data.finish(), runs }
}

/** The terms of a segment as they are looked up. Bitmaps are over the blocks of the segment. */
export class SegmentTerms {
  readonly #runs: readonly TermRun[]
  readonly #region: ChunkedRegion
  /** Blocks that have words. */
  readonly #withWords: Bitmap
  readonly termCount: number

  constructor(runs: readonly TermRun[], region: ChunkedRegion, withWords: Bitmap) {
    this.#runs = runs
    this.#region = region
    this.#withWords = withWords
    this.termCount = runs.reduce((count, run) => count + run.termCount, 0)
  }

  /** Adds the blocks that hold `word` to `found`. */
  async addBlocksWith(word: string, found: Bitmap): Promise<void> {
    const run = this.#runs[this.#runOf(word)]
    if (run === undefined) return
    const cursor = new TermCursor(await this.#region.read(run.offset, run.length), run.termCount, this.#withWords)
    while (cursor.next()) {
      const order = compareByCodePoint(cursor.term, word)
      if (order > 0) return
      if (order === 0) return cursor.addBlocks(found)
      cursor.skipBlocks()
    }
  }

  /** Adds the blocks that hold a word that begins with `prefix` to `found`. */
  async addBlocksWithPrefix(prefix: string, found: Bitmap): Promise<void> {
    for (let i = Math.max(0, this.#runOf(prefix)); i < this.#runs.length; i++) {
      const run = this.#runs[i]!
      if (compareByCodePoint(run.firstTerm, prefix) > 0 && !run.firstTerm.startsWith(prefix)) return
      const cursor = new TermCursor(await this.#region.read(run.offset, run.length), run.termCount, this.#withWords)
      while (cursor.next()) {
        if (cursor.term.startsWith(prefix)) cursor.addBlocks(found)
        else if (compareByCodePoint(cursor.term, prefix) > 0) return
        else cursor.skipBlocks()
      }
    }
  }

  /** Adds the blocks that hold a word within `distance` of `word` to `found`. False when there are too many words to look through. */
  async addBlocksNear(word: string, distance: number, found: Bitmap): Promise<boolean> {
    if (this.termCount > FUZZY_SCAN_WORDS_MAX) return false
    await this.#walk(nearTo(word, distance), (_, cursor) => cursor.addBlocks(found))
    return true
  }

  /** Words near `typed`; see suggestWords. */
  async suggest(typed: string, limit: number): Promise<string[]> {
    if (this.termCount > FUZZY_SCAN_WORDS_MAX) return []
    const frequencies = new Map<string, number>()
    await this.forEach((term, blocks) => {
      frequencies.set(term, blocks.count())
    })
    return suggestWords(frequencies.keys(), typed, (word) => frequencies.get(word) ?? 0, limit)
  }

  /** Calls `visit` with every term, in order, and the blocks that hold it. */
  forEach(visit: (term: string, blocks: Bitmap) => void, pace?: Pace): Promise<void> {
    return this.#walk(
      () => true,
      (term, cursor) => {
        const blocks = new Bitmap(this.#withWords.length)
        cursor.addBlocks(blocks)
        visit(term, blocks)
      },
      pace,
    )
  }

  /** Reads all terms at once; `visit` reads the blocks of those that pass `test`. */
  async #walk(
    test: (term: string) => boolean,
    visit: (term: string, cursor: TermCursor) => void,
    pace?: Pace,
  ): Promise<void> {
    const data = await this.#region.read(0, this.#region.dataLength)
    for (const run of this.#runs) {
      if (run.offset + run.length > data.length) throw corruptData('a run of terms lies outside its region')
      const bytes = data.subarray(run.offset, run.offset + run.length)
      const cursor = new TermCursor(bytes, run.termCount, this.#withWords)
      while (cursor.next()) {
        if (test(cursor.term)) visit(cursor.term, cursor)
        else cursor.skipBlocks()
      }
      if (pace?.isDue()) await pace.rest()
    }
  }

  /** Index of the last run that begins at or before `term`; -1 when there is none. */
  #runOf(term: string): number {
    let low = 0
    let high = this.#runs.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compareByCodePoint(this.#runs[middle]!.firstTerm, term) <= 0) low = middle + 1
      else high = middle
    }
    return low - 1
  }
}

/** Walks the terms of a run: after `next`, read its blocks or skip them. Throws corrupt_data. */
class TermCursor {
  readonly #reader: ByteReader
  readonly #withWords: Bitmap
  readonly #bytes = new Uint8Array(TERM_BYTES_MAX)
  #left: number
  term = ''

  constructor(run: Uint8Array, termCount: number, withWords: Bitmap) {
    this.#reader = new ByteReader(run)
    this.#left = termCount
    this.#withWords = withWords
  }

  next(): boolean {
    if (this.#left === 0) return false
    this.#left--
    const shared = this.#reader.varint(TERM_BYTES_MAX)
    const rest = this.#reader.varint(TERM_BYTES_MAX - shared)
    this.#bytes.set(this.#reader.raw(rest), shared)
    this.term = utf8Text(this.#bytes, 0, shared + rest)
    return true
  }

  skipBlocks(): void {
    this.#readBlocks(undefined)
  }

  addBlocks(found: Bitmap): void {
    this.#readBlocks(found)
  }

  #readBlocks(found: Bitmap | undefined): void {
    const { length } = this.#withWords
    const tag = this.#reader.varint(length + 1)
    if (tag === POSTINGS_ALL) found?.or(this.#withWords)
    else if (tag === POSTINGS_BITMAP) {
      const bits = this.#reader.raw(Math.ceil(length / 8))
      if (found === undefined) return
      for (let block = 0; block < length; block++) {
        if (((bits[block >>> 3]! >>> (block & 7)) & 1) === 1) found.add(block)
      }
    } else {
      let block = -1
      for (let i = 0; i < tag - 1; i++) {
        block += 1 + this.#reader.varint(length)
        if (block >= length) throw corruptData('a term names a block that is not there')
        found?.add(block)
      }
    }
  }
}

function writePostings(out: ByteWriter, blocks: readonly number[], blocksWithWords: number, blockCount: number): void {
  if (blocks.length === blocksWithWords) {
    out.varint(POSTINGS_ALL)
  } else if (blocks.length > blockCount / 8) {
    const bits = new Uint8Array(Math.ceil(blockCount / 8))
    for (const block of blocks) bits[block >>> 3]! |= 1 << (block & 7)
    out.varint(POSTINGS_BITMAP).raw(bits)
  } else {
    out.varint(1 + blocks.length)
    let previous = -1
    for (const block of blocks) {
      out.varint(block - previous - 1)
      previous = block
    }
  }
}

/** All words in order, in groups by their first two units, so that no sort takes long. */
async function* inOrder(words: Iterable<string>, pace: Pace): AsyncGenerator<string[]> {
  const groups = new Map<string, string[]>()
  for (const word of words) {
    const head = word.slice(0, 2)
    const group = groups.get(head)
    if (group === undefined) groups.set(head, [word])
    else group.push(word)
  }
  for (const head of [...groups.keys()].sort(compareByCodePoint)) {
    yield groups.get(head)!.sort(compareByCodePoint)
    if (pace.isDue()) await pace.rest()
  }
}

function sharedPrefix(a: Uint8Array, b: Uint8Array): number {
  const max = Math.min(a.length, b.length)
  let shared = 0
  while (shared < max && a[shared] === b[shared]) shared++
  return shared
}

/** The order of the UTF-8 forms: that of UTF-16 units, but that surrogates come last. */
export function compareByCodePoint(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x !== y) return sortable(x) - sortable(y)
  }
  return a.length - b.length
}

function sortable(unit: number): number {
  if (unit < 0xd800) return unit
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800
}

/** The words of each block again, sorted; null where a block has none of its own. */
export async function readWords(
  directory: { readonly blocks: readonly { readonly hasWords: boolean }[]; readonly termRuns: readonly TermRun[] },
  region: ChunkedRegion,
  pace: Pace,
): Promise<(string[] | null)[]> {
  const withWords = new Bitmap(directory.blocks.length)
  const words = directory.blocks.map(({ hasWords }, number): string[] | null => {
    if (hasWords) withWords.add(number)
    return hasWords ? [] : null
  })
  const terms = new SegmentTerms(directory.termRuns, region, withWords)
  await terms.forEach((term, blocks) => {
    for (const number of blocks.toArray()) words[number]?.push(term)
  }, pace)
  return words
}

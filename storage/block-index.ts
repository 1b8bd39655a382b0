import { assert, present } from '../base/assert.ts'
import { Bitmap } from '../base/bitmap.ts'
import { tokenHash } from '../base/hash.ts'
import type { TenantId } from '../base/ids.ts'
import { isWord } from '../base/tokenizer.ts'
import type { BlockSummary, EncodedBlock } from './block.ts'
import {
  BLOOM_HEADER_BYTES,
  BLOOM_LOG2_BITS_MAX,
  BLOOM_PROBES,
  bloomLog2Bits,
  bloomProbes,
  bloomTermsOfValue,
} from './bloom.ts'
import { SummaryTable } from './summary-table.ts'
import { TextIndex } from './text-index.ts'
import { shapesMayBegin, shapesMayBeNear } from './token-shapes.ts'
import { suggestWords, Vocabulary } from './vocabulary.ts'

/**
 * Which blocks of a numbered set may hold what. Every answer is a superset of the blocks with a match (S5): a fresh bitmap over the
 * numbers of `summaries`. Local answers come at once, so that one question and its numbering cannot be torn apart by a cut; those of a
 * segment may need a read.
 */
export interface BlockIndex {
  /** By block number. */
  readonly summaries: readonly BlockSummary[]
  /** Blocks of `tenant` with a row in [fromMs, toMs). */
  within(tenant: TenantId, fromMs: number, toMs: number): Bitmap
  /** Blocks where some field holds `token` (folded). */
  withToken(token: string): Bitmap | Promise<Bitmap>
  /** Blocks where some field holds a token that begins with `prefix` (folded). */
  withTokenPrefix(prefix: string): Bitmap | Promise<Bitmap>
  /** Blocks where some field holds a token within edit distance `distance` of `token` (folded; base/edit-distance.ts). */
  withFuzzyToken(token: string, distance: number): Bitmap | Promise<Bitmap>
  /** Blocks where field `field` is exactly `value` in some row. */
  withValue(field: string, value: string): Bitmap | Promise<Bitmap>
  /** Blocks where field `field` is a number of [min, max] in some row. */
  withRange(field: string, min: number, max: number): Bitmap
  /** Blocks where some row has field `field`. */
  withField(field: string): Bitmap
  /** Words near `typed`, when it does not occur itself; best first. */
  suggest(typed: string, limit: number): string[] | Promise<string[]>
}

/** What an index keeps of a block. */
export type IndexedBlock = Pick<EncodedBlock, 'summary' | 'bloom' | 'words'>

export interface LocalBlockIndexOptions {
  /** Reads a bloom filter back that memory has no room for; a view will do. Undefined: all stay in memory. */
  readonly loadBloom?: (summary: BlockSummary) => Uint8Array | undefined
  /** Bytes of filters kept in memory when they can be read back; the newest are kept. */
  readonly bloomBytesMax?: number
}

const BLOOM_BYTES_MAX_DEFAULT = 16 * 1024 * 1024

interface LocalEntry {
  /** Number of the block in the text index; stable, unlike its number here. */
  readonly document: number
  readonly blockId: string
  /** False where the block had too many words: its tokens are in the bloom filter alone. */
  readonly hasWords: boolean
  bloom: Uint8Array | undefined
}

/** Index of the local blocks of one (shard, tenant, day), in memory: FlexSearch for words, bloom filters for the rest. */
export class LocalBlockIndex implements BlockIndex {
  readonly #options: LocalBlockIndexOptions
  readonly #table = new SummaryTable()
  #entries: LocalEntry[] = []
  /** Block number by document; rebuilt after removals. */
  #numberOf = new Map<number, number>()
  #nextDocument = 0
  readonly #removed = new Set<string>()
  #text = new TextIndex()
  /** Made when the first prefix or misspelling is asked for. */
  #vocabulary: Vocabulary | undefined
  #bloomBytes = 0
  /** Blocks before this number have given up their filters. */
  #bloomsFrom = 0

  constructor(options: LocalBlockIndexOptions = {}) {
    this.#options = options
  }

  get summaries(): readonly BlockSummary[] {
    this.#sweep()
    return this.#table.summaries
  }

  add(block: IndexedBlock): void {
    const { summary, bloom, words } = block
    bloomLog2Bits(bloom)
    this.#sweep()
    const document = this.#nextDocument++
    this.#numberOf.set(document, this.#entries.length)
    this.#entries.push({ document, blockId: summary.blockId, hasWords: words !== null, bloom })
    this.#table.add(summary)
    if (words !== null) {
      const fresh = this.#text.add(document, words)
      if (this.#vocabulary !== undefined) for (const word of fresh) this.#vocabulary.add(word)
    }
    this.#bloomBytes += bloom.length
    this.#boundBlooms()
  }

  /** Forgets a block; no error when it is not here. Numbers change. */
  remove(blockId: string): void {
    this.#removed.add(blockId)
  }

  within(tenant: TenantId, fromMs: number, toMs: number): Bitmap {
    this.#sweep()
    return this.#table.within(tenant, fromMs, toMs)
  }

  withToken(token: string): Bitmap {
    this.#sweep()
    const hash = Int32Array.of(tokenHash(token))
    if (!isWord(token)) return this.#withHashes(hash, Bitmap.full(this.#entries.length))
    const found = this.#withHashes(hash, this.#withoutWords())
    this.#addBlocksWith(token, found)
    return found
  }

  withTokenPrefix(prefix: string): Bitmap {
    this.#sweep()
    if (prefix === '') return Bitmap.full(this.#entries.length)
    const found = this.#withOthers((shapes) => shapesMayBegin(shapes, prefix))
    for (const word of this.#words().withPrefix(prefix)) this.#addBlocksWith(word, found)
    return found
  }

  withFuzzyToken(token: string, distance: number): Bitmap {
    this.#sweep()
    const words = this.#words().near(token, distance)
    if (words === null) return Bitmap.full(this.#entries.length)
    const found = this.#withOthers((shapes) => shapesMayBeNear(shapes, token, distance))
    for (const word of words) this.#addBlocksWith(word, found)
    return found
  }

  withValue(field: string, value: string): Bitmap {
    this.#sweep()
    return this.#withHashes(bloomTermsOfValue(field, value), this.#table.withValue(field, value))
  }

  withRange(field: string, min: number, max: number): Bitmap {
    this.#sweep()
    return this.#table.withRange(field, min, max)
  }

  withField(field: string): Bitmap {
    this.#sweep()
    return this.#table.withField(field)
  }

  suggest(typed: string, limit: number): string[] {
    return suggestWords(this.#text.words(), typed, (word) => this.#text.blockCount(word), limit)
  }

  #addBlocksWith(word: string, found: Bitmap): void {
    for (const document of this.#text.blocksWith(word)) {
      found.add(present(this.#numberOf.get(document), 'the number of an indexed block'))
    }
  }

  #withoutWords(): Bitmap {
    const found = new Bitmap(this.#entries.length)
    for (let i = 0; i < this.#entries.length; i++) if (!this.#entries[i]!.hasWords) found.add(i)
    return found
  }

  /** Blocks that may hold a token that is not among the indexed words and passes `test`. */
  #withOthers(test: (shapes: Uint8Array) => boolean): Bitmap {
    const found = this.#withoutWords()
    const { summaries } = this.#table
    for (let i = 0; i < summaries.length; i++) {
      const shapes = summaries[i]!.otherTokens
      if (shapes === undefined || test(shapes)) found.add(i)
    }
    return found
  }

  /** Those of `among` whose filters may hold all of `hashes`. `among` is changed. 0.1-0.2 µs a block. */
  #withHashes(hashes: Int32Array, among: Bitmap): Bitmap {
    const probes = new Uint32Array(BLOOM_PROBES)
    for (const hash of hashes) {
      // Probes of smaller filters are the low bits of those of the largest.
      bloomProbes(BLOOM_LOG2_BITS_MAX, hash, probes)
      for (const number of among.toArray()) {
        const bloom = this.#bloomOf(number)
        if (bloom === undefined) continue
        const mask = (bloom.length - BLOOM_HEADER_BYTES) * 8 - 1
        for (let i = 0; i < BLOOM_PROBES; i++) {
          const bit = probes[i]! & mask
          if (((bloom[BLOOM_HEADER_BYTES + (bit >>> 3)]! >>> (bit & 7)) & 1) === 0) {
            among.delete(number)
            break
          }
        }
      }
    }
    return among
  }

  /** Undefined when it cannot be had: the block is then a candidate. */
  #bloomOf(number: number): Uint8Array | undefined {
    const bloom = this.#entries[number]!.bloom
    if (bloom !== undefined) return bloom
    const loaded = this.#options.loadBloom?.(this.#table.summaries[number]!)
    if (loaded !== undefined) bloomLog2Bits(loaded)
    return loaded
  }

  #boundBlooms(): void {
    if (this.#options.loadBloom === undefined) return
    const max = this.#options.bloomBytesMax ?? BLOOM_BYTES_MAX_DEFAULT
    while (this.#bloomBytes > max && this.#bloomsFrom < this.#entries.length) {
      const entry = this.#entries[this.#bloomsFrom++]!
      this.#bloomBytes -= entry.bloom?.length ?? 0
      entry.bloom = undefined
    }
  }

  #words(): Vocabulary {
    this.#vocabulary ??= new Vocabulary(this.#text.words())
    return this.#vocabulary
  }

  /** Carries out removals: they come in batches, and renumbering is linear. */
  #sweep(): void {
    if (this.#removed.size === 0) return
    const keep = Bitmap.full(this.#entries.length)
    for (let i = 0; i < this.#entries.length; i++) {
      const entry = this.#entries[i]!
      if (!this.#removed.has(entry.blockId)) continue
      keep.delete(i)
      this.#bloomBytes -= entry.bloom?.length ?? 0
      if (!entry.hasWords) continue
      const gone = this.#text.remove(entry.document)
      if (this.#vocabulary !== undefined) for (const word of gone) this.#vocabulary.remove(word)
    }
    this.#removed.clear()
    this.#table.keepOnly(keep)
    this.#entries = this.#entries.filter((_, i) => keep.has(i))
    this.#numberOf = new Map(this.#entries.map((entry, number) => [entry.document, number]))
    const firstKept = this.#entries.findIndex((entry) => entry.bloom !== undefined)
    this.#bloomsFrom = firstKept < 0 ? this.#entries.length : firstKept
    if (this.#entries.length === 0) {
      // Nothing is left to share words with: let go of the emptied posting lists at once.
      this.#text = new TextIndex()
      this.#vocabulary = undefined
    }
    assert(this.#table.length === this.#entries.length, 'a summary for every entry')
  }
}

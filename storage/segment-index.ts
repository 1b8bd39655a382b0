import { Bitmap } from '../base/bitmap.ts'
import { tokenHash } from '../base/hash.ts'
import type { TenantId } from '../base/ids.ts'
import { isWord } from '../base/tokenizer.ts'
import type { BlockSummary } from './block.ts'
import type { BlockIndex } from './block-index.ts'
import { bloomTermsOfValue } from './bloom.ts'
import { SlicedBlooms } from './segment-blooms.ts'
import type { ChunkedRegion } from './segment-chunks.ts'
import type { SegmentDirectory } from './segment-directory.ts'
import { SegmentTerms } from './segment-terms.ts'
import { SummaryTable } from './summary-table.ts'
import { shapesMayBegin, shapesMayBeNear } from './token-shapes.ts'

/** Index of the blocks of a segment: nothing is built, terms and rows of filters are read when asked for (S6, S7). */
export class SegmentIndex implements BlockIndex {
  readonly #table = new SummaryTable()
  readonly #blooms: SlicedBlooms
  readonly #terms: SegmentTerms
  /** Blocks that had too many words: their tokens are in the filters alone. */
  readonly #withoutWords: Bitmap

  constructor(directory: SegmentDirectory, blooms: ChunkedRegion, terms: ChunkedRegion) {
    const { blocks } = directory
    const withWords = new Bitmap(blocks.length)
    for (const [number, { summary, hasWords }] of blocks.entries()) {
      this.#table.add(summary)
      if (hasWords) withWords.add(number)
    }
    this.#withoutWords = withWords.clone().not()
    this.#blooms = new SlicedBlooms(
      Uint8Array.from(blocks, (block) => block.bloomLog2Bits),
      blooms,
    )
    this.#terms = new SegmentTerms(directory.termRuns, terms, withWords)
  }

  get summaries(): readonly BlockSummary[] {
    return this.#table.summaries
  }

  within(tenant: TenantId, fromMs: number, toMs: number): Bitmap {
    return this.#table.within(tenant, fromMs, toMs)
  }

  async withToken(token: string): Promise<Bitmap> {
    const hash = Int32Array.of(tokenHash(token))
    if (!isWord(token)) return this.#blooms.retain(Bitmap.full(this.#table.length), hash)
    const found = await this.#blooms.retain(this.#withoutWords.clone(), hash)
    await this.#terms.addBlocksWith(token, found)
    return found
  }

  async withTokenPrefix(prefix: string): Promise<Bitmap> {
    if (prefix === '') return Bitmap.full(this.#table.length)
    const found = this.#withOthers((shapes) => shapesMayBegin(shapes, prefix))
    await this.#terms.addBlocksWithPrefix(prefix, found)
    return found
  }

  async withFuzzyToken(token: string, distance: number): Promise<Bitmap> {
    const found = this.#withOthers((shapes) => shapesMayBeNear(shapes, token, distance))
    const known = await this.#terms.addBlocksNear(token, distance, found)
    return known ? found : Bitmap.full(this.#table.length)
  }

  withValue(field: string, value: string): Promise<Bitmap> {
    return this.#blooms.retain(this.#table.withValue(field, value), bloomTermsOfValue(field, value))
  }

  withRange(field: string, min: number, max: number): Bitmap {
    return this.#table.withRange(field, min, max)
  }

  withField(field: string): Bitmap {
    return this.#table.withField(field)
  }

  suggest(typed: string, limit: number): Promise<string[]> {
    return this.#terms.suggest(typed, limit)
  }

  /** Blocks that may hold a token that is not among the terms and passes `test`. */
  #withOthers(test: (shapes: Uint8Array) => boolean): Bitmap {
    const found = this.#withoutWords.clone()
    for (const [number, { otherTokens }] of this.#table.summaries.entries()) {
      if (otherTokens === undefined || test(otherTokens)) found.add(number)
    }
    return found
  }
}

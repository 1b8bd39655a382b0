import { approximateBytes } from '../base/approximate-bytes.ts'
import { RESULT_CACHE_BYTES_MAX } from '../base/limits.ts'
import type { KnownSegment } from '../storage/search-plan.ts'
import type { SegmentMeta } from '../storage/segment.ts'
import type { QueryScope } from './messages/leaf.ts'

/** What a question found in one segment. */
interface Kept {
  readonly question: Question
  readonly known: KnownSegment
  readonly bytes: number
}

interface Question {
  readonly text: string
  /** Short for the text, in the keys of what is kept. */
  readonly id: number
  /** How much is kept of it. */
  count: number
}

/** What is kept of the answers to one question. */
export interface KnownResults {
  recall(meta: SegmentMeta): KnownSegment | undefined
  keep(meta: SegmentMeta, known: KnownSegment): void
}

/** One entry may take this share of the room. */
const ENTRY_SHARE = 1 / 8
const ENTRY_MEMORY_BYTES = 300

/**
 * Q3: partial results of questions that are asked again and again, as dashboards do, of one worker: an LRU bounded by bytes. What is kept is what a
 * question found in one published segment. A segment never changes and is named by its content, and whose rows were looked for, by which
 * filter and in which stretch of time is part of the question, so nothing here is ever out of date: a plan says which segments count now, and rows
 * that are in none of them are looked at each time.
 */
export class ResultCache {
  readonly #bytesMax: number
  readonly #onLookup: ((isHit: boolean) => void) | undefined
  readonly #questions = new Map<string, Question>()
  /** By question and segment, in order of last use, oldest first. */
  readonly #kept = new Map<string, Kept>()
  #bytes = 0
  #questionsMade = 0

  constructor(bytesMax = RESULT_CACHE_BYTES_MAX, onLookup?: (isHit: boolean) => void) {
    this.#bytesMax = bytesMax
    this.#onLookup = onLookup
  }

  /** Approximate bytes of memory. */
  get memoryBytes(): number {
    return this.#bytes
  }

  /** Undefined when nothing is ever kept. Of `work`, a text that says all that a result depends on but whose rows they are, which of them and where; the filter is named by its key. */
  of(work: string, { tenant, range }: QueryScope, filterKey: string): KnownResults | undefined {
    if (this.#bytesMax === 0) return undefined
    const text = JSON.stringify([tenant, work, filterKey])
    // Where all of a segment lies in the range, the range does not matter: that moves on with the clock.
    const partOf = ({ key, minMs, maxMs }: SegmentMeta) =>
      minMs >= range.fromMs && maxMs < range.toMs ? key : `${key} ${range.fromMs} ${range.toMs}`
    return {
      recall: (meta) => {
        const question = this.#questions.get(text)
        const known = question && this.#recall(`${question.id} ${partOf(meta)}`)
        this.#onLookup?.(known !== undefined)
        return known
      },
      keep: (meta, known) => this.#keep(text, partOf(meta), known),
    }
  }

  #recall(key: string): KnownSegment | undefined {
    const kept = this.#kept.get(key)
    if (kept === undefined) return undefined
    this.#kept.delete(key)
    this.#kept.set(key, kept)
    return kept.known
  }

  #keep(text: string, part: string, known: KnownSegment): void {
    const bytes = ENTRY_MEMORY_BYTES + approximateBytes(known.result)
    if (bytes > this.#bytesMax * ENTRY_SHARE) return
    const question = this.#questions.get(text) ?? { text, id: ++this.#questionsMade, count: 0 }
    const key = `${question.id} ${part}`
    // Two that were asked side by side found the same.
    if (this.#kept.has(key)) return
    if (question.count++ === 0) {
      this.#questions.set(text, question)
      this.#bytes += approximateBytes(text)
    }
    this.#kept.set(key, { question, known, bytes })
    this.#bytes += bytes
    for (const oldest of this.#kept.keys()) {
      if (this.#bytes <= this.#bytesMax) break
      this.#drop(oldest)
    }
  }

  #drop(key: string): void {
    const { question, bytes } = this.#kept.get(key)!
    this.#kept.delete(key)
    this.#bytes -= bytes
    if (--question.count > 0) return
    this.#questions.delete(question.text)
    this.#bytes -= approximateBytes(question.text)
  }
}

import type { PipelineRecord } from './pipeline-record.ts'
import type { StepContext } from './step.ts'

/** Sources with an open line at one time; the oldest is let go for another. */
const GROUPS_MAX = 1000
/** Of texts that are joined in one go. */
const CLOSED_CHARS = 64 * 1024

/** A record that waits for the rest of its text. */
export interface LineGroup<T> {
  readonly record: PipelineRecord
  readonly pieces: string[]
  /** Characters of all pieces. */
  chars: number
  state: T
}

/** Texts being joined within one request, one for each source. What is held is bounded by the request and by GROUPS_MAX. */
export class LineGroups<T> {
  readonly #groups = new Map<string, LineGroup<T>>()
  readonly #emit: (group: LineGroup<T>, context: StepContext) => void

  /** `emit` hands a group's record on, its text joined. */
  constructor(emit: (group: LineGroup<T>, context: StepContext) => void) {
    this.#emit = emit
  }

  get(source: string): LineGroup<T> | undefined {
    return this.#groups.get(source)
  }

  open(source: string, record: PipelineRecord, text: string, state: T, context: StepContext): void {
    this.close(source, context)
    if (this.#groups.size >= GROUPS_MAX) this.close(this.#groups.keys().next().value!, context)
    this.#groups.set(source, { record, pieces: [text], chars: text.length, state })
  }

  /** Lets the group of a source go, if there is one. */
  close(source: string, context: StepContext): void {
    const group = this.#groups.get(source)
    if (group === undefined) return
    this.#groups.delete(source)
    this.#emit(group, context)
  }

  /** Lets some go, the oldest first: as many as a slice has time for (T2). */
  closeSome(context: StepContext): void {
    let chars = 0
    for (const [source, group] of this.#groups) {
      chars += group.chars
      this.close(source, context)
      if (chars >= CLOSED_CHARS) return
    }
  }
}

import { assert } from '../../base/assert.ts'
import type { CompiledPipeline, CompiledStep } from './compile.ts'
import { PipelineRecord } from './pipeline-record.ts'
import type { Outcome, SecretHider, Step, StepContext } from './step.ts'

/** All steps of a tenant in the order in which records meet them: its pipelines by id, each with its steps. */
export class StepList {
  readonly pipelines: readonly CompiledPipeline[]
  readonly steps: readonly ListedStep[]
  readonly #hiders: readonly SecretHider[]

  constructor(pipelines: readonly CompiledPipeline[]) {
    this.pipelines = pipelines.toSorted((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))
    const steps: ListedStep[] = []
    for (const pipeline of this.pipelines) {
      const after = steps.length + pipeline.steps.length
      pipeline.steps.forEach((compiled, i) => {
        steps.push({ pipeline, compiled, isFirst: i === 0, after })
      })
    }
    this.steps = steps
    this.#hiders = steps.flatMap(({ compiled: { step } }) => (step.hider === undefined ? [] : [step.hider]))
  }

  /** Some step hides secrets; then what is kept of a refused record goes through `hideInText` and `hideInBytes`. */
  get hidesSecrets(): boolean {
    return this.#hiders.length > 0
  }

  hideInText(text: string): string {
    return this.#hiders.reduce((hidden, hider) => hider.inText(hidden), text)
  }

  /** In bytes of any form; the result has the same length. */
  hideInBytes(bytes: Uint8Array): Uint8Array {
    return this.#hiders.reduce((hidden, hider) => hider.inBytes(hidden), bytes)
  }
}

export interface ListedStep {
  readonly pipeline: CompiledPipeline
  readonly compiled: CompiledStep
  readonly isFirst: boolean
  /** Place in the list of the first step after this pipeline's. */
  readonly after: number
}

/** What becomes of records. The object is used again after each call. */
export interface RunOutput {
  kept(record: PipelineRecord): void
  dropped(record: PipelineRecord, by: ListedStep): void
  failed(record: PipelineRecord, by: ListedStep, reason: string): void
  /** After every step that has seen the record; for the dry run. */
  stepDone?(record: PipelineRecord, by: ListedStep, outcome: Outcome): void
}

interface Waiting {
  readonly record: PipelineRecord
  /** Its next step. */
  readonly at: number
}

/** Of steps, and of KiB of record with each, between two looks at the clock. */
const WORK_BETWEEN_LOOKS = 16

/**
 * Sends the records of one request through the steps of their tenant, one after the other. Works in slices: `advance` stops where a pause
 * is due, between two steps of a record (T2).
 */
export class PipelineRun implements StepContext {
  readonly #steps: readonly ListedStep[]
  readonly #running: readonly Step[]
  readonly #output: RunOutput
  /** The last one is next. */
  readonly #waiting: Waiting[] = []
  readonly #emitted: PipelineRecord[] = []
  readonly #free: PipelineRecord[] = []
  #work = 0
  /** Steps up to here have been told that the request has ended. */
  #ended = 0

  constructor({ steps }: StepList, output: RunOutput) {
    this.#steps = steps
    this.#running = steps.map(({ compiled: { step } }) => step.forRequest?.() ?? step)
    this.#output = output
  }

  /** A record to be loaded and handed to `pass`. */
  take(): PipelineRecord {
    return this.#free.pop() ?? new PipelineRecord()
  }

  /** The next record, from `take`. Only when `advance` has said that it is done with the one before. */
  pass(record: PipelineRecord): void {
    assert(this.#waiting.length === 0, 'records pass one after the other')
    this.#waiting.push({ record, at: 0 })
  }

  emit(record: PipelineRecord): void {
    this.#emitted.push(record)
  }

  /** True when all that was passed is where it belongs; false when a pause is due before that, or the output takes no more. */
  advance(isPauseDue: () => boolean, isFull?: () => boolean): boolean {
    while (this.#waiting.length > 0) {
      if (isFull?.() === true) return false
      const { record, at } = this.#waiting.pop()!
      if (!this.#goOn(record, at, isPauseDue)) return false
    }
    return true
  }

  /** The request has ended, or a part of it that stands for itself. Call it until it returns true. */
  end(isPauseDue: () => boolean, isFull?: () => boolean): boolean {
    for (;;) {
      if (!this.advance(isPauseDue, isFull)) return false
      if (this.#ended === this.#running.length) {
        this.#ended = 0
        return true
      }
      const at = this.#ended
      this.#running[at]!.end?.(this)
      // Once more as long as it has something: records come a few at a time.
      if (this.#emitted.length === 0) this.#ended++
      this.#queueEmitted(at + 1)
    }
  }

  /** All that came out is durable. */
  stored(): void {
    for (const step of this.#running) step.stored?.()
  }

  #goOn(record: PipelineRecord, from: number, isPauseDue: () => boolean): boolean {
    const steps = this.#steps
    const output = this.#output
    for (let at = from; at < steps.length; at++) {
      if (this.#work >= WORK_BETWEEN_LOOKS) {
        this.#work = 0
        if (isPauseDue()) {
          this.#waiting.push({ record, at })
          return false
        }
      }
      this.#work += 1 + (record.bytes >>> 10)
      const listed = steps[at]!
      if (listed.isFirst && !listed.pipeline.takes(record.service())) {
        at = listed.after - 1
        continue
      }
      const { compiled } = listed
      let outcome: Outcome
      try {
        if (compiled.condition?.matches(record) === false) continue
        outcome = this.#running[at]!.apply(record, this)
      } catch (error) {
        // Its message may hold text of the record.
        outcome = { reason: `the step threw ${error instanceof Error ? error.name : 'something'}` }
      }
      output.stepDone?.(record, listed, outcome)
      if (typeof outcome === 'object' && compiled.onError !== 'continue') {
        if (compiled.onError === 'drop') output.dropped(record, listed)
        else output.failed(record, listed, outcome.reason)
        this.#release(record)
        this.#queueEmitted(at + 1)
        return true
      }
      if (outcome === 'drop') {
        output.dropped(record, listed)
        this.#release(record)
      }
      if (this.#emitted.length > 0) {
        if (outcome !== 'drop' && outcome !== 'hold') this.#waiting.push({ record, at: at + 1 })
        this.#queueEmitted(at + 1)
        return true
      }
      if (outcome === 'drop' || outcome === 'hold') return true
    }
    output.kept(record)
    this.#release(record)
    return true
  }

  #queueEmitted(at: number): void {
    for (let record = this.#emitted.pop(); record !== undefined; record = this.#emitted.pop()) {
      this.#waiting.push({ record, at })
    }
  }

  #release(record: PipelineRecord): void {
    this.#free.push(record)
  }
}

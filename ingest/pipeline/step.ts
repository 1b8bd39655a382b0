import type { Clock } from '../../base/clock.ts'
import type { GeoLookup } from './enrich/geo-lookup.ts'
import type { PipelineRecord } from './pipeline-record.ts'
import type { StepParameters } from './step-parameters.ts'

/**
 * What becomes of a record at a step:
 * - `next`: it goes on to the next step.
 * - `drop`: it is not stored; to its sender it counts as accepted.
 * - `hold`: the step keeps the object itself, and emits it later in the same request.
 */
export type Outcome = 'next' | 'drop' | 'hold' | Failure

/** The step could not do its work on this record; `onError` of the step says what follows. `reason`: one sentence, without text of the record. */
export interface Failure {
  readonly reason: string
}

/** What is done with a record on which a step fails. */
export type OnError = 'continue' | 'drop' | 'deadLetter'

/**
 * One step, compiled. It serves all requests of a thread, one record after the other, and never waits. What it throws counts as a failure
 * of the step on that record. A slice of its own may take 10 ms at most (T2), whatever the record.
 */
export interface Step {
  apply(record: PipelineRecord, context: StepContext): Outcome
  /** For steps that keep something from record to record of one request (joined lines): a fresh one for each request. */
  forRequest?(): Step
  /** X1: hides in what is kept of refused records what the step hides in records. */
  readonly hider?: SecretHider
  /** The request has ended, or a part of it: what is held is emitted now, some of it at each call (T2); a call that emits nothing is the last. */
  end?(context: StepContext): void
  /** All that the request brought is durable: what is remembered beyond it may be remembered now. Not called when it was refused. */
  stored?(): void
}

export interface SecretHider {
  inText(text: string): string
  /** In bytes that need not be a record, nor text; the result has the same length. */
  inBytes(bytes: Uint8Array): Uint8Array
}

/** What a step may ask for while it has a record. */
export interface StepContext {
  /** Lets a record that was held go on to the step after this one, before the record that `apply` has now. */
  emit(record: PipelineRecord): void
}

/** A filter of the query language, applied to a single record. */
export interface RecordPredicate {
  matches(record: PipelineRecord): boolean
}

/** What steps are compiled with; everything that they need of the world. */
export interface StepEnvironment {
  readonly tenant: string
  readonly clock: Clock
  /** A filter in the query language (docs/query-language.md); `path` is where it stands in the definition. Throws invalid_parameter. */
  predicate(filter: string, path: string): RecordPredicate
  /** Facts of the node, for records to be enriched with. */
  readonly node: { readonly id: string; readonly region: string | undefined }
  /** The node's database of places; undefined where it has none. */
  readonly geo?: GeoLookup | undefined
  /** Of the tenant, random, kept secret: equal values have equal hashes under it, and nobody can try values out. */
  readonly hashKey: Uint8Array
  /** The author of the pipeline may name any tenant. */
  readonly mayNameTenants: boolean
}

/** A type of steps. */
export interface StepKind {
  readonly type: string
  /** What follows a failure where the definition does not say. */
  readonly onError: OnError
  /** Throws invalid_parameter or invalid_query, with the path of what is wrong and a hint. */
  compile(parameters: StepParameters, environment: StepEnvironment): Step
}

import type { RecordDefaults } from './pipeline-record.ts'
import { PipelineRun, type StepList } from './pipeline-run.ts'
import type { Outcome } from './step.ts'

/** What one step did with one record; `before` and `after` are its JSON. */
export interface DryStep {
  readonly pipeline: string
  readonly step: number
  readonly type: string
  readonly outcome: 'next' | 'drop' | 'hold' | 'failed'
  readonly reason?: string
  readonly before: string
  readonly after: string
}

export interface DryRecord {
  /** `kept`; `routed` to another tenant; `dropped`; `deadLetter`; `merged` into another record. */
  outcome: 'kept' | 'routed' | 'dropped' | 'deadLetter' | 'merged'
  tenant?: string
  reason?: string
  readonly before: string
  /** Only of a record that is kept or routed. */
  after?: string
  readonly steps: DryStep[]
}

/**
 * Sends records, each a JSON object as text, through the steps as one request, and tells what each step does. Yields where a pause is due.
 */
export function* dryRun(
  list: StepList,
  records: readonly string[],
  defaults: RecordDefaults,
  isPauseDue: () => boolean,
): Generator<void, readonly DryRecord[]> {
  const told: DryRecord[] = records.map((before) => ({ outcome: 'merged', before, steps: [] }))
  const last = [...records]
  const run = new PipelineRun(list, {
    kept(record) {
      const of = told[record.index]!
      of.outcome = record.tenant === undefined ? 'kept' : 'routed'
      if (record.tenant !== undefined) of.tenant = record.tenant
      of.after = record.toJson()
    },
    dropped(record) {
      told[record.index]!.outcome = 'dropped'
    },
    failed(record, _by, reason) {
      const of = told[record.index]!
      of.outcome = 'deadLetter'
      of.reason = reason
    },
    stepDone(record, { pipeline, compiled }, outcome) {
      const { index } = record
      const after = record.toJson()
      told[index]!.steps.push({
        pipeline: pipeline.id,
        step: compiled.number,
        type: compiled.type,
        ...outcomeOf(outcome),
        before: last[index]!,
        after,
      })
      last[index] = after
    },
  })
  for (let index = 0; index < records.length; index++) {
    const source = Buffer.from(records[index]!)
    const record = run.take()
    record.load(source, 0, source.length, index, defaults)
    run.pass(record)
    while (!run.advance(isPauseDue)) yield
  }
  while (!run.end(isPauseDue)) yield
  return told
}

function outcomeOf(outcome: Outcome): Pick<DryStep, 'outcome' | 'reason'> {
  return typeof outcome === 'object' ? { outcome: 'failed', reason: outcome.reason } : { outcome }
}

import { compilePipeline, type PipelineDefinition } from '../../../../ingest/pipeline/compile.ts'
import type { RecordDefaults } from '../../../../ingest/pipeline/pipeline-record.ts'
import { PipelineRun, StepList } from '../../../../ingest/pipeline/pipeline-run.ts'
import type { StepEnvironment } from '../../../../ingest/pipeline/step.ts'
import { SimulatedClock } from '../../../harness/simulated-clock.ts'

export const environment: StepEnvironment = {
  tenant: 'acme',
  clock: new SimulatedClock(1_700_000_000_000),
  predicate: (filter) => {
    const [field, value] = filter.split(':')
    return { matches: (record) => record.text({ text: field!, keys: [field!], known: -1 }) === value }
  },
  node: { id: 'n1', region: 'eu' },
  hashKey: Buffer.alloc(32, 7),
  mayNameTenants: false,
}

/** What a pipeline makes of records, each JSON text or what becomes JSON text: its JSON, or what became of it. */
export function runSteps(
  steps: PipelineDefinition['steps'],
  records: readonly unknown[],
  { services, env = environment, defaults = { receivedMs: 1_700_000_000_000 } }: RunOptions = {},
): string[] {
  const definition = { steps, ...(services === undefined ? {} : { services }) }
  const list = new StepList([compilePipeline('p', 1, definition, env)])
  const out: string[] = []
  const run = new PipelineRun(list, {
    kept: (record) => out.push(record.toJson()),
    dropped: (_, { compiled }) => out.push(`dropped by ${compiled.type}`),
    failed: (_, { compiled }, reason) => out.push(`failed in ${compiled.number}: ${reason}`),
  })
  records.forEach((value, index) => {
    const source = Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
    const record = run.take()
    record.load(source, 0, source.length, index, defaults)
    run.pass(record)
    // A pause at every chance.
    while (!run.advance(() => true));
  })
  while (!run.end(() => true));
  return out
}

interface RunOptions {
  readonly services?: readonly string[]
  readonly env?: StepEnvironment
  readonly defaults?: RecordDefaults
}

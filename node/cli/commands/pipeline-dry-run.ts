import type { DryRunRecord } from '../../../api/contract/pipelines.ts'
import { EXIT_FAILED, EXIT_OK } from '../../exit-status.ts'
import type { Call } from '../command.ts'
import { definitionsOf, textOf } from '../definition-file.ts'
import { CommandFailure, UsageFailure } from '../failures.ts'
import { printList } from '../list-printer.ts'
import type { PIPELINE_DRY_RUN_OPTIONS } from '../operate-commands.ts'
import type { Column } from '../table.ts'

const COLUMNS: readonly Column<DryRunRecord>[] = [
  { title: 'OUTCOME', text: ({ outcome }) => outcome },
  { title: 'STEPS', text: ({ steps }) => steps.map(({ type }) => type).join(' ') },
  { title: 'REASON', text: ({ reason = '' }) => reason },
  { title: 'AFTER', text: ({ after }) => (after === undefined ? '' : JSON.stringify(after)) },
]

/** `weir pipelines dry-run`; fails where a step refused a record, as a test of a pipeline wants it. */
export async function run(call: Call<typeof PIPELINE_DRY_RUN_OPTIONS>): Promise<number> {
  const {
    words: [id],
    options,
    terminal,
    stdin,
    node,
  } = call
  const { file } = options
  if (id !== undefined && file !== undefined) throw new UsageFailure('a pipeline is named or given by --file, not both')
  if (file === '-' && options.records === '-') throw new UsageFailure('standard input is one of --file and --records')
  const [definition] = file === undefined ? [] : await definitionsOf(file, stdin)
  const { records } = await node().json<{ readonly records: readonly DryRunRecord[] }>('/v1/pipelines/dry-run', {
    method: 'POST',
    json: {
      ...(id === undefined ? {} : { id }),
      ...(definition === undefined ? {} : { definition }),
      records: recordsOf(await textOf(options.records, stdin), options.records),
    },
  })
  await printList(terminal, options, COLUMNS, records)
  return records.some(({ outcome }) => outcome === 'deadLetter') ? EXIT_FAILED : EXIT_OK
}

function recordsOf(text: string, name: string): unknown[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  return lines.map((line, i) => {
    try {
      return JSON.parse(line) as unknown
    } catch {
      throw new CommandFailure(`${name}: record ${i + 1} is no JSON; a record a line is wanted`)
    }
  })
}

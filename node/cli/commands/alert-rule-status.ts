import type { AlertRuleStatus } from '../../../api/contract/alerts.ts'
import { EXIT_INCOMPLETE, EXIT_OK } from '../../exit-status.ts'
import type { Call } from '../command.ts'
import type { LIST_OPTIONS } from '../common-options.ts'
import { groupText } from '../group-text.ts'
import { ABSENT, printList, timeText } from '../list-printer.ts'
import type { Column } from '../table.ts'

const COLUMNS: readonly Column<AlertRuleStatus['groups'][number]>[] = [
  { title: 'GROUP', text: ({ group }) => groupText(group) },
  { title: 'STATE', text: ({ state }) => state },
  { title: 'SINCE', text: ({ since }) => timeText(since) },
  { title: 'VALUE', text: ({ value }) => (value === null ? ABSENT : String(value)), align: 'right' },
  { title: 'EVENT', text: ({ eventId }) => eventId ?? ABSENT, isKept: true },
]

/** `weir alerts rules status` */
export async function run({ words: [id = ''], options, terminal, node }: Call<typeof LIST_OPTIONS>): Promise<number> {
  const status = await node().json<AlertRuleStatus>(`/v1/alerts/rules/${encodeURIComponent(id)}/status`)
  const { keeper, evaluatedThrough, missingShards, groupCount, groups } = status
  await printList(terminal, options, COLUMNS, groups)
  if (terminal.errorIsTty) {
    const by = keeper === null ? 'by no node yet' : `by ${keeper.node}`
    const more = groupCount > groups.length ? `, ${groupCount} groups in all` : ''
    terminal.tell(terminal.paintError(`decided ${by} through ${timeText(evaluatedThrough)}${more}`, 'dim'))
  }
  if (missingShards.length === 0) return EXIT_OK
  terminal.tell(terminal.paintError(`weir: decided without shards ${missingShards.join(', ')}`, 'yellow'))
  return EXIT_INCOMPLETE
}

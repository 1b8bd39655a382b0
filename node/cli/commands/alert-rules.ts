import type { AlertRule } from '../../../api/contract/alerts.ts'
import { EXIT_OK } from '../../exit-status.ts'
import type { Call } from '../command.ts'
import type { LIST_OPTIONS } from '../common-options.ts'
import { ABSENT, printList, timeText } from '../list-printer.ts'
import type { Column } from '../table.ts'

const memberText = (value: unknown) =>
  value === undefined ? ABSENT : typeof value === 'string' ? value : JSON.stringify(value)

const COLUMNS: readonly Column<AlertRule>[] = [
  { title: 'ID', text: ({ id }) => id, isKept: true },
  { title: 'NAME', text: ({ definition }) => memberText(definition.name) },
  { title: 'SEVERITY', text: ({ definition }) => memberText(definition.severity) },
  { title: 'ENABLED', text: ({ definition }) => (definition.enabled === false ? 'no' : 'yes') },
  { title: 'REVISION', text: ({ revision }) => String(revision), align: 'right' },
  { title: 'UPDATED', text: ({ updatedAt }) => timeText(updatedAt) },
  { title: 'QUERY', text: ({ definition }) => memberText(definition.query) },
  { title: 'CONDITION', text: ({ definition }) => memberText(definition.condition) },
]

/** `weir alerts rules list` */
export async function run({ options, terminal, node }: Call<typeof LIST_OPTIONS>): Promise<number> {
  const { rules } = await node().json<{ readonly rules: readonly AlertRule[] }>('/v1/alerts/rules')
  await printList(terminal, options, COLUMNS, rules)
  return EXIT_OK
}

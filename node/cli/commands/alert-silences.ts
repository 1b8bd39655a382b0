import type { AlertSilence } from '../../../api/contract/alerts.ts'
import { EXIT_OK } from '../../exit-status.ts'
import type { Call } from '../command.ts'
import type { LIST_OPTIONS } from '../common-options.ts'
import { ABSENT, printList, timeText } from '../list-printer.ts'
import type { Column } from '../table.ts'

const COLUMNS: readonly Column<AlertSilence>[] = [
  { title: 'ID', text: ({ id }) => id, isKept: true },
  { title: 'IN FORCE', text: ({ active }) => (active ? 'yes' : 'no') },
  { title: 'FROM', text: ({ startsAt }) => timeText(startsAt) },
  { title: 'TO', text: ({ endsAt }) => timeText(endsAt) },
  { title: 'EVERY', text: ({ every = ABSENT }) => every },
  {
    title: 'WHAT',
    text: ({ matchers }) => matchers.map(({ field, value, not }) => `${field}${not ? '!=' : '='}${value}`).join(' '),
  },
  { title: 'BY', text: ({ by = ABSENT }) => by },
  { title: 'COMMENT', text: ({ comment = '' }) => comment },
]

/** `weir alerts silences list` */
export async function run({ options, terminal, node }: Call<typeof LIST_OPTIONS>): Promise<number> {
  const { silences } = await node().json<{ readonly silences: readonly AlertSilence[] }>('/v1/alerts/silences')
  await printList(terminal, options, COLUMNS, silences)
  return EXIT_OK
}

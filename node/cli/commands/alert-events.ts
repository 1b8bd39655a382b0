import type { AlertEvent } from '../../../api/contract/alerts.ts'
import { EXIT_EMPTY, EXIT_OK } from '../../exit-status.ts'
import type { ALERT_EVENTS_OPTIONS } from '../alert-commands.ts'
import type { Call } from '../command.ts'
import { groupText } from '../group-text.ts'
import { ABSENT, printList, timeText } from '../list-printer.ts'
import type { Column } from '../table.ts'
import { sinceParameter } from '../time-option.ts'

const PAGE_MAX = 1000

const COLUMNS: readonly Column<AlertEvent>[] = [
  { title: 'EVENT', text: ({ id }) => id, isKept: true },
  { title: 'FIRED', text: ({ firedAt }) => timeText(firedAt) },
  { title: 'RESOLVED', text: ({ resolvedAt }) => timeText(resolvedAt) },
  { title: 'SEVERITY', text: ({ rule }) => rule.severity },
  { title: 'RULE', text: ({ rule }) => rule.name },
  { title: 'GROUP', text: ({ group }) => groupText(group) },
  { title: 'VALUE', text: ({ value }) => (value === null ? ABSENT : String(value)), align: 'right' },
  { title: 'CONDITION', text: ({ condition }) => condition },
  { title: 'NOTE', text: noteText },
]

function noteText({ ack, silencedBy }: AlertEvent): string {
  return [...(ack === null ? [] : [`ack by ${ack.by}`]), ...(silencedBy.length === 0 ? [] : ['silenced'])].join(', ')
}

/** `weir alerts events` */
export async function run({ options, terminal, node }: Call<typeof ALERT_EVENTS_OPTIONS>): Promise<number> {
  const { rule, state, since, limit } = options
  const wanted = limit || Infinity
  const events: AlertEvent[] = []
  let cursor: string | null | undefined
  // A node keeps 2,000 of them.
  do {
    const page = await node().json<{ readonly events: readonly AlertEvent[]; readonly nextCursor: string | null }>(
      '/v1/alerts/events',
      {
        parameters: {
          rule,
          state,
          from: sinceParameter(since),
          limit: Math.min(PAGE_MAX, wanted - events.length),
          ...(cursor == null ? {} : { cursor }),
        },
      },
    )
    events.push(...page.events)
    cursor = page.nextCursor
  } while (cursor !== null && events.length < wanted)
  await printList(terminal, options, COLUMNS, events)
  return events.length === 0 && options['fail-empty'] ? EXIT_EMPTY : EXIT_OK
}

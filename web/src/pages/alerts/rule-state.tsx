import { call } from '../../api-client.ts'
import { formatValue } from '../../numbers.ts'
import { usePolled } from '../../polled.ts'
import { formatTime } from '../../time-range.ts'

const PERIOD_MS = 2000
const GROUPS_SHOWN = 50
const TAGS = { ok: 'good', pending: 'warn', firing: 'bad', cooldown: 'warn' } as const

/** How it stands with a rule now, group by group. */
export function RuleState({ id }: { readonly id: string }) {
  const { value } = usePolled(`state ${id}`, PERIOD_MS, (signal) =>
    call('GET /v1/alerts/rules/{id}/status', { path: { id }, signal }),
  )
  if (value === undefined) return null
  return (
    <section class="section" aria-label="State of the rule">
      <p class="bar-row dim">
        {value.keeper === null ? 'No node decides it now.' : `Decided by ${value.keeper.node}`}
        {value.evaluatedThrough !== null && `, through ${formatTime(Date.parse(value.evaluatedThrough), 'second')}`}
        {value.missingShards.length > 0 && ` without ${value.missingShards.length} shards that do not say`}
      </p>
      {value.groups.length > 0 && (
        <ul class="alerts-states">
          {value.groups.slice(0, GROUPS_SHOWN).map(({ group, state, value: of }) => (
            <li key={JSON.stringify(group)}>
              <span class={`tag tag-${TAGS[state]}`}>{state}</span>{' '}
              {Object.entries(group)
                .map(([field, text]) => `${field}: ${text}`)
                .join(', ')}{' '}
              <span class="number">{of === null ? '' : formatValue(of)}</span>
            </li>
          ))}
        </ul>
      )}
      {value.groupCount > GROUPS_SHOWN && <p class="dim">and {value.groupCount - GROUPS_SHOWN} groups more</p>}
    </section>
  )
}

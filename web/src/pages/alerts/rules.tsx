import { call } from '../../api-client.ts'
import type { AlertRule } from '../../api-types.ts'
import { Icon } from '../../components/icon.tsx'
import { Link } from '../../components/link.tsx'
import { ProblemNote } from '../../components/problem-note.tsx'
import { Spinner } from '../../components/spinner.tsx'
import { WideTable } from '../../components/wide-table.tsx'
import { usePolled } from '../../polled.ts'
import { addressOf } from '../../router.ts'
import { conditionText } from './rule-form.ts'

const PERIOD_MS = 10_000

/** All rules of the tenant. */
export function Rules() {
  const { value, problem, reload } = usePolled('rules', PERIOD_MS, (signal) => call('GET /v1/alerts/rules', { signal }))
  if (problem !== undefined) return <ProblemNote problem={problem} onRetry={reload} />
  if (value === undefined) return <Spinner label="Asking for the rules" />
  return (
    <>
      <p class="bar-row">
        <Link class="button button-primary" to="/alerts/rules/new">
          <Icon name="plus" /> New rule
        </Link>
      </p>
      {value.rules.length === 0 ? (
        <div class="empty">
          <h2>No rule yet</h2>
          <p>A rule watches records as they come in, and tells people within seconds.</p>
        </div>
      ) : (
        <WideTable label="Rules">
          <thead>
            <tr>
              <th>Rule</th>
              <th>Severity</th>
              <th>Query</th>
              <th>Condition</th>
              <th>Notifies</th>
              <th>
                <span class="sr-only">Events</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {value.rules.map((rule) => (
              <Row key={rule.id} rule={rule} />
            ))}
          </tbody>
        </WideTable>
      )}
    </>
  )
}

function Row({ rule: { id, definition } }: { readonly rule: AlertRule }) {
  return (
    <tr>
      <td>
        <Link to={`/alerts/rules/${encodeURIComponent(id)}`}>{definition.name}</Link>
        {definition.enabled === false && <span class="tag tag-dim">off</span>}
      </td>
      <td>{definition.severity ?? '–'}</td>
      <td class="mono clip" title={definition.query}>
        {[definition.service === undefined ? '' : `service:${definition.service}`, definition.query ?? '']
          .filter(Boolean)
          .join(' ') || '*'}
      </td>
      <td>{conditionText(definition)}</td>
      <td>{definition.channels?.join(', ') || '–'}</td>
      <td class="actions">
        <Link to={addressOf('/alerts/events', { rule: id })}>Events</Link>
      </td>
    </tr>
  )
}

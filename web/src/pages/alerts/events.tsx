import { useSignal } from '@preact/signals'
import { call } from '../../api-client.ts'
import type { AlertEvent } from '../../api-types.ts'
import { Icon } from '../../components/icon.tsx'
import { Link } from '../../components/link.tsx'
import { Notice, type Outcome } from '../../components/notice.tsx'
import { ProblemNote } from '../../components/problem-note.tsx'
import { Spinner } from '../../components/spinner.tsx'
import { problemOf } from '../../loaded.ts'
import { formatValue } from '../../numbers.ts'
import { usePolled } from '../../polled.ts'
import { addressOf, place, setParams } from '../../router.ts'
import { remembered } from '../../settings-store.ts'
import { formatDuration, formatTime } from '../../time-range.ts'

const PERIOD_MS = 3000
const LINE_SHOWN_MAX = 300

const yourName = remembered('name', '', (value): value is string => typeof value === 'string')

/** Episodes of rules, newest first, with the lines that they began with. */
export function Events() {
  const { params } = place.value
  const state = (params.get('state') ?? undefined) as 'firing' | 'resolved' | undefined
  const rule = params.get('rule') ?? undefined
  const cursor = params.get('cursor') ?? undefined
  const query = {
    ...(state === undefined ? {} : { state }),
    ...(rule === undefined ? {} : { rule }),
    ...(cursor === undefined ? {} : { cursor }),
  }
  const { value, problem, reload } = usePolled(`events ${JSON.stringify(query)}`, PERIOD_MS, (signal) =>
    call('GET /v1/alerts/events', { query, signal }),
  )
  const outcome = useSignal<Outcome | undefined>(undefined)
  const acknowledge = async (id: string) => {
    const by = yourName.value.trim() || 'somebody'
    try {
      await call('POST /v1/alerts/events/{id}/ack', { path: { id }, body: { by } })
      outcome.value = { said: `${by} takes note.` }
      reload()
    } catch (error) {
      outcome.value = { problem: problemOf(error) }
    }
  }
  return (
    <>
      <div class="bar-row">
        <label class="field">
          <span>State</span>
          <select
            class="input"
            value={state ?? ''}
            onChange={(event) => setParams({ state: event.currentTarget.value, cursor: null })}
          >
            <option value="">firing and resolved</option>
            <option value="firing">firing</option>
            <option value="resolved">resolved</option>
          </select>
        </label>
        <label class="field">
          <span>Your name, for what you take note of</span>
          <input
            class="input"
            value={yourName.value}
            onInput={(event) => {
              yourName.value = event.currentTarget.value
            }}
          />
        </label>
        {rule !== undefined && (
          <button type="button" class="button" onClick={() => setParams({ rule: null, cursor: null })}>
            <Icon name="close" /> only of rule {rule}
          </button>
        )}
      </div>
      <Notice outcome={outcome.value} />
      {problem !== undefined && <ProblemNote problem={problem} onRetry={reload} />}
      {value === undefined && problem === undefined && <Spinner label="Asking for events" />}
      {value?.events.length === 0 && (
        <div class="empty">
          <h2>Nothing has fired</h2>
          <p>
            <Link to="/alerts/rules">See the rules</Link>
          </p>
        </div>
      )}
      {value?.events.map((event) => (
        <Event key={event.id} event={event} onAcknowledge={() => void acknowledge(event.id)} />
      ))}
      {value?.nextCursor != null && (
        <p class="bar-row">
          <button type="button" class="button" onClick={() => setParams({ cursor: value.nextCursor })}>
            Older
          </button>
        </p>
      )}
    </>
  )
}

function Event({ event, onAcknowledge }: { readonly event: AlertEvent; readonly onAcknowledge: () => void }) {
  const { rule, group, value, condition, state, firedAt, resolvedAt, window, samples, silencedBy, ack, missingShards } =
    event
  const firedMs = Date.parse(firedAt)
  return (
    <article class="card alerts-event">
      <header>
        <span class={`tag tag-${state === 'firing' ? 'bad' : 'good'}`}>{state}</span>
        <span class="tag tag-dim">{rule.severity}</span>
        <h2>
          <Link to={`/alerts/rules/${encodeURIComponent(rule.id)}`}>{rule.name}</Link>
        </h2>
        <span class="dim">
          {formatTime(firedMs, 'second')}
          {resolvedAt !== null && `, for ${formatDuration(Date.parse(resolvedAt) - firedMs)}`}
        </span>
      </header>
      <p>
        {Object.entries(group).map(([field, of]) => (
          <code key={field} class="alerts-group">
            {field}: {of}
          </code>
        ))}
        <strong class="number">{value === null ? 'no value' : formatValue(value)}</strong>{' '}
        <span class="dim">
          where {condition}, from {formatTime(Date.parse(window.from), 'second').slice(11)} to{' '}
          {formatTime(Date.parse(window.to), 'second').slice(11)}
        </span>
        {silencedBy.length > 0 && <span class="tag tag-dim">silenced</span>}
        {missingShards.length > 0 && (
          <span class="tag tag-warn">decided without {missingShards.length} shards that did not say</span>
        )}
      </p>
      {samples.length > 0 && (
        <ol class="alerts-samples mono">
          {samples.map(({ timestamp, level, service, message }, i) => (
            <li key={i}>
              <span class="dim">{formatTime(Date.parse(timestamp), 'ms').slice(11)}</span>{' '}
              <span class={`level level-${level.toLowerCase()}`}>{level}</span> {service}{' '}
              {message.slice(0, LINE_SHOWN_MAX)}
            </li>
          ))}
        </ol>
      )}
      <footer class="bar-row">
        <Link class="button" to={addressOf('/', { q: rule.query, from: window.from, to: window.to })}>
          <Icon name="search" /> Its records
        </Link>
        {rule.runbook !== undefined && /^https?:/.test(rule.runbook) && (
          <a class="button" href={rule.runbook} rel="noreferrer">
            <Icon name="book" /> Runbook
          </a>
        )}
        {ack === null ? (
          <button type="button" class="button" onClick={onAcknowledge}>
            <Icon name="check" /> Take note
          </button>
        ) : (
          <span class="dim">
            {ack.by} took note at {formatTime(Date.parse(ack.at), 'minute')}
          </span>
        )}
      </footer>
    </article>
  )
}

import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { call } from '../../api-client.ts'
import type { LogRecord } from '../../api-types.ts'
import { sleep } from '../../browser-clock.ts'
import { CopyButton } from '../../components/copy-button.tsx'
import { Icon } from '../../components/icon.tsx'
import { Spinner } from '../../components/spinner.tsx'
import { formatTime } from '../../time-range.ts'
import { AGENT_SNIPPETS, agentSnippet } from './agent-snippets.ts'
import { setRange } from './search-params.ts'

const RETRY_MS = 2000
const HOUR_MS = 3_600_000

interface Props {
  /** Nothing narrows the search: where it finds nothing, there may be nothing at all. */
  readonly isUnfiltered: boolean
  readonly onArrival: () => void
}

/** Instead of an empty list: what can be done about it. Where there is no record at all, how to send the first one; it is noticed when it arrives. */
export function NothingFound({ isUnfiltered, onArrival }: Props) {
  const newest = useSignal<LogRecord | 'none' | undefined>(undefined)
  useEffect(() => {
    const abort = new AbortController()
    void follow(abort.signal)
    return () => abort.abort()

    async function follow(signal: AbortSignal): Promise<void> {
      let cursor: string | undefined
      while (!signal.aborted) {
        const wait = cursor === undefined ? {} : { cursor, wait: '30s' }
        try {
          const { logs, cursor: next } = await call('GET /v1/logs/tail', { query: { limit: 1, ...wait }, signal })
          const hadNone = newest.value === 'none'
          newest.value = logs.at(-1) ?? newest.value ?? 'none'
          if (hadNone && logs.length > 0) onArrival()
          if (newest.value !== 'none') return
          cursor = next
        } catch {
          await sleep(RETRY_MS, signal).catch(() => undefined)
        }
      }
    }
  }, [])
  if (newest.value === undefined) return <Spinner label="Looking further" />
  if (newest.value === 'none') return <FirstStart />
  const { timestamp } = newest.value
  const newestMs = Date.parse(timestamp)
  return (
    <div class="empty">
      <Icon name="search" size={28} />
      <h2>No record matches</h2>
      <p>
        The newest record is of {formatTime(newestMs, 'second')}.{' '}
        {isUnfiltered ? 'Choose a longer range.' : 'Loosen the query, or choose a longer range.'}
      </p>
      <p>
        <button type="button" class="button" onClick={() => setRange({ from: 'now-24h', to: 'now' })}>
          Last 24 hours
        </button>{' '}
        <button type="button" class="button" onClick={() => setRange({ from: 'now-30d', to: 'now' })}>
          Last 30 days
        </button>{' '}
        <button
          type="button"
          class="button"
          onClick={() =>
            setRange({ from: new Date(newestMs - HOUR_MS).toISOString(), to: new Date(newestMs + 1000).toISOString() })
          }
        >
          Around the newest record
        </button>
      </p>
    </div>
  )
}

function FirstStart() {
  const chosen = useSignal(AGENT_SNIPPETS[0]!.name)
  const snippet = AGENT_SNIPPETS.find(({ name }) => name === chosen.value)!
  const text = agentSnippet(snippet.text, location)
  return (
    <div class="first-start">
      <h2>Send the first line</h2>
      <p class="dim">This node has no record yet. Copy one of these; the page shows the record when it arrives.</p>
      <div class="tabs first-start-tabs" role="tablist" aria-label="How to send">
        {AGENT_SNIPPETS.map(({ name }) => (
          <button
            type="button"
            class="tab"
            role="tab"
            key={name}
            aria-selected={name === chosen.value}
            onClick={() => {
              chosen.value = name
            }}
          >
            {name}
          </button>
        ))}
      </div>
      <div class="first-start-text">
        <pre tabIndex={0} aria-label={`${snippet.name}: configuration`}>
          {text}
        </pre>
        <CopyButton label="Copy" text={() => text} />
      </div>
      <p class="dim">{snippet.note}</p>
      <Spinner label="Waiting for the first record" />
    </div>
  )
}

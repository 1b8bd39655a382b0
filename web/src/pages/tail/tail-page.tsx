import { useSignal } from '@preact/signals'
import { useEffect, useMemo, useRef } from 'preact/hooks'
import { call } from '../../api-client.ts'
import type { LogRecord } from '../../api-types.ts'
import { Icon } from '../../components/icon.tsx'
import { Link } from '../../components/link.tsx'
import { LogList } from '../../components/log-list.tsx'
import { ProblemNote } from '../../components/problem-note.tsx'
import { QueryBox } from '../../components/query-box.tsx'
import { formatValue } from '../../numbers.ts'
import { filterOf, matcherOf } from '../../query-syntax.ts'
import { addressOf, place, setParams } from '../../router.ts'
import { TAIL_ROWS_MAX, TailFeed, type TailState } from '../../tail-feed.ts'
import './tail-page.css'

const STATUS_WORDS: Readonly<Record<TailState['status'], string>> = {
  connecting: 'Connecting…',
  live: 'Live',
  paused: 'Paused',
  reconnecting: 'The node does not answer; trying again…',
  stopped: 'Stopped',
}

/** How far from its end a list counts as read to the end. */
const END_PX = 40

/** Records as they come. */
export function TailPage() {
  const feed = useMemo(() => new TailFeed(), [])
  const query = filterOf(place.value.params.get('q') ?? '')
  const isWrapped = place.value.params.get('wrap') === '1'
  const matcher = useMemo(() => matcherOf(query), [query])
  const selected = useSignal(-1)
  const isFollowing = useSignal(true)
  const scroller = useRef<HTMLDivElement>(null)
  useEffect(() => {
    feed.start(query)
    isFollowing.value = true
    selected.value = -1
    return () => feed.stop()
  }, [feed, query, isFollowing, selected])
  const { status, rate, dropped, waiting, problem, version } = feed.state.value
  const isPaused = status === 'paused'

  useEffect(() => {
    const element = scroller.current
    if (element === null) return
    let lastTop = element.scrollTop
    const onScroll = () => {
      const { scrollTop, scrollHeight, clientHeight } = element
      if (scrollTop < lastTop - 2) isFollowing.value = false
      if (scrollHeight - scrollTop - clientHeight < END_PX) isFollowing.value = true
      lastTop = scrollTop
    }
    element.addEventListener('scroll', onScroll, { passive: true })
    return () => element.removeEventListener('scroll', onScroll)
  }, [isFollowing])
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const isTyping = (event.target as HTMLElement).matches('input, textarea, select, button')
      if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return
      if (event.key === ' ' || event.key === 'p') {
        event.preventDefault()
        feed.pause(feed.state.value.status !== 'paused')
      }
    }
    document.addEventListener('keydown', onKey)
    return () => document.removeEventListener('keydown', onKey)
  }, [feed])

  const record: LogRecord | undefined = feed.row(selected.value)
  return (
    <div class="tail">
      <h1 class="sr-only">Live tail</h1>
      <div class="tail-bar">
        <QueryBox
          query={query}
          fields={[]}
          problem={problem}
          placeholder="Only records that match: level:ERROR service:checkout"
          valuesOf={async (name) =>
            (await call('GET /v1/fields/{name}/values', { path: { name }, query: { limit: 50, timeout: '2s' } })).values
          }
          onRun={(next) => setParams({ q: filterOf(next) })}
        />
        <button
          type="button"
          class="button button-primary"
          onClick={() => feed.pause(!isPaused)}
          disabled={status === 'stopped'}
        >
          <Icon name={isPaused ? 'play' : 'pause'} /> {isPaused ? 'Resume' : 'Pause'}
        </button>
      </div>
      <div class="tail-status" data-version={version}>
        <span class={`tail-state tail-${status}`} role="status">
          {STATUS_WORDS[status]}
        </span>
        <span class="number">{formatValue(rate)} records/s</span>
        {waiting > 0 && <span>{waiting.toLocaleString('en')} came while paused</span>}
        {dropped > 0 && (
          <span class="tail-dropped">
            <Icon name="warning" size={14} /> {dropped.toLocaleString('en')} left out: they came too fast
          </span>
        )}
        {feed.count >= TAIL_ROWS_MAX - 1000 && (
          <span class="dim">the newest {TAIL_ROWS_MAX.toLocaleString('en')} are kept</span>
        )}
        <span class="tail-tools">
          {!isFollowing.value && (
            <button
              type="button"
              class="button"
              onClick={() => {
                isFollowing.value = true
              }}
            >
              <Icon name="down" /> Newest
            </button>
          )}
          <button
            type="button"
            class="button button-icon"
            aria-label="Wrap lines"
            title="Wrap lines"
            aria-pressed={isWrapped}
            onClick={() => setParams({ wrap: isWrapped ? null : '1' }, { replace: true })}
          >
            <Icon name="wrap" />
          </button>
          <button type="button" class="button" onClick={() => feed.clear()}>
            <Icon name="trash" /> Clear
          </button>
          <Link class="button" to={addressOf('/', { q: query })}>
            <Icon name="search" /> Search
          </Link>
        </span>
      </div>
      {problem !== undefined && status === 'stopped' && (
        <ProblemNote problem={problem} onRetry={() => feed.start(query)} />
      )}
      <LogList
        label="Records as they come"
        count={feed.count}
        row={(index) => feed.row(index)}
        columns={COLUMNS}
        isWrapped={isWrapped}
        matcher={matcher}
        selected={selected.value}
        onSelect={(index) => {
          selected.value = selected.value === index ? -1 : index
          isFollowing.value = false
        }}
        isFollowing={isFollowing.value && !isPaused}
        followedVersion={version}
        scroller={scroller}
      />
      {record !== undefined && (
        <p class="tail-open">
          <Link to={addressOf('/', { q: query, rec: record.id })}>Open this record in the search</Link>
        </p>
      )}
    </div>
  )
}

const COLUMNS = ['service']

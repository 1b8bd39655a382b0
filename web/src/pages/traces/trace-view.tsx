import { useSignal } from '@preact/signals'
import { useEffect, useMemo } from 'preact/hooks'
import { call } from '../../api-client.ts'
import type { TraceResult } from '../../api-types.ts'
import { CopyButton } from '../../components/copy-button.tsx'
import { Icon } from '../../components/icon.tsx'
import { Link } from '../../components/link.tsx'
import { LogList } from '../../components/log-list.tsx'
import { ProblemNote } from '../../components/problem-note.tsx'
import { Spinner } from '../../components/spinner.tsx'
import { Loader } from '../../loaded.ts'
import { conditionOf } from '../../query-syntax.ts'
import { levelName } from '../../record-fields.ts'
import { addressOf } from '../../router.ts'
import { seriesColour } from '../../series-colour.ts'
import { formatDuration, formatTime } from '../../time-range.ts'
import { preciseMs, spansOf, type TraceSpan } from '../../trace-spans.ts'

const SPANS_SHOWN_MAX = 500
const DOTS_MAX = 200
const COLUMNS = ['service', 'host']

/** One request across services: a waterfall, with the records that it is made of. */
export function TraceView({ id }: { id: string }) {
  const loader = useMemo(() => new Loader<TraceResult>(), [])
  const chosen = useSignal<string | undefined>(undefined)
  const selected = useSignal(-1)
  useEffect(() => {
    void loader.load((signal) => call('GET /v1/traces/{traceId}', { path: { traceId: id }, signal }))
    return () => loader.stop()
  }, [loader, id])
  const { value, problem } = loader.state.value
  const spans = useMemo(() => spansOf(value?.logs ?? []), [value])
  if (problem !== undefined) {
    return (
      <div class="page-scroll">
        <h1>Trace</h1>
        <ProblemNote problem={problem} />
        <Link to="/traces">Find another trace</Link>
      </div>
    )
  }
  if (value === undefined) return <Spinner label="Reading the trace" />
  const startMs = Math.min(...spans.map((span) => span.startMs))
  const lengthMs = Math.max(...spans.map((span) => span.endMs)) - startMs || 1
  const services = [...new Set(spans.map(({ service }) => service))]
  const span = spans.find((one) => one.id === chosen.value)
  const logs = span?.logs ?? value.logs
  const errors = spans.reduce((sum, one) => sum + one.errors, 0)
  return (
    <div class="trace">
      <header class="trace-head">
        <h1>Trace</h1>
        <code class="trace-id">{id.slice(0, 128)}</code>
        <CopyButton isSmall label="Copy the trace id" text={() => id} />
        <span class="dim">{formatTime(startMs, 'ms')}</span>
        <strong class="number">{formatDuration(value.durationMs)}</strong>
        <span>
          {services.length} services, {spans.length} spans, {value.logs.length} records
        </span>
        {errors > 0 && <span class="level level-error">{errors} errors</span>}
        {!value.coverage.complete && (
          <span class="trace-partial" role="status">
            <Icon name="warning" size={14} /> Partial: not every shard answered
          </span>
        )}
        <Link class="button trace-search" to={addressOf('/', { q: conditionOf('traceId', id) ?? '', from: 'now-7d' })}>
          <Icon name="search" /> Search its records
        </Link>
      </header>
      <div class="trace-waterfall" tabIndex={0} role="group" aria-label="Waterfall of spans">
        <div class="trace-scale" aria-hidden="true">
          <span />
          <div class="trace-ticks">
            {[0, 0.25, 0.5, 0.75, 1].map((part) => (
              <span key={part}>{part === 0 ? '0' : formatDuration(lengthMs * part)}</span>
            ))}
          </div>
        </div>
        {spans.slice(0, SPANS_SHOWN_MAX).map((one) => (
          <SpanRow
            key={one.id}
            span={one}
            startMs={startMs}
            lengthMs={lengthMs}
            colour={seriesColour(services.indexOf(one.service))}
            isChosen={one.id === chosen.value}
            onChoose={() => {
              chosen.value = one.id === chosen.value ? undefined : one.id
              selected.value = -1
            }}
          />
        ))}
        {spans.length > SPANS_SHOWN_MAX && <p class="dim">The first {SPANS_SHOWN_MAX} spans are drawn.</p>}
      </div>
      <p class="trace-note dim">
        {span === undefined ? 'All records, oldest first' : `Records of ${span.service}; choose the span again for all`}
      </p>
      <LogList
        label="Records of the trace"
        count={logs.length}
        row={(index) => logs[index]}
        columns={COLUMNS}
        isWrapped
        selected={selected.value}
        onSelect={(index) => {
          selected.value = selected.value === index ? -1 : index
        }}
      />
    </div>
  )
}

interface RowProps {
  readonly span: TraceSpan
  readonly startMs: number
  readonly lengthMs: number
  readonly colour: `--${string}`
  readonly isChosen: boolean
  readonly onChoose: () => void
}

function SpanRow({ span, startMs, lengthMs, colour, isChosen, onChoose }: RowProps) {
  const part = (ms: number) => `${(((ms - startMs) / lengthMs) * 100).toFixed(3)}%`
  const lastedMs = span.endMs - span.startMs
  return (
    <button type="button" class={`trace-row${isChosen ? ' is-chosen' : ''}`} aria-pressed={isChosen} onClick={onChoose}>
      <span class="trace-name" style={{ paddingLeft: `${8 + Math.min(span.depth, 12) * 14}px` }}>
        <span class="trace-mark" style={{ background: `var(${colour})` }} />
        <span class="trace-service">{span.service.slice(0, 80)}</span>
        {span.errors > 0 && <span class="level level-error">{span.errors} err</span>}
        <span class="dim number">{formatDuration(lastedMs)}</span>
      </span>
      <span class="trace-track">
        <span
          class="trace-bar"
          style={{
            left: part(span.startMs),
            width: `max(3px, ${((lastedMs / lengthMs) * 100).toFixed(3)}%)`,
            background: `var(${colour})`,
          }}
        />
        {span.logs.slice(0, DOTS_MAX).map((log) => (
          <span
            key={log.id}
            class={`trace-dot back-${levelName(log.level)}`}
            title={`${log.level} ${(log.message ?? '').slice(0, 200)}`}
            style={{ left: part(preciseMs(log.timestamp)) }}
          />
        ))}
      </span>
    </button>
  )
}

import { call } from '../../api-client.ts'
import type { RowsResult, TableResult } from '../../api-types.ts'
import { Link } from '../../components/link.tsx'
import { ProblemNote } from '../../components/problem-note.tsx'
import { Sparkline } from '../../components/sparkline.tsx'
import { Spinner } from '../../components/spinner.tsx'
import { WideTable } from '../../components/wide-table.tsx'
import { formatCount } from '../../numbers.ts'
import { usePolled } from '../../polled.ts'
import { addressOf, place, setParams } from '../../router.ts'
import { formatTime, QUICK_RANGES, spanOf } from '../../time-range.ts'
import '../../styles/tables.css'
import { type ServiceRow, servicesOf } from './service-rows.ts'

const PERIOD_MS = 10_000
const BARS = 30
const SERVICES_MAX = 200
const NEWEST_ERRORS = 100
const RANGES = QUICK_RANGES.filter(({ from }) => from !== 'now-30d')

interface Found {
  readonly rows: readonly ServiceRow[]
  readonly isComplete: boolean
}

/** Every service that has logged in the range: how much, how much of it errors, since when, and its newest error. */
export function ServicesPage() {
  const from = place.value.params.get('from') ?? 'now-1h'
  const { value, problem, reload } = usePolled(`services ${from}`, PERIOD_MS, (signal) => load(from, signal))
  return (
    <div class="page-scroll">
      <div class="page-head">
        <h1>Services</h1>
        {value?.isComplete === false && <span class="tag tag-warn">partial: some shards did not answer</span>}
        <select
          class="input"
          aria-label="Time range"
          value={from}
          onChange={(event) => setParams({ from: event.currentTarget.value })}
        >
          {RANGES.map((range) => (
            <option key={range.from} value={range.from}>
              {range.label}
            </option>
          ))}
        </select>
      </div>
      {problem !== undefined && <ProblemNote problem={problem} onRetry={reload} />}
      {value === undefined && problem === undefined && <Spinner label="Counting" />}
      {value !== undefined && value.rows.length === 0 && (
        <div class="empty">
          <h2>No service has logged in this range</h2>
          <p>
            <Link to="/">See how to send the first line</Link>
          </p>
        </div>
      )}
      {value !== undefined && value.rows.length > 0 && <ServiceTable rows={value.rows} from={from} />}
    </div>
  )
}

function ServiceTable({ rows, from }: { readonly rows: readonly ServiceRow[]; readonly from: string }) {
  return (
    <WideTable label="Services">
      <thead>
        <tr>
          <th>Service</th>
          <th class="number">Records</th>
          <th class="number">Per second</th>
          <th class="number">Errors</th>
          <th class="number">Error rate</th>
          <th>Over time</th>
          <th>Newest error</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(({ service, count, perSecond, errors, bars, newest }) => (
          <tr key={service}>
            <td>
              <Link to={addressOf('/', { q: `service:${quoted(service)}`, from })}>{service}</Link>
            </td>
            <td class="number">{formatCount(count)}</td>
            <td class="number">{perSecond < 10 ? perSecond.toFixed(2) : formatCount(perSecond)}</td>
            <td class="number">{formatCount(errors)}</td>
            <td class="number">
              <span class={`tag tag-${errors === 0 ? 'good' : errors / count > 0.05 ? 'bad' : 'warn'}`}>
                {((errors / count) * 100).toFixed(errors === 0 ? 0 : 2)} %
              </span>
            </td>
            <td>
              <Sparkline
                values={bars}
                label={`${service}: ${formatCount(count)} records, at most ${Math.max(...bars)} in a bar`}
              />
            </td>
            <td class="clip">
              {newest !== undefined && (
                <Link
                  to={addressOf('/', { q: `service:${quoted(service)} level:(ERROR OR FATAL)`, from })}
                  title={newest.message.slice(0, 1000)}
                >
                  <span class="dim">{formatTime(newest.atMs, 'second').slice(11)}</span> {newest.message.slice(0, 200)}
                </Link>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </WideTable>
  )
}

async function load(from: string, signal: AbortSignal): Promise<Found> {
  const span = spanOf({ from, to: 'now' })
  const range = { from: span.fromMs, to: span.toMs }
  const intervalMs = Math.max(1000, Math.ceil((span.toMs - span.fromMs) / BARS))
  const counts = { ...range, metric: 'count', top: SERVICES_MAX * 6 }
  const [levels, bars, errors] = await Promise.all([
    call('GET /v1/logs/aggregate', { query: { ...counts, groupBy: 'service,level' }, signal }),
    call('GET /v1/logs/aggregate', {
      query: { ...range, metric: 'count', groupBy: 'service', interval: `${intervalMs}ms` },
      signal,
    }),
    call('GET /v1/logs/search', {
      query: {
        ...range,
        query: 'level:(ERROR OR FATAL)',
        limit: NEWEST_ERRORS,
        fields: 'timestamp,service,message',
        total: 'none',
      },
      signal,
    }) as Promise<RowsResult>,
  ])
  const answers: readonly (TableResult | RowsResult)[] = [levels, bars, errors]
  return {
    rows: servicesOf({ levels: levels.rows, bars: bars.rows, errors: errors.logs, span, intervalMs }).slice(
      0,
      SERVICES_MAX,
    ),
    isComplete: answers.every(({ coverage }) => coverage.complete),
  }
}

/** As a value of the query language. */
function quoted(value: string): string {
  return /^[\w.-]+$/.test(value) ? value : `"${value.replace(/["\\]/g, '\\$&')}"`
}

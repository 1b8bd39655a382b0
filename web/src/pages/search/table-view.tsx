import { useMemo } from 'preact/hooks'
import type { TableResult } from '../../api-types.ts'
import { Icon, type IconName } from '../../components/icon.tsx'
import { LogText } from '../../components/log-text.tsx'
import { type ChartSeries, TimeChart } from '../../components/time-chart.tsx'
import { formatValue } from '../../numbers.ts'
import { setParams } from '../../router.ts'
import { formatTime } from '../../time-range.ts'
import { searchParams, setSpan } from './search-params.ts'

type View = 'time' | 'bars' | 'table' | 'number'
const VIEWS: Readonly<Record<View, readonly [IconName, string]>> = {
  time: ['tail', 'Time series'],
  bars: ['chart', 'Bars'],
  table: ['columns', 'Table'],
  number: ['data', 'Number'],
}

const SERIES_MAX = 20
const BARS_MAX = 100
const TABLE_ROWS_MAX = 2000

type Row = TableResult['rows'][number]

/** What the columns of a table are for. */
interface Shape {
  /** Start of a bucket of time. */
  readonly time: string | undefined
  readonly keys: readonly string[]
  readonly metrics: readonly string[]
}

/** The answer of a query that ends in a table, as the drawing that fits it best, or the one chosen. */
export function TableView({ result, query }: { result: TableResult; query: string }) {
  const shape = useMemo(() => shapeOf(result), [result])
  const possible = viewsOf(result, shape)
  const chosen = searchParams.value.chart as View
  const view = possible.includes(chosen) ? chosen : possible[0]!
  return (
    <div class="table-view">
      <div class="tabs" role="tablist" aria-label="Drawing">
        {possible.map((name) => (
          <button
            type="button"
            key={name}
            class="tab"
            role="tab"
            aria-selected={name === view}
            onClick={() => setParams({ chart: name }, { replace: true })}
          >
            <Icon name={VIEWS[name][0]} size={14} /> {VIEWS[name][1]}
          </button>
        ))}
      </div>
      <div class="table-view-body" tabIndex={0} role="group" aria-label="Result">
        {result.rows.length === 0 && <p class="empty">No record matches.</p>}
        {view === 'number' && <BigNumber result={result} shape={shape} />}
        {view === 'time' && <OverTime result={result} shape={shape} query={query} />}
        {view === 'bars' && <Bars result={result} shape={shape} />}
        {view === 'table' && <Table result={result} />}
      </div>
    </div>
  )
}

function shapeOf({ columns, rows }: TableResult): Shape {
  const isTime = (name: string) =>
    rows.length > 0 && rows.every((row) => typeof row[name] === 'string' && /^\d{4}-\d\d-\d\dT/.test(String(row[name])))
  const time = columns.find((name) => /^(?:bucket|timestamp)/.test(name) && isTime(name)) ?? columns.find(isTime)
  const metrics = columns.filter(
    (name) =>
      name !== time &&
      rows.some((row) => typeof row[name] === 'number') &&
      rows.every((row) => row[name] === null || typeof row[name] === 'number'),
  )
  return { time, metrics, keys: columns.filter((name) => name !== time && !metrics.includes(name)) }
}

function viewsOf({ rows, columns }: TableResult, { time, keys, metrics }: Shape): readonly View[] {
  const views: View[] = []
  if (rows.length === 1 && metrics.length > 0 && time === undefined && keys.length === 0) views.push('number')
  if (time !== undefined && metrics.length > 0) views.push('time')
  if (time === undefined && keys.length > 0 && metrics.length > 0) views.push('bars')
  if (columns.length > 0) views.push('table')
  return views
}

function BigNumber({ result, shape }: { result: TableResult; shape: Shape }) {
  return (
    <div class="big-numbers">
      {shape.metrics.map((name) => (
        <div key={name} class="big-number">
          <span class="big-number-value">{cellText(result.rows[0]![name] ?? null)}</span>
          <span class="dim">{name}</span>
        </div>
      ))}
    </div>
  )
}

function OverTime({ result, shape, query }: { result: TableResult; shape: Shape; query: string }) {
  const { times, series, left } = useMemo(() => seriesOf(result, shape), [result, shape])
  return (
    <>
      <TimeChart times={times} series={series} heightPx={340} onBrush={setSpan} label={`Time series of ${query}`} />
      {left > 0 && (
        <p class="search-note">
          The {SERIES_MAX} largest series are drawn; {left} are left out. The table has all.
        </p>
      )}
    </>
  )
}

function seriesOf({ rows }: TableResult, { time, keys, metrics }: Shape) {
  const times = [...new Set(rows.map((row) => Date.parse(String(row[time!]))))].sort((a, b) => a - b)
  const places = new Map(times.map((ms, i) => [ms, i]))
  const all = new Map<string, { values: (number | null)[]; sum: number }>()
  for (const row of rows) {
    const key = keys.map((name) => String(row[name])).join(' · ')
    for (const metric of metrics) {
      const label = metrics.length > 1 || key === '' ? [key, metric].filter(Boolean).join(' ') : key
      let one = all.get(label)
      if (one === undefined) {
        one = { values: new Array(times.length).fill(null), sum: 0 }
        all.set(label, one)
      }
      const value = row[metric] as number | null
      one.values[places.get(Date.parse(String(row[time!])))!] = value
      one.sum += Math.abs(value ?? 0)
    }
  }
  const sorted = [...all].sort(([, a], [, b]) => b.sum - a.sum)
  const series: ChartSeries[] = sorted
    .slice(0, SERIES_MAX)
    .map(([label, { values }]) => ({ label: label.slice(0, 60), values }))
  return { times, series, left: sorted.length - series.length }
}

function Bars({ result, shape }: { result: TableResult; shape: Shape }) {
  const metric = shape.metrics[0]!
  const highest = Math.max(...result.rows.map((row) => Math.abs(Number(row[metric] ?? 0))), 1e-9)
  return (
    <>
      <table class="bars">
        <caption class="sr-only">{metric}</caption>
        <thead>
          <tr>
            <th scope="col">{shape.keys.join(', ')}</th>
            <th scope="col" colSpan={2}>
              {metric}
            </th>
          </tr>
        </thead>
        <tbody>
          {result.rows.slice(0, BARS_MAX).map((row, i) => (
            <tr key={i}>
              <th scope="row">
                <LogText text={shape.keys.map((name) => cellText(row[name] ?? null)).join(' · ')} charsMax={120} />
              </th>
              <td class="number">{cellText(row[metric] ?? null)}</td>
              <td class="bars-track">
                <span class="bars-bar" style={{ width: `${(Math.abs(Number(row[metric] ?? 0)) / highest) * 100}%` }} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {result.rows.length > BARS_MAX && (
        <p class="search-note">
          The first {BARS_MAX} of {result.rows.length} rows; the table has all.
        </p>
      )}
    </>
  )
}

function Table({ result }: { result: TableResult }) {
  return (
    <>
      <table class="table">
        <thead>
          <tr>
            {result.columns.map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {result.rows.slice(0, TABLE_ROWS_MAX).map((row: Row, i) => (
            <tr key={i}>
              {result.columns.map((name) => (
                <td key={name} class={typeof row[name] === 'number' ? 'number' : 'mono'}>
                  <LogText text={cellText(row[name] ?? null)} charsMax={500} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {result.rows.length > TABLE_ROWS_MAX && (
        <p class="search-note">
          The first {TABLE_ROWS_MAX} of {result.rows.length} rows.
        </p>
      )}
    </>
  )
}

function cellText(value: string | number | boolean | null): string {
  if (value === null) return '–'
  if (typeof value === 'number') return formatValue(value)
  if (typeof value === 'string' && /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value))
    return formatTime(Date.parse(value), 'second')
  return String(value)
}

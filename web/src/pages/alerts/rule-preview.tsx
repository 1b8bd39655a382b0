import { call } from '../../api-client.ts'
import { nowMs } from '../../browser-clock.ts'
import { ProblemNote } from '../../components/problem-note.tsx'
import { formatValue } from '../../numbers.ts'
import { usePolled } from '../../polled.ts'
import { formatTime, parseDuration } from '../../time-range.ts'
import { type RuleForm, thresholdOf } from './rule-form.ts'

const WIDTH = 600
const HEIGHT = 120
const WINDOWS = 60

interface Bar {
  readonly atMs: number
  readonly value: number
}

/** What the rule would have seen lately, a bar a window, with its threshold; each group apart would be lower. */
export function RulePreview({ form }: { readonly form: RuleForm }) {
  const windowMs = Math.max(10_000, parseDuration(form.window) || 300_000)
  const query = {
    query: form.query,
    ...(form.service === '' ? {} : { service: form.service }),
    metric: form.metric === 'rate' ? 'count' : form.metric === 'distinct' ? 'uniq' : form.metric,
    ...(form.field === '' || form.metric === 'count' || form.metric === 'rate' ? {} : { field: form.field }),
    interval: `${windowMs}ms`,
    from: `now-${windowMs * WINDOWS}ms`,
  }
  const { value, problem } = usePolled(JSON.stringify(query), 0, (signal) =>
    call('GET /v1/logs/aggregate', { query, signal }),
  )
  if (problem !== undefined) return <ProblemNote problem={problem} />
  const scale = form.metric === 'rate' ? 1000 / windowMs : 1
  const bars: Bar[] = (value?.rows ?? [])
    .map((row) => ({
      atMs: Date.parse(String(row.bucket)),
      value: Number(Object.entries(row).find(([name]) => name !== 'bucket')?.[1] ?? 0) * scale,
    }))
    .sort((a, b) => a.atMs - b.atMs)
  const threshold = thresholdOf(form.threshold)
  const highest = Math.max(1e-9, threshold ?? 0, ...bars.map((bar) => bar.value)) * 1.1
  const fromMs = (Math.floor(nowMs() / windowMs) - WINDOWS + 1) * windowMs
  const y = (of: number) => HEIGHT - (of / highest) * HEIGHT
  const most = bars.reduce((max, bar) => Math.max(max, bar.value), 0)
  return (
    <figure class="card alerts-preview">
      <figcaption class="dim">
        {bars.length === 0
          ? 'The query has matched nothing lately.'
          : `Each ${form.window} since ${formatTime(fromMs, 'minute')}: at most ${formatValue(most)}.`}
      </figcaption>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`Values of the rule lately, at most ${formatValue(most)}; threshold ${form.threshold}`}
      >
        {bars.map((bar) => (
          <rect
            key={bar.atMs}
            x={((bar.atMs - fromMs) / windowMs / WINDOWS) * WIDTH}
            y={y(bar.value)}
            width={Math.max(1, WIDTH / WINDOWS - 1)}
            height={HEIGHT - y(bar.value)}
          />
        ))}
        {threshold !== undefined && <line x1={0} x2={WIDTH} y1={y(threshold)} y2={y(threshold)} />}
      </svg>
    </figure>
  )
}

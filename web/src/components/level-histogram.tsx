import { useSignal } from '@preact/signals'
import { useRef } from 'preact/hooks'
import type { HistogramResult } from '../api-types.ts'
import { formatCount } from '../numbers.ts'
import { LEVELS, levelName } from '../record-fields.ts'
import { formatTime, parseDuration, type TimeSpan } from '../time-range.ts'
import './level-histogram.css'

interface Props {
  readonly histogram: HistogramResult
  readonly span: TimeSpan
  /** A range that was dragged over, or the bucket that was clicked. */
  readonly onBrush: (fromMs: number, toMs: number) => void
}

const HEIGHT = 64
const TICKS = 6
const DRAG_PX_MIN = 4

/** Records per interval as stacked bars, by level. */
export function LevelHistogram({ histogram, span, onBrush }: Props) {
  const box = useRef<HTMLDivElement>(null)
  const drag = useSignal<{ readonly from: number; readonly to: number } | undefined>(undefined)
  const hovered = useSignal(-1)
  const { buckets } = histogram
  const widthMs = parseDuration(histogram.interval) || 1
  const { fromMs, toMs } = span
  const lengthMs = Math.max(1, toMs - fromMs)
  const highest = Math.max(1, ...buckets.map(({ count }) => count))
  const x = (ms: number) => ((ms - fromMs) / lengthMs) * 1000

  /** Where the pointer is, as a part of the width. */
  function partAt(event: PointerEvent): number {
    const { left, width } = box.current!.getBoundingClientRect()
    return Math.min(1, Math.max(0, (event.clientX - left) / width))
  }
  function bucketAt(part: number): number {
    const ms = fromMs + part * lengthMs
    return buckets.findIndex(({ start }) => ms >= Date.parse(start) && ms < Date.parse(start) + widthMs)
  }
  function finish(): void {
    const { from, to } = drag.value!
    drag.value = undefined
    const widthPx = Math.abs(to - from) * box.current!.clientWidth
    if (widthPx >= DRAG_PX_MIN) {
      onBrush(fromMs + Math.min(from, to) * lengthMs, fromMs + Math.max(from, to) * lengthMs)
      return
    }
    const bucket = buckets[bucketAt(to)]
    if (bucket !== undefined && buckets.length > 1) {
      const startMs = Date.parse(bucket.start)
      onBrush(Math.max(fromMs, startMs), Math.min(toMs, startMs + widthMs))
    }
  }

  const bucket = buckets[hovered.value]
  return (
    <div class="histogram">
      <div
        class="histogram-plot"
        ref={box}
        role="img"
        aria-label={`${formatCount(histogram.total)} records, from ${formatTime(fromMs, 'second')} to ${formatTime(toMs, 'second')}, at most ${formatCount(highest)} in ${histogram.interval}`}
        onPointerDown={(event) => {
          if (event.button !== 0) return
          event.currentTarget.setPointerCapture(event.pointerId)
          drag.value = { from: partAt(event), to: partAt(event) }
        }}
        onPointerMove={(event) => {
          hovered.value = bucketAt(partAt(event))
          if (drag.value !== undefined) drag.value = { ...drag.value, to: partAt(event) }
        }}
        onPointerUp={() => {
          if (drag.value !== undefined) finish()
        }}
        onPointerCancel={() => {
          drag.value = undefined
        }}
        onPointerLeave={() => {
          hovered.value = -1
        }}
      >
        <svg viewBox={`0 0 1000 ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
          {buckets.map((one) => {
            const startMs = Date.parse(one.start)
            const left = Math.max(0, x(startMs))
            const width = Math.max(0.5, Math.min(1000, x(startMs + widthMs)) - left - 1.2)
            let top = HEIGHT
            return LEVELS.map((level) => {
              const count = one.by[level] ?? 0
              if (count === 0) return null
              const height = Math.max(0.6, (count / highest) * (HEIGHT - 2))
              top -= height
              return (
                <rect
                  key={`${one.start}${level}`}
                  class={`fill-${levelName(level)}`}
                  x={left}
                  y={top}
                  width={width}
                  height={height}
                />
              )
            })
          })}
        </svg>
        {drag.value !== undefined && (
          <span
            class="histogram-brush"
            style={{
              left: `${Math.min(drag.value.from, drag.value.to) * 100}%`,
              width: `${Math.abs(drag.value.to - drag.value.from) * 100}%`,
            }}
          />
        )}
        <span class="histogram-top">{formatCount(highest)}</span>
      </div>
      <div class="histogram-axis" aria-hidden="true">
        {Array.from({ length: TICKS }, (_, i) => (
          <span key={i}>{tickLabel(fromMs + (i / (TICKS - 1)) * lengthMs, lengthMs)}</span>
        ))}
      </div>
      {bucket !== undefined && drag.value === undefined && (
        <div
          class="histogram-tip"
          style={
            hovered.value > buckets.length / 2
              ? { right: `${(1 - hovered.value / buckets.length) * 100 + 1}%` }
              : { left: `${(hovered.value / buckets.length) * 100 + 3}%` }
          }
        >
          <strong>{formatTime(Date.parse(bucket.start), 'second')}</strong>{' '}
          <span class="dim">{histogram.interval}</span>
          {LEVELS.toReversed().map((level) => {
            const count = bucket.by[level] ?? 0
            return count === 0 ? null : (
              <div key={level} class="histogram-tip-row">
                <span class={`level level-${levelName(level)}`}>{level}</span>
                <span class="number">{count.toLocaleString('en')}</span>
              </div>
            )
          })}
        </div>
      )}
    </div>
  )
}

function tickLabel(ms: number, lengthMs: number): string {
  const text = formatTime(ms, lengthMs < 600_000 ? 'second' : 'minute')
  return lengthMs > 2 * 86_400_000 ? text.slice(5, 10) : text.slice(11)
}

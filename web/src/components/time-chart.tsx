import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { formatValue } from '../numbers.ts'
import { seriesColour } from '../series-colour.ts'
import { cssColour, shownTheme } from '../theme.ts'
import { timesInUtc } from '../time-range.ts'
import './time-chart.css'

export interface ChartSeries {
  readonly label: string
  /** One for each time; null where there is none. */
  readonly values: readonly (number | null)[]
  /** A colour of the style sheet; by the place of the series when absent. */
  readonly colour?: `--${string}`
}

interface Props {
  /** Milliseconds since the epoch, ascending. */
  readonly times: readonly number[]
  readonly series: readonly ChartSeries[]
  readonly kind?: 'line' | 'bars'
  readonly heightPx?: number
  /** A line across, such as the bound of an alert. */
  readonly threshold?: number
  /** A range that was dragged over. */
  readonly onBrush?: (fromMs: number, toMs: number) => void
  readonly label: string
}

/** Values over time, on a canvas: ten thousand points without a hitch. */
export function TimeChart({ times, series, kind = 'line', heightPx = 240, threshold, onBrush, label }: Props) {
  const box = useRef<HTMLDivElement>(null)
  const brush = useRef(onBrush)
  brush.current = onBrush
  const theme = shownTheme.value
  const isUtc = timesInUtc.value
  useEffect(() => {
    const element = box.current!
    const text = cssColour('--dim')
    const grid = { stroke: cssColour('--line'), width: 1 }
    const bars = uPlot.paths.bars!({ size: [0.8, 60], gap: 1 })
    const chart = new uPlot(
      {
        width: Math.max(120, element.clientWidth),
        height: heightPx,
        ms: 1,
        ...(isUtc ? { tzDate: (ms: number) => uPlot.tzDate(new Date(ms), 'Etc/UTC') } : {}),
        cursor: { drag: { x: brush.current !== undefined, y: false, setScale: false }, points: { size: 6 } },
        legend: { live: true },
        axes: [
          { stroke: text, grid, ticks: grid, font: '11px system-ui' },
          {
            stroke: text,
            grid,
            ticks: grid,
            font: '11px system-ui',
            size: 58,
            values: (_chart, ticks) => ticks.map(formatValue),
          },
        ],
        scales: { y: { range: (_chart, _min, max) => [0, Math.max(max, threshold ?? 0, 1e-9) * 1.05] } },
        series: [
          {},
          ...series.map(({ label: name, colour }, i) => {
            const stroke = cssColour(colour ?? seriesColour(i))
            const value = (_chart: uPlot, shown: number | null) => (shown === null ? '–' : formatValue(shown))
            return kind === 'bars'
              ? { label: name, stroke, fill: stroke, paths: bars, points: { show: false }, value }
              : {
                  label: name,
                  stroke,
                  width: 1.5,
                  points: { show: times.length < 40, size: 5 },
                  spanGaps: false,
                  value,
                }
          }),
        ],
        hooks: {
          setSelect: [
            (plot) => {
              const { left, width } = plot.select
              if (width < 4) return
              brush.current?.(plot.posToVal(left, 'x'), plot.posToVal(left + width, 'x'))
              plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
            },
          ],
          draw: threshold === undefined ? [] : [(plot) => drawThreshold(plot, threshold)],
        },
      },
      [times as number[], ...series.map(({ values }) => values as (number | null)[])],
      element,
    )
    const resized = new ResizeObserver(() =>
      chart.setSize({ width: Math.max(120, element.clientWidth), height: heightPx }),
    )
    resized.observe(element)
    return () => {
      resized.disconnect()
      chart.destroy()
    }
  }, [times, series, kind, heightPx, threshold, theme, isUtc])
  return <div class="time-chart" ref={box} role="img" aria-label={label} />
}

function drawThreshold(plot: uPlot, threshold: number): void {
  const { ctx, bbox } = plot
  const y = plot.valToPos(threshold, 'y', true)
  ctx.save()
  ctx.strokeStyle = cssColour('--bad')
  ctx.setLineDash([6, 4])
  ctx.lineWidth = 1.5
  ctx.beginPath()
  ctx.moveTo(bbox.left, y)
  ctx.lineTo(bbox.left + bbox.width, y)
  ctx.stroke()
  ctx.restore()
}

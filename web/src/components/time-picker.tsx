import { useSignal } from '@preact/signals'
import { remembered } from '../settings-store.ts'
import { parseTime, QUICK_RANGES, rangeLabel, type TimeRange, timesInUtc } from '../time-range.ts'
import { Icon } from './icon.tsx'
import { Popover } from './popover.tsx'
import './time-picker.css'

const RECENT_MAX = 6

const recent = remembered<readonly TimeRange[]>(
  'recentRanges',
  [],
  (value): value is readonly TimeRange[] =>
    Array.isArray(value) && value.every((range) => typeof range?.from === 'string' && typeof range?.to === 'string'),
)

interface Props {
  readonly range: TimeRange
  readonly onChange: (range: TimeRange) => void
}

/** Chooses a time range: relative, absolute, or one chosen before. */
export function TimePicker({ range, onChange }: Props) {
  const pick = (next: TimeRange, close: () => void) => {
    const isQuick = QUICK_RANGES.some(({ from, to }) => from === next.from && to === next.to)
    if (!isQuick) {
      const others = recent.value.filter(({ from, to }) => from !== next.from || to !== next.to)
      recent.value = [next, ...others].slice(0, RECENT_MAX)
    }
    onChange({ from: next.from, to: next.to })
    close()
  }
  return (
    <Popover
      label={`Time range: ${rangeLabel(range)}`}
      align="end"
      trigger={
        <>
          <Icon name="clock" /> <span class="time-label">{rangeLabel(range)}</span> <Icon name="down" size={12} />
        </>
      }
    >
      {(close) => (
        <div class="time-panel">
          <div class="time-quick">
            {QUICK_RANGES.map((quick) => (
              <button
                type="button"
                key={quick.from}
                class="menu-item"
                aria-current={quick.from === range.from && quick.to === range.to}
                onClick={() => pick(quick, close)}
              >
                {quick.label}
              </button>
            ))}
          </div>
          <div class="time-own">
            <OwnRange range={range} onPick={(next) => pick(next, close)} />
            {recent.value.length > 0 && (
              <>
                <h3>Recent</h3>
                {recent.value.map((one) => (
                  <button
                    type="button"
                    class="menu-item"
                    key={`${one.from} ${one.to}`}
                    onClick={() => pick(one, close)}
                  >
                    {rangeLabel(one)}
                  </button>
                ))}
              </>
            )}
            <label class="time-zone">
              <input
                type="checkbox"
                checked={timesInUtc.value}
                onChange={(event) => {
                  timesInUtc.value = event.currentTarget.checked
                }}
              />{' '}
              Show times in UTC
            </label>
          </div>
        </div>
      )}
    </Popover>
  )
}

function OwnRange({ range, onPick }: { range: TimeRange; onPick: (range: TimeRange) => void }) {
  const problem = useSignal('')
  return (
    <form
      class="time-form"
      onSubmit={(event) => {
        event.preventDefault()
        const data = new FormData(event.currentTarget)
        const ends = ['from', 'to'].map((name) => String(data.get(name) ?? '').trim())
        const moments = ends.map((text) => parseTime(text))
        if (moments[0] === undefined || moments[1] === undefined) problem.value = 'Write 2026-01-31 12:00, or now-2h'
        else if (moments[0] >= moments[1]) problem.value = 'The range ends before it begins'
        else {
          const [from, to] = ends.map((text, i) =>
            text.startsWith('now') ? text : new Date(moments[i]!).toISOString(),
          )
          onPick({ from: from!, to: to! })
        }
      }}
    >
      <label class="field">
        <span>From</span>
        <input class="input mono" name="from" defaultValue={range.from} autoComplete="off" spellcheck={false} />
      </label>
      <label class="field">
        <span>To</span>
        <input class="input mono" name="to" defaultValue={range.to} autoComplete="off" spellcheck={false} />
      </label>
      {problem.value !== '' && (
        <p class="time-problem" role="alert">
          {problem.value}
        </p>
      )}
      <button type="submit" class="button button-primary">
        Apply
      </button>
    </form>
  )
}

import type { RefObject } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import type { LogRecord } from '../api-types.ts'
import { levelName, textOf, valueAt } from '../record-fields.ts'
import { remembered } from '../settings-store.ts'
import { formatClock, formatTime } from '../time-range.ts'
import { LogText } from './log-text.tsx'
import { useVirtualRows } from './virtual-rows.ts'
import './log-list.css'

export interface LogListProps {
  readonly count: number
  readonly row: (index: number) => LogRecord | undefined
  /** Fields beside time, level and message. */
  readonly columns: readonly string[]
  readonly onRemoveColumn?: (name: string) => void
  readonly isWrapped?: boolean
  /** Rows are the JSON of the record. */
  readonly isJson?: boolean
  /** Rows say the day too. */
  readonly hasDates?: boolean
  readonly matcher?: RegExp | null
  /** -1: none. */
  readonly selected: number
  readonly onSelect: (index: number) => void
  readonly onOpen?: (index: number) => void
  /** Called when the last rows come into sight. */
  readonly onNearEnd?: () => void
  /** Keeps the last row in sight as rows come. */
  readonly isFollowing?: boolean
  /** Changes when the rows do, where their number need not. */
  readonly followedVersion?: number
  readonly scroller?: RefObject<HTMLDivElement | null>
  readonly label: string
}

const ROW_PX = 22
const NEAR_END_ROWS = 400
/** More than are in sight: a row that leaves gives its elements to one that comes. */
const ROWS_REUSED = 256
const COLUMN_PX = 130
const COLUMN_PX_MIN = 40
const COLUMN_PX_MAX = 900
const JSON_CHARS_MAX = 4000

const widths = remembered<Readonly<Record<string, number>>>(
  'columnWidths',
  {},
  (value): value is Readonly<Record<string, number>> =>
    typeof value === 'object' && value !== null && Object.values(value).every((px) => typeof px === 'number'),
)

/** Log lines, as many as there are; only those in sight are in the document. */
export function LogList(props: LogListProps) {
  const { count, row, isWrapped = false, isJson = false, selected, onSelect, onOpen, onNearEnd } = props
  // A phone has room for the message only.
  const isNarrow = matchMedia('(max-width: 700px)').matches
  const columns = isNarrow ? [] : props.columns
  const own = useRef<HTMLDivElement>(null)
  const scroller = props.scroller ?? own
  const rows = useVirtualRows({ count, scroller, rowPx: ROW_PX, isMeasured: isWrapped })
  const last = rows.items.at(-1)?.index ?? 0
  // Whoever is asked for more knows whether more are being fetched.
  useEffect(() => {
    if (onNearEnd !== undefined && count > 0 && last >= count - NEAR_END_ROWS) onNearEnd()
  })
  useEffect(() => {
    if (selected >= 0) rows.scrollTo(selected, 'auto')
  }, [selected])
  useEffect(() => {
    if (props.isFollowing && count > 0) rows.scrollTo(count - 1, 'end')
  }, [count, props.isFollowing, props.followedVersion])
  const template = [
    props.hasDates ? '178px' : '98px',
    '52px',
    ...(isJson ? [] : columns.map((name) => `${widths.value[name] ?? COLUMN_PX}px`)),
    isNarrow ? 'minmax(0, 1fr)' : 'minmax(240px, 1fr)',
  ].join(' ')
  const style = { gridTemplateColumns: template }
  return (
    <div
      class={`log-list${isWrapped ? ' is-wrapped' : ''}`}
      role="grid"
      aria-label={props.label}
      aria-rowcount={count + 1}
      aria-activedescendant={selected >= 0 ? `log-row-${selected}` : undefined}
      tabIndex={0}
      ref={scroller}
      onKeyDown={(event) => {
        if (event.key === 'Enter' && selected >= 0 && event.target === event.currentTarget) onOpen?.(selected)
      }}
    >
      <div class="log-head" role="row" aria-rowindex={1} style={style}>
        <span role="columnheader">Time</span>
        <span role="columnheader">Level</span>
        {!isJson &&
          columns.map((name) => (
            <ColumnHead key={name} name={name} {...(props.onRemoveColumn ? { onRemove: props.onRemoveColumn } : {})} />
          ))}
        <span role="columnheader">{isJson ? 'Record' : 'Message'}</span>
      </div>
      <div class="log-rows" role="rowgroup" style={{ height: `${rows.heightPx}px` }}>
        {rows.items.map(({ index, start }) => {
          const record = row(index)
          if (record === undefined) return null
          const level = levelName(record.level)
          return (
            <div
              key={isWrapped ? index : index % ROWS_REUSED}
              id={`log-row-${index}`}
              data-index={index}
              ref={rows.rowRef}
              class={`log-row bar-${level}${index === selected ? ' is-selected' : ''}`}
              role="row"
              aria-rowindex={index + 2}
              aria-selected={index === selected}
              style={{ ...style, transform: `translateY(${start}px)` }}
              onClick={() => {
                if (getSelection()?.isCollapsed === false) return
                onSelect(index)
                onOpen?.(index)
              }}
              onKeyDown={undefined}
            >
              <TimeCell timestamp={record.timestamp} hasDate={props.hasDates ?? false} />
              <span role="gridcell" class={`level level-${level}`}>
                {record.level.slice(0, 5)}
              </span>
              {!isJson &&
                columns.map((name) => {
                  const text = textOf(valueAt(record, name))
                  return (
                    <span key={name} role="gridcell" class="log-cell" title={text.slice(0, 500)}>
                      <LogText text={text} charsMax={300} />
                    </span>
                  )
                })}
              <span role="gridcell" class="log-message">
                <LogText
                  text={isJson ? jsonOf(record) : (record.message ?? withoutMessage(record))}
                  matcher={props.matcher ?? null}
                  charsMax={isJson ? JSON_CHARS_MAX : isWrapped ? 4000 : 1000}
                />
              </span>
            </div>
          )
        })}
      </div>
    </div>
  )
}

function TimeCell({ timestamp, hasDate }: { timestamp: string; hasDate: boolean }) {
  const ms = Date.parse(timestamp)
  return (
    <time role="gridcell" class="log-time" dateTime={timestamp} title={timestamp}>
      {hasDate ? formatTime(ms, 'ms') : formatClock(ms)}
    </time>
  )
}

function ColumnHead({ name, onRemove }: { name: string; onRemove?: (name: string) => void }) {
  const resize = (px: number) => {
    const width = Math.min(COLUMN_PX_MAX, Math.max(COLUMN_PX_MIN, px))
    widths.value = { ...widths.value, [name]: width }
  }
  const width = widths.value[name] ?? COLUMN_PX
  return (
    <span role="columnheader" class="log-column">
      <span class="log-column-name" title={name}>
        {name}
      </span>
      {onRemove !== undefined && (
        <button
          type="button"
          class="log-column-remove"
          aria-label={`Hide the column ${name}`}
          onClick={() => onRemove(name)}
        >
          ×
        </button>
      )}
      <span
        class="log-column-grip"
        role="separator"
        aria-orientation="vertical"
        aria-label={`Width of the column ${name}`}
        aria-valuenow={width}
        aria-valuemin={COLUMN_PX_MIN}
        aria-valuemax={COLUMN_PX_MAX}
        tabIndex={0}
        onKeyDown={(event) => {
          if (event.key === 'ArrowLeft') resize(width - 10)
          else if (event.key === 'ArrowRight') resize(width + 10)
        }}
        onPointerDown={(event) => {
          const grip = event.currentTarget
          const startX = event.clientX
          grip.setPointerCapture(event.pointerId)
          grip.onpointermove = (move) => resize(width + move.clientX - startX)
          grip.onpointerup = () => {
            grip.onpointermove = null
          }
        }}
      />
    </span>
  )
}

function jsonOf(record: LogRecord): string {
  const { id, ingestedAt, ...rest } = record
  return JSON.stringify(rest)
}

/** What a record without a message says. */
function withoutMessage(record: LogRecord): string {
  const { id, ingestedAt, timestamp, level, service, host, ...rest } = record
  return JSON.stringify(rest)
}

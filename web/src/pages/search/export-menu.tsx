import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { callLines } from '../../api-client.ts'
import type { LogRecord, TableResult } from '../../api-types.ts'
import { Icon } from '../../components/icon.tsx'
import { Popover } from '../../components/popover.tsx'
import { csvText } from '../../csv.ts'
import { problemOf } from '../../loaded.ts'
import { formatCount } from '../../numbers.ts'
import { textOf, valueAt } from '../../record-fields.ts'
import type { Asked, SearchModel } from './search-model.ts'
import { searchParams } from './search-params.ts'

type Format = 'csv' | 'ndjson'

const PAGE_ROWS = 10_000
/** More is for the HTTP interface, which has no page that must hold it. */
const ROWS_MAX = 200_000

/** Downloads what was found: every record of the search, not only those that the list has. */
export function ExportMenu({ model }: { model: SearchModel }) {
  const state = useSignal<{ readonly rows: number; readonly isRunning: boolean; readonly note: string }>({
    rows: 0,
    isRunning: false,
    note: '',
  })
  const running = useRef<AbortController | undefined>(undefined)
  useEffect(() => () => running.current?.abort(), [])

  async function run(format: Format): Promise<void> {
    const asked = model.asked.value
    const table = model.table.state.value.value
    if (asked === undefined) return
    const abort = new AbortController()
    running.current = abort
    state.value = { rows: 0, isRunning: true, note: '' }
    try {
      const parts =
        table !== undefined && asked.isTable
          ? tableParts(table, format)
          : await recordParts(asked, format, abort.signal)
      save(parts, `weir-${asked.from.slice(0, 19).replaceAll(':', '')}.${format === 'csv' ? 'csv' : 'ndjson'}`)
    } catch (error) {
      if (!abort.signal.aborted) state.value = { ...state.value, note: problemOf(error).message }
    } finally {
      state.value = { ...state.value, isRunning: false }
    }
  }

  async function recordParts(asked: Asked, format: Format, signal: AbortSignal): Promise<string[]> {
    const columns = ['timestamp', 'level', 'service', 'host', 'message', 'traceId', ...searchParams.value.columns]
    const names = [...new Set(columns)]
    const parts: string[] = format === 'csv' ? [csvText([names])] : []
    let cursor: string | undefined
    let rows = 0
    do {
      const { query, from, to } = asked
      const { order } = searchParams.value
      let next: string | null = null
      const page = {
        query,
        from,
        to,
        order,
        limit: PAGE_ROWS,
        total: 'none' as const,
        ...(cursor === undefined ? {} : { cursor }),
      }
      for await (const lines of callLines('GET /v1/logs/search', { query: page, signal })) {
        const found = lines.filter((line) => line !== '' && !line.startsWith('{"summary":true'))
        const end = lines.find((line) => line.startsWith('{"summary":true'))
        if (end !== undefined) {
          const { nextCursor, coverage } = JSON.parse(end) as {
            nextCursor: string | null
            coverage: { complete: boolean }
          }
          next = nextCursor
          if (!coverage.complete) state.value = { ...state.value, note: 'Partial: not every shard answered.' }
        }
        rows += found.length
        state.value = { ...state.value, rows }
        if (found.length === 0) continue
        parts.push(format === 'ndjson' ? `${found.join('\n')}\n` : csvText(found.map((line) => cellsOf(line, names))))
      }
      cursor = next ?? undefined
    } while (cursor !== undefined && rows < ROWS_MAX)
    if (cursor !== undefined)
      state.value = { ...state.value, note: `The first ${formatCount(rows)} records; narrow the search for the rest.` }
    return parts
  }

  const { rows, isRunning, note } = state.value
  return (
    <Popover
      label="Export"
      align="end"
      trigger={
        <>
          <Icon name="download" /> <span class="wide">Export</span>
        </>
      }
    >
      {(close) => (
        <div class="export">
          {(['ndjson', 'csv'] as const).map((format) => (
            <button key={format} type="button" class="menu-item" disabled={isRunning} onClick={() => void run(format)}>
              <Icon name={format === 'csv' ? 'columns' : 'json'} />
              {format === 'csv' ? 'CSV: columns of the list' : 'NDJSON: whole records'}
            </button>
          ))}
          <p class="search-note" role="status">
            {isRunning || rows > 0 ? `${formatCount(rows)} records ${isRunning ? 'so far…' : 'saved'} ` : ''}
            {note}
          </p>
          {isRunning && (
            <button
              type="button"
              class="button"
              onClick={() => {
                running.current?.abort()
                close()
              }}
            >
              Stop
            </button>
          )}
        </div>
      )}
    </Popover>
  )
}

function cellsOf(line: string, names: readonly string[]): readonly string[] {
  const record = JSON.parse(line) as LogRecord
  return names.map((name) => textOf(valueAt(record, name)))
}

function tableParts({ columns, rows }: TableResult, format: Format): string[] {
  if (format === 'ndjson') return rows.map((row) => `${JSON.stringify(row)}\n`)
  return [csvText([columns]), csvText(rows.map((row) => columns.map((name) => textOf(row[name] ?? ''))))]
}

function save(parts: readonly string[], name: string): void {
  const url = URL.createObjectURL(new Blob([...parts], { type: 'application/octet-stream' }))
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  URL.revokeObjectURL(url)
}

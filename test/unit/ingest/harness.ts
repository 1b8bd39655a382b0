import { type ColumnSource, keysOfPath, VALUE_JSON, valueBytes, valueType } from '../../../base/columns.ts'
import { ColumnWriter } from '../../../ingest/column-writer.ts'
import { PathTable } from '../../../ingest/path-table.ts'
import type { RecordRejection } from '../../../ingest/reject.ts'
import type { ChunkOutcome, ScanOptions } from '../../../ingest/scan.ts'
import { Scanner } from '../../../ingest/scanner.ts'

export const NOW_MS = Date.UTC(2026, 10, 21, 7)
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

export interface Scanned {
  /** Field path → [value type, text], a row each, in order of arrival. */
  rows: Map<string, [type: number, text: string]>[]
  times: [ms: number, ns: number][]
  rejections: RecordRejection[]
  chunks: ChunkOutcome[]
  services: string[]
}

export const newScanner = (): { paths: PathTable; scanner: Scanner } => {
  const paths = new PathTable(0x5eed)
  return { paths, scanner: new Scanner(paths) }
}

const shared = newScanner()

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

/** Scans a whole body into one writer a chunk and reads the rows back. */
export function scan(
  body: string | Uint8Array,
  options: Partial<ScanOptions> = {},
  { paths, scanner } = shared,
): Scanned {
  const scanned: Scanned = { rows: [], times: [], rejections: [], chunks: [], services: [] }
  const writer = new ColumnWriter(paths)
  const cursor = scanner.open(typeof body === 'string' ? bytesOf(body) : body, {
    format: 'ndjson',
    receivedMs: NOW_MS,
    oldestMs: Date.UTC(0),
    newestMs: Date.UTC(9999),
    ...options,
  })
  while (!cursor.isDone) {
    const chunk = scanner.scanChunk(
      cursor,
      (bytes, start, end) => {
        scanned.services.push(decoder.decode(bytes.subarray(start, end)))
        return writer
      },
      (rejection) => scanned.rejections.push(rejection),
    )
    scanned.chunks.push(chunk)
    const source = writer.finish()
    readRows(source, scanned)
    writer.reset()
  }
  return scanned
}

export function readRows(source: ColumnSource, into: Pick<Scanned, 'rows' | 'times'>): void {
  const columns = source.columnNames.map((name) => source.column(name)!)
  for (let row = 0; row < source.rowCount; row++) {
    into.times.push([source.timeMs[row]!, source.timeNs[row]!])
    const fields = new Map<string, [number, string]>()
    for (const column of columns) {
      const type = valueType(column, row)
      if (type !== 0) fields.set(column.name, [type, decoder.decode(valueBytes(column, row))])
    }
    into.rows.push(fields)
  }
}

/** Text of one field of a row. */
export function text(row: Map<string, [number, string]> | undefined, path: string): string | undefined {
  return row?.get(path)?.[1]
}

/** A JSON value as text in one form, for comparing; keys in order, surrogates without a partner replaced. */
export function canonical(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.toWellFormed())
  if (typeof value === 'number') return `#${value === 0 ? 0 : value}`
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  const members = new Map<string, string>()
  for (const key of Object.keys(value))
    members.set(JSON.stringify(key.toWellFormed()), canonical((value as Record<string, unknown>)[key]))
  return `{${[...members]
    .map(([key, member]) => `${key}:${member}`)
    .sort()
    .join(',')}}`
}

/** The record that a row's columns stand for, in the form of `canonical`; columns of our own left out. */
export function rebuilt(row: Map<string, [number, string]>): string {
  type Node = Map<string, Node | string>
  const root: Node = new Map()
  for (const [path, [type, value]] of row) {
    if (path.startsWith('\\@')) continue
    const keys = keysOfPath(path)
    let node = root
    for (const key of keys.slice(0, -1)) {
      let inner = node.get(key)
      if (!(inner instanceof Map)) {
        inner = new Map()
        node.set(key, inner)
      }
      node = inner
    }
    node.set(
      keys.at(-1)!,
      type === 1
        ? JSON.stringify(value)
        : type === 4
          ? 'null'
          : type === VALUE_JSON
            ? canonical(JSON.parse(value))
            : type === 2
              ? canonical(Number(value))
              : value,
    )
  }
  const write = (node: Node): string =>
    `{${[...node]
      .map(([key, inner]) => `${JSON.stringify(key)}:${inner instanceof Map ? write(inner) : inner}`)
      .sort()
      .join(',')}}`
  return write(root)
}

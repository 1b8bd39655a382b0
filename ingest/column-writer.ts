import { assert } from '../base/assert.ts'
import {
  COLUMN_LEVEL_TEXT,
  COLUMN_OVERFLOW,
  COLUMN_SOURCE_PREFIX,
  type Column,
  type ColumnSource,
  VALUE_JSON,
  type ValueType,
} from '../base/columns.ts'
import { BLOCK_COLUMNS_MAX, RECORD_FIELDS_MAX } from '../base/limits.ts'
import { KNOWN_NAMES } from './known-fields.ts'
import { OverflowText } from './overflow-text.ts'
import { PATH_TOO_LONG, type PathTable } from './path-table.ts'
import { RowStage, STAGE_SLACK_BYTES } from './row-stage.ts'
import { WriterColumn } from './writer-column.ts'

/** Known fields, their sources and our own columns always get a column of their own. */
const OWN_NAMES: ReadonlySet<string> = new Set([
  ...KNOWN_NAMES.map((names) => names[0]!),
  ...KNOWN_NAMES.map((names) => COLUMN_SOURCE_PREFIX + names[0]),
  'tags',
  COLUMN_LEVEL_TEXT,
])
const SENDER_COLUMNS_MAX = BLOCK_COLUMNS_MAX - OWN_NAMES.size - 1
/** A column that so many frames in a row did not use gives its buffers back. */
const IDLE_FRAMES_MAX = 64
const ROWS_INITIAL = 1024
const STAGE_BYTES_INITIAL = 4096

const textEncoder = new TextEncoder()

/**
 * Collects the rows of one (tenant, shard) of the frame being gathered. A row is taken whole, by `append` from a stage
 * that the scanner filled, or by `beginRow`, `addText` …, `commitRow` from any other decoder.
 */
export class ColumnWriter {
  readonly #paths: PathTable
  /** Path number → column, of this epoch of the path table. */
  #columnOfPath: (WriterColumn | null)[] = []
  #epoch: number
  readonly #columnOfName = new Map<string, WriterColumn>()
  /** Columns with a value in this frame, in order of appearance. */
  #active: WriterColumn[] = []
  #senderColumns = 0
  #rowCount = 0
  #byteSize = 0
  #timeMs = new Float64Array(ROWS_INITIAL)
  #timeNs = new Uint32Array(ROWS_INITIAL)
  #stage: RowStage | undefined
  #stageUsed = 0
  readonly #overflow = new OverflowText()

  constructor(paths: PathTable) {
    this.#paths = paths
    this.#epoch = paths.epoch
  }

  get rowCount(): number {
    return this.#rowCount
  }

  /** Bytes of the rows as they were sent, roughly. */
  get byteSize(): number {
    return this.#byteSize
  }

  /** Takes the row in `stage`; `rawBytes` is what it measured as it was sent. A path occurs at most once in a stage. */
  append(stage: RowStage, rawBytes: number): void {
    if (this.#epoch !== this.#paths.epoch) this.#rebind()
    const row = this.#rowCount
    if (row >= this.#timeMs.length) this.#growRows()
    this.#timeMs[row] = stage.timeMs
    this.#timeNs[row] = stage.timeNs
    const { paths, starts, ends, types, bytes, view } = stage
    const columns = this.#columnOfPath
    const count = stage.count
    for (let i = 0; i < count; i++) {
      const path = paths[i]!
      if (path < 0) continue
      let column = path < columns.length ? columns[path]! : null
      if (column === null || column.filled === 0) {
        column = this.#open(path)
        if (column === null) {
          this.#overflow.add(this.#paths.name(path), types[i] as ValueType, bytes, starts[i]!, ends[i]!)
          continue
        }
      }
      column.add(row, types[i]!, bytes, view, starts[i]!, ends[i]!)
    }
    if (!this.#overflow.isEmpty) this.#addOverflow(row)
    this.#rowCount = row + 1
    this.#byteSize += rawBytes
  }

  /** Begins a row of a decoder other than the scanner, dropping one that was begun and not committed. */
  beginRow(timeMs: number, timeNs: number): void {
    this.#stage ??= new RowStage(new Uint8Array(STAGE_BYTES_INITIAL + STAGE_SLACK_BYTES))
    this.#stage.count = 0
    this.#stage.timeMs = timeMs
    this.#stage.timeNs = timeNs
    this.#stageUsed = 0
  }

  /**
   * Adds the field at a canonical path to the row that was begun; the value is copied. A path that comes again wins.
   * Returns false, and adds nothing, when the row has RECORD_FIELDS_MAX fields or the path is too long.
   */
  addText(path: string, type: ValueType, bytes: Uint8Array, start: number, end: number): boolean {
    const stage = this.#stage
    assert(stage !== undefined, 'a row is begun before fields are added')
    if (stage.count === 0) this.#paths.makeRoom()
    if (stage.count === RECORD_FIELDS_MAX) return false
    const number = this.#paths.intern(path)
    if (number === PATH_TOO_LONG) return false
    const at = this.#stageUsed
    const used = at + (end - start)
    if (used + STAGE_SLACK_BYTES > stage.bytes.length) {
      const grown = new Uint8Array(used * 2 + STAGE_SLACK_BYTES)
      grown.set(stage.bytes)
      stage.bytes = grown
      stage.view = new DataView(grown.buffer)
    }
    stage.bytes.set(bytes.subarray(start, end), at)
    this.#stageUsed = used
    for (let i = 0; i < stage.count; i++) if (stage.paths[i] === number) stage.paths[i] = -1
    stage.add(number, type, at, used)
    return true
  }

  /** As `addText`, of a JavaScript string. */
  addString(path: string, type: ValueType, text: string): boolean {
    const bytes = textEncoder.encode(text)
    return this.addText(path, type, bytes, 0, bytes.length)
  }

  commitRow(): void {
    assert(this.#stage !== undefined, 'a row is begun before it is committed')
    this.append(this.#stage, this.#stageUsed)
    this.#stage.count = 0
  }

  /** The rows so far. Views of the writer's buffers: valid until `reset`. */
  finish(): ColumnSource {
    const rowCount = this.#rowCount
    const byName = new Map(this.#active.map((column) => [column.name, column]))
    const finished = new Map<string, Column>()
    return {
      rowCount,
      timeMs: this.#timeMs.subarray(0, rowCount),
      timeNs: this.#timeNs.subarray(0, rowCount),
      columnNames: [...byName.keys()],
      column(name) {
        let column = finished.get(name)
        if (column === undefined) {
          column = byName.get(name)?.finish(rowCount)
          if (column !== undefined) finished.set(name, column)
        }
        return column
      },
    }
  }

  /** Empties the writer for the next frame; what `finish` returned is void from here on. */
  reset(): void {
    let idle = false
    for (const column of this.#columnOfName.values()) {
      column.reset(this.#rowCount)
      if (column.idleFrames > IDLE_FRAMES_MAX) idle = true
    }
    if (idle || this.#columnOfName.size > 2 * BLOCK_COLUMNS_MAX) {
      for (const column of this.#columnOfName.values())
        if (column.idleFrames > 0) this.#columnOfName.delete(column.name)
      this.#rebind()
    }
    this.#active = []
    this.#senderColumns = 0
    this.#rowCount = 0
    this.#byteSize = 0
  }

  /** The column of `path`, ready for its first value of this frame; null when the frame has as many as it may. */
  #open(path: number): WriterColumn | null {
    const columns = this.#columnOfPath
    while (columns.length <= path) columns.push(null)
    const name = this.#paths.name(path)
    let column = columns[path] ?? this.#columnOfName.get(name)
    if (column === undefined || column.filled === 0) {
      const isOwn = OWN_NAMES.has(name)
      if (!isOwn && this.#senderColumns >= SENDER_COLUMNS_MAX) return null
      if (!isOwn) this.#senderColumns++
      if (column === undefined) {
        column = new WriterColumn(name)
        this.#columnOfName.set(name, column)
      }
      this.#active.push(column)
    }
    columns[path] = column
    return column
  }

  #addOverflow(row: number): void {
    const text = this.#overflow.take()
    let column = this.#columnOfName.get(COLUMN_OVERFLOW)
    if (column === undefined) {
      column = new WriterColumn(COLUMN_OVERFLOW)
      this.#columnOfName.set(COLUMN_OVERFLOW, column)
    }
    if (column.filled === 0) this.#active.push(column)
    column.add(row, VALUE_JSON, text.bytes, text.view, 0, text.length)
  }

  /** Path numbers given out before are void: columns are found by name again. */
  #rebind(): void {
    this.#columnOfPath = []
    this.#epoch = this.#paths.epoch
  }

  #growRows(): void {
    const timeMs = new Float64Array(this.#timeMs.length * 2)
    timeMs.set(this.#timeMs)
    this.#timeMs = timeMs
    const timeNs = new Uint32Array(this.#timeNs.length * 2)
    timeNs.set(this.#timeNs)
    this.#timeNs = timeNs
  }
}

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
import { blockBytes, type KernelMemory } from './kernel/kernel-memory.ts'
import { KNOWN_NAMES } from './known-fields.ts'
import { OverflowText } from './overflow-text.ts'
import { PATH_TOO_LONG, type PathTable } from './path-table.ts'
import { RowStage, STAGE_SLACK_BYTES, stageArrays } from './row-stage.ts'
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
const ROWS_INITIAL = 256
const PATHS_INITIAL = 128
const STAGE_BYTES_INITIAL = 4096

// Words of the writer block, in step with kernel/layout.as; BYTE_SIZE is the 64-bit float of that number.
const ROW_COUNT = 0
const ROWS_CAPACITY = 1
const TIME_MS = 2
const TIME_NS = 3
const COLUMNS = 4
const COLUMNS_LENGTH = 5
const BYTE_SIZE = 3
const WRITER_BYTES = 64

const textEncoder = new TextEncoder()

/**
 * Collects the rows of one (tenant, shard) of the frame being gathered. A row is taken whole, by `append` from a stage
 * that the scanner filled, or by `beginRow`, `addText` …, `commitRow` from any other decoder.
 */
export class ColumnWriter {
  readonly #paths: PathTable
  readonly #memory: KernelMemory
  /** The writer block; 0 between frames, when the writer has no memory of the kernel's. */
  #block = 0
  /** Path number → column, of this epoch of the path table. */
  #columnOfPath: (WriterColumn | null)[] = []
  #epoch: number
  readonly #columnOfName = new Map<string, WriterColumn>()
  /** Columns with a value in this frame, in order of appearance. */
  #active: WriterColumn[] = []
  #senderColumns = 0
  #rowsHint = ROWS_INITIAL
  #stage: RowStage | undefined
  #stageUsed = 0
  readonly #overflow = new OverflowText()

  /** Rows of a scanner come from a scanner on the same `paths`. */
  constructor(paths: PathTable) {
    this.#paths = paths
    this.#memory = paths.memory
    this.#epoch = paths.epoch
  }

  get rowCount(): number {
    return this.#block === 0 ? 0 : this.#memory.i32[(this.#block >> 2) + ROW_COUNT]!
  }

  /** Bytes of the rows as they were sent, roughly. */
  get byteSize(): number {
    return this.#block === 0 ? 0 : this.#memory.f64[(this.#block >> 3) + BYTE_SIZE]!
  }

  /** Address of the writer block for the kernel, ready to take rows until `reset`. */
  address(): number {
    if (this.#block === 0) this.#open()
    if (this.#epoch !== this.#paths.epoch) this.#rebind()
    return this.#block
  }

  /** Takes the row in `stage`; `rawBytes` is what it measured as it was sent. A path occurs at most once in a stage. */
  append(stage: RowStage, rawBytes: number): void {
    if (this.#block === 0) this.#open()
    if (this.#epoch !== this.#paths.epoch) this.#rebind()
    const { i32, f64 } = this.#memory
    const at = this.#block >> 2
    const row = i32[at + ROW_COUNT]!
    if (row >= i32[at + ROWS_CAPACITY]!) this.#growRows()
    const { paths, starts, ends, types, bytes, view } = stage
    const columns = this.#columnOfPath
    const count = stage.count
    for (let i = 0; i < count; i++) {
      const path = paths[i]!
      if (path < 0) continue
      const column = (path < columns.length ? columns[path]! : null) ?? this.#openColumn(path)
      if (column === null)
        this.#overflow.add(this.#paths.name(path), types[i] as ValueType, bytes, starts[i]!, ends[i]!)
      else column.add(row, types[i]!, bytes, view, starts[i]!, ends[i]!)
    }
    if (!this.#overflow.isEmpty) this.#addOverflow(row)
    f64[(i32[at + TIME_MS]! >> 3) + row] = stage.timeMs
    i32[(i32[at + TIME_NS]! >> 2) + row] = stage.timeNs
    i32[at + ROW_COUNT] = row + 1
    f64[(at >> 1) + BYTE_SIZE]! += rawBytes
  }

  /** Begins a row of a decoder other than the scanner, dropping one that was begun and not committed. */
  beginRow(timeMs: number, timeNs: number): void {
    this.#stage ??= new RowStage(new Uint8Array(STAGE_BYTES_INITIAL + STAGE_SLACK_BYTES), stageArrays())
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
    const memory = this.#memory
    const rowCount = this.rowCount
    const at = this.#block >> 2
    const byName = new Map(this.#active.map((column) => [column.name, column]))
    const finished = new Map<string, Column>()
    return {
      rowCount,
      timeMs: memory.floatsAt(rowCount === 0 ? 0 : memory.i32[at + TIME_MS]!, rowCount),
      timeNs: memory.wordsAt(rowCount === 0 ? 0 : memory.i32[at + TIME_NS]!, rowCount),
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

  /** Empties the writer for the next frame; what `finish` returned is void from here on. A writer holds memory until then. */
  reset(): void {
    const rowCount = this.rowCount
    let idle = this.#columnOfName.size > 2 * BLOCK_COLUMNS_MAX
    for (const column of this.#columnOfName.values()) {
      column.reset(rowCount)
      if (column.idleFrames > IDLE_FRAMES_MAX) idle = true
    }
    if (idle)
      for (const column of this.#columnOfName.values())
        if (column.idleFrames > 0) this.#columnOfName.delete(column.name)
    this.#columnOfPath = []
    this.#active = []
    this.#senderColumns = 0
    if (this.#block === 0) return
    const memory = this.#memory
    const { i32 } = memory
    const at = this.#block >> 2
    this.#rowsHint = Math.max(rowCount, ROWS_INITIAL)
    memory.release(i32[at + TIME_MS]!, i32[at + ROWS_CAPACITY]! * 8)
    memory.release(i32[at + TIME_NS]!, i32[at + ROWS_CAPACITY]! * 4)
    memory.release(i32[at + COLUMNS]!, i32[at + COLUMNS_LENGTH]! * 4)
    memory.release(this.#block, WRITER_BYTES)
    this.#block = 0
  }

  #open(): void {
    const memory = this.#memory
    const { i32 } = memory
    this.#block = memory.allocate(WRITER_BYTES)
    const at = this.#block >> 2
    const capacity = blockBytes(this.#rowsHint)
    i32[at + ROW_COUNT] = 0
    i32[at + ROWS_CAPACITY] = capacity
    i32[at + TIME_MS] = memory.allocate(capacity * 8)
    i32[at + TIME_NS] = memory.allocate(capacity * 4)
    i32[at + COLUMNS] = memory.allocate(PATHS_INITIAL * 4)
    i32[at + COLUMNS_LENGTH] = PATHS_INITIAL
    memory.f64[(at >> 1) + BYTE_SIZE] = 0
    i32.fill(0, i32[at + COLUMNS]! >> 2, (i32[at + COLUMNS]! >> 2) + PATHS_INITIAL)
    this.#epoch = this.#paths.epoch
  }

  /** The column of `path`, ready to take values; null when the frame has as many as it may. */
  #openColumn(path: number): WriterColumn | null {
    const name = this.#paths.name(path)
    let column = this.#columnOfName.get(name)
    if (column === undefined || column.address === 0) {
      const isOwn = OWN_NAMES.has(name)
      if (!isOwn && this.#senderColumns >= SENDER_COLUMNS_MAX) return null
      if (!isOwn) this.#senderColumns++
      column = this.#activate(name)
    }
    const columns = this.#columnOfPath
    while (columns.length <= path) columns.push(null)
    columns[path] = column
    const { i32 } = this.#memory
    const at = this.#block >> 2
    if (path >= i32[at + COLUMNS_LENGTH]!) this.#growColumns(path)
    i32[(i32[at + COLUMNS]! >> 2) + path] = column.address
    return column
  }

  #activate(name: string): WriterColumn {
    let column = this.#columnOfName.get(name)
    if (column === undefined) {
      column = new WriterColumn(this.#memory, name)
      this.#columnOfName.set(name, column)
    }
    column.open()
    this.#active.push(column)
    return column
  }

  #addOverflow(row: number): void {
    const text = this.#overflow.take()
    const open = this.#columnOfName.get(COLUMN_OVERFLOW)
    const column = open === undefined || open.address === 0 ? this.#activate(COLUMN_OVERFLOW) : open
    column.add(row, VALUE_JSON, text.bytes, text.view, 0, text.length)
  }

  /** Path numbers given out before are void: columns are found by name again. */
  #rebind(): void {
    const { i32 } = this.#memory
    const at = this.#block >> 2
    const columns = i32[at + COLUMNS]! >> 2
    i32.fill(0, columns, columns + i32[at + COLUMNS_LENGTH]!)
    this.#columnOfPath = []
    this.#epoch = this.#paths.epoch
  }

  #growRows(): void {
    const memory = this.#memory
    const { i32, u8 } = memory
    const at = this.#block >> 2
    const before = i32[at + ROWS_CAPACITY]!
    for (const [word, size] of [
      [TIME_MS, 8],
      [TIME_NS, 4],
    ] as const) {
      const to = memory.allocate(before * 2 * size)
      const from = i32[at + word]!
      u8.copyWithin(to, from, from + before * size)
      memory.release(from, before * size)
      i32[at + word] = to
    }
    i32[at + ROWS_CAPACITY] = before * 2
  }

  #growColumns(path: number): void {
    const memory = this.#memory
    const { i32 } = memory
    const at = this.#block >> 2
    const before = i32[at + COLUMNS_LENGTH]!
    const length = blockBytes(Math.max(path + 1, before * 2) * 4) / 4
    const from = i32[at + COLUMNS]! >> 2
    const to = memory.allocate(length * 4) >> 2
    i32.copyWithin(to, from, from + before)
    i32.fill(0, to + before, to + length)
    memory.release(from << 2, before * 4)
    i32[at + COLUMNS] = to << 2
    i32[at + COLUMNS_LENGTH] = length
  }
}

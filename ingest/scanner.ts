import { isUtf8 } from 'node:buffer'
import { assert } from '../base/assert.ts'
import { CHUNK_BYTES_MAX, CHUNK_ROWS_MAX, RECORD_BYTES_MAX } from '../base/limits.ts'
import {
  NEWLINE,
  OPEN_BRACE,
  SKIP_DEPTH,
  SPACE_IN_DOCUMENT,
  SPACE_IN_LINE,
  StructureSkipper,
  ValueSkipper,
} from './json-text.ts'
import {
  ACCEPTED,
  ASKED_END,
  ASKED_START,
  CELLS,
  DETECTED_LEVEL,
  KERNEL_DETECT,
  KERNEL_ROUTE,
  KERNEL_STOPPED,
  type KernelMemory,
  LINE,
  MODE,
  MODE_ARRAY,
  MODE_LINES,
  MODE_OBJECTS,
  PHASE,
  PHASE_APPENDED,
  PHASE_LEVEL,
  PHASE_NONE,
  PHASE_RESOLVED,
  POSITION,
  POSITION_LIMIT,
  RECORD_END,
  RECORD_START,
  RECORDS_LEFT,
  ROUTE_ENTRY,
  STAGE_COUNT,
  STAGE_ENDS,
  STAGE_PATHS,
  STAGE_STARTS,
  STAGE_TYPES,
  TIME_MS,
  TIME_NS,
  WINDOW_END,
} from './kernel/kernel-memory.ts'
import type { PathTable } from './path-table.ts'
import { NEXT_IS_BEYOND, NEXT_IS_NONE, RecordFinder } from './record-finder.ts'
import { RESOLVER_BYTES, RecordResolver } from './record-resolver.ts'
import { RecordScanner } from './record-scanner.ts'
import { REJECT_CATALOGUE, type RecordRejection, type RejectCode } from './reject.ts'
import { isBetweenObjects, nextObjectLine, trimEnd } from './resync.ts'
import { RowStage, stageArrays } from './row-stage.ts'
import {
  AT_ARRAY_NEXT,
  AT_ARRAY_START,
  AT_ARRAY_VALUE,
  AT_LINE,
  AT_OBJECT,
  type ChunkOutcome,
  Scan,
  type ScanOptions,
  type Skipping,
} from './scan.ts'
import { ScanWindow } from './scan-window.ts'
import { type Route, ServiceRoutes } from './service-routes.ts'

function noRoute(): never {
  throw new Error('a chunk that is split has no rows')
}

/** A fault this close to the window's end may come of the end alone; longer than any token that is compared whole. */
const WINDOW_TAIL_BYTES = 16

export type OnReject = (rejection: RecordRejection) => void
/** A valid record and its number in the request; its bytes are body[start, end). */
export type OnRecord = (index: number, start: number, end: number) => void

/**
 * Scans request bodies into columns. One scanner serves a thread; a request is `open`ed and then scanned chunk by
 * chunk, other requests in between. A record is validated whole before its row is written, and refused alone.
 *
 * Chunks are cut at places that the body alone decides, so that a retry is cut alike (D3): a chunk ends before the first
 * record that begins CHUNK_BYTES_MAX or more after the chunk's begin, or after CHUNK_ROWS_MAX records, refused ones
 * counted.
 *
 * Measured by bench/micro/scanner.ts.
 */
export class Scanner {
  readonly #paths: PathTable
  readonly #stage: RowStage
  readonly #record: RecordScanner
  readonly #resolver: RecordResolver
  readonly #routes: ServiceRoutes
  readonly #valueSkipper = new ValueSkipper()

  readonly #memory: KernelMemory
  readonly #usesKernel: boolean
  readonly #window: ScanWindow
  readonly #finder: RecordFinder

  /** Set while a chunk is split: nothing is stored. */
  #onRecord: OnRecord | undefined
  #accepted = 0
  #rejected = 0
  #takenByKernel = 0
  #faultCode: RejectCode = 'invalid_json'
  #faultReason = ''

  /** One scanner for a path table. Without the kernel all records take the other path, to the same end; for tests. */
  constructor(paths: PathTable, { usesKernel = true } = {}) {
    const { memory } = paths
    this.#paths = paths
    this.#memory = memory
    this.#usesKernel = usesKernel
    // The stage's bytes are the whole memory: values in the window, decoded ones, and texts of ours have one address space.
    const arrays = stageArrays(memory)
    this.#stage = new RowStage(memory.u8, arrays)
    const textsAt = memory.reserve(RESOLVER_BYTES)
    this.#window = new ScanWindow(memory)
    this.#finder = new RecordFinder(memory.u8, this.#window)
    this.#record = new RecordScanner(paths, this.#stage, memory.reserve(RECORD_BYTES_MAX + 64 * 1024))
    this.#resolver = new RecordResolver(paths, this.#stage, textsAt)
    this.#routes = new ServiceRoutes(memory)
    const { words } = memory
    words[STAGE_PATHS] = arrays.paths.byteOffset
    words[STAGE_STARTS] = arrays.starts.byteOffset
    words[STAGE_ENDS] = arrays.ends.byteOffset
    words[STAGE_TYPES] = arrays.types.byteOffset
    words[CELLS] = memory.reserve(arrays.paths.length * 8)
  }

  /** Records that the kernel has taken so far; the others were out of the ordinary. */
  get takenByKernel(): number {
    return this.#takenByKernel
  }

  /** A cursor at the start of `body`, which must not change until the last chunk is scanned. */
  open(body: Uint8Array, options: ScanOptions): Scan {
    const scan = new Scan(body, options)
    // A byte order mark says nothing about UTF-8.
    if (body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf) scan.position = 3
    return scan
  }

  /**
   * Scans the next chunk. Rows go to the writers that `route` names, refused records to `onReject`, in order. Throws
   * invalid_parameter for names in the options that are too long.
   */
  scanChunk(scan: Scan, route: Route, onReject: OnReject): ChunkOutcome {
    assert(!scan.isDone, 'a scan ends once')
    const start = scan.position
    this.#accepted = 0
    this.#rejected = 0
    this.#routes.clear()
    this.#memory.requireRoom()
    this.#paths.makeRoom()
    this.#resolver.begin(scan.options)
    this.#setPlace(scan, scan.place)
    try {
      if (scan.skipping === null || this.#goOnSkipping(scan, onReject)) this.#scanRecords(scan, start, route, onReject)
    } finally {
      this.#resolver.end()
    }
    if (scan.isDone && scan.index === 0)
      this.#reject(scan, 'empty_body', 'the body holds no record', scan.position, scan.position, onReject)
    return { start, end: scan.position, accepted: this.#accepted, rejected: this.#rejected, isLast: scan.isDone }
  }

  /**
   * The same chunk without a row: says where its valid records stand. Whether they can be stored, by their time or level, is not asked.
   */
  splitChunk(scan: Scan, onRecord: OnRecord, onReject: OnReject): ChunkOutcome {
    this.#onRecord = onRecord
    try {
      return this.scanChunk(scan, noRoute, onReject)
    } finally {
      this.#onRecord = undefined
    }
  }

  #scanRecords(scan: Scan, chunkStart: number, route: Route, onReject: OnReject): void {
    const { bytes, view } = this.#stage
    const stage = this.#stage
    const record = this.#record
    const resolver = this.#resolver
    const window = this.#window
    const finder = this.#finder
    const indexEnd = scan.index + CHUNK_ROWS_MAX
    window.load(scan)
    let p = window.from
    for (;;) {
      this.#paths.makeRoom()
      if (resolver.refresh()) this.#routes.clear()
      if (this.#usesKernel && this.#onRecord === undefined) p = this.#runKernel(scan, p, chunkStart, indexEnd, route)
      p = finder.next(scan, p)
      if (p < 0) {
        if (p === NEXT_IS_BEYOND) {
          if (scan.position - chunkStart >= CHUNK_BYTES_MAX) return
          window.load(scan)
          p = window.from
          continue
        }
        if (p === NEXT_IS_NONE) {
          scan.isDone = true
          return
        }
        this.#refuse(scan, finder.faultCode, finder.faultReason, 'rest')
        this.#goOnSkipping(scan, onReject)
        return
      }
      const position = window.offsetOf(p)
      scan.position = position
      if (position - chunkStart >= CHUNK_BYTES_MAX || scan.index >= indexEnd) return
      let end = -1
      if (bytes[p] === OPEN_BRACE) {
        end = record.scan(p)
        if (end < 0) {
          if (record.faultAt >= window.to - WINDOW_TAIL_BYTES && window.extend(scan)) {
            p = window.from
            continue
          }
          this.#faultCode = record.faultCode
          this.#faultReason = `${record.faultWhat}, at byte ${record.faultAt - p} of the record`
          if (record.faultAt >= window.to) this.#faultAtEnd(scan)
        }
      } else {
        end = this.#valueSkipper.skip(bytes, view, p, 1, scan.place === AT_LINE ? SPACE_IN_LINE : SPACE_IN_DOCUMENT)
        const faultAt = end < 0 ? this.#valueSkipper.faultAt : end
        if (faultAt >= window.to - WINDOW_TAIL_BYTES && window.extend(scan)) {
          p = window.from
          continue
        }
        if (end >= 0) {
          this.#faultCode = 'not_an_object'
          this.#faultReason = 'the record is not an object'
        } else {
          this.#faultCode = this.#valueSkipper.fault === SKIP_DEPTH ? 'nesting_too_deep' : 'invalid_json'
          this.#faultReason = `not a JSON value, at byte ${faultAt - p} of the record`
          if (faultAt >= window.to) this.#faultAtEnd(scan)
        }
        if (end >= 0 && scan.place !== AT_LINE && scan.place !== AT_OBJECT && end - p <= RECORD_BYTES_MAX) {
          this.#reject(scan, this.#faultCode, this.#faultReason, position, position + end - p, onReject)
          this.#advance(scan, end)
          p = end
          continue
        }
        end = -1
      }

      if (end >= 0 && scan.place === AT_LINE) {
        // Nothing but white space may follow in the line.
        let after = end
        while (SPACE_IN_LINE[bytes[after]!] === 1) after++
        if (bytes[after] !== NEWLINE) {
          if (after >= window.to) {
            if (window.extend(scan)) {
              p = window.from
              continue
            }
          } else {
            this.#faultCode = 'invalid_json'
            this.#faultReason = `something after the object, at byte ${after - p} of the record`
            end = -1
          }
        }
      }
      if (end >= 0 && end - p > RECORD_BYTES_MAX) {
        this.#faultCode = 'record_too_large'
        this.#faultReason = `the record is longer than ${RECORD_BYTES_MAX} bytes`
        end = -1
      }
      if (end < 0) {
        this.#refuse(scan, this.#faultCode, this.#faultReason, scan.place === AT_LINE ? 'line' : 'structure')
        if (!this.#goOnSkipping(scan, onReject)) return
        p = window.addressOf(scan.position)
        if (p > window.to) {
          window.load(scan)
          p = window.from
        }
        continue
      }

      // The record is whole. What fails from here on leaves no doubt where the next begins.
      let code: RejectCode | null
      if (window.isDoubtful && !isUtf8(bytes.subarray(p, end))) code = 'invalid_utf8'
      else code = this.#onRecord === undefined ? resolver.resolve(record) : null
      if (code === null && this.#onRecord !== undefined) {
        this.#accepted++
        this.#onRecord(scan.index++, position, position + end - p)
      } else if (code === null) {
        const writer = this.#routes.find(bytes, view, resolver.serviceStart, resolver.serviceEnd, route)
        writer.append(stage, end - p)
        this.#accepted++
        scan.index++
      } else this.#reject(scan, code, REJECT_CATALOGUE[code].title, position, position + end - p, onReject)
      this.#advance(scan, end)
      p = end
    }
  }

  /** Lets the kernel take as many records from `p` on as it can; returns the position after the last. */
  #runKernel(scan: Scan, p: number, chunkStart: number, indexEnd: number, route: Route): number {
    const window = this.#window
    if (window.isDoubtful || (scan.place !== AT_LINE && scan.place !== AT_ARRAY_NEXT && scan.place !== AT_OBJECT))
      return p
    const stage = this.#stage
    const { words, floats, control, run } = this.#memory
    words[POSITION] = p
    words[WINDOW_END] = window.to
    words[MODE] = scan.place === AT_LINE ? MODE_LINES : scan.place === AT_ARRAY_NEXT ? MODE_ARRAY : MODE_OBJECTS
    words[LINE] = scan.line
    words[RECORDS_LEFT] = indexEnd - scan.index
    const limit = window.addressOf(chunkStart + CHUNK_BYTES_MAX)
    words[POSITION_LIMIT] = Math.max(limit, 0)
    words[ACCEPTED] = 0
    words[PHASE] = PHASE_NONE
    for (let asked = run(control); asked !== KERNEL_STOPPED; asked = run(control)) {
      const start = words[ASKED_START]!
      const end = words[ASKED_END]!
      if (asked === KERNEL_DETECT) {
        words[DETECTED_LEVEL] = this.#resolver.levelOf(start, end)
        words[PHASE] = PHASE_LEVEL
      } else if (asked === KERNEL_ROUTE) {
        this.#routes.find(stage.bytes, stage.view, start, end, route)
        words[PHASE] = PHASE_RESOLVED
      } else {
        stage.count = words[STAGE_COUNT]!
        stage.timeMs = floats[TIME_MS]!
        stage.timeNs = words[TIME_NS]!
        this.#routes.writerAt(words[ROUTE_ENTRY]!).append(stage, words[RECORD_END]! - words[RECORD_START]!)
        words[PHASE] = PHASE_APPENDED
      }
    }
    scan.line = words[LINE]!
    scan.index += words[ACCEPTED]!
    this.#accepted += words[ACCEPTED]!
    this.#takenByKernel += words[ACCEPTED]!
    return words[POSITION]!
  }

  /** Puts the cursor after a record that ended at `end`. */
  #advance(scan: Scan, end: number): void {
    scan.position = this.#window.offsetOf(end)
    if (scan.place === AT_ARRAY_START || scan.place === AT_ARRAY_VALUE) scan.place = AT_ARRAY_NEXT
  }

  /** The window ended within the record: either the body ends there, or the record is longer than it may be. */
  #faultAtEnd(scan: Scan): void {
    if (this.#window.reachesEnd(scan)) {
      this.#faultCode = 'invalid_json'
      this.#faultReason = 'the record is not complete'
    } else {
      this.#faultCode = 'record_too_large'
      this.#faultReason = `the record is longer than ${RECORD_BYTES_MAX} bytes`
    }
  }

  /** Begins to skip the record at `scan.position`. */
  #refuse(scan: Scan, code: RejectCode, reason: string, by: Skipping['by']): void {
    scan.skipping = {
      code,
      reason,
      start: scan.position,
      by,
      structure: by === 'structure' ? new StructureSkipper() : null,
    }
  }

  /**
   * Looks for the end of the record being skipped, at most CHUNK_BYTES_MAX further. Returns true with `scan.position`
   * after it; false when the chunk ends here.
   */
  #goOnSkipping(scan: Scan, onReject: OnReject): boolean {
    const skipping = scan.skipping
    assert(skipping !== null, 'a record is being skipped')
    const { body } = scan
    let end = body.length
    if (skipping.by !== 'rest') {
      const limit = Math.min(scan.position + CHUNK_BYTES_MAX, body.length)
      const { structure } = skipping
      let found: number
      if (structure !== null) found = structure.step(body, scan.position, limit)
      else {
        const newline = body.subarray(scan.position, limit).indexOf(NEWLINE)
        found = newline < 0 ? -1 : scan.position + newline
      }
      if (found < 0 && limit < body.length) {
        scan.position = limit
        return false
      }
      if (found >= 0) end = found
      if (structure !== null && scan.place === AT_OBJECT && (found < 0 || !isBetweenObjects(body, end))) {
        // Records one after the other, and one is damaged beyond its own end: go on with the next line, line by line.
        const line = nextObjectLine(body, skipping.start)
        end = line < 0 ? body.length : line
        if (line >= 0) this.#setPlace(scan, AT_LINE)
      }
    }
    scan.skipping = null
    scan.position = end
    this.#reject(scan, skipping.code, skipping.reason, skipping.start, trimEnd(body, skipping.start, end), onReject)
    if (scan.place === AT_ARRAY_START || scan.place === AT_ARRAY_VALUE) scan.place = AT_ARRAY_NEXT
    if (end === body.length && (skipping.by !== 'structure' || scan.place === AT_ARRAY_NEXT)) scan.isDone = true
    return !scan.isDone
  }

  #setPlace(scan: Scan, place: number): void {
    scan.place = place
    this.#record.space = place === AT_LINE ? SPACE_IN_LINE : SPACE_IN_DOCUMENT
  }

  #reject(scan: Scan, code: RejectCode, reason: string, start: number, end: number, onReject: OnReject): void {
    this.#rejected++
    const line = scan.options.format === 'ndjson' ? scan.line : 0
    onReject({ index: scan.index++, line, code, reason, start, end })
  }
}

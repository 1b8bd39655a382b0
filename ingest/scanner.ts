import { isUtf8 } from 'node:buffer'
import { assert } from '../base/assert.ts'
import { CHUNK_BYTES_MAX, CHUNK_ROWS_MAX, RECORD_BYTES_MAX } from '../base/limits.ts'
import {
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COLON,
  COMMA,
  NEWLINE,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  SKIP_DEPTH,
  SPACE_IN_DOCUMENT,
  SPACE_IN_LINE,
  StructureSkipper,
  ValueSkipper,
} from './json-text.ts'
import {
  ACCEPTED,
  CELLS,
  DETECT_END,
  DETECT_START,
  DETECTED_LEVEL,
  KERNEL_DETECT,
  type KernelMemory,
  LINE,
  MODE,
  MODE_ARRAY,
  MODE_LINES,
  MODE_OBJECTS,
  POSITION,
  POSITION_LIMIT,
  RECORDS_LEFT,
  STAGE_ENDS,
  STAGE_PATHS,
  STAGE_STARTS,
  STAGE_TYPES,
  WINDOW_END,
} from './kernel/kernel-memory.ts'
import { LEVEL_UNKNOWN } from './level.ts'
import type { PathTable } from './path-table.ts'
import { RESOLVER_BYTES, RecordResolver } from './record-resolver.ts'
import { RecordScanner } from './record-scanner.ts'
import { REJECT_CATALOGUE, type RecordRejection, type RejectCode } from './reject.ts'
import { RowStage, stageArrays } from './row-stage.ts'
import {
  AT_ARRAY_NEXT,
  AT_ARRAY_START,
  AT_ARRAY_VALUE,
  AT_ENVELOPE_END,
  AT_LINE,
  AT_OBJECT,
  AT_START,
  AT_TAIL,
  type ChunkOutcome,
  Scan,
  type ScanOptions,
  type Skipping,
} from './scan.ts'
import { type Route, ServiceRoutes } from './service-routes.ts'

/** The body is looked at through a window of our own memory: one array for the loops, zeros after its end. */
const WINDOW_BYTES = 256 * 1024
/** A window that starts with a record holds all of it, and enough more to see that a longer one is too long. */
const WINDOW_BYTES_MAX = RECORD_BYTES_MAX + 64 * 1024
const ZEROS_BYTES = 64
/** A fault this close to the window's end may come of the end alone; longer than any token that is compared whole. */
const WINDOW_TAIL_BYTES = 16

/** What `#next` returns instead of a position. */
const NEXT_IS_BEYOND = -1
const NEXT_IS_NONE = -2
const NEXT_IS_FAULT = -3

export type OnReject = (rejection: RecordRejection) => void

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
  /** Where the window stands in the stage's bytes. */
  readonly #windowAt: number
  /** Body offset of the window's first byte, and the stage position after its last. */
  #windowStart = 0
  #windowEnd = 0
  /** The window holds bytes that are not UTF-8: each record is checked alone. */
  #isDoubtful = false

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
    this.#windowAt = memory.reserve(WINDOW_BYTES_MAX + ZEROS_BYTES)
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

  #scanRecords(scan: Scan, chunkStart: number, route: Route, onReject: OnReject): void {
    const { bytes, view } = this.#stage
    const stage = this.#stage
    const record = this.#record
    const resolver = this.#resolver
    const indexEnd = scan.index + CHUNK_ROWS_MAX
    this.#load(scan, WINDOW_BYTES)
    let p = this.#windowAt
    for (;;) {
      this.#paths.makeRoom()
      if (resolver.refresh()) this.#routes.clear()
      if (this.#usesKernel) p = this.#runKernel(scan, p, chunkStart, indexEnd)
      p = this.#next(scan, p)
      if (p < 0) {
        if (p === NEXT_IS_BEYOND) {
          if (scan.position - chunkStart >= CHUNK_BYTES_MAX) return
          this.#load(scan, WINDOW_BYTES)
          p = this.#windowAt
          continue
        }
        if (p === NEXT_IS_NONE) {
          scan.isDone = true
          return
        }
        this.#refuse(scan, this.#faultCode, this.#faultReason, 'rest')
        this.#goOnSkipping(scan, onReject)
        return
      }
      const position = this.#windowStart + p - this.#windowAt
      scan.position = position
      if (position - chunkStart >= CHUNK_BYTES_MAX || scan.index >= indexEnd) return
      let end = -1
      if (bytes[p] === OPEN_BRACE) {
        end = record.scan(p)
        if (end < 0) {
          if (record.faultAt >= this.#windowEnd - WINDOW_TAIL_BYTES && this.#extend(scan)) {
            p = this.#windowAt
            continue
          }
          this.#faultCode = record.faultCode
          this.#faultReason = `${record.faultWhat}, at byte ${record.faultAt - p} of the record`
          if (record.faultAt >= this.#windowEnd) this.#faultAtEnd(scan)
        }
      } else {
        end = this.#valueSkipper.skip(bytes, view, p, 1, scan.place === AT_LINE ? SPACE_IN_LINE : SPACE_IN_DOCUMENT)
        const faultAt = end < 0 ? this.#valueSkipper.faultAt : end
        if (faultAt >= this.#windowEnd - WINDOW_TAIL_BYTES && this.#extend(scan)) {
          p = this.#windowAt
          continue
        }
        if (end >= 0) {
          this.#faultCode = 'not_an_object'
          this.#faultReason = 'the record is not an object'
        } else {
          this.#faultCode = this.#valueSkipper.fault === SKIP_DEPTH ? 'nesting_too_deep' : 'invalid_json'
          this.#faultReason = `not a JSON value, at byte ${faultAt - p} of the record`
          if (faultAt >= this.#windowEnd) this.#faultAtEnd(scan)
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
          if (after >= this.#windowEnd) {
            if (this.#extend(scan)) {
              p = this.#windowAt
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
        p = scan.position - this.#windowStart + this.#windowAt
        if (p > this.#windowEnd) {
          this.#load(scan, WINDOW_BYTES)
          p = this.#windowAt
        }
        continue
      }

      // The record is whole. What fails from here on leaves no doubt where the next begins.
      let code: RejectCode | null
      if (this.#isDoubtful && !isUtf8(bytes.subarray(p, end))) code = 'invalid_utf8'
      else code = resolver.resolve(record)
      if (code === null) {
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
  #runKernel(scan: Scan, p: number, chunkStart: number, indexEnd: number): number {
    if (this.#isDoubtful || (scan.place !== AT_LINE && scan.place !== AT_ARRAY_NEXT && scan.place !== AT_OBJECT))
      return p
    const { words, control, run } = this.#memory
    words[POSITION] = p
    words[WINDOW_END] = this.#windowEnd
    words[MODE] = scan.place === AT_LINE ? MODE_LINES : scan.place === AT_ARRAY_NEXT ? MODE_ARRAY : MODE_OBJECTS
    words[LINE] = scan.line
    words[RECORDS_LEFT] = indexEnd - scan.index
    const limit = chunkStart + CHUNK_BYTES_MAX - this.#windowStart + this.#windowAt
    words[POSITION_LIMIT] = Math.max(limit, 0)
    words[ACCEPTED] = 0
    words[DETECTED_LEVEL] = LEVEL_UNKNOWN
    while (run(control) === KERNEL_DETECT)
      words[DETECTED_LEVEL] = this.#resolver.levelOf(words[DETECT_START]!, words[DETECT_END]!)
    scan.line = words[LINE]!
    scan.index += words[ACCEPTED]!
    this.#accepted += words[ACCEPTED]!
    this.#takenByKernel += words[ACCEPTED]!
    return words[POSITION]!
  }

  /** Puts the cursor after a record that ended at `end`. */
  #advance(scan: Scan, end: number): void {
    scan.position = this.#windowStart + end - this.#windowAt
    if (scan.place === AT_ARRAY_START || scan.place === AT_ARRAY_VALUE) scan.place = AT_ARRAY_NEXT
  }

  /**
   * From `p` to the first byte of the next record, over white space and separators. Otherwise NEXT_IS_BEYOND when the next
   * window shall start at `scan.position`, NEXT_IS_NONE at the end of the body, or NEXT_IS_FAULT with the fault set, which
   * concerns the rest of the body.
   */
  #next(scan: Scan, from: number): number {
    const bytes = this.#stage.bytes
    let p = from
    for (;;) {
      let c = bytes[p]!
      while (SPACE_IN_DOCUMENT[c] === 1) {
        if (c === NEWLINE) scan.line++
        c = bytes[++p]!
      }
      scan.position = this.#windowStart + p - this.#windowAt
      if (p >= this.#windowEnd) {
        if (scan.position < scan.body.length) return NEXT_IS_BEYOND
        if (scan.place === AT_ENVELOPE_END) return this.#fault('invalid_json', 'the envelope is not closed')
        if (scan.place >= AT_ARRAY_START && scan.place < AT_TAIL)
          return this.#fault('invalid_json', 'the array is not closed')
        return NEXT_IS_NONE
      }
      switch (scan.place) {
        case AT_LINE:
        case AT_OBJECT:
          return p
        case AT_START: {
          const inside = c === OPEN_BRACE ? this.#envelope(p) : -1
          if (inside >= 0) {
            scan.isEnvelope = true
            p = inside
          } else if (c === OPEN_BRACKET) p++
          else {
            scan.place = AT_OBJECT
            return p
          }
          scan.place = AT_ARRAY_START
          break
        }
        case AT_ARRAY_VALUE:
          if (c !== CLOSE_BRACKET && c !== COMMA) return p
          return this.#fault('invalid_json', 'no record after a ","')
        case AT_ARRAY_START:
          if (c !== CLOSE_BRACKET) return p
          p++
          scan.place = scan.isEnvelope ? AT_ENVELOPE_END : AT_TAIL
          break
        case AT_ARRAY_NEXT:
          if (c === COMMA) scan.place = AT_ARRAY_VALUE
          else if (c === CLOSE_BRACKET) scan.place = scan.isEnvelope ? AT_ENVELOPE_END : AT_TAIL
          else return this.#fault('invalid_json', 'something other than "," or "]" after a record')
          p++
          break
        case AT_ENVELOPE_END:
          if (c === COMMA) return this.#fault('invalid_envelope', REJECT_CATALOGUE.invalid_envelope.title)
          if (c !== CLOSE_BRACE) return this.#fault('invalid_json', 'the envelope is not closed')
          p++
          scan.place = AT_TAIL
          break
        default:
          return this.#fault('invalid_json', 'something after the last record')
      }
    }
  }

  /** Position after the `[` of {"logs":[, or -1 when the object at `at` does not begin so. */
  #envelope(at: number): number {
    const bytes = this.#stage.bytes
    let p = at
    for (const c of [OPEN_BRACE, QUOTE, 0x6c, 0x6f, 0x67, 0x73, QUOTE, COLON, OPEN_BRACKET]) {
      if (c < 0x61 || c === OPEN_BRACE) while (SPACE_IN_DOCUMENT[bytes[p]!] === 1) p++
      if (bytes[p++] !== c) return -1
    }
    return p
  }

  #fault(code: RejectCode, reason: string): number {
    this.#faultCode = code
    this.#faultReason = reason
    return NEXT_IS_FAULT
  }

  /** The window ended within the record: either the body ends there, or the record is longer than it may be. */
  #faultAtEnd(scan: Scan): void {
    if (this.#windowReaches(scan)) {
      this.#faultCode = 'invalid_json'
      this.#faultReason = 'the record is not complete'
    } else {
      this.#faultCode = 'record_too_large'
      this.#faultReason = `the record is longer than ${RECORD_BYTES_MAX} bytes`
    }
  }

  /** Whether the window goes to the end of the body. */
  #windowReaches(scan: Scan): boolean {
    return this.#windowStart + this.#windowEnd - this.#windowAt >= scan.body.length
  }

  /** Moves the window to `scan.position`. */
  #load(scan: Scan, size: number): void {
    const { bytes } = this.#stage
    const from = scan.position
    const to = Math.min(from + size, scan.body.length)
    bytes.set(scan.body.subarray(from, to), this.#windowAt)
    this.#windowStart = from
    this.#windowEnd = this.#windowAt + to - from
    bytes.fill(0, this.#windowEnd, this.#windowEnd + ZEROS_BYTES)
    // The last character may be cut.
    let whole = this.#windowEnd
    if (to < scan.body.length) {
      for (let i = 1; i <= 3 && i <= to - from; i++) {
        const byte = bytes[this.#windowEnd - i]!
        if (byte < 0x80) break
        if (byte >= 0xc0) {
          whole = this.#windowEnd - i
          break
        }
      }
    }
    this.#isDoubtful = !isUtf8(bytes.subarray(this.#windowAt, whole))
  }

  /**
   * Moves the window to `scan.position`, made as large as a record can need; false when that shows nothing new.
   */
  #extend(scan: Scan): boolean {
    if (this.#windowReaches(scan)) return false
    const size = this.#windowEnd - this.#windowAt
    if (this.#windowStart === scan.position && size >= WINDOW_BYTES_MAX) return false
    this.#load(scan, this.#windowStart === scan.position ? WINDOW_BYTES_MAX : WINDOW_BYTES)
    return true
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

/** White space looked over at most where nothing but white space is expected. */
const SPACE_LOOKED_OVER_MAX = 1024

/** Whether an object, or nothing, follows at `at`. */
function isBetweenObjects(body: Uint8Array, at: number): boolean {
  let p = at
  const limit = Math.min(at + SPACE_LOOKED_OVER_MAX, body.length)
  while (p < limit && SPACE_IN_DOCUMENT[body[p]!] === 1) p++
  return p === limit || body[p] === OPEN_BRACE
}

/** Start of the next line that begins with `{`, among the next RECORD_BYTES_MAX; or -1. */
function nextObjectLine(body: Uint8Array, from: number): number {
  const limit = Math.min(from + RECORD_BYTES_MAX, body.length - 1)
  for (let p = from; p < limit; p++) if (body[p] === NEWLINE && body[p + 1] === OPEN_BRACE) return p + 1
  return -1
}

/** `end` without the white space before it, at most as much as lines end with. */
function trimEnd(body: Uint8Array, start: number, end: number): number {
  let p = end
  const limit = Math.max(start, end - SPACE_LOOKED_OVER_MAX)
  while (p > limit && SPACE_IN_DOCUMENT[body[p - 1]!] === 1) p--
  return p
}

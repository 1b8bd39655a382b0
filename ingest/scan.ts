import type { StructureSkipper } from './json-text.ts'
import type { RejectCode } from './reject.ts'

/** How the scanner reads a request's body. */
export interface ScanOptions {
  /** `ndjson`: a record a line. `json`: a record, records one after the other, an array, or {"logs":[…]}. */
  readonly format: 'json' | 'ndjson'
  /** Time of receipt, for records without a timestamp; integer milliseconds. */
  readonly receivedMs: number
  /** Oldest and newest time that is accepted, inclusive. */
  readonly oldestMs: number
  readonly newestMs: number
  /** Records of a lower level (LEVEL_*) are refused as `overloaded`; absent or 0: none are. */
  readonly levelFloor?: number
  /** Names (canonical paths, or flat keys) that come before all others for timestamp and message. */
  readonly timeField?: string
  readonly messageField?: string
  /** For records that name no service or host. */
  readonly serviceDefault?: string
  readonly hostDefault?: string
}

/** What one call of `scanChunk` did. */
export interface ChunkOutcome {
  /** The chunk is body[start, end). */
  readonly start: number
  readonly end: number
  readonly accepted: number
  readonly rejected: number
  /** True when the body has come to its end. */
  readonly isLast: boolean
}

/** Where in the grammar of the body the next byte stands. */
export const AT_START = 0
/** A record a line. */
export const AT_LINE = 1
/** Records one after the other. */
export const AT_OBJECT = 2
/** After `[`: a record or `]`. */
export const AT_ARRAY_START = 3
/** After a record of an array: `,` or `]`. */
export const AT_ARRAY_NEXT = 4
/** After a `,` of an array: a record. */
export const AT_ARRAY_VALUE = 5
/** After the array of an envelope: `}`. */
export const AT_ENVELOPE_END = 6
/** After the array or the envelope: white space only. */
export const AT_TAIL = 7

/**
 * How far one body has been scanned. Requests of one thread take turns on one scanner between chunks, so all that
 * outlives a chunk stands here.
 */
export class Scan {
  readonly body: Uint8Array
  readonly options: ScanOptions
  /** Offset in `body` of the first byte not yet scanned. */
  position = 0
  /** Records met so far, refused ones included. */
  index = 0
  /** 1-based number of the line that `position` stands in; 0 where records are not lines. */
  line: number
  place: number
  /** The array is that of {"logs":[…]}. */
  isEnvelope = false
  isDone = false
  /** A refused record whose end is still being looked for. */
  skipping: Skipping | null = null

  constructor(body: Uint8Array, options: ScanOptions) {
    this.body = body
    this.options = options
    this.place = options.format === 'ndjson' ? AT_LINE : AT_START
    this.line = options.format === 'ndjson' ? 1 : 0
  }
}

/** A record that was refused and whose end has not come yet. */
export interface Skipping {
  readonly code: RejectCode
  readonly reason: string
  /** Offset in the body. */
  readonly start: number
  /** How the end is found: the next newline; the structure; or it is the end of the body. */
  readonly by: 'line' | 'structure' | 'rest'
  readonly structure: StructureSkipper | null
}

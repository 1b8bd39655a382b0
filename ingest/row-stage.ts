import { RECORD_FIELDS_MAX } from '../base/limits.ts'

/** Fields that we may add to a record's own: sources of aliases, level, its text, defaults. */
const FIELDS_ADDED_MAX = 32

/** Bytes that must follow the last value in `RowStage.bytes`, because values are read in words of four. */
export const STAGE_SLACK_BYTES = 8

/**
 * The fields of one record, between decoding and the columns. A record is staged whole before anything is written, so a
 * record that is refused leaves no trace.
 */
export class RowStage {
  /** Values stand in bytes[starts[i], ends[i]). */
  bytes: Uint8Array
  view: DataView
  /** Number of the path of field i (PathTable), or -1 when the field was taken back. */
  readonly paths = new Int32Array(RECORD_FIELDS_MAX + FIELDS_ADDED_MAX)
  readonly starts = new Int32Array(RECORD_FIELDS_MAX + FIELDS_ADDED_MAX)
  readonly ends = new Int32Array(RECORD_FIELDS_MAX + FIELDS_ADDED_MAX)
  /** ValueType of field i. */
  readonly types = new Uint8Array(RECORD_FIELDS_MAX + FIELDS_ADDED_MAX)
  count = 0
  timeMs = 0
  timeNs = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  add(path: number, type: number, start: number, end: number): void {
    const i = this.count++
    this.paths[i] = path
    this.types[i] = type
    this.starts[i] = start
    this.ends[i] = end
  }
}

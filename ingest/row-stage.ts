import { RECORD_FIELDS_MAX } from '../base/limits.ts'
import { type KernelMemory, SLACK_BYTES } from './kernel/kernel-memory.ts'

/** Fields that we may add to a record's own: sources of aliases, level, its text, defaults. */
const FIELDS_ADDED_MAX = 32

const FIELDS_MAX = RECORD_FIELDS_MAX + FIELDS_ADDED_MAX

/** Bytes that must follow the last value in `RowStage.bytes`, because values are read beyond their end. */
export const STAGE_SLACK_BYTES = SLACK_BYTES

/** The arrays of a stage. */
export interface StageArrays {
  readonly paths: Int32Array
  readonly starts: Int32Array
  readonly ends: Int32Array
  readonly types: Uint8Array
}

/** New arrays, from `memory` where the kernel has to see them. */
export function stageArrays(memory?: KernelMemory): StageArrays {
  const words = (): Int32Array => memory?.int32Array(FIELDS_MAX) ?? new Int32Array(FIELDS_MAX)
  return {
    paths: words(),
    starts: words(),
    ends: words(),
    types: memory?.uint8Array(FIELDS_MAX) ?? new Uint8Array(FIELDS_MAX),
  }
}

/**
 * The fields of one record, between decoding and the columns. A record is staged whole before anything is written, so a
 * record that is refused leaves no trace.
 */
export class RowStage {
  /** Values stand in bytes[starts[i], ends[i]). */
  bytes: Uint8Array
  view: DataView
  /** Number of the path of field i (PathTable), or -1 when the field was taken back. */
  readonly paths: Int32Array
  readonly starts: Int32Array
  readonly ends: Int32Array
  /** ValueType of field i. */
  readonly types: Uint8Array
  count = 0
  timeMs = 0
  timeNs = 0

  constructor(bytes: Uint8Array, arrays: StageArrays) {
    this.paths = arrays.paths
    this.starts = arrays.starts
    this.ends = arrays.ends
    this.types = arrays.types
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

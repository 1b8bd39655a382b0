import { assert } from '../base/assert.ts'
import { WeirError } from '../base/errors.ts'
import type { LaneId } from '../base/ids.ts'

/**
 * Keys and small values of the embedded journal. Numbers in keys are big-endian, so that memcmp orders them; see
 * docs/formats.md, "Embedded journal".
 */

const KIND_JOURNAL = 0x00
const KIND_LANE = 0x01
const KIND_FRAME_META = 0x02
const KIND_FRAME_DATA = 0x03
const FRAME_KEY_BYTES = 9

/** What is stored of a lane. */
export interface LaneRecord {
  readonly generation: number
  /** J3: frames before this sequence belong to the generation before. */
  readonly generationFrom: number
  readonly previousGeneration: number
  /** 16 random bytes, drawn when the lane was created. */
  readonly creationId: Uint8Array
  readonly createdMs: number
  readonly firstSequence: number
}

export interface FrameMeta {
  readonly appendedMs: number
  readonly frameBytes: number
  readonly frameId: string
}

export function journalRecordKey(): Uint8Array {
  return Uint8Array.of(KIND_JOURNAL)
}

export function laneRecordKey(lane: number): Uint8Array {
  return Uint8Array.of(KIND_LANE, lane >> 8, lane & 0xff)
}

export function frameMetaKey(lane: LaneId, sequence: number): Uint8Array {
  return frameKey(KIND_FRAME_META, lane, sequence)
}

export function frameDataKey(lane: LaneId, sequence: number): Uint8Array {
  return frameKey(KIND_FRAME_DATA, lane, sequence)
}

function frameKey(kind: number, lane: LaneId, sequence: number): Uint8Array {
  const key = new Uint8Array(FRAME_KEY_BYTES)
  const bounded = Math.min(sequence, SEQUENCE_MAX)
  const view = new DataView(key.buffer)
  key[0] = kind
  view.setUint16(1, lane)
  view.setUint16(3, Math.floor(bounded / 2 ** 32))
  view.setUint32(5, bounded % 2 ** 32)
  return key
}

/** Sequences take six bytes: 2,800 years at 3,000 frames a second. */
const SEQUENCE_MAX = 2 ** 48 - 1

export function sequenceOfKey(key: Uint8Array): number {
  assert(key.length === FRAME_KEY_BYTES, 'the key of a frame has nine bytes')
  const view = new DataView(key.buffer, key.byteOffset, key.length)
  return view.getUint16(3) * 2 ** 32 + view.getUint32(5)
}

/** The generation that a frame was appended in. */
export function generationOf(lane: LaneRecord, sequence: number): number {
  return sequence >= lane.generationFrom ? lane.generation : lane.previousGeneration
}

const LANE_RECORD_BYTES = 48

export function encodeLaneRecord(record: LaneRecord): Uint8Array {
  assert(record.creationId.length === 16, 'a creation id has 16 bytes')
  const bytes = new Uint8Array(LANE_RECORD_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, record.generation, true)
  view.setUint32(4, record.previousGeneration, true)
  view.setFloat64(8, record.createdMs, true)
  view.setFloat64(16, record.firstSequence, true)
  view.setFloat64(24, record.generationFrom, true)
  bytes.set(record.creationId, 32)
  return bytes
}

export function decodeLaneRecord(bytes: Uint8Array): LaneRecord {
  if (bytes.length !== LANE_RECORD_BYTES) throw new WeirError('corrupt_data', 'the record of a lane has a wrong length')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  return {
    generation: view.getUint32(0, true),
    previousGeneration: view.getUint32(4, true),
    generationFrom: view.getFloat64(24, true),
    createdMs: view.getFloat64(8, true),
    firstSequence: view.getFloat64(16, true),
    creationId: bytes.slice(32, 48),
  }
}

const FRAME_META_BYTES = 12

export function encodeFrameMeta(meta: FrameMeta): Uint8Array {
  const id = Buffer.from(meta.frameId, 'utf8')
  const bytes = new Uint8Array(FRAME_META_BYTES + id.length)
  const view = new DataView(bytes.buffer)
  view.setFloat64(0, meta.appendedMs, true)
  view.setUint32(8, meta.frameBytes, true)
  bytes.set(id, FRAME_META_BYTES)
  return bytes
}

export function decodeFrameMeta(bytes: Uint8Array): FrameMeta {
  if (bytes.length < FRAME_META_BYTES) throw new WeirError('corrupt_data', 'the entry of a frame is too short')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  return {
    appendedMs: view.getFloat64(0, true),
    frameBytes: view.getUint32(8, true),
    frameId: Buffer.from(bytes.buffer, bytes.byteOffset + FRAME_META_BYTES, bytes.length - FRAME_META_BYTES).toString(),
  }
}

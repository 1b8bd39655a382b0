import { crc32 } from 'node:zlib'
import { WeirError } from '../base/errors.ts'
import type { ShardId, TenantId } from '../base/ids.ts'

/** What all versions of a frame begin with (docs/formats.md, "Frame"). */

/** `WFRM` when its bytes are read as text. */
const MAGIC = 0x4d524657
const OFFSET_VERSION = 4
const OFFSET_SECTION_COUNT = 6
const OFFSET_DIRECTORY_BYTES = 8
const OFFSET_FRAME_BYTES = 12
const OFFSET_CHECKSUM = 16
const OFFSET_GROUP_COUNT = 20
const ALIGNMENT = 8

export const FRAME_HEADER_BYTES = 24

export interface FrameHeader {
  readonly version: number
  readonly sectionCount: number
  /** Version 2 and later; 0 before. */
  readonly groupCount: number
  readonly directoryBytes: number
}

export interface FrameSectionInput {
  readonly shard: ShardId
  readonly tenant: TenantId
  readonly rowCount: number
  readonly bytes: Uint8Array
}

export interface FrameSection extends FrameSectionInput {
  /** Rows of the same shard in earlier sections of this frame: what its row 0 is called in positions (J3). */
  readonly rowBase: number
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

export function aligned(offset: number): number {
  return Math.ceil(offset / ALIGNMENT) * ALIGNMENT
}

export function isAligned(offset: number): boolean {
  return offset % ALIGNMENT === 0
}

/** Writes the header; the directory must be there already, and be the bytes behind it. */
export function writeFrameHeader(frame: Uint8Array, header: FrameHeader): void {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
  view.setUint32(0, MAGIC, true)
  view.setUint16(OFFSET_VERSION, header.version, true)
  view.setUint16(OFFSET_SECTION_COUNT, header.sectionCount, true)
  view.setUint32(OFFSET_DIRECTORY_BYTES, header.directoryBytes, true)
  view.setUint32(OFFSET_FRAME_BYTES, frame.length, true)
  view.setUint32(OFFSET_CHECKSUM, 0, true)
  view.setUint32(OFFSET_GROUP_COUNT, header.groupCount, true)
  view.setUint32(OFFSET_CHECKSUM, crc32(frame.subarray(0, FRAME_HEADER_BYTES + header.directoryBytes)), true)
}

/** Header of a frame of a known version, whose directory is whole and undamaged. Throws corrupt_data. */
export function readFrameHeader(frame: Uint8Array, versions: readonly number[]): FrameHeader {
  if (frame.length < FRAME_HEADER_BYTES) throw corruptFrame('it is shorter than its header', frame)
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
  if (view.getUint32(0, true) !== MAGIC) throw corruptFrame('it does not begin with WFRM', frame)
  const version = view.getUint16(OFFSET_VERSION, true)
  if (!versions.includes(version)) throw corruptFrame(`its version ${version} is not known`, frame)
  const directoryBytes = view.getUint32(OFFSET_DIRECTORY_BYTES, true)
  const directoryEnd = FRAME_HEADER_BYTES + directoryBytes
  if (view.getUint32(OFFSET_FRAME_BYTES, true) !== frame.length)
    throw corruptFrame('its length is not the stated one', frame)
  if (directoryEnd > frame.length) throw corruptFrame('its directory is longer than itself', frame)
  if (view.getUint32(OFFSET_CHECKSUM, true) !== directoryChecksum(frame, directoryEnd)) {
    throw corruptFrame('its directory fails the checksum', frame)
  }
  const sectionCount = view.getUint16(OFFSET_SECTION_COUNT, true)
  return { version, sectionCount, groupCount: view.getUint32(OFFSET_GROUP_COUNT, true), directoryBytes }
}

/** CRC-32 of header and directory, the checksum's own four bytes taken as zero. */
function directoryChecksum(frame: Uint8Array, directoryEnd: number): number {
  const bytes = frame.slice(0, directoryEnd)
  bytes.fill(0, OFFSET_CHECKSUM, OFFSET_CHECKSUM + 4)
  return crc32(bytes)
}

export function tenantBytes(tenant: TenantId): Uint8Array {
  return encoder.encode(tenant)
}

/** Throws corrupt_data. */
export function tenantOf(bytes: Uint8Array, frame: Uint8Array): TenantId {
  try {
    return decoder.decode(bytes) as TenantId
  } catch (cause) {
    throw corruptFrame('a tenant name is not UTF-8', frame, cause)
  }
}

export function corruptFrame(why: string, frame: Uint8Array, cause?: unknown): WeirError {
  return new WeirError('corrupt_data', `not a frame: ${why}`, { frameBytes: frame.length }, { cause })
}

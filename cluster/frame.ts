import { crc32 } from 'node:zlib'
import { assert } from '../base/assert.ts'
import { WeirError } from '../base/errors.ts'
import type { ShardId, TenantId } from '../base/ids.ts'
import { FRAME_SECTIONS_MAX, JOURNAL_MESSAGE_BYTES_MAX } from '../base/limits.ts'

/**
 * The frame: one journal message (J2). A directory of its sections, then the sections back to back, each on an 8-byte
 * boundary, so that a reader takes its own without looking into the others. A section is of one (tenant, shard); the
 * checksum here covers header and directory, a section guards its own bytes. Layout: docs/formats.md, "Frame".
 */

/** `WFRM` when its bytes are read as text. */
const MAGIC = 0x4d524657
const VERSION = 1
const HEADER_BYTES = 24
const OFFSET_VERSION = 4
const OFFSET_SECTION_COUNT = 6
const OFFSET_DIRECTORY_BYTES = 8
const OFFSET_FRAME_BYTES = 12
const OFFSET_CHECKSUM = 16
/** Of a directory entry, before the tenant's name. */
const ENTRY_BYTES = 15
const ALIGNMENT = 8

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

export interface FrameView {
  readonly sections: readonly FrameSection[]
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

/**
 * Packs sections, in the order given. The result fills an ArrayBuffer of its own, so it may be transferred.
 * Costs one copy of the bytes.
 */
export function encodeFrame(sections: readonly FrameSectionInput[]): Uint8Array<ArrayBuffer> {
  assert(sections.length > 0 && sections.length <= FRAME_SECTIONS_MAX, 'a frame has 1 to FRAME_SECTIONS_MAX sections')
  const tenants = sections.map((section) => encoder.encode(section.tenant))
  let directoryBytes = 0
  for (const tenant of tenants) {
    assert(tenant.length > 0 && tenant.length <= 255, 'the length of a tenant name fits a byte')
    directoryBytes += ENTRY_BYTES + tenant.length
  }
  const sectionsStart = aligned(HEADER_BYTES + directoryBytes)
  let frameBytes = sectionsStart
  for (const section of sections) frameBytes = aligned(frameBytes) + section.bytes.length
  assert(frameBytes <= JOURNAL_MESSAGE_BYTES_MAX, 'a frame fits a journal message')

  const buffer = Buffer.allocUnsafeSlow(frameBytes)
  const frame = new Uint8Array(buffer.buffer as ArrayBuffer)
  const view = new DataView(frame.buffer)
  let entry = HEADER_BYTES
  let offset = sectionsStart
  frame.fill(0, HEADER_BYTES + directoryBytes, sectionsStart)
  for (let i = 0; i < sections.length; i++) {
    const section = sections[i]!
    const tenant = tenants[i]!
    assert(section.shard >= 0 && section.shard <= 0xffff, 'a shard number fits 16 bits')
    const start = aligned(offset)
    frame.fill(0, offset, start)
    view.setUint16(entry, section.shard, true)
    view.setUint32(entry + 2, section.rowCount, true)
    view.setUint32(entry + 6, start, true)
    view.setUint32(entry + 10, section.bytes.length, true)
    view.setUint8(entry + 14, tenant.length)
    frame.set(tenant, entry + ENTRY_BYTES)
    entry += ENTRY_BYTES + tenant.length
    frame.set(section.bytes, start)
    offset = start + section.bytes.length
  }
  view.setUint32(0, MAGIC, true)
  view.setUint16(OFFSET_VERSION, VERSION, true)
  view.setUint16(OFFSET_SECTION_COUNT, sections.length, true)
  view.setUint32(OFFSET_DIRECTORY_BYTES, directoryBytes, true)
  view.setUint32(OFFSET_FRAME_BYTES, frameBytes, true)
  view.setUint32(OFFSET_CHECKSUM, 0, true)
  view.setUint32(OFFSET_CHECKSUM + 4, 0, true)
  view.setUint32(OFFSET_CHECKSUM, crc32(frame.subarray(0, HEADER_BYTES + directoryBytes)), true)
  return frame
}

/**
 * The sections of a frame; their bytes are views on `frame`. Throws corrupt_data when the bytes are not a whole,
 * undamaged frame; the content of a section is not looked at.
 */
export function readFrame(frame: Uint8Array): FrameView {
  if (frame.length < HEADER_BYTES) throw corrupt('it is shorter than its header', frame)
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
  if (view.getUint32(0, true) !== MAGIC) throw corrupt('it does not begin with WFRM', frame)
  const version = view.getUint16(OFFSET_VERSION, true)
  if (version !== VERSION) throw corrupt(`its version ${version} is not known`, frame)
  const sectionCount = view.getUint16(OFFSET_SECTION_COUNT, true)
  const directoryEnd = HEADER_BYTES + view.getUint32(OFFSET_DIRECTORY_BYTES, true)
  if (view.getUint32(OFFSET_FRAME_BYTES, true) !== frame.length)
    throw corrupt('its length is not the stated one', frame)
  if (directoryEnd > frame.length) throw corrupt('its directory is longer than itself', frame)
  if (view.getUint32(OFFSET_CHECKSUM, true) !== directoryChecksum(frame, directoryEnd)) {
    throw corrupt('its directory fails the checksum', frame)
  }

  const sections: FrameSection[] = []
  const rowsOfShard = new Map<number, number>()
  let entry = HEADER_BYTES
  let previousEnd = directoryEnd
  for (let i = 0; i < sectionCount; i++) {
    if (entry + ENTRY_BYTES > directoryEnd) throw corrupt('its directory ends early', frame)
    const shard = view.getUint16(entry, true) as ShardId
    const rowCount = view.getUint32(entry + 2, true)
    const start = view.getUint32(entry + 6, true)
    const end = start + view.getUint32(entry + 10, true)
    const tenantEnd = entry + ENTRY_BYTES + view.getUint8(entry + 14)
    if (tenantEnd > directoryEnd) throw corrupt('its directory ends early', frame)
    if (start < previousEnd || start % ALIGNMENT !== 0 || end > frame.length) {
      throw corrupt(`section ${i} is out of place`, frame)
    }
    const tenant = tenantText(frame.subarray(entry + ENTRY_BYTES, tenantEnd), frame)
    const rowBase = rowsOfShard.get(shard) ?? 0
    rowsOfShard.set(shard, rowBase + rowCount)
    sections.push({ shard, tenant, rowCount, rowBase, bytes: frame.subarray(start, end) })
    entry = tenantEnd
    previousEnd = end
  }
  if (entry !== directoryEnd) throw corrupt('its directory has bytes behind the last entry', frame)
  return { sections }
}

function aligned(offset: number): number {
  return Math.ceil(offset / ALIGNMENT) * ALIGNMENT
}

/** CRC-32 of header and directory, the checksum's own four bytes taken as zero. */
function directoryChecksum(frame: Uint8Array, directoryEnd: number): number {
  const bytes = frame.slice(0, directoryEnd)
  bytes.fill(0, OFFSET_CHECKSUM, OFFSET_CHECKSUM + 4)
  return crc32(bytes)
}

function tenantText(bytes: Uint8Array, frame: Uint8Array): TenantId {
  try {
    return decoder.decode(bytes) as TenantId
  } catch (cause) {
    throw corrupt('a tenant name is not UTF-8', frame, cause)
  }
}

function corrupt(why: string, frame: Uint8Array, cause?: unknown): WeirError {
  return new WeirError('corrupt_data', `not a frame: ${why}`, { frameBytes: frame.length }, { cause })
}

import { assert } from '../base/assert.ts'
import type { ShardId } from '../base/ids.ts'
import { FRAME_SECTIONS_MAX, JOURNAL_MESSAGE_BYTES_MAX } from '../base/limits.ts'
import {
  aligned,
  corruptFrame,
  FRAME_HEADER_BYTES,
  type FrameHeader,
  type FrameSection,
  type FrameSectionInput,
  isAligned,
  readFrameHeader,
  tenantBytes,
  tenantOf,
  writeFrameHeader,
} from './frame-header.ts'
import { GROUPED_VERSION, readGroupedFrame } from './grouped-frame.ts'

/**
 * The frame: one journal message (J2). A directory of its sections, then the sections, each on an 8-byte
 * boundary, so that a reader takes its own without looking into the others. A section is of one (tenant, shard); the
 * checksum here covers header and directory, a section guards its own bytes. Version 1 has the sections as they are, back to back;
 * version 2 has them in compressed groups (grouped-frame.ts). Layout: docs/formats.md, "Frame".
 */

const VERSION = 1
/** Of a directory entry, before the tenant's name. */
const ENTRY_BYTES = 15

export interface FrameView {
  /** Of the shards that were asked for. */
  readonly sections: readonly FrameSection[]
  /** Sections that cannot be read, because what they were compressed with is damaged. */
  readonly damaged: number
  /** What has been inflated for them; who has done with the sections may free it. */
  readonly inflated: readonly Uint8Array[]
}

/**
 * Packs sections, in the order given. The result fills an ArrayBuffer of its own, so it may be transferred.
 * Costs one copy of the bytes.
 */
export function encodeFrame(sections: readonly FrameSectionInput[]): Uint8Array<ArrayBuffer> {
  assert(sections.length > 0 && sections.length <= FRAME_SECTIONS_MAX, 'a frame has 1 to FRAME_SECTIONS_MAX sections')
  const tenants = sections.map((section) => tenantBytes(section.tenant))
  let directoryBytes = 0
  for (const tenant of tenants) {
    assert(tenant.length > 0 && tenant.length <= 255, 'the length of a tenant name fits a byte')
    directoryBytes += ENTRY_BYTES + tenant.length
  }
  const sectionsStart = aligned(FRAME_HEADER_BYTES + directoryBytes)
  let frameBytes = sectionsStart
  for (const section of sections) frameBytes = aligned(frameBytes) + section.bytes.length
  assert(frameBytes <= JOURNAL_MESSAGE_BYTES_MAX, 'a frame fits a journal message')

  const buffer = Buffer.allocUnsafeSlow(frameBytes)
  const frame = new Uint8Array(buffer.buffer as ArrayBuffer)
  const view = new DataView(frame.buffer)
  let entry = FRAME_HEADER_BYTES
  let offset = sectionsStart
  frame.fill(0, FRAME_HEADER_BYTES + directoryBytes, sectionsStart)
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
  writeFrameHeader(frame, { version: VERSION, sectionCount: sections.length, groupCount: 0, directoryBytes })
  return frame
}

/**
 * The sections of a frame whose shard is wanted; their bytes are views on `frame`, or on what they were inflated to: that has only groups which hold something
 * that is wanted. Throws corrupt_data when the bytes are not a whole, undamaged frame; the content of a section is not looked at.
 */
export function readFrame(frame: Uint8Array, isWanted: (shard: ShardId) => boolean = () => true): FrameView {
  const header = readFrameHeader(frame, [VERSION, GROUPED_VERSION])
  if (header.version === GROUPED_VERSION) return readGroupedFrame(frame, header, isWanted)
  return { sections: readPlainFrame(frame, header, isWanted), damaged: 0, inflated: [] }
}

function readPlainFrame(
  frame: Uint8Array,
  { sectionCount, directoryBytes }: FrameHeader,
  isWanted: (shard: ShardId) => boolean,
): FrameSection[] {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
  const directoryEnd = FRAME_HEADER_BYTES + directoryBytes
  const sections: FrameSection[] = []
  const rowsOfShard = new Map<number, number>()
  let entry = FRAME_HEADER_BYTES
  let previousEnd = directoryEnd
  for (let i = 0; i < sectionCount; i++) {
    if (entry + ENTRY_BYTES > directoryEnd) throw corruptFrame('its directory ends early', frame)
    const shard = view.getUint16(entry, true) as ShardId
    const rowCount = view.getUint32(entry + 2, true)
    const start = view.getUint32(entry + 6, true)
    const end = start + view.getUint32(entry + 10, true)
    const tenantEnd = entry + ENTRY_BYTES + view.getUint8(entry + 14)
    if (tenantEnd > directoryEnd) throw corruptFrame('its directory ends early', frame)
    if (start < previousEnd || !isAligned(start) || end > frame.length) {
      throw corruptFrame(`section ${i} is out of place`, frame)
    }
    const tenant = tenantOf(frame.subarray(entry + ENTRY_BYTES, tenantEnd), frame)
    const rowBase = rowsOfShard.get(shard) ?? 0
    rowsOfShard.set(shard, rowBase + rowCount)
    if (isWanted(shard)) sections.push({ shard, tenant, rowCount, rowBase, bytes: frame.subarray(start, end) })
    entry = tenantEnd
    previousEnd = end
  }
  if (entry !== directoryEnd) throw corruptFrame('its directory has bytes behind the last entry', frame)
  return sections
}

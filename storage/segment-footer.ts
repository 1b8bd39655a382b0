import { assert } from '../base/assert.ts'
import { corruptData } from '../base/bytes.ts'
import { checksum } from '../base/checksum.ts'
import { storedLength } from './segment-chunks.ts'

/** Every segment begins and ends with these bytes: `WEIRSEG` and the version. */
export const SEGMENT_MAGIC = Uint8Array.of(0x57, 0x45, 0x49, 0x52, 0x53, 0x45, 0x47, 1)
export const FOOTER_BYTES = 80
/** Read when a segment is opened: holds the directory of all but the widest ones, so that one read is enough. */
export const TAIL_BYTES = 64 * 1024
/** A directory that claims more is not believed: 4,096 blocks with 1,000 columns each take less. */
const DIRECTORY_BYTES_MAX = 64 * 1024 * 1024

/** Where things are in a segment. Offsets from its start; the parts follow each other without gaps. */
export interface SegmentFooter {
  readonly byteLength: number
  readonly bloomsOffset: number
  readonly bloomsDataLength: number
  readonly termsOffset: number
  readonly termsDataLength: number
  readonly directoryOffset: number
  /** As stored, compressed. */
  readonly directoryLength: number
  readonly directoryInflatedLength: number
  readonly directoryChecksum: number
}

/** Layout in docs/formats.md. */
export function encodeFooter(footer: SegmentFooter): Uint8Array {
  assert(isConsistent(footer), 'the parts of a segment follow each other')
  const bytes = new Uint8Array(FOOTER_BYTES)
  const view = new DataView(bytes.buffer)
  view.setFloat64(0, footer.byteLength, true)
  view.setFloat64(8, footer.bloomsOffset, true)
  view.setFloat64(16, footer.bloomsDataLength, true)
  view.setFloat64(24, footer.termsOffset, true)
  view.setFloat64(32, footer.termsDataLength, true)
  view.setFloat64(40, footer.directoryOffset, true)
  view.setUint32(48, footer.directoryLength, true)
  view.setUint32(52, footer.directoryInflatedLength, true)
  view.setUint32(56, footer.directoryChecksum, true)
  // 60 to 67 are kept free and zero.
  view.setUint32(68, checksum(bytes.subarray(0, 68)), true)
  bytes.set(SEGMENT_MAGIC, 72)
  return bytes
}

/** The footer at the end of `tail`. Throws corrupt_data. */
export function decodeFooter(tail: Uint8Array, key: string): SegmentFooter {
  if (tail.length < FOOTER_BYTES) throw corruptData('too short for a segment', { key })
  const bytes = tail.subarray(tail.length - FOOTER_BYTES)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (!SEGMENT_MAGIC.every((byte, i) => bytes[72 + i] === byte)) throw corruptData('not a segment', { key })
  if (view.getUint32(68, true) !== checksum(bytes.subarray(0, 68))) {
    throw corruptData('the footer of a segment fails its checksum', { key })
  }
  const footer: SegmentFooter = {
    byteLength: view.getFloat64(0, true),
    bloomsOffset: view.getFloat64(8, true),
    bloomsDataLength: view.getFloat64(16, true),
    termsOffset: view.getFloat64(24, true),
    termsDataLength: view.getFloat64(32, true),
    directoryOffset: view.getFloat64(40, true),
    directoryLength: view.getUint32(48, true),
    directoryInflatedLength: view.getUint32(52, true),
    directoryChecksum: view.getUint32(56, true),
  }
  if (!isConsistent(footer)) throw corruptData('the footer of a segment contradicts itself', { key })
  return footer
}

function isConsistent(footer: SegmentFooter): boolean {
  return (
    Number.isSafeInteger(footer.byteLength) &&
    footer.bloomsOffset >= SEGMENT_MAGIC.length &&
    footer.bloomsOffset + storedLength(footer.bloomsDataLength) === footer.termsOffset &&
    footer.termsOffset + storedLength(footer.termsDataLength) === footer.directoryOffset &&
    footer.directoryOffset + footer.directoryLength + FOOTER_BYTES === footer.byteLength &&
    footer.directoryInflatedLength <= DIRECTORY_BYTES_MAX
  )
}

import { createRequire } from 'node:module'
import { checksum } from '../../base/checksum.ts'
import { WeirError } from '../../base/errors.ts'
import { NODE_MESSAGE_BYTES_MAX } from '../../base/limits.ts'
import { checkWire, ESCAPE } from './wire-check.ts'
import { Escape, escaped, unescaped } from './wire-values.ts'

/**
 * The build of msgpackr that makes no code out of what it decodes and has no native part, whose look-ahead makes mixed data slower. The package
 * has no types of its own for it.
 */
const { addExtension, Packr, RESERVE_START_SPACE, Unpackr } = createRequire(import.meta.url)(
  'msgpackr/index-no-eval',
) as typeof import('msgpackr')

/**
 * Messages between actors of different nodes as bytes: u8 version, u32 CRC-32 (little-endian) of what follows, one value in MessagePack.
 * Plain data arrives as it was sent: absent fields and undefined ones, -0, NaN, infinities, bigints, text with lone surrogates, Map, Set,
 * ArrayBuffer, typed arrays (as ones of their own memory), keys like `__proto__`. See `escaped` for what cannot be sent. An answer of 100
 * rows (60 KB) is encoded in 0.10 ms and decoded in 0.12 (bench/micro/wire.ts).
 */
export const WIRE_VERSION = 1
const HEADER_BYTES = 5
/** The packer's buffer is given up when a message made it grow beyond this. */
const PACK_BUFFER_KEEP_BYTES = 1024 * 1024
const PACK_BUFFER_BYTES = 64 * 1024

addExtension({
  Class: Escape,
  type: ESCAPE,
  write: ({ kind, payload }: Escape) => [kind, payload],
  read: unescaped,
})

const OPTIONS = { useRecords: false, moreTypes: true, variableMapSize: true, useToJSON: false } as const
const packr = new Packr(OPTIONS)
const unpackr = new Unpackr({ ...OPTIONS, mapsAsObjects: true, structuredClone: false })

/** Throws internal for what is not plain data, result_too_large for more than NODE_MESSAGE_BYTES_MAX. */
export function encodeWire(value: unknown): Uint8Array {
  const bytes = packr.pack(escaped(value), RESERVE_START_SPACE | HEADER_BYTES)
  if (bytes.buffer.byteLength > PACK_BUFFER_KEEP_BYTES) packr.useBuffer(Buffer.allocUnsafeSlow(PACK_BUFFER_BYTES))
  checkSize(bytes.length)
  bytes[0] = WIRE_VERSION
  bytes.writeUInt32LE(checksum(bytes.subarray(HEADER_BYTES)), 1)
  return bytes
}

/** Throws shard_unavailable for bytes of another version, corrupt_data for bytes that encodeWire did not make. */
export function decodeWire(bytes: Uint8Array): unknown {
  checkSize(bytes.length)
  if (bytes.length <= HEADER_BYTES) throw corrupt('is cut off')
  if (bytes[0] !== WIRE_VERSION) {
    const details = { version: bytes[0]!, expected: WIRE_VERSION }
    throw new WeirError('shard_unavailable', 'the other node speaks another version', details)
  }
  const body = bytes.subarray(HEADER_BYTES)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getUint32(1, true) !== checksum(body)) throw corrupt('fails its checksum')
  checkWire(bytes, HEADER_BYTES)
  try {
    return unpackr.unpack(body)
  } catch (error) {
    throw corrupt('cannot be decoded', error)
  }
}

function checkSize(length: number): void {
  if (length <= NODE_MESSAGE_BYTES_MAX) return
  const details = { bytes: length, allowed: NODE_MESSAGE_BYTES_MAX }
  throw new WeirError('result_too_large', 'a message between nodes is larger than it may be', details)
}

function corrupt(what: string, cause?: unknown): WeirError {
  return new WeirError('corrupt_data', `a message of another node ${what}`, {}, { cause })
}

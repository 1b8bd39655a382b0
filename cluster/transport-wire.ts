import { errorFromWire, errorToWire, WeirError, type WireError } from '../base/errors.ts'
import { TRANSPORT_MESSAGE_BYTES_MAX, TRANSPORT_PAYLOAD_BYTES_MAX } from '../base/limits.ts'

/** Messages of the transport over NATS; docs/formats.md, "Message of the transport". */

const VERSION = 1
export const HEADER_BYTES = 12

/** Told, asked and, of a question, cancelled go to a subject; all others to an address of a peer. */
export const TOLD = 0
export const ASKED = 1
export const ANSWERED = 2
export const FAILED = 3
export const GRANTED = 4
export const PIECE = 5
export const CANCELLED = 6
export const WORKING = 7

/** Timers hold no longer time. */
export const REMAINING_MS_MAX = 2 ** 31 - 1

export interface TransportMessage {
  readonly kind: number
  /** Time that is left, of ASKED. */
  readonly remainingMs: number
  /** ASKED, ANSWERED: bytes of the whole; none of them are here when they are announced. GRANTED: how far may be sent. PIECE: where it begins. */
  readonly position: number
  /** Aliases what was decoded. */
  readonly payload: Uint8Array
}

export function encodeHeader(kind: number, remainingMs: number, position: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES)
  writeHeader(bytes, kind, remainingMs, position)
  return bytes
}

export function encodeMessage(kind: number, remainingMs: number, position: number, payload: Uint8Array): Uint8Array {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + payload.length)
  writeHeader(bytes, kind, remainingMs, position)
  bytes.set(payload, HEADER_BYTES)
  return bytes
}

function writeHeader(bytes: Buffer, kind: number, remainingMs: number, position: number): void {
  bytes[0] = VERSION
  bytes[1] = kind
  bytes.writeUInt16LE(0, 2)
  bytes.writeUInt32LE(remainingMs, 4)
  bytes.writeUInt32LE(position, 8)
}

/** Undefined for what no node of this version sends. */
export function decodeMessage(bytes: Uint8Array): TransportMessage | undefined {
  if (bytes.length < HEADER_BYTES || bytes[0] !== VERSION || bytes[2] !== 0 || bytes[3] !== 0) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES)
  const kind = bytes[1]!
  const remainingMs = view.getUint32(4, true)
  const position = view.getUint32(8, true)
  const payload = bytes.subarray(HEADER_BYTES)
  if (position > TRANSPORT_PAYLOAD_BYTES_MAX || remainingMs > (kind === ASKED ? REMAINING_MS_MAX : 0)) return undefined
  return isSized(kind, position, payload.length) ? { kind, remainingMs, position, payload } : undefined
}

function isSized(kind: number, position: number, length: number): boolean {
  switch (kind) {
    case TOLD:
      return position === 0 && length <= TRANSPORT_MESSAGE_BYTES_MAX
    case ASKED:
    case ANSWERED:
      return length === position || length === 0
    case FAILED:
      return position === 0
    case PIECE:
      return length > 0 && position + length <= TRANSPORT_PAYLOAD_BYTES_MAX
    case GRANTED:
      return position > 0 && length === 0
    case CANCELLED:
    case WORKING:
      return position === 0 && length === 0
    default:
      return false
  }
}

/** The payload, for whoever may do with it what it likes. A slice of a Buffer would be no copy. */
export function copyOf({ payload }: TransportMessage): Uint8Array {
  return new Uint8Array(payload)
}

/** True when only the length of the payload has come. */
export function isAnnounced({ position, payload }: TransportMessage): boolean {
  return payload.length < position
}

const ERROR_MESSAGE_CHARS_MAX = 16 * 1024
const ERROR_DETAILS_CHARS_MAX = 64 * 1024

/** The payload of FAILED. */
export function encodeFailure(error: unknown): Uint8Array {
  const { code, message, details } = errorToWire(error)
  const detailsText = JSON.stringify(details)
  const wire: WireError = {
    code,
    message: message.slice(0, ERROR_MESSAGE_CHARS_MAX),
    details: detailsText.length > ERROR_DETAILS_CHARS_MAX ? {} : details,
  }
  return Buffer.from(JSON.stringify(wire))
}

/** The error of a FAILED message; corrupt_data when it holds none. */
export function decodeFailure({ payload }: TransportMessage): WeirError {
  try {
    const wire: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload))
    if (isWireError(wire)) return errorFromWire(wire)
  } catch {
    // said below
  }
  return new WeirError('corrupt_data', 'an error of another node cannot be read')
}

function isWireError(value: unknown): value is WireError {
  if (typeof value !== 'object' || value === null) return false
  if (!('code' in value && 'message' in value && 'details' in value)) return false
  const { code, message, details } = value
  if (typeof code !== 'string' || typeof message !== 'string') return false
  if (typeof details !== 'object' || details === null || Array.isArray(details)) return false
  return Object.values(details).every((detail) => detail === null || typeof detail !== 'object')
}

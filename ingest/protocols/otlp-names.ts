import { LEVEL_NAMES } from '../level.ts'
import type { Refusal } from './decoded-body.ts'
import { JsonWriter, jsonKey } from './json-writer.ts'

/** How a record of OpenTelemetry is named here, whatever it was encoded in. */

export const TIMESTAMP = jsonKey('timestamp')
export const SERVICE = jsonKey('service')
export const HOST = jsonKey('host')
export const MESSAGE = jsonKey('message')
export const BODY = jsonKey('body')
export const TRACE_ID = jsonKey('traceId')
export const SPAN_ID = jsonKey('spanId')
export const TRACE_FLAGS = jsonKey('trace_flags')
export const EVENT_NAME = jsonKey('event_name')
export const SEVERITY_TEXT = jsonKey('severity_text')
export const RESOURCE = jsonKey('resource')
export const SCOPE = jsonKey('scope')
export const ATTRIBUTES = jsonKey('attributes')
export const NAME = jsonKey('name')
export const VERSION = jsonKey('version')

/** Attributes of the resource that name what known fields name. */
export const SERVICE_NAME = Buffer.from('service.name')
export const HOST_NAME = Buffer.from('host.name')

export const FAR_TIME: Refusal = {
  code: 'timestamp_out_of_range',
  reason: 'the time is before 2001 or after 2262',
}
export const TOO_LONG: Refusal = {
  code: 'record_too_large',
  reason: 'the record is longer than a record may be',
}
export const TOO_DEEP: Refusal = { code: 'nesting_too_deep', reason: 'a value is nested too deep' }

/** Attributes of a record stand beside these; those of such a name stand in `attributes`. */
const RESERVED: readonly string[] = [
  'timestamp',
  'level',
  'service',
  'host',
  'message',
  'body',
  'traceId',
  'spanId',
  'trace_flags',
  'event_name',
  'severity_text',
  'severity_number',
  'resource',
  'scope',
  'attributes',
]
const RESERVED_BYTES: readonly Buffer[] = RESERVED.map((name) => Buffer.from(name))
/** First byte of a name → a bit for each length that reserved names with it have; so most names are told apart by one look. */
const RESERVED_LENGTHS = new Uint32Array(256)
for (const name of RESERVED_BYTES) RESERVED_LENGTHS[name[0]!]! |= 1 << name.length

export function isReserved(bytes: Uint8Array, start: number, end: number): boolean {
  const length = end - start
  if (length <= 0 || length > 31 || ((RESERVED_LENGTHS[bytes[start]!]! >>> length) & 1) === 0) return false
  next: for (let r = 0; r < RESERVED_BYTES.length; r++) {
    const name = RESERVED_BYTES[r]!
    if (name.length !== length) continue
    for (let i = 0; i < length; i++) if (bytes[start + i] !== name[i]) continue next
    return true
  }
  return false
}

/** By severity number, 1 to 24. */
const SEVERITIES: readonly Buffer[] = Array.from({ length: 25 }, (_, severity) =>
  Buffer.from(severity === 0 ? '' : `"level":"${LEVEL_NAMES[(severity - 1) >> 2]}","severity_number":${severity}`),
)

/** The number is what counts; the text is what the sender's own library says. */
export function writeSeverity(json: JsonWriter, severity: number): void {
  if (severity < 1 || severity > 24) return
  const members = SEVERITIES[severity]!
  json.jsonLine(members, 0, members.length)
}

/** A writer of what many records share; no more than a few times `expectedBytes`, which are admitted. */
export function originWriter(expectedBytes: number): JsonWriter {
  return new JsonWriter({ acquire: (bytes) => Buffer.allocUnsafe(bytes), release: () => undefined }, expectedBytes + 64)
}

import { WeirError } from '../../base/errors.ts'
import { NESTING_DEPTH_MAX, RECORD_BYTES_MAX } from '../../base/limits.ts'
import type { DecodedBody, Decoding, Refusal } from './decoded-body.ts'
import { EpochText, isEpochText } from './epoch-text.ts'
import { JsonReader } from './json-reader.ts'
import { type JsonWriter, jsonKey } from './json-writer.ts'
import * as names from './otlp-names.ts'

const RESOURCE_LOGS = Buffer.from('resourceLogs')
const RESOURCE = Buffer.from('resource')
const SCOPE_LOGS = Buffer.from('scopeLogs')
const SCOPE = Buffer.from('scope')
const LOG_RECORDS = Buffer.from('logRecords')

const NO_RECORD: Refusal = { code: 'invalid_record', reason: 'the record is not the JSON of a LogRecord' }
/** In JSON's longer words; what is longer is not parsed, as that would take long (T2). */
const MESSAGE_BYTES_MAX = 2 * RECORD_BYTES_MAX
const NO_TIME: Refusal = { code: 'invalid_timestamp', reason: 'the time is not a whole number of nanoseconds' }
/** Names of severities in the protobuf's JSON mapping, as `SEVERITY_NUMBER_WARN2`. */
const SEVERITY = /^SEVERITY_NUMBER_(TRACE|DEBUG|INFO|WARN|ERROR|FATAL)([234]?)$/
const SEVERITIES = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL']

const NO_NUMBER = '-'

type Message = Readonly<Record<string, unknown>>

/** Decodes an ExportLogsServiceRequest in JSON (OTLP, "JSON Protobuf Encoding") to the records that the protobuf gives. */
export function* decodeOtlpJson(source: Buffer, into: DecodedBody): Decoding {
  const reader = new JsonReader(source)
  reader.enterObject()
  while (reader.nextMember()) {
    if (!reader.keyIs(RESOURCE_LOGS)) {
      while (!reader.skip()) yield
    } else {
      reader.enterArray()
      while (reader.nextElement()) {
        if (into.isPauseDue(reader.at)) yield
        yield* resourceLogs(reader, source, into)
      }
    }
  }
  reader.finish()
}

function* resourceLogs(reader: JsonReader, source: Buffer, into: DecodedBody): Decoding {
  const { at } = reader
  const resource = resourceMembers(yield* member(reader, source, RESOURCE))
  const end = reader.at
  reader.seek(at)
  reader.enterObject()
  while (reader.nextMember()) {
    if (!reader.keyIs(SCOPE_LOGS)) {
      while (!reader.skip()) yield
    } else {
      reader.enterArray()
      while (reader.nextElement()) {
        if (into.isPauseDue(reader.at)) yield
        yield* scopeLogs(reader, source, into, resource)
      }
    }
  }
  reader.seek(end)
}

function* scopeLogs(reader: JsonReader, source: Buffer, into: DecodedBody, resource: Buffer): Decoding {
  const { at } = reader
  const origin = [resource, scopeMembers(yield* member(reader, source, SCOPE))].filter(({ length }) => length > 0)
  const end = reader.at
  const time = new EpochText()
  reader.seek(at)
  reader.enterObject()
  while (reader.nextMember()) {
    if (!reader.keyIs(LOG_RECORDS)) {
      while (!reader.skip()) yield
      continue
    }
    reader.enterArray()
    while (reader.nextElement()) {
      if (into.isPauseDue(reader.at)) yield
      while (!reader.skip()) yield
      const isLong = reader.end - reader.start > MESSAGE_BYTES_MAX
      const refusal = isLong
        ? names.TOO_LONG
        : writeRecord(into, messageOf(source, reader.start, reader.end), origin, time)
      if (refusal === undefined) into.end(reader.start, reader.end)
      else into.refuse(reader.start, reader.end, refusal)
    }
  }
  reader.seek(end)
}

/** The object that the next one has by this name; empty where it has none. The next one is passed. */
function* member(reader: JsonReader, source: Buffer, name: Buffer): Generator<void, Message> {
  let found: Message = {}
  reader.enterObject()
  while (reader.nextMember()) {
    const isIt = reader.keyIs(name)
    while (!reader.skip()) yield
    if (!isIt) continue
    if (reader.end - reader.start > MESSAGE_BYTES_MAX) {
      throw new WeirError('invalid_body', 'A resource or scope is longer than a record may be')
    }
    found = messageOf(source, reader.start, reader.end) ?? {}
  }
  return found
}

function messageOf(source: Buffer, start: number, end: number): Message | undefined {
  try {
    return asMessage(JSON.parse(source.toString('utf8', start, end)))
  } catch {
    return undefined
  }
}

function asMessage(value: unknown): Message | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Message) : undefined
}

/** What records get of their resource: written once, however many scopes it has. */
function resourceMembers(resource: Message): Buffer {
  const json = names.originWriter(0)
  const attributes = pairsOf(resource.attributes)
  if (attributes.length > 0) {
    json.key(names.RESOURCE)
    writePairs(json, attributes, 2)
  }
  for (const [key, value] of attributes) {
    const text = asMessage(value)?.stringValue
    if (typeof text !== 'string' || text === '') continue
    if (key === 'service.name' || key === 'host.name') {
      json.key(key === 'service.name' ? names.SERVICE : names.HOST)
      json.string(text)
    }
  }
  return json.bytes()
}

function scopeMembers(scope: Message): Buffer {
  const json = names.originWriter(0)
  const scopeAttributes = pairsOf(scope.attributes)
  const { name, version } = scope
  if (isNonEmpty(name) || isNonEmpty(version) || scopeAttributes.length > 0) {
    json.key(names.SCOPE)
    json.openObject()
    writeText(json, names.NAME, name)
    writeText(json, names.VERSION, version)
    if (scopeAttributes.length > 0) {
      json.key(names.ATTRIBUTES)
      writePairs(json, scopeAttributes, 3)
    }
    json.closeObject()
  }
  return json.bytes()
}

/** Begins the record and writes its members, or says why not. */
function writeRecord(
  into: DecodedBody,
  record: Message | undefined,
  origin: readonly Buffer[],
  time: EpochText,
): Refusal | undefined {
  if (record === undefined) return NO_RECORD
  const { json } = into
  into.begin()
  for (const members of origin) json.jsonLine(members, 0, members.length)
  const attributes = pairsOf(record.attributes)
  const isReserved = ([key]: Pair) => {
    const bytes = Buffer.from(key)
    return names.isReserved(bytes, 0, bytes.length)
  }
  let isWhole = true
  for (const [key, value] of attributes.filter((pair) => !isReserved(pair))) {
    json.key(jsonKey(key))
    isWhole = writeValue(json, value, 2) && isWhole
  }
  const reserved = attributes.filter(isReserved)
  if (reserved.length > 0) {
    json.key(names.ATTRIBUTES)
    isWhole = writePairs(json, reserved, 3) && isWhole
  }
  writeText(json, names.SEVERITY_TEXT, record.severityText)
  writeText(json, names.EVENT_NAME, record.eventName)
  writeText(json, names.TRACE_ID, idOf(record.traceId))
  writeText(json, names.SPAN_ID, idOf(record.spanId))
  if (typeof record.flags === 'number' && record.flags !== 0) {
    json.key(names.TRACE_FLAGS)
    json.number(record.flags & 0xff)
  }
  names.writeSeverity(json, severityOf(record.severityNumber))
  const body = asMessage(record.body)
  if (body !== undefined) {
    const [text] = Object.values(body)
    const hasParts = body.kvlistValue !== undefined || body.arrayValue !== undefined
    json.key(hasParts ? names.BODY : names.MESSAGE)
    if (hasParts) isWhole = writeValue(json, body, 2) && isWhole
    else if (isNested(text)) return NO_RECORD
    else json.string(String(text ?? ''))
  }
  if (!isWhole) return names.TOO_DEEP
  const said = [record.timeUnixNano, record.observedTimeUnixNano]
    .map((value) => (isNested(value) ? NO_NUMBER : String(value ?? '')))
    .find((text) => text !== '' && text !== '0')
  if (said === undefined) return undefined
  const digits = Buffer.from(/^\d+$/.test(said) ? said : typeof record.timeUnixNano === 'number' ? exact(said) : said)
  const isTime = isEpochText(digits, 0, digits.length)
  if (isTime === undefined) return NO_TIME
  if (!isTime || !time.set(Number(digits.subarray(0, 10).toString()), Number(digits.subarray(10).toString()))) {
    return names.FAR_TIME
  }
  json.key(names.TIMESTAMP)
  json.jsonLine(digits, 0, digits.length)
  return undefined
}

/** Digits of a number that JavaScript would write with an exponent. */
function exact(text: string): string {
  const value = Number(text)
  return Number.isInteger(value) ? String(BigInt(value)) : text
}

function severityOf(value: unknown): number {
  if (typeof value === 'number') return Math.trunc(value)
  const [, name, digit] = typeof value === 'string' ? (SEVERITY.exec(value) ?? []) : []
  return name === undefined ? 0 : SEVERITIES.indexOf(name) * 4 + Number(digit || 1)
}

/** Hexadecimal digits that are not all zeros. */
function idOf(value: unknown): string | undefined {
  return typeof value === 'string' && /^(?!0*$)[0-9a-fA-F]{1,32}$/.test(value) ? value.toLowerCase() : undefined
}

/** Its text may need more stack than there is, or be made by what the sender named `toString`. */
function isNested(value: unknown): boolean {
  return typeof value === 'object' && value !== null
}

type Pair = readonly [string, unknown]

function pairsOf(list: unknown): Pair[] {
  if (!Array.isArray(list)) return []
  return list.flatMap((pair: unknown): Pair[] => {
    const { key, value } = asMessage(pair) ?? {}
    return typeof key === 'string' ? [[key, value]] : []
  })
}

function isNonEmpty(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function writeText(json: JsonWriter, key: Buffer, value: unknown): void {
  if (!isNonEmpty(value)) return
  json.key(key)
  json.string(value)
}

/** An object of pairs, at `depth`; false where something in it is nested too deep. */
function writePairs(json: JsonWriter, pairs: readonly Pair[], depth: number): boolean {
  let isWhole = true
  json.openObject()
  for (const [key, value] of pairs) {
    json.key(jsonKey(key))
    isWhole = writeValue(json, value, depth) && isWhole
  }
  json.closeObject()
  return isWhole
}

/** An AnyValue; false where it is nested too deep. */
function writeValue(json: JsonWriter, any: unknown, depth: number): boolean {
  const value = asMessage(any) ?? {}
  if (depth > NESTING_DEPTH_MAX) {
    json.null()
    return false
  }
  if (value.kvlistValue !== undefined) {
    return writePairs(json, pairsOf(asMessage(value.kvlistValue)?.values), depth + 1)
  }
  if (value.arrayValue !== undefined) {
    const values: unknown = asMessage(value.arrayValue)?.values
    let isWhole = true
    json.openArray()
    for (const element of Array.isArray(values) ? (values as unknown[]) : []) {
      isWhole = writeValue(json, element, depth + 1) && isWhole
    }
    json.closeArray()
    return isWhole
  }
  if (typeof value.intValue === 'string' && /^-?\d{1,19}$/.test(value.intValue)) json.number(BigInt(value.intValue))
  else {
    const scalar = value.stringValue ?? value.boolValue ?? value.intValue ?? value.doubleValue ?? value.bytesValue
    json.value(isNested(scalar) ? null : scalar)
    return !isNested(scalar)
  }
  return true
}

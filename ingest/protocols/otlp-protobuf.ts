import { WeirError } from '../../base/errors.ts'
import { NESTING_DEPTH_MAX, RECORD_BYTES_MAX } from '../../base/limits.ts'
import type { DecodedBody, Decoding } from './decoded-body.ts'
import { EpochText } from './epoch-text.ts'
import type { JsonWriter } from './json-writer.ts'
import * as names from './otlp-names.ts'
import { ProtobufReader, tagOf, WIRE_BYTES, WIRE_FIXED32, WIRE_FIXED64, WIRE_VARINT } from './protobuf-reader.ts'

/** Of opentelemetry/proto: collector/logs/v1, logs/v1, common/v1, resource/v1. */
const REQUEST_RESOURCE_LOGS = tagOf(1, WIRE_BYTES)
const RESOURCE_LOGS_RESOURCE = tagOf(1, WIRE_BYTES)
const RESOURCE_LOGS_SCOPE_LOGS = tagOf(2, WIRE_BYTES)
const RESOURCE_ATTRIBUTE = tagOf(1, WIRE_BYTES)
const SCOPE_LOGS_SCOPE = tagOf(1, WIRE_BYTES)
const SCOPE_LOGS_RECORD = tagOf(2, WIRE_BYTES)
const SCOPE_NAME = tagOf(1, WIRE_BYTES)
const SCOPE_VERSION = tagOf(2, WIRE_BYTES)
const SCOPE_ATTRIBUTE = tagOf(3, WIRE_BYTES)
const RECORD_TIME = tagOf(1, WIRE_FIXED64)
const RECORD_SEVERITY = tagOf(2, WIRE_VARINT)
const RECORD_SEVERITY_TEXT = tagOf(3, WIRE_BYTES)
const RECORD_BODY = tagOf(5, WIRE_BYTES)
const RECORD_ATTRIBUTE = tagOf(6, WIRE_BYTES)
const RECORD_FLAGS = tagOf(8, WIRE_FIXED32)
const RECORD_TRACE_ID = tagOf(9, WIRE_BYTES)
const RECORD_SPAN_ID = tagOf(10, WIRE_BYTES)
const RECORD_OBSERVED_TIME = tagOf(11, WIRE_FIXED64)
const RECORD_EVENT_NAME = tagOf(12, WIRE_BYTES)
const VALUE_STRING = tagOf(1, WIRE_BYTES)
const VALUE_BOOLEAN = tagOf(2, WIRE_VARINT)
const VALUE_INTEGER = tagOf(3, WIRE_VARINT)
const VALUE_DOUBLE = tagOf(4, WIRE_FIXED64)
const VALUE_ARRAY = tagOf(5, WIRE_BYTES)
const VALUE_OBJECT = tagOf(6, WIRE_BYTES)
const VALUE_BYTES = tagOf(7, WIRE_BYTES)
const ELEMENT = tagOf(1, WIRE_BYTES)

const ID_BYTES_MAX = 16
/** T2: fields that are passed over in one go. */
const FIELDS_SLICE = 64 * 1024
/** A record in fewer bytes than its line has. */
const MESSAGE_BYTES_MAX = RECORD_BYTES_MAX
const EMPTY = Buffer.alloc(0)

/**
 * Decodes an ExportLogsServiceRequest in protobuf. What records hold of it: docs/protocols.md. Resource and scope are written once and
 * copied to each of their records; a record makes no objects.
 */
export function* decodeOtlpProtobuf(source: Buffer, into: DecodedBody): Decoding {
  const records = new RecordDecoder(source, into)
  const { reader } = records
  let fields = 0
  while (reader.next(source.length)) {
    if (++fields % FIELDS_SLICE === 0) yield
    if (reader.tag !== REQUEST_RESOURCE_LOGS) continue
    const { start, end } = reader
    if (into.isPauseDue(start)) yield
    const [resourceStart, resourceEnd] = yield* originOf(reader, RESOURCE_LOGS_RESOURCE, start, end)
    records.setResource(resourceStart, resourceEnd)
    reader.at = start
    while (reader.next(end)) {
      if (++fields % FIELDS_SLICE === 0) yield
      if (reader.tag !== RESOURCE_LOGS_SCOPE_LOGS) continue
      const logsStart = reader.start
      const logsEnd = reader.end
      if (into.isPauseDue(logsStart)) yield
      const [scopeStart, scopeEnd] = yield* originOf(reader, SCOPE_LOGS_SCOPE, logsStart, logsEnd)
      records.setScope(scopeStart, scopeEnd)
      reader.at = logsStart
      while (reader.next(logsEnd)) {
        if (++fields % FIELDS_SLICE === 0 || into.isPauseDue(reader.at)) yield
        if (reader.tag === SCOPE_LOGS_RECORD) records.decode(reader.start, reader.end)
      }
    }
  }
}

/** Where the first field with this tag of the message [start, end) stands, which all records of the message get; of no length when there is none. */
function* originOf(
  reader: ProtobufReader,
  tag: number,
  start: number,
  end: number,
): Generator<void, readonly [start: number, end: number]> {
  let fields = 0
  reader.at = start
  while (reader.next(end)) {
    if (reader.tag === tag) {
      if (reader.end - reader.start > RECORD_BYTES_MAX) {
        throw new WeirError('invalid_body', 'A resource or scope is longer than a record may be')
      }
      return [reader.start, reader.end]
    }
    if (++fields % FIELDS_SLICE === 0) yield
  }
  return [start, start]
}

/** Goes to the first field with this tag of the message [start, end); false when there is none. */
function find(reader: ProtobufReader, tag: number, start: number, end: number): boolean {
  reader.at = start
  while (reader.next(end)) if (reader.tag === tag) return true
  return false
}

class RecordDecoder {
  readonly reader: ProtobufReader
  readonly #source: Buffer
  readonly #into: DecodedBody
  readonly #json: JsonWriter
  readonly #time = new EpochText()
  /** Starts and ends of the record's attributes that stand in `attributes`. */
  readonly #reserved: number[] = []
  readonly #double = new DataView(new ArrayBuffer(8))
  /** Members of the resource, and of the scope; each is written once, however many there are of the other. */
  #resource: Buffer = EMPTY
  #scope: Buffer = EMPTY
  /** Set while a value is nested deeper than a record may be. */
  #isTooDeep = false
  #isResourceTooDeep = false
  #isScopeTooDeep = false

  constructor(source: Buffer, into: DecodedBody) {
    this.reader = new ProtobufReader(source)
    this.#source = source
    this.#into = into
    this.#json = into.json
  }

  /** The resource of the records that follow. */
  setResource(resourceStart: number, resourceEnd: number): void {
    const { reader } = this
    const source = this.#source
    const json = names.originWriter(resourceEnd - resourceStart)
    let serviceStart = 0
    let serviceEnd = 0
    let hostStart = 0
    let hostEnd = 0
    this.#isTooDeep = false
    if (resourceEnd > resourceStart) {
      json.key(names.RESOURCE)
      json.openObject()
      reader.at = resourceStart
      while (reader.next(resourceEnd)) {
        if (reader.tag !== RESOURCE_ATTRIBUTE) continue
        const { end } = reader
        reader.pair(reader.start, end)
        const { nameStart, nameEnd, valueStart, valueEnd } = reader
        const isService = isText(source, nameStart, nameEnd, names.SERVICE_NAME)
        const isHost = isText(source, nameStart, nameEnd, names.HOST_NAME)
        this.#writePair(json, 3)
        if ((isService || isHost) && valueEnd >= 0 && find(reader, VALUE_STRING, valueStart, valueEnd)) {
          if (isService) {
            serviceStart = reader.start
            serviceEnd = reader.end
          } else {
            hostStart = reader.start
            hostEnd = reader.end
          }
        }
        reader.at = end
      }
      json.closeObject()
    }
    if (serviceEnd > serviceStart) {
      json.key(names.SERVICE)
      json.text(source, serviceStart, serviceEnd)
    }
    if (hostEnd > hostStart) {
      json.key(names.HOST)
      json.text(source, hostStart, hostEnd)
    }
    this.#isResourceTooDeep = this.#isTooDeep
    this.#resource = json.bytes()
  }

  /** The scope of the records that follow. */
  setScope(start: number, end: number): void {
    this.#isTooDeep = false
    this.#scope = EMPTY
    if (end > start) {
      const json = names.originWriter(end - start)
      this.#writeScope(json, start, end)
      this.#scope = json.bytes()
    }
    this.#isScopeTooDeep = this.#isTooDeep
  }

  decode(start: number, end: number): void {
    // It would be refused as a line too, but that takes long to write (T2).
    if (end - start > MESSAGE_BYTES_MAX) {
      this.#into.refuse(start, end, names.TOO_LONG)
      return
    }
    const { reader } = this
    const json = this.#json
    const time = this.#time
    let severity = 0
    let timeLow = 0
    let timeHigh = 0
    let observedLow = 0
    let observedHigh = 0
    let bodyStart = 0
    let bodyEnd = 0
    const reserved = this.#reserved
    reserved.length = 0
    this.#isTooDeep = this.#isResourceTooDeep || this.#isScopeTooDeep
    this.#into.begin()
    if (this.#resource.length > 0) json.jsonLine(this.#resource, 0, this.#resource.length)
    if (this.#scope.length > 0) json.jsonLine(this.#scope, 0, this.#scope.length)
    reader.at = start
    while (reader.next(end)) {
      const valueStart = reader.start
      const valueEnd = reader.end
      switch (reader.tag) {
        case RECORD_TIME:
          timeLow = reader.low
          timeHigh = reader.high
          break
        case RECORD_OBSERVED_TIME:
          observedLow = reader.low
          observedHigh = reader.high
          break
        case RECORD_SEVERITY:
          severity = reader.int64()
          break
        case RECORD_SEVERITY_TEXT:
          this.#text(names.SEVERITY_TEXT, valueStart, valueEnd)
          break
        case RECORD_EVENT_NAME:
          this.#text(names.EVENT_NAME, valueStart, valueEnd)
          break
        case RECORD_BODY:
          bodyStart = valueStart
          bodyEnd = valueEnd
          break
        case RECORD_ATTRIBUTE:
          reader.pair(valueStart, valueEnd)
          if (names.isReserved(this.#source, reader.nameStart, reader.nameEnd)) reserved.push(valueStart, valueEnd)
          else this.#writePair(json, 2)
          reader.at = valueEnd
          break
        case RECORD_FLAGS:
          if (reader.low !== 0) {
            json.key(names.TRACE_FLAGS)
            json.number(reader.low & 0xff)
          }
          break
        case RECORD_TRACE_ID:
          this.#id(names.TRACE_ID, valueStart, valueEnd)
          break
        case RECORD_SPAN_ID:
          this.#id(names.SPAN_ID, valueStart, valueEnd)
      }
    }
    if (reserved.length > 0) this.#reservedAttributes()
    names.writeSeverity(json, severity)
    if (bodyEnd > bodyStart) this.#body(bodyStart, bodyEnd)
    reader.at = end
    const isObserved = (timeLow | timeHigh) === 0
    const low = isObserved ? observedLow : timeLow
    const high = isObserved ? observedHigh : timeHigh
    const hasTime = (low | high) !== 0
    const refusal = this.#isTooDeep
      ? names.TOO_DEEP
      : hasTime && !time.setNanoseconds(low, high)
        ? names.FAR_TIME
        : undefined
    if (refusal !== undefined) {
      this.#into.refuse(start, end, refusal)
      return
    }
    if (hasTime) {
      json.key(names.TIMESTAMP)
      json.jsonLine(time.bytes, 0, time.bytes.length)
    }
    this.#into.end(start, end)
  }

  #writeScope(json: JsonWriter, start: number, end: number): void {
    const { reader } = this
    json.key(names.SCOPE)
    json.openObject()
    let hasAttributes = false
    reader.at = start
    while (reader.next(end)) {
      if (reader.tag === SCOPE_ATTRIBUTE) hasAttributes = true
      else if ((reader.tag === SCOPE_NAME || reader.tag === SCOPE_VERSION) && reader.end > reader.start) {
        json.key(reader.tag === SCOPE_NAME ? names.NAME : names.VERSION)
        json.text(this.#source, reader.start, reader.end)
      }
    }
    if (hasAttributes) {
      json.key(names.ATTRIBUTES)
      json.openObject()
      reader.at = start
      while (reader.next(end)) {
        if (reader.tag !== SCOPE_ATTRIBUTE) continue
        const pairEnd = reader.end
        reader.pair(reader.start, pairEnd)
        this.#writePair(json, 4)
        reader.at = pairEnd
      }
      json.closeObject()
    }
    json.closeObject()
  }

  #text(key: Buffer, start: number, end: number): void {
    if (start === end) return
    this.#json.key(key)
    this.#json.text(this.#source, start, end)
  }

  /** An id in hexadecimal digits; none where it is empty or all zeros. */
  #id(key: Buffer, start: number, end: number): void {
    const source = this.#source
    const last = Math.min(end, start + ID_BYTES_MAX)
    let p = start
    while (p < last && source[p] === 0) p++
    if (p === last) return
    this.#json.key(key)
    this.#json.hex(source, start, last)
  }

  /** Text is the message, and so is the text of a number; what has parts stays as it is. */
  #body(start: number, end: number): void {
    const { reader } = this
    const json = this.#json
    reader.at = start
    if (!reader.next(end)) return
    if (reader.tag === VALUE_OBJECT || reader.tag === VALUE_ARRAY) {
      json.key(names.BODY)
      this.#value(json, start, end, 2)
      return
    }
    json.key(names.MESSAGE)
    if (reader.tag === VALUE_STRING) json.text(this.#source, reader.start, reader.end)
    else if (reader.tag === VALUE_BOOLEAN) json.string(String(reader.low !== 0))
    else if (reader.tag === VALUE_INTEGER) json.string(String(reader.bigInt64()))
    else if (reader.tag === VALUE_DOUBLE) json.string(String(this.#doubleOf()))
    else if (reader.tag === VALUE_BYTES) json.string(this.#source.toString('base64', reader.start, reader.end))
    else json.string('')
  }

  /** Attributes by the name of something else of the record. */
  #reservedAttributes(): void {
    const { reader } = this
    const json = this.#json
    const reserved = this.#reserved
    json.key(names.ATTRIBUTES)
    json.openObject()
    for (let i = 0; i < reserved.length; i += 2) {
      reader.pair(reserved[i]!, reserved[i + 1]!)
      this.#writePair(json, 3)
    }
    json.closeObject()
  }

  /** The KeyValue that the reader has read, as a member; nothing where it has no key. */
  #writePair(json: JsonWriter, depth: number): void {
    const { reader } = this
    if (reader.nameEnd < 0) return
    json.keyText(this.#source, reader.nameStart, reader.nameEnd)
    if (reader.valueEnd >= 0) this.#value(json, reader.valueStart, reader.valueEnd, depth)
    else json.null()
  }

  #value(json: JsonWriter, start: number, end: number, depth: number): void {
    const { reader } = this
    reader.at = start
    if (!reader.next(end)) {
      json.null()
      return
    }
    switch (reader.tag) {
      case VALUE_STRING:
        json.text(this.#source, reader.start, reader.end)
        break
      case VALUE_BOOLEAN:
        json.boolean(reader.low !== 0)
        break
      case VALUE_INTEGER: {
        const value = reader.int64()
        json.number(Number.isSafeInteger(value) ? value : reader.bigInt64())
        break
      }
      case VALUE_DOUBLE: {
        const value = this.#doubleOf()
        if (Number.isFinite(value)) json.number(value)
        else json.string(String(value))
        break
      }
      case VALUE_BYTES:
        json.string(this.#source.toString('base64', reader.start, reader.end))
        break
      case VALUE_ARRAY:
      case VALUE_OBJECT:
        this.#container(json, reader.tag === VALUE_OBJECT, reader.start, reader.end, depth + 1)
        break
      default:
        json.null()
    }
  }

  #container(json: JsonWriter, isObject: boolean, start: number, end: number, depth: number): void {
    const { reader } = this
    if (depth > NESTING_DEPTH_MAX) {
      this.#isTooDeep = true
      json.null()
      return
    }
    if (isObject) json.openObject()
    else json.openArray()
    reader.at = start
    while (reader.next(end)) {
      if (reader.tag !== ELEMENT) continue
      const elementEnd = reader.end
      if (isObject) {
        reader.pair(reader.start, elementEnd)
        this.#writePair(json, depth)
      } else this.#value(json, reader.start, elementEnd, depth)
      reader.at = elementEnd
    }
    if (isObject) json.closeObject()
    else json.closeArray()
  }

  #doubleOf(): number {
    this.#double.setUint32(0, this.reader.low, true)
    this.#double.setUint32(4, this.reader.high, true)
    return this.#double.getFloat64(0, true)
  }
}

function isText(source: Buffer, start: number, end: number, text: Buffer): boolean {
  if (end - start !== text.length) return false
  for (let i = 0; i < text.length; i++) if (source[start + i] !== text[i]) return false
  return true
}

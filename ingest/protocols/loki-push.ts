import { WeirError } from '../../base/errors.ts'
import { RECORD_BYTES_MAX } from '../../base/limits.ts'
import { CLOSE_BRACE, OPEN_BRACE, OPEN_BRACKET, QUOTE, SPACE_IN_DOCUMENT } from '../json-text.ts'
import type { DecodedBody, Decoding, Refusal } from './decoded-body.ts'
import { EpochText, isEpochText } from './epoch-text.ts'
import { JsonReader } from './json-reader.ts'
import { jsonKey } from './json-writer.ts'
import { labelMembers } from './loki-labels.ts'
import { ProtobufReader, tagOf, WIRE_BYTES, WIRE_VARINT } from './protobuf-reader.ts'

const TIMESTAMP = jsonKey('timestamp')
const MESSAGE = jsonKey('message')

const TOO_LONG: Refusal = { code: 'record_too_large', reason: `an entry may have ${RECORD_BYTES_MAX} bytes` }
/** T2: fields that are passed over in one go. */
const FIELDS_SLICE = 64 * 1024
const NO_LABELS: Refusal = { code: 'invalid_record', reason: 'the labels of its stream are not {name="value", …}' }
const NO_ENTRY: Refusal = { code: 'invalid_record', reason: 'an entry is ["nanoseconds", "line", {metadata}]' }
const NO_TIME: Refusal = { code: 'invalid_timestamp', reason: 'the time is not a whole number of nanoseconds' }
const FAR_TIME: Refusal = { code: 'timestamp_out_of_range', reason: 'the time is before 2001 or after 2262' }

/** Of push.proto, https://github.com/grafana/loki/blob/main/pkg/push/push.proto */
const REQUEST_STREAM = tagOf(1, WIRE_BYTES)
const STREAM_LABELS = tagOf(1, WIRE_BYTES)
const STREAM_ENTRY = tagOf(2, WIRE_BYTES)
const ENTRY_TIME = tagOf(1, WIRE_BYTES)
const ENTRY_LINE = tagOf(2, WIRE_BYTES)
const ENTRY_METADATA = tagOf(3, WIRE_BYTES)
const TIME_SECONDS = tagOf(1, WIRE_VARINT)
const TIME_NANOSECONDS = tagOf(2, WIRE_VARINT)

/**
 * Decodes a PushRequest of Loki, already inflated. An entry becomes a record of its stream's labels, its metadata, `timestamp` and
 * `message`: of names that meet, the later wins.
 */
export function* decodeLokiProtobuf(source: Buffer, into: DecodedBody): Decoding {
  const reader = new ProtobufReader(source)
  const time = new EpochText()
  let fields = 0
  while (reader.next(source.length)) {
    if (++fields % FIELDS_SLICE === 0) yield
    if (reader.tag !== REQUEST_STREAM) continue
    const { start, end } = reader
    if (into.isPauseDue(start)) yield
    const members = yield* streamLabels(reader, source, end, start)
    reader.at = start
    while (reader.next(end)) {
      if (++fields % FIELDS_SLICE === 0 || into.isPauseDue(reader.at)) yield
      if (reader.tag !== STREAM_ENTRY) continue
      if (members === undefined) into.refuse(reader.start, reader.end, NO_LABELS)
      else if (reader.end - reader.start > RECORD_BYTES_MAX) into.refuse(reader.start, reader.end, TOO_LONG)
      else protobufEntry(reader, source, into, members, time)
    }
  }
}

/** Where they stand first in the stream, as is usual, this costs nothing but them. */
function* streamLabels(
  reader: ProtobufReader,
  source: Buffer,
  end: number,
  start: number,
): Generator<void, Buffer | undefined> {
  let fields = 0
  reader.at = start
  while (reader.next(end)) {
    if (reader.tag === STREAM_LABELS) {
      if (reader.end - reader.start > RECORD_BYTES_MAX) return undefined
      return labelMembers(source.toString('utf8', reader.start, reader.end))
    }
    if (++fields % FIELDS_SLICE === 0) yield
  }
  return undefined
}

function protobufEntry(
  reader: ProtobufReader,
  source: Buffer,
  into: DecodedBody,
  members: Buffer,
  time: EpochText,
): void {
  const { json } = into
  const { start, end } = reader
  let seconds = 0
  let nanoseconds = 0
  let lineStart = 0
  let lineEnd = 0
  into.begin()
  if (members.length > 0) json.jsonLine(members, 0, members.length)
  reader.at = start
  while (reader.next(end)) {
    const valueEnd = reader.end
    switch (reader.tag) {
      case ENTRY_TIME:
        reader.at = reader.start
        while (reader.next(valueEnd)) {
          if (reader.tag === TIME_SECONDS) seconds = reader.int64()
          else if (reader.tag === TIME_NANOSECONDS) nanoseconds = reader.int64()
        }
        break
      case ENTRY_LINE:
        lineStart = reader.start
        lineEnd = reader.end
        break
      case ENTRY_METADATA:
        reader.pair(reader.start, valueEnd)
        json.keyText(source, reader.nameStart, Math.max(reader.nameEnd, reader.nameStart))
        json.text(source, reader.valueStart, Math.max(reader.valueEnd, reader.valueStart))
    }
  }
  if (!time.set(seconds, nanoseconds)) {
    into.refuse(start, end, FAR_TIME)
    return
  }
  json.key(TIMESTAMP)
  json.jsonLine(time.bytes, 0, time.bytes.length)
  json.key(MESSAGE)
  json.text(source, lineStart, lineEnd)
  into.end(start, end)
}

const STREAMS = Buffer.from('streams')
const STREAM = Buffer.from('stream')
const VALUES = Buffer.from('values')

/** Decodes the same in JSON: `{"streams":[{"stream":{…},"values":[["nanoseconds","line",{…}]]}]}`. */
export function* decodeLokiJson(source: Buffer, into: DecodedBody): Decoding {
  const reader = new JsonReader(source)
  let hasStreams = false
  reader.enterObject()
  while (reader.nextMember()) {
    if (!reader.keyIs(STREAMS)) {
      while (!reader.skip()) yield
      continue
    }
    hasStreams = true
    reader.enterArray()
    while (reader.nextElement()) {
      if (into.isPauseDue(reader.at)) yield
      yield* jsonStream(reader, source, into)
    }
  }
  reader.finish()
  if (!hasStreams) throw new WeirError('invalid_body', 'The body has no member "streams"')
}

function* jsonStream(reader: JsonReader, source: Buffer, into: DecodedBody): Decoding {
  let labelsStart = -1
  let labelsEnd = -1
  /** Values that came before their labels. */
  let valuesAt = -1
  reader.enterObject()
  while (reader.nextMember()) {
    if (reader.keyIs(VALUES)) {
      if (valuesAt >= 0) throw new WeirError('invalid_body', 'A stream has more than one member "values"')
      if (labelsStart >= 0) {
        yield* jsonEntries(reader, source, into, labelsStart, labelsEnd)
        continue
      }
      valuesAt = reader.at
      while (!reader.skip()) yield
    } else if (reader.keyIs(STREAM) && labelsStart < 0) {
      const isObject = reader.peek() === OPEN_BRACE
      while (!reader.skip()) yield
      labelsStart = isObject ? innerStart(source, reader.start + 1) : reader.start
      labelsEnd = isObject ? reader.end - 1 : -1
    } else {
      while (!reader.skip()) yield
    }
  }
  if (valuesAt < 0) return
  const { at } = reader
  reader.seek(valuesAt)
  yield* jsonEntries(reader, source, into, labelsStart, labelsEnd)
  reader.seek(at)
}

/** `labelsEnd` is -1 where the labels are no object. */
function* jsonEntries(
  reader: JsonReader,
  source: Buffer,
  into: DecodedBody,
  labelsStart: number,
  labelsEnd: number,
): Decoding {
  reader.enterArray()
  while (reader.nextElement()) {
    if (into.isPauseDue(reader.at)) yield
    yield* jsonEntry(reader, source, into, labelsStart, labelsEnd)
  }
}

function* jsonEntry(
  reader: JsonReader,
  source: Buffer,
  into: DecodedBody,
  labelsStart: number,
  labelsEnd: number,
): Decoding {
  const { json } = into
  if (reader.peek() !== OPEN_BRACKET) {
    while (!reader.skip()) yield
    into.refuse(reader.start, reader.end, NO_ENTRY)
    return
  }
  const start = reader.at
  let parts = 0
  let timeStart = 0
  let timeEnd = 0
  let lineStart = 0
  let lineEnd = 0
  let metadataStart = 0
  let metadataEnd = 0
  let isEntry = true
  reader.enterArray()
  for (; reader.nextElement(); parts++) {
    const first = reader.peek()
    while (!reader.skip()) yield
    if (parts === 0) {
      const quote = first === QUOTE ? 1 : 0
      timeStart = reader.start + quote
      timeEnd = reader.end - quote
    } else if (parts === 1) {
      isEntry = first === QUOTE
      lineStart = reader.start
      lineEnd = reader.end
    } else if (parts === 2 && first === OPEN_BRACE) {
      metadataStart = innerStart(source, reader.start + 1)
      metadataEnd = reader.end - 1
    } else isEntry = false
  }
  const end = reader.at
  const isTime = isEpochText(source, timeStart, timeEnd)
  let refusal: Refusal | undefined
  if (!isEntry || parts < 2) refusal = NO_ENTRY
  else if (labelsEnd < 0) refusal = NO_LABELS
  else if (isTime !== true) refusal = isTime === undefined ? NO_TIME : FAR_TIME
  if (refusal !== undefined) {
    into.refuse(start, end, refusal)
    return
  }
  into.begin()
  if (labelsStart < labelsEnd) json.json(source, labelsStart, labelsEnd)
  if (metadataStart < metadataEnd) json.json(source, metadataStart, metadataEnd)
  json.key(TIMESTAMP)
  json.jsonLine(source, timeStart, timeEnd)
  json.key(MESSAGE)
  json.json(source, lineStart, lineEnd)
  into.end(start, end)
}

/** The first byte inside of an object that is not white space; its closing brace where it has no member. */
function innerStart(source: Buffer, from: number): number {
  let p = from
  while (source[p] !== CLOSE_BRACE && SPACE_IN_DOCUMENT[source[p]!] === 1) p++
  return p
}

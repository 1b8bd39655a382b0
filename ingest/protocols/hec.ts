import { RECORD_BYTES_MAX } from '../../base/limits.ts'
import { CLOSE_BRACKET, COMMA, OPEN_BRACE, OPEN_BRACKET, QUOTE } from '../json-text.ts'
import type { DecodedBody, Decoding, Refusal } from './decoded-body.ts'
import { MemberWalk, skipSpace, structureEnd, valueEnd } from './json-walk.ts'
import { jsonKey } from './json-writer.ts'

/** The record of a longer one is too large, whatever is in it: its members are not looked at in one slice (T2). */
const ENVELOPE_BYTES_MAX = 2 * RECORD_BYTES_MAX

/** The field that the time of an event's envelope goes to, as in Splunk; it comes before any time in the event itself. */
export const HEC_TIME_FIELD = '_time'

export const HEC_NO_EVENT: Refusal = { code: 'invalid_record', reason: 'the member "event" is missing' }
export const HEC_BLANK_EVENT: Refusal = { code: 'invalid_record', reason: 'the member "event" is blank' }
export const HEC_BAD_FIELDS: Refusal = { code: 'invalid_record', reason: 'the member "fields" is not an object' }
const NO_ENVELOPE: Refusal = { code: 'invalid_record', reason: 'an event is a JSON object with the member "event"' }
const TOO_LARGE: Refusal = {
  code: 'record_too_large',
  reason: `the envelope is longer than ${ENVELOPE_BYTES_MAX} bytes`,
}

const TIME = jsonKey(HEC_TIME_FIELD)
const MESSAGE = jsonKey('message')
/** Without a source, a record is of the service that its source type names: `job` is a late one of the names that a service may have. */
const JOB = jsonKey('job')
const [EVENT_NAME, TIME_NAME, FIELDS_NAME, SOURCE_NAME, SOURCETYPE_NAME] = [
  'event',
  'time',
  'fields',
  'source',
  'sourcetype',
].map((name) => Buffer.from(name)) as [Buffer, Buffer, Buffer, Buffer, Buffer]
const NULL = 0x6e
const OBJECTS_ON_LINES = Buffer.from('\n{')

/**
 * Decodes the body of Splunk's /services/collector/event: envelopes, which are JSON objects one after the other, with or without anything between
 * them, or in arrays. An event that is an object becomes the record beside the envelope's `host`, `source`, `sourcetype`, `index` and what is in its `fields`,
 * and its own members win; any other event is the message. What follows an envelope that never ends is one refused record with it; what is
 * between envelopes and is none is one up to the next line that begins with a brace.
 */
export function* decodeHecEvents(source: Buffer, into: DecodedBody): Decoding {
  const envelopes = new EnvelopeDecoder(source, into)
  let depth = 0
  for (let p = skipSpace(source, 0); p < source.length; p = skipSpace(source, p)) {
    if (into.isPauseDue(p)) yield
    const c = source[p]!
    if (c === OPEN_BRACE) {
      const end = yield* structureEnd(source, p, into)
      if (end < 0) {
        into.refuse(p, source.length, NO_ENVELOPE)
        return
      }
      if (end - p > ENVELOPE_BYTES_MAX) into.refuse(p, end, TOO_LARGE)
      else envelopes.decode(p, end)
      p = end
    } else if (c === OPEN_BRACKET && depth === 0) {
      depth = 1
      p++
    } else if (depth > 0 && (c === COMMA || c === CLOSE_BRACKET)) {
      if (c === CLOSE_BRACKET) depth = 0
      p++
    } else {
      let end = depth > 0 ? valueEnd(source, p, Math.min(source.length, p + ENVELOPE_BYTES_MAX)) : -1
      if (end <= p) {
        const line = source.indexOf(OBJECTS_ON_LINES, p)
        end = line < 0 ? source.length : line
      }
      into.refuse(p, end, NO_ENVELOPE)
      p = end
    }
  }
}

class EnvelopeDecoder {
  readonly #source: Buffer
  readonly #into: DecodedBody
  readonly #walk = new MemberWalk()

  constructor(source: Buffer, into: DecodedBody) {
    this.#source = source
    this.#into = into
  }

  /** The envelope source[start, end). */
  decode(start: number, end: number): void {
    const refusal = this.#write(start, end)
    if (refusal === undefined) this.#into.end(start, end)
    else this.#into.refuse(start, end, refusal)
  }

  /** Begins the record, and returns why it is none. */
  #write(start: number, end: number): Refusal | undefined {
    const source = this.#source
    const into = this.#into
    const { json } = into
    const walk = this.#walk
    let eventStart = 0
    let eventEnd = 0
    let sourcetypeStart = 0
    let sourcetypeEnd = 0
    let hasSource = false
    into.begin()
    walk.open(source, start, end)
    while (walk.next()) {
      const from = walk.start
      const to = walk.end
      if (walk.isKey(EVENT_NAME)) {
        eventStart = from
        eventEnd = to
      } else if (source[from] === NULL) continue
      else if (walk.isKey(TIME_NAME)) {
        json.key(TIME)
        json.json(source, from, to)
      } else if (walk.isKey(FIELDS_NAME)) {
        if (source[from] !== OPEN_BRACE) return HEC_BAD_FIELDS
        this.#members(from, to)
      } else {
        if (walk.isKey(SOURCE_NAME)) hasSource = true
        else if (walk.isKey(SOURCETYPE_NAME)) {
          sourcetypeStart = from
          sourcetypeEnd = to
        }
        json.json(source, walk.keyStart, to)
      }
    }
    if (walk.isBroken) return NO_ENVELOPE
    if (eventEnd === 0 || source[eventStart] === NULL) return HEC_NO_EVENT
    if (sourcetypeEnd > 0 && !hasSource) {
      json.key(JOB)
      json.json(source, sourcetypeStart, sourcetypeEnd)
    }
    const first = source[eventStart]!
    if (first === OPEN_BRACE) this.#members(eventStart, eventEnd)
    else {
      if (first === QUOTE && eventEnd - eventStart === 2) return HEC_BLANK_EVENT
      json.key(MESSAGE)
      if (first === QUOTE) json.json(source, eventStart, eventEnd)
      else json.text(source, eventStart, eventEnd)
    }
    return undefined
  }

  /** Writes the members of the object source[start, end). */
  #members(start: number, end: number): void {
    const from = skipSpace(this.#source, start + 1)
    if (from < end - 1) this.#into.json.json(this.#source, from, end - 1)
  }
}

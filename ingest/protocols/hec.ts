import { RECORD_FIELDS_MAX } from '../../base/limits.ts'
import { OPEN_BRACE, QUOTE } from '../json-text.ts'
import type { DecodedBody, Decoding, Refusal } from './decoded-body.ts'
import { decodeObjects, type ObjectDecoder, TOO_MANY_MEMBERS } from './json-objects.ts'
import { MemberWalk, skipSpace } from './json-walk.ts'
import { jsonKey } from './json-writer.ts'

/** The field that the time of an event's envelope goes to, as in Splunk; it comes before any time in the event itself. */
export const HEC_TIME_FIELD = '_time'

export const HEC_NO_EVENT: Refusal = { code: 'invalid_record', reason: 'the member "event" is missing' }
export const HEC_BLANK_EVENT: Refusal = { code: 'invalid_record', reason: 'the member "event" is blank' }
export const HEC_BAD_FIELDS: Refusal = { code: 'invalid_record', reason: 'the member "fields" is not an object' }
const NO_ENVELOPE: Refusal = { code: 'invalid_record', reason: 'an event is a JSON object with the member "event"' }

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

/**
 * Decodes the body of Splunk's /services/collector/event: envelopes, which are JSON objects one after the other, with or without anything between
 * them, or in arrays. An event that is an object becomes the record beside the envelope's `host`, `source`, `sourcetype`, `index` and what is in its `fields`,
 * and its own members win; any other event is the message. What follows an envelope that never ends is one refused record with it; what is
 * between envelopes and is none is one up to the next line that begins with a brace.
 */
export function decodeHecEvents(source: Buffer, into: DecodedBody): Decoding {
  return decodeObjects(source, into, new EnvelopeDecoder(source, into))
}

class EnvelopeDecoder implements ObjectDecoder {
  readonly notAnObject = NO_ENVELOPE
  readonly #source: Buffer
  readonly #into: DecodedBody
  readonly #walk = new MemberWalk()

  constructor(source: Buffer, into: DecodedBody) {
    this.#source = source
    this.#into = into
  }

  write(start: number, end: number): Refusal | undefined {
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
      if (walk.count > RECORD_FIELDS_MAX) return TOO_MANY_MEMBERS
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

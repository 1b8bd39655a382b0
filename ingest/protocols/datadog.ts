import { RECORD_FIELDS_MAX, VALUE_BYTES_MAX } from '../../base/limits.ts'
import { QUOTE } from '../json-text.ts'
import type { DecodedBody, Decoding, Refusal } from './decoded-body.ts'
import { decodeObjects, type ObjectDecoder, TOO_MANY_MEMBERS } from './json-objects.ts'
import { MemberWalk } from './json-walk.ts'
import { jsonKey } from './json-writer.ts'

const NOT_AN_ENTRY: Refusal = { code: 'invalid_record', reason: 'an entry is a JSON object' }
const TAGS_TOO_LARGE: Refusal = { code: 'value_too_large', reason: `ddtags may have ${VALUE_BYTES_MAX} bytes` }
/** With which the Datadog agent asks whether anybody is there. */
const PROBE = Buffer.from('{}')

const TAGS = jsonKey('tags')
const DDTAGS = jsonKey('ddtags')
/** A late name of the level: one that the entry has itself comes before it. */
const LEVEL = jsonKey('lvl')
/** The same of the service. */
const JOB = jsonKey('job')
const [DDTAGS_NAME, TAGS_NAME, STATUS_NAME, SERVICE_NAME, DDSOURCE_NAME] = [
  'ddtags',
  'tags',
  'status',
  'service',
  'ddsource',
].map((name) => Buffer.from(name)) as [Buffer, Buffer, Buffer, Buffer, Buffer]
const NULL = 0x6e

/** What a request says of all its entries. */
export interface DatadogDefaults {
  readonly ddsource?: string | undefined
  readonly ddtags?: string | undefined
  readonly hostname?: string | undefined
  readonly service?: string | undefined
}

/**
 * The tags in a text such as `env:prod,team:a,team:b,urgent`: a value by name, an array where a name comes more than once, and `true` where
 * there is a name only.
 */
export function tagsOf(ddtags: string): Readonly<Record<string, unknown>> {
  const tags: Record<string, unknown> = Object.create(null)
  for (const part of ddtags.split(',')) {
    const tag = part.trim()
    if (tag === '') continue
    const colon = tag.indexOf(':')
    const name = colon < 0 ? tag : tag.slice(0, colon)
    const value = colon < 0 ? true : tag.slice(colon + 1)
    const earlier = tags[name]
    if (earlier === undefined) tags[name] = value
    else if (Array.isArray(earlier)) earlier.push(value)
    else tags[name] = [earlier, value]
  }
  return tags
}

/** Members of every record of a request, besides what it says itself. */
export function datadogMembers({ ddsource, ddtags, hostname, service }: DatadogDefaults): Record<string, unknown> {
  const tags = ddtags === undefined ? undefined : tagsOf(ddtags)
  return JSON.parse(
    JSON.stringify({ ddsource, tags, hostname, service, job: service === undefined ? ddsource : undefined }),
  )
}

/**
 * Decodes entries of Datadog's logs API, JSON objects in an array or one by one. An entry becomes a record as it stands, with `ddtags` as `tags` unless it
 * has such, its `status` as the level, and `ddsource` as the service of one that names none.
 */
export function* decodeDatadog(source: Buffer, into: DecodedBody, defaults: DatadogDefaults): Decoding {
  if (source.equals(PROBE)) return
  yield* decodeObjects(source, into, new EntryDecoder(source, into, defaults))
}

class EntryDecoder implements ObjectDecoder {
  readonly notAnObject = NOT_AN_ENTRY
  readonly #source: Buffer
  readonly #into: DecodedBody
  readonly #walk = new MemberWalk()
  /** Members that come before the entry's own. */
  readonly #members: Buffer
  /** The JSON text of the tags that were read last, and what they were read from: entries of a request mostly have the same. */
  #tagsFrom: Buffer | undefined
  #tags: Buffer = Buffer.alloc(0)

  constructor(source: Buffer, into: DecodedBody, defaults: DatadogDefaults) {
    this.#source = source
    this.#into = into
    this.#members = Buffer.from(JSON.stringify(datadogMembers(defaults)).slice(1, -1))
  }

  write(start: number, end: number): Refusal | undefined {
    const source = this.#source
    const { json } = this.#into
    const walk = this.#walk
    let tagsStart = 0
    let tagsEnd = 0
    let sourceStart = 0
    let sourceEnd = 0
    let hasTags = false
    let hasService = false
    this.#into.begin()
    if (this.#members.length > 0) json.jsonLine(this.#members, 0, this.#members.length)
    walk.open(source, start, end)
    while (walk.next()) {
      if (walk.count > RECORD_FIELDS_MAX) return TOO_MANY_MEMBERS
      const from = walk.start
      const to = walk.end
      if (walk.isKey(DDTAGS_NAME) && source[from] === QUOTE) {
        if (to - from > VALUE_BYTES_MAX) return TAGS_TOO_LARGE
        tagsStart = from
        tagsEnd = to
        continue
      }
      if (walk.isKey(STATUS_NAME)) {
        json.key(LEVEL)
        json.json(source, from, to)
      } else if (walk.isKey(TAGS_NAME)) hasTags = true
      else if (walk.isKey(SERVICE_NAME)) hasService = source[from] !== NULL
      else if (walk.isKey(DDSOURCE_NAME)) {
        sourceStart = from
        sourceEnd = to
      }
      json.json(source, walk.keyStart, to)
    }
    if (walk.isBroken) return NOT_AN_ENTRY
    if (!hasService && sourceEnd > 0) {
      json.key(JOB)
      json.json(source, sourceStart, sourceEnd)
    }
    if (tagsEnd > 0) {
      json.key(hasTags ? DDTAGS : TAGS)
      if (hasTags) json.json(source, tagsStart, tagsEnd)
      else if (!this.#writeTags(source.subarray(tagsStart, tagsEnd))) return NOT_AN_ENTRY
    }
    return undefined
  }

  /** Writes the tags in a string, given as JSON text; false when it is not valid. */
  #writeTags(text: Buffer): boolean {
    if (this.#tagsFrom?.equals(text) !== true) {
      try {
        this.#tags = Buffer.from(JSON.stringify(tagsOf(JSON.parse(text.toString()))))
        this.#tagsFrom = text
      } catch {
        return false
      }
    }
    this.#into.json.jsonLine(this.#tags, 0, this.#tags.length)
    return true
  }
}

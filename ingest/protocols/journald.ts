import { isUtf8 } from 'node:buffer'
import { WeirError } from '../../base/errors.ts'
import { RECORD_BYTES_MAX, RECORD_FIELDS_MAX } from '../../base/limits.ts'
import { NEWLINE } from '../json-text.ts'
import type { DecodedBody, Decoding, Refusal } from './decoded-body.ts'
import { jsonKey } from './json-writer.ts'

const EQUALS = 0x3d
/** Of a binary field: a little-endian number of 64 bits. */
const LENGTH_BYTES = 8
/** As journald limits the names of fields. */
const NAME_BYTES_MAX = 64
const TOO_MANY_FIELDS: Refusal = { code: 'too_many_fields', reason: `an entry may have ${RECORD_FIELDS_MAX} fields` }
const TOO_LONG: Refusal = { code: 'record_too_large', reason: `an entry may have ${RECORD_BYTES_MAX} bytes` }
const SERVICE_SUFFIX = Buffer.from('.service')
const SERVICE = jsonKey('service')

/** Fields with a meaning of ours, and what they are called here. */
const KNOWN: readonly (readonly [name: Buffer, key: Buffer])[] = [
  ['MESSAGE', 'message'],
  ['PRIORITY', 'level'],
  ['_HOSTNAME', 'host'],
  ['__REALTIME_TIMESTAMP', 'timestamp'],
].map(([name, key]) => [Buffer.from(name!), jsonKey(key!)])

/** Fields that may name the service, the best first. */
const NAMES_OF_SERVICE = ['_SYSTEMD_UNIT', 'SYSLOG_IDENTIFIER', '_COMM'].map((name) => Buffer.from(name))
const UNIT = 0

/**
 * Decodes systemd's journal export format: entries with an empty line after each; a field is a line `NAME=value`, or `NAME`, eight bytes of length, the
 * value, and a newline. An entry becomes a record with its fields under their own names, but for the known ones; its service is the unit without `.service`, of
 * other units the syslog identifier. What is not UTF-8 in a value is replaced. Throws invalid_body where a field has no end: all after it is lost.
 * Source: "Journal Export Format" of systemd.io.
 */
export function* decodeJournald(source: Buffer, into: DecodedBody): Decoding {
  const entry = new EntryDecoder(source, into)
  let start = 0
  for (let p = 0; p < source.length; ) {
    if (into.isPauseDue(p)) yield
    if (source[p] !== NEWLINE) {
      if (!entry.isOpen) {
        start = p
        entry.begin()
      }
      p = entry.field(p)
      continue
    }
    if (entry.isOpen) entry.end(start, p)
    p++
  }
  if (entry.isOpen) entry.end(start, source.length)
}

class EntryDecoder {
  readonly #source: Buffer
  readonly #into: DecodedBody
  /** By number in NAMES_OF_SERVICE: where the value of this entry stands. */
  readonly #serviceStarts = new Int32Array(NAMES_OF_SERVICE.length)
  readonly #serviceEnds = new Int32Array(NAMES_OF_SERVICE.length)
  /** An entry has begun and not ended. */
  isOpen = false
  #fields = 0
  /** Of its values. */
  #bytes = 0

  constructor(source: Buffer, into: DecodedBody) {
    this.#source = source
    this.#into = into
  }

  begin(): void {
    this.isOpen = true
    this.#fields = 0
    this.#bytes = 0
    this.#serviceEnds.fill(0)
    this.#into.begin()
  }

  /** The entry came as [start, end) of the request. */
  end(start: number, end: number): void {
    this.isOpen = false
    if (this.#fields > RECORD_FIELDS_MAX) this.#into.refuse(start, end, TOO_MANY_FIELDS)
    else if (this.#bytes > RECORD_BYTES_MAX) this.#into.refuse(start, end, TOO_LONG)
    else {
      this.#writeService()
      this.#into.end(start, end)
    }
  }

  /** Decodes the field that begins at `p`; gives where it ends. */
  field(p: number): number {
    const source = this.#source
    const newline = source.indexOf(NEWLINE, p)
    if (newline < 0) throw broken(p, 'a field does not end')
    const equals = source.subarray(p, Math.min(newline, p + NAME_BYTES_MAX + 1)).indexOf(EQUALS)
    const nameEnd = equals < 0 ? newline : p + equals
    if (nameEnd === p || nameEnd - p > NAME_BYTES_MAX) throw broken(p, 'a field has no name')
    let valueStart = nameEnd + 1
    let valueEnd = newline
    if (equals < 0) {
      valueStart += LENGTH_BYTES
      if (valueStart > source.length) throw broken(p, 'a field has no length')
      const length = source.readBigUInt64LE(newline + 1)
      // Without the newline after it, at least.
      if (length >= source.length - valueStart) throw broken(p, 'a field is longer than the body')
      valueEnd = valueStart + Number(length)
      if (source[valueEnd] !== NEWLINE) throw broken(p, 'a field does not end where it says')
    }
    this.#fields++
    this.#bytes += valueEnd - valueStart
    // Of an entry that is refused nothing more is written, so that no field takes long (T2).
    if (this.#fields <= RECORD_FIELDS_MAX && this.#bytes <= RECORD_BYTES_MAX) {
      this.#write(p, nameEnd, valueStart, valueEnd)
    }
    return valueEnd + 1
  }

  #write(nameStart: number, nameEnd: number, start: number, end: number): void {
    const source = this.#source
    const { json } = this.#into
    const known = KNOWN.find(([name]) => isSame(source, nameStart, nameEnd, name))
    if (known !== undefined) json.key(known[1])
    else {
      const service = NAMES_OF_SERVICE.findIndex((name) => isSame(source, nameStart, nameEnd, name))
      if (service >= 0) {
        this.#serviceStarts[service] = start
        this.#serviceEnds[service] = end
      }
      json.keyText(source, nameStart, nameEnd)
    }
    this.#text(start, end)
  }

  #writeService(): void {
    const starts = this.#serviceStarts
    const ends = this.#serviceEnds
    const unitEnd = ends[UNIT]! - SERVICE_SUFFIX.length
    const isService = unitEnd > starts[UNIT]! && isSame(this.#source, unitEnd, ends[UNIT]!, SERVICE_SUFFIX)
    let best = isService ? UNIT : NAMES_OF_SERVICE.findIndex((_, i) => i !== UNIT && ends[i]! > starts[i]!)
    if (best < 0) best = UNIT
    if (ends[best]! <= starts[best]!) return
    this.#into.json.key(SERVICE)
    this.#text(starts[best]!, isService ? unitEnd : ends[best]!)
  }

  #text(start: number, end: number): void {
    const value = this.#source.subarray(start, end)
    if (isUtf8(value)) this.#into.json.text(this.#source, start, end)
    else this.#into.json.string(value.toString())
  }
}

function isSame(source: Buffer, start: number, end: number, name: Buffer): boolean {
  if (end - start !== name.length) return false
  for (let i = 0; i < name.length; i++) if (source[start + i] !== name[i]) return false
  return true
}

function broken(at: number, what: string): WeirError {
  return new WeirError('invalid_body', `Not in journal export format: ${what} at byte ${at}`)
}

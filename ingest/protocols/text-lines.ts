import { NEWLINE } from '../json-text.ts'
import type { DecodedBody, Decoding } from './decoded-body.ts'
import { jsonKey } from './json-writer.ts'

const CARRIAGE_RETURN = 0x0d
const MESSAGE = jsonKey('message')

/** What every record of a request gets beside its line. */
export interface LineDefaults {
  /** Members of the record. */
  readonly members: Readonly<Record<string, unknown>>
  /** Of records whose `members` name none. */
  readonly service?: string | undefined
}

/** Decodes lines of text: each but empty ones becomes a record with the line as its message, without the carriage return that may end it. */
export function* decodeTextLines(source: Buffer, into: DecodedBody, { members, service }: LineDefaults): Decoding {
  const { json } = into
  const shared = Buffer.from(JSON.stringify(members).slice(1, -1))
  into.serviceDefault = service
  for (let p = 0; p < source.length; ) {
    if (into.isPauseDue(p)) yield
    const newline = source.indexOf(NEWLINE, p)
    const end = newline < 0 ? source.length : newline
    const textEnd = end > p && source[end - 1] === CARRIAGE_RETURN ? end - 1 : end
    if (textEnd > p) {
      into.begin()
      if (shared.length > 0) json.jsonLine(shared, 0, shared.length)
      json.key(MESSAGE)
      json.text(source, p, textEnd)
      into.end(p, textEnd)
    }
    p = end + 1
  }
}

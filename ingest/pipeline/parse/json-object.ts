import { RECORD_FIELDS_MAX } from '../../../base/limits.ts'
import { OPEN_BRACE, SKIP_DEPTH, SPACE_IN_DOCUMENT, ValueSkipper } from '../../json-text.ts'
import { MemberWalk } from '../../protocols/json-walk.ts'
import type { ParsedFields } from './parsed-fields.ts'

/** Zeros behind the text, at which every loop of the reader ends. */
const SLACK_BYTES = 16
const BUFFER_BYTES = 16_384

/**
 * Reads JSON text inside of a text: checks it, and finds its members, whose values stay JSON text, so that numbers keep theirs. Nesting is bounded
 * as in records; one reader serves one text after the other.
 */
export class JsonObjectReader {
  readonly #skipper = new ValueSkipper()
  readonly #walk = new MemberWalk()
  #buffer = Buffer.alloc(BUFFER_BYTES)
  #view = new DataView(this.#buffer.buffer, this.#buffer.byteOffset, this.#buffer.length)

  #fault(text: string, depth: number): string | undefined {
    const bytes = this.#load(text)
    if (bytes < 0) return 'it is not JSON'
    const buffer = this.#buffer
    let start = 0
    while (SPACE_IN_DOCUMENT[buffer[start]!] === 1) start++
    if (buffer[start] !== OPEN_BRACE) return 'it is not a JSON object'
    const end = this.#skipper.skip(buffer, this.#view, start, depth - 1, SPACE_IN_DOCUMENT)
    if (end < 0) return this.#skipper.fault === SKIP_DEPTH ? 'its JSON is nested too deeply' : 'it is not JSON'
    let rest = end
    while (SPACE_IN_DOCUMENT[buffer[rest]!] === 1) rest++
    return rest < bytes ? 'something follows its JSON' : undefined
  }

  /** Adds the members of the JSON object `text`; `depth` is that of the object which takes them, 1 for a record. Returns why it cannot. */
  members(text: string, into: ParsedFields, depth = 1): string | undefined {
    const fault = this.#fault(text, depth)
    if (fault !== undefined) return fault
    const buffer = this.#buffer
    const walk = this.#walk
    let start = 0
    while (SPACE_IN_DOCUMENT[buffer[start]!] === 1) start++
    // The end of the object is that of the text, but for white space, which the walk does not mind.
    let end = this.#length
    while (SPACE_IN_DOCUMENT[buffer[end - 1]!] === 1) end--
    walk.open(buffer, start, end)
    while (walk.next()) {
      if (into.count === RECORD_FIELDS_MAX) {
        into.isOverfull = true
        break
      }
      const key = buffer.toString('utf8', walk.keyStart + 1, walk.keyEnd - 1)
      const name = key.includes('\\') ? (JSON.parse(`"${key}"`) as string) : key
      into.json(name, buffer.toString('utf8', walk.start, walk.end))
    }
    return undefined
  }

  #length = 0

  /** Returns how many bytes the text has; -1 when it cannot be JSON. */
  #load(text: string): number {
    const first = text.charCodeAt(0)
    // Most texts that are no JSON are known by their first character.
    if (text === '' || (first > 0x20 && !isJsonStart(first))) return -1
    if (text.length * 3 + SLACK_BYTES > this.#buffer.length) {
      const bytes = Buffer.byteLength(text)
      if (bytes + SLACK_BYTES > this.#buffer.length) {
        this.#buffer = Buffer.alloc(bytes + SLACK_BYTES)
        this.#view = new DataView(this.#buffer.buffer, this.#buffer.byteOffset, this.#buffer.length)
      }
    }
    const length = this.#buffer.write(text, 'utf8')
    this.#buffer.fill(0, length, length + SLACK_BYTES)
    this.#length = length
    return length
  }
}

/** `{`, `[`, `"`, `-`, a digit, or the first letter of true, false, null. */
function isJsonStart(code: number): boolean {
  return (
    code === 0x7b ||
    code === 0x5b ||
    code === 0x22 ||
    code === 0x2d ||
    (code >= 0x30 && code <= 0x39) ||
    code === 0x74 ||
    code === 0x66 ||
    code === 0x6e
  )
}

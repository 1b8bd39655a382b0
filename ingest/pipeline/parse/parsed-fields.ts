import { RECORD_FIELDS_MAX } from '../../../base/limits.ts'

/**
 * Takes a text apart and adds the fields that are in it. Returns why it could not, in one sentence without text of the record; undefined
 * when it did. What was added before a failure does not count.
 */
export type TextParser = (text: string, into: ParsedFields) => string | undefined

/** What a parser found, in the order of the text: names with strings, or with JSON text. Used for one record after the other. */
export class ParsedFields {
  readonly names: string[] = []
  readonly values: string[] = []
  /** 1 where the value is JSON text, 0 where it is the text of a string. */
  readonly isJson = new Uint8Array(RECORD_FIELDS_MAX)
  count = 0
  /** More fields were found than a record may have. */
  isOverfull = false

  reset(): void {
    this.count = 0
    this.isOverfull = false
  }

  text(name: string, text: string): void {
    this.#add(name, text, 0)
  }

  /** `json` is valid JSON text. */
  json(name: string, json: string): void {
    this.#add(name, json, 1)
  }

  /** A value that had no quotes: plain numbers keep their text and become numbers, `true` and `false` booleans. */
  bare(name: string, text: string): void {
    this.#add(name, text, isBareLiteral(text) ? 1 : 0)
  }

  #add(name: string, value: string, isJson: number): void {
    if (this.count === RECORD_FIELDS_MAX) {
      this.isOverfull = true
      return
    }
    this.names[this.count] = name
    this.values[this.count] = value
    this.isJson[this.count++] = isJson
  }
}

/** Longer digits are ids; they stay text. */
const NUMBER_CHARS_MAX = 24
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?$/

/** Plain numbers without an exponent, so that no id in hexadecimal is taken for one; `true`, `false`. */
function isBareLiteral(text: string): boolean {
  const first = text.charCodeAt(0)
  if (first === 0x74) return text === 'true'
  if (first === 0x66) return text === 'false'
  if (first !== 0x2d && !(first >= 0x30 && first <= 0x39)) return false
  return text.length <= NUMBER_CHARS_MAX && NUMBER.test(text)
}

import { BACKSLASH, CLOSE_BRACE, CLOSE_BRACKET, COMMA, NEWLINE, OPEN_BRACE, OPEN_BRACKET, QUOTE } from '../json-text.ts'
import type { FileLayout } from './upload-format.ts'

/** Finds where records of a file end, as its bytes go by. */
export interface RecordBounds {
  /**
   * The first place in (from, to] of `bytes` after which a record may begin; -1 when there is none. Everything up to there has been looked at; the
   * next call goes on from there, or from `to`, where what is there may stand in another buffer.
   */
  next(bytes: Buffer, from: number, to: number): number
}

export function recordBounds(layout: FileLayout): RecordBounds {
  switch (layout.kind) {
    case 'ndjson':
    case 'text':
      return new LineBounds()
    case 'csv':
      return new CsvBounds(layout.delimiter)
    case 'json-objects':
      return new ObjectBounds()
    case 'json-array':
      return new ElementBounds()
  }
}

class LineBounds implements RecordBounds {
  next(bytes: Buffer, from: number, to: number): number {
    const newline = bytes.indexOf(NEWLINE, from)
    return newline < 0 || newline >= to ? -1 : newline + 1
  }
}

const FIELD_START = 0
const IN_FIELD = 1
const IN_QUOTES = 2
/** After a quote within quotes: it is doubled, or it closed. */
const AFTER_QUOTE = 3

/** Reads as CsvReader of ingest/protocols/csv.ts does. */
class CsvBounds implements RecordBounds {
  readonly #delimiter: number
  #state = FIELD_START

  constructor(delimiter: number) {
    this.#delimiter = delimiter
  }

  next(bytes: Buffer, from: number, to: number): number {
    const delimiter = this.#delimiter
    let state = this.#state
    for (let p = from; p < to; p++) {
      const c = bytes[p]!
      if (state === IN_QUOTES) {
        if (c === QUOTE) state = AFTER_QUOTE
      } else if (state === AFTER_QUOTE && c === QUOTE) state = IN_QUOTES
      else if (c === NEWLINE) {
        this.#state = FIELD_START
        return p + 1
      } else if (c === delimiter) state = FIELD_START
      else state = state === FIELD_START && c === QUOTE ? IN_QUOTES : IN_FIELD
    }
    this.#state = state
    return -1
  }
}

/** Of JSON: quotes and brackets alone. */
class JsonWalk {
  depth = 0
  isInString = false
  isEscaped = false
}

/** Of objects that follow one another: after each that closes. */
class ObjectBounds implements RecordBounds {
  readonly #walk = new JsonWalk()

  next(bytes: Buffer, from: number, to: number): number {
    const walk = this.#walk
    let { depth, isInString, isEscaped } = walk
    let bound = -1
    for (let p = from; p < to; p++) {
      const c = bytes[p]!
      if (isInString) {
        if (isEscaped) isEscaped = false
        else if (c === QUOTE) isInString = false
        else if (c === BACKSLASH) isEscaped = true
      } else if (c === QUOTE) isInString = true
      else if (c === OPEN_BRACE || c === OPEN_BRACKET) depth++
      else if (c === CLOSE_BRACE || c === CLOSE_BRACKET) {
        if (depth > 0) depth--
        if (depth === 0) {
          bound = p + 1
          break
        }
      }
    }
    walk.depth = depth
    walk.isInString = isInString
    walk.isEscaped = isEscaped
    return bound
  }
}

/** Of elements of an array: after each comma between them. It begins within the array, and past its end there is no place. */
class ElementBounds implements RecordBounds {
  readonly #walk = new JsonWalk()
  #hasClosed = false

  next(bytes: Buffer, from: number, to: number): number {
    if (this.#hasClosed) return -1
    const walk = this.#walk
    let { depth, isInString, isEscaped } = walk
    let bound = -1
    for (let p = from; p < to; p++) {
      const c = bytes[p]!
      if (isInString) {
        if (isEscaped) isEscaped = false
        else if (c === QUOTE) isInString = false
        else if (c === BACKSLASH) isEscaped = true
      } else if (c === QUOTE) isInString = true
      else if (c === COMMA && depth === 0) {
        bound = p + 1
        break
      } else if (c === OPEN_BRACE || c === OPEN_BRACKET) depth++
      else if ((c === CLOSE_BRACE || c === CLOSE_BRACKET) && --depth < 0) {
        this.#hasClosed = true
        break
      }
    }
    walk.depth = depth
    walk.isInString = isInString
    walk.isEscaped = isEscaped
    return bound
  }
}

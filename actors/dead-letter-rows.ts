import { isUtf8 } from 'node:buffer'
import { VALUE_STRING } from '../base/columns.ts'
import { DEAD_LETTER_RAW_BYTES_MAX, DEAD_LETTERS_CHUNK_BYTES_MAX } from '../base/limits.ts'
import type { ColumnWriter } from '../ingest/column-writer.ts'
import type { RecordRejection, RejectCode } from '../ingest/reject.ts'
import { decodeRecordId } from '../storage/record-id.ts'
import type { IngestRequest, RequestDefaults } from './messages/ingest.ts'

/** Of the rows that say which dead letters have been stored after all; the letter's id is in the field `letter`. */
export const REPLAYED_SERVICE = 'replayed'

/**
 * What is kept of refused records (X1: up to 64 KiB of each), as rows. Beside the bytes that came, `line` is the record that was made of them where the protocol
 * is not ours: it alone has what the request says of many records at once, so that it can be stored later without the request.
 */
export class DeadLetterRows {
  /** What the dead letters of the chunk being scanned may still take. */
  #bytesLeft = 0

  startChunk(): void {
    this.#bytesLeft = DEAD_LETTERS_CHUNK_BYTES_MAX
  }

  /** Adds the row of one refused record. */
  add(
    writer: ColumnWriter,
    request: IngestRequest,
    { index, start, end }: Pick<RecordRejection, 'index' | 'start' | 'end'>,
    code: RejectCode,
    reason: string,
  ): void {
    const { body, decoded } = request
    const isDecoded = decoded !== undefined && decoded.refusalOf(index) === undefined
    const whole = decoded === undefined ? body.subarray(start, end) : decoded.sourceOf(index)
    const raw = whole.subarray(0, Math.min(DEAD_LETTER_RAW_BYTES_MAX, this.#bytesLeft))
    this.#bytesLeft -= raw.length
    const isText = isUtf8(raw)
    writer.beginRow(request.receivedMs, 0)
    writer.addString('level', VALUE_STRING, 'ERROR')
    writer.addString('service', VALUE_STRING, request.protocol)
    writer.addString('message', VALUE_STRING, reason)
    writer.addString('code', VALUE_STRING, code)
    writer.addString('raw', VALUE_STRING, Buffer.from(raw).toString(isText ? 'utf8' : 'base64'))
    writer.addString('encoding', VALUE_STRING, isText ? 'utf8' : 'base64')
    if (raw.length < whole.length) writer.addString('size', VALUE_STRING, String(whole.length))
    if (decoded === undefined) writer.addString('form', VALUE_STRING, 'json')
    if (isDecoded) this.#addLine(writer, body.subarray(start, end))
    const defaults = defaultsOf(request)
    if (defaults !== undefined) writer.addString('defaults', VALUE_STRING, defaults)
    writer.commitRow()
  }

  /** All of it or nothing: a part of a line is no record. */
  #addLine(writer: ColumnWriter, line: Uint8Array): void {
    if (line.length > Math.min(DEAD_LETTER_RAW_BYTES_MAX, this.#bytesLeft) || !isUtf8(line)) return
    this.#bytesLeft -= line.length
    writer.addString('line', VALUE_STRING, Buffer.from(line).toString('utf8'))
  }
}

/** Says that the record of a dead letter is stored. The row has the letter's own time, so that both are kept equally long. */
export function addReplayedRow(writer: ColumnWriter, letter: string): void {
  const { timeMs, timeNs } = decodeRecordId(letter)
  writer.beginRow(timeMs, timeNs)
  writer.addString('level', VALUE_STRING, 'INFO')
  writer.addString('service', VALUE_STRING, REPLAYED_SERVICE)
  writer.addString('letter', VALUE_STRING, letter)
  writer.commitRow()
}

function defaultsOf(request: IngestRequest): string | undefined {
  const { serviceDefault, hostDefault, timeField, messageField } = request
  const text = JSON.stringify({ serviceDefault, hostDefault, timeField, messageField } satisfies {
    [K in keyof RequestDefaults]: unknown
  })
  return text === '{}' ? undefined : text
}

import { isUtf8 } from 'node:buffer'
import { VALUE_STRING } from '../base/columns.ts'
import { DEAD_LETTER_RAW_BYTES_MAX, DEAD_LETTERS_CHUNK_BYTES_MAX } from '../base/limits.ts'
import type { ColumnWriter } from '../ingest/column-writer.ts'
import type { RecordRejection, RejectCode } from '../ingest/reject.ts'
import { decodeRecordId } from '../storage/record-id.ts'
import type { IngestRequest, RequestDefaults } from './messages/ingest.ts'

/** Of the rows that say which dead letters have been stored after all; the letter's id is in the field `letter`. */
export const REPLAYED_SERVICE = 'replayed'

/** What is kept of a refused record. */
export interface DeadLetter {
  readonly code: RejectCode
  /** One sentence. */
  readonly reason: string
  /** X1: up to 64 KiB of what came. */
  readonly raw: Uint8Array
  /** All that came; good while the request is. */
  readonly whole: Uint8Array
  /**
   * The record that was made of them where the protocol is not ours: it alone has what the request says of many records at once, so that it
   * can be stored later without the request.
   */
  readonly line: Uint8Array | undefined
  /** That record, also where it is too long to be kept; good while the request is. */
  readonly made: Uint8Array | undefined
  /** The step that has failed on it. */
  readonly cause?: { readonly pipeline: string; readonly version: number; readonly step: number }
}

/** The letter of a record that stands at [start, end) of the request's body; `bytesMax` bounds all that is kept. Its bytes are views of the request's. */
export function letterOf(
  { body, decoded }: IngestRequest,
  { index, start, end }: Pick<RecordRejection, 'index' | 'start' | 'end'>,
  code: RejectCode,
  reason: string,
  bytesMax: number,
): DeadLetter {
  const isDecoded = decoded !== undefined && decoded.refusalOf(index) === undefined
  const whole = decoded === undefined ? body.subarray(start, end) : decoded.sourceOf(index)
  const raw = whole.subarray(0, Math.max(0, Math.min(DEAD_LETTER_RAW_BYTES_MAX, bytesMax)))
  const made = isDecoded ? body.subarray(start, end) : undefined
  // All of a line or nothing: a part of one is no record.
  const isKept = made !== undefined && made.length <= Math.min(DEAD_LETTER_RAW_BYTES_MAX, bytesMax - raw.length)
  return { code, reason, raw, whole, line: isKept && isUtf8(made) ? made : undefined, made }
}

/** What is kept of refused records, as rows. */
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
    at: Pick<RecordRejection, 'index' | 'start' | 'end'>,
    code: RejectCode,
    reason: string,
  ): void {
    const letter = letterOf(request, at, code, reason, this.#bytesLeft)
    this.#bytesLeft -= letter.raw.length + (letter.line?.length ?? 0)
    addLetterRow(writer, request, letter)
  }
}

export function addLetterRow(writer: ColumnWriter, request: IngestRequest, letter: DeadLetter): void {
  const { code, reason, raw, whole, line, cause } = letter
  const isText = isUtf8(raw)
  writer.beginRow(request.receivedMs, 0)
  writer.addString('level', VALUE_STRING, 'ERROR')
  writer.addString('service', VALUE_STRING, request.protocol)
  writer.addString('message', VALUE_STRING, reason)
  writer.addString('code', VALUE_STRING, code)
  writer.addString('raw', VALUE_STRING, Buffer.from(raw).toString(isText ? 'utf8' : 'base64'))
  writer.addString('encoding', VALUE_STRING, isText ? 'utf8' : 'base64')
  if (raw.length < whole.length) writer.addString('size', VALUE_STRING, String(whole.length))
  if (request.decoded === undefined) writer.addString('form', VALUE_STRING, 'json')
  if (line !== undefined) writer.addString('line', VALUE_STRING, Buffer.from(line).toString('utf8'))
  const defaults = defaultsOf(request)
  if (defaults !== undefined) writer.addString('defaults', VALUE_STRING, defaults)
  if (cause !== undefined) {
    writer.addString('pipeline', VALUE_STRING, cause.pipeline)
    writer.addString('pipelineVersion', VALUE_STRING, String(cause.version))
    writer.addString('pipelineStep', VALUE_STRING, String(cause.step))
  }
  writer.commitRow()
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

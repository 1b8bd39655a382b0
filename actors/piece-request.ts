import type { Clock } from '../base/clock.ts'
import { WeirError } from '../base/errors.ts'
import { RECORD_BYTES_MAX } from '../base/limits.ts'
import { decodeCsvRows } from '../ingest/protocols/csv.ts'
import { DecodedBody, type Decoding } from '../ingest/protocols/decoded-body.ts'
import type { ByteRoom } from '../ingest/protocols/json-writer.ts'
import { decodeTextLines } from '../ingest/protocols/text-lines.ts'
import type { Piece } from '../ingest/upload/piece-cutter.ts'
import type { FileLayout } from '../ingest/upload/upload-format.ts'
import type { IngestRequest } from './messages/ingest.ts'
import type { UploadEntry } from './upload-entry.ts'

/** As dead letters and metrics name it. */
const PROTOCOL = 'upload'
/** What lines of JSON may come to, of a piece: a row of CSV is written with the names of all its columns. */
const LINES_BYTES_MAX = 256 * 1024 * 1024
const LINES_MARGIN = 1.5
const TOO_LONG = {
  code: 'record_too_large',
  reason: `The record is longer than ${RECORD_BYTES_MAX} bytes`,
} as const

export interface PieceAbout {
  readonly entry: UploadEntry
  readonly layout: FileLayout
  readonly piece: Piece
  readonly idempotencyKey: string
  readonly clock: Clock
}

export interface PreparedPiece {
  readonly request: IngestRequest
  /** To be called when it is stored; not after an error, for then it may still be read. */
  release(): void
}

/** The request that ingests a piece; undefined when no record is in it. `admit` is called for all bytes that it takes, and may throw. */
export async function pieceRequest(
  { entry, layout, piece, idempotencyKey, clock }: PieceAbout,
  room: ByteRoom,
  admit: (bytes: number) => void,
): Promise<PreparedPiece | undefined> {
  const { timeField, messageField, serviceDefault, hostDefault } = entry.options
  const about = {
    tenant: entry.tenant,
    protocol: PROTOCOL,
    receivedMs: clock.nowMs(),
    // The same whenever it comes: which records are too old, and the time of those that have none.
    asOfMs: entry.createdMs,
    idempotencyKey,
    ...(timeField === undefined ? {} : { timeField }),
    ...(messageField === undefined ? {} : { messageField }),
    ...(serviceDefault === undefined ? {} : { serviceDefault }),
    ...(hostDefault === undefined ? {} : { hostDefault }),
  }
  const { bytes } = piece
  admit(bytes.length)
  if (!piece.isLongRecord && layout.kind !== 'text' && layout.kind !== 'csv') {
    return { request: { ...about, format: layout.kind === 'ndjson' ? 'ndjson' : 'json', body: bytes }, release() {} }
  }
  const admitting: ByteRoom = {
    acquire(wanted) {
      if (wanted > LINES_BYTES_MAX) throw new WeirError('body_too_large', 'The rows, as records, are too large')
      return room.acquire(wanted)
    },
    release: (buffer) => room.release(buffer),
  }
  const decoded = new DecodedBody(bytes, admitting, Math.ceil(bytes.length * LINES_MARGIN))
  try {
    if (piece.isLongRecord) decoded.refuse(0, bytes.length, TOO_LONG)
    else for (const steps = decoding(layout, piece, decoded); steps.next().done !== true; ) await clock.yieldTurn()
    if (decoded.count === 0) {
      decoded.json.release()
      return undefined
    }
    admit(decoded.json.length)
  } catch (error) {
    decoded.json.release()
    throw error
  }
  const body = decoded.json.bytes()
  const request: IngestRequest = { ...about, format: 'ndjson', body, decoded, hasNamesApart: layout.kind === 'csv' }
  return { request, release: () => decoded.json.release() }
}

function decoding(layout: FileLayout, { bytes }: Piece, into: DecodedBody): Decoding {
  return layout.kind === 'csv' ? decodeCsvRows(bytes, into, layout) : decodeTextLines(bytes, into, { members: {} })
}

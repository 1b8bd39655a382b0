import type { IngestReceipt, IngestRequest } from '../actors/messages/ingest.ts'
import type { Clock } from '../base/clock.ts'
import { DecodedBody, type Decoding } from '../ingest/protocols/decoded-body.ts'
import type { ByteRoom } from '../ingest/protocols/json-writer.ts'
import type { AdmittedBytes } from './admitted-bytes.ts'
import type { IngestBackend } from './backend.ts'
import type { BodyPool } from './body-pool.ts'
import { tooLarge } from './body-reader.ts'

/** Of the lines, beyond the length of the request: what a decoder names that a sender need not. */
const LINES_MARGIN = 1.25

/** What is said of a request beside its bytes. */
export type DecodedRequest = Pick<
  IngestRequest,
  'tenant' | 'protocol' | 'takenWhole' | 'namesAllRejects' | 'idempotencyKey' | 'timeField' | 'replayOf'
>

/** Bytes of another protocol than ours, and what they are held by. */
export interface DecodedSource {
  /** Inflated. */
  readonly bytes: Buffer
  /** Covers `bytes`; the decoded lines are admitted here too, and given back. */
  readonly admitted: AdmittedBytes
  readonly signal: AbortSignal
}

export interface DecodedIngestOptions {
  readonly backend: IngestBackend
  readonly pool: BodyPool
  readonly clock: Clock
  /** Of the decoded lines of a request. */
  readonly linesBytesMax: number
}

/** The one way of records of other protocols than ours to the node, whatever they come by: a body of HTTP, or a connection of their own. */
export class DecodedIngest {
  readonly #options: DecodedIngestOptions

  constructor(options: DecodedIngestOptions) {
    this.#options = options
  }

  /**
   * Decodes the request and stores its records; resolves once the accepted ones are durable. Nothing is stored when it throws before:
   * invalid_body of the decoder, body_too_large, overloaded, draining; or what IngestBackend.ingest throws.
   */
  async ingest(
    about: DecodedRequest,
    { bytes, admitted, signal }: DecodedSource,
    decode: (source: Buffer, into: DecodedBody) => Decoding,
  ): Promise<IngestReceipt> {
    const { backend, clock, linesBytesMax, pool } = this.#options
    const room: ByteRoom = {
      acquire(wanted) {
        if (wanted > linesBytesMax + LINES_MARGIN * bytes.length) throw tooLarge(linesBytesMax)
        admitted.cover(bytes.length + wanted, bytes.length + wanted)
        return pool.acquire(wanted)
      },
      release: (buffer) => pool.release(buffer),
    }
    const receivedMs = clock.nowMs()
    const decoded = new DecodedBody(bytes, room, Math.ceil(bytes.length * LINES_MARGIN))
    const { json } = decoded
    try {
      for (const steps = decode(bytes, decoded); steps.next().done !== true; ) {
        await clock.yieldTurn()
        if (signal.aborted) throw signal.reason
      }
      if (json.length > linesBytesMax) throw tooLarge(linesBytesMax)
    } catch (error) {
      json.release()
      throw error
    }
    admitted.shrinkTo(bytes.length + json.length)
    const { serviceDefault, hostDefault } = decoded
    const request: IngestRequest = {
      ...about,
      format: 'ndjson',
      body: json.bytes(),
      receivedMs,
      decoded,
      ...(serviceDefault === undefined ? {} : { serviceDefault }),
      ...(hostDefault === undefined ? {} : { hostDefault }),
    }
    const receipt = decoded.count === 0 ? NOTHING : await backend.ingest(request, signal)
    // Only now, and not after an error: work that was given up may still be reading.
    json.release()
    return receipt
  }
}

const NOTHING: IngestReceipt = {
  accepted: 0,
  rejected: 0,
  errors: [],
  repeated: false,
  allRejects: { records: [], codes: [] },
}

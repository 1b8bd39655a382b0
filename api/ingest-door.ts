import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { AdmittedBytes } from './admitted-bytes.ts'
import { type BodyEncoding, bodyEncoding } from './body-format.ts'
import { BodyBuffer, BodyPool } from './body-pool.ts'
import { announcedLength, readBody } from './body-reader.ts'
import { clientSignal } from './client-signal.ts'
import { continueBody } from './expect-continue.ts'
import { inflate } from './inflate.ts'
import type { ServerContext } from './server-options.ts'

/** A body that has come in whole. */
export interface HeldBody {
  /** Inflated; good until `letGo`. */
  readonly bytes: Buffer
  /** Bytes of the node's budget that the request holds; more are to be covered here before they are used. */
  readonly admitted: AdmittedBytes
  /** Aborts when the client goes away. */
  readonly signal: AbortSignal
  /** Nobody reads the bytes any more. Not to be called after an error: work that was given up may still be reading. */
  letGo(): void
}

/** What a route says of its bodies. */
interface DoorOptions {
  /** How the body is compressed; by its Content-Encoding when absent. Throws unsupported_media_type. */
  readonly encodingOf?: (headers: IncomingHttpHeaders) => BodyEncoding
  /** Of the body, also inflated, where it may be smaller only than others. */
  readonly bytesMax?: number
}

/**
 * The way of every body with records into the node: refused before it is read where that is possible (D1), admitted as it comes, read,
 * inflated, and given back whatever happens.
 */
export class IngestDoor {
  readonly pool = new BodyPool()
  readonly #context: ServerContext

  constructor(context: ServerContext) {
    this.#context = context
  }

  /**
   * Takes the body in and lets `use` have it. Throws draining, overloaded, body_too_large, unsupported_media_type, invalid_body,
   * request_timeout, cancelled, and what `use` throws.
   */
  async take<T>(
    request: FastifyRequest,
    reply: FastifyReply,
    use: (body: HeldBody) => Promise<T>,
    { encodingOf = ofContentEncoding, bytesMax = Number.POSITIVE_INFINITY }: DoorOptions = {},
  ): Promise<T> {
    const { backend, options, bodyWatch, drainSignal } = this.#context
    const raw = request.raw
    const encoding = encodingOf(raw.headers)
    const bodyBytesMax = Math.min(options.bodyBytesMax, bytesMax)
    const inflatedBytesMax = Math.min(options.inflatedBytesMax, bytesMax)
    const announced = announcedLength(raw, bodyBytesMax)
    if (drainSignal.aborted) throw drainSignal.reason

    const signal = clientSignal(reply)
    const admitted = new AdmittedBytes(backend.ingest)
    const sent = new BodyBuffer(this.pool, announced ?? 0)
    try {
      continueBody(raw, reply.raw)
      await readBody(raw, sent, bodyBytesMax, admitted, bodyWatch)
      request.receivedAtMs = options.clock.monotonicMs()
      const whole =
        encoding === 'identity' ? sent : await this.#inflated(sent, encoding, inflatedBytesMax, admitted, signal)
      return await use({ bytes: whole.bytes(), admitted, signal, letGo: () => whole.release() })
    } finally {
      admitted.releaseAll()
    }
  }

  /** The inflated body; `sent` is given back. */
  async #inflated(
    sent: BodyBuffer,
    encoding: Exclude<BodyEncoding, 'identity'>,
    bytesMax: number,
    admitted: AdmittedBytes,
    signal: AbortSignal,
  ): Promise<BodyBuffer> {
    const compressed = sent.bytes()
    if (compressed.length === 0) return sent
    const body = new BodyBuffer(this.pool, 0)
    await inflate(compressed, encoding, body, bytesMax, admitted, signal)
    sent.release()
    admitted.shrinkTo(body.length)
    return body
  }
}

function ofContentEncoding(headers: IncomingHttpHeaders): BodyEncoding {
  return bodyEncoding(headers['content-encoding'])
}

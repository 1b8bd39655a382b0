import type { FastifyReply, FastifyRequest } from 'fastify'
import type { IngestReceipt, IngestRequest } from '../../actors/messages/ingest.ts'
import { present } from '../../base/assert.ts'
import { ERROR_CATALOGUE, WeirError } from '../../base/errors.ts'
import { IDEMPOTENCY_KEY_BYTES_MAX } from '../../base/limits.ts'
import { AdmittedBytes } from '../admitted-bytes.ts'
import { bodyEncoding, declaredFormat, sniffFormat, withoutMark } from '../body-format.ts'
import { BodyBuffer, BodyPool } from '../body-pool.ts'
import { announcedLength, readBody } from '../body-reader.ts'
import { clientSignal } from '../client-signal.ts'
import { IngestParameters, ingestLogs } from '../contract/ingest.ts'
import { continueBody } from '../expect-continue.ts'
import { type CompressedEncoding, inflate } from '../inflate.ts'
import { JSON_CONTENT_TYPE } from '../json-parts.ts'
import { ParameterReader } from '../parameters.ts'
import { PROBLEM_CONTENT_TYPE, problemOf } from '../problem.ts'
import type { Route } from '../route.ts'
import type { ServerContext } from '../server-options.ts'

const NO_PARAMETERS: IngestParameters = {}

/** POST /v1/logs/ingest */
export function ingestRoutes(context: ServerContext): Route[] {
  const { backend, options, bodyWatch, drainSignal } = context
  const parameters = new ParameterReader(IngestParameters)
  const bodyPool = new BodyPool()

  async function handler(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    // Whatever can be refused without the body is refused before it is read (D1).
    const { tenant } = present(request.access, 'access of an ingest request')
    const raw = request.raw
    const { headers } = raw
    const said = raw.url!.includes('?') ? parameters.ofQuery(request) : NO_PARAMETERS
    const format = declaredFormat(headers['content-type'])
    const encoding = bodyEncoding(headers['content-encoding'])
    const idempotencyKey = idempotencyKeyOf(headers['idempotency-key'])
    const announced = announcedLength(raw, options.bodyBytesMax)
    if (drainSignal.aborted) throw drainSignal.reason

    const signal = clientSignal(reply)
    const admitted = new AdmittedBytes(backend.ingest)
    const sent = new BodyBuffer(bodyPool, announced ?? 0)
    try {
      continueBody(raw, reply.raw)
      await readBody(raw, sent, options.bodyBytesMax, admitted, bodyWatch)
      request.receivedAtMs = options.clock.monotonicMs()
      const whole = encoding === 'identity' ? sent : await inflated(sent, encoding, admitted, signal)
      const body = withoutMark(whole.bytes())
      if (body.length === 0) throw new WeirError('invalid_body', 'The body is empty')
      const ingestRequest: IngestRequest = {
        tenant,
        protocol: 'http',
        format: format ?? sniffFormat(body),
        body,
        receivedMs: options.clock.nowMs(),
        ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
        ...(said.time_field ? { timeField: said.time_field } : {}),
        ...(said.message_field ? { messageField: said.message_field } : {}),
        ...(said.service ? { serviceDefault: said.service } : {}),
        ...(said.host ? { hostDefault: said.host } : {}),
      }
      const receipt = await backend.ingest.ingest(ingestRequest, signal)
      // Only now, and not after an error: work that was given up may still be reading.
      whole.release()
      return sendReceipt(request, reply, receipt)
    } finally {
      admitted.releaseAll()
    }
  }

  /** The inflated body; `sent` is given back. */
  async function inflated(
    sent: BodyBuffer,
    encoding: CompressedEncoding,
    admitted: AdmittedBytes,
    signal: AbortSignal,
  ): Promise<BodyBuffer> {
    const compressed = sent.bytes()
    if (compressed.length === 0) return sent
    const body = new BodyBuffer(bodyPool, 0)
    await inflate(compressed, encoding, body, options.inflatedBytesMax, admitted, signal)
    sent.release()
    admitted.shrinkTo(body.length)
    return body
  }

  return [{ endpoint: ingestLogs, handler, readsBody: true }]
}

function sendReceipt(request: FastifyRequest, reply: FastifyReply, receipt: IngestReceipt): FastifyReply {
  const { accepted, rejected, errors, repeated } = receipt
  if (repeated) reply.header('idempotent-replayed', 'true')
  if (accepted > 0 || repeated) {
    const listed = errors.length === 0 ? '[]' : JSON.stringify(errors)
    reply.header('content-type', JSON_CONTENT_TYPE)
    return reply.send(`{"accepted":${accepted},"rejected":${rejected},"errors":${listed}}`)
  }
  const problem = problemOf(nothingAccepted(receipt), request.url, request.id)
  if (problem.status === 429) reply.header('retry-after', '1')
  reply.code(problem.status).header('content-type', PROBLEM_CONTENT_TYPE)
  return reply.send(JSON.stringify({ accepted, rejected, errors, ...problem }))
}

function nothingAccepted({ rejected, errors }: IngestReceipt): WeirError {
  if (rejected === 0) return new WeirError('nothing_accepted', 'The request holds no record')
  if (errors.length > 0 && errors.every((reject) => reject.code === 'overloaded')) {
    return new WeirError('overloaded', ERROR_CATALOGUE.overloaded.title)
  }
  const first = errors[0]
  const reason = first === undefined ? '' : `; the first, ${first.index}: ${first.reason}`
  return new WeirError('nothing_accepted', `All ${rejected} records were rejected${reason}`)
}

/** Throws invalid_parameter for a key that is empty, too long, given twice or not printable ASCII. */
function idempotencyKeyOf(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined
  if (
    typeof header !== 'string' ||
    header.length > IDEMPOTENCY_KEY_BYTES_MAX ||
    !/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(header)
  ) {
    throw new WeirError(
      'invalid_parameter',
      `Idempotency-Key must be 1 to ${IDEMPOTENCY_KEY_BYTES_MAX} printable ASCII characters`,
      { parameter: 'Idempotency-Key' },
    )
  }
  return header
}

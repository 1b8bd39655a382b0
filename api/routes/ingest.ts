import type { FastifyReply, FastifyRequest } from 'fastify'
import type { IngestReceipt, IngestRequest } from '../../actors/messages/ingest.ts'
import { present } from '../../base/assert.ts'
import { ERROR_CATALOGUE, WeirError } from '../../base/errors.ts'
import { IDEMPOTENCY_KEY_BYTES_MAX } from '../../base/limits.ts'
import { decodeTextLines } from '../../ingest/protocols/text-lines.ts'
import { declaredFormat, isTextOfLines, sniffFormat, withoutMark } from '../body-format.ts'
import { IngestParameters, ingestLogs } from '../contract/ingest.ts'
import { JSON_CONTENT_TYPE } from '../json-parts.ts'
import { ParameterReader } from '../parameters.ts'
import { PROBLEM_CONTENT_TYPE, problemOf } from '../problem.ts'
import type { Route } from '../route.ts'
import type { IngestContext } from '../server-options.ts'

const NO_PARAMETERS: IngestParameters = {}

/** POST /v1/logs/ingest */
export function ingestRoutes({ backend, options, door, decodedIngest }: IngestContext): Route[] {
  const parameters = new ParameterReader(IngestParameters)

  async function handler(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    // Whatever can be refused without the body is refused before it is read (D1).
    const { tenant } = present(request.access, 'access of an ingest request')
    const { headers, url } = request.raw
    const said = url!.includes('?') ? parameters.ofQuery(request) : NO_PARAMETERS
    const format = declaredFormat(headers['content-type'])
    const idempotencyKey = idempotencyKeyOf(headers['idempotency-key'])
    return door.take(request, reply, async (held) => {
      const { bytes, signal, letGo } = held
      const body = withoutMark(bytes)
      if (body.length === 0) throw new WeirError('invalid_body', 'The body is empty')
      if (isTextOfLines(headers['content-type'], body)) {
        const about = { tenant, protocol: 'http', ...(idempotencyKey === undefined ? {} : { idempotencyKey }) }
        const receipt = await decodedIngest.ingest(about, { ...held, bytes: body }, (source, into) => {
          into.hostDefault = said.host
          return decodeTextLines(source, into, { members: {}, service: said.service })
        })
        letGo()
        return sendReceipt(request, reply, receipt)
      }
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
      letGo()
      return sendReceipt(request, reply, receipt)
    })
  }

  return [{ endpoint: ingestLogs, handler, readsBody: true }]
}

function sendReceipt(request: FastifyRequest, reply: FastifyReply, receipt: IngestReceipt): FastifyReply {
  const { accepted, rejected, errors, repeated } = receipt
  if (repeated) reply.header('idempotent-replayed', 'true')
  if (accepted > 0) {
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

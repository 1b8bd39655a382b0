import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { IngestReceipt, IngestRequest } from '../../actors/messages/ingest.ts'
import { ERROR_CATALOGUE, WeirError } from '../../base/errors.ts'
import type { TenantId } from '../../base/ids.ts'
import { IDEMPOTENCY_KEY_BYTES_MAX, UNKNOWN_BODIES_MAX, UNKNOWN_BODY_BYTES_MAX } from '../../base/limits.ts'
import { takeEnvelope } from '../../ingest/envelope.ts'
import { decodeTextLines } from '../../ingest/protocols/text-lines.ts'
import { authenticate, authorize, CREDENTIAL_MISSING } from '../auth.ts'
import { declaredFormat, isTextOfLines, sniffFormat, withoutMark } from '../body-format.ts'
import { IngestParameters, ingestLogs } from '../contract/ingest.ts'
import type { HeldBody } from '../ingest-door.ts'
import { JSON_CONTENT_TYPE } from '../json-parts.ts'
import { ParameterReader, parameterError } from '../parameters.ts'
import { PROBLEM_CONTENT_TYPE, problemOf } from '../problem.ts'
import type { Route } from '../route.ts'
import type { IngestContext } from '../server-options.ts'

const NO_PARAMETERS: IngestParameters = {}
const HEADER_CHARS_MAX = 1024

/** POST /v1/logs/ingest */
export function ingestRoutes({ backend, options, door, decodedIngest }: IngestContext): Route[] {
  const parameters = new ParameterReader(IngestParameters)

  const pause = () => options.clock.yieldTurn()
  let unknownBodies = 0

  async function handler(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    if (request.access !== null) return take(request, reply, request.access.tenant)
    // Who cannot tell beforehand who he is gets little of what others need.
    if (unknownBodies === UNKNOWN_BODIES_MAX)
      throw new WeirError('overloaded', 'Too many bodies bring their own credential')
    unknownBodies++
    try {
      return await take(request, reply, undefined)
    } finally {
      unknownBodies--
    }
  }

  /** Of a body without a credential of its own. Throws unauthenticated, forbidden. */
  function tenantOfToken(headers: IncomingHttpHeaders, token: string | undefined): TenantId {
    if (token === undefined) throw new WeirError('unauthenticated', CREDENTIAL_MISSING)
    const access = authenticate(options.authMode, backend.keys, { ...headers, authorization: `Bearer ${token}` })
    authorize(access, 'ingest')
    return access.tenant
  }

  async function take(
    request: FastifyRequest,
    reply: FastifyReply,
    known: TenantId | undefined,
  ): Promise<FastifyReply> {
    // Whatever can be refused without the body is refused before it is read (D1).
    const { headers, url } = request.raw
    const said = withHeaders(url!.includes('?') ? parameters.ofQuery(request) : NO_PARAMETERS, headers)
    const format = declaredFormat(headers['content-type'])
    const idempotencyKey = idempotencyKeyOf(headers['idempotency-key'])
    const limits = known === undefined ? { bytesMax: UNKNOWN_BODY_BYTES_MAX } : {}
    const taken = async (held: HeldBody) => {
      const { bytes, signal, letGo } = held
      const whole = withoutMark(bytes)
      if (whole.length === 0) throw new WeirError('invalid_body', 'The body is empty')
      const envelope = format === 'ndjson' ? undefined : await takeEnvelope(whole, pause)
      const body = envelope?.logs ?? whole
      const tenant = known ?? tenantOfToken(headers, envelope?.token)
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
        format: envelope === undefined ? (format ?? sniffFormat(body)) : 'json',
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
    }
    return door.take(request, reply, taken, limits)
  }

  return [{ endpoint: ingestLogs, handler, readsBody: true }]
}

/** What the header fields say of records that do not say it themselves. Throws invalid_parameter. */
function withHeaders(said: IngestParameters, headers: IncomingHttpHeaders): IngestParameters {
  const service = said.service ?? textOfHeader('X-Service-Id', headers['x-service-id'])
  const host = said.host ?? textOfHeader('X-Host', headers['x-host'])
  if (service === undefined && host === undefined) return said
  return { ...said, ...(service ? { service } : {}), ...(host ? { host } : {}) }
}

/** Header fields come as Latin-1; names in other scripts are UTF-8 within. */
function textOfHeader(name: string, header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined
  if (typeof header !== 'string' || header.length > HEADER_CHARS_MAX) {
    throw parameterError(name, `must be given once, with at most ${HEADER_CHARS_MAX} bytes`)
  }
  return Buffer.from(header, 'latin1').toString('utf8')
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

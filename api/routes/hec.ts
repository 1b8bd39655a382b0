import type { FastifyReply, FastifyRequest } from 'fastify'
import type { IngestReceipt } from '../../actors/messages/ingest.ts'
import { present } from '../../base/assert.ts'
import type { DecodedBody, Decoding } from '../../ingest/protocols/decoded-body.ts'
import {
  decodeHecEvents,
  HEC_BAD_FIELDS,
  HEC_BLANK_EVENT,
  HEC_NO_EVENT,
  HEC_TIME_FIELD,
} from '../../ingest/protocols/hec.ts'
import { decodeTextLines } from '../../ingest/protocols/text-lines.ts'
import { hecAck, hecCollector, hecEvent, hecHealth, hecRaw } from '../contract/hec.ts'
import type { WordedError } from '../error-words.ts'
import { type HecCode, hecAnswer, hecError } from '../hec-words.ts'
import { JSON_CONTENT_TYPE } from '../json-parts.ts'
import type { Route } from '../route.ts'
import type { IngestContext } from '../server-options.ts'

/** Paths may name the version of the protocol; there is one. */
const VERSION_PATH = '/1.0'
/** A GUID, as Splunk asks for. */
const CHANNEL = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i
/** An ackId is the worker's own number before 2^32, so that no two workers give the same one for a channel, and what it has counted. */
const ACKS_OF_WORKER = 2 ** 32
const ACK_WORKERS = 2 ** 20

const CODE_OF_REASON: ReadonlyMap<string, HecCode> = new Map([
  [HEC_NO_EVENT.reason, 12],
  [HEC_BLANK_EVENT.reason, 13],
  [HEC_BAD_FIELDS.reason, 15],
])

type Decode = (source: Buffer, into: DecodedBody) => Decoding
type TextParameters = Readonly<Record<string, unknown>>

/** Splunk's HTTP Event Collector. */
export function hecRoutes({ backend, options, drainSignal, door, decodedIngest }: IngestContext): Route[] {
  const { clock } = options
  const ackWorker = Buffer.from(clock.randomBytes(4)).readUInt32LE() % ACK_WORKERS
  let acksGiven = 0

  /** An ackId is given only for what is durable: whoever has one may take it for acknowledged. So nothing is kept of a channel. */
  function nextAckId(): number {
    acksGiven = (acksGiven + 1) % ACKS_OF_WORKER
    return ackWorker * ACKS_OF_WORKER + acksGiven
  }

  async function store(request: FastifyRequest, reply: FastifyReply, decode: Decode): Promise<FastifyReply> {
    const { tenant } = present(request.access, 'access of a request with events')
    const channel = channelOf(request)
    if (channel === 'invalid') return send(reply, hecAnswer(11))
    return door.take(request, reply, async (body) => {
      const about = { tenant, protocol: 'hec', takenWhole: true, timeField: HEC_TIME_FIELD }
      const receipt = await decodedIngest.ingest(about, body, decode)
      body.letGo()
      const { accepted, rejected } = receipt
      if (accepted === 0 && rejected === 0) return send(reply, hecAnswer(5))
      if (rejected > 0) return send(reply, refusal(receipt))
      return send(reply, hecAnswer(0, channel === undefined ? {} : { ackId: nextAckId() }))
    })
  }

  const events = (request: FastifyRequest, reply: FastifyReply) => store(request, reply, decodeHecEvents)

  const raw = (request: FastifyRequest, reply: FastifyReply) => {
    const { time, host, source, sourcetype, index } = request.query as TextParameters
    const members = textsOf({ [HEC_TIME_FIELD]: time, host, source, sourcetype, index })
    const service = typeof sourcetype === 'string' && sourcetype !== '' ? { service: sourcetype } : {}
    return store(request, reply, (text, into) => decodeTextLines(text, into, { members, ...service }))
  }

  function ack(request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const channel = channelOf(request)
    if (channel === undefined) return send(reply, hecAnswer(10))
    const ids = channel === 'invalid' ? undefined : ackIdsOf(request.body)
    if (ids === undefined) return send(reply, hecAnswer(channel === 'invalid' ? 11 : 6))
    const text = JSON.stringify({ acks: Object.fromEntries(ids.map((id) => [id, true])) })
    return send(reply, { status: 200, contentType: JSON_CONTENT_TYPE, text })
  }

  function health(_request: FastifyRequest, reply: FastifyReply): FastifyReply {
    if (drainSignal.aborted) return send(reply, hecAnswer(23))
    return send(reply, hecAnswer(backend.status.notReadyReasons().length === 0 ? 17 : 18))
  }

  const routes: Route[] = [
    { endpoint: hecEvent, handler: events, readsBody: true },
    { endpoint: hecCollector, handler: events, readsBody: true },
    { endpoint: hecRaw, handler: raw, readsBody: true },
    { endpoint: hecAck, handler: ack },
    { endpoint: hecHealth, handler: health },
  ]
  return routes
    .flatMap((route) => [route, { ...route, path: route.endpoint.path + VERSION_PATH }])
    .map((route) => ({ ...route, errorWords: hecError }))
}

function send(reply: FastifyReply, { status, contentType, text }: WordedError): FastifyReply {
  return reply.code(status).header('content-type', contentType).send(text)
}

/** The answer to a request with refused events: its clients do not send that again, and the others are stored. */
function refusal({ accepted, rejected, errors }: IngestReceipt): WordedError {
  const [first] = errors
  const code = CODE_OF_REASON.get(first?.reason ?? '') ?? 6
  return hecAnswer(code, { 'invalid-event-number': first?.index, accepted, rejected, detail: first?.reason })
}

/** The channel that a request names, in the header field or as a parameter. */
function channelOf({ headers, query }: FastifyRequest): string | 'invalid' | undefined {
  const channel = headers['x-splunk-request-channel'] ?? (query as TextParameters).channel
  if (channel === undefined || channel === '') return undefined
  return typeof channel === 'string' && CHANNEL.test(channel) ? channel : 'invalid'
}

function textsOf(values: TextParameters): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string' && entry[1] !== '',
    ),
  )
}

/** The numbers of `{"acks":[0,1]}`; undefined where the body is something else. */
function ackIdsOf(body: unknown): readonly number[] | undefined {
  try {
    const { acks } = JSON.parse(String(body)) as { readonly acks: unknown }
    return Array.isArray(acks) && acks.every((id) => Number.isSafeInteger(id) && id >= 0) ? acks : undefined
  } catch {
    return undefined
  }
}

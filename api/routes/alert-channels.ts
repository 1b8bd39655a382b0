import type { FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { channelIdOf } from '../../alerts/notify/channel-definition.ts'
import type { Delivery } from '../../alerts/notify/delivery.ts'
import { present } from '../../base/assert.ts'
import { isTenantName } from '../../base/ids.ts'
import type { Access } from '../auth.ts'
import type { AlertStored } from '../backend.ts'
import { clientSignal } from '../client-signal.ts'
import {
  createAlertChannel,
  DeliveryParameters,
  deleteAlertChannel,
  getAlertChannel,
  listAlertChannels,
  listAlertDeliveries,
  putAlertChannel,
  testAlertChannel,
} from '../contract/alert-channels.ts'
import { NoParameters } from '../contract/records.ts'
import { JSON_CONTENT_TYPE } from '../json-parts.ts'
import { ParameterReader, parameterError } from '../parameters.ts'
import type { Route } from '../route.ts'
import type { ServerContext } from '../server-options.ts'

/** What a definition may have is for the channels to say, with the path of what is wrong. */
const AnyObject = Type.Object({}, { additionalProperties: true })
/** Shown with a channel, and no part of its definition. */
const SHOWN_ONLY = ['revision', 'createdAt', 'updatedAt']
const DELIVERIES_DEFAULT = 100

type Shown = Readonly<Record<string, unknown>>

/** /v1/alerts/channels, and what became of notifications */
export function alertChannelRoutes(context: ServerContext): Route[] {
  const { alertChannels } = context.backend
  const { clock } = context.options
  const noParameters = new ParameterReader(NoParameters)
  const definitions = new ParameterReader(AnyObject)
  const deliveryParameters = new ParameterReader(DeliveryParameters)

  function begin(request: FastifyRequest): Access {
    noParameters.ofQuery(request)
    return present(request.access, 'access of channels')
  }

  async function list(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = begin(request)
    return send(reply, { channels: (await alertChannels.list(tenant)).map(shown) })
  }

  async function create(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = begin(request)
    const definition = definitionOf(request)
    const { id = newId(definition.name) } = definition
    if (typeof id !== 'string') throw parameterError('id', 'must be text')
    const channel = await alertChannels.put(tenant, checkedId(id), definition, 0)
    return sendStored(reply.code(201), channel)
  }

  async function get(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = begin(request)
    return sendStored(reply, await alertChannels.get(tenant, idOf(request)))
  }

  async function put(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = begin(request)
    const channel = await alertChannels.put(tenant, idOf(request), definitionOf(request), expectedRevision(request))
    return sendStored(reply.code(channel.createdMs === channel.updatedMs ? 201 : 200), channel)
  }

  async function remove(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = begin(request)
    await alertChannels.remove(tenant, idOf(request), expectedRevision(request))
    return reply.code(204).send()
  }

  async function test(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = begin(request)
    const result = await alertChannels.test(tenant, idOf(request), clientSignal(reply))
    return send(reply, {
      delivered: result.delivered,
      outcome: result.delivered ? 'delivered' : result.reason,
      detail: result.detail ?? null,
      status: result.status ?? null,
      tookMs: Math.round(result.tookMs),
    })
  }

  async function deliveries(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = present(request.access, 'access of deliveries')
    const { firing, channel, status, limit = DELIVERIES_DEFAULT } = deliveryParameters.ofQuery(request)
    const found = await alertChannels.deliveries(tenant, {
      limit,
      ...(firing === undefined ? {} : { firingId: firing }),
      ...(channel === undefined ? {} : { channel }),
      ...(status === undefined ? {} : { status }),
    })
    return send(reply, { deliveries: found.map(deliveryShown) })
  }

  function definitionOf(request: FastifyRequest): Shown {
    const given = Object.entries(definitions.ofJson(request) as Shown)
    return Object.fromEntries(given.filter(([name]) => !SHOWN_ONLY.includes(name)))
  }

  function newId(name: unknown): string {
    const made = typeof name === 'string' ? channelIdOf(name) : undefined
    return made ?? Buffer.from(clock.randomBytes(8)).toString('hex')
  }

  return [
    { endpoint: listAlertChannels, handler: list },
    { endpoint: createAlertChannel, handler: create },
    { endpoint: getAlertChannel, handler: get },
    { endpoint: putAlertChannel, handler: put },
    { endpoint: deleteAlertChannel, handler: remove },
    { endpoint: testAlertChannel, handler: test },
    { endpoint: listAlertDeliveries, handler: deliveries },
  ]
}

function expectedRevision(request: FastifyRequest): number | undefined {
  const header = request.headers['if-match']
  if (header === undefined || header === '*') return undefined
  const revision = /^"?(\d{1,9})"?$/.exec(header)?.[1]
  if (revision === undefined) throw parameterError('If-Match', 'must be a revision, such as "3"')
  return Number(revision)
}

function idOf(request: FastifyRequest): string {
  return checkedId((request.params as { id: string }).id)
}

function checkedId(id: string): string {
  if (!isTenantName(id))
    throw parameterError('id', 'must be 1 to 64 letters, digits, `_`, `.` or `-`, beginning with a letter or digit')
  return id
}

function shown({ id, revision, createdMs, updatedMs, value }: AlertStored<Shown>): Shown {
  return { ...value, id, revision, createdAt: timeText(createdMs), updatedAt: timeText(updatedMs) }
}

function deliveryShown(delivery: Delivery): Shown {
  const { firingId, kind, channel, rule, status, attempts, fallbackOf, fellBackTo, log } = delivery
  const { createdMs, nextMs, settledMs } = delivery
  return {
    firingId,
    kind,
    channel,
    rule,
    status,
    createdAt: timeText(createdMs),
    nextAttemptAt: status === 'waiting' ? timeText(nextMs) : null,
    settledAt: settledMs === null ? null : timeText(settledMs),
    attempts,
    fallbackOf,
    fellBackTo,
    log: log.map(({ atMs, ...rest }) => ({ at: timeText(atMs), ...rest })),
  }
}

function timeText(ms: number): string {
  return new Date(ms).toISOString()
}

function sendStored(reply: FastifyReply, stored: AlertStored<Shown>): FastifyReply {
  return send(reply.header('etag', `"${stored.revision}"`), shown(stored))
}

function send(reply: FastifyReply, value: unknown): FastifyReply {
  return reply.header('content-type', JSON_CONTENT_TYPE).send(JSON.stringify(value))
}

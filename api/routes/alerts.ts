import type { FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import type { AlertEvent, AlertRuleStatus, AlertSilence } from '../../actors/messages/alert.ts'
import { present } from '../../base/assert.ts'
import { isTenantName, type TenantId } from '../../base/ids.ts'
import { ALERT_BACKTEST_RANGE_MAX_MS, ALERT_SILENCE_EVERY_MIN_MS } from '../../base/limits.ts'
import type { Access } from '../auth.ts'
import type { AlertBackend, AlertStored } from '../backend.ts'
import { clientSignal } from '../client-signal.ts'
import { BacktestBody, BacktestRuleBody, backtestAlertRule, backtestAlerts } from '../contract/alert-backtests.ts'
import {
  AckBody,
  ackAlertEvent,
  createAlertRule,
  createAlertSilence,
  deleteAlertRule,
  deleteAlertSilence,
  EventParameters,
  getAlertEvent,
  getAlertRule,
  getAlertRuleStatus,
  getAlertSilence,
  listAlertEvents,
  listAlertRules,
  listAlertSilences,
  putAlertRule,
  putAlertSilence,
  SilenceBody,
} from '../contract/alerts.ts'
import { NoParameters } from '../contract/records.ts'
import { JSON_CONTENT_TYPE } from '../json-parts.ts'
import { ParameterReader, parameterError } from '../parameters.ts'
import { durationMsOf, rangeOf, timeMsOf, timeoutMsOf } from '../query-request.ts'
import type { Route } from '../route.ts'
import type { ServerContext } from '../server-options.ts'

/** What a definition may have is for the rules to say, with the path of what is wrong. */
const AnyObject = Type.Object({}, { additionalProperties: true })
const EVENTS_DEFAULT = 100
const BACKTEST_DEFAULT_MS = 24 * 3600_000

/** /v1/alerts: rules, events, silences */
export function alertRoutes(context: ServerContext): Route[] {
  const { alerts } = context.backend
  const { clock } = context.options
  const noParameters = new ParameterReader(NoParameters)
  const definitions = new ParameterReader(AnyObject)
  const eventParameters = new ParameterReader(EventParameters)
  const acks = new ParameterReader(AckBody)
  const backtestBodies = new ParameterReader(BacktestBody)
  const backtestRuleBodies = new ParameterReader(BacktestRuleBody)
  const silenceBodies = new ParameterReader(SilenceBody)

  function begin(request: FastifyRequest): Access {
    noParameters.ofQuery(request)
    return present(request.access, 'access of alerts')
  }

  async function listRules(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = begin(request)
    return send(reply, { rules: (await alerts.rules.list(tenant)).map(ruleShown) })
  }

  async function createRule(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = begin(request)
    const rule = await alerts.rules.put(tenant, newId(), definitionOf(request), 0)
    return sendStored(reply.code(201), rule, ruleShown(rule))
  }

  async function getRule(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = begin(request)
    const rule = await alerts.rules.get(tenant, idOf(request))
    return sendStored(reply, rule, ruleShown(rule))
  }

  async function putRule(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = begin(request)
    const rule = await alerts.rules.put(tenant, idOf(request), definitionOf(request), expectedRevision(request))
    return sendStored(reply.code(rule.createdMs === rule.updatedMs ? 201 : 200), rule, ruleShown(rule))
  }

  async function deleteRule(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = begin(request)
    await alerts.rules.remove(tenant, idOf(request), expectedRevision(request))
    return reply.code(204).send()
  }

  async function ruleStatus(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = begin(request)
    return send(reply, statusShown(await alerts.status(tenant, idOf(request), clientSignal(reply))))
  }

  async function backtestRule(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = begin(request)
    const { definition, ...range } = backtestRuleBodies.ofJson(request)
    return backtest(reply, tenant, { rule: idOf(request), ...(definition === undefined ? {} : { definition }) }, range)
  }

  async function backtestDefinition(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = begin(request)
    const { definition, ...range } = backtestBodies.ofJson(request)
    return backtest(reply, tenant, { definition }, range)
  }

  async function backtest(
    reply: FastifyReply,
    tenant: TenantId,
    what: Parameters<AlertBackend['backtest']>[1],
    given: { readonly from?: string | number; readonly to?: string | number; readonly timeout?: string },
  ): Promise<FastifyReply> {
    const nowMs = clock.nowMs()
    const { fromMs, toMs } = rangeOf(given, nowMs, { fromMs: nowMs - BACKTEST_DEFAULT_MS, toMs: nowMs })
    if (toMs - fromMs > ALERT_BACKTEST_RANGE_MAX_MS) throw parameterError('from', 'is more than 31 days before `to`')
    const range = { fromMs: Math.round(fromMs), toMs: Math.round(toMs) }
    const answer = await alerts.backtest(tenant, what, range, timeoutMsOf(given.timeout), clientSignal(reply))
    const { firings, firingsLeftOut, coverage, tookMs } = answer
    const shown = firings.map(({ atMs, noticedMs, resolvedMs, value, group }) => ({
      at: timeText(atMs),
      noticedAt: timeText(noticedMs),
      resolvedAt: resolvedMs === null ? null : timeText(resolvedMs),
      value,
      group,
    }))
    return send(reply, { firings: shown, firingsLeftOut, coverage, tookMs })
  }

  async function listEvents(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = present(request.access, 'access of alerts')
    const { rule, state, from, to, limit = EVENTS_DEFAULT, cursor } = eventParameters.ofQuery(request)
    const found = await alerts.events(tenant, {
      limit,
      ...(rule === undefined ? {} : { rule }),
      ...(state === undefined ? {} : { state }),
      ...(from === undefined ? {} : { fromMs: timeOf('from', from) }),
      ...(to === undefined ? {} : { toMs: timeOf('to', to) }),
      ...(cursor === undefined ? {} : { cursor }),
    })
    return send(reply, { events: found.events.map(eventShown), nextCursor: found.nextCursor })
  }

  async function getEvent(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = begin(request)
    return send(reply, eventShown(await alerts.event(tenant, idOf(request))))
  }

  async function ack(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = begin(request)
    const { by, comment } = acks.ofJson(request)
    return send(reply, eventShown(await alerts.acknowledge(tenant, idOf(request), by, comment)))
  }

  async function listSilences(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = begin(request)
    return send(reply, { silences: (await alerts.silences.list(tenant)).map(silenceShown) })
  }

  async function createSilence(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = begin(request)
    const silence = await alerts.silences.put(tenant, newId(), silenceOf(silenceBodies.ofJson(request)), 0)
    return sendStored(reply.code(201), silence, silenceShown(silence))
  }

  async function getSilence(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = begin(request)
    const silence = await alerts.silences.get(tenant, idOf(request))
    return sendStored(reply, silence, silenceShown(silence))
  }

  async function putSilence(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = begin(request)
    const value = silenceOf(silenceBodies.ofJson(request))
    const silence = await alerts.silences.put(tenant, idOf(request), value, expectedRevision(request))
    return sendStored(reply.code(silence.createdMs === silence.updatedMs ? 201 : 200), silence, silenceShown(silence))
  }

  async function deleteSilence(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = begin(request)
    await alerts.silences.remove(tenant, idOf(request), expectedRevision(request))
    return reply.code(204).send()
  }

  function definitionOf(request: FastifyRequest): Readonly<Record<string, unknown>> {
    return definitions.ofJson(request) as Record<string, unknown>
  }

  function newId(): string {
    return Buffer.from(clock.randomBytes(8)).toString('hex')
  }

  function timeOf(name: string, time: string | number): number {
    return Math.round(timeMsOf(name, time, clock.nowMs()))
  }

  function silenceOf({ matchers, startsAt, endsAt, every, comment, by }: SilenceBody): AlertSilence {
    const startsMs = startsAt === undefined ? clock.nowMs() : timeOf('startsAt', startsAt)
    const endsMs = timeOf('endsAt', endsAt)
    if (endsMs <= startsMs) throw parameterError('endsAt', 'must be later than `startsAt`')
    const everyMs = every === undefined ? undefined : durationMsOf('every', every)
    if (everyMs !== undefined && everyMs < Math.max(ALERT_SILENCE_EVERY_MIN_MS, endsMs - startsMs))
      throw parameterError('every', 'must be at least a minute, and no shorter than the window itself')
    return {
      matchers,
      startsMs,
      endsMs,
      ...(everyMs === undefined ? {} : { everyMs }),
      ...(comment === undefined ? {} : { comment }),
      ...(by === undefined ? {} : { by }),
    }
  }

  function silenceShown(stored: AlertStored<AlertSilence>) {
    const { id, revision, createdMs, updatedMs } = stored
    const { matchers, startsMs, endsMs, everyMs, comment, by } = stored.value
    return {
      id,
      revision,
      createdAt: timeText(createdMs),
      updatedAt: timeText(updatedMs),
      active: alerts.isInForce(stored.value),
      matchers,
      startsAt: timeText(startsMs),
      endsAt: timeText(endsMs),
      ...(everyMs === undefined ? {} : { every: `${everyMs / 1000}s` }),
      ...(comment === undefined ? {} : { comment }),
      ...(by === undefined ? {} : { by }),
    }
  }

  return [
    { endpoint: listAlertRules, handler: listRules },
    { endpoint: createAlertRule, handler: createRule },
    { endpoint: getAlertRule, handler: getRule },
    { endpoint: putAlertRule, handler: putRule },
    { endpoint: deleteAlertRule, handler: deleteRule },
    { endpoint: getAlertRuleStatus, handler: ruleStatus },
    { endpoint: backtestAlertRule, handler: backtestRule },
    { endpoint: backtestAlerts, handler: backtestDefinition },
    { endpoint: listAlertEvents, handler: listEvents },
    { endpoint: getAlertEvent, handler: getEvent },
    { endpoint: ackAlertEvent, handler: ack },
    { endpoint: listAlertSilences, handler: listSilences },
    { endpoint: createAlertSilence, handler: createSilence },
    { endpoint: getAlertSilence, handler: getSilence },
    { endpoint: putAlertSilence, handler: putSilence },
    { endpoint: deleteAlertSilence, handler: deleteSilence },
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
  const { id } = request.params as { id: string }
  if (!isTenantName(id))
    throw parameterError('id', 'must be 1 to 64 letters, digits, `_`, `.` or `-`, beginning with a letter or digit')
  return id
}

function ruleShown({ id, revision, createdMs, updatedMs, value }: AlertStored<Record<string, unknown>>) {
  return { id, revision, createdAt: timeText(createdMs), updatedAt: timeText(updatedMs), definition: value }
}

function statusShown({ groups, evaluatedThroughMs, ...rest }: AlertRuleStatus) {
  return {
    ...rest,
    evaluatedThrough: evaluatedThroughMs === null ? null : timeText(evaluatedThroughMs),
    groups: groups.map(({ sinceMs, ...of }) => ({ ...of, since: sinceMs === null ? null : timeText(sinceMs) })),
  }
}

function eventShown({ window, firedMs, resolvedMs, ack, ...rest }: AlertEvent) {
  return {
    ...rest,
    window: { from: timeText(window.fromMs), to: timeText(window.toMs) },
    firedAt: timeText(firedMs),
    resolvedAt: resolvedMs === null ? null : timeText(resolvedMs),
    ack:
      ack === null
        ? null
        : { by: ack.by, at: timeText(ack.atMs), ...(ack.comment === undefined ? {} : { comment: ack.comment }) },
  }
}

function timeText(ms: number): string {
  return new Date(ms).toISOString()
}

function sendStored(reply: FastifyReply, { revision }: AlertStored<unknown>, shown: unknown): FastifyReply {
  return send(reply.header('etag', `"${revision}"`), shown)
}

function send(reply: FastifyReply, value: unknown): FastifyReply {
  return reply.header('content-type', JSON_CONTENT_TYPE).send(JSON.stringify(value))
}

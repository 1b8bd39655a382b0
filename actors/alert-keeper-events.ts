import { asWeirError, WeirError } from '../base/errors.ts'
import type { TenantId } from '../base/ids.ts'
import { ALERT_EVENTS_KEPT_MS, ALERT_EVENTS_PER_TENANT_MAX } from '../base/limits.ts'
import type { Registry, RegistryEntry } from '../cluster/registry.ts'
import type { AlertEvent, AlertEventQuery, AlertEvents } from './messages/alert.ts'

/** `alert-event/<tenant>/<id>` */
const PREFIX = 'alert-event/'
/** An event is changed by its keeper and by whoever acknowledges it: seldom at once. */
const TRIES_MAX = 8
/** Entries read between two pauses: some milliseconds, however long they are. */
const SLICE_ENTRIES = 50

/** What has fired, of all tenants: entries of the registry, one an episode, bounded in number and age. */
export class AlertEventLedger {
  readonly #registry: Registry
  readonly #pause: () => Promise<void>

  /** `pause` is called between two slices of work (T2). */
  constructor(registry: Registry, pause: () => Promise<void>) {
    this.#registry = registry
    this.#pause = pause
  }

  /** Throws not_found. */
  async get(tenant: TenantId, id: string): Promise<AlertEvent> {
    const found = await this.#registry.get(keyOf(tenant, id))
    if (found === undefined) throw new WeirError('not_found', 'There is no such event')
    return decode(found)
  }

  /** Newest first. Throws invalid_parameter for a cursor that is none. */
  async list(tenant: TenantId, query: AlertEventQuery): Promise<AlertEvents> {
    const { rule, state, limit, cursor } = query
    const fromMs = query.fromMs ?? Number.NEGATIVE_INFINITY
    const toMs = query.toMs ?? Number.POSITIVE_INFINITY
    const behind = cursor === undefined ? undefined : placeOf(cursor)
    const found = (await this.#all(tenant)).filter(
      (event) =>
        (rule === undefined || event.rule.id === rule) &&
        (state === undefined || event.state === state) &&
        event.firedMs >= fromMs &&
        event.firedMs < toMs &&
        (behind === undefined || newestFirst(behind, event) < 0),
    )
    const events = found.slice(0, limit)
    const last = events.at(-1)
    return { events, nextCursor: found.length > limit && last !== undefined ? cursorOf(last) : null }
  }

  /** Adds an event; one that is there stays as it is. Says which one is kept. */
  async add(tenant: TenantId, event: AlertEvent): Promise<AlertEvent> {
    try {
      await this.#registry.put(keyOf(tenant, event.id), encode(event), 0)
      return event
    } catch (error) {
      if (asWeirError(error).code !== 'revision_conflict') throw error
      return this.get(tenant, event.id)
    }
  }

  /** Changes an event; `change` may be called more than once, and gives what it is given where nothing is to be changed. Throws not_found, conflict. */
  async change(tenant: TenantId, id: string, change: (event: AlertEvent) => AlertEvent): Promise<AlertEvent> {
    const key = keyOf(tenant, id)
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const found = await this.#registry.get(key)
      if (found === undefined) throw new WeirError('not_found', 'There is no such event')
      const before = decode(found)
      const after = change(before)
      if (after === before) return before
      try {
        await this.#registry.put(key, encode(after), found.revision)
        return after
      } catch (error) {
        if (asWeirError(error).code !== 'revision_conflict') throw error
      }
    }
    throw new WeirError('conflict', 'The event is being changed by others; try again')
  }

  /** Removes what is too old or too much; what still fires is kept before what does not. */
  async prune(tenant: TenantId, nowMs: number): Promise<number> {
    const entries = await this.#entries(tenant)
    entries.sort((a, b) => firingFirst(a.event, b.event) || newestFirst(a.event, b.event))
    const isOld = ({ firedMs, state }: AlertEvent) => state === 'resolved' && firedMs < nowMs - ALERT_EVENTS_KEPT_MS
    const surplus = entries.filter(({ event }, place) => place >= ALERT_EVENTS_PER_TENANT_MAX || isOld(event))
    for (const { key, revision } of surplus) await this.#registry.delete(key, revision).catch(() => undefined)
    return surplus.length
  }

  async #all(tenant: TenantId): Promise<AlertEvent[]> {
    return (await this.#entries(tenant)).map(({ event }) => event).sort(newestFirst)
  }

  async #entries(tenant: TenantId): Promise<{ key: string; revision: number; event: AlertEvent }[]> {
    const entries: { key: string; revision: number; event: AlertEvent }[] = []
    for (const entry of await this.#registry.list(`${PREFIX}${tenant}/`)) {
      if (entries.length % SLICE_ENTRIES === SLICE_ENTRIES - 1) await this.#pause()
      entries.push({ key: entry.key, revision: entry.revision, event: decode(entry) })
    }
    return entries
  }
}

type Place = Pick<AlertEvent, 'firedMs' | 'id'>

function newestFirst(a: Place, b: Place): number {
  return b.firedMs - a.firedMs || (a.id < b.id ? 1 : a.id > b.id ? -1 : 0)
}

function firingFirst(a: AlertEvent, b: AlertEvent): number {
  return Number(b.state === 'firing') - Number(a.state === 'firing')
}

function cursorOf({ firedMs, id }: Place): string {
  return Buffer.from(`${firedMs}/${id}`).toString('base64url')
}

function placeOf(cursor: string): Place {
  const match = /^(\d{1,15})\/([\w.-]{1,64})$/.exec(Buffer.from(cursor, 'base64url').toString('utf8'))
  if (match === null) {
    throw new WeirError('invalid_parameter', '`cursor` is not one of an answer', { parameter: 'cursor' })
  }
  return { firedMs: Number(match[1]), id: match[2]! }
}

function keyOf(tenant: TenantId, id: string): string {
  return `${PREFIX}${tenant}/${id}`
}

function encode(event: AlertEvent): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(event))
}

function decode({ value }: RegistryEntry): AlertEvent {
  return JSON.parse(new TextDecoder().decode(value)) as AlertEvent
}

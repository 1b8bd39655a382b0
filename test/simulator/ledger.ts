import type { TenantId } from '../../base/ids.ts'
import { dayOf } from '../../base/ids.ts'
import type { Prng } from '../../base/prng.ts'
import { oldestKeptDay } from '../../storage/retention.ts'
import type { FoundRecord } from '../harness/simulated-node.ts'

export interface SentRequest {
  readonly number: number
  readonly tenant: TenantId
  readonly key: string | undefined
  readonly uids: readonly string[]
  readonly body: Uint8Array
  /** Of its records. */
  readonly timesMs: readonly number[]
  attempts: number
  isAcknowledged: boolean
}

interface SentRecord {
  readonly request: SentRequest
  readonly timeMs: number
  readonly service: string
  readonly level: string
  /** What every search so far called it. */
  readonly ids: Set<string>
}

/** A rule of invariants.md does not hold. */
export class Violation extends Error {
  constructor(rule: string, what: string) {
    super(`${rule}: ${what}`)
  }
}

/**
 * What the clients know: what they sent and what was acknowledged. Holds every answer of a search against it.
 */
export class Ledger {
  readonly requests: SentRequest[] = []
  readonly #records = new Map<string, SentRecord>()
  /** Seen by a search of this process: from then on every search must see it (C5). */
  readonly #visible = new Map<TenantId, Set<string>>()
  readonly #retentionDays: number
  /** The request of each key whose records were found: only one body of a key may be stored. */
  readonly #requestOfKey = new Map<string, SentRequest>()
  /** Answers checked so far, for the summary of a schedule. */
  checks = 0

  constructor(retentionDays: number) {
    this.#retentionDays = retentionDays
  }

  newRequest(
    tenant: TenantId,
    key: string | undefined,
    rows: readonly { readonly service: string; readonly timeMs: number; readonly level: string }[],
  ): SentRequest {
    const number = this.requests.length
    const uids = rows.map((_, i) => `${tenant}-${number}-${i}`)
    const lines = rows.map(({ service, timeMs, level }, i) =>
      JSON.stringify({
        uid: uids[i],
        service,
        level,
        timestamp: new Date(timeMs).toISOString(),
        message: `row ${i} of ${number}`,
      }),
    )
    const body = new TextEncoder().encode(lines.join('\n'))
    const timesMs = rows.map(({ timeMs }) => timeMs)
    const request = { number, tenant, key, uids, body, timesMs, attempts: 0, isAcknowledged: false }
    this.requests.push(request)
    for (const [i, row] of rows.entries()) this.#records.set(uids[i]!, { request, ...row, ids: new Set() })
    return request
  }

  someKeyed(prng: Prng): SentRequest | undefined {
    const keyed = this.requests.filter(({ key, attempts }) => key !== undefined && attempts > 0)
    return keyed.length === 0 ? undefined : prng.pick(keyed)
  }

  attempted(request: SentRequest): void {
    request.attempts++
  }

  acknowledge(request: SentRequest): void {
    request.isAcknowledged = true
  }

  /** A new process may see less for a while: the journal is replayed. */
  forgetVisible(): void {
    this.#visible.clear()
  }

  /** What a search that begins now must find, whatever happens while it runs. */
  visibleNow(tenant: TenantId): ReadonlySet<string> {
    return new Set(this.#visible.get(tenant))
  }

  /**
   * Checks the answer of a search of `tenant` for records that `matches`; `mustSee` is what it must have found, `isWhole` says that everything
   * acknowledged must be among it.
   */
  checkAnswer(
    tenant: TenantId,
    found: readonly FoundRecord[],
    mustSee: ReadonlySet<string>,
    matches: (record: { readonly service: string; readonly level: string }) => boolean,
    isWhole: boolean,
    nowMs: number,
  ): void {
    this.checks++
    const counts = new Map<string, number>()
    const ids = new Set<string>()
    for (const { uid, tenant: owner, id } of found) {
      const record = this.#records.get(uid)
      if (record === undefined) throw new Violation('D3', `${uid || 'a record without uid'} was never sent`)
      if (owner !== tenant || record.request.tenant !== tenant)
        throw new Violation('S1', `${uid} of ${owner} came to ${tenant}`)
      if (record.request.attempts === 0) throw new Violation('D3', `${uid} was never appended`)
      if (!matches(record)) throw new Violation('S5', `${uid} does not match`)
      if (ids.has(id)) throw new Violation('C5', `${uid} at ${id} is found twice`)
      ids.add(id)
      record.ids.add(id)
      counts.set(uid, (counts.get(uid) ?? 0) + 1)
      const { key, attempts } = record.request
      this.#checkBody(record.request)
      if (record.ids.size > (key === undefined ? attempts : 1)) {
        throw new Violation(
          'D3',
          `${uid} of ${attempts} attempts ${key ?? 'without key'} is ${[...record.ids].join(' and ')}`,
        )
      }
    }
    const isKept = (record: SentRecord) => dayOf(record.timeMs) >= oldestKeptDay(nowMs, this.#retentionDays)
    for (const uid of mustSee) {
      const record = this.#records.get(uid)!
      if (matches(record) && !counts.has(uid) && isKept(record))
        throw new Violation('C5', `${uid} is not found any more`)
    }
    if (isWhole) {
      for (const [uid, record] of this.#records) {
        const { request } = record
        if (request.tenant !== tenant || !request.isAcknowledged || !matches(record) || counts.has(uid)) continue
        if (isKept(record))
          throw new Violation('D3', `${uid} of an acknowledged request is lost (key ${request.key ?? 'none'})`)
      }
    }
    let visible = this.#visible.get(tenant)
    if (visible === undefined) {
      visible = new Set()
      this.#visible.set(tenant, visible)
    }
    for (const uid of counts.keys()) visible.add(uid)
  }

  #checkBody(request: SentRequest): void {
    if (request.key === undefined) return
    const first = this.#requestOfKey.get(request.key) ?? request
    this.#requestOfKey.set(request.key, first)
    if (first === request) return
    throw new Violation('D3', `key ${request.key} has stored requests ${first.number} and ${request.number}`)
  }
}

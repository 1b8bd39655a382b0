import { shardOf } from '../../base/hash.ts'

export const TENANT = 'default'
export const BATCH_ROWS = 20
const SERVICES = 17
/** Batches are in as many groups, by which searches pick some of them from all ages. */
const GROUPS = 256
/** What a complete answer may still lack (Q2: the bound of the index's lag). */
const FRESH_MS = 5000

/** A request that was sent once or more. `pending` ones were neither acknowledged nor given up so far. */
export interface Batch {
  readonly number: number
  readonly key: string | undefined
  /** By the harness's monotonic clock. */
  readonly sentMs: number
  ackedMs: number | undefined
  /** The node that acknowledged it. */
  ackedBy: string | undefined
  state: 'pending' | 'acknowledged' | 'uncertain'
}

export interface Coverage {
  readonly complete: boolean
  readonly missing: readonly { readonly shard: number; readonly reason: string }[]
}

/**
 * What the senders know: which records were sent, which acknowledged. Holds answers of searches against it. Without a key a batch that was not
 * acknowledged may be there or not; it is not sent again, so it is never there twice either.
 */
export class ChaosLedger {
  readonly #shardCount: number
  readonly #batches: Batch[] = []
  /** Rules that did not hold, in words. */
  readonly violations: string[] = []
  checkedAnswers = 0

  constructor(shardCount: number) {
    this.#shardCount = shardCount
  }

  begin(nowMs: number, isKeyed: boolean): Batch {
    const number = this.#batches.length
    const batch: Batch = {
      number,
      key: isKeyed ? `batch-${number}` : undefined,
      sentMs: nowMs,
      ackedMs: undefined,
      ackedBy: undefined,
      state: 'pending',
    }
    this.#batches.push(batch)
    return batch
  }

  get batchesSent(): number {
    return this.#batches.length
  }

  /** Batches that were acknowledged before `untilMs`. */
  acknowledged(untilMs = Number.POSITIVE_INFINITY): readonly Batch[] {
    return this.#batches.filter(({ ackedMs }) => ackedMs !== undefined && ackedMs <= untilMs)
  }

  get uncertain(): number {
    return this.#batches.filter(({ state }) => state === 'uncertain').length
  }

  violate(what: string): void {
    this.violations.push(what)
  }

  /** An answer to `group:<group>`, all its pages: what it says it covers must be there, and nothing twice. */
  checkGroup(group: number, uids: readonly string[], coverage: Coverage, startMs: number, from: string): void {
    this.checkedAnswers++
    const found = this.#without(uids, `group ${group} from ${from}`)
    const uncovered = coverage.complete ? new Set<number>() : new Set(coverage.missing.map(({ shard }) => shard))
    if (!coverage.complete && uncovered.size === 0) {
      this.violate(`${from} calls an answer incomplete and names no shard`)
      return
    }
    for (let number = group; number < this.#batches.length; number += GROUPS) {
      const batch = this.#batches[number]!
      if (batch.ackedMs === undefined || batch.ackedMs > startMs - FRESH_MS) continue
      this.#checkBatch(batch, found, uncovered, `group ${group} from ${from}, asked ${Math.round(startMs)}`)
    }
  }

  /** A count of all records, of a complete answer. */
  checkTotal(total: number, sentBefore: number, startMs: number, from: string): void {
    this.checkedAnswers++
    const least = this.acknowledged(startMs - FRESH_MS).length * BATCH_ROWS
    const most = sentBefore * BATCH_ROWS
    if (total < least || total > most) {
      this.violate(
        `${from} counts ${total} records completely, at ${Math.round(startMs)}; ${least} to ${most} are right`,
      )
    }
  }

  /**
   * Records of every batch, of a complete answer. Returns the batches acknowledged before `untilMs` that are not whole; what is there too often
   * violates.
   */
  lacking(counts: ReadonlyMap<number, number>, untilMs: number, from: string): readonly Batch[] {
    this.checkedAnswers++
    for (const [number, count] of counts) {
      if (this.#batches[number] === undefined) this.violate(`${from} finds batch ${number}, which nobody sent`)
      if (count > BATCH_ROWS) this.violate(`${from} finds ${count} records of batch ${this.describe(number)}`)
    }
    return this.acknowledged(untilMs).filter(({ number }) => counts.get(number) !== BATCH_ROWS)
  }

  /** All uids that a node has: every acknowledged one once, and none twice. */
  checkAll(uids: readonly string[], from: string): void {
    this.checkedAnswers++
    const found = this.#without(uids, `all of ${from}`)
    for (const batch of this.acknowledged()) this.#checkBatch(batch, found, new Set(), `all of ${from}`)
  }

  describe(number: number): string {
    const batch = this.#batches[number]
    if (batch === undefined) return `${number}`
    const { key, sentMs, ackedMs, ackedBy } = batch
    const acked = ackedMs === undefined ? 'not acknowledged' : `acknowledged at ${Math.round(ackedMs)} by ${ackedBy}`
    return `${number} (${key === undefined ? 'no key' : 'key'}, sent at ${Math.round(sentMs)}, ${acked})`
  }

  #without(uids: readonly string[], where: string): ReadonlySet<string> {
    const found = new Set<string>()
    const twice: string[] = []
    for (const uid of uids) {
      if (found.has(uid)) twice.push(uid)
      found.add(uid)
    }
    if (twice.length > 0) {
      const example = this.describe(batchOfUid(twice[0]!))
      this.violate(`${where}: ${twice.length} records are there twice, such as ${twice[0]} of batch ${example}`)
    }
    return found
  }

  #checkBatch(batch: Batch, found: ReadonlySet<string>, uncovered: ReadonlySet<number>, where: string): void {
    const missing: string[] = []
    for (let row = 0; row < BATCH_ROWS; row++) {
      const uid = uidOf(batch.number, row)
      if (found.has(uid)) continue
      const shard = this.shardOfRow(row)
      if (!uncovered.has(shard)) missing.push(`${uid} in shard ${shard}`)
    }
    if (missing.length === 0) return
    const text = missing.slice(0, 4).join(', ')
    this.violate(`${where}: ${missing.length} records of batch ${this.describe(batch.number)} are missing: ${text}`)
  }

  shardOfRow(row: number): number {
    return shardOf(TENANT, serviceOf(row), 0, this.#shardCount)
  }
}

export function groupCount(): number {
  return GROUPS
}

export function bodyOf({ number }: Batch): string {
  const lines = Array.from({ length: BATCH_ROWS }, (_, row) =>
    JSON.stringify({
      uid: uidOf(number, row),
      batch: number,
      group: number % GROUPS,
      service: serviceOf(row),
      message: `order ${number * 7919 + row} of customer ${(number * 31 + row) % 977} was shipped`,
    }),
  )
  return lines.join('\n')
}

function uidOf(batch: number, row: number): string {
  return `u${batch}-${row}`
}

function batchOfUid(uid: string): number {
  return Number(uid.slice(1).split('-')[0])
}

function serviceOf(row: number): string {
  return `service-${row % SERVICES}`
}

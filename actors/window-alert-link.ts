import type { RuleValues } from '../alerts/partial.ts'
import { approximateBytes } from '../base/approximate-bytes.ts'
import type { Position, ShardId } from '../base/ids.ts'
import { ALERT_REPORT_BYTES_MAX } from '../base/limits.ts'
import { ruleKey } from './alert-rules.ts'
import type { AlertKeeperMessage, ReportCounts, ShardCounts } from './messages/alert.ts'
import type { ActorRef } from './runtime/actor-ref.ts'

/** Long enough for a keeper whose thread is busy; one that is dead is noticed elsewhere. */
const REPORT_DEADLINE_MS = 3000

interface Outgoing {
  readonly shard: ShardId
  readonly epoch: number
  readonly through: Position
  readonly watermarkMs: number
  isWhole: boolean
  readonly whole: RuleValues[]
  readonly changed: RuleValues[]
}

/**
 * The way from a worker to the AlertKeeper of one node. One report is under way at a time. What cannot be said, or is lost, is said again
 * in full with the next one; until then the shard's watermark is kept back, so that nothing is decided without it.
 */
export class WindowAlertLink {
  readonly #keeper: ActorRef<AlertKeeperMessage>
  readonly #onSent: (bytes: number) => void
  /** Rules to be said in full, by shard. */
  readonly #owed = new Map<ShardId, Set<string>>()
  #outgoing = new Map<ShardId, Outgoing>()
  #bytes = 0
  isBusy = false

  constructor(keeper: ActorRef<AlertKeeperMessage>, onSent: (bytes: number) => void) {
    this.#keeper = keeper
    this.#onSent = onSent
  }

  /** Rules of the shard that are to be said in full. */
  owed(shard: ShardId): ReadonlySet<string> {
    return this.#owed.get(shard) ?? NOTHING
  }

  owe(shard: ShardId, key: string): void {
    const keys = this.#owed.get(shard) ?? new Set<string>()
    keys.add(key)
    this.#owed.set(shard, keys)
  }

  /** What is owed of rules that are there no more is owed no more. */
  forgetOthers(shard: ShardId, isKnown: (key: string) => boolean): void {
    const keys = this.#owed.get(shard)
    for (const key of keys ?? []) if (!isKnown(key)) keys?.delete(key)
  }

  /** The shard is nobody's here any more. */
  forget(shard: ShardId): void {
    this.#owed.delete(shard)
  }

  /** Whether more can be said this time. */
  get hasRoom(): boolean {
    return this.#bytes <= ALERT_REPORT_BYTES_MAX
  }

  /** Not all of the shard is said this time. */
  holdBack(shard: ShardId): void {
    const outgoing = this.#outgoing.get(shard)
    if (outgoing !== undefined) outgoing.isWhole = false
  }

  /** Begins what is said of a shard. */
  begin(shard: ShardId, epoch: number, through: Position, watermarkMs: number): void {
    this.#outgoing.set(shard, { shard, epoch, through, watermarkMs, isWhole: true, whole: [], changed: [] })
  }

  /** Says values of the shard that was begun; where there is no room left, they are owed. */
  add(shard: ShardId, kind: 'whole' | 'changed', values: RuleValues): void {
    const outgoing = this.#outgoing.get(shard)
    const key = ruleKey(values.tenant, values.ruleId, values.revision)
    if (outgoing === undefined || !this.hasRoom) {
      this.owe(shard, key)
      if (outgoing !== undefined) outgoing.isWhole = false
      return
    }
    this.#bytes += approximateBytes(values)
    if (kind === 'whole') this.#owed.get(shard)?.delete(key)
    outgoing[kind].push(values)
  }

  /** Sends what was begun. Does not reject. */
  async send(): Promise<void> {
    if (this.#outgoing.size === 0) return
    const shards = [...this.#outgoing.values()].map(
      ({ shard, epoch, through, watermarkMs, isWhole, whole, changed }): ShardCounts => ({
        shard,
        epoch,
        through,
        watermarkMs: isWhole ? watermarkMs : null,
        whole,
        changed,
      }),
    )
    this.#outgoing = new Map()
    this.#onSent(this.#bytes)
    this.#bytes = 0
    this.isBusy = true
    const report: ReportCounts = { kind: 'reportCounts', shards }
    try {
      const wants = await this.#keeper.ask(report, { deadlineMs: REPORT_DEADLINE_MS })
      for (const { tenant, rule, revision, shards: lacking } of wants.rules) {
        for (const shard of lacking) this.owe(shard, ruleKey(tenant, rule, revision))
      }
    } catch {
      for (const { shard, whole, changed } of shards) {
        for (const values of [...whole, ...changed]) {
          this.owe(shard, ruleKey(values.tenant, values.ruleId, values.revision))
        }
      }
    } finally {
      this.isBusy = false
    }
  }
}

const NOTHING: ReadonlySet<string> = new Set()

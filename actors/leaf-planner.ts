import { assert } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import { asWeirError, type ErrorCode, WeirError } from '../base/errors.ts'
import type { ShardId } from '../base/ids.ts'
import { INDEX_LAG_MAX_MS, REGISTRY_SILENCE_MAX_MS } from '../base/limits.ts'
import { pruneOf } from '../query/prune.ts'
import type { ManifestCache } from '../storage/manifest-cache.ts'
import type { PublishedState } from '../storage/published-state.ts'
import type { PlanScope, SearchPlan } from '../storage/search-plan.ts'
import { joinPlans, PLAN_EMPTY, planBeyond, planLocal, planSegments } from '../storage/search-plan.ts'
import type { SegmentCache } from '../storage/segment-reader.ts'
import type { ShardStore } from '../storage/shard-store.ts'
import type { HotShare, LeafScope, MissingShare, PublishedPin, ShardShare } from './messages/leaf.ts'
import { segmentsDealt } from './segment-deal.ts'

/** What a leaf must know of a shard that its worker holds. */
export interface LeafShard {
  readonly store: ShardStore
  readonly role: 'owner' | 'follower'
  /** Of an owner. */
  readonly epoch: number
  /** False until all that the journal held when the shard was opened has been applied. */
  readonly isCaughtUp: boolean
}

export interface LeafPlannerOptions {
  /** The shards of this worker. */
  readonly shards: ReadonlyMap<ShardId, LeafShard>
  /** Shards that the worker was to open and could not so far, and why. */
  readonly unopened?: ReadonlyMap<ShardId, string>
  readonly cache: SegmentCache
  readonly pages: ManifestCache
  readonly clock: Clock
  /** For how long the index of the shard's lane has been behind the journal on this node, ms. */
  readonly behindMs: (shard: ShardId) => number
  /** For how long the registry has not been heard, ms. */
  readonly registrySilentMs: () => number
}

/** What a leaf will look at, and what of its scope it cannot or may not answer in full. */
export interface LeafPlan {
  readonly plans: { readonly shard: ShardId; readonly plan: SearchPlan }[]
  readonly missing: MissingShare[]
}

/** A shard that is being opened is waited for this long; then it answers with what it has, and says so. */
const CATCH_UP_WAIT_MS = 1000
const CATCH_UP_LOOK_MS = 10
/** Of the time for an answer, what reading plans from the object store may take. */
const PLANNING_SHARE = 0.5
/** After these another leaf may answer, or the same one a little later. */
const RETRIED: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['shard_unavailable', 'storage_unavailable'])
export const TIME_IS_UP = 'the time allowed was up'

/** Plans the shares of a question. What it cannot plan, it names: the asker takes that elsewhere, or says that it is missing. */
export class LeafPlanner {
  readonly #options: LeafPlannerOptions

  constructor(options: LeafPlannerOptions) {
    this.#options = options
  }

  /** Resolves once the shards that are asked for have caught up with the journal, or have been waited for long enough. */
  async caughtUp({ shares }: LeafScope, remainingMs: number, signal: AbortSignal): Promise<void> {
    const { clock, shards } = this.#options
    const isBehind = ({ shard, hot }: ShardShare) => hot !== undefined && shards.get(shard)?.isCaughtUp === false
    if (!shares.some(isBehind)) return
    const endsMs = clock.monotonicMs() + Math.min(CATCH_UP_WAIT_MS, remainingMs / 2)
    while (shares.some(isBehind) && clock.monotonicMs() < endsMs) await clock.sleep(CATCH_UP_LOOK_MS, signal)
  }

  /** Which of the shares may be answered here at this moment, and what there is to say of them. */
  examine(shares: readonly ShardShare[]): {
    readonly answerable: readonly ShardShare[]
    readonly missing: readonly MissingShare[]
  } {
    const missing: MissingShare[] = []
    const answerable = shares.filter(({ shard, hot }) => {
      if (hot === undefined) return true
      const hosted = this.#options.shards.get(shard)
      const refusal = refusalOf(hosted, hot)
      if (hosted === undefined || refusal !== undefined) {
        missing.push(closedOf(shard, this.#options) ?? { shard, part: 'hot', reason: refusal ?? '', retry: true })
        return false
      }
      const flaws = flawsOf(shard, hosted, this.#options)
      missing.push(...flaws.map((reason) => ({ shard, part: 'hot' as const, reason, retry: false })))
      return true
    })
    return { answerable, missing }
  }

  /** `recall`: what need not be looked at again. */
  async plan(scope: LeafScope, remainingMs: number, recall?: PlanScope['recall']): Promise<LeafPlan> {
    const { tenant, range, filter } = scope
    const { cache } = this.#options
    const planning = new Planning(
      this.#options,
      { tenant, range, expr: pruneOf(filter), cache, ...(recall === undefined ? {} : { recall }) },
      remainingMs * PLANNING_SHARE,
    )
    await Promise.all(scope.shares.flatMap((share) => planning.planShare(share, scope.deal)))
    return planning
  }
}

/** The planning of one question. */
class Planning implements LeafPlan {
  readonly plans: LeafPlan['plans'] = []
  readonly missing: MissingShare[] = []
  readonly #options: LeafPlannerOptions
  readonly #scope: PlanScope
  readonly #budgetMs: number

  constructor(options: LeafPlannerOptions, scope: PlanScope, budgetMs: number) {
    this.#options = options
    this.#scope = scope
    this.#budgetMs = budgetMs
  }

  planShare(share: ShardShare, deal: LeafScope['deal']): Promise<void>[] {
    const { shard, pin, hot, segments } = share
    const parts: Promise<void>[] = []
    if (hot !== undefined) parts.push(this.#part(shard, 'hot', () => this.#planHot(shard, hot, pin)))
    if (segments && pin !== undefined && deal !== undefined) {
      parts.push(
        this.#part(shard, 'segments', async () => {
          const published = await this.#published(shard, pin)
          return planSegments(shard, segmentsDealt(published.page, deal), this.#scope)
        }),
      )
    }
    return parts
  }

  async #part(shard: ShardId, part: MissingShare['part'], make: () => Promise<SearchPlan>): Promise<void> {
    try {
      this.plans.push({ shard, plan: await this.#inTime(make()) })
    } catch (error) {
      this.#miss(shard, part, error)
    }
  }

  #miss(shard: ShardId, part: MissingShare['part'], error: unknown, mayRetry = true): void {
    const { code, message } = asWeirError(error)
    // Another leaf may have at hand what this one would have to read from a store that does not answer.
    const isSlow = part === 'segments' && code === 'deadline_exceeded'
    this.missing.push({ shard, part, reason: message, retry: mayRetry && (isSlow || RETRIED.has(code)) })
  }

  async #planHot(shard: ShardId, hot: HotShare, pin: PublishedPin | undefined): Promise<SearchPlan> {
    const closed = closedOf(shard, this.#options)
    if (closed !== undefined) {
      this.missing.push(closed)
      return PLAN_EMPTY
    }
    const pinned = pin === undefined ? undefined : await this.#published(shard, pin)
    // From here on nothing waits until the store has been looked at.
    const hosted = this.#options.shards.get(shard)
    const refusal = refusalOf(hosted, hot)
    if (refusal !== undefined) throw new WeirError('shard_unavailable', refusal, { shard, epoch: hot.epoch })
    assert(hosted !== undefined, 'what is not refused is here')
    const flaws = flawsOf(shard, hosted, this.#options)
    const plan = await (pinned === undefined
      ? this.#planWhole(hosted.store)
      : planBeyond(hosted.store, pinned, this.#scope))
    for (const reason of flaws) this.missing.push({ shard, part: 'hot', reason, retry: false })
    return plan
  }

  /** Rows of this node's own are found whether or not the object store answers. */
  async #planWhole(store: ShardStore): Promise<SearchPlan> {
    const { segments } = store.published
    if (segments.length === 0) return planLocal(store, this.#scope)
    const plans = await Promise.all([
      planLocal(store, this.#scope),
      this.#inTime(planSegments(store.shard, segments, this.#scope)).catch((error: unknown) => {
        this.#miss(store.shard, 'segments', error, false)
        return PLAN_EMPTY
      }),
    ])
    return joinPlans(plans)
  }

  /** The owner of a shard has the newest page at hand. */
  async #published(shard: ShardId, { page, floor }: PublishedPin): Promise<PublishedState> {
    const own = this.#options.shards.get(shard)?.store.published
    return own !== undefined && own.key === page ? own : this.#inTime(this.#options.pages.read(page, floor))
  }

  /** Each wait has its own end: the one within ends first, so that rows of this node's own are given where segments are late. */
  async #inTime<R>(work: Promise<R>): Promise<R> {
    const late = Promise.withResolvers<never>()
    const timer = this.#options.clock.after(this.#budgetMs, () =>
      late.reject(new WeirError('deadline_exceeded', TIME_IS_UP)),
    )
    try {
      return await Promise.race([work, late.promise])
    } finally {
      timer.cancel()
    }
  }
}

/** What there is to say of a shard that this worker was to open and could not so far. */
function closedOf(shard: ShardId, { shards, unopened }: LeafPlannerOptions): MissingShare | undefined {
  const reason = shards.has(shard) ? undefined : unopened?.get(shard)
  return reason === undefined ? undefined : { shard, part: 'hot', reason, retry: 'elsewhere' }
}

/** C3: why the shard cannot be answered here in the capacity in which it is asked. */
function refusalOf(hosted: LeafShard | undefined, hot: HotShare): string | undefined {
  if (hosted === undefined) return 'the shard is not open on the node that was asked'
  if (hot.as === 'standby') return undefined
  if (hosted.role !== 'owner') return 'the node that was asked does not own the shard'
  if (hosted.epoch === hot.epoch) return undefined
  return `the node that was asked owns the shard under epoch ${hosted.epoch}, not ${hot.epoch}`
}

/** Q2, C3: why what this worker has of the shard may not be all. */
function flawsOf(shard: ShardId, { role, isCaughtUp }: LeafShard, options: LeafPlannerOptions): string[] {
  const flaws: string[] = []
  const lagMs = options.behindMs(shard)
  if (!isCaughtUp) flaws.push('the shard is still reading what the journal held when it was opened')
  else if (lagMs > INDEX_LAG_MAX_MS) flaws.push(`the index is ${seconds(lagMs)} behind the journal`)
  const silentMs = options.registrySilentMs()
  if (role === 'owner' && silentMs > REGISTRY_SILENCE_MAX_MS) {
    flaws.push(`the owner has not reached the registry for ${seconds(silentMs)}; another node may own the shard by now`)
  }
  return flaws
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`
}

import type { Clock, Timer } from '../base/clock.ts'
import { errorFromWire, WeirError } from '../base/errors.ts'
import type { NodeId, ShardId, TenantId } from '../base/ids.ts'
import { SPREAD_SLOTS_MAX, TAIL_DELIVERY_MS } from '../base/limits.ts'
import type { Logger } from '../base/logger.ts'
import { LiveTailRun } from './live-tail.ts'
import type { QueryScope } from './messages/leaf.ts'
import type {
  CollectedRows,
  FollowsChanged,
  LiveTail,
  TailCensusMessage,
  TailClient,
  TailFeedMessage,
} from './messages/tail.ts'
import { shardsOf } from './query-scope.ts'
import type { QueryTopology } from './query-topology.ts'
import type { ActorRef } from './runtime/actor-ref.ts'
import type { ShardMap } from './shard-map.ts'
import type { TailCatchUp } from './tail-catch-up.ts'
import { TailLink } from './tail-link.ts'

export interface TailHubOptions {
  readonly topology: Pick<QueryTopology, 'nodes' | 'onChange'>
  readonly feedOf: (node: NodeId, worker: number) => ActorRef<TailFeedMessage>
  readonly shardMap: Pick<ShardMap, 'get' | 'onChange'>
  /** Which worker of a node with `workers` of them has a shard. */
  readonly workerOf: (shard: ShardId, workers: number) => number
  readonly shardCount: number
  readonly catchUp: TailCatchUp
  readonly census: ActorRef<TailCensusMessage>
  readonly clock: Clock
  readonly logger: Logger
  readonly onRecords?: (fate: 'sent' | 'dropped', count: number) => void
  readonly onCutOff?: () => void
}

/** Before what could not be followed is tried again. */
const RETRY_MS = 250
const CENSUS_DEADLINE_MS = 5000

/** A follow as its tail's hub knows it. */
interface OwnFollow {
  readonly tail: LiveTailRun
  readonly link: TailLink
}

/**
 * The live tails of one worker's clients. For each it has the owners of its shards asked, worker by worker, for what matches from now on (tail-link.ts);
 * where an owner changes or is lost the shards are followed at the next one, and what came in between is read from there. Lives on the
 * worker that has the connections, as the QueryCoordinator does.
 */
export class TailHub {
  readonly #options: TailHubOptions
  readonly #tails = new Set<LiveTailRun>()
  readonly #links = new Map<string, TailLink>()
  readonly #follows = new Map<number, OwnFollow>()
  #nextFollow = 1
  #retry: Timer | undefined
  #ticking: Timer | undefined
  #endListening: (() => void) | undefined

  constructor(options: TailHubOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#tails.size
  }

  /** Throws too_many_tails. */
  async open(tenant: TenantId, client: TailClient): Promise<LiveTail> {
    const { census, catchUp, clock, shardCount, onRecords, onCutOff } = this.#options
    const { isAdmitted } = await census.ask({ kind: 'admitTail', tenant }, { deadlineMs: CENSUS_DEADLINE_MS })
    if (!isAdmitted) {
      throw new WeirError(
        'too_many_tails',
        'The tenant has as many live tails on this node as it may; see limits.tailsPerTenant',
      )
    }
    const tail: LiveTailRun = new LiveTailRun({
      tenant,
      client,
      catchUp,
      clock,
      // It takes its place in every shard that its services may be spread to while it lasts.
      shardsOf: ({ filter }: QueryScope) => shardsOf(tenant, filter, shardCount, () => SPREAD_SLOTS_MAX),
      route: () => this.#route(tail),
      unroute: () => this.#unroute(tail),
      onClosed: () => this.#closed(tail, tenant),
      onRecords: (fate, count) => onRecords?.(fate, count),
      onCutOff: () => onCutOff?.(),
    })
    this.#tails.add(tail)
    this.#listen()
    return tail
  }

  #closed(tail: LiveTailRun, tenant: TenantId): void {
    if (!this.#tails.delete(tail)) return
    this.#unroute(tail)
    this.#options.census.tell({ kind: 'releaseTail', tenant })
    if (this.#tails.size > 0) return
    this.#ticking?.cancel()
    this.#retry?.cancel()
    this.#retry = undefined
    this.#endListening?.()
    this.#endListening = undefined
  }

  /** While there are tails, what moves is noticed and what has come is handed on. */
  #listen(): void {
    if (this.#endListening !== undefined) return
    const { topology, shardMap, clock } = this.#options
    const ends = [topology.onChange(() => this.#routeLater(0)), shardMap.onChange(() => this.#routeLater(0))]
    this.#endListening = () => {
      for (const end of ends) end()
    }
    this.#ticking = clock.every(TAIL_DELIVERY_MS, () => {
      for (const tail of [...this.#tails]) tail.tick()
    })
  }

  #routeLater(delayMs: number): void {
    if (this.#retry !== undefined || this.#tails.size === 0) return
    this.#retry = this.#options.clock.after(delayMs, () => {
      this.#retry = undefined
      for (const tail of [...this.#tails]) if (tail.isFollowing) this.#route(tail)
    })
  }

  /** Has every shard of the tail followed where it is owned now. Those without an owner that is there wait for one. */
  #route(tail: LiveTailRun): void {
    const { course, scope } = tail
    if (course === undefined || scope === undefined) return
    const wanted = new Map<string, ShardId[]>()
    const workersOf = new Map(this.#options.topology.nodes().map(({ nodeId, workers }) => [nodeId, workers]))
    for (const shard of course.shards) {
      const owner = this.#options.shardMap.get(shard)?.owner
      const workers = owner === undefined ? undefined : workersOf.get(owner)
      if (owner === undefined || workers === undefined) continue
      const place = `${this.#options.workerOf(shard, workers)}@${owner}`
      const shards = wanted.get(place)
      if (shards === undefined) wanted.set(place, [shard])
      else shards.push(shard)
    }
    for (const [place, shards] of wanted) {
      const link = this.#links.get(place)
      const follows = new Set(shards.map((shard) => course.followOf(shard)))
      const [only] = follows
      // All of them, and no others, are followed there already.
      if (follows.size === 1 && only !== undefined && link !== undefined && this.#follows.get(only)?.link === link)
        continue
      this.#follow(tail, place, shards)
    }
    this.#endUnused(tail)
  }

  #follow(tail: LiveTailRun, place: string, shards: readonly ShardId[]): void {
    const link = this.#links.get(place) ?? this.#connect(place)
    const id = this.#nextFollow++
    this.#follows.set(id, { tail, link })
    for (const shard of shards) tail.course!.route(shard, id, link)
    const { tenant, filter } = tail.scope!
    link.begin({ id, tenant, filter, shards })
  }

  /** Ends follows of the tail that none of its shards is under any more. */
  #endUnused(tail: LiveTailRun): void {
    const used = new Set(tail.course?.shards.map((shard) => tail.course?.followOf(shard)))
    for (const [id, { tail: other, link }] of this.#follows) {
      if (other !== tail || used.has(id)) continue
      this.#follows.delete(id)
      link.end(id)
      if (link.isIdle) this.#disconnect(link)
    }
  }

  #unroute(tail: LiveTailRun): void {
    for (const shard of tail.course?.shards ?? []) tail.course!.unroute(shard)
    this.#endUnused(tail)
  }

  #connect(place: string): TailLink {
    const [worker, node] = [Number(place.slice(0, place.indexOf('@'))), place.slice(place.indexOf('@') + 1) as NodeId]
    const link = new TailLink({
      node,
      worker,
      feed: this.#options.feedOf(node, worker),
      clock: this.#options.clock,
      onBegan: (began) => this.#began(began),
      onAbsent: (follow, shards) => this.#absent(follow, shards),
      onCollected: (from, collected) => this.#collected(from, collected),
      onLost: (lost, error) => this.#lost(lost, error),
    })
    this.#links.set(place, link)
    return link
  }

  #disconnect(link: TailLink): void {
    link.close()
    for (const [place, other] of this.#links) if (other === link) this.#links.delete(place)
  }

  #began(began: FollowsChanged['began']): void {
    const tails = new Set<LiveTailRun>()
    for (const { follow, shard, generation, sequence } of began) {
      const tail = this.#follows.get(follow)?.tail
      if (tail?.course === undefined) continue
      tail.take(tail.course.began(shard, follow, { generation, sequence }))
      tails.add(tail)
    }
    for (const tail of tails) tail.catchUp()
  }

  #absent(follow: number, shards: readonly ShardId[]): void {
    const tail = this.#follows.get(follow)?.tail
    for (const shard of shards) if (tail?.course?.followOf(shard) === follow) tail.course.unroute(shard)
    this.#routeLater(RETRY_MS)
  }

  #collected(link: TailLink, { rows, dropped, gone, failed }: CollectedRows): void {
    const heard = new Set<LiveTailRun>()
    for (const row of rows) {
      for (const id of row.follows) {
        const follow = this.#follows.get(id)
        if (follow === undefined || follow.link !== link) continue
        const { tail } = follow
        heard.add(tail)
        if (tail.course?.hear(id, row)) tail.take([row])
      }
    }
    for (const { follow, count } of dropped) this.#follows.get(follow)?.tail.drop(count)
    for (const tail of heard) {
      tail.course?.heard()
      tail.catchUp()
    }
    for (const { follow, shard } of gone) this.#absent(follow, [shard])
    for (const { follow, error } of failed) this.#follows.get(follow)?.tail.end(errorFromWire(error))
  }

  #lost(link: TailLink, error: unknown): void {
    this.#options.logger.debug('live tails lost a link to the owner of shards', {
      node: link.node,
      worker: link.worker,
      error,
    })
    this.#disconnect(link)
    for (const [id, { tail, link: own }] of this.#follows) {
      if (own !== link) continue
      this.#follows.delete(id)
      for (const shard of tail.course?.shards ?? []) {
        if (tail.course?.followOf(shard) === id) tail.course.unroute(shard)
      }
    }
    this.#routeLater(RETRY_MS)
  }
}

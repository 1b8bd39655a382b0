import type { TailCensusMessage, TailFeedMessage } from '../actors/messages/tail.ts'
import type { NodeTopology } from '../actors/node-topology.ts'
import type { ActorSystem } from '../actors/runtime/actor-system.ts'
import { Scatter, type ScatterOptions } from '../actors/scatter.ts'
import { TailCatchUp } from '../actors/tail-catch-up.ts'
import type { FedShard } from '../actors/tail-feed.ts'
import { TailFeed } from '../actors/tail-feed.ts'
import { TailHub } from '../actors/tail-hub.ts'
import type { ShardId } from '../base/ids.ts'
import type { Logger } from '../base/logger.ts'
import type { Metrics } from '../base/metrics.ts'
import type { ActivePlans } from '../storage/active-plans.ts'
import { MAIN_THREAD } from './thread-names.ts'

export const TAIL_FEED = 'tail-feed'
export const TAIL_CENSUS = 'tail-census'

export interface TailPartOptions extends ScatterOptions {
  readonly system: ActorSystem
  readonly topology: NodeTopology
  readonly shards: ReadonlyMap<ShardId, FedShard>
  readonly plans: ActivePlans
  readonly logger: Logger
  readonly metrics: Metrics
}

/** What a worker has of live tails: the hub of its clients' tails. */
export function openTails(options: TailPartOptions): TailHub {
  const { system, topology, shardMap, workerOf, shardCount, clock, logger, metrics } = options
  const scatter = new Scatter({ topology, shardMap, workerOf, shardCount, slotsOf: options.slotsOf, clock })
  const sent = metrics.counter('tailRecords', { fate: 'sent' })
  const dropped = metrics.counter('tailRecords', { fate: 'dropped' })
  const hub = new TailHub({
    topology,
    feedOf: (node, worker) => topology.ref<TailFeedMessage>(node, worker, TAIL_FEED),
    shardMap,
    workerOf,
    shardCount,
    catchUp: new TailCatchUp(scatter, (shard) => shardMap.get(shard)?.floor),
    census: system.ref<TailCensusMessage>(`${MAIN_THREAD}/${TAIL_CENSUS}`),
    clock,
    logger: logger.child('tails'),
    onRecords: (fate, count) => (fate === 'sent' ? sent : dropped).add(count),
    onCutOff: () => metrics.counter('tailsCutOff').add(1),
  })
  metrics.onSnapshot(() => metrics.gauge('tailsOpen').set(hub.size))
  return hub
}

/** The feed of a worker's shards; spawned before they are opened. */
export function spawnTailFeed(
  options: Pick<TailPartOptions, 'system' | 'shards' | 'plans' | 'clock' | 'logger' | 'metrics'>,
): { current: TailFeed } {
  const { system, shards, plans, clock, logger, metrics } = options
  const make = () => new TailFeed({ shards, plans, clock, logger: logger.child('tails') })
  const feed = { current: make() }
  let isFirst = true
  system.spawn<TailFeedMessage>(
    TAIL_FEED,
    () => {
      if (!isFirst) feed.current = make()
      isFirst = false
      return feed.current
    },
    { mailboxMax: 4096, overflow: 'reject' },
  )
  metrics.onSnapshot(() => metrics.gauge('tailFiltersFollowed').set(feed.current.filterCount))
  return feed
}

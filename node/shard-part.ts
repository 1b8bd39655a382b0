import { LaneTrimmer } from '../actors/lane-trimmer.ts'
import type { LaneReaderMessage, ShardControllerMessage, ShardHostMessage } from '../actors/messages/shard.ts'
import type { ActorSystem } from '../actors/runtime/actor-system.ts'
import { ShardController } from '../actors/shard-controller.ts'
import type { Clock } from '../base/clock.ts'
import type { NodeId } from '../base/ids.ts'
import type { Logger } from '../base/logger.ts'
import { ShardRing } from '../cluster/ring.ts'
import type { Backbone } from './backbone.ts'
import type { Settings } from './config.ts'

export interface ShardPartOptions {
  readonly settings: Settings
  readonly nodeId: NodeId
  readonly backbone: Backbone
  /** Of the main thread. */
  readonly system: ActorSystem
  /** Names of the workers' actor systems, by their number. */
  readonly workers: readonly string[]
  readonly clock: Clock
  readonly logger: Logger
  /** The object store is away: the node is ready although shards of it cannot be opened. */
  readonly mayStayClosed: () => boolean
  /** How many shards this node should hold and cannot open so far. */
  readonly onUnopened: (shards: number) => void
}

/** Starts what sees to the shards of this node; it opens none before it is told who the members are. */
export function startShards(options: ShardPartOptions): ShardController {
  const { settings, nodeId, backbone, system, workers, clock, logger, mayStayClosed, onUnopened } = options
  const { journal, shardMap } = backbone
  const shardCount = settings.shards
  const laneCount = settings['journal.lanes']
  const hosts = workers.map((name) => system.ref<ShardHostMessage>(`${name}/shard-host`))
  const controllerLogger = logger.child('controller')
  const places = { nodeId, shardCount, laneCount, journal, shardMap, clock, logger: controllerLogger }
  const controller = new ShardController({
    ...places,
    ring: new ShardRing({ shardCount, standbyCount: settings['replicas.standby'] as 0 | 1 }),
    trimmer: new LaneTrimmer({
      ...places,
      relieve: (lane, emptyBehind) => {
        const publish = {
          kind: 'publishLane',
          lane,
          ...(emptyBehind === undefined ? {} : { emptyBehind }),
        } as const
        for (const host of hosts) host.tell(publish)
      },
    }),
    mayStayClosed,
    onUnopened,
    hosts,
    laneReaders: Array.from({ length: laneCount }, (_, lane) =>
      system.ref<LaneReaderMessage>(`${workers[lane % workers.length]}/lane-reader-${lane}`),
    ),
  })
  system.spawn<ShardControllerMessage>('controller', () => controller, { mailboxMax: 1024, overflow: 'dropNewest' })
  return controller
}

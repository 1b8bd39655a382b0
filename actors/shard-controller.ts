import { assert } from '../base/assert.ts'
import type { LaneId, Position, ShardId } from '../base/ids.ts'
import { comparePositions, POSITION_ZERO } from '../base/ids.ts'
import type { Logger } from '../base/logger.ts'
import type { Journal } from '../cluster/journal.ts'
import type { Registry } from '../cluster/registry.ts'
import { decodeShardEntry } from '../storage/manifest.ts'
import type { LaneReaderMessage, ShardControllerMessage, ShardHostMessage } from './messages/shard.ts'
import type { Actor } from './runtime/actor.ts'
import type { ActorRef } from './runtime/actor-ref.ts'

const OPEN_DEADLINE_MS = 300_000
const DRAIN_DEADLINE_MS = 60_000

export interface ShardControllerOptions {
  readonly shardCount: number
  readonly laneCount: number
  readonly journal: Journal
  readonly registry: Registry
  readonly logger: Logger
  /** One a worker. */
  readonly hosts: readonly ActorRef<ShardHostMessage>[]
  /** One a lane. */
  readonly laneReaders: readonly ActorRef<LaneReaderMessage>[]
}

/** Key of a shard in the registry. */
export function shardKey(shard: ShardId): string {
  return `shard/${shard}`
}

export function laneOf(shard: ShardId, laneCount: number): LaneId {
  return (shard % laneCount) as LaneId
}

/** Which worker of a node owns a shard. */
export function workerOf(shard: ShardId, workers: number): number {
  return shard % workers
}

/** Coordinates the shards of this node: opens them on its workers, starts the reading of the lanes, trims the journal behind the floors. */
export class ShardController implements Actor<ShardControllerMessage> {
  readonly #options: ShardControllerOptions
  readonly #trimmed = new Map<LaneId, number>()

  constructor(options: ShardControllerOptions) {
    this.#options = options
  }

  async handle(message: ShardControllerMessage): Promise<void> {
    switch (message.kind) {
      case 'floorAdvanced':
        await this.#trim(message.lane)
    }
  }

  /** Opens every shard on its worker, then lets the lanes be read from the lowest position that any of them needs. */
  async openAll(): Promise<void> {
    const { shardCount, laneCount, hosts, laneReaders, journal } = this.#options
    const generations = await Promise.all(
      Array.from({ length: laneCount }, async (_, lane) => (await journal.state(lane as LaneId)).generation),
    )
    const shards = Array.from({ length: shardCount }, (_, shard) => shard as ShardId)
    const opened = await Promise.all(
      hosts.map((host, worker) => {
        const own = shards.filter((shard) => workerOf(shard, hosts.length) === worker)
        const message = {
          kind: 'openShards' as const,
          shards: own.map((shard) => {
            const lane = laneOf(shard, laneCount)
            return { shard, lane, generation: generations[lane]! }
          }),
        }
        return host.ask(message, { deadlineMs: OPEN_DEADLINE_MS })
      }),
    )
    await Promise.all(
      laneReaders.map((reader, lane) => {
        const from = opened.flat().filter((shard) => shard.lane === lane)
        const lowest = from.map((shard) => shard.replayFrom).reduce(lowerOf)
        const after = lowest.generation === generations[lane] ? lowest : POSITION_ZERO
        return reader.ask({ kind: 'startReading', after }, { deadlineMs: OPEN_DEADLINE_MS })
      }),
    )
  }

  /** Stops reading; publishes what can be published, so that the next start has little to replay; closes the shards. */
  async drain(publish: boolean): Promise<void> {
    const { hosts, laneReaders, logger } = this.#options
    const deadlineMs = DRAIN_DEADLINE_MS
    await Promise.all(laneReaders.map((reader) => reader.ask({ kind: 'stopReading' }, { deadlineMs })))
    const results = await Promise.allSettled(
      hosts.map((host) => host.ask({ kind: 'drainShards', publish }, { deadlineMs })),
    )
    for (const result of results) {
      if (result.status === 'rejected') logger.warn('a worker did not close its shards', { error: result.reason })
    }
  }

  /** J5: only up to the lowest floor of the lane's shards, read back from the registry. */
  async #trim(lane: LaneId): Promise<void> {
    const { shardCount, laneCount, journal, registry } = this.#options
    const { generation } = await journal.state(lane)
    let lowest: Position | undefined
    let entries = 0
    for (const { key, value } of await registry.list('shard/')) {
      const shard = Number(key.slice('shard/'.length)) as ShardId
      if (laneOf(shard, laneCount) !== lane) continue
      entries++
      const { floor } = decodeShardEntry(value)
      lowest = lowest === undefined ? floor : lowerOf(lowest, floor)
    }
    const expected = Array.from({ length: shardCount }, (_, shard) => shard).filter(
      (shard) => laneOf(shard as ShardId, laneCount) === lane,
    ).length
    if (lowest === undefined || entries < expected || lowest.generation !== generation) return
    if (lowest.sequence <= (this.#trimmed.get(lane) ?? 0)) return
    assert(lowest.sequence > 0, 'a floor that moved names a frame')
    await journal.trim(lane, lowest.sequence)
    this.#trimmed.set(lane, lowest.sequence)
  }
}

function lowerOf(a: Position, b: Position): Position {
  return comparePositions(a, b) <= 0 ? a : b
}

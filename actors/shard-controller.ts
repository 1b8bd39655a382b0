import type { Clock, Timer } from '../base/clock.ts'
import type { LaneId, Position, ShardId } from '../base/ids.ts'
import { comparePositions, POSITION_ZERO } from '../base/ids.ts'
import { JOURNAL_RELIEVE_BYTES } from '../base/limits.ts'
import type { Logger } from '../base/logger.ts'
import type { Journal, LaneState } from '../cluster/journal.ts'
import type { Registry } from '../cluster/registry.ts'
import { decodeShardEntry, SHARD_KEYS, shardOfKey } from '../storage/manifest.ts'
import type { LaneReaderMessage, ShardControllerMessage, ShardHostMessage } from './messages/shard.ts'
import type { Actor } from './runtime/actor.ts'
import type { ActorRef } from './runtime/actor-ref.ts'

const OPEN_DEADLINE_MS = 300_000
/** Kept of a drain for closing the shards. */
const CLOSE_RESERVE_MS = 1000
/** How often the lanes are looked at: whether they can be trimmed, whether they fill up. */
const LOOK_EVERY_MS = 2000
/** A lane this full is relieved: its shards publish all they have, whatever its age. */
const RELIEVE_AT = 0.5
/** J4, J5: one this full is an operator's matter. */
const ALARM_AT = 0.7
const ALARM_EVERY_MS = 60_000

/** Frames of a lane that have to be applied again at the start: those behind `after`, up to `through`, the journal's end; maybe none. */
export interface Replay {
  readonly lane: LaneId
  readonly after: number
  readonly through: number
}

export interface ShardControllerOptions {
  readonly shardCount: number
  readonly laneCount: number
  readonly journal: Journal
  readonly registry: Registry
  readonly clock: Clock
  readonly logger: Logger
  /** One a worker. */
  readonly hosts: readonly ActorRef<ShardHostMessage>[]
  /** One a lane. */
  readonly laneReaders: readonly ActorRef<LaneReaderMessage>[]
}

export function laneOf(shard: ShardId, laneCount: number): LaneId {
  return (shard % laneCount) as LaneId
}

/** Which worker of a node owns a shard. */
export function workerOf(shard: ShardId, workers: number): number {
  return shard % workers
}

/**
 * Coordinates the shards of this node: opens them on its workers, starts the reading of the lanes, trims the journal behind the floors and keeps
 * it from filling up.
 */
export class ShardController implements Actor<ShardControllerMessage> {
  readonly #options: ShardControllerOptions
  readonly #trimmed = new Map<LaneId, number>()
  #looking: Timer | undefined
  #alarmedMs = Number.NEGATIVE_INFINITY

  constructor(options: ShardControllerOptions) {
    this.#options = options
  }

  async handle(message: ShardControllerMessage): Promise<void> {
    switch (message.kind) {
      case 'floorAdvanced':
        await this.#tryTrim(message.lane)
    }
  }

  /** Opens every shard on its worker, then lets the lanes be read from the lowest position that any of them needs. Returns what is being replayed of each. */
  async openAll(): Promise<readonly Replay[]> {
    const { shardCount, hosts, laneReaders, laneCount, clock } = this.#options
    const lanes = await Promise.all(laneReaders.map((_, lane) => this.#options.journal.state(lane as LaneId)))
    const shards = Array.from({ length: shardCount }, (_, shard) => shard as ShardId)
    const opened = await Promise.all(
      hosts.map((host, worker) => {
        const own = shards.filter((shard) => workerOf(shard, hosts.length) === worker)
        const message = {
          kind: 'openShards' as const,
          shards: own.map((shard) => {
            const lane = laneOf(shard, laneCount)
            const { generation, lastSequence } = lanes[lane]!
            return { shard, lane, generation, lastSequence }
          }),
        }
        return host.ask(message, { deadlineMs: OPEN_DEADLINE_MS })
      }),
    )
    const replays = await Promise.all(
      laneReaders.map(async (reader, lane) => {
        const lowest = opened
          .flat()
          .filter((shard) => shard.lane === lane)
          .map((shard) => shard.replayFrom)
          .reduce(lowerOf)
        const after = this.#readFrom(lane as LaneId, lowest, lanes[lane]!)
        await reader.ask({ kind: 'startReading', after }, { deadlineMs: OPEN_DEADLINE_MS })
        return { lane: lane as LaneId, after: after.sequence, through: lanes[lane]!.lastSequence }
      }),
    )
    this.#looking = clock.every(LOOK_EVERY_MS, () => {
      for (let lane = 0; lane < laneCount; lane++) void this.#look(lane as LaneId)
    })
    return replays
  }

  /** Stops reading; publishes what can be published, so that the next start has little to replay; closes the shards. */
  async drain(remainingMs: number): Promise<void> {
    const { hosts, laneReaders, logger } = this.#options
    this.#looking?.cancel()
    const deadlineMs = Math.max(1, remainingMs)
    const publishMs = Math.max(0, remainingMs - CLOSE_RESERVE_MS)
    await Promise.allSettled(laneReaders.map((reader) => reader.ask({ kind: 'stopReading' }, { deadlineMs })))
    const results = await Promise.allSettled(
      hosts.map((host) => host.ask({ kind: 'drainShards', publishMs }, { deadlineMs })),
    )
    for (const result of results) {
      if (result.status === 'rejected') logger.warn('a worker did not close its shards', { error: result.reason })
    }
  }

  stopping(): void {
    this.#looking?.cancel()
  }

  /** J3: sequences of another generation say nothing of this one: then all that is kept is read, and shards pass over what they have. */
  #readFrom(lane: LaneId, lowest: Position, state: LaneState): Position {
    const { generation, firstSequence, lastSequence } = state
    const isNew = lowest.generation === 0
    if ((isNew || lowest.generation === generation) && firstSequence > lowest.sequence + 1) {
      const { logger } = this.#options
      const lost = { lane, after: lowest.sequence, first: firstSequence, last: lastSequence }
      logger.error('frames are missing from the journal; their records are lost', lost)
    }
    return lowest.generation === generation ? lowest : POSITION_ZERO
  }

  /** Does not reject: what fails is done by the next look. */
  async #tryTrim(lane: LaneId): Promise<void> {
    try {
      await this.#trim(lane)
    } catch (error) {
      this.#options.logger.warn('the journal could not be trimmed; it will be tried again', { lane, error })
    }
  }

  /** J5: only up to the lowest floor of the lane's shards, read back from the registry. */
  async #trim(lane: LaneId): Promise<void> {
    const { generation } = await this.#options.journal.state(lane)
    const lowest = await this.#lowestFloor(lane)
    if (lowest === undefined || lowest.floor.generation !== generation) return
    const { sequence } = lowest.floor
    if (sequence <= (this.#trimmed.get(lane) ?? 0)) return
    await this.#options.journal.trim(lane, sequence)
    this.#trimmed.set(lane, sequence)
  }

  /** The shard of the lane that holds back the trimming; undefined while not every shard has an entry. */
  async #lowestFloor(lane: LaneId): Promise<{ readonly shard: ShardId; readonly floor: Position } | undefined> {
    const { shardCount, laneCount, registry } = this.#options
    const floors = (await registry.list(SHARD_KEYS))
      .map(({ key, value }) => ({ shard: shardOfKey(key), floor: decodeShardEntry(value).floor }))
      .filter(({ shard }) => laneOf(shard, laneCount) === lane)
    const shards = Array.from({ length: shardCount }, (_, shard) => shard as ShardId)
    const expected = shards.filter((shard) => laneOf(shard, laneCount) === lane).length
    if (floors.length < expected) return undefined
    return floors.reduce((a, b) => (comparePositions(a.floor, b.floor) <= 0 ? a : b))
  }

  async #look(lane: LaneId): Promise<void> {
    const { journal, hosts, clock, logger } = this.#options
    try {
      const { bytes, bytesMax, firstSequence, lastSequence } = await journal.state(lane)
      // What the last floor would have trimmed may have failed.
      if (firstSequence <= lastSequence) await this.#trim(lane)
      if (bytes < Math.min(RELIEVE_AT * bytesMax, JOURNAL_RELIEVE_BYTES)) return
      for (const host of hosts) host.tell({ kind: 'publishLane', lane })
      if (bytes < ALARM_AT * bytesMax || clock.monotonicMs() - this.#alarmedMs < ALARM_EVERY_MS) return
      this.#alarmedMs = clock.monotonicMs()
      const shard = (await this.#lowestFloor(lane))?.shard ?? null
      logger.error('the journal fills up; this shard holds back its trimming', { lane, shard, bytes, bytesMax })
    } catch (error) {
      logger.warn('the journal could not be looked at', { lane, error })
    }
  }
}

function lowerOf(a: Position, b: Position): Position {
  return comparePositions(a, b) <= 0 ? a : b
}

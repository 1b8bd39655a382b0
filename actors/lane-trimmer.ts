import type { Clock } from '../base/clock.ts'
import type { LaneId, NodeId, Position, ShardId } from '../base/ids.ts'
import { comparePositions } from '../base/ids.ts'
import { JOURNAL_RELIEVE_BYTES } from '../base/limits.ts'
import type { Logger } from '../base/logger.ts'
import type { Journal } from '../cluster/journal.ts'
import { isOfLostJournal } from './ownership-plan.ts'
import type { ShardMap } from './shard-map.ts'
import { laneOf } from './shard-places.ts'

/** A lane this full is relieved: its shards publish all they have, whatever its age. */
const RELIEVE_AT = 0.5
/** J4, J5: one this full is an operator's matter. */
const ALARM_AT = 0.7
const ALARM_EVERY_MS = 60_000
/** C3: floors that were read longer ago than this are not trimmed by. They only rise, so it would do no harm; but who is cut off should keep still. */
const REGISTRY_SILENCE_MAX_MS = 5000

export interface LaneTrimmerOptions {
  readonly nodeId: NodeId
  readonly shardCount: number
  readonly laneCount: number
  readonly journal: Journal
  readonly shardMap: ShardMap
  readonly clock: Clock
  readonly logger: Logger
  /** Has every shard of a lane that this node owns publish what it has. */
  readonly relieve: (lane: LaneId, emptyBehind?: Position) => void
}

/** Trims the lanes behind the floors of their shards and keeps them from filling up. Of each lane the owner of its first shard does it. */
export class LaneTrimmer {
  readonly #options: LaneTrimmerOptions
  readonly #trimmed = new Map<LaneId, Position>()
  #alarmedMs = Number.NEGATIVE_INFINITY
  #isLooking = false

  constructor(options: LaneTrimmerOptions) {
    this.#options = options
  }

  /** Does nothing while an earlier look goes on: a journal that does not answer holds each up for long. */
  async look(): Promise<void> {
    if (this.#isLooking) return
    this.#isLooking = true
    for (let lane = 0; lane < this.#options.laneCount; lane++) await this.#look(lane as LaneId)
    this.#isLooking = false
  }

  /** Does not reject: what fails is done by the next look. */
  async tryTrim(lane: LaneId): Promise<void> {
    try {
      await this.#trim(lane)
    } catch (error) {
      this.#options.logger.warn('the journal could not be trimmed; it will be tried again', { lane, error })
    }
  }

  /** J5: only up to the lowest floor of the lane's shards, as the registry has it; only in the generation of the floor. */
  async #trim(lane: LaneId): Promise<void> {
    const { journal, shardMap, nodeId } = this.#options
    if (shardMap.get(lane as number as ShardId)?.owner !== nodeId) return
    if (shardMap.silentMs > REGISTRY_SILENCE_MAX_MS) return
    const lowest = this.#lowestFloor(lane)
    if (lowest === undefined) return
    const { generation } = await journal.state(lane)
    const trimmed = this.#trimmed.get(lane)
    if (lowest.floor.generation !== generation) return
    if (trimmed !== undefined && comparePositions(lowest.floor, trimmed) <= 0) return
    await journal.trim(lane, lowest.floor.sequence, generation)
    this.#trimmed.set(lane, lowest.floor)
  }

  /** The shard of the lane that holds back the trimming; undefined while not every shard has an entry. */
  #lowestFloor(lane: LaneId): { readonly shard: ShardId; readonly floor: Position } | undefined {
    const { shardMap } = this.#options
    let lowest: { readonly shard: ShardId; readonly floor: Position } | undefined
    for (const shard of this.#shardsOf(lane)) {
      const floor = shardMap.get(shard)?.floor
      if (floor === undefined) return undefined
      if (lowest === undefined || comparePositions(floor, lowest.floor) < 0) lowest = { shard, floor }
    }
    return lowest
  }

  /** J3: this node has, or may have, rows that it alone has read of a journal that was lost; only once they are published are they safe. */
  #ownsLost(lane: LaneId, generation: number): boolean {
    const { shardMap, nodeId } = this.#options
    return this.#shardsOf(lane).some((shard) => {
      const entry = shardMap.get(shard)
      return entry?.owner === nodeId && isOfLostJournal(entry.floor, generation)
    })
  }

  #shardsOf(lane: LaneId): ShardId[] {
    const { shardCount, laneCount } = this.#options
    const all = Array.from({ length: shardCount }, (_, shard) => shard as ShardId)
    return all.filter((shard) => laneOf(shard, laneCount) === lane)
  }

  async #look(lane: LaneId): Promise<void> {
    const { journal, relieve, clock, logger } = this.#options
    try {
      const { generation, generationFrom, bytes, bytesMax, firstSequence, lastSequence } = await journal.state(lane)
      // What the last floor would have trimmed may have failed.
      if (firstSequence <= lastSequence) await this.#trim(lane)
      if (this.#ownsLost(lane, generation)) {
        // Where nobody sends anything, floors would stay in the journal that was lost, and shards on their owners.
        relieve(lane, lastSequence < generationFrom ? { generation, sequence: generationFrom - 1 } : undefined)
      }
      if (bytes < Math.min(RELIEVE_AT * bytesMax, JOURNAL_RELIEVE_BYTES)) return
      relieve(lane)
      if (bytes < ALARM_AT * bytesMax || clock.monotonicMs() - this.#alarmedMs < ALARM_EVERY_MS) return
      this.#alarmedMs = clock.monotonicMs()
      const shard = this.#lowestFloor(lane)?.shard ?? null
      logger.error('the journal fills up; this shard holds back its trimming', { lane, shard, bytes, bytesMax })
    } catch (error) {
      logger.warn('the journal could not be looked at', { lane, error })
    }
  }
}

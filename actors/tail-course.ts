import type { Position, ShardId } from '../base/ids.ts'
import { comparePositions } from '../base/ids.ts'
import { TAIL_HELD_BYTES_MAX } from '../base/limits.ts'
import type { LiveRow } from './messages/tail.ts'
import type { TailPlace } from './search-cursor.ts'
import { TAIL_ROW_LAST } from './search-cursor.ts'

/** Where the rows of a shard come from as they are applied. */
export interface LiveSource {
  /** Up to where all that was asked for has come. */
  heardOf(shard: ShardId): Position | undefined
}

/** One shard of a tail. */
interface Stretch {
  /** What is at or before it has been taken. Undefined until one was found. */
  place: TailPlace | undefined
  follow: number | undefined
  source: LiveSource | undefined
  /** All rows behind it come live. */
  liveFrom: Position | undefined
  /** Live rows that wait until what is before them has been taken; in the order of the journal. */
  held: LiveRow[]
  /** More was to be held than may: the rows of the answer that is being heard are let go. */
  isOverflowing: boolean
}

/**
 * How far a tail is in each of its shards. Every row is taken once: live rows are taken while nothing is missing between them and the place; where
 * something is, as at the beginning, behind a cursor, after a lost link or a hand-off, the shard is *behind*: its live rows wait until a catch-up has
 * moved the place to where they begin. All by position, so it does not matter who gives a row, or how often.
 */
export class TailCourse {
  readonly #stretches = new Map<ShardId, Stretch>()
  #heldBytes = 0

  constructor(shards: readonly ShardId[]) {
    for (const shard of shards) {
      const stretch = { place: undefined, follow: undefined, source: undefined, liveFrom: undefined }
      this.#stretches.set(shard, { ...stretch, held: [], isOverflowing: false })
    }
  }

  get shards(): readonly ShardId[] {
    return [...this.#stretches.keys()]
  }

  followOf(shard: ShardId): number | undefined {
    return this.#stretches.get(shard)?.follow
  }

  /** From now on rows of the shard come under this follow. */
  route(shard: ShardId, follow: number, source: LiveSource): void {
    this.unroute(shard)
    const stretch = this.#stretches.get(shard)!
    stretch.follow = follow
    stretch.source = source
  }

  /** No more rows of the shard come. */
  unroute(shard: ShardId): void {
    const stretch = this.#stretches.get(shard)
    if (stretch === undefined) return
    stretch.place = placeNow(shard, stretch)
    this.#letGo(stretch)
    stretch.follow = undefined
    stretch.source = undefined
    stretch.liveFrom = undefined
    stretch.isOverflowing = false
  }

  /** The follow has all rows behind the position. Returns rows that are to be taken now. */
  began(shard: ShardId, follow: number, position: Position): LiveRow[] {
    const stretch = this.#stretches.get(shard)
    if (stretch === undefined || stretch.follow !== follow) return []
    const { liveFrom } = stretch
    stretch.liveFrom = liveFrom === undefined || comparePositions(position, liveFrom) > 0 ? position : liveFrom
    return this.#settle(shard, stretch)
  }

  /** A live row. True when it is to be taken now. */
  hear(follow: number, row: LiveRow): boolean {
    const { key } = row
    const stretch = this.#stretches.get(key.shard)
    if (stretch === undefined || stretch.follow !== follow) return false
    if (isLive(stretch)) {
      if (!isAfter(key, stretch.place!)) return false
      stretch.place = { shard: key.shard, generation: key.generation, sequence: key.sequence, row: key.row }
      return true
    }
    if (stretch.isOverflowing) return false
    stretch.held.push(row)
    this.#heldBytes += row.json.length
    if (this.#heldBytes > TAIL_HELD_BYTES_MAX) this.#overflow()
    return false
  }

  /** All rows of an answer have been heard, and its source knows up to where they reach. */
  heard(): void {
    for (const [shard, stretch] of this.#stretches) {
      if (!stretch.isOverflowing) continue
      stretch.isOverflowing = false
      stretch.liveFrom = stretch.source?.heardOf(shard) ?? stretch.liveFrom
    }
  }

  /** Shards between whose place and live rows something is missing, with their places. */
  behind(): Map<ShardId, TailPlace> {
    const places = new Map<ShardId, TailPlace>()
    for (const [shard, stretch] of this.#stretches) {
      if (stretch.place !== undefined && stretch.liveFrom !== undefined && !isLive(stretch))
        places.set(shard, stretch.place)
    }
    return places
  }

  /** Shards that have no place yet. */
  placeless(): ShardId[] {
    return [...this.#stretches].flatMap(([shard, { place }]) => (place === undefined ? [shard] : []))
  }

  /** True when it is known of each shard from where on its rows come live. */
  get isFollowed(): boolean {
    return [...this.#stretches.values()].every(({ liveFrom }) => liveFrom !== undefined)
  }

  /** All up to these places has been taken. Returns rows that waited for that and are to be taken now. */
  moveTo(places: ReadonlyMap<ShardId, TailPlace>): LiveRow[] {
    const taken: LiveRow[] = []
    for (const [shard, place] of places) {
      const stretch = this.#stretches.get(shard)
      if (stretch === undefined) continue
      if (stretch.place === undefined || isAfter(place, stretch.place)) stretch.place = place
      taken.push(...this.#settle(shard, stretch))
    }
    return taken
  }

  /** Where the tail is now: what a cursor says. */
  places(): Map<ShardId, TailPlace> {
    const places = new Map<ShardId, TailPlace>()
    for (const [shard, stretch] of this.#stretches) {
      const place = placeNow(shard, stretch)
      if (place !== undefined) places.set(shard, place)
    }
    return places
  }

  #settle(shard: ShardId, stretch: Stretch): LiveRow[] {
    if (!isLive(stretch)) return []
    const taken = stretch.held.filter(({ key }) => isAfter(key, stretch.place!))
    this.#letGo(stretch)
    const last = taken[taken.length - 1]?.key
    if (last !== undefined) {
      stretch.place = { shard, generation: last.generation, sequence: last.sequence, row: last.row }
    }
    return taken
  }

  /** What was held is read from the shards again. */
  #overflow(): void {
    for (const stretch of this.#stretches.values()) {
      if (isLive(stretch)) continue
      this.#letGo(stretch)
      stretch.isOverflowing = true
    }
  }

  #letGo(stretch: Stretch): void {
    for (const { json } of stretch.held) this.#heldBytes -= json.length
    stretch.held = []
  }
}

/** Nothing is missing between the place and the rows that come. */
function isLive({ place, liveFrom, isOverflowing }: Stretch): boolean {
  if (place === undefined || liveFrom === undefined || isOverflowing) return false
  const order = comparePositions(place, liveFrom)
  return order > 0 || (order === 0 && place.row === TAIL_ROW_LAST)
}

function placeNow(shard: ShardId, stretch: Stretch): TailPlace | undefined {
  const { place } = stretch
  const heard = isLive(stretch) ? stretch.source?.heardOf(shard) : undefined
  if (place === undefined || heard === undefined) return place
  const reached = { shard, generation: heard.generation, sequence: heard.sequence, row: TAIL_ROW_LAST }
  return isAfter(reached, place) ? reached : place
}

function isAfter(a: Position & { readonly row: number }, b: Position & { readonly row: number }): boolean {
  const order = comparePositions(a, b)
  return order > 0 || (order === 0 && a.row > b.row)
}

import { assert, present } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import type { ColumnSource } from '../base/columns.ts'
import { WeirError } from '../base/errors.ts'
import { freeBytes } from '../base/free-bytes.ts'
import type { DayNumber, Position, ShardId, TenantId } from '../base/ids.ts'
import { comparePositions, dayOf } from '../base/ids.ts'
import { adopt, adoptAtOpening, isPrepared, prepareAdoption } from './adoption.ts'
import { AppliedFrames } from './applied-frames.ts'
import type { ApplyResult, OnRows } from './applied-rows.ts'
import type { BlockSummary } from './block.ts'
import type { BlockPart } from './block-codec.ts'
import { selectRows } from './block-codec.ts'
import type { CutReport } from './cut-head.ts'
import { cutHead } from './cut-head.ts'
import type { TenantDay } from './day-partition.ts'
import { DayPartition } from './day-partition.ts'
import type { LetGo } from './head.ts'
import { Head } from './head.ts'
import type { HeadBudget } from './head-budget.ts'
import { FrameRepeats } from './keyed-rows.ts'
import type { KeyValueEngine } from './kv.ts'
import type { PublishedState } from './published-state.ts'
import type { KeyedChunk } from './section-codec.ts'
import type { SectionRows } from './section-rows.ts'
import { daysOf, rowsByDay, sourceBytes } from './section-rows.ts'
import type { SeenEntry } from './seen-set.ts'
import { SeenSet } from './seen-set.ts'

export interface ShardStoreOptions {
  readonly shard: ShardId
  /** Directory of the shard; days are sub-directories. */
  readonly directory: string
  readonly engine: KeyValueEngine
  readonly clock: Clock
  readonly budget: HeadBudget
  /** What the registry and the manifest say is published. */
  readonly published: PublishedState
  /** Of the published pages of keyed chunks (D3), oldest first. */
  readonly seen: readonly SeenEntry[]
  /** zstd level of the blocks of a cut. */
  readonly zstdLevel: number
  readonly onCut?: (cut: CutReport) => void
  readonly onRows?: OnRows
  /** Runs an action when no query can be reading any more what has just left the heads. Undefined: the garbage collector finds out. */
  readonly whenUnread?: (action: () => void) => void
}

const NO_BLOCKS: ReadonlySet<BlockSummary> = new Set()

/**
 * All that one node holds of one shard: heads in memory, blocks of the unpublished tail on disk, and the list of published
 * segments. Rows enter frame by frame in the order of the journal; a frame is applied in one step or not at all. Each row is stored exactly
 * once however often its frame is replayed: a (tenant, day) skips positions at or below its own `appliedThrough` (S2), keyed chunks are
 * decided by the seen-set (D3).
 *
 * What waits for the disk (cuts, sweeps, drops, adoptions) is done one after the other, so no two of them see each other's half.
 *
 * Either this node owns the shard and publishes (`setPublished`), or it follows what another one publishes (`follow`). Both apply the same rows at the
 * same positions, so each may become the other: a row is published if its position is at or below `publishedThrough` of its tenant and day.
 */
export class ShardStore {
  readonly shard: ShardId
  readonly seen = new SeenSet()
  #published: PublishedState
  /** The newest state of another owner that is still to be adopted. */
  #pending: PublishedState | undefined
  #adopting: Promise<void> | undefined
  #adoptError: unknown
  readonly #options: ShardStoreOptions
  readonly #days = new Map<DayNumber, DayPartition>()
  readonly #opening = new Map<DayNumber, Promise<DayPartition>>()
  readonly #destroying = new Map<DayNumber, Promise<void>>()
  readonly #applied: AppliedFrames
  /** The end of the last piece of disk work; never rejects. */
  #diskWork: Promise<void> = Promise.resolve()
  /** A cut that has not begun yet, and so takes along what is frozen until then. */
  #nextCut: Promise<void> | undefined
  #cutError: unknown
  #isClosed = false
  readonly #letGo: LetGo = (memory) => this.#options.whenUnread?.(() => memory.forEach(freeBytes))

  private constructor(options: ShardStoreOptions) {
    this.shard = options.shard
    this.#published = options.published
    this.#options = options
    this.#applied = new AppliedFrames(options.shard, options.published.floor)
    this.seen.load(options.seen)
  }

  /** Opens what the disk holds of the shard. Frames behind `applied` must then be applied. Throws storage_unavailable. */
  static async open(options: ShardStoreOptions): Promise<ShardStore> {
    const store = new ShardStore(options)
    try {
      for (const name of await options.engine.list(options.directory)) {
        const day = dayOf(Date.parse(`${name}T00:00:00Z`))
        if (Number.isNaN(day)) continue
        const partition = await store.#open(day)
        if (partition.isEmpty()) await store.#destroyDay(partition)
      }
      return store
    } catch (error) {
      await store.close()
      throw error
    }
  }

  /**
   * The journal has begun anew in `generation` and holds nothing yet, so nothing of the time before is to be applied any more (J3). What waits here to be
   * published keeps the floor below it.
   */
  beginAnew(generation: number): void {
    assert(generation > this.applied.generation, 'a later generation')
    this.#reach({ generation, sequence: 0 })
  }

  /** Removes all that a node holds of a shard, whose store is closed. Throws storage_unavailable. */
  static destroy(engine: KeyValueEngine, directory: string): Promise<void> {
    return engine.destroy(directory)
  }

  /** What the manifest of this shard lists now. */
  get published(): PublishedState {
    return this.#published
  }

  /** A state that was given to `follow` and is not adopted yet: what is applied here does not reach its floor. */
  get pending(): PublishedState | undefined {
    return this.#pending
  }

  /** Everything at or below it has been applied: it is in a head, in a block, published, or was a repeat. */
  get applied(): Position {
    return this.#applied.last
  }

  /** The oldest frame at or below `floor` that was gone from the journal before it was applied here; undefined when there is none. */
  missed(floor: Position): Position | undefined {
    return this.#applied.missed(floor)
  }

  /** The frame behind `after` that the journal has is `first`: those between were trimmed, or are lost. */
  noteGap(after: Position, first: Position): void {
    this.#applied.noteGap(after, first)
  }

  /** The error that keeps frozen heads from becoming blocks, or a state from being adopted, if any; cleared by the next success. */
  get cutError(): unknown {
    return this.#cutError ?? this.#adoptError
  }

  /**
   * Stores the rows of the frame at `position`, all of its sections of this shard, which is the next such frame; one that has been applied is passed
   * over. `appendedMs` is the journal's time of the frame. Throws storage_unavailable when a day cannot be opened; nothing is applied then.
   */
  async applyFrame(position: Position, appendedMs: number, sections: readonly SectionRows[]): Promise<ApplyResult> {
    if (this.#applied.has(position)) return { rows: 0, repeatedRows: 0, conflicts: [] }
    // Again, because a sweep may have closed one while another was opened.
    for (let days = this.#closedDaysOf(sections); days.size > 0; days = this.#closedDaysOf(sections)) {
      for (const day of days) await this.#openDay(day)
    }
    // From here on nothing waits or fails, so no query, cut or floor sees half a frame.
    if (this.#isClosed) throw closed(this.shard)
    const { onRows } = this.#options
    const repeats = new FrameRepeats(this.seen, position, appendedMs)
    const conflicts: KeyedChunk[] = []
    let rows = 0
    let repeatedRows = 0
    for (const { meta, source, rowBase, bytes } of sections) {
      const { tenant, receivedMs } = meta
      const brought = { shard: this.shard, tenant, position, appendedMs, receivedMs, source, rowBase }
      const dropped = repeats.of(meta, source.rowCount)
      conflicts.push(...(dropped?.conflicts ?? []))
      repeatedRows += dropped?.repeated ?? 0
      for (const [day, selected] of rowsByDay(source, dropped?.rows)) {
        const partition = present(this.#days.get(day), 'an open day')
        const state = partition.tenant(tenant, this.#published.publishedThrough(tenant, day))
        const isNew = comparePositions(position, state.appliedThrough) > 0
        onRows?.({ ...brought, rows: selected, isNew })
        if (isNew) rows += this.#append(state, source, selected, position, rowBase, receivedMs, bytes)
      }
    }
    this.#reach(position)
    return { rows, repeatedRows, conflicts }
  }

  /**
   * Says that the frames behind `after` up to `through` hold nothing more of this shard than was applied. Throws shard_unavailable when a frame at or
   * before `after` has not been applied: none may be skipped.
   */
  passOver(after: Position, through: Position): void {
    this.mustFollow(after)
    if (!this.#applied.has(through)) this.#reach(through)
  }

  /** Throws shard_unavailable unless every frame up to `after` has been applied. */
  mustFollow(after: Position): void {
    this.#applied.mustFollow(after)
  }

  /**
   * Freezes heads that are old, or all of them, and makes blocks of what is frozen, also of what an error left. Resolves when that is done or has
   * failed again: see `cutError`.
   */
  cut(which: 'old' | 'all'): Promise<void> {
    const nowMs = this.#options.clock.monotonicMs()
    let isFrozen = false
    for (const partition of this.#days.values()) {
      for (const state of partition.tenants()) {
        if (state.head !== undefined && (which === 'all' || state.head.isOld(nowMs))) this.#freeze(state)
        isFrozen ||= state.frozen.length > 0
      }
      isFrozen ||= partition.hasUnstored()
    }
    if (isFrozen) return this.#cutFrozen()
    this.#cutError = undefined
    return this.#diskWork
  }

  /** Bytes of the shard's largest head that is not frozen. */
  largestHeadBytes(): number {
    return this.#largest()?.head?.byteSize ?? 0
  }

  /** S4: freezes the largest head of the shard and starts making blocks of it. */
  cutLargest(): void {
    const largest = this.#largest()
    if (largest === undefined) return
    this.#freeze(largest)
    void this.#cutFrozen()
  }

  openDays(): Iterable<DayPartition> {
    return this.#days.values()
  }

  /** The highest position at or below which every row is in a published segment or in a block of `publishing`. */
  floorNow(publishing: ReadonlySet<BlockSummary>): Position {
    let floor = this.applied
    const lower = (generation: number, sequence: number) => {
      const before = { generation, sequence: sequence - 1 }
      if (comparePositions(before, floor) < 0) floor = before
    }
    for (const partition of this.#days.values()) {
      for (const { head, frozen, unpublished } of partition.tenants()) {
        if (head !== undefined) lower(head.generation, head.firstSequence)
        for (const waiting of frozen) lower(waiting.generation, waiting.firstSequence)
        for (const block of unpublished) if (!publishing.has(block)) lower(block.generation, block.firstSequence)
      }
    }
    return comparePositions(floor, this.#published.floor) > 0 ? floor : this.#published.floor
  }

  /** Bytes of blocks that are not published yet. */
  unpublishedBytes(): number {
    let bytes = 0
    for (const partition of this.#days.values()) {
      for (const { unpublished } of partition.tenants()) for (const { byteLength } of unpublished) bytes += byteLength
    }
    return bytes
  }

  /**
   * Takes the state that the registry now names. In the same step `blocks` cease to be found here and begin to be found in the segments
   * of that state, so no query sees a row twice or not at all (C5).
   */
  setPublished(published: PublishedState, blocks: ReadonlySet<BlockSummary> = NO_BLOCKS): void {
    assert(comparePositions(published.floor, this.#published.floor) >= 0, 'a floor never goes back')
    this.#published = published
    this.seen.published(published.floor)
    if (blocks.size === 0) return
    const nowMs = this.#options.clock.monotonicMs()
    for (const partition of this.#days.values()) partition.markPublished(blocks, nowMs)
  }

  /**
   * Takes over what another owner has published. States come in the order of the registry. Resolves when this or a newer one is adopted, or put
   * aside (`pending`) until what is applied here reaches its floor: from behind it, keyed chunks would be missing from the seen-set (D3). In one
   * step the state becomes `published` and the rows that it has cease to be found here, in heads and in blocks, which are cut at
   * other places than the owner's (C5). What of the node's own publishing did not become visible leaves nothing: rows go by position. Throws
   * shard_unavailable, corrupt_data, storage_unavailable; it is tried again when the next frame is applied.
   */
  async follow(published: PublishedState): Promise<void> {
    if (this.#isClosed) throw closed(this.shard)
    const newest = this.#pending ?? this.#published
    if (published === this.#published || comparePositions(published.floor, newest.floor) < 0) return
    this.#pending = published
    await this.#adoptPending()
  }

  /** Retention: removes what this disk holds of these days. The segments are the manifest's matter. Throws storage_unavailable. */
  dropDays(days: readonly DayNumber[]): Promise<void> {
    return this.#inTurn(async () => {
      for (const day of days) {
        const partition = this.#days.get(day)
        if (partition !== undefined) await this.#destroyDay(partition)
      }
    })
  }

  /** Drops local blocks published before `beforeMs` (monotonic), and days that hold nothing more. Throws storage_unavailable. */
  sweep(beforeMs: number): Promise<void> {
    return this.#inTurn(async () => {
      for (const partition of [...this.#days.values()]) {
        await partition.forgetPublished(beforeMs)
        if (partition.isEmpty()) await this.#destroyDay(partition)
      }
    })
  }

  /** Stops. Nothing is lost by not cutting first, since the journal has it; the next start only replays more. */
  close(): Promise<void> {
    this.#isClosed = true
    return this.#inTurn(async () => {
      await Promise.allSettled(this.#opening.values())
      for (const partition of this.#days.values()) {
        for (const state of partition.tenants()) this.#releaseHeads(state)
        await partition.close()
      }
      this.#days.clear()
    })
  }

  #largest(): TenantDay | undefined {
    let largest: TenantDay | undefined
    for (const partition of this.#days.values()) {
      for (const state of partition.tenants()) {
        if (state.head !== undefined && state.head.byteSize > (largest?.head?.byteSize ?? 0)) largest = state
      }
    }
    return largest
  }

  /** Days with rows of these sections that are not open. */
  #closedDaysOf(sections: readonly SectionRows[]): Set<DayNumber> {
    const days = new Set<DayNumber>()
    for (const { source } of sections) for (const day of daysOf(source)) if (!this.#days.has(day)) days.add(day)
    return days
  }

  async #openDay(day: DayNumber): Promise<void> {
    if (this.#days.has(day)) return
    let opening = this.#opening.get(day)
    if (opening === undefined) {
      opening = this.#open(day).finally(() => this.#opening.delete(day))
      this.#opening.set(day, opening)
    }
    await opening
  }

  async #open(day: DayNumber): Promise<DayPartition> {
    await this.#destroying.get(day)
    if (this.#isClosed) throw closed(this.shard)
    const { engine, directory } = this.#options
    const through = (tenant: TenantId) => this.#published.publishedThrough(tenant, day)
    const partition = await DayPartition.open(engine, directory, day, through)
    try {
      await adoptAtOpening(partition, () => this.#published, this.#options)
    } catch (error) {
      await partition.close()
      throw error
    }
    this.#days.set(day, partition)
    if (partition.hasUnstored()) void this.#cutFrozen()
    return partition
  }

  /** Everything up to `position` has been applied. */
  #reach(position: Position): void {
    this.#applied.reach(position)
    if (this.#pending === undefined) return
    this.#adoptPending().catch((error: unknown) => {
      this.#adoptError = error
    })
  }

  #adoptPending(): Promise<void> {
    if (!this.#isAdoptable(this.#pending)) return Promise.resolve()
    this.#adopting ??= this.#inTurn(() => this.#adopt())
    return this.#adopting
  }

  #isAdoptable(state: PublishedState | undefined): state is PublishedState {
    return state !== undefined && this.#applied.has(state.floor)
  }

  async #adopt(): Promise<void> {
    try {
      for (let next = this.#pending; this.#isAdoptable(next); next = this.#pending) {
        const adoption = await prepareAdoption(this.#days.values(), next, this.#options)
        if (this.#isClosed) throw closed(this.shard)
        // Meanwhile a newer state may have come, or a day been opened.
        if (next !== this.#pending || !isPrepared(adoption, this.#days.values())) continue
        this.#pending = undefined
        this.#published = next
        this.#adoptError = undefined
        adopt(adoption, this.#days.values(), this.#options)
        this.seen.published(next.floor)
      }
    } finally {
      this.#adopting = undefined
    }
    for (const partition of this.#days.values()) if (partition.hasUnstored()) void this.#cutFrozen()
  }

  #append(
    state: TenantDay,
    source: ColumnSource,
    selected: Uint32Array | null,
    position: Position,
    rowBase: number,
    receivedMs: number,
    bytes: Uint8Array | undefined,
  ): number {
    const rowCount = selected === null ? source.rowCount : selected.length
    const { clock, budget } = this.#options
    const { head } = state
    // A head ends at the end of a frame: what is cut of it is whole frames (S2).
    const isSameFrame = head !== undefined && comparePositions(head.lastPosition, position) === 0
    if (head !== undefined && !isSameFrame) {
      if (head.generation !== position.generation || head.isFullFor(rowCount)) {
        this.#freeze(state)
        void this.#cutFrozen()
      }
    }
    state.head ??= new Head(state.tenant, state.day, position.generation, clock.monotonicMs(), this.#letGo)
    const byteSize = Math.ceil(sourceBytes(source) * (rowCount / source.rowCount))
    const part: BlockPart =
      selected === null
        ? { source, rows: null, sequence: position.sequence, rowBase, receivedMs }
        : { source: selectRows(source, selected), rows: selected, sequence: position.sequence, rowBase, receivedMs }
    state.head.append(part, byteSize, selected === null ? bytes : undefined)
    budget.take(byteSize)
    return rowCount
  }

  #freeze(state: TenantDay): void {
    const head = present(state.head, 'a head that is frozen')
    state.frozen.push(head)
    state.head = undefined
    this.#options.budget.freeze(head.byteSize)
  }

  #releaseHeads(state: TenantDay): void {
    if (state.head !== undefined) this.#freeze(state)
    for (const head of state.frozen.splice(0)) this.#options.budget.release(head.byteSize)
  }

  /** Stores remainders and makes blocks of all frozen heads; one that fails stays searchable, does not hold up those of other days, and is tried again by the next cut. */
  #cutFrozen(): Promise<void> {
    this.#nextCut ??= this.#inTurn(async () => {
      this.#nextCut = undefined
      let failure: unknown
      for (const partition of [...this.#days.values()]) {
        try {
          await partition.storeRemainders()
        } catch (error) {
          failure ??= error
        }
        for (const state of partition.tenants()) {
          try {
            // Only those frozen by now: under load more are always coming, and whoever waits for this cut would wait for ever.
            for (let heads = state.frozen.length; heads > 0 && state.frozen.length > 0; heads--) {
              await cutHead(partition, state, state.frozen[0]!, this.#options)
            }
          } catch (error) {
            failure ??= error
          }
        }
      }
      this.#cutError = failure
    })
    return this.#nextCut
  }

  async #destroyDay(partition: DayPartition): Promise<void> {
    this.#days.delete(partition.day)
    for (const state of partition.tenants()) this.#releaseHeads(state)
    const destroyed = partition.destroy().finally(() => this.#destroying.delete(partition.day))
    // Whoever opens the day again waits for it; how it ended is said below.
    this.#destroying.set(
      partition.day,
      destroyed.catch(() => undefined),
    )
    await destroyed
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#diskWork.then(work)
    this.#diskWork = done.catch(() => undefined)
    return done
  }
}

function closed(shard: ShardId): WeirError {
  return new WeirError('shard_unavailable', 'the shard is closed', { shard })
}

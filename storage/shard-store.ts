import { assert } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import type { ColumnSource } from '../base/columns.ts'
import type { DayNumber, Position, ShardId, TenantId } from '../base/ids.ts'
import { comparePositions, dayOf } from '../base/ids.ts'
import { BLOCK_ROWS_MAX } from '../base/limits.ts'
import type { BlockSummary } from './block.ts'
import type { BlockPart } from './block-codec.ts'
import { encodeBlock, selectRows } from './block-codec.ts'
import type { TenantDay } from './day-partition.ts'
import { DayPartition } from './day-partition.ts'
import { Head } from './head.ts'
import type { HeadBudget } from './head-budget.ts'
import type { KeyValueEngine } from './kv.ts'
import type { PublishedState } from './published-state.ts'
import type { KeyedChunk, SectionMeta } from './section-codec.ts'
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
  /** zstd level of the blocks of a cut. */
  readonly zstdLevel: number
  readonly onCut?: (cut: { readonly rows: number; readonly blocks: number; readonly tookMs: number }) => void
}

const NO_BLOCKS: ReadonlySet<BlockSummary> = new Set()

/** What became of a section. */
export interface ApplyResult {
  readonly rows: number
  readonly repeatedRows: number
  /** Keyed chunks whose key came first with another body; their rows are not stored. */
  readonly conflicts: readonly KeyedChunk[]
}

/**
 * All that one node holds of one shard: heads in memory, blocks of the unpublished tail on disk, and the list of published
 * segments. Rows enter in the order of the journal through `apply`; each row is stored exactly once however often its frame is replayed: a
 * (tenant, day) skips positions at or below its own `appliedThrough` (S2), keyed chunks are decided by the seen-set (D3).
 */
export class ShardStore {
  readonly shard: ShardId
  readonly seen: SeenSet
  #published: PublishedState
  readonly #options: ShardStoreOptions
  readonly #days = new Map<DayNumber, DayPartition>()
  readonly #opening = new Map<DayNumber, Promise<DayPartition>>()
  readonly #destroying = new Map<DayNumber, Promise<void>>()
  /** The last frame of which every section of this shard has been applied. */
  #applied: Position
  /** Cuts of the shard, one after the other. */
  #cutting: Promise<void> = Promise.resolve()
  #cutError: unknown
  #closed = false

  private constructor(options: ShardStoreOptions) {
    this.shard = options.shard
    this.#published = options.published
    this.seen = new SeenSet()
    this.#options = options
    this.#applied = options.published.floor
  }

  /** Opens what the disk holds of the shard. Frames after `replayFrom` must then be applied again. */
  static async open(options: ShardStoreOptions): Promise<ShardStore> {
    const store = new ShardStore(options)
    store.seen.load(options.published.seenEntries, options.clock.nowMs())
    for (const name of await options.engine.list(options.directory)) {
      const day = dayOf(Date.parse(`${name}T00:00:00Z`))
      if (Number.isNaN(day)) continue
      const partition = await store.day(day)
      if (partition.isEmpty()) await store.#destroyDay(partition)
    }
    return store
  }

  /** What the manifest of this shard lists now. */
  get published(): PublishedState {
    return this.#published
  }

  /** Where replay of the journal begins: everything at or below it is in published segments. */
  get replayFrom(): Position {
    return this.published.floor
  }

  get applied(): Position {
    return this.#applied
  }

  /** The error that keeps frozen heads from becoming blocks, if any; cleared by the next success. */
  get cutError(): unknown {
    return this.#cutError
  }

  /** Stores the rows of a section; `rowBase` counts the rows of this shard before it in its frame. */
  async apply(
    meta: SectionMeta,
    source: ColumnSource,
    position: Position,
    rowBase: number,
    appendedMs: number,
  ): Promise<ApplyResult> {
    assert(!this.#closed, 'a closed shard takes no rows')
    const conflicts: KeyedChunk[] = []
    let dropped: Uint8Array | undefined
    let repeatedRows = 0
    for (const chunk of meta.keyed) {
      const verdict = this.seen.decide(chunk, position, appendedMs)
      if (verdict === 'take') continue
      if (verdict === 'conflict') conflicts.push(chunk)
      else repeatedRows += chunk.rowTo - chunk.rowFrom
      dropped ??= new Uint8Array(source.rowCount)
      dropped.fill(1, chunk.rowFrom, chunk.rowTo)
    }
    let rows = 0
    for (const [day, selected] of rowsByDay(source, dropped)) {
      const partition = this.#days.get(day) ?? (await this.#openForRows(day))
      const state = partition.tenant(meta.tenant, this.#published.publishedThrough(meta.tenant, day))
      if (comparePositions(position, state.appliedThrough) <= 0) continue
      rows += this.#append(state, source, selected, position, rowBase, meta.receivedMs)
    }
    return { rows, repeatedRows, conflicts }
  }

  /** Says that every section of this shard up to `position` has been applied. */
  frameApplied(position: Position): void {
    if (comparePositions(position, this.#applied) > 0) this.#applied = position
  }

  /** Freezes heads that are old, or all of them, and starts making blocks of what is frozen. Resolves when that is done. */
  async cut(which: 'old' | 'all'): Promise<void> {
    const nowMs = this.#options.clock.nowMs()
    for (const partition of this.#days.values()) {
      for (const state of partition.tenants()) {
        if (state.head !== undefined && (which === 'all' || state.head.isOld(nowMs))) this.#freeze(state)
      }
    }
    await this.#drainFrozen()
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
    void this.#drainFrozen()
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

  /** The partition of a day, opened when first asked for. */
  async day(day: DayNumber): Promise<DayPartition> {
    const known = this.#days.get(day)
    if (known !== undefined) return known
    let opening = this.#opening.get(day)
    if (opening === undefined) {
      opening = this.#open(day).finally(() => this.#opening.delete(day))
      this.#opening.set(day, opening)
    }
    return opening
  }

  openDays(): Iterable<DayPartition> {
    return this.#days.values()
  }

  openDay(day: DayNumber): DayPartition | undefined {
    return this.#days.get(day)
  }

  /** The highest position at or below which every row is in a published segment or in a block of `publishing`. */
  floorNow(publishing: ReadonlySet<BlockSummary>): Position {
    let floor = this.#applied
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
    this.#published = published
    if (blocks.size === 0) return
    const nowMs = this.#options.clock.nowMs()
    for (const partition of this.#days.values()) partition.markPublished(blocks, nowMs)
  }

  /** Retention: removes what this disk holds of these days. The segments are the manifest's matter. */
  async dropDays(days: readonly DayNumber[]): Promise<void> {
    await this.#cutting
    for (const day of days) {
      const partition = this.#days.get(day)
      if (partition !== undefined) await this.#destroyDay(partition)
    }
  }

  /** Drops local blocks that plans no longer name and closes days that hold nothing more. */
  async sweep(publishedMsMax: number): Promise<void> {
    for (const partition of [...this.#days.values()]) {
      await partition.forgetPublished(publishedMsMax)
      if (partition.isEmpty()) await this.#destroyDay(partition)
    }
  }

  /** Stops: nothing is lost by not cutting first, since the journal has it; `cut('all')` makes the next start quicker. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#cutting
    for (const partition of this.#days.values()) await partition.close()
    this.#days.clear()
  }

  async #open(day: DayNumber): Promise<DayPartition> {
    await this.#destroying.get(day)
    const { engine, directory } = this.#options
    const through = (tenant: TenantId) => this.#published.publishedThrough(tenant, day)
    const partition = await DayPartition.open(engine, directory, day, through)
    this.#days.set(day, partition)
    return partition
  }

  /** A partition that is open when the caller goes on, also where a sweep has just destroyed it. */
  async #openForRows(day: DayNumber): Promise<DayPartition> {
    for (;;) {
      await this.day(day)
      const partition = this.#days.get(day)
      if (partition !== undefined) return partition
    }
  }

  #append(
    state: TenantDay,
    source: ColumnSource,
    selected: Uint32Array | null,
    position: Position,
    rowBase: number,
    receivedMs: number,
  ): number {
    const rowCount = selected === null ? source.rowCount : selected.length
    if (rowCount === 0) return 0
    const { clock, budget } = this.#options
    if (state.head !== undefined) {
      const head = state.head
      if (head.generation !== position.generation || head.isFullFor(rowCount)) {
        this.#freeze(state)
        void this.#drainFrozen()
      }
    }
    state.head ??= new Head(state.tenant, state.day, position.generation, clock.nowMs())
    const byteSize = sourceBytes(source) * (rowCount / source.rowCount)
    const part: BlockPart =
      selected === null
        ? { source, rows: null, sequence: position.sequence, rowBase, receivedMs }
        : { source: selectRows(source, selected), rows: selected, sequence: position.sequence, rowBase, receivedMs }
    const before = state.head.byteSize
    state.head.append(part, byteSize)
    budget.take(state.head.byteSize - before)
    return rowCount
  }

  #freeze(state: TenantDay): void {
    assert(state.head !== undefined, 'a head that is frozen is there')
    state.frozen.push(state.head)
    state.head = undefined
  }

  /** Makes blocks of all frozen heads, one after the other; a failure leaves them searchable and is tried again by the next call. */
  #drainFrozen(): Promise<void> {
    this.#cutting = this.#cutting.then(async () => {
      try {
        for (const partition of [...this.#days.values()]) {
          for (const state of partition.tenants()) {
            while (state.frozen.length > 0) await this.#cutHead(partition, state, state.frozen[0]!)
          }
        }
        this.#cutError = undefined
      } catch (error) {
        this.#cutError = error
      }
    })
    return this.#cutting
  }

  async #cutHead(partition: DayPartition, state: TenantDay, head: Head): Promise<void> {
    const { clock, zstdLevel, budget, onCut } = this.#options
    const startedMs = clock.monotonicMs()
    const identity = { tenant: head.tenant, day: head.day, retentionClass: 0, generation: head.generation }
    const blocks = []
    for (const parts of partsOfBlocks(head.parts())) {
      blocks.push(await encodeBlock(parts, identity, { zstdLevel, clock }))
    }
    await partition.commitCut(state, head, blocks)
    budget.release(head.byteSize)
    onCut?.({ rows: head.rowCount, blocks: blocks.length, tookMs: clock.monotonicMs() - startedMs })
  }

  async #destroyDay(partition: DayPartition): Promise<void> {
    this.#days.delete(partition.day)
    const destroyed = partition.destroy().finally(() => this.#destroying.delete(partition.day))
    this.#destroying.set(partition.day, destroyed)
    await destroyed
  }
}

/** Rows by their day; null stands for all rows of the source. */
function rowsByDay(
  source: ColumnSource,
  dropped: Uint8Array | undefined,
): Iterable<readonly [DayNumber, Uint32Array | null]> {
  const { rowCount, timeMs } = source
  if (rowCount === 0) return []
  const firstDay = dayOf(timeMs[0]!)
  let sameDay = true
  for (let row = 1; row < rowCount && sameDay; row++) sameDay = dayOf(timeMs[row]!) === firstDay
  if (sameDay && dropped === undefined) return [[firstDay, null]]
  const days = new Map<DayNumber, number[]>()
  for (let row = 0; row < rowCount; row++) {
    if (dropped?.[row] === 1) continue
    const day = dayOf(timeMs[row]!)
    const rows = days.get(day)
    if (rows === undefined) days.set(day, [row])
    else rows.push(row)
  }
  return [...days].map(([day, rows]) => [day, Uint32Array.from(rows)] as const)
}

/** Parts of a head in runs of at most BLOCK_ROWS_MAX rows, one run a block. */
function partsOfBlocks(parts: readonly BlockPart[]): BlockPart[][] {
  const runs: BlockPart[][] = []
  let run: BlockPart[] = []
  let rows = 0
  for (const part of parts) {
    const count = part.source.rowCount
    if (rows > 0 && rows + count > BLOCK_ROWS_MAX) {
      runs.push(run)
      run = []
      rows = 0
    }
    run.push(part)
    rows += count
  }
  if (rows > 0) runs.push(run)
  return runs
}

function sourceBytes(source: ColumnSource): number {
  let bytes = source.rowCount * 12
  for (const name of source.columnNames) {
    const column = source.column(name)
    if (column === undefined) continue
    if (column.kind === 'bytes') bytes += column.bytes.length + column.offsets.byteLength
    else if (column.kind === 'dictionary') bytes += column.codes.length + column.bytes.length
    else bytes += column.values.byteLength
  }
  return bytes
}

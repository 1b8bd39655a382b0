import { pack, unpack } from 'msgpackr'
import { assert, present } from '../base/assert.ts'
import { WeirError } from '../base/errors.ts'
import { ownCopy } from '../base/free-bytes.ts'
import type { DayNumber, Position, TenantId } from '../base/ids.ts'
import { comparePositions, dayText } from '../base/ids.ts'
import type { BlockSummary, EncodedBlock } from './block.ts'
import type { EncodeOptions } from './block-codec.ts'
import { LocalBlockIndex } from './block-index.ts'
import type { Head } from './head.ts'
import {
  dayKey,
  KEYSPACE_APPLIED,
  KEYSPACE_BLOCK,
  KEYSPACE_BLOOM,
  KEYSPACE_REPLACED,
  KEYSPACE_SUMMARY,
  KEYSPACE_WORDS,
  keyspaceRange,
} from './keyspaces.ts'
import type { KeyValueEngine, KeyValueOperation, KeyValueStore } from './kv.ts'
import type { PublishedThroughOf, Remainder, Remainders } from './remainder.ts'
import { isPublished, remainderOf, straddles } from './remainder.ts'

/** Bloom filters of one tenant's unpublished blocks kept in memory; beyond it they are read back when asked for. */
const BLOOM_BYTES_MAX = 2 * 1024 * 1024

/** What one tenant has in one day of one shard: heads in memory and the blocks cut from them. */
export interface TenantDay {
  readonly tenant: TenantId
  readonly day: DayNumber
  /** Takes rows; undefined when none came since the last cut. */
  head: Head | undefined
  /** Heads that wait to become blocks, oldest first; still searched. */
  readonly frozen: Head[]
  /** What tells which unpublished blocks a query must open. */
  readonly blocks: LocalBlockIndex
  /** Unpublished blocks, in the order of the journal. */
  unpublished: BlockSummary[]
  /** Every row at or below it is in a committed block or published (S2). */
  appliedThrough: Position
}

/** A published block that plans may still name (C5). */
interface SupersededBlock {
  readonly summary: BlockSummary
  /** Monotonic. */
  readonly publishedMs: number
}

/** A remainder that is not known to be on the disk. */
interface UnstoredRemainder extends Remainder {
  /** Remainders that it replaced before they were known to be stored; the disk may have them all the same. */
  readonly forerunners: readonly BlockSummary[]
  /** False once it is superseded in its turn: then it is kept for plans alone. */
  isCurrent: boolean
}

/**
 * One UTC day of one shard on this node's disk: a directory with one LMDB environment (S2), opened when the first row needs it. It
 * holds the unpublished tail and, for a while, what was published of it; a day is dropped whole.
 *
 * Nothing here need be flushed: until a row is in a published segment the journal has it too, and what a crash of the machine takes away of a
 * day it takes together with the `appliedThrough` that speaks of it. At any moment every row at or below `appliedThrough` of the disk is
 * published or in a block of the disk, in one that is not marked as replaced only. So a block that straddles is marked in the
 * transaction that stores its remainder; and since a transaction that failed may have happened, the one that stores fewer of the same rows
 * deletes what the failed one may have stored.
 */
export class DayPartition {
  readonly day: DayNumber
  readonly #engine: KeyValueEngine
  readonly #directory: string
  readonly #store: KeyValueStore
  readonly #tenants = new Map<TenantId, TenantDay>()
  /** Oldest first. */
  #superseded: SupersededBlock[] = []
  /** By block id. */
  readonly #unstored = new Map<string, UnstoredRemainder>()
  /** Blocks of heads whose transaction failed: the disk may have them or not. */
  readonly #doubtful = new WeakMap<Head, readonly BlockSummary[]>()
  #isClosed = false

  private constructor(day: DayNumber, engine: KeyValueEngine, directory: string, store: KeyValueStore) {
    this.day = day
    this.#engine = engine
    this.#directory = directory
    this.#store = store
  }

  /**
   * Opens the day; blocks that are published already (`publishedThrough` says how far, per tenant) count as superseded long ago. Those that straddle
   * it are left to `adopt`.
   */
  static async open(
    engine: KeyValueEngine,
    shardDirectory: string,
    day: DayNumber,
    publishedThrough: PublishedThroughOf,
  ): Promise<DayPartition> {
    const directory = `${shardDirectory}/${dayText(day)}`
    const store = await engine.open(directory)
    const partition = new DayPartition(day, engine, directory, store)
    try {
      partition.#load(publishedThrough)
      return partition
    } catch (error) {
      await store.close()
      throw error
    }
  }

  tenants(): Iterable<TenantDay> {
    return this.#tenants.values()
  }

  find(tenant: TenantId): TenantDay | undefined {
    return this.#tenants.get(tenant)
  }

  /** The tenant's part of the day, begun when absent. */
  tenant(tenant: TenantId, publishedThrough: Position): TenantDay {
    let state = this.#tenants.get(tenant)
    if (state === undefined) {
      const loadBloom = (summary: BlockSummary) => this.#view(KEYSPACE_BLOOM, summary)
      state = {
        tenant,
        day: this.day,
        head: undefined,
        frozen: [],
        blocks: new LocalBlockIndex({ loadBloom, bloomBytesMax: BLOOM_BYTES_MAX }),
        unpublished: [],
        appliedThrough: publishedThrough,
      }
      this.#tenants.set(tenant, state)
    }
    return state
  }

  /**
   * S2: stores the blocks of a frozen head and how far the day is applied, in one transaction; then the blocks take the head's place
   * in the eyes of queries, in one step. Throws storage_unavailable; then the head is still there and the same may be tried again.
   */
  async commitCut(state: TenantDay, head: Head, blocks: readonly EncodedBlock[]): Promise<void> {
    this.#checkOpen()
    assert(state.frozen[0] === head, 'heads become blocks in the order they were frozen')
    const { generation, sequence } = head.lastPosition
    const stored = new Set(blocks.map(({ summary }) => summary.blockId))
    const doubtful = (this.#doubtful.get(head) ?? []).filter(({ blockId }) => !stored.has(blockId))
    this.#doubtful.set(head, [...doubtful, ...blocks.map(({ summary }) => summary)])
    await this.#store.transact([
      ...doubtful.flatMap(deletesOf),
      ...blocks.flatMap(putsOf),
      { kind: 'put', key: dayKey(KEYSPACE_APPLIED, state.tenant), value: pack([generation, sequence]) },
    ])
    this.#doubtful.delete(head)
    state.frozen.shift()
    state.appliedThrough = later(state.appliedThrough, head.lastPosition)
    for (const block of blocks) {
      state.blocks.add(block)
      state.unpublished.push(block.summary)
    }
  }

  /**
   * Makes the remainders of all unpublished blocks that straddle what `throughOf` says, for `adopt`. Nothing changes. Gives way to other work in
   * between (T2). Throws corrupt_data, storage_unavailable.
   */
  async remaindersBeyond(throughOf: PublishedThroughOf, options: EncodeOptions): Promise<Remainders> {
    const remainders = new Map<BlockSummary, Remainder>()
    for (const { tenant, unpublished } of [...this.#tenants.values()]) {
      const through = throughOf(tenant)
      for (const summary of unpublished) {
        if (!straddles(summary, through)) continue
        const { bytes } = this.encodedBlock(summary)
        remainders.set(summary, await remainderOf(summary, bytes, through, options))
      }
    }
    return remainders
  }

  /** True when every block that straddles what `throughOf` says has its remainder among `remainders`. */
  canAdopt(throughOf: PublishedThroughOf, remainders: Remainders): boolean {
    for (const { tenant, unpublished } of this.#tenants.values()) {
      const through = throughOf(tenant)
      if (unpublished.some((summary) => straddles(summary, through) && !remainders.has(summary))) return false
    }
    return true
  }

  /**
   * From now on queries find what is at or below `throughOf` in published segments, and here only what is beyond: blocks that straddle are
   * superseded by their remainders. The remainders are stored later. `publishedMs` is monotonic.
   */
  adopt(throughOf: PublishedThroughOf, remainders: Remainders, publishedMs: number): void {
    for (const state of this.#tenants.values()) {
      const through = throughOf(state.tenant)
      state.appliedThrough = later(state.appliedThrough, through)
      state.unpublished = state.unpublished.flatMap((summary) => {
        const isWhole = isPublished(summary, through)
        if (!isWhole && !straddles(summary, through)) return [summary]
        this.#supersede(state, summary, publishedMs)
        if (isWhole) return []
        const { of, block } = present(remainders.get(summary), 'the remainder of a block that straddles')
        // What straddles may itself be a remainder that the disk does not have yet.
        const before = this.#unstored.get(of.blockId)
        const forerunners = before === undefined ? [] : [...before.forerunners, of]
        const unstored = { of: before?.of ?? of, block, forerunners, isCurrent: true }
        this.#unstored.set(block.summary.blockId, unstored)
        state.blocks.add(block)
        return [block.summary]
      })
    }
  }

  /** True when the disk lacks remainders that are not published yet. */
  hasUnstored(): boolean {
    for (const { isCurrent } of this.#unstored.values()) if (isCurrent) return true
    return false
  }

  /** Stores remainders, and that they replace what straddled, in one transaction. Throws storage_unavailable; then it may be tried again. */
  async storeRemainders(): Promise<void> {
    const current = [...this.#unstored.values()].filter(({ isCurrent }) => isCurrent)
    if (current.length === 0) return
    this.#checkOpen()
    await this.#store.transact(
      current.flatMap(({ of, block, forerunners }): KeyValueOperation[] => [
        ...forerunners.flatMap(deletesOf),
        ...putsOf(block),
        { kind: 'delete', key: dayKey(KEYSPACE_SUMMARY, of.tenant, of.blockId) },
        { kind: 'put', key: dayKey(KEYSPACE_REPLACED, of.tenant, of.blockId), value: pack(of) },
      ]),
    )
    for (const { block } of current) this.#unstored.delete(block.summary.blockId)
  }

  /** The bytes of a local block as a view, valid until the next call on this partition (S9); undefined when it is not kept any more. */
  blockView(summary: BlockSummary): Uint8Array | undefined {
    return this.#view(KEYSPACE_BLOCK, summary)
  }

  /** A local block with its filters, as it was cut, in memory of the caller's own; for a publisher. */
  encodedBlock(summary: BlockSummary): EncodedBlock {
    this.#checkOpen()
    const { tenant, blockId } = summary
    const unstored = this.#unstored.get(blockId)
    if (unstored !== undefined) {
      const { bytes, bloom } = unstored.block
      return { ...unstored.block, bytes: ownCopy(bytes), bloom: ownCopy(bloom) }
    }
    const part = (keyspace: typeof KEYSPACE_BLOCK | typeof KEYSPACE_BLOOM | typeof KEYSPACE_WORDS): Uint8Array => {
      const value = this.#store.getView(dayKey(keyspace, tenant, blockId))
      assert(value !== undefined, `block ${blockId} is stored whole`)
      return value
    }
    return {
      summary,
      bytes: ownCopy(part(KEYSPACE_BLOCK)),
      bloom: ownCopy(part(KEYSPACE_BLOOM)),
      words: unpack(part(KEYSPACE_WORDS)) as readonly string[] | null,
    }
  }

  /** From now on queries find these blocks in a published segment; here they stay for plans that name them. `publishedMs` is monotonic. */
  markPublished(blocks: ReadonlySet<BlockSummary>, publishedMs: number): void {
    for (const state of this.#tenants.values()) {
      const gone = state.unpublished.filter((summary) => blocks.has(summary))
      if (gone.length === 0) continue
      state.unpublished = state.unpublished.filter((summary) => !blocks.has(summary))
      for (const summary of gone) this.#supersede(state, summary, publishedMs)
    }
  }

  /** Removes blocks that were published before `beforeMs`: plans that name them are over. Throws storage_unavailable. */
  async forgetPublished(beforeMs: number): Promise<void> {
    const gone = this.#superseded.filter(({ publishedMs }) => publishedMs < beforeMs)
    if (gone.length === 0) return
    this.#checkOpen()
    // Until a remainder is stored, what straddled is all that the disk has of it.
    await this.storeRemainders()
    await this.#store.transact(gone.flatMap(({ summary }) => deletesOf(summary)))
    for (const { summary } of gone) this.#unstored.delete(summary.blockId)
    const forgotten = new Set(gone)
    this.#superseded = this.#superseded.filter((block) => !forgotten.has(block))
  }

  /** True when nothing of the day is here but what the published segments hold too. */
  isEmpty(): boolean {
    if (this.#superseded.length > 0) return false
    for (const state of this.#tenants.values()) {
      if (state.head !== undefined || state.frozen.length > 0 || state.unpublished.length > 0) return false
    }
    return true
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#store.close()
  }

  /** Closes the day and removes it from the disk. */
  async destroy(): Promise<void> {
    await this.close()
    await this.#engine.destroy(this.#directory)
  }

  #supersede(state: TenantDay, summary: BlockSummary, publishedMs: number): void {
    state.blocks.remove(summary.blockId)
    const unstored = this.#unstored.get(summary.blockId)
    if (unstored !== undefined) unstored.isCurrent = false
    this.#superseded.push({ summary, publishedMs })
  }

  #load(publishedThrough: PublishedThroughOf): void {
    const [appliedFrom, appliedTo] = keyspaceRange(KEYSPACE_APPLIED)
    for (const { key, value } of this.#store.range(appliedFrom, appliedTo)) {
      const tenant = new TextDecoder().decode(key.subarray(1, -1)) as TenantId
      const [generation, sequence] = unpack(value) as [number, number]
      const state = this.tenant(tenant, publishedThrough(tenant))
      state.appliedThrough = later(state.appliedThrough, { generation, sequence })
    }
    const [from, to] = keyspaceRange(KEYSPACE_SUMMARY)
    for (const { value } of this.#store.range(from, to)) {
      const summary = unpack(value) as BlockSummary
      const through = publishedThrough(summary.tenant)
      if (isPublished(summary, through)) {
        this.#superseded.push({ summary, publishedMs: Number.NEGATIVE_INFINITY })
      } else {
        this.#index(this.tenant(summary.tenant, through), summary)
      }
    }
    for (const { value } of this.#store.range(...keyspaceRange(KEYSPACE_REPLACED))) {
      this.#superseded.push({ summary: unpack(value) as BlockSummary, publishedMs: Number.NEGATIVE_INFINITY })
    }
    for (const { unpublished } of this.#tenants.values()) {
      unpublished.sort(
        (a, b) => a.generation - b.generation || a.firstSequence - b.firstSequence || a.lastSequence - b.lastSequence,
      )
    }
  }

  #index(state: TenantDay, summary: BlockSummary): void {
    const { tenant, blockId } = summary
    const bloom = this.#store.get(dayKey(KEYSPACE_BLOOM, tenant, blockId))
    const words = this.#store.get(dayKey(KEYSPACE_WORDS, tenant, blockId))
    assert(bloom !== undefined && words !== undefined, `block ${blockId} is stored with its filters`)
    state.blocks.add({ summary, bloom, words: unpack(words) as readonly string[] | null })
    state.unpublished.push(summary)
  }

  #view(keyspace: typeof KEYSPACE_BLOCK | typeof KEYSPACE_BLOOM, summary: BlockSummary): Uint8Array | undefined {
    this.#checkOpen()
    const unstored = this.#unstored.get(summary.blockId)
    if (unstored !== undefined) return keyspace === KEYSPACE_BLOCK ? unstored.block.bytes : unstored.block.bloom
    return this.#store.getView(dayKey(keyspace, summary.tenant, summary.blockId))
  }

  /** Plans outlive the days they name when retention drops one or the node stops. */
  #checkOpen(): void {
    if (this.#isClosed) throw new WeirError('shard_unavailable', `the day ${dayText(this.day)} is closed`)
  }
}

function putsOf({ summary, bytes, bloom, words }: EncodedBlock): KeyValueOperation[] {
  const { tenant, blockId } = summary
  return [
    { kind: 'put', key: dayKey(KEYSPACE_BLOCK, tenant, blockId), value: bytes },
    { kind: 'put', key: dayKey(KEYSPACE_BLOOM, tenant, blockId), value: bloom },
    { kind: 'put', key: dayKey(KEYSPACE_WORDS, tenant, blockId), value: pack(words) },
    { kind: 'put', key: dayKey(KEYSPACE_SUMMARY, tenant, blockId), value: pack(summary) },
  ]
}

const KEYSPACES_OF_BLOCK = [
  KEYSPACE_BLOCK,
  KEYSPACE_BLOOM,
  KEYSPACE_WORDS,
  KEYSPACE_SUMMARY,
  KEYSPACE_REPLACED,
] as const

function deletesOf({ tenant, blockId }: BlockSummary): KeyValueOperation[] {
  return KEYSPACES_OF_BLOCK.map((keyspace) => ({ kind: 'delete', key: dayKey(keyspace, tenant, blockId) }))
}

function later(a: Position, b: Position): Position {
  return comparePositions(a, b) >= 0 ? a : b
}

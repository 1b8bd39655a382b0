import { publishedOf } from '../../actors/shard-ledger.ts'
import type { TenantId } from '../../base/ids.ts'
import { COLUMN_ROW, COLUMN_SEQUENCE } from '../../storage/block.ts'
import { openBlock } from '../../storage/block-reader.ts'
import type { ShardEntry } from '../../storage/manifest.ts'
import type { SegmentMeta } from '../../storage/segment.ts'
import { readSegment } from '../../storage/segment-reader.ts'
import type { MemoryObjectStore } from '../harness/memory-object-store.ts'
import type { Lane } from './lane.ts'
import { rowId } from './lane.ts'
import { Violation } from './ledger.ts'

export interface PublishedRow {
  readonly id: string
  readonly tenant: TenantId
}

/** Holds each state that the registry names of a shard against the lane: no row twice in its segments, and all that it says is published. */
export class PublishedRows {
  readonly #objects: MemoryObjectStore
  readonly #lane: Lane
  readonly #rowsOf = new Map<string, readonly PublishedRow[]>()
  #last: ShardEntry | undefined

  constructor(objects: MemoryObjectStore, lane: Lane) {
    this.#objects = objects
    this.#lane = lane
  }

  /** The newest entry; none may be left out. Throws a Violation. */
  async check(entry: ShardEntry): Promise<void> {
    const last = this.#last
    this.#last = entry
    if (last !== undefined && entry.epoch < last.epoch)
      throw new Violation('C2', `epoch ${entry.epoch} follows ${last.epoch}`)
    if (last?.epoch === entry.epoch && last.owner !== entry.owner) {
      throw new Violation('C2', `${entry.owner} has written under epoch ${entry.epoch} of ${last.owner}`)
    }
    const published = await publishedOf(entry, this.#objects)
    const rows: PublishedRow[] = []
    for (const meta of published.segments) rows.push(...(await this.#read(meta)))
    this.#lane.checkPublished(rows, published)
  }

  async #read(meta: SegmentMeta): Promise<readonly PublishedRow[]> {
    const known = this.#rowsOf.get(meta.key)
    if (known !== undefined) return known
    const segment = await readSegment(this.#objects, meta)
    const rows: PublishedRow[] = []
    for (const [number, { tenant, generation }] of segment.index.summaries.entries()) {
      const block = openBlock(await segment.blockBytes(number))
      const [sequences, places] = [block.column(COLUMN_SEQUENCE), block.column(COLUMN_ROW)]
      if (sequences?.kind !== 'integer' || places?.kind !== 'integer') throw new Error('a block without positions')
      for (let row = 0; row < block.rowCount; row++) {
        rows.push({ id: rowId(generation, sequences.values[row]!, places.values[row]!), tenant })
      }
    }
    this.#rowsOf.set(meta.key, rows)
    return rows
  }
}

import type { JournalledSection } from '../../actors/messages/shard.ts'
import type { DayNumber, Position, TenantId } from '../../base/ids.ts'
import { comparePositions, dayOf, POSITION_ZERO } from '../../base/ids.ts'
import type { PublishedState } from '../../storage/published-state.ts'
import { encodeSection } from '../../storage/section-codec.ts'
import type { SectionRows } from '../../storage/section-rows.ts'
import { Violation } from './ledger.ts'

export interface LaneFrame {
  readonly position: Position
  /** Of the one shard; none when the frame is about others. */
  readonly sections: readonly JournalledSection[]
}

/** A row that a shard must have. */
export interface LaneRow {
  readonly id: string
  readonly tenant: TenantId
  readonly day: DayNumber
  readonly position: Position
}

/**
 * The lane of one shard, and what it says the shard holds: all rows of its frames but those of keyed chunks that came before (D3). Whoever
 * applies it is held against that.
 */
export class Lane {
  frames: LaneFrame[] = []
  generation = 1
  lastSequence = 0
  /** Of all generations. */
  readonly rows = new Map<string, LaneRow>()
  readonly #taken = new Map<string, { readonly bodyHash: string; readonly chunks: Set<number> }>()
  /** Ids of rows that were found in published segments. */
  readonly #published = new Set<string>()

  get last(): Position {
    return { generation: this.generation, sequence: this.lastSequence }
  }

  append(sections: readonly SectionRows[], nowMs: number): void {
    const position = { generation: this.generation, sequence: ++this.lastSequence }
    const encoded = sections.map(({ meta, source, rowBase }) => {
      const bytes = encodeSection(source, meta, { compression: 'none' })
      return { position, appendedMs: nowMs, rowBase, bytes }
    })
    this.frames.push({ position, sections: encoded })
    // A chunk that this frame is the first to have is taken in each section that lists it, and once in each.
    const takenNow = new Set<string>()
    for (const { meta, source, rowBase } of sections) {
      const dropped = new Set<number>()
      const met = new Set<string>()
      for (const { keyHash, bodyHash, chunk, rowFrom, rowTo } of meta.keyed) {
        const first = this.#taken.get(keyHash) ?? { bodyHash, chunks: new Set() }
        this.#taken.set(keyHash, first)
        const id = `${keyHash}/${bodyHash}/${chunk}`
        if (first.bodyHash === bodyHash && !first.chunks.has(chunk)) {
          first.chunks.add(chunk)
          takenNow.add(id)
        }
        const isTaken = takenNow.has(id) && !met.has(id)
        met.add(id)
        if (!isTaken) for (let row = rowFrom; row < rowTo; row++) dropped.add(row)
      }
      for (let row = 0; row < source.rowCount; row++) {
        if (dropped.has(row)) continue
        const id = rowId(position.generation, position.sequence, rowBase + row)
        this.rows.set(id, { id, tenant: meta.tenant, day: dayOf(source.timeMs[row]!), position })
      }
    }
  }

  trim(upTo: number): void {
    this.frames = this.frames.filter(({ position }) => position.sequence > upTo)
  }

  /** J3: the stream is lost and made anew. */
  recreate(): void {
    this.generation++
    this.lastSequence = 0
    this.frames = []
  }

  /** Frames behind `applied`; undefined when some of them are gone. */
  after(applied: Position): readonly LaneFrame[] | undefined {
    const from = applied.generation === this.generation ? applied.sequence : 0
    const first = this.frames[0]?.position.sequence ?? this.lastSequence + 1
    if (first > from + 1) return undefined
    return this.frames.filter(({ position }) => comparePositions(position, applied) > 0)
  }

  /**
   * Holds what a search of `tenant` found against the lane: `applied` and `published` are where the searched store was; the blocks of an earlier life may hold
   * more. Rows of a lost generation need not be there unless they are published (J3).
   */
  checkFound(tenant: TenantId, found: readonly string[], applied: Position, published: PublishedState): void {
    const ids = new Set(found)
    if (ids.size < found.length) {
      const twice = found.filter((id, i) => found.indexOf(id) !== i)
      throw new Violation('C5', `${twice.slice(0, 5).join(', ')} of ${tenant} are found twice`)
    }
    for (const id of found) {
      const row = this.rows.get(id)
      if (row === undefined || row.tenant !== tenant) throw new Violation('D3', `${id} is not a row of ${tenant}`)
    }
    for (const { id, tenant: owner, day, position } of this.rows.values()) {
      if (owner !== tenant) continue
      const isPublished = comparePositions(position, published.publishedThrough(tenant, day)) <= 0
      const isThere = isPublished || comparePositions(position, applied) <= 0
      const isCertain = position.generation === this.generation || (isPublished && this.#published.has(id))
      if (isThere && isCertain && !ids.has(id)) {
        throw new Violation('D3', `${id} of ${tenant} is lost (${isPublished ? 'published' : 'applied'})`)
      }
    }
  }

  /** The same for all that the segments of `published` hold. */
  checkPublished(
    found: readonly { readonly id: string; readonly tenant: TenantId }[],
    published: PublishedState,
  ): void {
    for (const tenant of new Set([...this.rows.values()].map((row) => row.tenant))) {
      const ids = found.filter((row) => row.tenant === tenant).map(({ id }) => id)
      this.checkFound(tenant, ids, POSITION_ZERO, published)
      for (const id of ids) this.#published.add(id)
    }
  }
}

export function rowId(generation: number, sequence: number, row: number): string {
  return `${generation}.${sequence}.${row}`
}

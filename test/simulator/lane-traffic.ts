import type { Position, TenantId } from '../../base/ids.ts'
import { comparePositions, DAY_MS } from '../../base/ids.ts'
import type { Prng } from '../../base/prng.ts'
import type { KeyedChunk } from '../../storage/section-codec.ts'
import type { SectionRows } from '../../storage/section-rows.ts'
import { columnSourceOf, flatRecord } from '../harness/column-source.ts'
import type { Lane } from './lane.ts'
import { SERVICES, TENANTS } from './workload.ts'

const AGES_MS = [0, 0, 0, 0, 20 * 3_600_000, DAY_MS, 3 * DAY_MS]

interface SentChunk {
  readonly tenant: TenantId
  readonly keyHash: string
  readonly rows: number
  readonly sentAt: Position
}

/** Random frames for a lane: rows of several tenants and days, chunks of keys that are new, come again, or come again with another body. */
export class LaneTraffic {
  readonly #prng: Prng
  readonly #lane: Lane
  #chunks: SentChunk[] = []
  #keys = 0
  frames = 0

  constructor(prng: Prng, lane: Lane) {
    this.#prng = prng
    this.#lane = lane
  }

  append(nowMs: number): void {
    const prng = this.#prng
    const sections: SectionRows[] = []
    let rowBase = 0
    for (let count = prng.chance(0.1) ? 0 : prng.between(1, 3); count > 0; count--) {
      const section = this.#section(rowBase, nowMs)
      sections.push(section)
      rowBase += section.source.rowCount
    }
    this.frames++
    this.#lane.append(sections, nowMs)
  }

  /** J3: the lane is made anew; of what is not published nobody knows any more whether it was taken. */
  forgetBeyond(floor: Position): void {
    this.#chunks = this.#chunks.filter(({ sentAt }) => comparePositions(sentAt, floor) <= 0)
  }

  /** Some rows without a key, then the chunk of one. */
  #section(rowBase: number, nowMs: number): SectionRows {
    const prng = this.#prng
    let tenant = prng.pick(TENANTS)
    let rows = prng.chance(0.03) ? prng.between(20, 200) : prng.below(5)
    const keyed: KeyedChunk[] = []
    const sentAt = { generation: this.#lane.generation, sequence: this.#lane.lastSequence + 1 }
    if (rows === 0 || prng.chance(0.5)) {
      const known = this.#chunks.length > 0 && prng.chance(0.4) ? prng.pick(this.#chunks) : undefined
      const chunk = known ?? { tenant, keyHash: `key-${++this.#keys}`, rows: prng.between(1, 3), sentAt }
      if (known === undefined) this.#chunks.push(chunk)
      tenant = chunk.tenant
      const bodyHash = known !== undefined && prng.chance(0.1) ? 'other' : 'body'
      keyed.push({ keyHash: chunk.keyHash, bodyHash, chunk: 0, chunks: 0, rowFrom: rows, rowTo: rows + chunk.rows })
      rows += chunk.rows
    }
    const records = Array.from({ length: rows }, () =>
      flatRecord(nowMs - prng.pick(AGES_MS) - prng.below(1000), { service: prng.pick(SERVICES), n: prng.below(1000) }),
    )
    return { meta: { tenant, receivedMs: nowMs, keyed }, source: columnSourceOf(records), rowBase }
  }
}

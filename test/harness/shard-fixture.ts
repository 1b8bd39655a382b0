import { valueText } from '../../base/columns.ts'
import type { Position, ShardId, TenantId } from '../../base/ids.ts'
import { DAY_MS } from '../../base/ids.ts'
import { ActivePlans } from '../../storage/active-plans.ts'
import type { OnRows } from '../../storage/applied-rows.ts'
import { openBlock } from '../../storage/block-reader.ts'
import { HeadBudget } from '../../storage/head-budget.ts'
import { PublishedState } from '../../storage/published-state.ts'
import type { KeyedChunk } from '../../storage/section-codec.ts'
import { decodeSection, encodeSection } from '../../storage/section-codec.ts'
import type { SectionRows } from '../../storage/section-rows.ts'
import type { SeenEntry } from '../../storage/seen-set.ts'
import { ShardStore } from '../../storage/shard-store.ts'
import { columnSourceOf, flatRecord } from './column-source.ts'
import { SimulatedClock } from './simulated-clock.ts'
import { SimulatedKeyValueEngine } from './simulated-kv.ts'

export const SHARD = 3 as ShardId
export const ACME = 'acme' as TenantId
export const GLOBEX = 'globex' as TenantId
/** Noon of the day that the fixtures' clocks begin. */
export const NOON_MS = Date.UTC(2026, 0, 1, 12)
export const YESTERDAY_MS = NOON_MS - DAY_MS

export function at(sequence: number, generation = 1): Position {
  return { generation, sequence }
}

/** A keyed chunk of rows [rowFrom, rowTo). */
export function chunkOf(key: string, rowFrom: number, rowTo: number, body = 'body', chunk = 0): KeyedChunk {
  return { keyHash: key, bodyHash: body, chunk, chunks: 0, rowFrom, rowTo }
}

export interface SectionOptions {
  readonly tenant?: TenantId
  readonly timesMs?: readonly number[]
  readonly rowBase?: number
  readonly keyed?: readonly KeyedChunk[]
}

/** A section whose rows have these texts as `uid`. */
export function sectionOf(uids: readonly string[], options: SectionOptions = {}): SectionRows {
  const { tenant = ACME, timesMs = [], rowBase = 0, keyed = [] } = options
  const records = uids.map((uid, i) => flatRecord(timesMs[i] ?? NOON_MS + i, { uid, service: 'api', level: 'INFO' }))
  return { meta: { tenant, receivedMs: NOON_MS, keyed }, source: columnSourceOf(records), rowBase }
}

/** The same section as it comes from a frame, in memory of its own. */
export function decodedSection(section: SectionRows): SectionRows {
  const bytes = encodeSection(section.source, section.meta, { compression: 'none' })
  return { ...decodeSection(bytes), rowBase: section.rowBase }
}

/** A store of one shard on a simulated disk that outlives it. */
export class ShardFixture {
  readonly clock = new SimulatedClock('shard-fixture', NOON_MS)
  readonly engine = new SimulatedKeyValueEngine('shard-fixture')
  readonly plans = new ActivePlans()
  budget = new HeadBudget(64 * 1024 * 1024)
  onRows: OnRows = () => undefined

  open(published = PublishedState.empty(), seen: readonly SeenEntry[] = []): Promise<ShardStore> {
    this.budget = new HeadBudget(64 * 1024 * 1024)
    const { clock, engine, budget, plans } = this
    return ShardStore.open({
      shard: SHARD,
      directory: 'shards/3',
      engine,
      clock,
      budget,
      published,
      seen,
      zstdLevel: 1,
      onRows: (applied) => this.onRows(applied),
      whenUnread: (action) => plans.whenOver(action),
    })
  }
}

/** `uid` of every row that a shard holds for a tenant by itself, in heads and local blocks, in the order of the days and the journal. */
export function localUids(store: ShardStore, tenant: TenantId = ACME): string[] {
  const uids: string[] = []
  for (const partition of [...store.openDays()].sort((a, b) => a.day - b.day)) {
    const state = partition.find(tenant)
    if (state === undefined) continue
    const blocks = state.unpublished.map((summary) => openBlock(partition.encodedBlock(summary).bytes))
    const heads = [...state.frozen, ...(state.head === undefined ? [] : [state.head])].flatMap((head) =>
      head.parts().map(({ source }) => source),
    )
    for (const source of [...blocks, ...heads]) {
      const column = source.column('uid')
      for (let row = 0; row < source.rowCount; row++) {
        uids.push(column === undefined ? '' : (valueText(column, row) ?? ''))
      }
    }
  }
  return uids
}

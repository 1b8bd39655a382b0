import type { Clock } from '../base/clock.ts'
import { valueText } from '../base/columns.ts'
import type { ShardId } from '../base/ids.ts'
import type { Logger } from '../base/logger.ts'
import type { CompiledFilter } from '../query/filter.ts'
import { compileFilter } from '../query/filter.ts'
import { neededColumns } from '../query/needed-columns.ts'
import { pruneOf } from '../query/prune.ts'
import { originalJson, recordJson } from '../query/record-json.ts'
import type { FoundRow, UnitMatches } from '../storage/block-search.ts'
import { matchUnit, SearchPace, searchRows } from '../storage/block-search.ts'
import type { RecordKey } from '../storage/record-id.ts'
import { encodeRecordId } from '../storage/record-id.ts'
import type { RowSource } from '../storage/row-source.ts'
import type { SearchPlan } from '../storage/search-plan.ts'
import { planSearch } from '../storage/search-plan.ts'
import type { SearchUnit } from '../storage/search-unit.ts'
import type { SegmentCache } from '../storage/segment-reader.ts'
import type { UnitFold } from './leaf-folds.ts'
import { aggregationFold, fieldsFold, pipesFold } from './leaf-folds.ts'
import type {
  ExplainPlan,
  FindRecord,
  FindRows,
  FollowRows,
  LeafExplained,
  LeafFollowed,
  LeafReport,
  LeafRow,
  LeafRows,
  LeafScope,
  QueryLeafMessage,
} from './messages/leaf.ts'
import type { SortOrder } from './messages/search.ts'
import type { Actor, MessageContext } from './runtime/actor.ts'
import type { HostedShard } from './shard-host.ts'

export interface QueryLeafOptions {
  readonly shards: ReadonlyMap<ShardId, HostedShard>
  readonly cache: SegmentCache
  readonly clock: Clock
  readonly logger: Logger
  /** Queries that run at once on this worker; the rest wait their turn. */
  readonly concurrencyMax: number
}

/** A question being answered: what is looked at, and how it has gone so far. */
interface Search {
  readonly scope: LeafScope
  readonly compiled: CompiledFilter
  readonly pace: SearchPace
  readonly plans: readonly { readonly shard: ShardId; readonly plan: SearchPlan }[]
  readonly units: readonly SearchUnit[]
  readonly missing: { readonly shard: ShardId; readonly reason: string }[]
}

/**
 * Searches the shards of one worker: plans which blocks may match, opens them newest first, verifies on their columns. It
 * gives way to the worker's other jobs between blocks and stops when time is up or the asker has gone.
 */
export class QueryLeaf implements Actor<QueryLeafMessage> {
  readonly #options: QueryLeafOptions
  #running = 0
  readonly #waiting: (() => void)[] = []

  constructor(options: QueryLeafOptions) {
    this.#options = options
  }

  handle(message: QueryLeafMessage, context: MessageContext): void {
    switch (message.kind) {
      case 'findRows':
        this.#run(context.defer(message), (signal, ms) => this.#findRows(message, signal, ms))
        return
      case 'runPipes':
        this.#run(context.defer(message), (signal, ms) =>
          this.#fold(message.scope, signal, ms, pipesFold(message), message.order),
        )
        return
      case 'aggregate':
        this.#run(context.defer(message), (signal, ms) =>
          this.#fold(message.scope, signal, ms, aggregationFold(message.spec)),
        )
        return
      case 'listFields':
        this.#run(context.defer(message), (signal, ms) => this.#fold(message.scope, signal, ms, fieldsFold()))
        return
      case 'followRows':
        this.#run(context.defer(message), (signal, ms) => this.#followRows(message, signal, ms))
        return
      case 'findRecord':
        this.#run(context.defer(message), (signal, ms) => this.#findRecord(message, signal, ms))
        return
      case 'explainPlan':
        this.#run(context.defer(message), (signal, ms) => this.#explain(message, signal, ms))
        return
    }
  }

  observe(): Readonly<Record<string, unknown>> {
    return { running: this.#running, waiting: this.#waiting.length }
  }

  #run<R>(
    reply: {
      readonly remainingMs: number
      settleWith(work: (signal: AbortSignal) => Promise<R>): void
    },
    work: (signal: AbortSignal, remainingMs: number) => Promise<R>,
  ): void {
    const { clock } = this.#options
    const endsMs = clock.monotonicMs() + reply.remainingMs
    reply.settleWith(async (signal) => {
      await this.#turn(signal)
      try {
        return await work(signal, answerBudgetMs(endsMs - clock.monotonicMs()))
      } finally {
        this.#running--
        this.#waiting.shift()?.()
      }
    })
  }

  async #turn(signal: AbortSignal): Promise<void> {
    while (this.#running >= this.#options.concurrencyMax) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve)
        signal.addEventListener('abort', () => resolve(), { once: true })
      })
      signal.throwIfAborted()
    }
    this.#running++
  }

  async #begin(scope: LeafScope, signal: AbortSignal, remainingMs: number): Promise<Search> {
    const { shards, cache, clock } = this.#options
    const compiled = compileFilter(scope.filter)
    const expr = pruneOf(scope.filter)
    const missing: { shard: ShardId; reason: string }[] = []
    const plans = await Promise.all(
      scope.shards.map(async (shard) => {
        const store = shards.get(shard)?.store
        if (store === undefined) {
          missing.push({ shard, reason: 'not owned by this worker' })
          return []
        }
        try {
          return [{ shard, plan: await planSearch(store, scope.tenant, scope.range, expr, cache) }]
        } catch (error) {
          missing.push({ shard, reason: error instanceof Error ? error.message : String(error) })
          return []
        }
      }),
    )
    const flat = plans.flat()
    return {
      scope,
      compiled,
      pace: new SearchPace(clock, signal, remainingMs),
      plans: flat,
      units: flat.flatMap(({ plan }) => plan.units),
      missing,
    }
  }

  async #findRows(message: FindRows, signal: AbortSignal, remainingMs: number): Promise<LeafRows> {
    const { scope, order, limit, after, countMax } = message
    const search = await this.#begin(scope, signal, remainingMs)
    const query = { filter: scope.filter, compiled: search.compiled, range: scope.range, order, limit, after, countMax }
    const columns = columnsFor(scope)
    const found = await searchRows(search.units, query, columns, search.pace)
    if (!found.isComplete) allMissing(search, TIME_IS_UP)
    const rows = await printRows(found.rows, message.fields, message.original)
    return {
      report: reportOf(search),
      rows,
      count: found.count,
      countIsLowerBound: found.countIsLowerBound,
    }
  }

  /** Adds the matches of every unit to `fold`, in the order of the search, so that what a deadline cuts off is its far end. */
  async #fold<R>(
    scope: LeafScope,
    signal: AbortSignal,
    remainingMs: number,
    fold: UnitFold<R>,
    order: SortOrder = 'desc',
  ): Promise<R & { readonly report: LeafReport }> {
    const search = await this.#begin(scope, signal, remainingMs)
    const filterColumns = columnsFor(scope)
    const units = search.units.toSorted((a, b) => (order === 'desc' ? b.maxMs - a.maxMs : a.minMs - b.minMs))
    for (const unit of units) {
      if (await search.pace.isOver()) {
        allMissing(search, TIME_IS_UP)
        break
      }
      if (fold.needs?.(unit.minMs, unit.maxMs) === false) continue
      const wanted = fold.columns(unit.columnNames)
      const columns = wanted === null ? null : [...new Set([...filterColumns(unit), ...wanted])]
      const found = await matchUnit(unit, search.compiled, columns, scope.range, search.pace)
      if (found !== undefined) fold.add(found)
    }
    return { ...(await fold.result()), report: reportOf(search) }
  }

  async #followRows(message: FollowRows, signal: AbortSignal, remainingMs: number): Promise<LeafFollowed> {
    const { scope, behind, limit } = message
    const applied = new Map(
      scope.shards.map((shard) => [shard, this.#options.shards.get(shard)?.store.applied ?? null] as const),
    )
    const search = await this.#begin(scope, signal, remainingMs)
    const columns = columnsFor(scope)
    const shards = []
    for (const { shard, plan } of search.plans) {
      const from = behind.find((place) => place.shard === shard)
      const now = applied.get(shard)
      if (now === null || now === undefined) continue
      const rows: FoundRow[] = []
      const units = from === undefined ? [] : plan.units.filter((unit) => unit.lastSequence >= from.sequence)
      for (const unit of units) {
        if (await search.pace.isOver()) {
          allMissing(search, TIME_IS_UP)
          break
        }
        const found = await matchUnit(unit, search.compiled, columns(unit), scope.range, search.pace)
        if (found !== undefined && from !== undefined) rows.push(...rowsBehind(found, from))
      }
      rows.sort(
        (a, b) => a.key.generation - b.key.generation || a.key.sequence - b.key.sequence || a.key.row - b.key.row,
      )
      shards.push({ shard, applied: now, rows: await printRows(rows.slice(0, limit), undefined, false) })
    }
    return { report: reportOf(search), shards }
  }

  async #findRecord(message: FindRecord, signal: AbortSignal, remainingMs: number) {
    const { tenant, key } = message
    const range = { fromMs: key.timeMs, toMs: key.timeMs + 1 }
    const scope: LeafScope = { tenant, filter: { kind: 'all' }, range, shards: [key.shard] }
    const search = await this.#begin(scope, signal, remainingMs)
    for (const unit of search.units) {
      if (await search.pace.isOver()) break
      const found = await matchUnit(unit, search.compiled, [], range, search.pace)
      if (found === undefined) continue
      const rows = rowsOf(found).filter((row) => row.key.sequence === key.sequence && row.key.row === key.row)
      const [row] = await printRows(rows.slice(0, 1), undefined, false)
      if (row === undefined) continue
      const open = await unit.open(['service', 'host'])
      const text = (name: string) => {
        const column = open.rows.columns.column(name)
        return column === undefined ? '' : (valueText(column, rows[0]!.unitRow) ?? '')
      }
      return { row, service: text('service'), host: text('host') }
    }
    return { row: undefined, service: '', host: '' }
  }

  async #explain(message: ExplainPlan, signal: AbortSignal, remainingMs: number): Promise<LeafExplained> {
    const search = await this.#begin(message.scope, signal, remainingMs)
    const shards = search.plans.map(({ shard, plan }) => ({
      shard,
      headRows: plan.headRows,
      localBlocks: plan.localBlocks,
      segments: plan.segments,
      segmentBlocks: plan.segmentBlocks,
      candidates: plan.localBlocks + plan.segmentBlocks - plan.blocksSkipped,
      pruned: plan.filters.map(({ filter, asked, kept }) => ({ clause: JSON.stringify(filter), blocks: asked - kept })),
    }))
    return { report: reportOf(search), shards }
  }
}

const TIME_IS_UP = 'the time allowed was up'

/** An answer needs a moment to be made and sent: the work must end before the asker gives up. */
function answerBudgetMs(remainingMs: number): number {
  return remainingMs - Math.min(200, remainingMs * 0.1)
}

function columnsFor(scope: LeafScope): (unit: SearchUnit) => string[] {
  return (unit) => neededColumns(scope.filter, unit.columnNames)
}

/** Which shards had not been looked at is not told apart: none of them is known to be complete. */
function allMissing(search: Search, reason: string): void {
  for (const { shard } of search.plans) search.missing.push({ shard, reason })
}

function reportOf(search: Search): LeafReport {
  const { pace, plans } = search
  const sum = (of: (plan: SearchPlan) => number) => plans.reduce((total, { plan }) => total + of(plan), 0)
  const warm = search.units.filter(({ tier }) => tier === 'segment')
  const hot = search.units.filter(({ tier }) => tier !== 'segment')
  const rows = (units: readonly SearchUnit[]) => units.reduce((total, unit) => total + unit.rowCount, 0)
  return {
    missing: search.missing,
    stats: {
      blocks: sum((plan) => plan.localBlocks + plan.segmentBlocks),
      blocksSkipped: sum((plan) => plan.localBlocks + plan.segmentBlocks) - pace.blocksOpened,
      rowsScanned: pace.rowsScanned,
      bytesRead: pace.bytesRead,
    },
    hot: { blocks: sum((plan) => plan.localBlocks), rows: rows(hot) },
    warm: { blocks: sum((plan) => plan.segmentBlocks), rows: rows(warm) },
  }
}

function rowsOf(found: UnitMatches): FoundRow[] {
  return Array.from(found.matches.toArray(), (unitRow) => ({
    key: keyOf(found.unit, found.rows, unitRow),
    unit: found.unit,
    unitRow,
  }))
}

function rowsBehind(found: UnitMatches, from: { generation: number; sequence: number; row: number }): FoundRow[] {
  return rowsOf(found).filter(
    ({ key }) =>
      key.generation > from.generation ||
      (key.generation === from.generation &&
        (key.sequence > from.sequence || (key.sequence === from.sequence && key.row > from.row))),
  )
}

function keyOf(unit: SearchUnit, rows: RowSource, unitRow: number): RecordKey {
  return {
    timeMs: rows.columns.timeMs[unitRow]!,
    timeNs: rows.columns.timeNs[unitRow]!,
    shard: unit.shard,
    generation: rows.generation,
    sequence: rows.sequenceOf(unitRow),
    row: rows.rowOf(unitRow),
  }
}

/** Opens each unit once with all its columns and prints the rows, in the order given. */
async function printRows(
  found: readonly FoundRow[],
  fields: readonly string[] | undefined,
  original: boolean,
): Promise<LeafRow[]> {
  const opened = new Map<SearchUnit, RowSource>()
  const printed: LeafRow[] = []
  for (const { key, unit, unitRow } of found) {
    let rows = opened.get(unit)
    if (rows === undefined) {
      rows = (await unit.open(null)).rows
      opened.set(unit, rows)
    }
    const meta = { id: encodeRecordId(key), ingestedAtMs: rows.receivedMsOf(unitRow) }
    const json = original ? originalJson(rows.columns, unitRow) : recordJson(rows.columns, unitRow, meta, fields)
    printed.push({ key, json })
  }
  return printed
}

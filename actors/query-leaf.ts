import type { Clock } from '../base/clock.ts'
import { valueText } from '../base/columns.ts'
import { WeirError } from '../base/errors.ts'
import type { Position, ShardId } from '../base/ids.ts'
import { comparePositions } from '../base/ids.ts'
import { QUERIES_WAITING_MAX, QUERY_RESULT_BYTES_MAX } from '../base/limits.ts'
import type { Logger } from '../base/logger.ts'
import type { CompiledFilter } from '../query/filter.ts'
import { compileFilter } from '../query/filter.ts'
import { columnsNeededBy } from '../query/needed-columns.ts'
import { pruneOf } from '../query/prune.ts'
import { originalJson, recordJson } from '../query/record-json.ts'
import type { ActivePlans } from '../storage/active-plans.ts'
import type { FoundRow, UnitMatches } from '../storage/block-search.ts'
import { matchUnit, SearchPace, searchRows } from '../storage/block-search.ts'
import type { RecordKey } from '../storage/record-id.ts'
import { compareRecordKeys, encodeRecordId } from '../storage/record-id.ts'
import type { RowSource } from '../storage/row-source.ts'
import type { SearchPlan } from '../storage/search-plan.ts'
import { planSearch } from '../storage/search-plan.ts'
import type { ColumnDirectory, SearchUnit } from '../storage/search-unit.ts'
import type { SegmentCache } from '../storage/segment-reader.ts'
import type { HostedShard } from './hosted-shard.ts'
import type { UnitFold } from './leaf-folds.ts'
import { aggregationFold, fieldsFold, patternsFold, pipesFold } from './leaf-folds.ts'
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
import type { TailPlace } from './search-cursor.ts'
import { TAIL_ROW_LAST } from './search-cursor.ts'

export interface QueryLeafOptions {
  readonly shards: ReadonlyMap<ShardId, HostedShard>
  readonly cache: SegmentCache
  readonly plans: ActivePlans
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
  /** Longest waiting first. */
  readonly #waiting = new Set<() => void>()

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
      case 'minePatterns':
        this.#run(context.defer(message), (signal, ms) => this.#fold(message.scope, signal, ms, patternsFold()))
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
    return { running: this.#running, waiting: this.#waiting.size }
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
      const ended = this.#options.plans.begin(clock.monotonicMs())
      try {
        return await work(signal, answerBudgetMs(endsMs - clock.monotonicMs()))
      } finally {
        ended()
        this.#giveTurn()
      }
    })
  }

  /** Resolves when the query may run; #giveTurn must follow. */
  async #turn(signal: AbortSignal): Promise<void> {
    if (this.#running < this.#options.concurrencyMax) {
      this.#running++
      return
    }
    if (this.#waiting.size >= QUERIES_WAITING_MAX) {
      throw new WeirError('overloaded', 'as many queries wait for this worker as may')
    }
    await new Promise<void>((resolve, reject) => {
      const give = () => {
        signal.removeEventListener('abort', leave)
        resolve()
      }
      const leave = () => {
        this.#waiting.delete(give)
        reject(new WeirError('cancelled', 'nobody waits for the answer any more'))
      }
      this.#waiting.add(give)
      signal.addEventListener('abort', leave, { once: true })
      if (signal.aborted) leave()
    })
  }

  /** The turn of a query that ends goes to the one that has waited longest. */
  #giveTurn(): void {
    const [next] = this.#waiting
    if (next === undefined) {
      this.#running--
      return
    }
    this.#waiting.delete(next)
    next()
  }

  async #begin(scope: LeafScope, signal: AbortSignal, remainingMs: number): Promise<Search> {
    const { shards, cache, clock } = this.#options
    cache.blocks.beginQuery()
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
    const counted = message.counted === undefined ? undefined : new Int32Array(message.counted)
    const search = await this.#begin(scope, signal, remainingMs)
    const query = {
      filter: scope.filter,
      compiled: search.compiled,
      range: scope.range,
      order,
      limit,
      after,
      countMax,
      counted,
    }
    const columns = { filter: columnsNeededBy(scope.filter) }
    const found = await searchRows(search.units, query, columns, search.pace)
    if (!found.isComplete) allMissing(search, TIME_IS_UP)
    const rows = await printRows(found.rows, message.fields, message.original, search.pace)
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
    const columns = {
      filter: columnsNeededBy(scope.filter),
      matches: (directory: ColumnDirectory) => fold.columns(directory.columnNames),
    }
    const units = search.units.toSorted((a, b) => (order === 'desc' ? b.maxMs - a.maxMs : a.minMs - b.minMs))
    for (const unit of units) {
      if (await search.pace.isOver()) {
        allMissing(search, TIME_IS_UP)
        break
      }
      if (fold.needs?.(unit.minMs, unit.maxMs) === false) continue
      const found = await matchUnit(unit, search.compiled, columns, scope.range, search.pace)
      if (found !== undefined) fold.add(found)
    }
    return { ...(await fold.result()), report: reportOf(search) }
  }

  async #followRows(message: FollowRows, signal: AbortSignal, remainingMs: number): Promise<LeafFollowed> {
    const { scope, behind, limit } = message
    const places = new Map(behind.map((place) => [place.shard, place]))
    const shards: LeafFollowed['shards'][number][] = []
    // What has been applied is taken before the plans are made, so that these name all of it.
    const applied = new Map<ShardId, Position>()
    for (const shard of scope.shards) {
      const now = this.#options.shards.get(shard)?.store.applied
      const place = places.get(shard)
      if (now === undefined) continue
      // The first poll begins here.
      if (place === undefined) shards.push({ shard, applied: now, rows: [] })
      // Most polls of most shards find nothing new. After a restart a shard may even have to catch up with the place.
      else if (!isUpToDate(place, now)) applied.set(shard, now)
    }
    const worthALook = scope.shards.filter((shard) => applied.has(shard) || !this.#options.shards.has(shard))
    const search = await this.#begin({ ...scope, shards: worthALook }, signal, remainingMs)
    const columns = { filter: columnsNeededBy(scope.filter) }
    for (const { shard, plan } of search.plans) {
      const place = places.get(shard)!
      const through = applied.get(shard)!
      const rows: FoundRow[] = []
      let isWhole = true
      for (const unit of plan.units) {
        // Sequences of different generations are not to be compared (J3).
        if (place.generation === through.generation && unit.lastSequence < place.sequence) continue
        isWhole = !(await search.pace.isOver())
        if (!isWhole) break
        const found = await matchUnit(unit, search.compiled, columns, scope.range, search.pace)
        // A frame may be half applied: only what is up to `through` is all there.
        if (found !== undefined) rows.push(...rowsOf(found).filter(({ key }) => isBetween(key, place, through)))
      }
      if (!isWhole) {
        search.missing.push({ shard, reason: TIME_IS_UP })
        continue
      }
      rows.sort((a, b) => comparePositions(a.key, b.key) || a.key.row - b.key.row)
      const printed = await printRows(rows.slice(0, limit + 1), undefined, false, search.pace)
      shards.push({ shard, applied: through, rows: printed })
    }
    return { report: reportOf(search), shards }
  }

  async #findRecord(message: FindRecord, signal: AbortSignal, remainingMs: number) {
    const { tenant, key } = message
    const range = { fromMs: key.timeMs, toMs: key.timeMs + 1 }
    const scope: LeafScope = { tenant, filter: { kind: 'all' }, range, shards: [key.shard] }
    const search = await this.#begin(scope, signal, remainingMs)
    for (const unit of search.units) {
      if (await search.pace.isOver()) throw new WeirError('deadline_exceeded', TIME_IS_UP)
      const found = await matchUnit(unit, search.compiled, NO_COLUMNS, range, search.pace)
      if (found === undefined) continue
      const rows = rowsOf(found).filter((row) => compareRecordKeys(row.key, key) === 0)
      const [row] = await printRows(rows, undefined, false, search.pace)
      if (row === undefined) continue
      const open = await unit.open(['service', 'host'])
      const text = (name: string) => {
        const column = open.rows.columns.column(name)
        return column === undefined ? '' : (valueText(column, rows[0]!.unitRow) ?? '')
      }
      return { row, service: text('service'), host: text('host') }
    }
    const [gap] = search.missing
    if (gap !== undefined) throw new WeirError('shard_unavailable', gap.reason, { shard: gap.shard })
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

const NO_COLUMNS = { filter: () => [] }
const TIME_IS_UP = 'the time allowed was up'

/** An answer needs a moment to be made and sent: the work must end before the asker gives up. */
function answerBudgetMs(remainingMs: number): number {
  return remainingMs - Math.min(200, remainingMs * 0.1)
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

/** True when there is nothing behind the place up to `now`. */
function isUpToDate(place: TailPlace, now: Position): boolean {
  const order = comparePositions(now, place)
  return order < 0 || (order === 0 && place.row === TAIL_ROW_LAST)
}

function isBetween(key: RecordKey, place: TailPlace, through: Position): boolean {
  const order = comparePositions(key, place)
  return (order > 0 || (order === 0 && key.row > place.row)) && comparePositions(key, through) <= 0
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

/** Prints rows, in the order given; opens each unit once with all its columns and lets go of it. Throws result_too_large. */
async function printRows(
  found: readonly FoundRow[],
  fields: readonly string[] | undefined,
  original: boolean,
  pace: SearchPace,
): Promise<LeafRow[]> {
  const placesByUnit = new Map<SearchUnit, number[]>()
  found.forEach(({ unit }, place) => {
    const places = placesByUnit.get(unit)
    if (places === undefined) placesByUnit.set(unit, [place])
    else places.push(place)
  })
  const printed = new Array<LeafRow>(found.length)
  let chars = 0
  for (const [unit, places] of placesByUnit) {
    // Rows that were found in time are given, even if the time runs out now.
    await pace.isOver()
    const { rows } = await unit.open(null)
    for (const place of places) {
      const { key, unitRow } = found[place]!
      const meta = { id: encodeRecordId(key), ingestedAtMs: rows.receivedMsOf(unitRow) }
      const json = original ? originalJson(rows.columns, unitRow) : recordJson(rows.columns, unitRow, meta, fields)
      chars += json.length
      if (chars > QUERY_RESULT_BYTES_MAX) {
        throw new WeirError(
          'result_too_large',
          'the records found are too large together; ask for fewer, or for some fields',
          {
            limitBytes: QUERY_RESULT_BYTES_MAX,
          },
        )
      }
      printed[place] = { key, json }
    }
  }
  return printed
}

import { approximateBytes } from '../base/approximate-bytes.ts'
import { present } from '../base/assert.ts'
import { valueText } from '../base/columns.ts'
import { WeirError } from '../base/errors.ts'
import type { Position, ShardId } from '../base/ids.ts'
import { comparePositions } from '../base/ids.ts'
import { QUERIES_WAITING_MAX, QUERY_RESULT_BYTES_MAX } from '../base/limits.ts'
import type { CompiledFilter } from '../query/filter.ts'
import { compileFilter } from '../query/filter.ts'
import { columnsNeededBy } from '../query/needed-columns.ts'
import { originalJson, recordJson } from '../query/record-json.ts'
import type { ActivePlans } from '../storage/active-plans.ts'
import type { FoundRow } from '../storage/block-search.ts'
import { searchRows } from '../storage/block-search.ts'
import type { RecordKey } from '../storage/record-id.ts'
import { compareRecordKeys, encodeRecordId } from '../storage/record-id.ts'
import type { RowSource } from '../storage/row-source.ts'
import { SearchPace } from '../storage/search-pace.ts'
import type { SearchPlan } from '../storage/search-plan.ts'
import type { ColumnDirectory, SearchUnit } from '../storage/search-unit.ts'
import type { UnitMatches } from '../storage/unit-matcher.ts'
import { UnitMatcher } from '../storage/unit-matcher.ts'
import { backtestWork } from './alert-backtest.ts'
import type { UnitFold, Work } from './leaf-folds.ts'
import { aggregationWork, fieldsWork, patternsWork, pipesWork } from './leaf-folds.ts'
import type { LeafPlannerOptions } from './leaf-planner.ts'
import { LeafPlanner, TIME_IS_UP } from './leaf-planner.ts'
import type {
  ExplainPlan,
  FindRecord,
  FindRows,
  FollowRows,
  LeafExplained,
  LeafFollowed,
  LeafRecord,
  LeafReport,
  LeafRow,
  LeafRows,
  LeafScope,
  MissingShare,
  QueryLeafMessage,
} from './messages/leaf.ts'
import type { SortOrder } from './messages/search.ts'
import type { KnownResults, ResultCache } from './result-cache.ts'
import type { Actor, AnswerOf, MessageContext } from './runtime/actor.ts'
import type { TailPlace } from './search-cursor.ts'
import { TAIL_ROW_LAST } from './search-cursor.ts'
import { searchParts } from './search-parts.ts'

export interface QueryLeafOptions extends LeafPlannerOptions {
  readonly results: ResultCache
  readonly plans: ActivePlans
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
  readonly missing: MissingShare[]
  /** Q3: what is kept of the answers to the question, where something is. */
  readonly results: KnownResults | undefined
}

/**
 * Searches the shards of one worker, and published segments of others that its node is given to read: plans which blocks may match, opens them newest first, verifies on their columns. It
 * gives way to the worker's other jobs between blocks and stops when time is up or the asker has gone.
 */
export class QueryLeaf implements Actor<QueryLeafMessage> {
  readonly #options: QueryLeafOptions
  readonly #planner: LeafPlanner
  #running = 0
  /** Longest waiting first. */
  readonly #waiting = new Set<() => void>()

  constructor(options: QueryLeafOptions) {
    this.#options = options
    this.#planner = new LeafPlanner(options)
  }

  handle(message: QueryLeafMessage, context: MessageContext): void {
    switch (message.kind) {
      case 'findRows':
        this.#run(message, context, (signal, ms) => this.#findRows(message, signal, ms))
        return
      case 'runPipes':
        this.#run(message, context, (signal, ms) =>
          this.#fold(message.scope, signal, ms, pipesWork(message), message.order),
        )
        return
      case 'aggregate':
        this.#run(message, context, (signal, ms) =>
          this.#fold(message.scope, signal, ms, aggregationWork(message.spec)),
        )
        return
      case 'minePatterns':
        this.#run(message, context, (signal, ms) => this.#fold(message.scope, signal, ms, patternsWork()))
        return
      case 'listFields':
        this.#run(message, context, (signal, ms) => this.#fold(message.scope, signal, ms, fieldsWork()))
        return
      case 'countForRule':
        this.#run(message, context, (signal, ms) =>
          this.#fold(message.scope, signal, ms, backtestWork(message.backtest), 'asc'),
        )
        return
      case 'followRows':
        this.#run(message, context, (signal, ms) => this.#followRows(message, signal, ms))
        return
      case 'findRecord':
        this.#run(message, context, (signal, ms) => this.#findRecord(message, signal, ms))
        return
      case 'explainPlan':
        this.#run(message, context, (signal, ms) => this.#explain(message, signal, ms))
        return
    }
  }

  observe(): Readonly<Record<string, unknown>> {
    return { running: this.#running, waiting: this.#waiting.size }
  }

  #run<Q extends QueryLeafMessage>(
    question: Q,
    context: MessageContext,
    work: (signal: AbortSignal, remainingMs: number) => Promise<AnswerOf<Q>>,
  ): void {
    const { clock, plans } = this.#options
    const reply = context.defer(question)
    const endsMs = clock.monotonicMs() + reply.remainingMs
    reply.settleWith(async (signal) => {
      await this.#planner.caughtUp(question.scope, reply.remainingMs, signal)
      await this.#turn(signal)
      const ended = plans.begin(clock.monotonicMs())
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

  async #begin(scope: LeafScope, signal: AbortSignal, remainingMs: number, workKey?: string): Promise<Search> {
    const { cache, clock, results: cached } = this.#options
    cache.blocks.beginQuery()
    const pace = new SearchPace(clock, signal, remainingMs)
    const compiled = compileFilter(scope.filter)
    const results = workKey === undefined ? undefined : cached.of(workKey, scope, compiled.key)
    const { plans, missing } = await this.#planner.plan(scope, remainingMs, results?.recall)
    return { scope, compiled, pace, plans, units: plans.flatMap(({ plan }) => plan.units), missing, results }
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
      report: reportOf(search, bytesOfRows(rows)),
      rows,
      count: found.count,
      countIsLowerBound: found.countIsLowerBound,
    }
  }

  /**
   * What `work` makes of the matches of all units. They are taken in the order of the search, so that what a deadline cuts off is its far end;
   * segments of which the result is kept (Q3) are taken one after the other.
   */
  async #fold<R extends object>(
    scope: LeafScope,
    signal: AbortSignal,
    remainingMs: number,
    work: Work<R>,
    order: SortOrder = 'desc',
  ): Promise<R & { readonly report: LeafReport }> {
    const search = await this.#begin(scope, signal, remainingMs, work.key)
    const { plans, results, pace } = search
    const fold = work.fold()
    let isInTime = true
    for (const { result } of plans.flatMap(({ plan }) => plan.known)) {
      isInTime = !(await pace.isOver())
      if (!isInTime) break
      fold.absorb?.(result as R)
    }
    const parts = searchParts(plans, results !== undefined, order)
    const units = parts.flatMap((part) => part.units)
    const columns = {
      filter: columnsNeededBy(scope.filter),
      matches: (directory: ColumnDirectory) => fold.columns(directory.columnNames),
    }
    const matcher = new UnitMatcher(search.compiled, columns, scope.range, pace)
    let next = 0
    /** Adds the matches of the next so many units. False when the time is up before all are looked at. */
    const addNext = async (count: number, to: UnitFold<R>): Promise<boolean> => {
      for (const end = next + count; next < end; next++) {
        if (await pace.isOver()) return false
        const { minMs, maxMs } = units[next]!
        if (to.needs?.(minMs, maxMs) === false) continue
        const found = await matcher.match(units, next)
        if (found === 'late') return false
        if (found !== undefined) to.add(found)
      }
      return true
    }
    for (const { units: own, segment } of parts) {
      if (!isInTime) break
      const to = segment === undefined ? fold : work.fold()
      isInTime = await addNext(own.length, to)
      if (segment === undefined) continue
      const result = await to.result()
      fold.absorb?.(result)
      if (isInTime) results?.keep(segment.meta, { result, blocks: segment.blocks, rows: rowsIn(own) })
    }
    if (!isInTime) allMissing(search, TIME_IS_UP)
    const result = await fold.result()
    return { ...result, report: reportOf(search, approximateBytes(result)) }
  }

  async #followRows(message: FollowRows, signal: AbortSignal, remainingMs: number): Promise<LeafFollowed> {
    const { scope, behind, limit } = message
    const places = new Map(behind.map((place) => [place.shard, place]))
    const shards: LeafFollowed['shards'][number][] = []
    const { answerable, missing } = this.#planner.examine(scope.shares)
    // What has been applied is taken before the plans are made, so that these name all of it.
    const applied = new Map<ShardId, Position>()
    for (const { shard } of answerable) {
      const now = present(this.#options.shards.get(shard), 'a shard that is here').store.applied
      const place = places.get(shard)
      // The first poll begins here.
      if (place === undefined) shards.push({ shard, applied: now, rows: [] })
      // Most polls of most shards find nothing new. After a restart a shard may even have to catch up with the place.
      else if (!isUpToDate(place, now)) applied.set(shard, now)
    }
    const worthALook = answerable.filter(({ shard }) => applied.has(shard))
    const search = await this.#begin({ ...scope, shares: worthALook }, signal, remainingMs)
    const gaps = new Set(search.missing.filter(({ part }) => part === 'segments').map(({ shard }) => shard))
    search.missing.push(...missing)
    const columns = { filter: columnsNeededBy(scope.filter) }
    const matcher = new UnitMatcher(search.compiled, columns, scope.range, search.pace)
    for (const { shard, plan } of search.plans) {
      // Its place must not pass rows that could not be looked at.
      if (gaps.has(shard)) continue
      const place = places.get(shard)!
      const through = applied.get(shard)!
      const rows: FoundRow[] = []
      let isWhole = true
      for (const unit of plan.units) {
        // Sequences of different generations are not to be compared (J3).
        if (place.generation === through.generation && unit.lastSequence < place.sequence) continue
        isWhole = !(await search.pace.isOver())
        if (!isWhole) break
        const found = await matcher.match([unit])
        isWhole = found !== 'late'
        if (found === 'late') break
        // A frame may be half applied: only what is up to `through` is all there.
        if (found !== undefined) rows.push(...rowsOf(found).filter(({ key }) => isBetween(key, place, through)))
      }
      if (!isWhole) {
        search.missing.push({ shard, part: 'hot', reason: TIME_IS_UP, retry: false })
        continue
      }
      rows.sort((a, b) => comparePositions(a.key, b.key) || a.key.row - b.key.row)
      const printed = await printRows(rows.slice(0, limit + 1), undefined, false, search.pace)
      shards.push({ shard, applied: through, rows: printed })
    }
    return { report: reportOf(search, bytesOfRows(shards.flatMap(({ rows }) => rows))), shards }
  }

  async #findRecord(message: FindRecord, signal: AbortSignal, remainingMs: number): Promise<LeafRecord> {
    const { scope, key } = message
    const { range } = scope
    const search = await this.#begin(scope, signal, remainingMs)
    const matcher = new UnitMatcher(search.compiled, NO_COLUMNS, range, search.pace)
    for (const unit of search.units) {
      if (await search.pace.isOver()) throw new WeirError('deadline_exceeded', TIME_IS_UP)
      const found = await matcher.match([unit])
      if (found === 'late') throw new WeirError('deadline_exceeded', TIME_IS_UP)
      if (found === undefined) continue
      const rows = rowsOf(found).filter((row) => compareRecordKeys(row.key, key) === 0)
      const [row] = await printRows(rows, undefined, false, search.pace)
      if (row === undefined) continue
      const open = await unit.open(['service', 'host'])
      const text = (name: string) => {
        const column = open.rows.columns.column(name)
        return column === undefined ? '' : (valueText(column, rows[0]!.unitRow) ?? '')
      }
      return { report: reportOf(search, bytesOfRows([row])), row, service: text('service'), host: text('host') }
    }
    return { report: reportOf(search, 0), row: undefined, service: '', host: '' }
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
    return { report: reportOf(search, approximateBytes(shards)), shards }
  }
}

const NO_COLUMNS = { filter: () => [] }

/** An answer needs a moment to be made and sent: the work must end before the asker gives up. */
function answerBudgetMs(remainingMs: number): number {
  return remainingMs - Math.min(200, remainingMs * 0.1)
}

/** Which shards had not been looked at is not told apart: none of them is known to be complete. */
function allMissing(search: Search, reason: string): void {
  for (const { shard } of search.plans) search.missing.push({ shard, part: 'hot', reason, retry: false })
}

function bytesOfRows(rows: readonly LeafRow[]): number {
  return rows.reduce((bytes, { json }) => bytes + json.length, 0)
}

function reportOf(search: Search, bytes: number): LeafReport {
  const { pace, plans } = search
  const sum = (of: (plan: SearchPlan) => number) => plans.reduce((total, { plan }) => total + of(plan), 0)
  const warm = search.units.filter(({ tier }) => tier === 'segment')
  const hot = search.units.filter(({ tier }) => tier !== 'segment')
  const known = plans.flatMap(({ plan }) => plan.known)
  const knownBlocks = known.reduce((total, { blocks }) => total + blocks, 0)
  const knownRows = known.reduce((total, { rows }) => total + rows, 0)
  const blocks = sum((plan) => plan.localBlocks + plan.segmentBlocks) + knownBlocks
  return {
    missing: search.missing,
    stats: {
      blocks,
      blocksSkipped: blocks - pace.blocksOpened,
      rowsScanned: pace.rowsScanned,
      bytesRead: pace.bytesRead,
    },
    hot: { blocks: sum((plan) => plan.localBlocks), rows: rowsIn(hot) },
    warm: { blocks: sum((plan) => plan.segmentBlocks) + knownBlocks, rows: rowsIn(warm) + knownRows },
    bytes,
  }
}

function rowsIn(units: readonly SearchUnit[]): number {
  return units.reduce((total, unit) => total + unit.rowCount, 0)
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

import { WeirError } from '../base/errors.ts'
import type { ShardId, TenantId } from '../base/ids.ts'
import { HISTOGRAM_BUCKETS_MAX, SPREAD_SLOTS_MAX, TOTAL_EXACT_MAX } from '../base/limits.ts'
import type { AggregationSpec } from '../query/aggregate.ts'
import { compareCells, mergePartials } from '../query/aggregate.ts'
import { histogramOf, histogramSpec } from '../query/aggregate-histogram.ts'
import type { Filter, Pipe } from '../query/ast.ts'
import { explainQuery } from '../query/explain.ts'
import { resolvedField } from '../query/fields.ts'
import { parseQuery } from '../query/parser.ts'
import { mergePatterns } from '../query/patterns.ts'
import { finishPipes } from '../query/pipes.ts'
import { planPipes } from '../query/pipes-plan.ts'
import type { RecordKey } from '../storage/record-id.ts'
import { decodeRecordId } from '../storage/record-id.ts'
import { bucketKey, COUNT, metricOf, niceInterval } from './aggregate-request.ts'
import { backtestOf, firingsOf } from './alert-backtest.ts'
import { DeadLetterFinder } from './dead-letter-finder.ts'
import { mergeExplained } from './explain-merge.ts'
import { findRows, mergedRows } from './found-rows.ts'
import { mergeFields } from './leaf-folds.ts'
import type { BacktestAnswer, BacktestRequest } from './messages/alert.ts'
import type { LeafAggregate, LeafRows, QueryScope } from './messages/leaf.ts'
import type {
  AggregateRequest,
  ContextAnswer,
  ContextRequest,
  DeadLettersAnswer,
  DeadLettersRequest,
  ExplainAnswer,
  FieldsAnswer,
  FieldValuesAnswer,
  HistogramAnswer,
  HistogramRequest,
  PatternsAnswer,
  QueryBase,
  RecordJson,
  RowsAnswer,
  SearchAnswer,
  SearchRequest,
  TableAnswer,
  TailAnswer,
  TailRequest,
  TraceAnswer,
} from './messages/search.ts'
import { fieldIs, narrowed, shardsOf, withinBounds } from './query-scope.ts'
import { Scatter, type ScatterOptions } from './scatter.ts'
import type { Answers } from './scatter-run.ts'
import type { TailPlace } from './search-cursor.ts'
import { decodeSearchCursor, decodeTailCursor, encodeSearchCursor, encodeTailCursor } from './search-cursor.ts'
import { TailCatchUp } from './tail-catch-up.ts'
import { summariseTrace } from './trace-summary.ts'

export interface QueryCoordinatorOptions extends ScatterOptions {
  /** Groups of one aggregation. */
  readonly groupsMax: number
}

/**
 * Fans a query out to the leaves that own its shards and merges what comes back. Lives on the worker that took the request; keeps
 * nothing between requests. A shard that fails or is late is named in `coverage`, never passed over.
 */
export class QueryCoordinator {
  readonly #options: QueryCoordinatorOptions
  readonly #scatter: Scatter
  readonly #catchUp: TailCatchUp
  readonly #deadLetters: DeadLetterFinder

  constructor(options: QueryCoordinatorOptions) {
    this.#options = options
    this.#scatter = new Scatter(options)
    this.#catchUp = new TailCatchUp(this.#scatter, (shard) => options.shardMap.get(shard)?.floor)
    this.#deadLetters = new DeadLetterFinder(this.#scatter, options.shardCount)
  }

  search(request: SearchRequest, signal: AbortSignal): Promise<SearchAnswer> {
    return this.#scatter.timed('search', async (startedMs) => {
      const { limit, page, order, fields } = request
      const cursor = request.cursor === undefined ? undefined : decodeSearchCursor(request.cursor)
      const range = cursor?.range ?? request.range
      const { filter, pipes } = parseQuery(request.query, { nowMs: this.#options.clock.nowMs() })
      const scope = { tenant: request.tenant, filter: narrowed(filter, request), range }
      if (pipes.length > 0) return this.#searchPiped(request, scope, pipes, startedMs, signal)
      const wanted = limit * page
      const counted = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)
      const answers = await this.#scatter.ask(scope, { timeoutMs: request.timeoutMs, signal }, (own, isLocal) => ({
        kind: 'findRows' as const,
        scope: own,
        order,
        limit: wanted + 1,
        after: cursor?.after,
        countMax: countMaxOf(request),
        // Memory is shared within a process only.
        ...(isLocal && request.total === 'upToLimit' ? { counted } : {}),
        fields,
        original: false,
      }))
      const rows = mergedRows(answers.ok, order)
      const shown = rows.slice(wanted - limit, wanted)
      const last = shown[shown.length - 1]
      const hasMore = rows.length > wanted
      const count = answers.ok.reduce((sum, answer) => sum + answer.count, 0)
      const isBound = answers.ok.some((answer) => answer.countIsLowerBound)
      return {
        kind: 'rows',
        logs: shown.map((row) => row.json),
        ...totalOf(request, count, isBound),
        nextCursor: hasMore && last !== undefined ? encodeSearchCursor({ range, after: last.key }) : null,
        ...this.#scatter.closing(answers, startedMs),
      } satisfies RowsAnswer
    })
  }

  async #searchPiped(
    request: SearchRequest,
    scope: QueryScope,
    pipes: readonly Pipe[],
    startedMs: number,
    signal: AbortSignal,
  ): Promise<SearchAnswer> {
    const { order, fields, page, cursor } = request
    const { groupsMax } = this.#options
    if (cursor !== undefined) {
      throw new WeirError('invalid_parameter', 'a query with pipes is answered at once; use a limit pipe or page', {
        parameter: 'cursor',
      })
    }
    const limit = request.limit * page
    const answers = await this.#scatter.ask(scope, { timeoutMs: request.timeoutMs, signal }, (own) => ({
      kind: 'runPipes' as const,
      scope: own,
      pipes,
      order,
      limit,
      fields,
      groupsMax,
    }))
    const partials = answers.ok.map((answer) => answer.piped)
    const result = finishPipes(planPipes(pipes, groupsMax), partials, { order, limit })
    const closing = this.#scatter.closing(answers, startedMs)
    if (result.kind === 'table') return { kind: 'table', ...result.table, ...closing }
    return {
      kind: 'rows',
      logs: result.rows.slice(limit - request.limit).map(({ json }) => json),
      ...totalOf(request, result.total, !result.isTotalExact),
      nextCursor: null,
      ...closing,
    }
  }

  record(tenant: TenantId, id: string, signal: AbortSignal): Promise<RecordJson> {
    return this.#scatter
      .timed('record', async () => {
        const found = await this.#find(tenant, decodeRecordId(id), signal)
        return { result: found.row.json }
      })
      .then(({ result }) => result)
  }

  context(request: ContextRequest, signal: AbortSignal): Promise<ContextAnswer> {
    return this.#scatter.timed('context', async (startedMs) => {
      const key = decodeRecordId(request.id)
      const found = await this.#find(request.tenant, key, signal)
      const same: Filter[] = [fieldIs('service', found.service), fieldIs('host', found.host)]
      const filter: Filter = { kind: 'and', of: same.filter((part) => part.kind !== 'all') }
      const side = (order: 'asc' | 'desc', limit: number) => {
        const range =
          order === 'asc'
            ? { fromMs: key.timeMs, toMs: key.timeMs + CONTEXT_RANGE_MS }
            : { fromMs: key.timeMs - CONTEXT_RANGE_MS, toMs: key.timeMs + 1 }
        const scope = { tenant: request.tenant, filter, range }
        return this.#scatter.ask(scope, { timeoutMs: request.timeoutMs, signal }, (own) =>
          findRows(own, order, limit, key),
        )
      }
      const [before, after] = await Promise.all([side('desc', request.before), side('asc', request.after)])
      const jsonOf = (answers: Answers<LeafRows>, order: 'asc' | 'desc', limit: number) =>
        mergedRows(answers.ok, order)
          .slice(0, limit)
          .map((row) => row.json)
      const answers = {
        ok: [...before.ok, ...after.ok],
        missing: [...before.missing, ...after.missing],
        shards: before.shards,
      }
      return {
        before: jsonOf(before, 'desc', request.before).reverse(),
        record: found.row.json,
        after: jsonOf(after, 'asc', request.after),
        ...this.#scatter.closing(answers, startedMs),
      }
    })
  }

  trace(request: QueryBase, traceId: string, limit: number, signal: AbortSignal): Promise<TraceAnswer> {
    return this.#scatter.timed('trace', async (startedMs) => {
      const filter = narrowed({ kind: 'all' }, { ...request, traceId })
      const scope = { tenant: request.tenant, filter, range: request.range }
      const answers = await this.#scatter.ask(scope, { timeoutMs: request.timeoutMs, signal }, (own) =>
        findRows(own, 'asc', limit, undefined),
      )
      const rows = mergedRows(answers.ok, 'asc').slice(0, limit)
      const closing = this.#scatter.closing(answers, startedMs)
      if (rows.length === 0) {
        if (!closing.coverage.complete) throw new WeirError('shard_unavailable', 'not every shard could be asked')
        throw new WeirError('not_found', 'no record of this trace in the range of time')
      }
      return { traceId, ...summariseTrace(rows), ...closing }
    })
  }

  tail(request: TailRequest, signal: AbortSignal): Promise<TailAnswer> {
    return this.#scatter.timed('tail', async (startedMs) => {
      const { clock } = this.#options
      const { filter } = parseQuery(request.query, { nowMs: clock.nowMs() })
      const scope = { tenant: request.tenant, filter: narrowed(filter, request), range: request.range }
      const places = new Map(
        (request.cursor === undefined ? [] : decodeTailCursor(request.cursor).shards).map(
          (place): [ShardId, TailPlace] => [place.shard, place],
        ),
      )
      const endMs = startedMs + request.waitMs
      for (;;) {
        const limits = { timeoutMs: request.timeoutMs, signal }
        // A tail that begins takes its place in every shard that its services may be spread to while it lasts.
        const isFirst = places.size === 0
        const shards = shardsOf(scope.tenant, scope.filter, this.#options.shardCount, () => SPREAD_SLOTS_MAX)
        const wanted = { ...limits, ...(isFirst ? { shards } : {}) }
        const { rows, answers } = await this.#catchUp.follow(scope, places, request.limit, wanted)
        if (request.cursor === undefined && rows.length === 0) {
          // The first poll shows the newest records, then goes on from there; what has come since is for the next poll.
          rows.push(...(await this.#catchUp.newest(scope, scope.range, places, request.limit, limits)))
        }
        const remainingMs = endMs - clock.monotonicMs()
        if (rows.length > 0 || remainingMs <= 0 || signal.aborted) {
          return {
            logs: rows.map((row) => row.json),
            cursor: encodeTailCursor({ shards: [...places.values()] }),
            ...this.#scatter.closing(answers, startedMs),
          }
        }
        await clock.sleep(Math.min(TAIL_POLL_MS, remainingMs), signal).catch(() => undefined)
      }
    })
  }

  histogram(request: HistogramRequest, signal: AbortSignal): Promise<HistogramAnswer> {
    return this.#scatter.timed('histogram', async (startedMs) => {
      const { range } = request
      const intervalMs = request.intervalMs ?? niceInterval(range.toMs - range.fromMs)
      if ((range.toMs - range.fromMs) / intervalMs > HISTOGRAM_BUCKETS_MAX) {
        throw new WeirError('invalid_parameter', `more than ${HISTOGRAM_BUCKETS_MAX} buckets; use a wider interval`, {
          parameter: 'interval',
        })
      }
      const spec = histogramSpec(intervalMs, resolvedField(request.groupBy))
      const answers = await this.#aggregate(request, spec, signal)
      const partials = answers.ok.map((answer) => answer.partial)
      const buckets = histogramOf(spec, partials, intervalMs, range.fromMs, range.toMs)
      const total = buckets.reduce((sum, { count }) => sum + count, 0)
      return { intervalMs, buckets, total, ...this.#scatter.closing(answers, startedMs) }
    })
  }

  aggregate(request: AggregateRequest, signal: AbortSignal): Promise<TableAnswer> {
    return this.#scatter.timed('aggregate', async (startedMs) => {
      const metric = metricOf(request.metric, request.field)
      const bucket = request.intervalMs === undefined ? [] : [bucketKey(request.intervalMs)]
      const groups = request.groupBy.map((name) => ({ kind: 'field' as const, field: resolvedField(name), as: name }))
      const spec = { metrics: [metric], by: [...bucket, ...groups], groupsMax: this.#options.groupsMax }
      const answers = await this.#aggregate(request, spec, signal)
      const partials = answers.ok.map((answer) => answer.partial)
      const { columns, rows } = mergePartials(spec, partials).finish()
      const kept =
        request.top === undefined
          ? rows
          : [...rows].sort((a, b) => compareCells(b[metric.as]!, a[metric.as]!)).slice(0, request.top)
      return { kind: 'table', columns, rows: kept, ...this.#scatter.closing(answers, startedMs) }
    })
  }

  patterns(request: QueryBase, limit: number, signal: AbortSignal): Promise<PatternsAnswer> {
    return this.#scatter.timed('patterns', async (startedMs) => {
      const scope = this.#scopeOf(request)
      const answers = await this.#scatter.ask(scope, { timeoutMs: request.timeoutMs, signal }, (own) => ({
        kind: 'minePatterns',
        scope: own,
      }))
      const partials = answers.ok.map((answer) => answer.patterns)
      return { patterns: mergePatterns(partials, limit), ...this.#scatter.closing(answers, startedMs) }
    })
  }

  /** When an alert rule would have fired, by what is stored. */
  backtest(request: BacktestRequest, signal: AbortSignal): Promise<BacktestAnswer> {
    const { clock } = this.#options
    return this.#scatter.timed('backtest', async (startedMs) => {
      const { scope, backtest } = backtestOf(request)
      const answers = await this.#scatter.ask(scope, { timeoutMs: request.timeoutMs, signal }, (own) => ({
        kind: 'countForRule',
        scope: own,
        backtest,
      }))
      const counted = answers.ok.map((answer) => answer.counted)
      return { ...(await firingsOf(backtest, counted, clock, signal)), ...this.#scatter.closing(answers, startedMs) }
    })
  }

  fields(request: QueryBase, signal: AbortSignal): Promise<FieldsAnswer> {
    return this.#scatter.timed('fields', async (startedMs) => {
      const scope = this.#scopeOf(request)
      const answers = await this.#scatter.ask(scope, { timeoutMs: request.timeoutMs, signal }, (own) => ({
        kind: 'listFields',
        scope: own,
      }))
      const fields = mergeFields(answers.ok.map((answer) => answer.fields)).map(({ name, types, cardinality }) => ({
        name,
        type: TYPE_NAMES[types.indexOf(Math.max(...types))]!,
        count: types.reduce((sum, count) => sum + count, 0),
        cardinality,
      }))
      fields.sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1))
      return { fields, ...this.#scatter.closing(answers, startedMs) }
    })
  }

  fieldValues(request: QueryBase, field: string, limit: number, signal: AbortSignal): Promise<FieldValuesAnswer> {
    return this.#scatter.timed('fieldValues', async (startedMs) => {
      const by = [{ kind: 'field' as const, field: resolvedField(field), as: 'value' }]
      const spec = { metrics: [COUNT], by, groupsMax: this.#options.groupsMax }
      const answers = await this.#aggregate(request, spec, signal)
      const { rows } = mergePartials(
        spec,
        answers.ok.map((answer) => answer.partial),
      ).finish()
      const counts = new Map<string, number>()
      for (const { value, count } of rows) {
        // The number 5 and the text "5" are one value here.
        if (value !== null) counts.set(String(value), (counts.get(String(value)) ?? 0) + Number(count))
      }
      const values = [...counts]
        .map(([value, count]) => ({ value, count }))
        .sort((a, b) => b.count - a.count || (a.value < b.value ? -1 : 1))
      const other = values.slice(limit).reduce((sum, { count }) => sum + count, 0)
      return { values: values.slice(0, limit), other, ...this.#scatter.closing(answers, startedMs) }
    })
  }

  explain(request: SearchRequest, signal: AbortSignal): Promise<ExplainAnswer> {
    return this.#scatter.timed('explain', async (startedMs) => {
      const query = parseQuery(request.query, { nowMs: this.#options.clock.nowMs() })
      const scope = { tenant: request.tenant, filter: narrowed(query.filter, request), range: request.range }
      const answers = await this.#scatter.ask(scope, { timeoutMs: request.timeoutMs, signal }, (own) => ({
        kind: 'explainPlan' as const,
        scope: own,
      }))
      const { coverage, stats } = this.#scatter.closing(answers, startedMs)
      return {
        query: { ...explainQuery({ ...query, filter: scope.filter }), ...rangeTexts(withinBounds(scope).range) },
        shards: mergeExplained(answers.ok.map((answer) => answer.shards)),
        totals: stats,
        coverage,
      }
    })
  }

  deadLetters(request: DeadLettersRequest, signal: AbortSignal): Promise<DeadLettersAnswer> {
    return this.#deadLetters.list(request, signal)
  }

  /** What a request asks for: its query with the narrowing parameters ANDed to it. */
  #scopeOf(request: QueryBase): QueryScope {
    const { filter } = parseQuery(request.query, { nowMs: this.#options.clock.nowMs() })
    return { tenant: request.tenant, filter: narrowed(filter, request), range: request.range }
  }

  #aggregate(request: QueryBase, spec: AggregationSpec, signal: AbortSignal): Promise<Answers<LeafAggregate>> {
    const scope = this.#scopeOf(request)
    return this.#scatter.ask(scope, { timeoutMs: request.timeoutMs, signal }, (own) => ({
      kind: 'aggregate',
      scope: own,
      spec,
    }))
  }

  async #find(tenant: TenantId, key: RecordKey, signal: AbortSignal) {
    const notFound = new WeirError('not_found', 'no record has this id')
    if (key.shard >= this.#options.shardCount) throw notFound
    const range = { fromMs: key.timeMs, toMs: key.timeMs + 1 }
    const scope = { tenant, filter: { kind: 'all' } as const, range }
    const limits = { timeoutMs: RECORD_DEADLINE_MS, signal, shards: [key.shard], ownersOnly: true }
    const { ok, missing } = await this.#scatter.ask(scope, limits, (own) => ({
      kind: 'findRecord' as const,
      scope: own,
      key,
    }))
    for (const found of ok) if (found.row !== undefined) return { ...found, row: found.row }
    const [gap] = missing
    if (gap !== undefined) throw new WeirError('shard_unavailable', gap.reason, { shard: gap.shard })
    throw notFound
  }
}

/** By ValueType; absent has none. */
const TYPE_NAMES = ['', 'string', 'number', 'boolean', 'null', 'json']
const TAIL_POLL_MS = 100
const RECORD_DEADLINE_MS = 10_000
/** Neighbours further away than this are no context. */
const CONTEXT_RANGE_MS = 24 * 3600 * 1000

function rangeTexts({ fromMs, toMs }: QueryScope['range']): { readonly from: string; readonly to: string } {
  return { from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString() }
}

function countMaxOf(request: SearchRequest): number {
  switch (request.total) {
    case 'none':
      return 0
    case 'exact':
      return Number.POSITIVE_INFINITY
    case 'upToLimit':
      return TOTAL_EXACT_MAX + 1
  }
}

function totalOf(
  request: SearchRequest,
  count: number,
  isLowerBound: boolean,
): Pick<RowsAnswer, 'total' | 'totalRelation'> {
  if (request.total === 'none') return { total: null, totalRelation: 'eq' }
  if (request.total === 'exact') return { total: count, totalRelation: isLowerBound ? 'gte' : 'eq' }
  if (count > TOTAL_EXACT_MAX) return { total: TOTAL_EXACT_MAX, totalRelation: 'gte' }
  return { total: count, totalRelation: isLowerBound ? 'gte' : 'eq' }
}

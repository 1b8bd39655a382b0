import type { Clock } from '../base/clock.ts'
import { FIELD_SERVICE } from '../base/columns.ts'
import { WeirError } from '../base/errors.ts'
import { shardOf } from '../base/hash.ts'
import type { ShardId, TenantId } from '../base/ids.ts'
import { comparePositions, deadLetterTenant } from '../base/ids.ts'
import { HISTOGRAM_BUCKETS_MAX, TOTAL_EXACT_MAX } from '../base/limits.ts'
import type { AggregationSpec } from '../query/aggregate.ts'
import { compareCells, mergePartials } from '../query/aggregate.ts'
import { histogramOf, histogramSpec } from '../query/aggregate-histogram.ts'
import type { Filter, GroupKey, Metric, Pipe } from '../query/ast.ts'
import { explainQuery } from '../query/explain.ts'
import { normalisedLevel, resolvedField } from '../query/fields.ts'
import { parseQuery } from '../query/parser.ts'
import { mergePatterns } from '../query/patterns.ts'
import { finishPipes } from '../query/pipes.ts'
import { planPipes } from '../query/pipes-plan.ts'
import { timeBoundsOf } from '../query/prune.ts'
import type { RecordKey } from '../storage/record-id.ts'
import { compareRecordKeys, decodeRecordId } from '../storage/record-id.ts'
import { mergeFields } from './leaf-folds.ts'
import type {
  FindRows,
  LeafAggregate,
  LeafReport,
  LeafRow,
  LeafRows,
  LeafScope,
  QueryLeafMessage,
} from './messages/leaf.ts'
import type {
  AggregateRequest,
  ContextAnswer,
  ContextRequest,
  Coverage,
  DeadLettersAnswer,
  DeadLettersRequest,
  ExplainAnswer,
  FieldsAnswer,
  FieldValuesAnswer,
  HistogramAnswer,
  HistogramRequest,
  PatternsAnswer,
  QueryBase,
  QueryStats,
  RecordJson,
  RowsAnswer,
  SearchAnswer,
  SearchRequest,
  TableAnswer,
  TailAnswer,
  TailRequest,
  TraceAnswer,
} from './messages/search.ts'
import type { AnswerOf } from './runtime/actor.ts'
import type { ActorRef, AskOptions } from './runtime/actor-ref.ts'
import type { TailPlace } from './search-cursor.ts'
import {
  decodeSearchCursor,
  decodeTailCursor,
  encodeSearchCursor,
  encodeTailCursor,
  TAIL_ROW_LAST,
} from './search-cursor.ts'
import { summariseTrace } from './trace-summary.ts'

export interface QueryCoordinatorOptions {
  /** One a worker. */
  readonly leaves: readonly ActorRef<QueryLeafMessage>[]
  readonly workerOf: (shard: ShardId) => number
  readonly shardCount: number
  readonly groupsMax: number
  readonly clock: Clock
  readonly onAnswered?: (kind: string, outcome: string, tookMs: number, stats: QueryStats | undefined) => void
}

/** Time for the answer to come back from a leaf that used all of its own. */
const LEAF_GRACE_MS = 250

/**
 * Fans a query out to the leaves that own its shards and merges what comes back. Lives on the worker that took the request; keeps
 * nothing between requests. A shard that fails or is late is named in `coverage`, never passed over.
 */
export class QueryCoordinator {
  readonly #options: QueryCoordinatorOptions

  constructor(options: QueryCoordinatorOptions) {
    this.#options = options
  }

  search(request: SearchRequest, signal: AbortSignal): Promise<SearchAnswer> {
    return this.#timed('search', async (startedMs) => {
      const { limit, page, order, fields } = request
      const cursor = request.cursor === undefined ? undefined : decodeSearchCursor(request.cursor)
      const range = cursor?.range ?? request.range
      const { filter, pipes } = parseQuery(request.query, { nowMs: this.#options.clock.nowMs() })
      const scope = { tenant: request.tenant, filter: narrowed(filter, request), range }
      if (pipes.length > 0) return this.#searchPiped(request, scope, pipes, startedMs, signal)
      const wanted = limit * page
      const answers = await this.#ask(scope, request.timeoutMs, signal, (own) => ({
        kind: 'findRows' as const,
        scope: own,
        order,
        limit: wanted + 1,
        after: cursor?.after,
        countMax: countMaxOf(request),
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
        ...this.#closing(answers, startedMs),
      } satisfies RowsAnswer
    })
  }

  async #searchPiped(
    request: SearchRequest,
    scope: Omit<LeafScope, 'shards'>,
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
    const answers = await this.#ask(scope, request.timeoutMs, signal, (own) => ({
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
    const closing = this.#closing(answers, startedMs)
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
    return this.#timed('record', async () => {
      const found = await this.#find(tenant, decodeRecordId(id), signal)
      return { result: found.row.json }
    }).then(({ result }) => result)
  }

  context(request: ContextRequest, signal: AbortSignal): Promise<ContextAnswer> {
    return this.#timed('context', async (startedMs) => {
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
        return this.#ask(scope, request.timeoutMs, signal, (own) => findRows(own, order, limit, key))
      }
      const [before, after] = await Promise.all([side('desc', request.before), side('asc', request.after)])
      const jsonOf = (answers: Answers<LeafRows>, order: 'asc' | 'desc', limit: number) =>
        mergedRows(answers.ok, order)
          .slice(0, limit)
          .map((row) => row.json)
      const answers = {
        ok: [...before.ok, ...after.ok],
        failed: [...before.failed, ...after.failed],
        shards: before.shards,
      }
      return {
        before: jsonOf(before, 'desc', request.before).reverse(),
        record: found.row.json,
        after: jsonOf(after, 'asc', request.after),
        ...this.#closing(answers, startedMs),
      }
    })
  }

  trace(request: QueryBase, traceId: string, limit: number, signal: AbortSignal): Promise<TraceAnswer> {
    return this.#timed('trace', async (startedMs) => {
      const filter = narrowed({ kind: 'all' }, { ...request, traceId })
      const scope = { tenant: request.tenant, filter, range: request.range }
      const answers = await this.#ask(scope, request.timeoutMs, signal, (own) => findRows(own, 'asc', limit, undefined))
      const rows = mergedRows(answers.ok, 'asc').slice(0, limit)
      const closing = this.#closing(answers, startedMs)
      if (rows.length === 0) {
        if (!closing.coverage.complete) throw new WeirError('shard_unavailable', 'not every shard could be asked')
        throw new WeirError('not_found', 'no record of this trace in the range of time')
      }
      return { traceId, ...summariseTrace(rows), ...closing }
    })
  }

  tail(request: TailRequest, signal: AbortSignal): Promise<TailAnswer> {
    return this.#timed('tail', async (startedMs) => {
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
        const answers = await this.#ask(scope, request.timeoutMs, signal, (own) => ({
          kind: 'followRows' as const,
          scope: own,
          behind: [...places.values()],
          limit: request.limit,
        }))
        const followed = answers.ok.flatMap((answer) => answer.shards)
        const rows = takeInOrder(followed, request.limit, places)
        if (request.cursor === undefined && rows.length === 0) {
          // The first poll shows the newest records, then goes on from there.
          const newest = await this.#ask(scope, request.timeoutMs, signal, (own) =>
            findRows(own, 'desc', request.limit, undefined),
          )
          // What has come since the places were taken is for the next poll.
          const known = mergedRows(newest.ok, 'desc').filter(({ key }) => !isBehind(key, places.get(key.shard)))
          rows.push(...known.slice(0, request.limit).reverse())
        }
        const remainingMs = endMs - clock.monotonicMs()
        if (rows.length > 0 || remainingMs <= 0 || signal.aborted) {
          return {
            logs: rows.map((row) => row.json),
            cursor: encodeTailCursor({ shards: [...places.values()] }),
            ...this.#closing(answers, startedMs),
          }
        }
        await clock.sleep(Math.min(TAIL_POLL_MS, remainingMs), signal).catch(() => undefined)
      }
    })
  }

  histogram(request: HistogramRequest, signal: AbortSignal): Promise<HistogramAnswer> {
    return this.#timed('histogram', async (startedMs) => {
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
      return { intervalMs, buckets, total, ...this.#closing(answers, startedMs) }
    })
  }

  aggregate(request: AggregateRequest, signal: AbortSignal): Promise<TableAnswer> {
    return this.#timed('aggregate', async (startedMs) => {
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
      return { kind: 'table', columns, rows: kept, ...this.#closing(answers, startedMs) }
    })
  }

  patterns(request: QueryBase, limit: number, signal: AbortSignal): Promise<PatternsAnswer> {
    return this.#timed('patterns', async (startedMs) => {
      const scope = this.#scopeOf(request)
      const answers = await this.#ask(scope, request.timeoutMs, signal, (own) => ({ kind: 'minePatterns', scope: own }))
      const partials = answers.ok.map((answer) => answer.patterns)
      return { patterns: mergePatterns(partials, limit), ...this.#closing(answers, startedMs) }
    })
  }

  fields(request: QueryBase, signal: AbortSignal): Promise<FieldsAnswer> {
    return this.#timed('fields', async (startedMs) => {
      const scope = this.#scopeOf(request)
      const answers = await this.#ask(scope, request.timeoutMs, signal, (own) => ({ kind: 'listFields', scope: own }))
      const fields = mergeFields(answers.ok.map((answer) => answer.fields)).map(({ name, types, cardinality }) => ({
        name,
        type: TYPE_NAMES[types.indexOf(Math.max(...types))]!,
        count: types.reduce((sum, count) => sum + count, 0),
        cardinality,
      }))
      fields.sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1))
      return { fields, ...this.#closing(answers, startedMs) }
    })
  }

  fieldValues(request: QueryBase, field: string, limit: number, signal: AbortSignal): Promise<FieldValuesAnswer> {
    return this.#timed('fieldValues', async (startedMs) => {
      const by = [{ kind: 'field' as const, field: resolvedField(field), as: 'value' }]
      const spec = { metrics: [COUNT], by, groupsMax: this.#options.groupsMax }
      const answers = await this.#aggregate(request, spec, signal)
      const { rows } = mergePartials(
        spec,
        answers.ok.map((answer) => answer.partial),
      ).finish()
      const values = rows
        .filter(({ value }) => value !== null)
        .map(({ value, count }) => ({ value: String(value), count: Number(count) }))
        .sort((a, b) => b.count - a.count || (a.value < b.value ? -1 : 1))
      const other = values.slice(limit).reduce((sum, { count }) => sum + count, 0)
      return { values: values.slice(0, limit), other, ...this.#closing(answers, startedMs) }
    })
  }

  explain(request: SearchRequest, signal: AbortSignal): Promise<ExplainAnswer> {
    return this.#timed('explain', async (startedMs) => {
      const query = parseQuery(request.query, { nowMs: this.#options.clock.nowMs() })
      const scope = { tenant: request.tenant, filter: narrowed(query.filter, request), range: request.range }
      const answers = await this.#ask(scope, request.timeoutMs, signal, (own) => ({
        kind: 'explainPlan' as const,
        scope: own,
      }))
      const { coverage, stats } = this.#closing(answers, startedMs)
      return {
        query: { ...explainQuery({ ...query, filter: scope.filter }), ...rangeTexts(withinBounds(scope).range) },
        shards: answers.ok.flatMap((answer) => answer.shards).sort((a, b) => a.shard - b.shard),
        totals: stats,
        coverage,
      }
    })
  }

  deadLetters(request: DeadLettersRequest, signal: AbortSignal): Promise<DeadLettersAnswer> {
    return this.#timed('deadLetters', async () => {
      const cursor = request.cursor === undefined ? undefined : decodeSearchCursor(request.cursor)
      const range = cursor?.range ?? request.range
      const scope = { tenant: deadLetterTenant(request.tenant), filter: { kind: 'all' } as const, range }
      const answers = await this.#ask(scope, request.timeoutMs, signal, (own) =>
        findRows(own, 'desc', request.limit + 1, cursor?.after),
      )
      const rows = mergedRows(answers.ok, 'desc')
      const shown = rows.slice(0, request.limit)
      const last = shown[shown.length - 1]
      return {
        deadLetters: shown.map(({ json }) => {
          const letter = JSON.parse(json) as Record<string, string>
          return {
            id: letter.id!,
            receivedAt: letter.timestamp!,
            protocol: letter.service!,
            tenant: request.tenant,
            code: letter.code!,
            reason: letter.message!,
            raw: letter.raw ?? '',
            encoding: letter.encoding === 'base64' ? ('base64' as const) : ('utf8' as const),
          }
        }),
        nextCursor:
          rows.length > request.limit && last !== undefined ? encodeSearchCursor({ range, after: last.key }) : null,
      }
    })
  }

  /** What a request asks for: its query with the narrowing parameters ANDed to it. */
  #scopeOf(request: QueryBase): Omit<LeafScope, 'shards'> {
    const { filter } = parseQuery(request.query, { nowMs: this.#options.clock.nowMs() })
    return { tenant: request.tenant, filter: narrowed(filter, request), range: request.range }
  }

  #aggregate(request: QueryBase, spec: AggregationSpec, signal: AbortSignal): Promise<Answers<LeafAggregate>> {
    const scope = this.#scopeOf(request)
    return this.#ask(scope, request.timeoutMs, signal, (own) => ({ kind: 'aggregate', scope: own, spec }))
  }

  async #find(tenant: TenantId, key: RecordKey, signal: AbortSignal) {
    const leaf = this.#options.leaves[this.#options.workerOf(key.shard)]
    const found =
      key.shard < this.#options.shardCount
        ? await leaf?.ask({ kind: 'findRecord', tenant, key }, { deadlineMs: RECORD_DEADLINE_MS, signal })
        : undefined
    if (found?.row === undefined) throw new WeirError('not_found', 'no record has this id')
    return { ...found, row: found.row }
  }

  /** Asks every leaf that owns shards of the scope, at once. */
  async #ask<K extends ScopedKind>(
    scope: Omit<LeafScope, 'shards'>,
    timeoutMs: number,
    signal: AbortSignal,
    questionFor: (scope: LeafScope) => Extract<QueryLeafMessage, { readonly kind: K }>,
  ): Promise<Answers<LeafAnswer<K>>> {
    const { leaves, workerOf, shardCount } = this.#options
    const perLeaf = leaves.map((): ShardId[] => [])
    const bounded = withinBounds(scope)
    const shards = shardsOf(scope.tenant, scope.filter, shardCount)
    for (const shard of shards) perLeaf[workerOf(shard)]!.push(shard)
    const ok: LeafAnswer<K>[] = []
    const failed: { shard: ShardId; reason: string }[] = []
    await Promise.all(
      perLeaf.map(async (own, worker) => {
        if (own.length === 0) return
        const leaf = leaves[worker] as unknown as ScopedLeaf<K>
        try {
          const options = { deadlineMs: timeoutMs + LEAF_GRACE_MS, signal }
          ok.push(await leaf.ask(questionFor({ ...bounded, shards: own }), options))
        } catch (error) {
          if (signal.aborted || (error instanceof WeirError && !error.retryable)) throw error
          const reason = error instanceof Error ? error.message : String(error)
          failed.push(...own.map((shard) => ({ shard, reason })))
        }
      }),
    )
    return { ok, failed, shards: shards.length }
  }

  #closing(
    answers: Answers<{ readonly report: LeafReport }>,
    startedMs: number,
  ): { readonly coverage: Coverage; readonly stats: QueryStats; readonly tookMs: number } {
    const reports = answers.ok.map((answer) => answer.report)
    const missing = [...answers.failed, ...reports.flatMap((report) => report.missing)]
    const sum = (of: (report: LeafReport) => number) => reports.reduce((total, report) => total + of(report), 0)
    return {
      coverage: {
        complete: missing.length === 0,
        shards: answers.shards,
        answered: answers.shards - new Set(missing.map(({ shard }) => shard)).size,
        missing,
        tiers: {
          hot: { blocks: sum(({ hot }) => hot.blocks), rows: sum(({ hot }) => hot.rows) },
          warm: { blocks: sum(({ warm }) => warm.blocks), rows: sum(({ warm }) => warm.rows) },
          cold: { blocks: 0, rows: 0 },
        },
      },
      stats: {
        blocks: sum(({ stats }) => stats.blocks),
        blocksSkipped: sum(({ stats }) => stats.blocksSkipped),
        rowsScanned: sum(({ stats }) => stats.rowsScanned),
        bytesRead: sum(({ stats }) => stats.bytesRead),
      },
      tookMs: Math.round((this.#options.clock.monotonicMs() - startedMs) * 100) / 100,
    }
  }

  async #timed<R extends object>(kind: string, run: (startedMs: number) => Promise<R>): Promise<R> {
    const { clock, onAnswered } = this.#options
    const startedMs = clock.monotonicMs()
    try {
      const answer = await run(startedMs)
      const { coverage, stats } = answer as { coverage?: Coverage; stats?: QueryStats }
      onAnswered?.(kind, coverage?.complete === false ? 'partial' : 'ok', clock.monotonicMs() - startedMs, stats)
      return answer
    } catch (error) {
      const outcome = error instanceof WeirError ? error.code : 'internal'
      onAnswered?.(kind, outcome, clock.monotonicMs() - startedMs, undefined)
      throw error
    }
  }
}

const COUNT: Metric = { name: 'count', field: null, quantile: null, as: 'count' }
/** By ValueType; absent has none. */
const TYPE_NAMES = ['', 'string', 'number', 'boolean', 'null', 'json']
/** Widths that people read easily, ms. */
const NICE_INTERVALS_MS = [
  1, 10, 100, 1000, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000, 3_600_000, 10_800_000, 21_600_000,
  43_200_000, 86_400_000, 604_800_000,
]
const TAIL_POLL_MS = 100
const RECORD_DEADLINE_MS = 10_000
/** Neighbours further away than this are no context. */
const CONTEXT_RANGE_MS = 24 * 3600 * 1000

/** Questions about a scope; each is answered with a report beside its result. */
type ScopedKind = Exclude<QueryLeafMessage['kind'], 'findRecord'>
type LeafAnswer<K extends ScopedKind> = AnswerOf<Extract<QueryLeafMessage, { readonly kind: K }>> & {
  readonly report: LeafReport
}

interface ScopedLeaf<K extends ScopedKind> {
  ask(question: Extract<QueryLeafMessage, { readonly kind: K }>, options: AskOptions): Promise<LeafAnswer<K>>
}

interface Answers<R> {
  readonly ok: readonly R[]
  readonly failed: readonly { readonly shard: ShardId; readonly reason: string }[]
  readonly shards: number
}

/** The narrowest of the nice widths that makes at most about 100 buckets. */
function niceInterval(spanMs: number): number {
  return NICE_INTERVALS_MS.find((width) => spanMs / width <= 100) ?? NICE_INTERVALS_MS[NICE_INTERVALS_MS.length - 1]!
}

function bucketKey(widthMs: number): GroupKey {
  return { kind: 'bucket', widthMs, as: 'bucket' }
}

/** `count`, `p95` …, with the field it is taken of. Throws invalid_parameter. */
function metricOf(metric: string, field: string | undefined): Metric {
  if (metric === 'count') return COUNT
  if (field === undefined) {
    throw new WeirError('invalid_parameter', `the metric ${metric} needs a field`, { parameter: 'field' })
  }
  const as = `${metric}_${field}`
  const percentile = /^p(\d{1,2}(?:\.\d+)?)$/.exec(metric)
  if (percentile !== null) {
    return { name: 'quantile', field: resolvedField(field), quantile: Number(percentile[1]) / 100, as }
  }
  if (metric === 'sum' || metric === 'avg' || metric === 'min' || metric === 'max' || metric === 'uniq') {
    return { name: metric, field: resolvedField(field), quantile: null, as }
  }
  throw new WeirError('invalid_parameter', `there is no metric ${metric}`, { parameter: 'metric' })
}

function findRows(scope: LeafScope, order: 'asc' | 'desc', limit: number, after: RecordKey | undefined): FindRows {
  return { kind: 'findRows', scope, order, limit, after, countMax: 0, fields: undefined, original: false }
}

function mergedRows(answers: readonly { readonly rows: readonly LeafRow[] }[], order: 'asc' | 'desc'): LeafRow[] {
  const sign = order === 'desc' ? -1 : 1
  return answers.flatMap((answer) => answer.rows).sort((a, b) => sign * compareRecordKeys(a.key, b.key))
}

/** ANDs the narrowing parameters of a request to its filter. */
function narrowed(filter: Filter, request: Pick<QueryBase, 'service' | 'level' | 'host' | 'traceId'>): Filter {
  const parts: Filter[] = [filter]
  for (const field of ['service', 'level', 'host', 'traceId'] as const) {
    const text = request[field]
    if (text !== undefined) parts.push(fieldIs(field, field === 'level' ? normalisedLevel(text) : text))
  }
  const real = parts.filter((part) => part.kind !== 'all').flatMap((part) => (part.kind === 'and' ? part.of : [part]))
  if (real.length === 0) return { kind: 'all' }
  return real.length === 1 ? real[0]! : { kind: 'and', of: real }
}

function fieldIs(field: string, text: string): Filter {
  return text === '' ? { kind: 'all' } : { kind: 'field', field, match: { kind: 'equal', text, number: null } }
}

/** The scope with its range cut down to the times that its filter lets pass; half-open, as ranges are. */
function withinBounds(scope: Omit<LeafScope, 'shards'>): Omit<LeafScope, 'shards'> {
  const bounds = timeBoundsOf(scope.filter)
  const fromMs = Math.max(scope.range.fromMs, bounds.fromMs)
  const toMs = Math.max(fromMs, Math.min(scope.range.toMs, bounds.toMs + 1))
  return { ...scope, range: { fromMs, toMs } }
}

function rangeTexts({ fromMs, toMs }: LeafScope['range']): { readonly from: string; readonly to: string } {
  return { from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString() }
}

/** The shards that may hold matches: those of the services that the filter demands, else all. */
function shardsOf(tenant: TenantId, filter: Filter, shardCount: number): ShardId[] {
  const services = servicesOf(filter)
  if (services === undefined) return Array.from({ length: shardCount }, (_, shard) => shard as ShardId)
  return [...new Set([...services].map((service) => shardOf(tenant, service, 0, shardCount) as ShardId))]
}

function servicesOf(filter: Filter): Set<string> | undefined {
  switch (filter.kind) {
    case 'field':
      return filter.field === FIELD_SERVICE && filter.match.kind === 'equal' && isExactText(filter.match)
        ? new Set([filter.match.text])
        : undefined
    case 'and': {
      const known = filter.of.map(servicesOf).filter((services) => services !== undefined)
      return known.sort((a, b) => a.size - b.size)[0]
    }
    case 'or': {
      const all = filter.of.map(servicesOf)
      return all.every((services) => services !== undefined)
        ? new Set(all.flatMap((services) => [...services]))
        : undefined
    }
    default:
      return undefined
  }
}

/** False for texts that are equal to values of other spellings: 5 and 5.0, true and TRUE; and to null. */
function isExactText({ text, number }: { readonly text: string; readonly number: number | null }): boolean {
  return number === null && !/^(?:true|false|null)$/i.test(text)
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

/**
 * Merges the shards' new rows, oldest first, up to `limit`; each shard's place moves to its last row taken, or to all it has applied when all
 * its rows were.
 */
function takeInOrder(
  followed: readonly {
    readonly shard: ShardId
    readonly applied: { readonly generation: number; readonly sequence: number }
    readonly rows: readonly LeafRow[]
  }[],
  limit: number,
  places: Map<ShardId, TailPlace>,
): LeafRow[] {
  const next = new Map(followed.map(({ shard }) => [shard, 0]))
  const taken: LeafRow[] = []
  while (taken.length < limit) {
    let best: LeafRow | undefined
    for (const { shard, rows } of followed) {
      const row = rows[next.get(shard)!]
      if (row !== undefined && (best === undefined || compareRecordKeys(row.key, best.key) < 0)) best = row
    }
    if (best === undefined) break
    taken.push(best)
    next.set(best.key.shard, next.get(best.key.shard)! + 1)
  }
  for (const { shard, applied, rows } of followed) {
    const count = next.get(shard)!
    const last = rows[count - 1]?.key
    if (count === rows.length) places.set(shard, { shard, ...applied, row: TAIL_ROW_LAST })
    else if (last !== undefined) {
      places.set(shard, { shard, generation: last.generation, sequence: last.sequence, row: last.row })
    }
  }
  return taken
}

/** True when the row has come after the place was taken; of a shard without a place nothing is known to have come before. */
function isBehind(key: RecordKey, place: TailPlace | undefined): boolean {
  return place === undefined || comparePositions(key, place) > 0
}

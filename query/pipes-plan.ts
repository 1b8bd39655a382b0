import { AGGREGATE_GROUPS_MAX, SEARCH_LIMIT_MAX } from '../base/limits.ts'
import type { AggregationSpec } from './aggregate.ts'
import type { Condition, Pipe } from './ast.ts'
import { conditionFields } from './pipes-condition.ts'
import type { ParsePipe } from './pipes-parse.ts'
import type { SortKeys, TablePipe } from './pipes-table.ts'

/**
 * How pipes are shared out between the leaves, which see rows, and the coordinator, which sees what leaves keep of them.
 *
 * Rows come in the order of the search (newest first, unless it asks for the oldest). `parse` works on each row alone, and so
 * wherever it stands, it is done at the leaf; its captures hide fields of their name in every pipe. `fields` says what rows
 * show; other pipes still see all fields. `where`, until a pipe comes that depends on other rows, is done at the leaf. The
 * first pipe that does depend on other rows is prepared at the leaf, which keeps all that can still matter, and it and
 * those behind it are done by the coordinator:
 *
 * - `stats`, `top` and `rate` make a table. Leaves hand over partial aggregates.
 * - `limit` keeps the first rows, `sort` puts rows in order (equal ones stay in the order of the search), `dedup` keeps the
 *   first row of each combination of values. Leaves hand over the rows that are first by that measure.
 */
export interface PipePlan {
  readonly parses: readonly ParsePipe[]
  /** Conditions that leaves apply to each row. */
  readonly conditions: readonly Condition[]
  /** What leaves do with the rows that are left. */
  readonly leaf: LeafStep
  /** What the coordinator does with the rows that leaves keep, before a table is made of them. */
  readonly rowPipes: readonly RowPipe[]
  /** The table to be made: of rows when the leaf keeps rows, else of partials. Null: the answer is rows. */
  readonly aggregate: AggregateStep | null
  readonly tablePipes: readonly TablePipe[]
  /** Fields that rows show; null: all. */
  readonly fields: readonly string[] | null
  /** Fields whose values leaves hand over with the rows, for the coordinator's pipes. */
  readonly carried: readonly string[]
  /** Fields that leaves read, those of `carried` included. */
  readonly read: readonly string[]
  /** True when the pipes do no more than choose fields and bound the number of rows: a plain search answers as well. */
  readonly isPlain: boolean
}

export type RowPipe = Extract<Pipe, { kind: 'where' | 'sort' | 'limit' | 'dedup' }>

/** Rows are kept up to `max` (null: as many as the request wants); one more is an error where they are needed all. */
export type LeafStep =
  | { readonly kind: 'aggregate' }
  | { readonly kind: 'first'; readonly max: number | null; readonly needsAll: boolean }
  | { readonly kind: 'sort'; readonly keys: SortKeys; readonly max: number | null; readonly needsAll: boolean }
  | {
      readonly kind: 'dedup'
      readonly fields: readonly string[]
      readonly max: number | null
      readonly needsAll: boolean
    }

export type AggregateStep =
  | { readonly kind: 'stats'; readonly spec: AggregationSpec }
  | { readonly kind: 'top'; readonly spec: AggregationSpec; readonly fields: readonly string[]; readonly count: number }
  | { readonly kind: 'rate'; readonly spec: AggregationSpec; readonly widthMs: number }

export function planPipes(pipes: readonly Pipe[], groupsMax = AGGREGATE_GROUPS_MAX): PipePlan {
  const tableAt = pipes.findIndex((pipe) => pipe.kind === 'stats' || pipe.kind === 'top' || pipe.kind === 'rate')
  const onRows = tableAt === -1 ? pipes : pipes.slice(0, tableAt)
  const aggregate = tableAt === -1 ? null : aggregateStep(pipes[tableAt]!, groupsMax)
  const tablePipes = tableAt === -1 ? [] : pipes.slice(tableAt + 1).filter(isTablePipe)
  const parses = onRows.filter((pipe) => pipe.kind === 'parse')
  const choices = onRows.filter((pipe) => pipe.kind === 'fields').map((pipe) => pipe.fields)
  const working = onRows.filter((pipe) => pipe.kind !== 'parse' && pipe.kind !== 'fields') as RowPipe[]
  const firstGlobal = working.findIndex((pipe) => pipe.kind !== 'where')
  const split = firstGlobal === -1 ? working.length : firstGlobal
  const conditions = working.slice(0, split).flatMap((pipe) => (pipe.kind === 'where' ? [pipe.condition] : []))
  const rowPipes = working.slice(split)
  const leaf = leafStep(rowPipes, aggregate)
  const later = rowPipes.flatMap(fieldsOfRowPipe)
  const carried = [...new Set([...later, ...(leaf.kind === 'aggregate' ? [] : fieldsOfAggregate(aggregate))])]
  const read = [...new Set([...carried, ...conditions.flatMap(conditionFields), ...fieldsOfAggregate(aggregate)])]
  return {
    parses,
    conditions,
    leaf,
    rowPipes,
    aggregate,
    tablePipes,
    // Of several choices each narrows the one before.
    fields: choices.length === 0 ? null : choices.reduce((a, b) => b.filter((field) => a.includes(field))),
    carried,
    read,
    isPlain:
      aggregate === null &&
      parses.length === 0 &&
      conditions.length === 0 &&
      rowPipes.every((pipe) => pipe.kind === 'limit'),
  }
}

function isTablePipe(pipe: Pipe): pipe is TablePipe {
  return ['where', 'sort', 'limit', 'fields', 'dedup'].includes(pipe.kind)
}

/**
 * What a leaf keeps for the first pipe that depends on other rows. As many rows as the next `limit` lets through do, when nothing between
 * takes rows away; without one, as many as the request wants; before a pipe that needs them all, all, up to SEARCH_LIMIT_MAX.
 */
function leafStep(rowPipes: readonly RowPipe[], aggregate: AggregateStep | null): LeafStep {
  const [first, second] = rowPipes
  if (first === undefined)
    return aggregate === null ? { kind: 'first', max: null, needsAll: false } : { kind: 'aggregate' }
  const isLast = second === undefined && aggregate === null
  if (first.kind === 'limit') {
    const needsAll = !isLast && first.count > SEARCH_LIMIT_MAX
    return { kind: 'first', max: Math.min(first.count, SEARCH_LIMIT_MAX), needsAll }
  }
  const bound = second?.kind === 'limit' && second.count <= SEARCH_LIMIT_MAX ? second.count : null
  const needsAll = !isLast && bound === null
  const max = needsAll ? SEARCH_LIMIT_MAX : bound
  return first.kind === 'sort'
    ? { kind: 'sort', keys: first.keys, max, needsAll }
    : { kind: 'dedup', fields: first.kind === 'dedup' ? first.fields : [], max, needsAll }
}

function fieldsOfRowPipe(pipe: RowPipe): readonly string[] {
  switch (pipe.kind) {
    case 'where':
      return conditionFields(pipe.condition)
    case 'sort':
      return pipe.keys.map((key) => key.field)
    case 'dedup':
      return pipe.fields
    case 'limit':
      return []
  }
}

function fieldsOfAggregate(step: AggregateStep | null): string[] {
  if (step === null) return []
  const { by, metrics } = step.spec
  return [
    ...by.flatMap((key) => (key.kind === 'field' ? [key.field] : [])),
    ...metrics.flatMap((metric) => (metric.field === null ? [] : [metric.field])),
  ]
}

const COUNT = { name: 'count', field: null, quantile: null, as: 'count' } as const

function aggregateStep(pipe: Pipe, groupsMax: number): AggregateStep | null {
  switch (pipe.kind) {
    case 'stats':
      return { kind: 'stats', spec: { metrics: pipe.metrics, by: pipe.by, groupsMax } }
    case 'top': {
      const by = pipe.fields.map((field) => ({ kind: 'field' as const, field, as: field }))
      return { kind: 'top', spec: { metrics: [COUNT], by, groupsMax }, fields: pipe.fields, count: pipe.count }
    }
    case 'rate': {
      const by = [{ kind: 'bucket' as const, widthMs: pipe.widthMs, as: 'bucket' }]
      return { kind: 'rate', spec: { metrics: [COUNT], by, groupsMax }, widthMs: pipe.widthMs }
    }
    default:
      return null
  }
}

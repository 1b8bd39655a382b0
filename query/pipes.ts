import { assert } from '../base/assert.ts'
import { Bitmap } from '../base/bitmap.ts'
import { COLUMN_OVERFLOW, type ColumnSource } from '../base/columns.ts'
import { type Aggregation, type AggregationPartial, createAggregation, mergePartials, type Table } from './aggregate.ts'
import { type Cell, cellReader } from './aggregate-groups.ts'
import { filterRows } from './filter-value.ts'
import { conditionHolds } from './pipes-condition.ts'
import { columnOfCells, withCaptures } from './pipes-parse.ts'
import type { AggregateStep, PipePlan, RowPipe } from './pipes-plan.ts'
import { createRowKeeper, type RowKeeper } from './pipes-rows.ts'
import { compareBySort, isNew, runTablePipes } from './pipes-table.ts'
import { recordJson } from './record-json.ts'
import { compareRowKeys, type RowKey } from './row-key.ts'

/** Rows with their places in the journal (as storage has them). */
export interface PipeRows {
  readonly columns: ColumnSource
  readonly generation: number
  sequenceOf(row: number): number
  rowOf(row: number): number
  receivedMsOf(row: number): number
}

/** A piece of a shard that is searched as a whole. */
export interface PipeUnit {
  readonly shard: number
  /** With the columns that `columns` asked for, and maybe more. */
  readonly rows: PipeRows
  /** The same rows with all columns, later. Must not hold on to `rows`. */
  reopen(): Promise<PipeRows>
}

export interface PipeRunOptions {
  readonly order: 'asc' | 'desc'
  /** Rows that the request wants, at most SEARCH_LIMIT_MAX; tables are not bounded by it. */
  readonly limit: number
  /** Fields that rows show when no pipe says so; undefined: all. */
  readonly fields?: readonly string[] | undefined
  /** The public id of a record. */
  idOf(key: RowKey): string
}

/** What a leaf hands to the coordinator: plain values that survive msgpack and structured clone. */
export type PipesPartial =
  | { readonly kind: 'aggregate'; readonly partial: AggregationPartial }
  | {
      readonly kind: 'rows'
      readonly rows: readonly PipeRow[]
      /** Rows that came to the first pipe that depends on others; a lower bound when units were passed over. */
      readonly matched: number
      readonly isMatchedExact: boolean
      /** True when `rows` are all that the leaf's step could have kept. */
      readonly isWhole: boolean
    }

export interface PipeRow {
  readonly key: RowKey
  /** Values of the plan's carried fields, in their order. */
  readonly cells: readonly Cell[]
  /** Null when a table is to be made of the rows. */
  readonly json: string | null
}

/** The leaf's part of a query with pipes. */
export interface PipeRun {
  /** Columns to open a unit with, of those it has. */
  columns(columnNames: readonly string[]): string[]
  /** False when no row of a unit with these bounds of time (inclusive) can matter any more. */
  needs(minMs: number, maxMs: number): boolean
  /** Takes the rows of a unit that match the filter. Throws result_too_large. */
  add(unit: PipeUnit, matches: Bitmap): void
  /** Takes what `partial` of the same plan gave over other rows; where leaves make partial aggregates. */
  absorb(partial: PipesPartial): void
  /** Reopens the units of rows that are handed over as records. Throws result_too_large. */
  partial(): Promise<PipesPartial>
}

interface Place {
  readonly reopen: () => Promise<PipeRows>
  readonly row: number
}

export function runPipes(plan: PipePlan, options: PipeRunOptions): PipeRun {
  const { leaf } = plan
  const aggregation = leaf.kind === 'aggregate' ? createAggregation(plan.aggregate!.spec) : null
  const keeper: RowKeeper<Place> | null =
    leaf.kind === 'aggregate' ? null : createRowKeeper(leaf, options.order, options.limit)
  const read = [...plan.read, ...plan.parses.map((parse) => parse.from)]
  const wanted = new Set(read.length === 0 ? [] : [...read, COLUMN_OVERFLOW])
  let matched = 0
  let isMatchedExact = true
  let wasPassedOver = false

  return {
    columns: (columnNames) => columnNames.filter((name) => wanted.has(name)),
    needs(minMs, maxMs) {
      const needed = keeper === null || keeper.mayKeep(options.order === 'desc' ? maxMs : minMs)
      if (!needed) isMatchedExact = false
      return needed
    },
    add(unit, matches) {
      const source = withCaptures(unit.rows.columns, plan.parses, matches)
      const rows = withConditions(plan, source, matches)
      if (aggregation !== null) aggregation.add(source, rows)
      else if (keeper !== null) {
        matched += rows.count()
        if (offerRows(plan, unit, source, rows, keeper)) wasPassedOver = true
      }
    },
    absorb(partial) {
      assert(aggregation !== null && partial.kind === 'aggregate', 'rows are not put together here')
      aggregation.absorb(partial.partial)
    },
    async partial() {
      if (aggregation !== null) return { kind: 'aggregate', partial: aggregation.partial() }
      const kept = keeper!.finish()
      const json = plan.aggregate === null ? await printAll(plan, options, kept) : null
      const rows = kept.map(({ key, cells }, i) => ({
        key,
        cells: plan.carried.map((field) => cells.get(field) ?? null),
        json: json === null ? null : json[i]!,
      }))
      const isWhole = isMatchedExact && !wasPassedOver && !keeper!.isCut()
      return { kind: 'rows', rows, matched, isMatchedExact, isWhole }
    },
  }
}

function withConditions(plan: PipePlan, source: ColumnSource, matches: Bitmap): Bitmap {
  if (plan.conditions.length === 0) return matches
  const readers = new Map<string, (row: number) => Cell>()
  let row = 0
  const cellOf = (field: string): Cell => {
    let reader = readers.get(field)
    if (reader === undefined) {
      reader = cellReader(source, field)
      readers.set(field, reader)
    }
    return reader(row)
  }
  return filterRows(source.rowCount, matches, (candidate) => {
    row = candidate
    return plan.conditions.every((condition) => conditionHolds(condition, cellOf))
  })
}

/** True when some rows came too late to be kept. */
function offerRows(
  plan: PipePlan,
  unit: PipeUnit,
  source: ColumnSource,
  rows: Bitmap,
  keeper: RowKeeper<Place>,
): boolean {
  let wasPassedOver = false
  const readers = plan.carried.map((field) => [field, cellReader(source, field)] as const)
  const { reopen, shard } = unit
  for (const row of rows.toArray()) {
    if (!keeper.mayKeep(source.timeMs[row]!)) {
      wasPassedOver = true
      continue
    }
    const key: RowKey = {
      timeMs: source.timeMs[row]!,
      timeNs: source.timeNs[row]!,
      shard,
      generation: unit.rows.generation,
      sequence: unit.rows.sequenceOf(row),
      row: unit.rows.rowOf(row),
    }
    keeper.offer({ key, cells: new Map(readers.map(([field, read]) => [field, read(row)])), place: { reopen, row } })
  }
  return wasPassedOver
}

/** The records' JSON, each unit opened once. */
async function printAll(
  plan: PipePlan,
  options: PipeRunOptions,
  kept: readonly { readonly key: RowKey; readonly place: Place }[],
): Promise<string[]> {
  const byUnit = Map.groupBy(kept.keys(), (i) => kept[i]!.place.reopen)
  const json = new Array<string>(kept.length).fill('')
  const fields = plan.fields ?? options.fields
  for (const [reopen, list] of byUnit) {
    const rows = await reopen()
    const printed = new Bitmap(rows.columns.rowCount)
    for (const i of list) printed.add(kept[i]!.place.row)
    const source = withCaptures(rows.columns, plan.parses, printed)
    for (const i of list) {
      const { key, place } = kept[i]!
      const meta = { id: options.idOf(key), ingestedAtMs: rows.receivedMsOf(place.row) }
      json[i] = recordJson(source, place.row, meta, fields)
    }
  }
  return json
}

export type PipesResult =
  | { readonly kind: 'table'; readonly table: Table }
  | {
      readonly kind: 'rows'
      readonly rows: readonly { readonly key: RowKey; readonly json: string }[]
      /** Rows that the pipes let through, whatever the request's limit. */
      readonly total: number
      readonly isTotalExact: boolean
    }

/** The coordinator's part: puts the leaves' partials together and does what is left. Throws result_too_large. */
export function finishPipes(
  plan: PipePlan,
  partials: readonly PipesPartial[],
  options: Pick<PipeRunOptions, 'order' | 'limit'>,
): PipesResult {
  if (plan.leaf.kind === 'aggregate') {
    const aggregates = partials.flatMap((partial) => (partial.kind === 'aggregate' ? [partial.partial] : []))
    return tableOf(plan, mergePartials(plan.aggregate!.spec, aggregates))
  }
  const found = partials.flatMap((partial) => (partial.kind === 'rows' ? [partial] : []))
  const sign = options.order === 'desc' ? -1 : 1
  let rows = found.flatMap((partial) => partial.rows).sort((a, b) => sign * compareRowKeys(a.key, b.key))
  let total = found.reduce((sum, partial) => sum + partial.matched, 0)
  let isTotalExact = found.every((partial) => partial.isMatchedExact)
  let isWhole = found.every((partial) => partial.isWhole)
  for (const pipe of plan.rowPipes) {
    rows = runRowPipe(plan, pipe, rows)
    if (pipe.kind === 'limit') {
      isTotalExact ||= total >= pipe.count
      total = Math.min(total, pipe.count)
      isWhole ||= rows.length === pipe.count
    } else if (pipe.kind !== 'sort') {
      total = rows.length
      isTotalExact = isWhole
    }
  }
  if (plan.aggregate === null) {
    const shown = rows.slice(0, options.limit).map(({ key, json }) => ({ key, json: json ?? '' }))
    return { kind: 'rows', rows: shown, total, isTotalExact }
  }
  const aggregation = createAggregation(plan.aggregate.spec)
  aggregation.add(sourceOfRows(plan, rows), Bitmap.full(rows.length))
  return tableOf(plan, aggregation)
}

function runRowPipe(plan: PipePlan, pipe: RowPipe, rows: readonly PipeRow[]): PipeRow[] {
  const reader = (row: PipeRow) => (field: string) => row.cells[plan.carried.indexOf(field)] ?? null
  switch (pipe.kind) {
    case 'where':
      return rows.filter((row) => conditionHolds(pipe.condition, reader(row)))
    case 'limit':
      return rows.slice(0, pipe.count)
    case 'sort':
      return rows.toSorted((a, b) => compareBySort(pipe.keys, reader(a), reader(b)))
    case 'dedup': {
      const seen = new Set<string>()
      return rows.filter((row) => isNew(seen, pipe.fields, reader(row)))
    }
  }
}

/** Rows that leaves kept, as columns again. */
function sourceOfRows(plan: PipePlan, rows: readonly PipeRow[]): ColumnSource {
  const columns = new Map(
    plan.carried.map((field, i) => [
      field,
      columnOfCells(
        field,
        rows.map((row) => row.cells[i]!),
      ),
    ]),
  )
  return {
    rowCount: rows.length,
    timeMs: Float64Array.from(rows, (row) => row.key.timeMs),
    timeNs: Uint32Array.from(rows, (row) => row.key.timeNs),
    columnNames: plan.carried,
    column: (name) => columns.get(name),
  }
}

function tableOf(plan: PipePlan, aggregation: Aggregation): PipesResult {
  const step = plan.aggregate
  assert(step !== null, 'a table is made by a pipe')
  return { kind: 'table', table: runTablePipes(shaped(step, aggregation.finish()), plan.tablePipes) }
}

/** The table as its pipe shows it. */
function shaped(step: AggregateStep, table: Table): Table {
  switch (step.kind) {
    case 'stats':
      return table
    case 'top': {
      // Records that have none of the fields are no value that could be a top one.
      const rows = table.rows.filter((row) => step.fields.some((field) => row[field] !== null))
      const sorted = rows.toSorted((a, b) => Number(b.count) - Number(a.count))
      return { columns: table.columns, rows: sorted.slice(0, step.count) }
    }
    case 'rate':
      return {
        columns: ['bucket', 'rate'],
        rows: table.rows.map((row) => ({
          bucket: row.bucket ?? null,
          rate: Number(row.count) / (step.widthMs / 1000),
        })),
      }
  }
}

import type { Bitmap } from '../base/bitmap.ts'
import type { Column, ColumnSource } from '../base/columns.ts'
import { COLUMN_OVERFLOW, VALUE_ABSENT, valueType } from '../base/columns.ts'
import { exactJson } from '../base/exact-json.ts'
import type { ShardId } from '../base/ids.ts'
import { FIELDS_COUNTED_MAX } from '../base/limits.ts'
import type { AggregationPartial, AggregationSpec } from '../query/aggregate.ts'
import { createAggregation } from '../query/aggregate.ts'
import type { LeafPattern } from '../query/patterns.ts'
import { createPatternMiner } from '../query/patterns.ts'
import type { PipesPartial, PipeUnit } from '../query/pipes.ts'
import { runPipes } from '../query/pipes.ts'
import { planPipes } from '../query/pipes-plan.ts'
import type { RowKey } from '../query/row-key.ts'
import { overflowOf } from '../query/row-overflow.ts'
import { DistinctSketch } from '../query/sketch-distinct.ts'
import { encodeRecordId } from '../storage/record-id.ts'
import type { UnitMatches } from '../storage/unit-matcher.ts'
import type { FieldCounts, RunPipes } from './messages/leaf.ts'

/** A way to answer a question from the matches of each unit. */
export interface Work<R> {
  /** All that a result depends on but the rows; undefined where results over some of the rows are not put together. */
  readonly key: string | undefined
  fold(): UnitFold<R>
}

/** What a QueryLeaf does with the matches of each unit; the result is a part of its answer. */
export interface UnitFold<R> {
  /** Columns that it reads, of those there are; null for all. */
  columns(columnNames: readonly string[]): readonly string[] | null
  /** False when no row of a unit with these bounds of time can matter any more; absent: all matter. */
  needs?(minMs: number, maxMs: number): boolean
  add(found: UnitMatches): void
  /** Takes the result of the same work over other rows, which stays as it is; only where the work has a key. */
  absorb?(result: R): void
  result(): R | Promise<R>
}

/** Rows through the leaf's part of a query's pipes. */
export function pipesWork(message: RunPipes): Work<{ readonly piped: PipesPartial }> {
  const { order, limit, fields, pipes, groupsMax } = message
  const plan = planPipes(pipes, groupsMax)
  return {
    // Of tables neither the order nor the limit of the request matters to a leaf.
    key: plan.leaf.kind === 'aggregate' ? exactJson(['pipes', pipes, groupsMax]) : undefined,
    fold() {
      const run = runPipes(plan, { order, limit, fields, idOf })
      return {
        columns: (names) => run.columns(names),
        needs: (minMs, maxMs) => run.needs(minMs, maxMs),
        add: (found) => run.add(pipeUnit(found), found.matches),
        absorb: ({ piped }) => run.absorb(piped),
        result: async () => ({ piped: await run.partial() }),
      }
    },
  }
}

/** Message templates, the most frequent first. They are learned from all messages together. */
export function patternsWork(): Work<{ readonly patterns: readonly LeafPattern[] }> {
  return {
    key: undefined,
    fold() {
      const miner = createPatternMiner(idOf)
      return {
        columns: (names) => miner.columns(names),
        add: (found) => miner.add(pipeUnit(found), found.matches),
        result: async () => ({ patterns: await miner.partial() }),
      }
    },
  }
}

function idOf(key: RowKey): string {
  return encodeRecordId({ ...key, shard: key.shard as ShardId })
}

function pipeUnit({ unit, rows }: UnitMatches): PipeUnit {
  return { shard: unit.shard, rows, reopen: async () => (await unit.open(null)).rows }
}

/** Groups and metrics, as a partial that the coordinator merges. */
export function aggregationWork(spec: AggregationSpec): Work<{ readonly partial: AggregationPartial }> {
  const fields = [
    ...spec.by.flatMap((key) => (key.kind === 'field' ? [key.field] : [])),
    ...spec.metrics.flatMap(({ field }) => (field === null ? [] : [field])),
  ]
  const wanted = new Set([...fields, ...(fields.length > 0 ? [COLUMN_OVERFLOW] : [])])
  return {
    key: exactJson(['aggregate', spec]),
    fold() {
      const aggregation = createAggregation(spec)
      return {
        columns: (names) => names.filter((name) => wanted.has(name)),
        add: ({ rows, matches }) => aggregation.add(rows.columns, matches),
        absorb: ({ partial }) => aggregation.absorb(partial),
        result: () => ({ partial: aggregation.partial() }),
      }
    },
  }
}

/** Which fields there are, how often, of which types, with how many distinct values. */
export function fieldsWork(): Work<{ readonly fields: readonly FieldCounts[] }> {
  return { key: 'fields', fold: fieldsFold }
}

function fieldsFold(): UnitFold<{ readonly fields: readonly FieldCounts[] }> {
  const known = new Map<string, FieldTally>()
  const fieldOf = (name: string): FieldTally | undefined => {
    let field = known.get(name)
    if (field === undefined) {
      if (known.size >= FIELDS_COUNTED_MAX) return undefined
      field = { types: [0, 0, 0, 0, 0, 0], distinct: new DistinctSketch() }
      known.set(name, field)
    }
    return field
  }
  return {
    columns: () => null,
    add({ rows, matches }) {
      const { columns: source } = rows
      for (const name of source.columnNames) {
        const column = name.startsWith('\\@') ? undefined : source.column(name)
        if (column === undefined) continue
        const field = fieldOf(name)
        if (field !== undefined) countValues(column, matches, field)
      }
      if (source.column(COLUMN_OVERFLOW) !== undefined) countOverflow(source, matches, fieldOf)
    },
    absorb({ fields }) {
      for (const counted of fields) {
        const field = fieldOf(counted.name)
        if (field !== undefined) addTo(field, counted)
      }
    },
    result: () => {
      // Columns of a unit need not have values in the rows that match.
      const found = [...known].filter(([, { types }]) => types.some((count) => count > 0))
      return { fields: found.map(([name, { types, distinct }]) => ({ name, types, distinct: distinct.state() })) }
    },
  }
}

interface FieldTally {
  readonly types: number[]
  readonly distinct: DistinctSketch
}

/** S4: fields that found no column of their own. */
function countOverflow(source: ColumnSource, matches: Bitmap, fieldOf: (name: string) => FieldTally | undefined): void {
  for (const row of matches.toArray()) {
    for (const { path, type, text } of overflowOf(source, row)) {
      const field = fieldOf(path)
      if (field === undefined) continue
      field.types[type]!++
      field.distinct.addText(text)
    }
  }
}

function countValues(column: Column, matches: Bitmap, field: FieldTally): void {
  const seen = new Uint8Array(256)
  for (const row of matches.toArray()) {
    const type = valueType(column, row)
    if (type === VALUE_ABSENT) continue
    field.types[type]!++
    if (column.kind === 'bytes') {
      field.distinct.addBytes(column.bytes, column.offsets[row]!, column.offsets[row + 1]!)
    } else if (column.kind === 'integer') {
      field.distinct.addText(String(column.values[row]))
    } else {
      const code = column.codes[row]!
      if (seen[code] === 1) continue
      seen[code] = 1
      field.distinct.addBytes(column.bytes, column.offsets[code - 1]!, column.offsets[code]!)
    }
  }
}

function addTo(field: FieldTally, { types, distinct }: FieldCounts): void {
  types.forEach((count, type) => {
    field.types[type]! += count
  })
  field.distinct.merge(distinct)
}

/** Merges the fields of several leaves. */
export function mergeFields(
  leaves: readonly (readonly FieldCounts[])[],
): { name: string; types: readonly number[]; cardinality: number }[] {
  const merged = new Map<string, FieldTally>()
  for (const counted of leaves.flat()) {
    const field = merged.get(counted.name) ?? { types: [0, 0, 0, 0, 0, 0], distinct: new DistinctSketch() }
    merged.set(counted.name, field)
    addTo(field, counted)
  }
  return [...merged].map(([name, { types, distinct }]) => ({ name, types, cardinality: distinct.count() }))
}

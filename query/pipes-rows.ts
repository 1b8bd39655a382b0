import { WeirError } from '../base/errors.ts'
import { SEARCH_LIMIT_MAX } from '../base/limits.ts'
import type { Cell } from './aggregate-groups.ts'
import type { LeafStep } from './pipes-plan.ts'
import { compareBySort, dedupKey } from './pipes-table.ts'
import { compareRowKeys, type RowKey } from './row-key.ts'

/** A row that a leaf keeps for now. */
export interface KeptRow<T> {
  readonly key: RowKey
  /** Values of the plan's carried fields. */
  readonly cells: ReadonlyMap<string, Cell>
  /** Where to find the row again. */
  readonly place: T
}

/** The rows that a leaf hands over: those that are first by the measure of its step. */
export interface RowKeeper<T> {
  /** False when a row of this time cannot be among them. */
  mayKeep(timeMs: number): boolean
  offer(row: KeptRow<T>): void
  /** True when some row was left out for the number of them. */
  isCut(): boolean
  /** Those kept, in order. Throws result_too_large when the pipes need more rows than may be kept. */
  finish(): KeptRow<T>[]
}

/** Rows gathered beyond those that are kept before they are sorted and the last of them dropped. */
const SLACK = 1024

export function createRowKeeper<T>(
  step: Exclude<LeafStep, { kind: 'aggregate' }>,
  order: 'asc' | 'desc',
  limit: number,
): RowKeeper<T> {
  const sign = order === 'desc' ? -1 : 1
  const byTime = (a: KeptRow<T>, b: KeptRow<T>): number => sign * compareRowKeys(a.key, b.key)
  const compare =
    step.kind === 'sort'
      ? (a: KeptRow<T>, b: KeptRow<T>) =>
          compareBySort(
            step.keys,
            (field) => a.cells.get(field) ?? null,
            (field) => b.cells.get(field) ?? null,
          ) || byTime(a, b)
      : byTime
  const max = step.max ?? limit
  let rows: KeptRow<T>[] = []
  const firsts = new Map<string, KeptRow<T>>()
  let worst: KeptRow<T> | null = null
  let isCut = false

  const cut = (): void => {
    if (step.kind === 'dedup') rows = [...firsts.values()]
    rows.sort(compare)
    if (rows.length <= max) return
    if (step.needsAll) throw tooMany(step)
    isCut = true
    rows.length = max
    worst = rows[max - 1] ?? null
    if (step.kind !== 'dedup') return
    firsts.clear()
    for (const row of rows) firsts.set(keyOf(row), row)
  }
  const keyOf = (row: KeptRow<T>): string =>
    step.kind === 'dedup' ? dedupKey(step.fields, (field) => row.cells.get(field) ?? null) : ''

  return {
    mayKeep: (timeMs) => max > 0 && (step.kind === 'sort' || worst === null || sign * (timeMs - worst.key.timeMs) <= 0),
    offer(row) {
      if (worst !== null && compare(row, worst) > 0) {
        isCut = true
        return
      }
      if (step.kind === 'dedup') {
        const key = keyOf(row)
        const had = firsts.get(key)
        if (had === undefined || compare(row, had) < 0) firsts.set(key, row)
        if (firsts.size >= 2 * max + SLACK) cut()
        return
      }
      rows.push(row)
      if (rows.length >= 2 * max + SLACK) cut()
    },
    isCut: () => isCut,
    finish() {
      cut()
      return rows
    },
  }
}

function tooMany(step: LeafStep): WeirError {
  const pipe = step.kind === 'first' ? 'limit' : step.kind
  return new WeirError('result_too_large', `${pipe} has more than ${SEARCH_LIMIT_MAX} rows to hand on`, {
    pipe,
    limit: SEARCH_LIMIT_MAX,
    hint: `Put a limit of at most ${SEARCH_LIMIT_MAX} right behind ${pipe}, or narrow the filter.`,
  })
}

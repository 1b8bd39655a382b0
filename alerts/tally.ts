import type { ColumnSource } from '../base/columns.ts'
import { accumulatorOf } from '../query/aggregate-metrics.ts'
import { DistinctSketch, type DistinctSketchState } from '../query/sketch-distinct.ts'
import { QuantileSketch, type QuantileSketchState } from '../query/sketch-quantile.ts'
import { type Aggregate, metricOf } from './condition.ts'

/**
 * What the records of one bucket amount to, as plain data that merges in any order (A1): how many; how many, sum, least and greatest of a
 * number; a sketch of quantiles; a sketch of distinct values. Null: none.
 */
export type TallyState =
  | number
  | readonly [count: number, sum: number, min: number, max: number]
  | QuantileSketchState
  | DistinctSketchState
  | null

export interface Tally {
  merge(state: TallyState): void
  state(): TallyState
  /** Null where it has no value: the mean of nothing. */
  value(): number | null
  /** Approximate bytes of memory. */
  readonly byteSize: number
}

export function createTally(aggregate: Aggregate): Tally {
  switch (aggregate.kind) {
    case 'count':
    case 'rate':
      return new CountTally()
    case 'quantile':
      return new QuantileTally(aggregate.quantile)
    case 'distinct':
      return new DistinctTally()
    default:
      return new NumberTally(aggregate.kind)
  }
}

class CountTally implements Tally {
  readonly byteSize = 24
  #count = 0

  merge(state: TallyState): void {
    if (state !== null) this.#count += state as number
  }

  state(): TallyState {
    return this.#count
  }

  value(): number {
    return this.#count
  }
}

class NumberTally implements Tally {
  readonly byteSize = 72
  readonly #kind: 'sum' | 'avg' | 'min' | 'max'
  #count = 0
  #sum = 0
  #min = Number.POSITIVE_INFINITY
  #max = Number.NEGATIVE_INFINITY

  constructor(kind: 'sum' | 'avg' | 'min' | 'max') {
    this.#kind = kind
  }

  merge(state: TallyState): void {
    if (state === null) return
    const [count, sum, min, max] = state as readonly [number, number, number, number]
    if (count === 0) return
    this.#count += count
    this.#sum += sum
    if (min < this.#min) this.#min = min
    if (max > this.#max) this.#max = max
  }

  state(): TallyState {
    return this.#count === 0 ? null : [this.#count, this.#sum, this.#min, this.#max]
  }

  value(): number | null {
    if (this.#kind === 'sum') return this.#sum
    if (this.#count === 0) return null
    return this.#kind === 'avg' ? this.#sum / this.#count : this.#kind === 'min' ? this.#min : this.#max
  }
}

/** Of a sketch with its usual few dozen bins. */
const QUANTILE_BYTES = 1024

class QuantileTally implements Tally {
  readonly byteSize = QUANTILE_BYTES
  readonly #quantile: number
  readonly #sketch = new QuantileSketch()

  constructor(quantile: number) {
    this.#quantile = quantile
  }

  merge(state: TallyState): void {
    if (state !== null) this.#sketch.merge(state as QuantileSketchState)
  }

  state(): TallyState {
    return this.#sketch.count === 0 ? null : this.#sketch.state()
  }

  value(): number | null {
    return this.#sketch.quantile(this.#quantile)
  }
}

class DistinctTally implements Tally {
  readonly #sketch = new DistinctSketch()

  get byteSize(): number {
    return 64 + this.#sketch.byteSize
  }

  merge(state: TallyState): void {
    if (state !== null) this.#sketch.merge(state as DistinctSketchState)
  }

  state(): TallyState {
    const state = this.#sketch.state()
    // Registers go on changing.
    return state instanceof Uint8Array ? state.slice() : state
  }

  value(): number {
    return this.#sketch.count()
  }
}

/** Tallies of `rows`, of which rows[i] belongs to cell cells[i]; one state for each cell from 0 to `cellCount` - 1. */
export function tallyRows(
  aggregate: Aggregate,
  source: ColumnSource,
  rows: Uint32Array,
  cells: Uint32Array,
  cellCount: number,
): TallyState[] {
  if (aggregate.kind === 'count' || aggregate.kind === 'rate') {
    const counts = new Array<number>(cellCount).fill(0)
    for (let i = 0; i < cells.length; i++) counts[cells[i]!]!++
    return counts
  }
  const accumulator = accumulatorOf(metricOf(aggregate))
  accumulator.add(source, rows, cells)
  return Array.from({ length: cellCount }, (_, cell) => accumulator.stateOf(cell) as TallyState)
}

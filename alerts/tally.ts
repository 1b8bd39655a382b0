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
  /** Takes a finite number, where the tally is made of numbers. */
  take(value: number): void
  state(): TallyState
  /** Null where it has no value: the mean of nothing. */
  value(): number | null
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

/** Bytes of memory that a bucket takes at most, or nearly always. */
export function tallyBytes({ kind }: Aggregate): number {
  return TALLY_BYTES[kind]
}

const TALLY_BYTES: Readonly<Record<Aggregate['kind'], number>> = {
  count: 160,
  rate: 160,
  sum: 200,
  avg: 200,
  min: 200,
  max: 200,
  quantile: 2048,
  distinct: 8192,
}

class CountTally implements Tally {
  #count = 0

  take(): void {
    this.#count++
  }

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
  readonly #kind: 'sum' | 'avg' | 'min' | 'max'
  #count = 0
  #sum = 0
  #min = Number.POSITIVE_INFINITY
  #max = Number.NEGATIVE_INFINITY

  constructor(kind: 'sum' | 'avg' | 'min' | 'max') {
    this.#kind = kind
  }

  take(value: number): void {
    this.#count++
    this.#sum += value
    if (value < this.#min) this.#min = value
    if (value > this.#max) this.#max = value
  }

  merge(state: TallyState): void {
    if (state === null) return
    const [count, sum, min, max] = state as readonly [number, number, number, number]
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

/** Values that wait for the sketch: to add them one by one would make it grow again and again. */
const WAITING_MAX = 32

class QuantileTally implements Tally {
  readonly #quantile: number
  readonly #sketch = new QuantileSketch()
  #waiting: number[] = []

  constructor(quantile: number) {
    this.#quantile = quantile
  }

  take(value: number): void {
    this.#waiting.push(value)
    if (this.#waiting.length >= WAITING_MAX) this.#settle()
  }

  #settle(): void {
    if (this.#waiting.length === 0) return
    // Greatest first: room for all of them is made at once, or nearly so.
    const values = this.#waiting.sort((a, b) => b - a)
    this.#sketch.add(values[0]!)
    for (let i = values.length - 1; i > 0; i--) this.#sketch.add(values[i]!)
    this.#waiting = []
  }

  merge(state: TallyState): void {
    if (state !== null) this.#sketch.merge(state as QuantileSketchState)
  }

  state(): TallyState {
    this.#settle()
    return this.#sketch.count === 0 ? null : this.#sketch.state()
  }

  value(): number | null {
    this.#settle()
    return this.#sketch.quantile(this.#quantile)
  }
}

class DistinctTally implements Tally {
  readonly #sketch = new DistinctSketch()

  take(value: number): void {
    this.#sketch.addText(String(value))
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

/** Distinct values of `rows`, of which rows[i] belongs to cell cells[i]; one state for each cell from 0 to `cellCount` - 1. */
export function tallyDistinct(
  aggregate: Aggregate,
  source: ColumnSource,
  rows: Uint32Array,
  cells: Uint32Array,
  cellCount: number,
): TallyState[] {
  const accumulator = accumulatorOf(metricOf(aggregate))
  accumulator.add(source, rows, cells)
  return Array.from({ length: cellCount }, (_, cell) => accumulator.stateOf(cell) as TallyState)
}

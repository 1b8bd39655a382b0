/**
 * Quantiles of a stream of numbers, mergeable, each within 1 % of the true value (relative). DDSketch: Masson, Rim, Lee,
 * "DDSketch: A fast and fully-mergeable quantile sketch with relative-error guarantees", VLDB 2019. A value falls in the bin of
 * its logarithm; a bin answers with its middle. When the values span more than BINS_MAX bins (a factor of 10^17), the
 * smallest magnitudes share one bin, so that the large ones stay accurate.
 */
const RELATIVE_ACCURACY = 0.01
const GAMMA = (1 + RELATIVE_ACCURACY) / (1 - RELATIVE_ACCURACY)
const BINS_PER_E = 1 / Math.log(GAMMA)
const BINS_MAX = 2048
/** Magnitudes below count as zero. */
const MAGNITUDE_MIN = 1e-300

/** Counts by bin, `[bin, count, bin, count, …]`; plain values that survive msgpack. */
export interface QuantileSketchState {
  readonly zero: number
  readonly min: number
  readonly max: number
  readonly positive: readonly number[]
  readonly negative: readonly number[]
}

export class QuantileSketch {
  #zero = 0
  #min = Number.POSITIVE_INFINITY
  #max = Number.NEGATIVE_INFINITY
  readonly #positive = new Bins()
  readonly #negative = new Bins()

  get count(): number {
    return this.#zero + this.#positive.total + this.#negative.total
  }

  /** Takes a finite number. */
  add(value: number): void {
    if (value < this.#min) this.#min = value
    if (value > this.#max) this.#max = value
    if (value > MAGNITUDE_MIN) this.#positive.add(Math.ceil(Math.log(value) * BINS_PER_E), 1)
    else if (value < -MAGNITUDE_MIN) this.#negative.add(Math.ceil(Math.log(-value) * BINS_PER_E), 1)
    else this.#zero++
  }

  /** The value below which a share of `q` (0 to 1) of all lies; null when there are none. */
  quantile(q: number): number | null {
    if (this.count === 0) return null
    // A whole rank: between the last negative value and the first of the others lies no bin.
    let rank = Math.floor(q * (this.count - 1))
    let value: number
    if (rank < this.#negative.total) value = -this.#negative.valueAt(this.#negative.total - 1 - rank)
    else {
      rank -= this.#negative.total
      value = rank < this.#zero ? 0 : this.#positive.valueAt(rank - this.#zero)
    }
    return Math.min(this.#max, Math.max(this.#min, value))
  }

  state(): QuantileSketchState {
    return {
      zero: this.#zero,
      min: this.#min,
      max: this.#max,
      positive: this.#positive.state(),
      negative: this.#negative.state(),
    }
  }

  merge(state: QuantileSketchState): void {
    this.#zero += state.zero
    this.#min = Math.min(this.#min, state.min)
    this.#max = Math.max(this.#max, state.max)
    this.#positive.merge(state.positive)
    this.#negative.merge(state.negative)
  }
}

/** Counts of consecutive bins, from the lowest that is kept; bins below it are counted in it. */
class Bins {
  total = 0
  #counts = new Float64Array(0)
  /** Bin of #counts[0]. */
  #first = 0

  add(bin: number, count: number): void {
    this.total += count
    let at = bin - this.#first
    if (at < 0 || at >= this.#counts.length) at = this.#reach(bin)
    this.#counts[at]! += count
  }

  /** Value of the bin that holds the item of this rank, from 0. */
  valueAt(rank: number): number {
    let seen = 0
    for (let i = 0; i < this.#counts.length; i++) {
      seen += this.#counts[i]!
      if (seen > rank) return (2 * GAMMA ** (this.#first + i)) / (GAMMA + 1)
    }
    return 0
  }

  state(): number[] {
    const state: number[] = []
    this.#counts.forEach((count, i) => {
      if (count > 0) state.push(this.#first + i, count)
    })
    return state
  }

  merge(state: readonly number[]): void {
    if (state.length === 0) return
    // Room for all of them at once: bins come in order.
    this.add(state[state.length - 2]!, 0)
    this.add(state[0]!, 0)
    for (let i = state.length - 2; i >= 0; i -= 2) this.add(state[i]!, state[i + 1]!)
  }

  /** Makes room for `bin`; returns its place. */
  #reach(bin: number): number {
    const length = this.#counts.length
    const low = length === 0 ? bin : Math.min(bin, this.#first)
    const high = length === 0 ? bin : Math.max(bin, this.#first + length - 1)
    const spare = 16
    const first = Math.max(low - spare, high + spare - BINS_MAX + 1)
    const counts = new Float64Array(high + spare - first + 1)
    for (let i = 0; i < length; i++) {
      const at = this.#first + i - first
      counts[Math.max(0, at)]! += this.#counts[i]!
    }
    this.#counts = counts
    this.#first = first
    return Math.max(0, bin - first)
  }
}

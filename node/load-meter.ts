import type { Clock } from '../base/clock.ts'
import type { NodeLoad } from '../cluster/heartbeat.ts'
import { NO_LOAD } from '../cluster/heartbeat.ts'

/** Samples that a mean is taken over; at two a second, two seconds. */
const SAMPLES_MAX = 5

/** What has been done since the start. */
export interface LoadTotals {
  readonly records: number
  readonly bytes: number
  /** Of all threads of the process. */
  readonly cpuMs: number
}

/** Makes rates of totals. */
export class LoadMeter {
  readonly #clock: Clock
  readonly #totals: () => LoadTotals
  readonly #samples: (LoadTotals & { readonly atMs: number })[] = []

  constructor(clock: Clock, totals: () => LoadTotals) {
    this.#clock = clock
    this.#totals = totals
  }

  /** The load over the last samples; to be called about twice a second. */
  sample(): NodeLoad {
    const newest = { ...this.#totals(), atMs: this.#clock.monotonicMs() }
    const oldest = this.#samples[0]
    this.#samples.push(newest)
    if (this.#samples.length > SAMPLES_MAX) this.#samples.shift()
    if (oldest === undefined || newest.atMs <= oldest.atMs) return NO_LOAD
    const seconds = (newest.atMs - oldest.atMs) / 1000
    return {
      recordsPerSecond: (newest.records - oldest.records) / seconds,
      bytesPerSecond: (newest.bytes - oldest.bytes) / seconds,
      cpuCores: (newest.cpuMs - oldest.cpuMs) / 1000 / seconds,
    }
  }
}

import type { Prng } from '../../base/prng.ts'
import { ShopChores } from './shop-chores.ts'
import { ShopFleet } from './shop-fleet.ts'
import { ShopIncidents } from './shop-incidents.ts'
import type { ShopRecord } from './shop-trace.ts'
import { type VisitContext, visit } from './shop-visits.ts'

/** Visits a second in the mean of a day; a visit writes about five records. */
const VISITS_PER_S = 64
const HOUR_MS = 3_600_000
/** The shop is busiest in the evening, UTC, and asleep twelve hours later. */
const BUSIEST_HOUR = 19

/** Everything the shop logs, in the order of time, drawn from one generator. */
export class ShopTraffic {
  readonly #context: VisitContext
  readonly #chores: ShopChores
  #nextVisitMs: number
  /** Written already but later than what was asked for: requests under way. */
  #pending: ShopRecord[] = []

  constructor(random: Prng, startMs: number) {
    const fleet = new ShopFleet(random.fork('fleet'))
    const incidents = new ShopIncidents(random.fork('incidents'), startMs)
    const write = (record: ShopRecord) => void this.#pending.push(record)
    this.#chores = new ShopChores({ random: random.fork('chores'), fleet, write }, incidents, startMs)
    this.#context = {
      random: random.fork('visits'),
      fleet,
      write,
      incidents,
      isCheckoutBroken: () => this.#chores.isCheckoutBroken,
    }
    this.#nextVisitMs = startMs
  }

  /** The records from the last call's time up to `timeMs`, a JSON text each, ordered by time. */
  until(timeMs: number): string[] {
    while (this.#nextVisitMs < timeMs) {
      this.#chores.advance(this.#nextVisitMs)
      visit(this.#context, this.#nextVisitMs)
      this.#nextVisitMs += this.#context.random.exponential(1000 / visitsPerS(this.#nextVisitMs))
    }
    this.#chores.advance(timeMs)
    this.#pending.sort((a, b) => a.timeMs - b.timeMs)
    const count = this.#pending.findIndex((record) => record.timeMs > timeMs)
    const due = this.#pending.splice(0, count === -1 ? this.#pending.length : count)
    return due.map((record) => record.json)
  }
}

/** The daily wave, with a ripple of some minutes on it. */
function visitsPerS(timeMs: number): number {
  const daily = 1 + 0.5 * Math.cos(2 * Math.PI * (timeMs / (24 * HOUR_MS) - BUSIEST_HOUR / 24))
  const ripple = 1 + 0.15 * Math.sin((2 * Math.PI * timeMs) / (0.12 * HOUR_MS))
  return VISITS_PER_S * daily * ripple
}

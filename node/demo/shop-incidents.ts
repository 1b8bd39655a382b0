import type { Prng } from '../../base/prng.ts'

/** What goes wrong in the shop now and then. */
export type IncidentKind = 'paymentProviderDown' | 'inventoryDatabaseSlow' | 'searchNodeDown' | 'mailRelayDown'

export interface Incident {
  readonly kind: IncidentKind
  readonly beginMs: number
  readonly endMs: number
}

interface Recurrence {
  readonly kind: IncidentKind
  /** From the end of one to the beginning of the next, on average. */
  readonly everyMs: number
  readonly lastsMs: number
}

const MINUTE_MS = 60_000

const RECURRENCES: readonly Recurrence[] = [
  { kind: 'paymentProviderDown', everyMs: 14 * MINUTE_MS, lastsMs: 1.2 * MINUTE_MS },
  { kind: 'inventoryDatabaseSlow', everyMs: 25 * MINUTE_MS, lastsMs: 2 * MINUTE_MS },
  { kind: 'searchNodeDown', everyMs: 40 * MINUTE_MS, lastsMs: 1.5 * MINUTE_MS },
  { kind: 'mailRelayDown', everyMs: 30 * MINUTE_MS, lastsMs: 4 * MINUTE_MS },
]

/** The calendar of incidents, drawn as time goes on. */
export class ShopIncidents {
  readonly #random: Prng
  #timeMs = Number.NEGATIVE_INFINITY
  /** The present or next incident of each kind. */
  readonly #next: Map<IncidentKind, Incident>

  constructor(random: Prng, startMs: number) {
    this.#random = random
    this.#next = new Map(RECURRENCES.map((recurrence) => [recurrence.kind, this.#draw(recurrence, startMs)]))
  }

  /** Moves time on and returns what began or ended in between. Time only goes forwards. */
  advance(toMs: number): { readonly began: Incident[]; readonly ended: Incident[] } {
    const began: Incident[] = []
    const ended: Incident[] = []
    for (const recurrence of RECURRENCES) {
      const incident = this.#of(recurrence.kind)
      if (incident.beginMs <= toMs && incident.beginMs > this.#timeMs) began.push(incident)
      if (incident.endMs <= toMs) {
        ended.push(incident)
        this.#next.set(recurrence.kind, this.#draw(recurrence, incident.endMs))
      }
    }
    this.#timeMs = toMs
    return { began, ended }
  }

  /** True while an incident of this kind lasts. */
  isOn(kind: IncidentKind, timeMs: number): boolean {
    const { beginMs, endMs } = this.#of(kind)
    return timeMs >= beginMs && timeMs < endMs
  }

  #of(kind: IncidentKind): Incident {
    return this.#next.get(kind) as Incident
  }

  #draw({ kind, everyMs, lastsMs }: Recurrence, afterMs: number): Incident {
    const beginMs = afterMs + everyMs * (0.5 + this.#random.random())
    return { kind, beginMs, endMs: beginMs + lastsMs * (0.7 + 0.6 * this.#random.random()) }
  }
}

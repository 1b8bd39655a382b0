export interface AdmissionLimits {
  /** Transfers at the same time. */
  readonly countMax: number
  readonly bytesMax: number
  /** Of one peer. */
  readonly peerBytesMax: number
  readonly waitingMax: number
}

interface Entrant {
  readonly peer: string
  readonly bytes: number
  readonly start: () => void
}

/** Who may send how much at the same time, in the order of asking; a peer that has as much as it may lets others pass. */
export class TransferAdmission {
  readonly #limits: AdmissionLimits
  readonly #running = new Set<Entrant>()
  readonly #waiting = new Set<Entrant>()
  readonly #peerBytes = new Map<string, number>()
  #bytes = 0

  constructor(limits: AdmissionLimits) {
    this.#limits = limits
  }

  get running(): number {
    return this.#running.size
  }

  get waiting(): number {
    return this.#waiting.size
  }

  /** Bytes of those that run. */
  get bytes(): number {
    return this.#bytes
  }

  /** Calls `start` when it is its turn, at once where it is. Returns what the transfer calls when it is over, started or not; undefined when too many wait. */
  enter(peer: string, bytes: number, start: () => void): (() => void) | undefined {
    if (this.#waiting.size >= this.#limits.waitingMax) return undefined
    const entrant = { peer, bytes, start }
    this.#waiting.add(entrant)
    this.#advance()
    return () => this.#leave(entrant)
  }

  #leave(entrant: Entrant): void {
    this.#waiting.delete(entrant)
    if (this.#running.delete(entrant)) this.#count(entrant.peer, -entrant.bytes)
    this.#advance()
  }

  #advance(): void {
    const { countMax, bytesMax, peerBytesMax } = this.#limits
    for (const entrant of this.#waiting) {
      const { peer, bytes, start } = entrant
      // Nobody overtakes a large one that waits for room, or it would wait for ever.
      if (this.#running.size >= countMax || this.#bytes + bytes > bytesMax) return
      if ((this.#peerBytes.get(peer) ?? 0) + bytes > peerBytesMax) continue
      this.#waiting.delete(entrant)
      this.#running.add(entrant)
      this.#count(peer, bytes)
      start()
    }
  }

  #count(peer: string, bytes: number): void {
    this.#bytes += bytes
    const ofPeer = (this.#peerBytes.get(peer) ?? 0) + bytes
    if (ofPeer === 0) this.#peerBytes.delete(peer)
    else this.#peerBytes.set(peer, ofPeer)
  }
}

/** The state of the node as all its threads see it: a few words of shared memory. */
const SLOT_OPENED = 0
const SLOT_DRAINING = 1

export class NodeStatus {
  readonly shared: SharedArrayBuffer
  readonly #slots: Int32Array

  constructor(shared = new SharedArrayBuffer(8)) {
    this.shared = shared
    this.#slots = new Int32Array(shared)
  }

  shardsAreOpen(): void {
    Atomics.store(this.#slots, SLOT_OPENED, 1)
  }

  beginDraining(): void {
    Atomics.store(this.#slots, SLOT_DRAINING, 1)
  }

  get isDraining(): boolean {
    return Atomics.load(this.#slots, SLOT_DRAINING) === 1
  }

  /** Why the node is not ready; empty when it is. */
  notReadyReasons(): string[] {
    const reasons: string[] = []
    if (Atomics.load(this.#slots, SLOT_OPENED) === 0) reasons.push('shards are being opened and the journal replayed')
    if (this.isDraining) reasons.push('the node is draining')
    return reasons
  }
}

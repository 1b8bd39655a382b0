import type { WorkerProgress } from '../cluster/worker-watch.ts'
import { workerName } from './thread-names.ts'

/** Of a worker: turns of its event loop, records and bytes of bodies that it has taken in. */
const SLOT_TURNS = 0
const SLOT_RECORDS = 1
const SLOT_BYTES = 2
const SLOTS = 3

/** What the workers have done so far, in shared memory: the main thread reads it without asking anybody. */
export class WorkerPulse {
  readonly shared: SharedArrayBuffer
  readonly #slots: BigInt64Array

  private constructor(shared: SharedArrayBuffer) {
    this.shared = shared
    this.#slots = new BigInt64Array(shared)
  }

  static create(workers: number): WorkerPulse {
    return new WorkerPulse(new SharedArrayBuffer(8 * SLOTS * workers))
  }

  /** The same on another thread. */
  static share(shared: SharedArrayBuffer): WorkerPulse {
    return new WorkerPulse(shared)
  }

  /** The event loop of this worker turns. */
  turn(worker: number): void {
    Atomics.add(this.#slots, worker * SLOTS + SLOT_TURNS, 1n)
  }

  received(worker: number, records: number, bytes: number): void {
    Atomics.add(this.#slots, worker * SLOTS + SLOT_RECORDS, BigInt(records))
    Atomics.add(this.#slots, worker * SLOTS + SLOT_BYTES, BigInt(bytes))
  }

  progress(): readonly WorkerProgress[] {
    return Array.from({ length: this.#slots.length / SLOTS }, (_, worker) => ({
      worker: workerName(worker),
      turns: Number(Atomics.load(this.#slots, worker * SLOTS + SLOT_TURNS)),
    }))
  }

  totals(): { readonly records: number; readonly bytes: number } {
    let records = 0n
    let bytes = 0n
    for (let at = 0; at < this.#slots.length; at += SLOTS) {
      records += Atomics.load(this.#slots, at + SLOT_RECORDS)
      bytes += Atomics.load(this.#slots, at + SLOT_BYTES)
    }
    return { records: Number(records), bytes: Number(bytes) }
  }
}

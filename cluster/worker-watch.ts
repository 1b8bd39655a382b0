import type { Clock } from '../base/clock.ts'
import { WORKER_STUCK_MS } from '../base/limits.ts'
import type { Logger } from '../base/logger.ts'

/** How far a worker thread has come: a count that rises as long as its event loop turns. */
export interface WorkerProgress {
  readonly worker: string
  /** 0 until the worker has started. */
  readonly turns: number
}

/** Longest time between two looks that counts: a process that was paused has paused its workers too. */
const GAP_MAX_MS = 1000

interface Watched {
  turns: number
  idleMs: number
  isStuck: boolean
}

/** T2: notices worker threads that make no progress, and says so once. Looked at by the main thread, which is in no record's way. */
export class WorkerWatch {
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #workers = new Map<string, Watched>()
  #lookedMs: number

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock
    this.#logger = logger
    this.#lookedMs = clock.monotonicMs()
  }

  /** The names of those that have stood still for WORKER_STUCK_MS. To be called about every half second. */
  look(progress: readonly WorkerProgress[]): readonly string[] {
    const nowMs = this.#clock.monotonicMs()
    const gapMs = Math.min(GAP_MAX_MS, nowMs - this.#lookedMs)
    this.#lookedMs = nowMs
    for (const { worker, turns } of progress) this.#note(worker, turns, gapMs)
    return progress.filter(({ worker }) => this.#workers.get(worker)?.isStuck === true).map(({ worker }) => worker)
  }

  #note(worker: string, turns: number, gapMs: number): void {
    const watched = this.#workers.get(worker)
    if (watched === undefined) {
      this.#workers.set(worker, { turns, idleMs: 0, isStuck: false })
      return
    }
    if (turns === 0) return
    if (turns !== watched.turns) {
      if (watched.isStuck) this.#logger.info('a worker goes on', { worker })
      watched.turns = turns
      watched.idleMs = 0
      watched.isStuck = false
      return
    }
    watched.idleMs += gapMs
    if (watched.idleMs < WORKER_STUCK_MS || watched.isStuck) return
    watched.isStuck = true
    this.#logger.error('a worker is stuck: its thread makes no progress', {
      worker,
      idleMs: Math.round(watched.idleMs),
    })
  }
}

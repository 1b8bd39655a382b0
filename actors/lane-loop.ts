import type { Clock } from '../base/clock.ts'
import { asWeirError } from '../base/errors.ts'
import type { LaneId, Position, ShardId } from '../base/ids.ts'
import { POSITION_ZERO } from '../base/ids.ts'
import type { Logger } from '../base/logger.ts'
import type { Journal, JournalMessage } from '../cluster/journal.ts'

/** Frames handed on together; more amortises messages, less wakes the writers sooner. */
const READ_BYTES_MAX = 4 * 1024 * 1024
/** Runs under way at once: one is applied while the next is read. */
const RUNS_IN_FLIGHT_MAX = 2
const RETRY_MS = 200

export interface LaneLoopOptions {
  readonly lane: LaneId
  readonly journal: Journal
  readonly clock: Clock
  readonly logger: Logger
  /** Resolves when the run is applied by all members that the loop has when it is called. */
  readonly handOn: (messages: readonly JournalMessage[], after: Position, signal: AbortSignal) => Promise<void>
  /** Before a run is handed on, and after it is applied: true ends the loop. */
  readonly isDone?: () => boolean
}

/**
 * Reads a lane from a position on, for some shards, and hands it on run by run. A run is handed on only when the run before last is applied: a slow
 * writer slows the reading, and memory stays bounded. Whatever fails is logged, and the lane is read again from the last run that was applied.
 */
export class LaneLoop {
  readonly members: Set<ShardId>
  /** Resolves when the loop has ended and nothing of it is under way; never rejects. */
  readonly ended: Promise<void>
  readonly #options: LaneLoopOptions
  readonly #stop = new AbortController()
  readonly #inFlight: Promise<void>[] = []
  #applied: Position
  #dispatched: Position
  #gate: Promise<void> | undefined
  #openGate: (() => void) | undefined

  constructor(options: LaneLoopOptions, members: Iterable<ShardId>, after: Position) {
    this.#options = options
    this.members = new Set(members)
    this.#applied = after
    this.#dispatched = after
    this.ended = this.#read(this.#stop.signal)
  }

  /** The last frame that all members have applied. */
  get applied(): Position {
    return this.#applied
  }

  /** The last frame that was handed on. */
  get dispatched(): Position {
    return this.#dispatched
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.ended
  }

  /** Hands nothing more on until `release`. */
  hold(): void {
    this.#gate ??= new Promise((resolve) => {
      this.#openGate = resolve
    })
  }

  release(): void {
    this.#openGate?.()
    this.#gate = undefined
    this.#openGate = undefined
  }

  /** Resolves when the runs that are under way now are over. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#inFlight)
  }

  async #read(signal: AbortSignal): Promise<void> {
    const { lane, clock, logger } = this.#options
    while (!signal.aborted) {
      try {
        await this.#pump(signal)
        return
      } catch (error) {
        if (signal.aborted) return
        logger.warn('reading the lane failed; trying again', { lane, error: asWeirError(error) })
        await clock.sleep(RETRY_MS, signal).catch(() => undefined)
      }
    }
  }

  /** Throws what a run failed with, also while no frame comes: then nothing else would make it be tried again. */
  async #pump(signal: AbortSignal): Promise<void> {
    const { journal, lane, isDone } = this.#options
    this.#dispatched = this.#applied
    // J3: sequences of another generation say nothing of this one: then all that is kept is read, and shards pass over what they have.
    const { generation } = await journal.state(lane)
    const from = this.#applied.generation === generation ? this.#applied : POSITION_ZERO
    if (isDone?.() === true) return
    const reader = journal.read(lane, from.sequence, generation)
    const failed = new AbortController()
    const isOver = AbortSignal.any([signal, failed.signal])
    let applied = Promise.resolve()
    try {
      while (!isOver.aborted) {
        const messages = await reader.next(READ_BYTES_MAX, isOver)
        if (this.#gate !== undefined) await Promise.race([this.#gate, aborted(isOver)])
        this.#checkGap(messages[0]!.position)
        const through = messages[messages.length - 1]!.position
        const after = this.#dispatched
        this.#dispatched = through
        const handedOn = this.#options.handOn(messages, after, isOver)
        applied = Promise.all([applied, handedOn]).then(() => {
          this.#applied = through
        })
        applied.catch((error) => failed.abort(error))
        this.#inFlight.push(applied)
        if (isDone !== undefined) await applied
        if (this.#inFlight.length >= RUNS_IN_FLIGHT_MAX) await this.#inFlight.shift()
        if (isDone?.() === true) return
      }
      isOver.throwIfAborted()
    } finally {
      await this.settled()
      this.#inFlight.length = 0
      await reader.close()
    }
  }

  /** Sequences have no gaps: what is missing was trimmed before every shard had published it (J5), and can be read by nobody. */
  #checkGap(first: Position): void {
    const after = this.#dispatched
    if (after.sequence === 0 || first.generation !== after.generation || first.sequence <= after.sequence + 1) return
    const { lane, logger } = this.#options
    logger.warn('frames are gone from the journal that were not read; shards that need them begin anew', {
      lane,
      after: after.sequence,
      first: first.sequence,
    })
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

import type { Clock } from '../base/clock.ts'
import { Deadline } from '../base/deadline.ts'
import type { Logger } from '../base/logger.ts'
import { EXIT_FAILED, EXIT_OK, exitStatusOfSignal } from './exit-status.ts'

/** For a part that had not started yet when the stop began. */
const LATE_START_MS = 2000

export interface LifecycleParts {
  readonly clock: Clock
  readonly logger: Logger
  /** For all stop functions together. */
  readonly drainTimeoutMs: number
  /** Ends the process at once; called for a second signal only. */
  readonly exit: (status: number) => void
}

export type StopSignal = 'SIGINT' | 'SIGTERM'

interface Part {
  readonly name: string
  readonly stop: (deadline: Deadline) => Promise<void>
}

/**
 * Ends the node: the parts stop one after the other in the reverse order of their start, within one deadline; a part
 * that fails or takes too long does not keep the others from stopping. A second signal aborts.
 */
export class Lifecycle {
  readonly #parts: LifecycleParts
  readonly #started: Part[] = []
  readonly #ended = Promise.withResolvers<number>()
  #stopping: Promise<number> | undefined
  #signals = 0

  constructor(parts: LifecycleParts) {
    this.#parts = parts
  }

  /** True from the first signal or stop on: new requests are refused. */
  get isDraining(): boolean {
    return this.#stopping !== undefined
  }

  /** Resolves with the exit status when everything has stopped. */
  get ended(): Promise<number> {
    return this.#ended.promise
  }

  /** Say that a part has started, and how it stops. `stop` gets the deadline of the whole drain. */
  onStop(name: string, stop: (deadline: Deadline) => Promise<void>): void {
    // What was being started when the stop began is stopped too.
    if (this.#stopping !== undefined) void this.#stopOne({ name, stop }, new Deadline(this.#parts.clock, LATE_START_MS))
    else this.#started.push({ name, stop })
  }

  /** Obeys SIGTERM and SIGINT of `emitter`, usually the process. Returns the function that lets go of them. */
  listen(emitter: Pick<NodeJS.EventEmitter, 'on' | 'off'>): () => void {
    const signals: readonly StopSignal[] = ['SIGINT', 'SIGTERM']
    const listeners = signals.map((signal) => ({ signal, run: () => this.signal(signal) }))
    for (const { signal, run } of listeners) emitter.on(signal, run)
    return () => {
      for (const { signal, run } of listeners) emitter.off(signal, run)
    }
  }

  /** The first drains, the next one aborts. */
  signal(signal: StopSignal): void {
    this.#signals++
    if (this.#signals > 1) {
      this.#parts.logger.warn('second signal, ending at once', { signal })
      this.#parts.exit(exitStatusOfSignal(signal))
      return
    }
    void this.stop(EXIT_OK, signal)
  }

  /** Stops everything; `status` is the exit status of a drain that succeeds. Calls after the first join it. */
  stop(status: number, reason: string): Promise<number> {
    this.#stopping ??= this.#stopAll(status, reason)
    return this.#stopping
  }

  async #stopAll(status: number, reason: string): Promise<number> {
    const { clock, logger, drainTimeoutMs } = this.#parts
    logger.info('draining', { reason, drainTimeoutMs })
    const deadline = new Deadline(clock, drainTimeoutMs)
    const beganMs = clock.monotonicMs()
    let isClean = true
    while (this.#started.length > 0) {
      const part = this.#started.pop() as Part
      isClean = (await this.#stopOne(part, deadline)) && isClean
    }
    const drainMs = Math.round(clock.monotonicMs() - beganMs)
    const exitStatus = isClean ? status : status || EXIT_FAILED
    logger.info('stopped', { drainMs, exitStatus })
    this.#ended.resolve(exitStatus)
    return exitStatus
  }

  /** False when the part failed or did not stop in time. */
  async #stopOne({ name, stop }: Part, deadline: Deadline): Promise<boolean> {
    const { clock, logger } = this.#parts
    const over = new AbortController()
    const late = clock.sleep(deadline.remainingMs, over.signal).then(
      () => true,
      () => false,
    )
    try {
      // What stops after its time is left behind; its failure then concerns nobody any more.
      const isLate = await Promise.race([late, stop(deadline).then(() => false)])
      if (isLate) logger.error('a part did not stop in time', { part: name })
      return !isLate
    } catch (error) {
      logger.error('a part failed to stop', { part: name, error })
      return false
    } finally {
      over.abort()
    }
  }
}

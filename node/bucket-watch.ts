import { Backoff } from '../base/backoff.ts'
import type { Clock } from '../base/clock.ts'
import { asWeirError, WeirError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'

/** A node that starts waits for the bucket for so long; then it starts without, and goes on looking. */
const FIRST_LOOK_MS = 5000
/** What cannot be done without the bucket waits for so long from the start on: other parts may be starting beside it. */
const NEEDED_MS_MAX = 30_000
const RETRY = { firstMs: 500, maxMs: 5000, factor: 2 }

export interface BucketWatchOptions {
  /** Throws storage_unavailable; `details.kind` is `transient` where waiting may help. */
  readonly checkAccess: () => Promise<void>
  readonly clock: Clock
  readonly logger: Logger
}

/** Whether the object store has been reached since the start. It is looked for until it has been; from then on each request tells. */
export class BucketWatch {
  readonly #options: BucketWatchOptions
  readonly #startedMs: number
  readonly #reached = Promise.withResolvers<void>()
  /** At the first end of a check, good or bad. */
  readonly #looked = Promise.withResolvers<void>()
  readonly #closing = new AbortController()
  #isAway = true
  #trouble: WeirError | undefined

  private constructor(options: BucketWatchOptions) {
    this.#options = options
    this.#startedMs = options.clock.monotonicMs()
  }

  /** Resolves once the store was reached, or was waited for long enough. Throws what waiting does not help against, such as wrong credentials. */
  static async begin(options: BucketWatchOptions): Promise<BucketWatch> {
    const watch = new BucketWatch(options)
    void watch.#look()
    await watch.#atMost(watch.#looked.promise, FIRST_LOOK_MS)
    const { trouble, isAway } = watch
    if (isAway && trouble !== undefined && trouble.details.kind !== 'transient') {
      watch.close()
      throw trouble
    }
    if (isAway)
      options.logger.warn('the node starts without the bucket, and goes on looking for it', { error: trouble })
    return watch
  }

  /** Resolves once the store has been reached. */
  get reached(): Promise<void> {
    return this.#reached.promise
  }

  get isAway(): boolean {
    return this.#isAway
  }

  /** Why it was not reached at the last try. */
  get trouble(): WeirError | undefined {
    return this.#trouble
  }

  /** For what cannot be done without. Throws storage_unavailable when it is still away some time after the start. */
  async needed(what: string): Promise<void> {
    const { clock } = this.#options
    await this.#atMost(this.#reached.promise, this.#startedMs + NEEDED_MS_MAX - clock.monotonicMs())
    if (!this.#isAway) return
    const reason = this.#trouble?.message ?? 'it does not answer'
    throw new WeirError('storage_unavailable', `${what} needs the bucket: ${reason}`, {}, { cause: this.#trouble })
  }

  close(): void {
    this.#closing.abort()
  }

  async #look(): Promise<void> {
    const { checkAccess, clock, logger } = this.#options
    const backoff = new Backoff(clock, RETRY)
    const { signal } = this.#closing
    while (!signal.aborted) {
      try {
        await checkAccess()
        if (this.#trouble !== undefined) logger.info('the bucket is there')
        this.#isAway = false
        this.#trouble = undefined
        this.#reached.resolve()
        this.#looked.resolve()
        return
      } catch (error) {
        this.#trouble = asWeirError(error)
        this.#looked.resolve()
        if (signal.aborted) return
        logger.warn('the bucket cannot be used; it will be tried again', { error: this.#trouble })
      }
      await clock.sleep(backoff.nextMs(), signal).catch(() => undefined)
    }
  }

  async #atMost(event: Promise<void>, ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = this.#options.clock.after(Math.max(0, ms), resolve)
    await Promise.race([event, promise])
    timer.cancel()
  }
}

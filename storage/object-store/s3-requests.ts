import type { Readable } from 'node:stream'
import { Backoff } from '../../base/backoff.ts'
import type { Clock } from '../../base/clock.ts'
import { Patience } from './patience.ts'
import { type S3FailureKind, s3Error, s3Failure } from './s3-failure.ts'

const MIB = 1024 * 1024

/** Bounds of what is asked of the store. */
export interface S3Limits {
  /** Larger objects are put in parts of this size, so that a broken connection costs one part. */
  readonly partBytes: number
  /** Parts of one object on their way at once. */
  readonly partsAtOnce: number
  /** Requests on their way at once, each on a connection of its own; further ones wait, and their time does not run yet. */
  readonly requestsMax: number
  readonly connectTimeoutMs: number
  /** An attempt fails when nothing has been heard for so long … */
  readonly silenceMs: number
  /** … beside the time that the bytes sent take at this rate. */
  readonly bytesPerSecondMin: number
  /** Attempts of one request, the first included. */
  readonly attemptsMax: number
  /** Wait before the second attempt; it doubles, with jitter, up to retryMaxMs. */
  readonly retryFirstMs: number
  readonly retryMaxMs: number
  /** How long an opening waits for a store that does not answer. */
  readonly openMs: number
}

export const S3_LIMITS: S3Limits = {
  partBytes: 8 * MIB,
  partsAtOnce: 3,
  requestsMax: 32,
  connectTimeoutMs: 3000,
  silenceMs: 10_000,
  bytesPerSecondMin: 256 * 1024,
  attemptsMax: 5,
  retryFirstMs: 100,
  retryMaxMs: 3000,
  openMs: 30_000,
}

export interface S3Attempt {
  /** get, put, delete …: the operation in one word. */
  readonly operation: string
  /** `ok`, or why not, in one word. */
  readonly outcome: string
  readonly tookMs: number
}

/** Asks an object store: each attempt within its time, again after a while where that may help, failures as WeirErrors. */
export class S3Requests {
  readonly #clock: Clock
  readonly #limits: S3Limits
  readonly #onAttempt: ((attempt: S3Attempt) => void) | undefined
  #underWay = 0
  /** Callers whose turn has not come, in order. */
  readonly #waiting: (() => void)[] = []

  constructor(clock: Clock, limits: S3Limits, onAttempt?: (attempt: S3Attempt) => void) {
    this.#clock = clock
    this.#limits = limits
    this.#onAttempt = onAttempt
  }

  /**
   * Asks until there is an answer, at most attemptsMax times; `sentBytes` lengthens the time of an attempt. A failure of the kind
   * `undefinedWhen` is the answer undefined. Throws not_found, storage_unavailable.
   */
  ask<T>(operation: string, key: string, sentBytes: number, run: Run<T>): Promise<T>
  ask<T>(
    operation: string,
    key: string,
    sentBytes: number,
    run: Run<T>,
    undefinedWhen: S3FailureKind,
  ): Promise<T | undefined>
  async ask<T>(
    operation: string,
    key: string,
    sentBytes: number,
    run: Run<T>,
    undefinedWhen?: S3FailureKind,
  ): Promise<T | undefined> {
    const { attemptsMax, retryFirstMs, retryMaxMs } = this.#limits
    const backoff = new Backoff(this.#clock, { firstMs: retryFirstMs, maxMs: retryMaxMs, factor: 2 })
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.askOnce(operation, sentBytes, run)
      } catch (error) {
        const failure = s3Failure(error)
        if (failure === undefined) throw error
        if (failure.kind === undefinedWhen) return undefined
        if (failure.kind !== 'transient' || attempt >= attemptsMax) throw s3Error(failure, key, attempt, error)
        await this.#clock.sleep(backoff.nextMs())
      }
    }
  }

  /** One attempt; throws the error of the client as it is. */
  async askOnce<T>(operation: string, sentBytes: number, run: Run<T>): Promise<T> {
    await this.#turn()
    const { silenceMs, bytesPerSecondMin } = this.#limits
    const startedMs = this.#clock.monotonicMs()
    const patience = new Patience(this.#clock, silenceMs + (sentBytes / bytesPerSecondMin) * 1000, operation)
    let outcome = 'ok'
    try {
      return await run(patience)
    } catch (error) {
      const cause: unknown = patience.signal.aborted ? patience.signal.reason : error
      outcome = s3Failure(cause)?.kind ?? 'internal'
      throw cause
    } finally {
      patience.end()
      this.#endTurn()
      this.#onAttempt?.({ operation, outcome, tookMs: this.#clock.monotonicMs() - startedMs })
    }
  }

  async #turn(): Promise<void> {
    if (this.#underWay < this.#limits.requestsMax) this.#underWay++
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  /** Whose turn comes next takes the place over. */
  #endTurn(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#underWay--
    else next()
  }
}

/** One attempt; it renews its patience whenever it hears something. */
type Run<T> = (patience: Patience) => Promise<T>

/**
 * All of `body`, in memory of its own. Throws when it breaks off, when it has another length than was said, or with the reason of `signal`.
 */
export async function readBody(
  body: Readable,
  byteLength: number | undefined,
  signal: AbortSignal,
  onChunk: () => void,
): Promise<Uint8Array> {
  const onAbort = () => body.destroy(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    if (signal.aborted) onAbort()
    const chunks: Buffer[] = []
    let length = 0
    for await (const chunk of body as AsyncIterable<Buffer>) {
      onChunk()
      chunks.push(chunk)
      length += chunk.length
    }
    if (byteLength !== undefined && length !== byteLength) {
      throw Object.assign(new Error(`an answer of ${byteLength} bytes ended after ${length}`), { code: 'ended_early' })
    }
    const bytes = new Uint8Array(length)
    let done = 0
    for (const chunk of chunks) {
      bytes.set(chunk, done)
      done += chunk.length
    }
    return bytes
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

import { Backoff } from '../../base/backoff.ts'
import type { Clock } from '../../base/clock.ts'
import { WeirError } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import { DEMO_ENVIRONMENT } from './shop-fleet.ts'

export interface DemoSenderOptions {
  readonly url: string
  readonly clock: Clock
  readonly logger: Logger
  /** Unique among the senders of 24 h: the start of every idempotency key. */
  readonly name: string
  readonly signal: AbortSignal
  readonly key: string | undefined
}

/** Talks to the node as any client does: over HTTP, with a key a request, patient with 429 and 503. */
export class DemoSender {
  readonly #options: DemoSenderOptions
  readonly #backoff: Backoff
  #sent = 0

  constructor(options: DemoSenderOptions) {
    this.#options = options
    this.#backoff = new Backoff(options.clock, { firstMs: 200, maxMs: 10_000, factor: 2 })
  }

  /** Posts records, a JSON text each, until the node has them. Throws when it refuses them for good. */
  async send(records: readonly string[]): Promise<void> {
    const { clock, logger, name, signal } = this.#options
    const body = `${records.join('\n')}\n`
    const headers = {
      ...this.#credentials(),
      'content-type': 'application/x-ndjson',
      'idempotency-key': `${name}-${++this.#sent}`,
    }
    for (;;) {
      const answer = await this.#request('/v1/logs/ingest', { method: 'POST', headers, body, signal })
      if (answer?.ok) {
        this.#backoff.reset()
        return
      }
      const canRetry = answer === undefined || answer.status === 429 || answer.status >= 500
      if (!canRetry) {
        throw new WeirError('internal', `The node refuses the records of the demo: ${await answer.text()}`)
      }
      await answer?.body?.cancel()
      const afterMs = Number(answer?.headers.get('retry-after') ?? 0) * 1000
      const waitMs = Math.max(this.#backoff.nextMs(), Number.isFinite(afterMs) ? afterMs : 0)
      logger.debug('the node does not take records now', { status: answer?.status ?? null, waitMs })
      await clock.sleep(waitMs, signal)
    }
  }

  /** Time of the newest record of the shop that is not older than `fromMs`. */
  async newestMs(fromMs: number): Promise<number | undefined> {
    const { signal } = this.#options
    const parameters = new URLSearchParams({
      query: `env:${DEMO_ENVIRONMENT}`,
      from: new Date(fromMs).toISOString(),
      limit: '1',
      total: 'none',
    })
    const answer = await this.#request(`/v1/logs/search?${parameters}`, { headers: this.#credentials(), signal })
    if (!answer?.ok) {
      await answer?.body?.cancel()
      return undefined
    }
    const { logs } = (await answer.json()) as { logs?: { timestamp?: string }[] }
    const newestMs = Date.parse(logs?.[0]?.timestamp ?? '')
    return Number.isNaN(newestMs) ? undefined : newestMs
  }

  #credentials(): Record<string, string> {
    const { key } = this.#options
    return key === undefined ? {} : { authorization: `Bearer ${key}` }
  }

  /** The answer; undefined when the node could not be reached. */
  async #request(path: string, init: RequestInit): Promise<Response | undefined> {
    const { url, logger, signal } = this.#options
    try {
      return await fetch(`${url}${path}`, init)
    } catch (error) {
      signal.throwIfAborted()
      logger.debug('the node does not answer', { error })
      return undefined
    }
  }
}

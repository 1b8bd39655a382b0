import { promisify } from 'node:util'
import { gunzip, zstdDecompress } from 'node:zlib'
import { Backoff } from '../base/backoff.ts'
import type { Clock } from '../base/clock.ts'
import { diskError } from '../base/disk-error.ts'
import { WeirError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { AgentCounts } from './agent-metrics.ts'
import type { NodeAnswer, NodeTarget } from './node-target.ts'
import type { RejectsFile } from './rejects-file.ts'
import type { Spool } from './spool.ts'
import type { SpooledBatch } from './spool-file.ts'

export interface SenderOptions {
  readonly targets: readonly NodeTarget[]
  readonly spool: Spool
  readonly rejects: RejectsFile
  readonly clock: Clock
  readonly logger: Logger
  readonly counts: AgentCounts
  /** Batches under way at once. */
  readonly concurrency: number
  /** The credential, such as `Bearer weir_…`; undefined: none is sent. */
  readonly authorization: () => string | undefined
  /** A node does not know the credential. */
  readonly onUnauthorized: () => void
}

/** A request body, whole or a part of a batch that was too large. */
interface Part {
  readonly key: string
  readonly body: Buffer
  readonly encoding: SpooledBatch['head']['compression']
  readonly records: number
}

/** What a node says of a request that it has understood. */
interface Receipt {
  readonly accepted?: number
  readonly rejected?: number
  readonly errors?: readonly { readonly code: string; readonly reason: string }[]
  readonly code?: string
  readonly detail?: string
}

const PATH = '/v1/logs/ingest'
const RETRY = { firstMs: 200, maxMs: 30_000, factor: 2 }
/** A wrong credential is for people to mend. */
const UNAUTHORIZED_RETRY_MS = 30_000
const DISK_RETRY_MS = 5000
const RETRY_AFTER_MAX_S = 300
const inflateZstd = promisify(zstdDecompress)
const inflateGzip = promisify(gunzip)

/**
 * Sends the batches of the spool, each until a node has taken it or says that it never will. A node that fails or is short of something is left
 * alone for a while and the next is asked, with the same key: whatever became of the first attempt, the records are stored once (D3).
 */
export class Sender {
  readonly #options: SenderOptions
  readonly #backoffs: Map<NodeTarget, Backoff>
  #current: number

  constructor(options: SenderOptions) {
    this.#options = options
    this.#backoffs = new Map(options.targets.map((target) => [target, new Backoff(options.clock, RETRY)]))
    // Shippers with the same list begin at different nodes.
    this.#current = Math.floor(options.clock.random() * options.targets.length)
  }

  /** Sends until `signal` aborts. Rejects with what nobody expected. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(Array.from({ length: this.#options.concurrency }, () => this.#lane(signal)))
  }

  async #lane(signal: AbortSignal): Promise<void> {
    const { spool } = this.#options
    while (!signal.aborted) {
      let batch: SpooledBatch
      try {
        batch = await spool.take(signal)
      } catch (error) {
        if (signal.aborted) return
        throw error
      }
      try {
        const { key, compression, records } = batch.head
        await this.#deliver({ key, body: batch.body, encoding: compression, records }, signal)
        spool.delivered(batch)
      } catch (error) {
        spool.giveBack(batch)
        if (signal.aborted) return
        throw error
      }
    }
  }

  /** Resolves when a node has taken the records, or they are in the file of rejects. */
  async #deliver(part: Part, signal: AbortSignal): Promise<void> {
    const { counts, logger, clock } = this.#options
    for (;;) {
      const target = await this.#pick(signal)
      const beganMs = clock.monotonicMs()
      let answer: NodeAnswer
      try {
        answer = await target.ask(this.#request(part), signal)
      } catch (error) {
        signal.throwIfAborted()
        counts.failedRequests++
        this.#rest(target, undefined, error instanceof Error ? error.message : String(error))
        continue
      }
      counts.requests++
      counts.requestMs += clock.monotonicMs() - beganMs
      const { status } = answer
      if (status >= 200 && status < 300) {
        this.#backoffs.get(target)!.reset()
        counts.bytesSent += part.body.length
        this.#take(part, receiptOf(answer))
        return
      }
      const receipt = receiptOf(answer)
      if (status === 401 || status === 403) {
        logger.error('the nodes refuse the credential of this shipper; nothing is delivered until that is mended', {
          url: target.url.origin,
          status,
          reason: receipt.detail ?? '',
        })
        counts.lastError = `${status} ${receipt.detail ?? ''}`
        this.#options.onUnauthorized()
        target.notBeforeMs = clock.monotonicMs() + UNAUTHORIZED_RETRY_MS
        this.#next()
      } else if (status === 413 && part.records > 1) {
        for (const half of await halves(part)) await this.#deliver(half, signal)
        return
      } else if (status === 400 && receipt.code === 'nothing_accepted' && (receipt.rejected ?? 0) > 0) {
        // The node has them among its dead letters.
        this.#take(part, receipt)
        return
      } else if (status === 400 || status === 413 || status === 415 || status === 422) {
        await this.#reject(part, status, receipt, signal)
        return
      } else {
        counts.failedRequests++
        this.#rest(target, retryAfterMs(answer), `answered ${status}${receipt.code ? ` (${receipt.code})` : ''}`)
      }
    }
  }

  #request({ key, body, encoding }: Part) {
    const authorization = this.#options.authorization()
    return {
      method: 'POST' as const,
      path: PATH,
      headers: {
        'content-type': 'application/x-ndjson',
        'idempotency-key': key,
        ...(encoding === 'none' ? {} : { 'content-encoding': encoding }),
        ...(authorization === undefined ? {} : { authorization }),
      },
      body,
    }
  }

  /** The node to ask: the one that worked last, while it does; else the one that may be asked first. */
  async #pick(signal: AbortSignal): Promise<NodeTarget> {
    const { targets, clock } = this.#options
    for (;;) {
      const nowMs = clock.monotonicMs()
      let best = targets[this.#current]!
      for (let i = 1; i < targets.length && best.notBeforeMs > nowMs; i++) {
        const other = targets[(this.#current + i) % targets.length]!
        if (other.notBeforeMs < best.notBeforeMs) best = other
      }
      if (best.notBeforeMs <= nowMs) {
        this.#current = targets.indexOf(best)
        return best
      }
      await clock.sleep(best.notBeforeMs - nowMs, signal)
    }
  }

  #next(): void {
    this.#current = (this.#current + 1) % this.#options.targets.length
  }

  /** Leaves a node alone for as long as it asked for, or longer with each failure. */
  #rest(target: NodeTarget, askedMs: number | undefined, why: string): void {
    const { clock, logger } = this.#options
    this.#options.counts.lastError = `${target.url.origin}: ${why}`
    const backoff = this.#backoffs.get(target)!
    const waitMs = Math.max(askedMs ?? 0, backoff.nextMs())
    const notBeforeMs = clock.monotonicMs() + waitMs
    if (backoff.attempts === 1 || backoff.attempts % 10 === 0) {
      logger.warn('a node took no records', { url: target.url.origin, reason: why, attempts: backoff.attempts })
    }
    target.notBeforeMs = Math.max(target.notBeforeMs, notBeforeMs)
    this.#next()
  }

  #take(part: Part, { accepted = part.records, rejected = 0, errors = [] }: Receipt): void {
    const { counts, logger } = this.#options
    counts.recordsDelivered += accepted
    if (rejected === 0) return
    counts.recordsRejected += rejected
    const codes: Record<string, number> = {}
    for (const { code } of errors) codes[code] = (codes[code] ?? 0) + 1
    logger.warn('a node refused records; it keeps them among its dead letters', {
      rejected,
      codes,
      first: errors[0]?.reason ?? '',
    })
  }

  async #reject(part: Part, status: number, { code = '', detail = '' }: Receipt, signal: AbortSignal): Promise<void> {
    const { rejects, counts, logger, clock } = this.#options
    counts.recordsRejected += part.records
    counts.lastError = `${status} ${code}: ${detail}`
    logger.error('a node will never take this batch; it is in the file of rejects', {
      status,
      code,
      reason: detail,
      records: part.records,
      file: rejects.path,
    })
    const records = await inflated(part)
    for (;;) {
      try {
        await rejects.add({ status, code, reason: detail, key: part.key }, records)
        return
      } catch (cause) {
        const error = diskError(cause, `cannot write ${rejects.path}`)
        if (error.code !== 'storage_unavailable') throw error
        logger.error('the file of rejects cannot be written; trying again', { error })
        await clock.sleep(DISK_RETRY_MS, signal)
      }
    }
  }
}

function receiptOf({ text }: NodeAnswer): Receipt {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Receipt) : {}
  } catch {
    return {}
  }
}

function retryAfterMs({ headers }: NodeAnswer): number | undefined {
  const seconds = Number(headers['retry-after'])
  return Number.isFinite(seconds) && seconds >= 0 ? Math.min(seconds, RETRY_AFTER_MAX_S) * 1000 : undefined
}

async function inflated({ body, encoding }: Part): Promise<Buffer> {
  switch (encoding) {
    case 'zstd':
      return inflateZstd(body)
    case 'gzip':
      return inflateGzip(body)
    case 'none':
      return body
  }
}

/** Two parts of a batch, cut alike each time, with keys of their own. */
async function halves(part: Part): Promise<readonly Part[]> {
  const lines = await inflated(part)
  if (lines.length === 0) throw new WeirError('internal', 'a batch that is too large holds nothing')
  let cut = 0
  const first = Math.ceil(part.records / 2)
  for (let i = 0; i < first; i++) cut = lines.indexOf(0x0a, cut) + 1
  return [
    { key: `${part.key}.0`, body: lines.subarray(0, cut), encoding: 'none', records: first },
    { key: `${part.key}.1`, body: lines.subarray(cut), encoding: 'none', records: part.records - first },
  ]
}

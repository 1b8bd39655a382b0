import { systemClock } from '../../base/clock.ts'
import type { ClusterNode } from '../harness/cluster-processes.ts'
import { BATCH_ROWS, type Batch, bodyOf, type ChaosLedger } from './ledger.ts'

/** A client gives up on an answer after this long, and asks another node. */
const ANSWER_MS_MAX = 6000
const RETRY_MS = 50

interface Ack {
  readonly node: string
  readonly atMs: number
}

export interface LoadOptions {
  readonly ledger: ChaosLedger
  /** Who can be sent to: all that were not stopped on purpose. */
  readonly nodes: () => readonly ClusterNode[]
  /** Every other one uses keys. */
  readonly senders: number
  readonly recordsPerSecond: number
}

/**
 * Senders that go on whatever happens, each through a node of its own and through the next one after a failure. One with keys sends a batch until it
 * is acknowledged; one without never sends it again.
 */
export class ChaosLoad {
  readonly #options: LoadOptions
  readonly #acks: Ack[] = []
  /** Refusals and failures, by what they were. */
  readonly #errors: { readonly atMs: number; readonly what: string }[] = []
  readonly #senders: Promise<void>[]
  #isOver = false
  #isAbandoned = false

  constructor(options: LoadOptions) {
    this.#options = options
    this.#senders = Array.from({ length: options.senders }, (_, i) => this.#send(i))
  }

  /** Every batch that was begun has been acknowledged, or given up where it has no key. */
  async end(): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#senders)
  }

  /** Ends it with batches under way. */
  async abandon(): Promise<void> {
    this.#isAbandoned = true
    await this.end()
  }

  /** The longest time within the window in which no append through one of `nodes` was acknowledged, ms. */
  longestGap(nodes: readonly string[], fromMs: number, toMs: number): number {
    let longest = 0
    const last = new Map(nodes.map((node) => [node, fromMs]))
    for (const { node, atMs } of this.#acks) {
      const before = last.get(node)
      if (before === undefined || atMs < fromMs || atMs > toMs) continue
      longest = Math.max(longest, atMs - before)
      last.set(node, atMs)
    }
    for (const atMs of last.values()) longest = Math.max(longest, toMs - atMs)
    return longest
  }

  /** What failed in the window, counted by kind. */
  errors(fromMs: number, toMs: number): ReadonlyMap<string, number> {
    const counts = new Map<string, number>()
    for (const { atMs, what } of this.#errors) {
      if (atMs >= fromMs && atMs <= toMs) counts.set(what, (counts.get(what) ?? 0) + 1)
    }
    return counts
  }

  async #send(sender: number): Promise<void> {
    const { ledger, senders, recordsPerSecond } = this.#options
    const everyMs = (1000 * BATCH_ROWS * senders) / recordsPerSecond
    while (!this.#isOver) {
      const startMs = systemClock.monotonicMs()
      const batch = ledger.begin(startMs, sender % 2 === 0)
      const body = bodyOf(batch)
      for (let attempt = 0; batch.state === 'pending' && !this.#isAbandoned; attempt++)
        await this.#attempt(batch, body, (sender >> 1) + attempt)
      await systemClock.sleep(Math.max(1, startMs + everyMs - systemClock.monotonicMs()))
    }
  }

  async #attempt(batch: Batch, body: string, turn: number): Promise<void> {
    const nodes = this.#options.nodes()
    const node = nodes[turn % nodes.length]
    if (node === undefined) {
      await systemClock.sleep(RETRY_MS)
      return
    }
    const headers: Record<string, string> = { 'content-type': 'application/x-ndjson' }
    if (batch.key !== undefined) headers['idempotency-key'] = batch.key
    const call = { method: 'POST', headers, body, signal: AbortSignal.timeout(ANSWER_MS_MAX) }
    const startMs = systemClock.monotonicMs()
    const answer = await node.client.http
      .send('/v1/logs/ingest', call)
      .catch((error: Error & { code?: string }) => error)
    const nowMs = systemClock.monotonicMs()
    if (!(answer instanceof Error) && answer.status === 200) {
      batch.ackedMs = nowMs
      batch.ackedBy = node.id
      batch.state = 'acknowledged'
      this.#acks.push({ node: node.id, atMs: nowMs })
      const { accepted } = answer.json()
      if (accepted !== BATCH_ROWS)
        this.#options.ledger.violate(`${node.id} accepted ${accepted} of batch ${batch.number}`)
      return
    }
    const what = answer instanceof Error ? (answer.code ?? answer.name) : `${answer.status} ${codeOf(answer.text)}`
    this.#errors.push({ atMs: nowMs, what })
    // Refused before anything was stored (D1), or never connected: the batch may be sent again without a key, too.
    const isRefused = answer instanceof Error ? answer.code === 'ECONNREFUSED' : isRefusal(answer.status, answer.text)
    if (batch.key === undefined && !isRefused) batch.state = 'uncertain'
    else await systemClock.sleep(Math.max(1, startMs + RETRY_MS - nowMs))
  }
}

function isRefusal(status: number, text: string): boolean {
  return status === 429 || (status === 503 && codeOf(text) === 'draining')
}

function codeOf(text: string): string {
  try {
    return (JSON.parse(text) as { code?: string }).code ?? ''
  } catch {
    return ''
  }
}

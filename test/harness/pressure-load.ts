import assert from 'node:assert/strict'
import { systemClock } from '../../base/clock.ts'
import { Prng } from '../../base/prng.ts'
import type { HttpAnswer } from './http-client.ts'
import type { WeirClient } from './weir-client.ts'

const BATCH = 200
const SERVICES = 17
/** An answer is called complete when it may lack only what was received within 5 s (Q2). */
const LAG_MAX_MS = 5000
/** What a refusal may be (D1): by these codes nothing was stored; by others with status 503 it may have been. */
const REFUSED_WHOLE = new Set(['overloaded', 'journal_full', 'draining'])

interface Batch {
  readonly uids: readonly string[]
  readonly text: string
  readonly key: string | undefined
}

export interface PressureLoadOptions {
  /** Senders are dealt out to them in turn. */
  readonly clients: readonly WeirClient[]
  readonly seed: string
  readonly senders: number
  /** Of a record's message, random digits, so that nothing makes it small. */
  readonly messageChars: number
  /** Between a refusal and the next attempt. */
  readonly waitMs: number
}

/**
 * Senders who send as fast as they are answered, and what became of their batches. Every other one uses idempotency keys and sends a batch until it is
 * acknowledged; one without keys never sends it again.
 */
export class PressureLoad {
  readonly acknowledged: string[] = []
  /** Without a key, and not acknowledged: they may be stored or not. */
  readonly uncertain: string[] = []
  /** Answers by status and code. */
  readonly answers = new Map<string, number>()
  slowestMs = 0
  readonly #options: PressureLoadOptions
  /** When each acknowledged record was acknowledged. */
  readonly #ackedMs: number[] = []
  /** Batches with keys that are to be sent again, by sender. */
  readonly #pending = new Map<number, Batch>()
  #batches = 0

  constructor(options: PressureLoadOptions) {
    this.#options = options
  }

  /** Every `uid` begins with it and a hyphen. */
  get seed(): string {
    return this.#options.seed
  }

  /**
   * Sends until `isOver`, each sender as fast as it is answered, but for a pause after each batch; what was refused with a key is sent again at the next call,
   * or by `finish`.
   */
  async send(isOver: () => boolean, paceMs = 0): Promise<void> {
    await this.#each(async (sender) => {
      while (!isOver()) {
        await this.#attempt(sender)
        if (paceMs > 0) await systemClock.sleep(paceMs)
      }
    })
  }

  /** Sends what is left of batches with keys until it is acknowledged, at most for so long. */
  async finish(waitMaxMs: number): Promise<void> {
    const endMs = systemClock.monotonicMs() + waitMaxMs
    await this.#each(async (sender) => {
      while (this.#pending.has(sender)) {
        await this.#attempt(sender)
        assert.ok(systemClock.monotonicMs() < endMs, `sender ${sender} is still refused: ${this.told()}`)
      }
    })
  }

  /** How many answers had this status. */
  answered(status: number): number {
    let count = 0
    for (const [name, of] of this.answers) if (name.startsWith(`${status}`)) count += of
    return count
  }

  /** How many records a complete answer to a question that is asked now must have. */
  get findable(): number {
    const beforeMs = systemClock.monotonicMs() - LAG_MAX_MS
    return this.#ackedMs.filter((atMs) => atMs < beforeMs).length
  }

  /** Found is all that was acknowledged, once, and nothing that was refused. */
  check(found: readonly string[]): void {
    const seen = new Set(found)
    assert.equal(seen.size, found.length, `${found.length - seen.size} records are found twice`)
    const missing = this.acknowledged.filter((uid) => !seen.has(uid))
    assert.equal(missing.length, 0, `${missing.length} acknowledged records are missing, such as ${missing[0]}`)
    const possible = new Set([...this.acknowledged, ...this.uncertain])
    const refused = found.filter((uid) => !possible.has(uid))
    assert.equal(refused.length, 0, `${refused.length} records are found that were refused, such as ${refused[0]}`)
  }

  told(): string {
    const { acknowledged, uncertain, answers, slowestMs } = this
    const counts = { acknowledged: acknowledged.length, uncertain: uncertain.length }
    return JSON.stringify({ ...counts, answers: Object.fromEntries(answers), slowestMs: Math.round(slowestMs) })
  }

  async #each(run: (sender: number) => Promise<void>): Promise<void> {
    await Promise.all(Array.from({ length: this.#options.senders }, (_, sender) => run(sender)))
  }

  async #attempt(sender: number): Promise<void> {
    const { clients, waitMs } = this.#options
    const batch = this.#pending.get(sender) ?? this.#next(sender)
    const headers = batch.key === undefined ? {} : { 'idempotency-key': batch.key }
    const startMs = systemClock.monotonicMs()
    // Senders with and without keys through each.
    const answer = await clients[(sender >> 1) % clients.length]!.ingestText(batch.text, headers)
    const nowMs = systemClock.monotonicMs()
    this.slowestMs = Math.max(this.slowestMs, nowMs - startMs)
    this.#note(sender, batch, answer, nowMs)
    if (answer.status !== 200) await systemClock.sleep(waitMs)
  }

  #note(sender: number, batch: Batch, answer: HttpAnswer, nowMs: number): void {
    const { status, text, headers } = answer
    const code = status === 200 ? '' : ` ${(answer.json() as { code: string }).code}`
    this.answers.set(`${status}${code}`, (this.answers.get(`${status}${code}`) ?? 0) + 1)
    this.#pending.delete(sender)
    if (status === 200) {
      assert.equal(answer.json().accepted, BATCH, text)
      for (const uid of batch.uids) {
        this.acknowledged.push(uid)
        this.#ackedMs.push(nowMs)
      }
      return
    }
    assert.ok(status === 429 || status === 503, `${status} ${text}`)
    assert.match(String(headers['retry-after']), /^\d+$/, text)
    if (batch.key !== undefined) this.#pending.set(sender, batch)
    else if (!REFUSED_WHOLE.has(code.trim())) this.uncertain.push(...batch.uids)
  }

  #next(sender: number): Batch {
    const { seed, messageChars } = this.#options
    const number = this.#batches++
    const prng = new Prng(`${seed}/${number}`)
    const uids = Array.from({ length: BATCH }, (_, i) => `${seed}-${number}-${i}`)
    const lines = uids.map((uid, i) =>
      JSON.stringify({ uid, service: `service-${i % SERVICES}`, message: prng.hex(messageChars) }),
    )
    return { uids, text: lines.join('\n'), key: sender % 2 === 0 ? undefined : `${seed}/${number}` }
  }
}

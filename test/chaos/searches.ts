import { systemClock } from '../../base/clock.ts'
import { Prng } from '../../base/prng.ts'
import type { ClusterNode } from '../harness/cluster-processes.ts'
import { type ChaosLedger, type Coverage, groupCount } from './ledger.ts'

const EVERY_MS = 150
/** A probe tells within this long what is missing. */
const PROBE_TIMEOUT = '4s'
const ANSWER_MS_MAX = 45_000
const COUNTED_EVERY = 4
const PATIENT_EVERY = 9

/** One search of one node. */
interface Sample {
  readonly node: string
  readonly startMs: number
  readonly endMs: number
  readonly outcome: 'complete' | 'partial' | 'failed'
  readonly detail: string
}

export interface SearchesOptions {
  readonly ledger: ChaosLedger
  readonly seed: string
}

/** Searches every node all the time, and holds each answer against the ledger. */
export class ChaosSearches {
  readonly #options: SearchesOptions
  readonly #samples: Sample[] = []
  readonly #ends = new Map<string, () => Promise<void>>()

  constructor(options: SearchesOptions) {
    this.#options = options
  }

  /** Begins to search a node. */
  watch(node: ClusterNode): void {
    const stop = new AbortController()
    const ended = this.#search(node, stop.signal)
    this.#ends.set(node.id, async () => {
      stop.abort()
      await ended
    })
  }

  async unwatch(id: string): Promise<void> {
    await this.#ends.get(id)?.()
    this.#ends.delete(id)
  }

  async end(): Promise<void> {
    for (const id of [...this.#ends.keys()]) await this.unwatch(id)
  }

  /** True when the last search of each of these nodes was complete and began after `sinceMs`. */
  areComplete(ids: readonly string[], sinceMs: number): boolean {
    return ids.every((id) => {
      const last = this.#samples.findLast(({ node }) => node === id)
      return last?.outcome === 'complete' && last.startMs >= sinceMs
    })
  }

  /**
   * Time from `fromMs` on until the searches of a node were complete for good, as far as searches begun before `toMs` tell: the end of the first
   * complete one after all others. undefined when none was complete.
   */
  recoveredAfter(id: string, fromMs: number, toMs: number): number | undefined {
    const samples = this.#samples.filter(({ node, endMs }) => node === id && endMs >= fromMs)
    const lastBad = samples.findLastIndex(({ outcome, startMs }) => outcome !== 'complete' && startMs <= toMs)
    const first = samples[lastBad + 1]
    return first === undefined ? undefined : first.endMs - fromMs
  }

  count(outcome: Sample['outcome']): number {
    return this.#samples.filter((sample) => sample.outcome === outcome).length
  }

  /** What was not complete in the window, counted by kind. */
  troubles(fromMs: number, toMs: number): ReadonlyMap<string, number> {
    const counts = new Map<string, number>()
    for (const { outcome, detail, endMs } of this.#samples) {
      if (outcome === 'complete' || endMs < fromMs || endMs > toMs) continue
      counts.set(detail, (counts.get(detail) ?? 0) + 1)
    }
    return counts
  }

  async #search(node: ClusterNode, stop: AbortSignal): Promise<void> {
    const prng = new Prng(`${this.#options.seed}/searches/${node.id}`)
    for (let turn = 0; !stop.aborted; turn++) {
      const startMs = systemClock.monotonicMs()
      const signal = AbortSignal.any([stop, AbortSignal.timeout(ANSWER_MS_MAX)])
      const timeout: Record<string, string> = turn % PATIENT_EVERY === 0 ? {} : { timeout: PROBE_TIMEOUT }
      try {
        const coverage =
          turn % COUNTED_EVERY === 0
            ? await this.#count(node, timeout, startMs, signal)
            : await this.#readGroup(node, prng.below(groupCount()), timeout, startMs, signal)
        const detail = coverage.complete ? '' : (coverage.missing[0]?.reason ?? 'no reason').replaceAll(/\d+/g, 'N')
        this.#note(node, startMs, coverage.complete ? 'complete' : 'partial', detail)
      } catch (error) {
        if (stop.aborted) return
        const { code, message } = error as Error & { code?: string }
        this.#note(node, startMs, 'failed', code ?? message)
      }
      await systemClock.sleep(EVERY_MS, stop).catch(() => undefined)
    }
  }

  #note(node: ClusterNode, startMs: number, outcome: Sample['outcome'], detail: string): void {
    this.#samples.push({ node: node.id, startMs, endMs: systemClock.monotonicMs(), outcome, detail })
  }

  async #count(node: ClusterNode, timeout: object, startMs: number, signal: AbortSignal): Promise<Coverage> {
    const { ledger } = this.#options
    const answer = await ask(
      node,
      { query: '*', from: '0', to: 'now+2d', limit: '1', total: 'exact', ...timeout },
      signal,
    )
    const sent = ledger.batchesSent
    if (answer.coverage.complete) ledger.checkTotal(answer.total, sent, startMs, node.id)
    return answer.coverage
  }

  async #readGroup(
    node: ClusterNode,
    group: number,
    timeout: object,
    startMs: number,
    signal: AbortSignal,
  ): Promise<Coverage> {
    const wanted = { query: `group:${group}`, from: '0', to: 'now+2d', limit: '10000', fields: 'uid', total: 'none' }
    const answer = await ask(node, { ...wanted, ...timeout }, signal)
    const uids = answer.logs.map(({ uid }) => uid)
    this.#options.ledger.checkGroup(group, uids, answer.coverage, startMs, node.id)
    return answer.coverage
  }
}

interface SearchAnswer {
  readonly logs: readonly { readonly uid: string }[]
  readonly total: number
  readonly coverage: Coverage
}

/** Throws with the status as code when the answer is none. */
async function ask(
  node: ClusterNode,
  parameters: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<SearchAnswer> {
  const answer = await node.client.http.send(`/v1/logs/search?${new URLSearchParams(parameters)}`, { signal })
  if (answer.status === 200) return answer.json()
  const problem = answer.json() as { code: string; detail: string }
  throw Object.assign(new Error(problem.detail), { code: `${answer.status} ${problem.code}` })
}

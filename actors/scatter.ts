import { WeirError } from '../base/errors.ts'
import type { ShardId } from '../base/ids.ts'
import type { LeafReport, LeafScope, QueryLeafMessage, QueryScope } from './messages/leaf.ts'
import type { Coverage, QueryStats } from './messages/search.ts'
import { type SlotsOf, shardsOf, withinBounds } from './query-scope.ts'
import type { AnswerOf } from './runtime/actor.ts'
import type { AskOptions } from './runtime/actor-ref.ts'
import type { Answers, ScatterRunParts } from './scatter-run.ts'
import { ScatterRun } from './scatter-run.ts'

export interface ScatterOptions extends ScatterRunParts {
  readonly shardCount: number
  readonly slotsOf: SlotsOf
  readonly onAnswered?: (kind: string, outcome: string, tookMs: number, stats: QueryStats | undefined) => void
}

/** Time for the answer to come back from a leaf that used all of its own. */
const LEAF_GRACE_MS = 250
/** Kept of the time for an answer when shards are waited for: what they then have to do. */
const ANSWER_SHARE = 0.1
const ANSWER_RESERVE_MAX_MS = 1000

type Kind = QueryLeafMessage['kind']
type QuestionOfKind<K extends Kind> = Extract<QueryLeafMessage, { readonly kind: K }>
type LeafAnswer<K extends Kind> = AnswerOf<QuestionOfKind<K>> & { readonly report: LeafReport }

interface LeafOf<K extends Kind> {
  ask(question: QuestionOfKind<K>, options: AskOptions): Promise<LeafAnswer<K>>
}

export interface ScatterLimits {
  /** Until the leaves have to answer, ms. */
  readonly timeoutMs: number
  readonly signal: AbortSignal
  /** For how long shards that cannot be answered yet are waited for, ms; default: as long as the timeout allows. */
  readonly patienceMs?: number
  /** These shards and no others; default: those that the scope needs. */
  readonly shards?: readonly ShardId[]
  /** The owner of each shard answers all of it: for questions of which published segments answer little. */
  readonly ownersOnly?: boolean
}

/** Asks the leaves of all nodes for what a query needs, and says what of it they answered. */
export class Scatter {
  readonly #options: ScatterOptions

  constructor(options: ScatterOptions) {
    this.#options = options
  }

  /** `questionFor` makes the question to one leaf; `isLocal`: of this process. */
  ask<K extends Kind>(
    scope: QueryScope,
    limits: ScatterLimits,
    questionFor: (scope: LeafScope, isLocal: boolean) => QuestionOfKind<K>,
  ): Promise<Answers<LeafAnswer<K>>> {
    const { topology, shardCount, slotsOf, clock } = this.#options
    const { timeoutMs, signal } = limits
    const bounded = withinBounds(scope)
    const endsMs = clock.monotonicMs() + timeoutMs
    const run = new ScatterRun<LeafAnswer<K>>(this.#options, {
      shards: limits.shards ?? shardsOf(scope.tenant, scope.filter, shardCount, slotsOf),
      dealsSegments: limits.ownersOnly !== true,
      patienceMs: limits.patienceMs ?? timeoutMs - Math.min(ANSWER_RESERVE_MAX_MS, timeoutMs * ANSWER_SHARE),
      signal,
      send: ({ node, worker, shares, deal }, stop) => {
        const leaf = topology.leaf(node, worker) as unknown as LeafOf<K>
        const own = { ...bounded, shares, ...(deal === undefined ? {} : { deal }) }
        const deadlineMs = Math.max(1, endsMs - clock.monotonicMs()) + LEAF_GRACE_MS
        return leaf.ask(questionFor(own, node === topology.self), { deadlineMs, signal: stop })
      },
    })
    return run.run()
  }

  /** What is said at the end of every answer: which shards it covers, what it cost. */
  closing(
    answers: Answers<{ readonly report: LeafReport }>,
    startedMs: number,
  ): { readonly coverage: Coverage; readonly stats: QueryStats; readonly tookMs: number } {
    const reports = answers.ok.map((answer) => answer.report)
    const missing = distinct(answers.missing)
    const sum = (of: (report: LeafReport) => number) => reports.reduce((total, report) => total + of(report), 0)
    return {
      coverage: {
        complete: missing.length === 0,
        shards: answers.shards.length,
        answered: answers.shards.length - new Set(missing.map(({ shard }) => shard)).size,
        missing,
        tiers: {
          hot: { blocks: sum(({ hot }) => hot.blocks), rows: sum(({ hot }) => hot.rows) },
          warm: { blocks: sum(({ warm }) => warm.blocks), rows: sum(({ warm }) => warm.rows) },
          cold: { blocks: 0, rows: 0 },
        },
      },
      stats: {
        blocks: sum(({ stats }) => stats.blocks),
        blocksSkipped: sum(({ stats }) => stats.blocksSkipped),
        rowsScanned: sum(({ stats }) => stats.rowsScanned),
        bytesRead: sum(({ stats }) => stats.bytesRead),
      },
      tookMs: Math.round((this.#options.clock.monotonicMs() - startedMs) * 100) / 100,
    }
  }

  /** Runs a query and tells how it went. */
  async timed<R extends object>(kind: string, run: (startedMs: number) => Promise<R>): Promise<R> {
    const { clock, onAnswered } = this.#options
    const startedMs = clock.monotonicMs()
    try {
      const answer = await run(startedMs)
      const { coverage, stats } = answer as { coverage?: Coverage; stats?: QueryStats }
      onAnswered?.(kind, coverage?.complete === false ? 'partial' : 'ok', clock.monotonicMs() - startedMs, stats)
      return answer
    } catch (error) {
      const outcome = error instanceof WeirError ? error.code : 'internal'
      onAnswered?.(kind, outcome, clock.monotonicMs() - startedMs, undefined)
      throw error
    }
  }
}

/** Several leaves may say the same of one shard. */
function distinct(missing: Answers<unknown>['missing']): Coverage['missing'] {
  const known = new Set<string>()
  return missing.filter(({ shard, reason }) => {
    const key = `${shard} ${reason}`
    if (known.has(key)) return false
    known.add(key)
    return true
  })
}

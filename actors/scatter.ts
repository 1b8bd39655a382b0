import type { Clock } from '../base/clock.ts'
import { WeirError } from '../base/errors.ts'
import type { ShardId } from '../base/ids.ts'
import type { LeafReport, LeafScope, QueryLeafMessage } from './messages/leaf.ts'
import type { Coverage, QueryStats } from './messages/search.ts'
import { shardsOf, withinBounds } from './query-scope.ts'
import type { AnswerOf } from './runtime/actor.ts'
import type { ActorRef, AskOptions } from './runtime/actor-ref.ts'

export interface ScatterOptions {
  /** One a worker. */
  readonly leaves: readonly ActorRef<QueryLeafMessage>[]
  readonly workerOf: (shard: ShardId) => number
  readonly shardCount: number
  readonly clock: Clock
  /** For how long the index has been behind the journal, ms. */
  readonly behindMs: () => number
  readonly onAnswered?: (kind: string, outcome: string, tookMs: number, stats: QueryStats | undefined) => void
}

/** Q2: an answer that may lack what was received longer ago than this is not complete. */
const LAG_COMPLETE_MAX_MS = 5000
/** Time for the answer to come back from a leaf that used all of its own. */
const LEAF_GRACE_MS = 250

/** Questions about a scope; each is answered with a report beside its result. */
type ScopedKind = Exclude<QueryLeafMessage['kind'], 'findRecord'>
type LeafAnswer<K extends ScopedKind> = AnswerOf<Extract<QueryLeafMessage, { readonly kind: K }>> & {
  readonly report: LeafReport
}

interface ScopedLeaf<K extends ScopedKind> {
  ask(question: Extract<QueryLeafMessage, { readonly kind: K }>, options: AskOptions): Promise<LeafAnswer<K>>
}

export interface Answers<R> {
  readonly ok: readonly R[]
  readonly failed: readonly { readonly shard: ShardId; readonly reason: string }[]
  /** All that were asked. */
  readonly shards: readonly ShardId[]
}

/** Asks the leaves that own a query's shards, and says which of them answered. */
export class Scatter {
  readonly #options: ScatterOptions

  constructor(options: ScatterOptions) {
    this.#options = options
  }

  /** Asks every leaf that owns shards of the scope, at once. */
  async ask<K extends ScopedKind>(
    scope: Omit<LeafScope, 'shards'>,
    timeoutMs: number,
    signal: AbortSignal,
    questionFor: (scope: LeafScope) => Extract<QueryLeafMessage, { readonly kind: K }>,
  ): Promise<Answers<LeafAnswer<K>>> {
    const { leaves, workerOf, shardCount } = this.#options
    const perLeaf = leaves.map((): ShardId[] => [])
    const bounded = withinBounds(scope)
    const shards = shardsOf(scope.tenant, scope.filter, shardCount)
    for (const shard of shards) perLeaf[workerOf(shard)]!.push(shard)
    const ok: LeafAnswer<K>[] = []
    const failed: { shard: ShardId; reason: string }[] = []
    await Promise.all(
      perLeaf.map(async (own, worker) => {
        if (own.length === 0) return
        const leaf = leaves[worker] as unknown as ScopedLeaf<K>
        try {
          const options = { deadlineMs: timeoutMs + LEAF_GRACE_MS, signal }
          ok.push(await leaf.ask(questionFor({ ...bounded, shards: own }), options))
        } catch (error) {
          if (signal.aborted || (error instanceof WeirError && !error.retryable)) throw error
          const reason = error instanceof Error ? error.message : String(error)
          failed.push(...own.map((shard) => ({ shard, reason })))
        }
      }),
    )
    return { ok, failed, shards }
  }

  /** What is said at the end of every answer: which shards it covers, what it cost. */
  closing(
    answers: Answers<{ readonly report: LeafReport }>,
    startedMs: number,
  ): { readonly coverage: Coverage; readonly stats: QueryStats; readonly tookMs: number } {
    const reports = answers.ok.map((answer) => answer.report)
    const missing = [...answers.failed, ...reports.flatMap((report) => report.missing)]
    const behindMs = this.#options.behindMs()
    if (behindMs > LAG_COMPLETE_MAX_MS) {
      const reason = `the index is ${Math.round(behindMs / 1000)} s behind the journal`
      missing.push(...answers.shards.map((shard) => ({ shard, reason })))
    }
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

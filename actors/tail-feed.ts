import type { Clock, Timer } from '../base/clock.ts'
import { asWeirError, WeirError } from '../base/errors.ts'
import type { Position, ShardId } from '../base/ids.ts'
import {
  SLICE_MAX_MS,
  TAIL_FILTER_SLOW_MAX,
  TAIL_FILTER_SLOW_MS,
  TAIL_SESSION_SILENCE_MAX_MS,
  TAIL_WINDOW_MAX_MS,
  TAIL_WINDOW_MS,
  TAIL_WINDOW_REST,
} from '../base/limits.ts'
import type { Logger } from '../base/logger.ts'
import { recordJson } from '../query/record-json.ts'
import type { ActivePlans } from '../storage/active-plans.ts'
import type { AppliedRows } from '../storage/applied-rows.ts'
import type { RecordKey } from '../storage/record-id.ts'
import { encodeRecordId } from '../storage/record-id.ts'
import type { RecordJson } from './messages/search.ts'
import type { ChangeFollows, CollectedRows, FollowsChanged, TailFeedMessage } from './messages/tail.ts'
import type { Actor, MessageContext, Reply } from './runtime/actor.ts'
import type { Candidate } from './tail-filters.ts'
import { TailFilters } from './tail-filters.ts'
import type { SessionFollow } from './tail-session.ts'
import { TailSession } from './tail-session.ts'
import type { TailTable } from './tail-window.ts'
import { TailWindow, tablesOf } from './tail-window.ts'

/** What a feed must know of a shard of its worker. */
export interface FedShard {
  readonly store: { readonly applied: Position }
}

export interface TailFeedOptions {
  /** The shards of this worker. */
  readonly shards: ReadonlyMap<ShardId, FedShard>
  readonly plans: ActivePlans
  readonly clock: Clock
  readonly logger: Logger
}

interface MatchedRow {
  readonly key: RecordKey
  readonly json: RecordJson
  readonly follows: SessionFollow[]
}

/**
 * The live tails of a worker's shards: matches what is applied against the filters that hubs, of this node and of others, have asked for, and keeps
 * the matches until they are collected. A hub asks again and again, so a lost answer is noticed; what it missed it reads from the shards.
 *
 * What is applied within a window of TAIL_WINDOW_MS is matched at once, as few tables as it makes: a hundred small frames cost the matching of one
 * large. The longer that takes, the longer the windows become, up to TAIL_WINDOW_MAX_MS, beyond which larger tables spare nothing. While nobody follows, a
 * look at an empty map is all that it costs.
 *
 * Followers of a shard are fed as owners are: what a row is and where it stands the journal alone decides.
 */
export class TailFeed implements Actor<TailFeedMessage> {
  readonly #options: TailFeedOptions
  readonly #sessions = new Map<string, TailSession>()
  /** Polls that wait for something. */
  readonly #polls = new Map<TailSession, { readonly reply: Reply<CollectedRows>; readonly timer: Timer }>()
  readonly #filters = new TailFilters<SessionFollow>()
  /** As they were when they were first followed. */
  readonly #stores = new Map<ShardId, FedShard['store']>()
  readonly #window = new TailWindow()
  /** Holds the memory of what is in the window. */
  #endPlan: (() => void) | undefined
  #nextLook: Timer | undefined
  #looking: Promise<void> | undefined
  #lookTookMs = 0
  #sweeping: Timer | undefined
  /** How often filters took too long, by who follows them. */
  readonly #slow = new WeakMap<ReadonlySet<SessionFollow>, number>()

  constructor(options: TailFeedOptions) {
    this.#options = options
  }

  /** Different filters that are followed. */
  get filterCount(): number {
    return this.#filters.size
  }

  /** The hook of the stores of this worker's shards. */
  readonly hear = (applied: AppliedRows): void => {
    if (this.#filters.size === 0 || !this.#filters.has(applied.tenant)) return
    this.#endPlan ??= this.#options.plans.begin(this.#options.clock.monotonicMs())
    this.#window.add(applied)
    this.#lookLater()
  }

  handle(message: TailFeedMessage, context: MessageContext): void {
    switch (message.kind) {
      case 'changeFollows':
        context.answer(message, this.#change(message))
        return
      case 'collectRows':
        this.#collect(this.#sessionOf(message.session), message.waitMs, context.defer(message))
        return
      case 'endSession':
        this.#end(message.session)
    }
  }

  observe(): Readonly<Record<string, unknown>> {
    return { sessions: this.#sessions.size, filters: this.#filters.size, lookTookMs: this.#lookTookMs }
  }

  stopping(): void {
    for (const name of [...this.#sessions.keys()]) this.#end(name)
    this.#nextLook?.cancel()
    this.#sweeping?.cancel()
    this.#window.take()
    this.#endPlan?.()
    this.#endPlan = undefined
  }

  #change({ session: name, isFirst, begin, end }: ChangeFollows): FollowsChanged {
    const session = isFirst ? this.#begin(name) : this.#sessionOf(name)
    for (const id of end) this.#unfollow(session, id)
    const began: FollowsChanged['began'][number][] = []
    for (const { id, tenant, filter, shards } of begin) {
      const here = shards.filter((shard) => this.#options.shards.has(shard))
      if (here.length === 0) continue
      const follow: { -readonly [K in keyof SessionFollow]: SessionFollow[K] } = {
        session,
        id,
        tenant,
        filterKey: '',
        shards: new Set(here),
        bytes: 0,
      }
      follow.filterKey = this.#filters.add(tenant, filter, follow)
      for (const shard of here) {
        this.#checkStore(shard)
        began.push({ follow: id, shard, ...this.#stores.get(shard)!.applied })
      }
      session.add(follow)
    }
    return { began }
  }

  /** Where a shard's store is not the one before, follows hear nothing more of it: it may have to apply again what they have been given. */
  #checkStore(shard: ShardId): void {
    const store = this.#options.shards.get(shard)?.store
    const before = this.#stores.get(shard)
    if (store === before) return
    if (store === undefined) this.#stores.delete(shard)
    else this.#stores.set(shard, store)
    if (before === undefined) return
    for (const session of this.#sessions.values()) {
      for (const { id } of session.lost(shard)) this.#unfollow(session, id)
    }
  }

  #begin(name: string): TailSession {
    const { clock } = this.#options
    const session = new TailSession(clock.monotonicMs())
    this.#sessions.set(name, session)
    this.#sweeping ??= clock.every(TAIL_SESSION_SILENCE_MAX_MS / 4, () => this.#sweep())
    return session
  }

  #sessionOf(name: string): TailSession {
    const session = this.#sessions.get(name)
    if (session === undefined) throw new WeirError('not_found', 'there is no such session of a tail')
    session.askedMs = this.#options.clock.monotonicMs()
    return session
  }

  #unfollow(session: TailSession, id: number): void {
    const follow = session.remove(id)
    if (follow !== undefined) this.#filters.remove(follow.tenant, follow.filterKey, follow)
  }

  #end(name: string): void {
    const session = this.#sessions.get(name)
    if (session === undefined) return
    this.#sessions.delete(name)
    for (const id of [...session.follows.keys()]) this.#unfollow(session, id)
    this.#answer(session)
    if (this.#sessions.size > 0) return
    this.#sweeping?.cancel()
    this.#sweeping = undefined
    this.#stores.clear()
  }

  /** Hubs that have gone without a word are forgotten. */
  #sweep(): void {
    const beforeMs = this.#options.clock.monotonicMs() - TAIL_SESSION_SILENCE_MAX_MS
    for (const [name, session] of this.#sessions) {
      if (session.askedMs < beforeMs && !this.#polls.has(session)) this.#end(name)
    }
  }

  #collect(session: TailSession, waitMs: number, reply: Reply<CollectedRows>): void {
    // Whoever asked before has given up.
    this.#answer(session)
    for (const shard of [...session.shards.keys()]) this.#checkStore(shard)
    if (session.hasNews) {
      reply.send(session.collect())
      return
    }
    const timer = this.#options.clock.after(waitMs, () => void this.#look().then(() => this.#answer(session)))
    this.#polls.set(session, { reply, timer })
  }

  #answer(session: TailSession): void {
    const poll = this.#polls.get(session)
    if (poll === undefined) return
    this.#polls.delete(session)
    poll.timer.cancel()
    session.askedMs = this.#options.clock.monotonicMs()
    // Nobody waits for what is not asked for any more: it stays for the next poll.
    if (poll.reply.isOpen) poll.reply.send(session.collect())
  }

  /** One filter that fails, or takes so long that it would hold up all others, is followed no more. */
  #match({ followers, rows }: Candidate<SessionFollow>): Iterable<number> {
    const { clock } = this.#options
    const startedMs = clock.monotonicMs()
    try {
      const matching = rows()
      if (clock.monotonicMs() - startedMs < TAIL_FILTER_SLOW_MS) return matching
      const slow = (this.#slow.get(followers) ?? 0) + 1
      this.#slow.set(followers, slow)
      if (slow < TAIL_FILTER_SLOW_MAX) return matching
      throw new WeirError(
        'invalid_query',
        'the filter takes too long for a live tail; leave out its regular expressions',
        {
          slowMs: TAIL_FILTER_SLOW_MS,
        },
      )
    } catch (error) {
      for (const { session, id } of [...followers]) {
        session.fail(id, asWeirError(error))
        this.#unfollow(session, id)
      }
      return []
    }
  }

  #lookLater(): void {
    if (this.#nextLook !== undefined || this.#looking !== undefined) return
    const restMs = Math.min(TAIL_WINDOW_MAX_MS, this.#lookTookMs * TAIL_WINDOW_REST)
    this.#nextLook = this.#options.clock.after(Math.max(TAIL_WINDOW_MS, restMs), () => void this.#look())
  }

  /** Matches what has been applied so far. Never rejects. */
  #look(): Promise<void> {
    this.#nextLook?.cancel()
    this.#nextLook = undefined
    this.#looking ??= this.#lookOnce()
      .catch((error: unknown) => {
        // Else a tail would pass over what was not looked at.
        this.#options.logger.error('rows could not be matched for live tails; their hubs begin anew', { error })
        for (const name of [...this.#sessions.keys()]) this.#end(name)
      })
      .finally(() => {
        this.#looking = undefined
        if (!this.#window.isEmpty) this.#lookLater()
      })
    return this.#looking
  }

  async #lookOnce(): Promise<void> {
    const { clock, shards } = this.#options
    const startedMs = clock.monotonicMs()
    // A store that was opened anew may go on behind a gap: who followed the one before is given nothing of it.
    for (const shard of [...this.#stores.keys()]) this.#checkStore(shard)
    // In one step: what is in the window is all that was applied up to these positions behind the last ones.
    const pieces = this.#window.take()
    const endPlan = this.#endPlan
    this.#endPlan = undefined
    const sessions = [...this.#sessions.values()]
    const through = [...this.#stores].flatMap(([shard, store]) =>
      shards.get(shard)?.store === store ? [{ shard, position: store.applied }] : [],
    )
    let busyMs = 0
    try {
      const found = new Map<TailSession, MatchedRow[]>()
      let sliceMs = startedMs
      for (const [tenant, applied] of pieces) {
        for (const table of tablesOf(applied)) {
          const rows = new Map<number, Map<TailSession, MatchedRow>>()
          for (const candidate of this.#filters.candidates(tenant, table.columns)) {
            for (const row of this.#match(candidate)) gather(table, row, candidate.followers, rows, found)
            const nowMs = clock.monotonicMs()
            if (nowMs - sliceMs < SLICE_MAX_MS / 2) continue
            busyMs += nowMs - sliceMs
            await clock.yieldTurn()
            sliceMs = clock.monotonicMs()
          }
        }
      }
      busyMs += clock.monotonicMs() - sliceMs
      for (const [session, rows] of found) session.take(rows.sort((a, b) => byPlace(a.key, b.key)))
      for (const session of sessions) for (const { shard, position } of through) session.reach(shard, position)
    } finally {
      endPlan?.()
      this.#lookTookMs = busyMs
    }
    for (const shard of [...this.#stores.keys()]) this.#checkStore(shard)
    for (const session of sessions) if (session.hasNews) this.#answer(session)
  }
}

/** Adds a row to what its followers' sessions are given; its JSON is made once. */
function gather(
  table: TailTable,
  row: number,
  followers: ReadonlySet<SessionFollow>,
  rows: Map<number, Map<TailSession, MatchedRow>>,
  found: Map<TailSession, MatchedRow[]>,
): void {
  const shard = table.shardOf(row)
  let bySession = rows.get(row)
  for (const follow of followers) {
    if (!follow.shards.has(shard)) continue
    if (bySession === undefined) {
      bySession = new Map()
      rows.set(row, bySession)
    }
    const matched = bySession.get(follow.session)
    if (matched !== undefined) {
      matched.follows.push(follow)
      continue
    }
    const [other] = bySession.values()
    const { key, json } = other ?? printed(table, row)
    const own = { key, json, follows: [follow] }
    bySession.set(follow.session, own)
    const list = found.get(follow.session)
    if (list === undefined) found.set(follow.session, [own])
    else list.push(own)
  }
}

function printed(table: TailTable, row: number): { readonly key: RecordKey; readonly json: RecordJson } {
  const key = table.keyOf(row)
  const meta = { id: encodeRecordId(key), ingestedAtMs: table.receivedMsOf(row) }
  return { key, json: recordJson(table.columns, row, meta) }
}

function byPlace(a: RecordKey, b: RecordKey): number {
  return a.shard - b.shard || a.generation - b.generation || a.sequence - b.sequence || a.row - b.row
}

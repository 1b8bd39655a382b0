import type { Clock } from '../base/clock.ts'
import type { NodeId, Position, ShardId } from '../base/ids.ts'
import { TAIL_COLLECT_WAIT_MS } from '../base/limits.ts'
import type { CollectedRows, Follow, FollowsChanged, TailFeedMessage } from './messages/tail.ts'
import type { ActorRef } from './runtime/actor-ref.ts'
import type { LiveSource } from './tail-course.ts'

const CHANGE_DEADLINE_MS = 5000
/** For an answer to come back. */
const COLLECT_GRACE_MS = 3000

export interface TailLinkOptions {
  readonly node: NodeId
  readonly worker: number
  readonly feed: ActorRef<TailFeedMessage>
  readonly clock: Clock
  readonly onBegan: (began: FollowsChanged['began']) => void
  /** The feed has not these shards. */
  readonly onAbsent: (follow: number, shards: readonly ShardId[]) => void
  readonly onCollected: (link: TailLink, collected: CollectedRows) => void
  /** Nothing more comes; what came of it so far is all that it said. Called once. */
  readonly onLost: (link: TailLink, error: unknown) => void
}

/**
 * A hub's session with the feed of one worker of one node: tells it what to follow, collects what comes, one question at a time. With any answer that is
 * lost the session is over, since rows may have been in it: the hub begins another one.
 */
export class TailLink implements LiveSource {
  readonly node: NodeId
  readonly worker: number
  readonly #options: TailLinkOptions
  readonly #session: string
  readonly #heard = new Map<ShardId, Position>()
  readonly #stop = new AbortController()
  readonly #follows = new Set<number>()
  #begin: Follow[] = []
  #end: number[] = []
  #isKnown = false
  #isChanging = false
  #isCollecting = false

  constructor(options: TailLinkOptions) {
    this.node = options.node
    this.worker = options.worker
    this.#options = options
    this.#session = Buffer.from(options.clock.randomBytes(16)).toString('hex')
  }

  get isOver(): boolean {
    return this.#stop.signal.aborted
  }

  get isIdle(): boolean {
    return this.#follows.size === 0
  }

  heardOf(shard: ShardId): Position | undefined {
    return this.#heard.get(shard)
  }

  /** Takes effect with all others of this turn of the event loop. */
  begin(follow: Follow): void {
    this.#follows.add(follow.id)
    this.#begin.push(follow)
    void this.#change()
  }

  end(id: number): void {
    if (!this.#follows.delete(id)) return
    const waiting = this.#begin.findIndex((follow) => follow.id === id)
    if (waiting >= 0) this.#begin.splice(waiting, 1)
    else this.#end.push(id)
    void this.#change()
  }

  /** Ends the session; nothing more is told of it. */
  close(): void {
    if (this.isOver) return
    this.#stop.abort()
    try {
      if (this.#isKnown) this.#options.feed.tell({ kind: 'endSession', session: this.#session })
    } catch {
      // It will be forgotten there.
    }
  }

  async #change(): Promise<void> {
    if (this.#isChanging || this.isOver) return
    this.#isChanging = true
    try {
      // What is asked for in one turn goes in one message.
      await Promise.resolve()
      while ((this.#begin.length > 0 || this.#end.length > 0) && !this.isOver) {
        const begin = this.#begin.splice(0)
        const end = this.#end.splice(0)
        const isFirst = !this.#isKnown
        this.#isKnown = true
        const question = { kind: 'changeFollows' as const, session: this.#session, isFirst, begin, end }
        const { began } = await this.#options.feed.ask(question, this.#limits(CHANGE_DEADLINE_MS))
        if (this.isOver) return
        this.#options.onBegan(began)
        this.#tellAbsent(begin, began)
        void this.#collect()
      }
    } catch (error) {
      this.#lose(error)
    } finally {
      this.#isChanging = false
    }
  }

  #tellAbsent(begin: readonly Follow[], began: FollowsChanged['began']): void {
    const here = new Set(began.map(({ follow, shard }) => `${follow}/${shard}`))
    for (const { id, shards } of begin) {
      const absent = shards.filter((shard) => !here.has(`${id}/${shard}`))
      if (absent.length > 0) this.#options.onAbsent(id, absent)
    }
  }

  async #collect(): Promise<void> {
    if (this.#isCollecting) return
    this.#isCollecting = true
    try {
      while (this.#follows.size > 0 && !this.isOver) {
        const question = { kind: 'collectRows' as const, session: this.#session, waitMs: TAIL_COLLECT_WAIT_MS }
        const limits = this.#limits(TAIL_COLLECT_WAIT_MS + COLLECT_GRACE_MS)
        const collected = await this.#options.feed.ask(question, limits)
        if (this.isOver) return
        for (const { shard, generation, sequence } of collected.through)
          this.#heard.set(shard, { generation, sequence })
        this.#options.onCollected(this, collected)
      }
    } catch (error) {
      this.#lose(error)
    } finally {
      this.#isCollecting = false
    }
  }

  #limits(deadlineMs: number) {
    return { deadlineMs, signal: this.#stop.signal }
  }

  #lose(error: unknown): void {
    if (this.isOver) return
    this.close()
    this.#options.onLost(this, error)
  }
}

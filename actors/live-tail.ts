import type { Clock } from '../base/clock.ts'
import { asWeirError, WeirError } from '../base/errors.ts'
import type { ShardId, TenantId } from '../base/ids.ts'
import {
  QUERY_TIMEOUT_DEFAULT_MS,
  TAIL_CATCH_UP_ROWS,
  TAIL_CLIENT_BYTES_MAX,
  TAIL_CURSOR_EVERY_MS,
  TAIL_DELIVERY_MS,
  TAIL_HEARTBEAT_MS,
  TAIL_STALLED_MAX_MS,
} from '../base/limits.ts'
import { parseQuery } from '../query/parser.ts'
import type { LeafRow, QueryScope } from './messages/leaf.ts'
import type { LiveTail, TailClient, TailQuery, TailStart } from './messages/tail.ts'
import { narrowed } from './query-scope.ts'
import { decodeTailCursor, encodeTailCursor, type TailPlace } from './search-cursor.ts'
import type { TailCatchUp } from './tail-catch-up.ts'
import { TailCourse } from './tail-course.ts'
import { inOrder } from './tail-merge.ts'

export interface LiveTailOptions {
  readonly tenant: TenantId
  readonly client: TailClient
  readonly catchUp: TailCatchUp
  readonly clock: Clock
  readonly shardsOf: (scope: QueryScope) => readonly ShardId[]
  /** Has the shards of the tail followed, or no more. */
  readonly route: () => void
  readonly unroute: () => void
  readonly onClosed: () => void
  readonly onRecords: (fate: 'sent' | 'dropped', count: number) => void
  readonly onCutOff: () => void
}

/** A tail looks back so far for the records with which it begins. */
const LOOK_BACK_MS = 3_600_000
/** A tail that begins waits so long for the owners of its shards, so that nothing need be read twice. */
const FOLLOWED_WAIT_MS = 500
const RETRY_MIN_MS = 50
const RETRY_MAX_MS = 1000

/** One live tail: what it shows, how far it is, and what its client is still to be given. */
export class LiveTailRun implements LiveTail {
  readonly #options: LiveTailOptions
  readonly #stop = new AbortController()
  scope: QueryScope | undefined
  course: TailCourse | undefined
  /** Changes with every start, change, pause. */
  #phase = new AbortController()
  #isPaused = true
  #isCatchingUp = false
  /** The client has been told that its subscription holds; nothing comes before that. */
  #hasBegun = false
  /** To be given with the next tick. */
  #out: LeafRow[] = []
  #dropped = 0
  #cursorMs = 0
  #sentMs: number
  #cursorSent: string | undefined
  /** When the client was last seen to take bytes, and how many it had taken by then. */
  #takenMs: number
  #takenBytes = 0

  constructor(options: LiveTailOptions) {
    this.#options = options
    this.#sentMs = options.clock.monotonicMs()
    this.#takenMs = this.#sentMs
  }

  /** Its shards are to be followed. */
  get isFollowing(): boolean {
    return !this.#isPaused && !this.#stop.signal.aborted
  }

  async start(start: TailStart): Promise<void> {
    if (this.#stop.signal.aborted) return
    const scope = this.#scopeOf(start)
    const given = start.cursor === undefined ? undefined : decodeTailCursor(start.cursor).shards
    this.#leave()
    this.#out = []
    const course = new TailCourse(this.#options.shardsOf(scope))
    const phase = this.#enter(scope, course, false)
    this.#hasBegun = false
    if (given !== undefined) course.moveTo(new Map(given.map((place) => [place.shard, place])))
    this.#options.route()
    try {
      if (given === undefined) await this.#followed(course, phase)
      const places = await this.#places(course, scope, phase)
      const isNew = given === undefined && start.last > 0
      const newest = isNew ? await this.#newest(scope, places, start.last, phase) : []
      if (phase.aborted) return
      this.#options.client.began(encodeTailCursor({ shards: [...places.values()] }))
      this.#hasBegun = true
      this.#give(newest)
      this.take(course.moveTo(places))
    } catch (error) {
      if (phase.aborted) return
      this.#leave()
      this.course = undefined
      this.#isPaused = true
      throw error
    }
    this.catchUp()
  }

  async change(query: TailQuery): Promise<void> {
    if (this.#stop.signal.aborted) return
    const scope = this.#scopeOf(query)
    const { course: before, scope: scopeBefore } = this
    if (before === undefined || scopeBefore === undefined) {
      throw new WeirError('invalid_parameter', 'there is no subscription to change', { parameter: 'update' })
    }
    const isPaused = this.#isPaused
    this.#deliver()
    this.#leave()
    this.#hasBegun = false
    const phase = this.#enter(scope, new TailCourse(this.#options.shardsOf(scope)), isPaused)
    const course = this.course!
    course.moveTo(before.places())
    if (!isPaused) this.#options.route()
    try {
      const places = await this.#places(course, scope, phase)
      if (phase.aborted) return
      this.take(course.moveTo(places))
    } catch (error) {
      if (phase.aborted) return
      this.#leave()
      this.#out = []
      this.#enter(scopeBefore, before, isPaused)
      this.#hasBegun = true
      if (!isPaused) this.#options.route()
      throw error
    }
    this.#hasBegun = true
    const { client } = this.#options
    client.began(this.#cursor())
    if (isPaused) client.paused(this.#cursor())
    this.catchUp()
  }

  pause(): void {
    if (this.#isPaused) return
    this.#deliver()
    this.#leave()
    this.#isPaused = true
    this.#options.client.paused(this.#cursor())
  }

  resume(): void {
    if (!this.#isPaused || this.course === undefined || this.#stop.signal.aborted) return
    this.#phase = new AbortController()
    this.#isPaused = false
    this.#options.client.began(this.#cursor())
    this.#options.route()
    this.catchUp()
  }

  end(error: WeirError): void {
    if (this.#stop.signal.aborted) return
    this.#deliver()
    if (this.#dropped > 0) this.#options.client.dropped(this.#dropped)
    this.#options.client.ended(error, this.course === undefined ? undefined : this.#cursor())
    this.close()
  }

  close(): void {
    if (this.#stop.signal.aborted) return
    this.#stop.abort(new WeirError('cancelled', 'the tail is over'))
    this.#leave()
    this.#options.onClosed()
  }

  /** Rows that the course has taken. */
  take(rows: readonly LeafRow[]): void {
    for (const row of rows) this.#out.push(row)
  }

  drop(count: number): void {
    this.#dropped += count
    this.#options.onRecords('dropped', count)
  }

  /** Every TAIL_DELIVERY_MS. */
  tick(): void {
    const { clock, client } = this.#options
    this.#deliver()
    const nowMs = clock.monotonicMs()
    const { takenBytes, queuedBytes } = client
    if (queuedBytes === 0 || takenBytes !== this.#takenBytes) {
      this.#takenBytes = takenBytes
      this.#takenMs = nowMs
    } else if (nowMs - this.#takenMs > TAIL_STALLED_MAX_MS) {
      this.#options.onCutOff()
      this.end(new WeirError('client_too_slow', `the client has read nothing for ${TAIL_STALLED_MAX_MS / 1000} s`))
      return
    }
    if (nowMs - this.#sentMs < TAIL_HEARTBEAT_MS) return
    this.#sentMs = nowMs
    if (queuedBytes > TAIL_CLIENT_BYTES_MAX) return
    this.#tellCursor(nowMs)
    client.heartbeat()
  }

  /** Reads what is missing before the live rows, as fast as the client takes it. One run at a time. */
  catchUp(): void {
    if (this.#isCatchingUp || this.course === undefined || !this.isFollowing) return
    if (this.course.behind().size === 0) return
    this.#isCatchingUp = true
    const phase = this.#phase.signal
    void this.#catchUp(this.course, this.scope!, phase)
      .catch(() => undefined)
      .finally(() => {
        this.#isCatchingUp = false
        // Another phase may have begun.
        this.catchUp()
      })
  }

  async #catchUp(course: TailCourse, scope: QueryScope, phase: AbortSignal): Promise<void> {
    const { catchUp, client, clock } = this.#options
    let limit = TAIL_CATCH_UP_ROWS
    let retryMs = RETRY_MIN_MS
    for (let places = course.behind(); places.size > 0; places = course.behind()) {
      while (client.queuedBytes > TAIL_CLIENT_BYTES_MAX / 2) await clock.sleep(TAIL_DELIVERY_MS, phase)
      const before = new Map(places)
      let rows: readonly LeafRow[] = []
      try {
        const limits = { timeoutMs: QUERY_TIMEOUT_DEFAULT_MS, signal: phase, shards: [...places.keys()] }
        rows = (await catchUp.inTurn(() => catchUp.follow(scope, places, limit, limits))).rows
      } catch (error) {
        if (phase.aborted) return
        // Fewer of very large records.
        if (asWeirError(error).code === 'result_too_large' && limit > 1) limit = Math.ceil(limit / 8)
      }
      if (phase.aborted) return
      this.take(rows)
      this.take(course.moveTo(places))
      if (rows.length > 0) this.#deliver()
      const hasMoved = [...places].some(([shard, place]) => place !== before.get(shard))
      retryMs = hasMoved ? RETRY_MIN_MS : Math.min(RETRY_MAX_MS, retryMs * 2)
      if (!hasMoved) await clock.sleep(retryMs, phase)
    }
  }

  #scopeOf(query: TailQuery): QueryScope {
    const nowMs = this.#options.clock.nowMs()
    const { filter, pipes } = parseQuery(query.query, { nowMs })
    if (pipes.length > 0) {
      const { start: position, end } = pipes[0]!.span
      throw new WeirError('invalid_query', 'a live tail takes a filter and no pipes', {
        position,
        length: end - position,
        hint: 'leave out everything from the first | on',
      })
    }
    const range = { fromMs: 0, toMs: Number.MAX_SAFE_INTEGER }
    return { tenant: this.#options.tenant, filter: narrowed(filter, query), range }
  }

  /** What was followed is so no more. */
  #leave(): void {
    this.#phase.abort(new WeirError('cancelled', 'the tail goes on otherwise'))
    this.#options.unroute()
  }

  /** Returns what aborts when it goes on otherwise. */
  #enter(scope: QueryScope, course: TailCourse, isPaused: boolean): AbortSignal {
    this.#phase = new AbortController()
    if (this.#stop.signal.aborted) this.#phase.abort(this.#stop.signal.reason)
    this.scope = scope
    this.course = course
    this.#isPaused = isPaused
    return this.#phase.signal
  }

  /** Resolves when every shard is followed, or has been waited for. */
  async #followed(course: TailCourse, phase: AbortSignal): Promise<void> {
    const { clock } = this.#options
    const endMs = clock.monotonicMs() + FOLLOWED_WAIT_MS
    while (!course.isFollowed && clock.monotonicMs() < endMs && !phase.aborted)
      await clock.sleep(5, phase).catch(() => undefined)
  }

  /** The places of all shards; those that have none begin now. */
  async #places(course: TailCourse, scope: QueryScope, phase: AbortSignal): Promise<Map<ShardId, TailPlace>> {
    const { catchUp } = this.#options
    const shards = course.placeless()
    const places = course.places()
    if (shards.length === 0) return places
    const begun = new Map<ShardId, TailPlace>()
    const limits = { timeoutMs: QUERY_TIMEOUT_DEFAULT_MS, signal: phase, shards }
    await catchUp.inTurn(() => catchUp.follow(scope, begun, 1, limits))
    return new Map([...places, ...begun])
  }

  #newest(
    scope: QueryScope,
    places: ReadonlyMap<ShardId, TailPlace>,
    last: number,
    phase: AbortSignal,
  ): Promise<LeafRow[]> {
    const { catchUp, clock } = this.#options
    const range = { fromMs: clock.nowMs() - LOOK_BACK_MS, toMs: Number.MAX_SAFE_INTEGER }
    const limits = { timeoutMs: QUERY_TIMEOUT_DEFAULT_MS, signal: phase }
    return catchUp.inTurn(() => catchUp.newest(scope, range, places, last, limits))
  }

  /** Gives the client what has been taken, in order, or counts what it has no room for. */
  #deliver(): void {
    if (!this.#hasBegun || (this.#out.length === 0 && this.#dropped === 0)) return
    const { client, clock } = this.#options
    const rows = this.#out
    this.#out = []
    if (client.queuedBytes > TAIL_CLIENT_BYTES_MAX) {
      if (rows.length > 0) this.drop(rows.length)
      return
    }
    const nowMs = clock.monotonicMs()
    if (this.#dropped > 0) {
      client.dropped(this.#dropped)
      this.#dropped = 0
    }
    this.#give(inOrder(rows))
    if (nowMs - this.#cursorMs >= TAIL_CURSOR_EVERY_MS) this.#tellCursor(nowMs)
  }

  #give(rows: readonly LeafRow[]): void {
    if (rows.length === 0) return
    const { client, clock, onRecords } = this.#options
    client.logs(rows.map(({ json }) => json))
    onRecords('sent', rows.length)
    this.#sentMs = clock.monotonicMs()
  }

  #tellCursor(nowMs: number): void {
    const cursor = this.#cursor()
    if (this.course === undefined || cursor === this.#cursorSent) return
    this.#cursorMs = nowMs
    this.#cursorSent = cursor
    this.#options.client.cursor(cursor)
  }

  #cursor(): string {
    return encodeTailCursor({ shards: [...(this.course?.places().values() ?? [])] })
  }
}

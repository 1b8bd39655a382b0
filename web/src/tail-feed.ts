import { type Signal, signal } from '@preact/signals'
import { ApiProblem, addressOfCall, call } from './api-client.ts'
import type { LogRecord } from './api-types.ts'
import { elapsedMs, every, sleep } from './browser-clock.ts'
import { problemOf } from './loaded.ts'

export type TailStatus = 'connecting' | 'live' | 'paused' | 'reconnecting' | 'stopped'

export interface TailState {
  readonly status: TailStatus
  /** Grows with every change of the rows. */
  readonly version: number
  /** Records a second, over the last five. */
  readonly rate: number
  /** Matched, and were left out: by the node, or because this list is bounded and the reader paused for long. */
  readonly dropped: number
  /** Came while the reader paused. */
  readonly waiting: number
  readonly problem: ApiProblem | undefined
}

/** What the node says on the socket; other types are passed over. */
interface TailMessage {
  readonly type: string
  readonly log?: LogRecord
  readonly cursor?: string
  readonly count?: number
  readonly final?: boolean
}

export const TAIL_ROWS_MAX = 10_000
/** Rows are dropped from the front in runs, so that a full list is not moved for each. */
const TRIM_ROWS = 1000
const WAITING_MAX = 5000
const KNOWN_IDS_MAX = 4000
const FLUSH_MS = 100
const FRESH_MAX = 5000
const RATE_SECONDS = 5
const POLL_LIMIT = 1000
const RETRY_FIRST_MS = 500
const RETRY_MAX_MS = 8000

/**
 * Records as they come, over the WebSocket where the node has it, else by polling. After a break it goes on where it was, by the cursor; records that come twice are
 * known by their id. Rows are bounded; the page is told at most ten times a second.
 */
export class TailFeed {
  readonly state: Signal<TailState> = signal({
    status: 'connecting',
    version: 0,
    rate: 0,
    dropped: 0,
    waiting: 0,
    problem: undefined,
  })
  #rows: LogRecord[] = []
  #waiting: LogRecord[] = []
  #fresh: LogRecord[] = []
  readonly #knownIds = new Set<string>()
  #cursor: string | undefined
  #query = ''
  #isPaused = false
  #abort: AbortController | undefined
  #ticks: { readonly atMs: number; readonly count: number }[] = []
  #endTimer: (() => void) | undefined

  get count(): number {
    return this.#rows.length
  }

  row(index: number): LogRecord | undefined {
    return this.#rows[index]
  }

  /** Begins anew with the newest records that match. */
  start(query: string): void {
    this.stop()
    this.#query = query
    this.#cursor = undefined
    this.#knownIds.clear()
    this.clear()
    this.#isPaused = false
    this.#set({ status: 'connecting', problem: undefined, dropped: 0, waiting: 0 })
    const abort = new AbortController()
    this.#abort = abort
    this.#endTimer = every(FLUSH_MS, () => this.#flush())
    void this.#run(abort.signal)
  }

  stop(): void {
    this.#abort?.abort()
    this.#endTimer?.()
    this.#set({ status: 'stopped' })
  }

  /** What comes is kept aside, and counted, until it is resumed. */
  pause(isPaused: boolean): void {
    const { status } = this.state.value
    if (status === 'stopped') return
    this.#isPaused = isPaused
    if (!isPaused) {
      const waiting = this.#waiting
      this.#waiting = []
      this.#append(waiting)
    }
    this.#set({ status: isPaused ? 'paused' : status === 'paused' ? 'live' : status, waiting: this.#waiting.length })
  }

  clear(): void {
    this.#rows = []
    this.#waiting = []
    this.#fresh = []
    this.#set({ version: this.state.value.version + 1, waiting: 0 })
  }

  async #run(signal: AbortSignal): Promise<void> {
    let retryMs = RETRY_FIRST_MS
    let hasSocket = true
    while (!signal.aborted) {
      try {
        const isOpened = hasSocket && (await this.#followSocket(signal))
        if (hasSocket && !isOpened) hasSocket = false
        else if (!hasSocket) await this.#poll(signal)
        else await this.#failed(undefined, retryMs, signal)
        retryMs = RETRY_FIRST_MS
      } catch (error) {
        if (signal.aborted) return
        const problem = problemOf(error)
        if (problem.status >= 400 && problem.status < 500 && problem.status !== 429) {
          this.#set({ status: 'stopped', problem })
          return
        }
        await this.#failed(problem, retryMs, signal).catch(() => undefined)
        retryMs = Math.min(RETRY_MAX_MS, retryMs * 2)
      }
    }
  }

  async #failed(problem: ApiProblem | undefined, retryMs: number, signal: AbortSignal): Promise<void> {
    this.#set({ status: 'reconnecting', problem })
    await sleep(retryMs, signal)
  }

  /** One answer; waits on the node where nothing is new. */
  async #poll(signal: AbortSignal): Promise<void> {
    const query = { query: this.#query, limit: this.#cursor === undefined ? 100 : POLL_LIMIT }
    const place = this.#cursor === undefined ? {} : { cursor: this.#cursor, wait: '20s' }
    const { logs, cursor } = await call('GET /v1/logs/tail', { query: { ...query, ...place }, signal })
    this.#cursor = cursor
    this.#live()
    for (const log of logs) this.#take(log)
    if (logs.length > 0) await sleep(FLUSH_MS, signal)
  }

  /** Resolves when a socket that was open has closed: true; false when none could be opened. Rejects for good reasons of the node. */
  #followSocket(signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const address = new URL(addressOfCall('GET /v1/logs/tail', {}), location.href)
      address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:'
      const socket = new WebSocket(address)
      let isSubscribed = false
      const onAbort = () => socket.close()
      signal.addEventListener('abort', onAbort, { once: true })
      socket.onopen = () => {
        const place = this.#cursor === undefined ? { last: 100 } : { cursor: this.#cursor }
        socket.send(JSON.stringify({ subscribe: { query: this.#query, ...place } }))
      }
      socket.onmessage = ({ data }) => {
        const message = JSON.parse(String(data)) as TailMessage
        if (message.cursor !== undefined) this.#cursor = message.cursor
        if (message.type === 'subscribed') {
          isSubscribed = true
          this.#live()
        } else if (message.type === 'log' && message.log !== undefined) this.#take(message.log)
        else if (message.type === 'dropped') this.#set({ dropped: this.state.value.dropped + (message.count ?? 0) })
        else if (message.type === 'error' && !isSubscribed) {
          reject(new ApiProblem(400, { ...message }))
          socket.close()
        }
      }
      socket.onclose = () => {
        signal.removeEventListener('abort', onAbort)
        resolve(isSubscribed)
      }
    })
  }

  #live(): void {
    const { status, problem } = this.state.value
    const next = this.#isPaused ? 'paused' : 'live'
    if (status !== next || problem !== undefined) this.#set({ status: next, problem: undefined })
  }

  #take(log: LogRecord): void {
    if (this.#knownIds.has(log.id)) return
    if (this.#knownIds.size >= KNOWN_IDS_MAX) this.#knownIds.delete(this.#knownIds.values().next().value as string)
    this.#knownIds.add(log.id)
    this.#fresh.push(log)
    // Timers of a page that is not shown hardly run.
    if (this.#fresh.length >= FRESH_MAX) this.#flush()
  }

  #flush(): void {
    const fresh = this.#fresh
    this.#fresh = []
    const atMs = elapsedMs()
    if (fresh.length > 0) this.#ticks.push({ atMs, count: fresh.length })
    this.#ticks = this.#ticks.filter((tick) => atMs - tick.atMs < RATE_SECONDS * 1000)
    const rate = this.#ticks.reduce((sum, { count }) => sum + count, 0) / RATE_SECONDS
    if (fresh.length === 0) {
      if (rate !== this.state.value.rate) this.#set({ rate })
      return
    }
    if (this.#isPaused) {
      this.#waiting.push(...fresh)
      const over = Math.max(0, this.#waiting.length - WAITING_MAX)
      this.#waiting.splice(0, over)
      this.#set({ rate, waiting: this.#waiting.length, dropped: this.state.value.dropped + over })
      return
    }
    this.#append(fresh)
    this.#set({ rate })
  }

  #append(logs: readonly LogRecord[]): void {
    this.#rows.push(...logs)
    if (this.#rows.length > TAIL_ROWS_MAX) this.#rows.splice(0, this.#rows.length - TAIL_ROWS_MAX + TRIM_ROWS)
    this.#set({ version: this.state.value.version + 1 })
  }

  #set(changes: Partial<TailState>): void {
    this.state.value = { ...this.state.value, ...changes }
  }
}

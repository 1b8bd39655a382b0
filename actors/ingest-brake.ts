import type { Clock } from '../base/clock.ts'
import { JOURNAL_RELIEVE_BYTES } from '../base/limits.ts'

/** A reader this far behind the journal is an ordinary burst. */
const BEHIND_FREE_MS = 1000
/** For each further second of delay, ingest rests this many times as long as it has scanned, which is a quarter of what a record costs until it can be found. */
const RESTS_PER_S = 4
const BEHIND_RESTS_MAX = 64
/** A journal this large has not been relieved in time: publishing gets too little of the cores, or the object store is away. */
const BYTES_FREE = JOURNAL_RELIEVE_BYTES
const RESTS_PER_FREE_BYTES = 8
/** Where the object store is away, this would be all for nothing: a worker still takes 100,000 records a second and more. */
const BYTES_RESTS_MAX = 16
/** Shorter rests are saved up: timers are no finer. */
const REST_MIN_MS = 1
/** Work that took long did so because the thread was held up: by other processes, or by being stopped. For that nobody who waits in line has to pay. */
const REST_MAX_MS = 1000

/** How far this node is behind; the worst of its lanes. */
export interface Backlog {
  /** For how long the journal has been read later than it was written, ms. */
  readonly behindMs: number
  /** What the journal keeps because it is not published, bytes. */
  readonly journalBytes: number
}

/**
 * Slows ingest down while this node applies and publishes its shards later than the journal brings them. All need the same cores, and whoever takes records in
 * faster than they can be found has them wait in the journal: for searches, and for the replay after a crash. It never stops ingest: what holds up the
 * others may be a disk or a bucket, and the journal is there to take what comes meanwhile.
 */
export class IngestBrake {
  readonly #backlog: () => Backlog
  readonly #clock: Clock
  #owedMs = 0

  constructor(backlog: () => Backlog, clock: Clock) {
    this.#backlog = backlog
    this.#clock = clock
  }

  /** After a piece of work that took so long. */
  worked(tookMs: number): void {
    const rests = restsOf(this.#backlog())
    this.#owedMs = rests > 0 ? Math.min(REST_MAX_MS, this.#owedMs + tookMs * rests) : 0
  }

  /** Before the next one. */
  async rest(signal: AbortSignal): Promise<void> {
    if (this.#owedMs < REST_MIN_MS) return
    const restMs = this.#owedMs
    this.#owedMs = 0
    await this.#clock.sleep(restMs, signal)
  }
}

function restsOf({ behindMs, journalBytes }: Backlog): number {
  const forDelay = Math.min(BEHIND_RESTS_MAX, ((behindMs - BEHIND_FREE_MS) / 1000) * RESTS_PER_S)
  const forBytes = Math.min(BYTES_RESTS_MAX, (journalBytes / BYTES_FREE - 1) * RESTS_PER_FREE_BYTES)
  return Math.max(forDelay, forBytes)
}

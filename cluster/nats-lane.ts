import { Backoff } from '../base/backoff.ts'
import type { Clock } from '../base/clock.ts'
import { asWeirError, WeirError } from '../base/errors.ts'
import type { LaneId } from '../base/ids.ts'
import type { Logger } from '../base/logger.ts'
import {
  decodeLaneEntry,
  encodeLaneEntry,
  generationAt,
  type LaneEntry,
  laneEntryKey,
  recreated,
  restored,
} from './lane-entry.ts'
import type { LaneAlarm } from './lane-generation.ts'
import type { NatsConnection } from './nats-connection.ts'
import type { LaneStream, StreamFacts } from './nats-stream.ts'
import type { Registry } from './registry.ts'

/** A new leader may for a moment not know of frames that the one before acknowledged; a stream that lacks them for longer has lost them. */
const SUSPICION_MS = 5000
/** A stream that is gone for longer is made anew. */
const MISSING_MS_MAX = 5000
/** Between looks at a stream that is suspected. */
const LOOK_AGAIN_MS = 250
/** How often the newest frame that was read is told to the other nodes. */
const MARK_EVERY_MS = 5000
const RETRY = { firstMs: 100, maxMs: 2000, factor: 2 }

/** A frame that was read. */
export interface KnownFrame {
  readonly sequence: number
  /** Of its append, nanoseconds since the epoch. */
  readonly time: bigint
  readonly generation: number
}

export interface NatsLaneOptions {
  readonly lane: LaneId
  readonly stream: LaneStream
  readonly connection: NatsConnection
  readonly registry: Registry
  readonly clock: Clock
  /** The highest sequence of a generation that is applied or published here; 0 for none. */
  readonly reachedOf: (lane: LaneId, generation: number) => number
  /** Called by the thread that raises the generation. */
  readonly onAlarm: (alarm: LaneAlarm) => void
  readonly logger: Logger
}

/** `behind`: it lacks frames that were there. `replaced`: a frame that was there is another now. */
type Verdict = 'same' | 'unsure' | 'behind' | 'replaced' | 'another'

/**
 * Which generation the frames of a lane are of (J3), as this thread knows it.
 *
 * All nodes agree by one entry of the registry: it names the stream by its time of creation, and the generations by their first sequences. Whoever
 * finds that the stream is another one, or that its history is not what was read or acknowledged, raises the generation by compare-and-set;
 * the others hear of it by their watch. The history is compared whenever it may have changed: at the start, when the connection
 * was lost, when a reader needs a new consumer, when an acknowledgement goes backwards, and before a trim. Until it has been,
 * nothing is appended (`isReady`).
 *
 * A new generation begins at the first frame that is younger than the newest one known of the old: what was appended to a restored stream
 * before anybody noticed is part of it, so no node passes over it as applied. Old frames keep their generation.
 */
export class NatsLane {
  readonly #options: NatsLaneOptions
  readonly #key: string
  readonly #listeners = new Set<() => void>()
  #entry: LaneEntry = { creationId: '', createdMs: 0, generation: 0, lastSequence: 0 }
  #revision = 0
  #isReady = false
  #isClosed = false
  /** Counts what may have changed the stream: a comparison that was overtaken by one is made again. */
  #doubts = 0
  #isSettling = false
  /** The newest frame that a reader of this thread got, of the present generation. */
  #known: KnownFrame | undefined
  /** The highest sequence that was acknowledged to this thread in the present generation. */
  #acked = 0
  #markedAtMs: number
  #endWatch: () => void = () => undefined
  readonly #endEvents: () => void

  private constructor(options: NatsLaneOptions) {
    this.#options = options
    this.#key = laneEntryKey(options.lane)
    this.#markedAtMs = options.clock.monotonicMs()
    this.#endEvents = options.connection.onEvent(({ kind }) => {
      if (kind === 'disconnected') this.#doubt()
      if (kind === 'reconnected') this.suspect()
    })
  }

  /**
   * Creates the stream where there is none and settles the generation. Throws invalid_config (see LaneStream.ensure),
   * storage_unavailable, corrupt_data.
   */
  static async open(options: NatsLaneOptions): Promise<NatsLane> {
    const lane = new NatsLane(options)
    try {
      const facts = await options.stream.ensure()
      await lane.#load(facts)
      lane.#endWatch = await options.registry.watch(lane.#key, ({ key, value, revision }) => {
        if (key === lane.#key && value !== undefined) lane.#adopt(decodeLaneEntry({ key, value }), revision)
      })
      await lane.#compare()
      return lane
    } catch (error) {
      lane.close()
      throw error
    }
  }

  get entry(): LaneEntry {
    return this.#entry
  }

  /** True while the stream is known to be the one that it was. */
  get isReady(): boolean {
    return this.#isReady
  }

  generationOf(sequence: number): number {
    return generationAt(this.#entry, sequence)
  }

  /** Calls `listener` whenever isReady or the generation has changed; returns the function that ends it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Resolves once the lane is ready. Rejects with the signal's reason, or storage_unavailable when the lane is closed. */
  async ready(signal?: AbortSignal): Promise<void> {
    while (!this.#isReady) {
      signal?.throwIfAborted()
      if (this.#isClosed) throw closed()
      await new Promise<void>((resolve) => {
        const done = () => {
          end()
          signal?.removeEventListener('abort', done)
          resolve()
        }
        const end = this.onChange(done)
        signal?.addEventListener('abort', done, { once: true })
      })
    }
  }

  /**
   * A frame was acknowledged. False when its sequence was acknowledged before for another: then it may not be told until the lane is
   * ready again.
   */
  acked(sequence: number): boolean {
    const isNew = sequence > this.#acked
    if (isNew) this.#acked = sequence
    else this.suspect()
    return isNew
  }

  /** A frame was read. */
  read(frame: KnownFrame): void {
    if (frame.generation !== this.#entry.generation || frame.sequence <= (this.#known?.sequence ?? 0)) return
    this.#known = frame
    const { clock } = this.#options
    if (clock.monotonicMs() - this.#markedAtMs < MARK_EVERY_MS || frame.sequence <= this.#entry.lastSequence) return
    this.#markedAtMs = clock.monotonicMs()
    const mark = { ...this.#entry, lastSequence: frame.sequence, lastTime: `${frame.time}` }
    this.#put(mark).catch(() => undefined) // another node did; its mark is as good
  }

  /** Compares the stream again, because of something that a restored or recreated one would do. Also after `frame` was not found in it. */
  suspect(frame?: KnownFrame): void {
    if (this.#isClosed) return
    if (frame !== undefined && frame.generation === this.#entry.generation) this.#known = frame
    this.#doubt()
    if (this.#isSettling) return
    this.#isSettling = true
    void this.#settle()
  }

  /**
   * What the stream holds, when it is still the one of `generation` and its history what was known at last; else undefined. Costs two
   * requests.
   */
  async factsOf(generation: number): Promise<StreamFacts | undefined> {
    if (!this.#isReady || this.#entry.generation !== generation) return undefined
    const facts = await this.#options.stream.facts()
    const verdict = facts === undefined ? 'another' : await this.#judge(facts)
    // A server that was asked for the frame may only be late with it.
    if (verdict !== 'same' && verdict !== 'unsure') this.suspect()
    return verdict === 'same' && this.#isReady && this.#entry.generation === generation ? facts : undefined
  }

  close(): void {
    this.#isClosed = true
    this.#isReady = false
    this.#endEvents()
    this.#endWatch()
    this.#tell()
  }

  #doubt(): void {
    this.#doubts++
    if (!this.#isReady) return
    this.#isReady = false
    this.#tell()
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener()
  }

  /** Reads the entry, or makes the first one. */
  async #load(facts: StreamFacts): Promise<void> {
    for (;;) {
      const stored = await this.#options.registry.get(this.#key)
      if (stored !== undefined) {
        this.#adopt(decodeLaneEntry(stored), stored.revision)
        return
      }
      const { creationId, createdMs } = facts
      const first = { creationId, createdMs, generation: 1, lastSequence: 0 }
      if (await this.#tryPut(first)) return
    }
  }

  #adopt(entry: LaneEntry, revision: number): void {
    if (revision <= this.#revision) return
    const isOther = entry.generation !== this.#entry.generation
    if (entry.lastSequence !== this.#entry.lastSequence) this.#markedAtMs = this.#options.clock.monotonicMs()
    this.#entry = entry
    this.#revision = revision
    if (!isOther) return
    this.#known = undefined
    this.#acked = 0
    this.#doubts++
    this.#tell()
  }

  async #settle(): Promise<void> {
    const { clock, logger, lane } = this.#options
    const backoff = new Backoff(clock, RETRY)
    while (!this.#isReady && !this.#isClosed) {
      try {
        await this.#compare()
      } catch (error) {
        if (this.#isClosed) break
        // Whoever waits for the lane has a deadline of his own.
        logger.warn('the stream of a lane cannot be compared with what it was; trying again', { lane, error })
        await clock.sleep(backoff.nextMs())
      }
    }
    this.#isSettling = false
  }

  /** Makes the lane ready, with a new generation where the stream is not what it was. */
  async #compare(): Promise<void> {
    const { clock, stream } = this.#options
    const startMs = clock.monotonicMs()
    while (!this.#isClosed) {
      const doubts = this.#doubts
      const ageMs = clock.monotonicMs() - startMs
      const facts = await stream.facts()
      if (facts === undefined) {
        if (ageMs > MISSING_MS_MAX) await stream.ensure()
        else await clock.sleep(LOOK_AGAIN_MS)
        continue
      }
      const verdict = await this.#judge(facts)
      if (doubts !== this.#doubts) continue
      if (verdict === 'another' || verdict === 'replaced' || (verdict === 'behind' && ageMs > SUSPICION_MS)) {
        await this.#raise(verdict === 'another' ? 'recreated' : 'restored', facts)
      } else if (verdict === 'same' || (verdict === 'unsure' && ageMs > SUSPICION_MS)) {
        this.#isReady = true
        this.#tell()
        return
      } else {
        await clock.sleep(LOOK_AGAIN_MS)
      }
    }
    throw closed()
  }

  async #judge(facts: StreamFacts): Promise<Verdict> {
    if (facts.creationId !== this.#entry.creationId) return 'another'
    if (facts.lastSequence < this.#expected()) return 'behind'
    const mark = this.#newest()
    if (mark === undefined || mark.sequence < facts.firstSequence) return 'same'
    const time = await this.#options.stream.timeOf(mark.sequence)
    if (time === undefined) return 'unsure'
    return time === mark.time ? 'same' : 'replaced'
  }

  #expected(): number {
    const { reachedOf, lane } = this.#options
    const { generation, lastSequence } = this.#entry
    return Math.max(lastSequence, this.#known?.sequence ?? 0, this.#acked, reachedOf(lane, generation))
  }

  /** The newest frame of the stream whose time is known: what was read here, or what the registry tells. */
  #newest(): Pick<KnownFrame, 'sequence' | 'time'> | undefined {
    const { lastSequence, lastTime } = this.#entry
    if (lastTime === undefined || (this.#known?.sequence ?? 0) >= lastSequence) return this.#known
    return { sequence: lastSequence, time: BigInt(lastTime) }
  }

  async #raise(reason: LaneAlarm['reason'], facts: StreamFacts): Promise<void> {
    const before = this.#entry
    const expectedSequence = this.#expected()
    const entry = reason === 'recreated' ? recreated(before, facts) : restored(before, await this.#firstUnknown(facts))
    if (!(await this.#tryPut(entry))) {
      // Another node was first: what it found is judged anew.
      const stored = await this.#options.registry.get(this.#key)
      if (stored !== undefined) this.#adopt(decodeLaneEntry(stored), stored.revision)
      return
    }
    const details = { lastSequence: facts.lastSequence, expectedSequence }
    this.#options.onAlarm({ lane: this.#options.lane, reason, generation: entry.generation, details })
  }

  /** The first frame of the stream that is younger than all that is known of it. Where nothing is known, all of it is taken for new. */
  async #firstUnknown(facts: StreamFacts): Promise<number> {
    const newest = this.#newest()
    if (newest === undefined) return Math.max(1, facts.firstSequence)
    return (await this.#options.stream.firstLaterThan(newest.time)) ?? facts.lastSequence + 1
  }

  async #tryPut(entry: LaneEntry): Promise<boolean> {
    try {
      await this.#put(entry)
      return true
    } catch (error) {
      if (asWeirError(error).code === 'revision_conflict') return false
      throw error
    }
  }

  async #put(entry: LaneEntry): Promise<void> {
    const revision = await this.#options.registry.put(this.#key, encodeLaneEntry(entry), this.#revision)
    this.#adopt(entry, revision)
  }
}

function closed(): WeirError {
  return new WeirError('storage_unavailable', 'the journal is closed')
}

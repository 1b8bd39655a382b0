import { createInbox, type Msg, type Subscription } from 'nats'
import { assert } from '../base/assert.ts'
import { Backoff } from '../base/backoff.ts'
import type { Clock, Timer } from '../base/clock.ts'
import { WeirError } from '../base/errors.ts'
import { freeBytes, ownCopy } from '../base/free-bytes.ts'
import { JOURNAL_HANDOVER_BYTES_MAX, JOURNAL_MESSAGE_BYTES_MAX } from '../base/limits.ts'
import type { JournalMessage, JournalReader } from './journal.ts'
import { readFrom } from './lane-entry.ts'
import type { NatsConnection } from './nats-connection.ts'
import { directFrames } from './nats-direct-frames.ts'
import type { KnownFrame, NatsLane } from './nats-lane.ts'
import type { LaneStream } from './nats-stream.ts'

/** Bytes of one pull: any message fits, subject and headers included. */
const PULL_BYTES = JOURNAL_MESSAGE_BYTES_MAX + 64 * 1024
const PULL_FRAMES = 10_000
/** A pull waits this long for frames before it is made again. */
const PULL_WAIT_MS = 30_000
/** A server that waits with us says so this often; one that is silent for longer than SILENCE_MS_MAX is gone. */
const HEARTBEAT_MS = 1000
const SILENCE_MS_MAX = 2500
const LOOK_EVERY_MS = 500
/** A consumer is made in milliseconds; when it takes longer, frames are read without one. */
const DIRECT_AFTER_MS = 300
/** While what was read has to wait for who reads. */
const ROOM_LOOK_MS = 20
const NANOS_PER_MS = 1_000_000
const RETRY = { firstMs: 50, maxMs: 1000, factor: 2 }

export interface NatsJournalReaderOptions {
  readonly lane: NatsLane
  readonly stream: LaneStream
  readonly connection: NatsConnection
  readonly clock: Clock
  /** Behind which to start. */
  readonly after: number
  readonly generation: number
  readonly onClose: () => void
}

interface QueuedFrame extends KnownFrame {
  readonly message: JournalMessage
}

/** A consumer of the server and what it has sent. */
interface Consumer {
  readonly name: string
  readonly answers: Subscription
  /** Of the lane when it was made. */
  readonly generation: number
  /** Its own count of what it has sent; one that is passed over was lost on the way. */
  delivered: number
  /** Frames that the present pull may still bring; 0 when there is none. */
  pulling: number
  heardAtMs: number
  /** The frame that was got last: the first one that comes must be it. */
  overlap: KnownFrame | undefined
  /** What it sends up to here was read without it, while it was being made. */
  readonly readThrough: number
}

/** Where reading goes on, and in what. */
interface DirectPlace {
  readonly from: number
  readonly overlap: KnownFrame | undefined
  readonly creationId: string
  readonly generation: number
}

/**
 * Reads one lane through a consumer of its own, which is made anew whenever the server that it lives on dies or anything is lost on the way.
 *
 * A new consumer begins with the frame that was got last: when that is another one now, the stream is not what it was (J3), and reading goes on
 * where the lane's entry says that the streams part. Frames are pulled, so that a slow reader holds back the server: at most
 * JOURNAL_HANDOVER_BYTES_MAX and one pull are in memory.
 */
export class NatsJournalReader implements JournalReader {
  readonly #options: NatsJournalReaderOptions
  readonly #endListening: () => void
  readonly #queue: QueuedFrame[] = []
  #queuedBytes = 0
  /** The last frame that `next` gave out, and the last one that was got. */
  #given: KnownFrame | undefined
  #got: KnownFrame | undefined
  #consumer: Consumer | undefined
  #isFollowing = false
  #looking: Timer | undefined
  #notify: (() => void) | undefined
  #isReading = false
  #isClosed = false

  constructor(options: NatsJournalReaderOptions) {
    this.#options = options
    this.#endListening = options.lane.onChange(() => {
      if (!options.lane.isReady || this.#consumer?.generation !== options.lane.entry.generation) this.#drop()
    })
  }

  async next(maxBytes: number, signal: AbortSignal): Promise<readonly JournalMessage[]> {
    assert(!this.#isReading, 'a reader is asked for one batch at a time')
    this.#isReading = true
    try {
      this.#follow()
      for (;;) {
        signal.throwIfAborted()
        if (this.#isClosed) throw new WeirError('storage_unavailable', 'the reader is closed')
        if (this.#queue.length > 0) return this.#take(maxBytes)
        await this.#change(signal)
      }
    } finally {
      this.#isReading = false
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#endListening()
    this.#looking?.cancel()
    this.#drop()
    this.#queue.length = 0
    this.#notify?.()
    this.#options.onClose()
  }

  #take(maxBytes: number): JournalMessage[] {
    let bytes = 0
    let count = 0
    for (const { message } of this.#queue) {
      if (count > 0 && bytes + message.frame.length > maxBytes) break
      bytes += message.frame.length
      count++
    }
    const taken = this.#queue.splice(0, count)
    this.#given = taken[count - 1]
    this.#queuedBytes -= bytes
    if (this.#consumer !== undefined) this.#pull(this.#consumer)
    return taken.map(({ message }) => message)
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#notify = undefined
        signal.removeEventListener('abort', done)
        resolve()
      }
      this.#notify = done
      signal.addEventListener('abort', done, { once: true })
    })
  }

  /** Keeps a consumer as long as the reader is open. */
  #follow(): void {
    const { clock } = this.#options
    this.#looking ??= clock.every(LOOK_EVERY_MS, () => this.#look())
    if (this.#isFollowing || this.#consumer !== undefined || this.#isClosed) return
    this.#isFollowing = true
    void this.#connect().finally(() => {
      this.#isFollowing = false
    })
  }

  async #connect(): Promise<void> {
    const { lane, stream, clock } = this.#options
    const backoff = new Backoff(clock, RETRY)
    while (!this.#isClosed && this.#consumer === undefined) {
      try {
        await lane.ready()
        const { creationId, generation } = lane.entry
        const { from, overlap } = await this.#place(generation)
        const gotBefore = this.#got
        const name = await this.#meanwhile(
          (signal) => this.#readDirectly({ from, overlap, creationId, generation }, signal),
          () => stream.addConsumer(from),
        )
        // The consumer goes with its stream: if the stream is the right one now, the consumer has been its own all along.
        const facts = await stream.facts()
        const isRight = facts?.creationId === creationId && lane.isReady && lane.entry.generation === generation
        const readThrough = this.#got === gotBefore ? 0 : this.#got!.sequence
        if (isRight && !this.#isClosed) this.#begin(name, generation, overlap, readThrough)
        else {
          if (facts?.creationId !== lane.entry.creationId) lane.suspect()
          void stream.dropConsumer(name)
          await clock.sleep(backoff.nextMs())
        }
      } catch {
        // The calls have been tried for long; a reader waits for as long as it takes.
        if (!this.#isClosed) await clock.sleep(backoff.nextMs())
      }
    }
  }

  async #meanwhile<T>(run: (signal: AbortSignal) => Promise<void>, work: () => Promise<T>): Promise<T> {
    const over = new AbortController()
    void run(over.signal).catch(() => undefined)
    try {
      return await work()
    } finally {
      over.abort()
    }
  }

  /** The server that makes consumers may be gone: until there is another, frames are asked for one by one. */
  async #readDirectly({ overlap, ...place }: DirectPlace, signal: AbortSignal): Promise<void> {
    const { lane, stream, clock } = this.#options
    await clock.sleep(DIRECT_AFTER_MS, signal)
    let first = overlap
    for await (const frames of directFrames({ ...place, lane, stream, clock, signal })) {
      for (const { sequence, time, data } of frames) {
        if (signal.aborted || this.#isClosed) return
        const known = first
        first = undefined
        if (known !== undefined && sequence === known.sequence) {
          if (time === known.time) continue
          lane.suspect(known)
          return
        }
        this.#keep(sequence, time, data)
      }
      while (this.#queuedBytes > JOURNAL_HANDOVER_BYTES_MAX / 2) await clock.sleep(ROOM_LOOK_MS, signal)
    }
  }

  /** The sequence to begin with, and the frame that must be there. */
  async #place(generation: number): Promise<{ from: number; overlap: KnownFrame | undefined }> {
    const { lane, stream, after, generation: startGeneration } = this.#options
    if (this.#got !== undefined && this.#got.generation !== generation && this.#queue.length > 0) {
      // What was not given out yet is read again, in its new place.
      this.#queue.length = 0
      this.#queuedBytes = 0
      this.#got = this.#given
    }
    const last = this.#got
    if (last === undefined) return { from: readFrom(lane.entry, after, startGeneration) + 1, overlap: undefined }
    const behind = readFrom(lane.entry, last.sequence, last.generation)
    // Behind where the streams part it is a frame of the old one, unless the new one was read already.
    const isThere = behind === last.sequence || (await stream.timeOf(last.sequence)) === last.time
    return isThere ? { from: last.sequence, overlap: last } : { from: behind + 1, overlap: undefined }
  }

  #begin(name: string, generation: number, overlap: KnownFrame | undefined, readThrough: number): void {
    const { connection, clock } = this.#options
    const answers = connection.client.subscribe(createInbox(), {
      callback: (error, message) => {
        if (this.#consumer !== consumer) return
        if (error === null) this.#receive(consumer, message)
        else this.#drop()
      },
    })
    const heardAtMs = clock.monotonicMs()
    const start = { delivered: 0, pulling: 0, heardAtMs, overlap, readThrough }
    const consumer: Consumer = { name, answers, generation, ...start }
    this.#consumer = consumer
    this.#pull(consumer)
  }

  #pull(consumer: Consumer): void {
    const { stream, connection, clock } = this.#options
    if (consumer.pulling > 0 || this.#queuedBytes > JOURNAL_HANDOVER_BYTES_MAX / 2) return
    consumer.pulling = PULL_FRAMES
    consumer.heardAtMs = clock.monotonicMs()
    const request = {
      batch: PULL_FRAMES,
      max_bytes: PULL_BYTES,
      expires: PULL_WAIT_MS * NANOS_PER_MS,
      idle_heartbeat: HEARTBEAT_MS * NANOS_PER_MS,
    }
    connection.client.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream.name}.${consumer.name}`, JSON.stringify(request), {
      reply: consumer.answers.getSubject(),
    })
  }

  #receive(consumer: Consumer, message: Msg): void {
    consumer.heardAtMs = this.#options.clock.monotonicMs()
    if (message.subject === consumer.answers.getSubject()) this.#receiveStatus(consumer, message)
    else this.#receiveFrame(consumer, message)
  }

  #receiveStatus(consumer: Consumer, message: Msg): void {
    const { code = 0, description = '' } = message.headers ?? {}
    if (code === 100) return
    // 408: it has waited long enough. 409: the next frame does not fit, or the consumer or its server is going.
    if (code === 408 || (code === 409 && /exceeds maxbytes|batch completed/i.test(description))) {
      consumer.pulling = 0
      this.#pull(consumer)
    } else this.#drop()
  }

  #receiveFrame(consumer: Consumer, message: Msg): void {
    const { sequence, delivered, time } = placeOf(message)
    if (delivered !== consumer.delivered + 1) {
      this.#drop()
      return
    }
    consumer.delivered = delivered
    if (--consumer.pulling === 0) this.#pull(consumer)
    const { overlap } = consumer
    consumer.overlap = undefined
    if (overlap !== undefined && sequence === overlap.sequence) {
      if (time !== overlap.time) {
        this.#drop()
        this.#options.lane.suspect(overlap)
      }
      return
    }
    if (sequence > consumer.readThrough) this.#keep(sequence, time, message.data)
  }

  #keep(sequence: number, time: bigint, data: Uint8Array): void {
    const { lane } = this.#options
    const generation = lane.generationOf(sequence)
    const frame = ownBytes(data)
    const appendedMs = Number(time / BigInt(NANOS_PER_MS))
    const got = { sequence, time, generation }
    this.#got = got
    this.#queue.push({ ...got, message: { position: { generation, sequence }, appendedMs, frame } })
    this.#queuedBytes += frame.length
    lane.read(got)
    this.#notify?.()
  }

  #look(): void {
    const consumer = this.#consumer
    if (consumer === undefined) this.#follow()
    else if (consumer.pulling > 0 && this.#options.clock.monotonicMs() - consumer.heardAtMs > SILENCE_MS_MAX)
      this.#drop()
  }

  /** Lets go of the consumer; another one begins behind the last frame that was got. */
  #drop(): void {
    const consumer = this.#consumer
    if (consumer !== undefined) {
      this.#consumer = undefined
      consumer.answers.unsubscribe()
      void this.#options.stream.dropConsumer(consumer.name)
    }
    if (!this.#isClosed && this.#looking !== undefined) this.#follow()
  }
}

/**
 * Where the consumer says that a frame stands: `$JS.ACK.<stream>.<consumer>.<tries>.<sequence>.<delivered>.<time>.<pending>`, with the domain and
 * the account behind `ACK` where the server is of a domain.
 */
function placeOf(message: Msg): { sequence: number; delivered: number; time: bigint } {
  const parts = (message.reply ?? '').split('.')
  const at = parts.length === 9 ? 5 : 7
  const [sequence, delivered, time] = [parts[at], parts[at + 1], parts[at + 2]]
  assert(time !== undefined, 'a frame comes with its place')
  return { sequence: Number(sequence), delivered: Number(delivered), time: BigInt(time) }
}

/**
 * A copy that fills its own buffer: the client's may hold other messages. A message that came in several pieces begins the buffer that the client has
 * put it together in, for it alone and up to three times its size; that is given back at once.
 */
function ownBytes(bytes: Uint8Array): Uint8Array {
  const own = ownCopy(bytes)
  if (bytes.byteOffset === 0) freeBytes(new Uint8Array(bytes.buffer))
  return own
}

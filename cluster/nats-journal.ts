import { assert, present } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import { Deadline } from '../base/deadline.ts'
import { WeirError } from '../base/errors.ts'
import type { LaneId, Position } from '../base/ids.ts'
import { JOURNAL_IN_FLIGHT_BYTES_MAX, JOURNAL_MESSAGE_BYTES_MAX } from '../base/limits.ts'
import type { Logger } from '../base/logger.ts'
import type { Journal, JournalReader, LaneState } from './journal.ts'
import { generationFrom } from './lane-entry.ts'
import type { LaneAlarm } from './lane-generation.ts'
import { NatsAppender } from './nats-appender.ts'
import type { NatsConnection } from './nats-connection.ts'
import { NatsJournalReader } from './nats-journal-reader.ts'
import { NatsLane } from './nats-lane.ts'
import { LaneStream, NATS_STALL_MS_MAX } from './nats-stream.ts'
import type { Registry } from './registry.ts'

export interface NatsJournalOptions {
  readonly connection: NatsConnection
  /** Holds the entry of each lane (J3). Not closed with the journal, as the connection is not. */
  readonly registry: Registry
  readonly clock: Clock
  readonly logger: Logger
  /** `cluster.name`: clusters of other names have other streams. */
  readonly cluster: string
  readonly laneCount: number
  /** Bytes that the stream of a lane keeps, with what NATS stores beside each frame; more is journal_full. */
  readonly bytesMax: number
  /** Copies of each stream; without it as many as there are servers, at most three. */
  readonly replicas?: number
  /** The highest sequence of a generation that is known here to be applied or published (0 for none): a stream that ends below it was restored. */
  readonly reachedOf?: (lane: LaneId, generation: number) => number
  /** Hears, in the thread that finds it, that a lane is another stream, or an older state of it, than it was. Default: a log line. */
  readonly onAlarm?: (alarm: LaneAlarm) => void
}

interface OpenLane {
  readonly lane: NatsLane
  readonly stream: LaneStream
  readonly appender: NatsAppender
}

/**
 * The journal on NATS JetStream: one stream a lane, created by the node that comes first. Open one in each thread.
 *
 * Throws invalid_config when a stream is configured otherwise, or cannot be had as asked for (J4); storage_unavailable when NATS does not answer;
 * corrupt_data.
 */
export async function openNatsJournal(options: NatsJournalOptions): Promise<Journal> {
  const { connection, laneCount } = options
  const lanes: OpenLane[] = []
  try {
    for (let lane = 0; lane < laneCount; lane++) lanes.push(await openLane(lane as LaneId, options))
    // The servers know where answers go before the first frame is sent.
    await connection.client.flush()
  } catch (error) {
    for (const open of lanes) closeLane(open)
    throw error
  }
  return new NatsJournal(options, lanes)
}

async function openLane(laneId: LaneId, options: NatsJournalOptions): Promise<OpenLane> {
  const { connection, registry, clock, logger, reachedOf = () => 0 } = options
  const onAlarm = options.onAlarm ?? ((alarm) => logger.error('a lane of the journal is not what it was', { ...alarm }))
  const stream = await LaneStream.of({ ...options, lane: laneId })
  try {
    const lane = await NatsLane.open({ lane: laneId, stream, connection, registry, clock, logger, reachedOf, onAlarm })
    return { lane, stream, appender: new NatsAppender({ laneId, lane, stream, connection, clock }) }
  } catch (error) {
    stream.close()
    throw error
  }
}

function closeLane({ lane, stream, appender }: OpenLane): void {
  appender.close()
  lane.close()
  stream.close()
}

class NatsJournal implements Journal {
  readonly #options: NatsJournalOptions
  readonly #lanes: readonly OpenLane[]
  readonly #readers = new Set<NatsJournalReader>()
  readonly #appends = new Set<Promise<unknown>>()
  #bytesInFlight = 0
  #isClosed = false

  constructor(options: NatsJournalOptions, lanes: readonly OpenLane[]) {
    this.#options = options
    this.#lanes = lanes
  }

  async append(laneId: LaneId, frameId: string, frame: Uint8Array): Promise<Position> {
    const { appender } = this.#lane(laneId)
    assert(frame.length > 0 && frame.length <= JOURNAL_MESSAGE_BYTES_MAX, 'a frame fits a journal message')
    if (this.#isClosed) throw closed()
    const bytes = frame.length
    if (this.#bytesInFlight + bytes > JOURNAL_IN_FLIGHT_BYTES_MAX) {
      throw new WeirError('overloaded', 'too many frames wait for the journal', { bytes: this.#bytesInFlight })
    }
    this.#bytesInFlight += bytes
    const append = appender.append(frameId, ownedFrame(frame))
    this.#appends.add(append)
    try {
      return await append
    } finally {
      this.#bytesInFlight -= bytes
      this.#appends.delete(append)
    }
  }

  read(laneId: LaneId, after: number, generation?: number): JournalReader {
    const { lane, stream } = this.#lane(laneId)
    assert(!this.#isClosed, 'the journal is open')
    const { connection, clock } = this.#options
    const reader: NatsJournalReader = new NatsJournalReader({
      lane,
      stream,
      connection,
      clock,
      after,
      generation: generation ?? lane.entry.generation,
      onClose: () => this.#readers.delete(reader),
    })
    this.#readers.add(reader)
    return reader
  }

  async trim(laneId: LaneId, upTo: number, generation?: number): Promise<void> {
    const { lane, stream } = this.#lane(laneId)
    assert(Number.isSafeInteger(upTo) && upTo >= 0, 'a sequence is a safe integer')
    if (this.#isClosed) throw closed()
    const expected = generation ?? lane.entry.generation
    const facts = await lane.factsOf(expected)
    if (facts === undefined) {
      const text = `lane ${laneId} is no longer known to be of generation ${expected}`
      throw new WeirError('storage_unavailable', text, { lane: laneId, generation: expected })
    }
    // A stream that is purged beyond its end would go on from there.
    const last = Math.min(upTo, facts.lastSequence)
    if (last >= facts.firstSequence) await stream.purge(last)
  }

  async state(laneId: LaneId): Promise<LaneState> {
    const { lane, stream } = this.#lane(laneId)
    const { signal, release } = new Deadline(this.#options.clock, NATS_STALL_MS_MAX).signal()
    try {
      for (;;) {
        if (this.#isClosed) throw closed()
        await lane.ready(signal)
        const facts = await stream.facts()
        const { creationId, generation } = lane.entry
        if (facts?.creationId === creationId && lane.isReady) {
          const { firstSequence, lastSequence, bytes, bytesMax } = facts
          return {
            generation,
            generationFrom: generationFrom(lane.entry),
            firstSequence,
            lastSequence,
            bytes,
            bytesMax,
          }
        }
        lane.suspect()
      }
    } catch (cause) {
      if (!signal.aborted) throw cause
      throw new WeirError('storage_unavailable', `NATS does not tell the state of lane ${laneId}`, {}, { cause })
    } finally {
      release()
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const reader of [...this.#readers]) await reader.close()
    await Promise.allSettled(this.#appends)
    for (const open of this.#lanes) closeLane(open)
  }

  #lane(laneId: LaneId): OpenLane {
    return present(this.#lanes[laneId], 'the lane')
  }
}

/** `frame` itself when it is the sole content of its buffer, and so ours; else a copy, since whoever has the buffer may change it. */
function ownedFrame(frame: Uint8Array): Uint8Array {
  const { buffer } = frame
  return buffer instanceof ArrayBuffer && buffer.byteLength === frame.length ? frame : frame.slice()
}

function closed(): WeirError {
  return new WeirError('storage_unavailable', 'the journal is closed')
}

import {
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamManager,
  jetstreamManager,
  RetentionPolicy,
  type StorageType,
  StoreCompression,
  type StreamConfig,
  type StreamInfo,
} from '@nats-io/jetstream'
import { assert } from '../base/assert.ts'
import { Backoff } from '../base/backoff.ts'
import type { Clock } from '../base/clock.ts'
import { Deadline } from '../base/deadline.ts'
import { WeirError } from '../base/errors.ts'
import type { LaneId } from '../base/ids.ts'
import type { NatsConnection } from './nats-connection.ts'
import { StreamElections } from './nats-elections.ts'
import { laneStreamName, laneSubject } from './subjects.ts'

/** C8: how long NATS may take before a call is given up. */
export const NATS_STALL_MS_MAX = 20_000
/** One request to JetStream; behind it is an election, or a server that is gone. */
const REQUEST_MS_MAX = 3000
const RETRY = { firstMs: 50, maxMs: 500, factor: 2 }
const REPLICAS_MAX = 3
/** D2: resends come within NATS_STALL_MS_MAX. */
const DUPLICATE_WINDOW_MS = 120_000
/** An abandoned consumer is removed by the server after this long without a pull. */
const CONSUMER_IDLE_MS_MAX = 60_000
const NANOS_PER_MS = 1_000_000

/** JetStream's own numbers of errors. */
const STREAM_NOT_FOUND = 10_059
const STREAM_NAME_IN_USE = 10_058
const NO_SUITABLE_PEERS = 10_005
const STORAGE_SHORT = [10_023, 10_047]
const REFUSED_FOR_GOOD = [
  10_065, // its subject is another stream's
  10_074, // replicas without a cluster
]

export interface LaneStreamOptions {
  readonly connection: NatsConnection
  readonly clock: Clock
  /** `cluster.name`. */
  readonly cluster: string
  readonly lane: LaneId
  readonly laneCount: number
  readonly bytesMax: number
  /** `nats.replicas`; without it as many as there are servers, at most three. */
  readonly replicas?: number
}

/** A frame as a server has it. */
export interface StoredFrame {
  readonly sequence: number
  /** Of its append, nanoseconds since the epoch. */
  readonly time: bigint
  readonly data: Uint8Array
}

export interface StreamFacts {
  /** Names this stream among all that ever had its name: its time of creation, to the nanosecond. */
  readonly creationId: string
  readonly createdMs: number
  /** Oldest kept; last + 1 when empty. */
  readonly firstSequence: number
  readonly lastSequence: number
  readonly bytes: number
  readonly bytesMax: number
}

/**
 * The stream of one lane. Calls go on through elections and lost connections for NATS_STALL_MS_MAX, then throw
 * storage_unavailable.
 */
export class LaneStream {
  readonly name: string
  readonly subject: string
  readonly elections: StreamElections
  readonly #options: LaneStreamOptions
  readonly #manager: JetStreamManager

  private constructor(options: LaneStreamOptions, manager: JetStreamManager) {
    const { cluster, lane } = options
    this.name = laneStreamName(cluster, lane)
    this.subject = laneSubject(cluster, lane)
    this.elections = new StreamElections(options.connection, this.name)
    this.#options = options
    this.#manager = manager
  }

  static async of(options: LaneStreamOptions): Promise<LaneStream> {
    const { client } = options.connection
    return new LaneStream(options, await jetstreamManager(client, { checkAPI: false, timeout: REQUEST_MS_MAX }))
  }

  /**
   * Creates the stream where there is none, else compares it with what is asked for (J4). Throws invalid_config, with the names of what
   * differs or cannot be had.
   */
  async ensure(): Promise<StreamFacts> {
    const info = await this.#retry('creating the stream', async () => {
      try {
        return await this.#manager.streams.info(this.name)
      } catch (error) {
        if (apiCode(error) !== STREAM_NOT_FOUND) throw error
      }
      try {
        return await this.#manager.streams.add(this.#wanted())
      } catch (error) {
        if (apiCode(error) === STREAM_NAME_IN_USE) return await this.#manager.streams.info(this.name)
        throw error
      }
    })
    const differing = differences(info.config, this.#wanted(), this.#options.replicas !== undefined)
    if (differing.length > 0) {
      const text = `the NATS stream ${this.name} is configured otherwise: ${differing.join(', ')}`
      throw new WeirError('invalid_config', text, { stream: this.name, differing: differing.join(', ') })
    }
    return factsOf(info)
  }

  /** Undefined when there is no such stream. */
  facts(): Promise<StreamFacts | undefined> {
    return this.#retry('asking for the state of the stream', async () => {
      try {
        return factsOf(await this.elections.unlessElected(this.#manager.streams.info(this.name)))
      } catch (error) {
        if (apiCode(error) === STREAM_NOT_FOUND) return undefined
        throw error
      }
    })
  }

  /** When a frame was appended, nanoseconds since the epoch; undefined when the server that was asked does not have it. */
  async timeOf(sequence: number): Promise<bigint | undefined> {
    const message = await this.#retry('reading a frame', () =>
      this.elections.unlessElected(this.#manager.direct.getMessage(this.name, { seq: sequence })),
    )
    return message === null ? undefined : nanosOf(message.timestamp)
  }

  /** The first frame from a sequence on, as some server has it, which may be behind; undefined when it has none. Asked once: rejects when nobody answers. */
  async frameFrom(sequence: number): Promise<StoredFrame | undefined> {
    const query = { next_by_subj: this.subject, seq: sequence }
    const message = await this.elections.unlessElected(this.#manager.direct.getMessage(this.name, query))
    if (message === null) return undefined
    return { sequence: message.seq, time: nanosOf(message.timestamp), data: message.data }
  }

  /** The first frame appended later than `time`, nanoseconds since the epoch; undefined when there is none. */
  async firstLaterThan(time: bigint): Promise<number | undefined> {
    const at = isoOf(time + 1n)
    return this.#retry('looking for a frame', async () => {
      const info = await this.#manager.consumers.add(this.name, {
        ...ephemeral(),
        deliver_policy: DeliverPolicy.StartTime,
        opt_start_time: at,
        headers_only: true,
      })
      const consumer = this.#manager.jetstream().consumers.getConsumerFromInfo(info)
      const message = await consumer.next({ expires: REQUEST_MS_MAX })
      await this.dropConsumer(info.name)
      return message?.seq
    })
  }

  /** Removes the frames up to and including `upTo`. */
  async purge(upTo: number): Promise<void> {
    assert(Number.isSafeInteger(upTo) && upTo > 0, 'a sequence is a safe integer')
    await this.#retry('trimming the stream', () => this.#manager.streams.purge(this.name, { seq: upTo + 1 }))
  }

  /** Makes a consumer that reads from a sequence on; its name. It goes by itself when nobody pulls. */
  async addConsumer(sequence: number): Promise<string> {
    const info = await this.#retry('creating a consumer', () =>
      this.#manager.consumers.add(this.name, {
        ...ephemeral(),
        deliver_policy: DeliverPolicy.StartSequence,
        opt_start_seq: sequence,
      }),
    )
    return info.name
  }

  /** Does not reject: one that stays goes by itself. */
  async dropConsumer(name: string): Promise<void> {
    if (this.#options.connection.isConnected) await this.#manager.consumers.delete(this.name, name).catch(() => false)
  }

  close(): void {
    this.elections.close()
  }

  #wanted(): WantedConfig {
    const { bytesMax, laneCount, connection, replicas } = this.#options
    return {
      name: this.name,
      subjects: [this.subject],
      retention: RetentionPolicy.Limits,
      storage: 'file' as StorageType,
      // J4: an acknowledged frame goes by a trim only.
      discard: DiscardPolicy.New,
      discard_new_per_subject: false,
      max_age: 0,
      max_bytes: bytesMax,
      max_msgs: -1,
      max_msgs_per_subject: -1,
      max_msg_size: -1,
      num_replicas: replicas ?? Math.min(REPLICAS_MAX, connection.serverCount),
      duplicate_window: DUPLICATE_WINDOW_MS * NANOS_PER_MS,
      allow_direct: true,
      deny_delete: true,
      deny_purge: false,
      allow_rollup_hdrs: false,
      // Frames are compressed already, section by section.
      compression: StoreCompression.None,
      // J1
      metadata: { weirLanes: `${laneCount}` },
    }
  }

  async #retry<T>(what: string, run: () => Promise<T>): Promise<T> {
    const { clock, lane } = this.#options
    const deadline = new Deadline(clock, NATS_STALL_MS_MAX)
    const backoff = new Backoff(clock, RETRY)
    for (;;) {
      try {
        return await run()
      } catch (cause) {
        if (cause instanceof WeirError) throw cause
        const code = apiCode(cause)
        const reason = cause instanceof Error ? cause.message : String(cause)
        if (code !== undefined && REFUSED_FOR_GOOD.includes(code)) {
          throw new WeirError('invalid_config', `${what} failed: ${reason}`, { lane }, { cause })
        }
        if (deadline.passed || this.#options.connection.isClosed) throw this.#gaveUp(what, reason, code, cause)
        await clock.sleep(backoff.nextMs())
      }
    }
  }

  #gaveUp(what: string, reason: string, code: number | undefined, cause: unknown): WeirError {
    const { lane, bytesMax, connection, replicas } = this.#options
    if (code !== undefined && STORAGE_SHORT.includes(code)) {
      const text = `NATS has no room for a stream of ${bytesMax} bytes (journal.bytesMax): ${reason}`
      return new WeirError('invalid_config', text, { lane, bytesMax }, { cause })
    }
    const count = replicas ?? Math.min(REPLICAS_MAX, connection.serverCount)
    const servers = code === NO_SUITABLE_PEERS ? `; ${count} NATS servers with JetStream are needed` : ''
    return new WeirError('storage_unavailable', `${what} failed: ${reason}${servers}`, { lane }, { cause })
  }
}

type WantedConfig = Partial<StreamConfig> & Pick<StreamConfig, 'name'>

/** Names of settings, with what they are and should be. More replicas than derived are fine; those asked for are exact. */
function differences(actual: StreamConfig, wanted: WantedConfig, areReplicasAsked: boolean): string[] {
  return Object.entries(wanted).flatMap(([name, value]) => {
    const found: unknown = Reflect.get(actual, name)
    if (name === 'num_replicas' && !areReplicasAsked && Number(found) >= Number(value)) return []
    if (name === 'metadata') {
      const { weirLanes } = (found ?? {}) as Record<string, string>
      const expected = (value as Record<string, string>).weirLanes
      return weirLanes === expected ? [] : [`metadata.weirLanes is ${weirLanes}, not ${expected} (journal.lanes)`]
    }
    // What is off may be left out.
    const isSame = JSON.stringify(found) === JSON.stringify(value) || (found === undefined && value === false)
    return isSame ? [] : [`${name} is ${JSON.stringify(found)}, not ${JSON.stringify(value)}`]
  })
}

function factsOf({ created, state, config }: StreamInfo): StreamFacts {
  const lastSequence = state.last_seq
  return {
    creationId: created,
    createdMs: Number(nanosOf(created) / BigInt(NANOS_PER_MS)),
    firstSequence: state.messages === 0 ? lastSequence + 1 : state.first_seq,
    lastSequence,
    bytes: state.bytes,
    bytesMax: config.max_bytes,
  }
}

/** Of consumers that live as long as their reader: nothing of them is replicated or written down. */
function ephemeral() {
  return {
    ack_policy: 'none' as const,
    mem_storage: true,
    num_replicas: 1,
    inactive_threshold: CONSUMER_IDLE_MS_MAX * NANOS_PER_MS,
  }
}

function apiCode(error: unknown): number | undefined {
  return error instanceof JetStreamApiError ? error.code : undefined
}

/** Nanoseconds since the epoch of an RFC 3339 time in UTC, with up to nine digits behind the point. */
function nanosOf(time: string): bigint {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|\+00:00)$/.exec(time)
  if (match === null) throw new WeirError('corrupt_data', `${time} is not a time in UTC`)
  return BigInt(Date.parse(`${match[1]}Z`)) * 1_000_000n + BigInt((match[2] ?? '').padEnd(9, '0'))
}

function isoOf(nanos: bigint): string {
  const seconds = new Date(Number(nanos / 1_000_000_000n) * 1000).toISOString().slice(0, 19)
  return `${seconds}.${(nanos % 1_000_000_000n).toString().padStart(9, '0')}Z`
}

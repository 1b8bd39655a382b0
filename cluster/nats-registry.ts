import {
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  type StoredMsg,
} from '@nats-io/jetstream'
import { assert } from '../base/assert.ts'
import { Backoff } from '../base/backoff.ts'
import type { Clock } from '../base/clock.ts'
import { Deadline } from '../base/deadline.ts'
import { WeirError } from '../base/errors.ts'
import {
  REGISTRY_ATTEMPT_MS,
  REGISTRY_DEDUPE_MS,
  REGISTRY_UNANSWERED_MAX,
  REGISTRY_VALUE_BYTES_MAX,
  REGISTRY_WAIT_MS,
} from '../base/limits.ts'
import type { Logger } from '../base/logger.ts'
import { isDeletion, leaderInfo, NatsBucket, openBucket, writeHeaders, writeIdOf } from './nats-bucket.ts'
import { BucketFollower } from './nats-bucket-follower.ts'
import type { NatsConnection } from './nats-connection.ts'
import { StreamElections } from './nats-elections.ts'
import { unlessAborted, untilConnected } from './nats-wait.ts'
import type { Registry, RegistryChange, RegistryEntry } from './registry.ts'

export interface NatsRegistryOptions {
  readonly connection: NatsConnection
  /** Letters, digits, `_`, `-`. */
  readonly cluster: string
  /** Servers that hold each entry: min(3, servers). */
  readonly replicas: number
  readonly clock: Clock
  readonly logger: Logger
  /** How long a call is tried; REGISTRY_WAIT_MS unless told. */
  readonly waitMs?: number
}

/**
 * The registry of a cluster: a bucket of JetStream KV, `weir-<cluster>`. Finds it or makes it. Throws invalid_config when it exists and is set up
 * otherwise, storage_unavailable.
 */
export async function openNatsRegistry(options: NatsRegistryOptions): Promise<Registry> {
  const manager = await jetstreamManager(options.connection.client, { checkAPI: false, timeout: REGISTRY_ATTEMPT_MS })
  const registry = new NatsRegistry(options, manager)
  try {
    await registry.open()
  } catch (error) {
    await registry.close()
    throw error
  }
  return registry
}

const RETRY = { firstMs: 20, maxMs: 500, factor: 2 }
/** Wrong last sequence of the subject; the second says it without the number. */
const CONFLICTS: readonly number[] = [10071, 10164]
/** No suitable peers (yet), a repeat that overtook its first, and no such stream: not every server hears at once that it was made. */
const PASSING: readonly number[] = [10005, 10158, 10059]
const STATUS_UNAVAILABLE = 503

/** A change of one key, sent under one id however often it is repeated. */
interface Write {
  readonly id: string
  readonly key: string
  /** Undefined: a deletion. */
  readonly value: Uint8Array | undefined
  readonly expected: number
  readonly sinceMs: number
  /** It was sent, and may have been made: no answer has come. */
  isUnanswered: boolean
}

interface Stored {
  readonly revision: number
  readonly writeId: string | undefined
  readonly value: Uint8Array | undefined
}

/**
 * A revision is the sequence of a key's last message in the bucket's stream. Writes are compared by the leader of the stream and acknowledged by a majority of
 * its replicas; `get` reads from the leader, which must have a majority. `list` and `watch` come from a copy in memory that has caught up with
 * the leader.
 *
 * Each call is tried until `waitMs` has passed: the death of a server costs elections. A write is repeated under its first id, which JetStream
 * takes once; when no answer comes at all, storage_unavailable leaves open whether it was made, and the next `get` of the key first
 * repeats the write, so that what it then reads is final: a message of the write that still is under way anywhere can do nothing more.
 */
class NatsRegistry implements Registry {
  readonly #options: NatsRegistryOptions
  readonly #bucket: NatsBucket
  readonly #manager: JetStreamManager
  readonly #jetstream: JetStreamClient
  readonly #elections: StreamElections
  readonly #closing = new AbortController()
  readonly #watches = new Set<{ readonly prefix: string; readonly onChange: (change: RegistryChange) => void }>()
  /** Writes without an answer, by key, oldest first. */
  readonly #unanswered = new Map<string, Write>()
  #follower: BucketFollower | undefined

  constructor(options: NatsRegistryOptions, manager: JetStreamManager) {
    this.#options = options
    this.#bucket = new NatsBucket(options.cluster)
    this.#manager = manager
    this.#jetstream = jetstream(options.connection.client)
    this.#elections = new StreamElections(options.connection, this.#bucket.stream)
  }

  async open(): Promise<void> {
    await this.#persist('opening it', () => openBucket(this.#manager, this.#bucket, this.#options.replicas))
  }

  async get(key: string): Promise<RegistryEntry | undefined> {
    await this.#settle(key)
    const stored = await this.#persist(`reading ${key}`, async () => {
      const asked = Promise.all([this.#last(key), leaderInfo(this.#manager, this.#bucket)])
      return (await this.#elections.unlessElected(asked))[0]
    })
    if (stored?.value === undefined) return undefined
    return { key, value: stored.value, revision: stored.revision }
  }

  async put(key: string, value: Uint8Array, expected: number): Promise<number> {
    assert(value.length <= REGISTRY_VALUE_BYTES_MAX, 'a registry value is at most 1 MiB')
    return this.#write(key, value.slice(), expected)
  }

  async delete(key: string, expected: number): Promise<void> {
    assert(expected > 0, 'only what is there is deleted')
    await this.#write(key, undefined, expected)
  }

  async list(prefix: string): Promise<readonly RegistryEntry[]> {
    const { entries } = await this.#current()
    return under(entries, prefix)
  }

  async watch(prefix: string, onChange: (change: RegistryChange) => void): Promise<() => void> {
    const { entries } = await this.#current()
    // From here to the end in one turn, so that no change falls between.
    for (const entry of under(entries, prefix)) onChange(entry)
    const watch = { prefix, onChange }
    this.#watches.add(watch)
    return () => this.#watches.delete(watch)
  }

  async close(): Promise<void> {
    this.#closing.abort(new WeirError('storage_unavailable', 'the registry is closed'))
    this.#watches.clear()
    this.#elections.close()
    this.#follower?.close()
  }

  async #write(key: string, value: Uint8Array | undefined, expected: number): Promise<number> {
    const { clock } = this.#options
    const id = Buffer.from(clock.randomBytes(16)).toString('base64url')
    const write: Write = { id, key, value, expected, sinceMs: clock.monotonicMs(), isUnanswered: false }
    try {
      const revision = await this.#send(write)
      this.#unanswered.delete(key)
      return revision
    } catch (error) {
      if (write.isUnanswered && !isConflict(error)) this.#remember(write)
      throw error
    }
  }

  #remember(write: Write): void {
    this.#unanswered.delete(write.key)
    this.#unanswered.set(write.key, write)
    const [oldest] = this.#unanswered.keys()
    if (this.#unanswered.size > REGISTRY_UNANSWERED_MAX) this.#unanswered.delete(oldest!)
  }

  /** Brings the unanswered write of a key to its end, made or refused. Later than JetStream knows its id, reading must do. */
  async #settle(key: string): Promise<void> {
    const write = this.#unanswered.get(key)
    if (write === undefined) return
    if (this.#options.clock.monotonicMs() - write.sinceMs < REGISTRY_DEDUPE_MS / 2) {
      await this.#send(write).catch((error: unknown) => {
        if (!isConflict(error)) throw error
      })
    }
    if (this.#unanswered.get(key) === write) this.#unanswered.delete(key)
  }

  #send(write: Write): Promise<number> {
    const { key, id, expected } = write
    const subject = this.#bucket.subjectOf(key)
    const options = { headers: writeHeaders(id, write.value === undefined), timeout: REGISTRY_ATTEMPT_MS }
    let last = expected
    return this.#persist(`writing ${key}`, async () => {
      for (;;) {
        const wasUnanswered = write.isUnanswered
        write.isUnanswered = true
        try {
          const expect = { lastSubjectSequence: last }
          return (await this.#jetstream.publish(subject, write.value ?? new Uint8Array(), { ...options, expect })).seq
        } catch (error) {
          if (!(error instanceof JetStreamApiError)) throw error
          write.isUnanswered = wasUnanswered
          if (!CONFLICTS.includes(error.code)) throw error
        }
        const stored = await this.#last(key)
        // An earlier attempt was made, and its id is known no more.
        if (stored?.writeId === id) return stored.revision
        const current = stored?.value === undefined ? 0 : stored.revision
        if (current !== expected) {
          const details = { key, current, expected }
          throw new WeirError('revision_conflict', `${key} has revision ${current}, not ${expected}`, details)
        }
        const place = stored?.revision ?? 0
        // Another write, or an earlier attempt of this one, has been taken by the leader and may yet be made.
        if (place === last) throw new Error('a write of the key is under way')
        // A deleted key counts as absent. Not for an attempt that may have been made and deleted since.
        if (wasUnanswered) {
          throw new WeirError('revision_conflict', `${key} was deleted meanwhile`, { key, current, expected })
        }
        last = place
      }
    })
  }

  async #last(key: string): Promise<Stored | undefined> {
    const request = { last_by_subj: this.#bucket.subjectOf(key) }
    const message: StoredMsg | null = await this.#manager.streams.getMessage(this.#bucket.stream, request)
    if (message === null) return undefined
    const { seq: revision, header, data } = message
    return { revision, writeId: writeIdOf(header), value: isDeletion(header) ? undefined : data }
  }

  /** The copy, with every write that was acknowledged before the call. */
  async #current(): Promise<BucketFollower> {
    const { connection, clock, logger } = this.#options
    const state = await this.#persist('reading it', () =>
      this.#elections.unlessElected(leaderInfo(this.#manager, this.#bucket)),
    )
    this.#follower ??= new BucketFollower({
      connection,
      manager: this.#manager,
      bucket: this.#bucket,
      clock,
      logger,
      onChange: (change) => this.#tell(change),
    })
    const follower = this.#follower
    const limit = this.#deadline().signal(this.#closing.signal)
    try {
      await follower.reached(state, limit.signal)
    } catch (cause) {
      throw this.#closing.signal.aborted ? cause : unavailable('reading it', cause)
    } finally {
      limit.release()
    }
    return follower
  }

  #tell(change: RegistryChange): void {
    for (const watch of [...this.#watches]) {
      if (!change.key.startsWith(watch.prefix) || !this.#watches.has(watch)) continue
      try {
        watch.onChange({ ...change, value: change.value?.slice() })
      } catch (error) {
        // A defect of the watcher's: it must not end the reading of the connection.
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }

  /** Tries until it works, or is refused for good; storage_unavailable when the time is over. The only retry of this adapter. */
  async #persist<T>(what: string, attempt: () => Promise<T>): Promise<T> {
    const { connection, clock } = this.#options
    const { signal: closing } = this.#closing
    closing.throwIfAborted()
    const backoff = new Backoff(clock, RETRY)
    const deadline = this.#deadline()
    const limit = deadline.signal(closing)
    let failure: unknown
    try {
      for (;;) {
        await untilConnected(connection, limit.signal)
        try {
          return await unlessAborted(attempt(), limit.signal)
        } catch (error) {
          if (limit.signal.aborted) throw error
          if (!isPassing(error)) throw error instanceof WeirError ? error : unavailable(what, error)
          failure = error
        }
        await clock.sleep(backoff.nextMs(), limit.signal)
      }
    } catch (error) {
      if (!limit.signal.aborted || closing.aborted || error !== limit.signal.reason) throw error
      throw unavailable(what, failure ?? error)
    } finally {
      limit.release()
    }
  }

  #deadline(): Deadline {
    return new Deadline(this.#options.clock, this.#options.waitMs ?? REGISTRY_WAIT_MS)
  }
}

function under(entries: ReadonlyMap<string, RegistryEntry>, prefix: string): RegistryEntry[] {
  const found = [...entries.values()].filter(({ key }) => key.startsWith(prefix))
  return found.sort((a, b) => (a.key < b.key ? -1 : 1)).map((entry) => ({ ...entry, value: entry.value.slice() }))
}

function isConflict(error: unknown): boolean {
  return error instanceof WeirError && error.code === 'revision_conflict'
}

/** True when another attempt may go better: nobody answered, or there is no leader. */
function isPassing(error: unknown): boolean {
  if (error instanceof WeirError) return false
  return !(error instanceof JetStreamApiError) || error.status === STATUS_UNAVAILABLE || PASSING.includes(error.code)
}

function unavailable(what: string, cause: unknown): WeirError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new WeirError('storage_unavailable', `the registry does not answer: ${what} (${reason})`, {}, { cause })
}

import {
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
  type StreamUpdateConfig,
} from '@nats-io/jetstream'
import { headers, type MsgHdrs, nanos } from 'nats'
import { assert } from '../base/assert.ts'
import { WeirError } from '../base/errors.ts'
import { REGISTRY_DEDUPE_MS, REGISTRY_KEY_BYTES_MAX } from '../base/limits.ts'

/** Less than the 4 s after which a follower that hears nothing of its leader calls an election. */
const FOLLOWER_SILENCE_MS_MAX = 3000
const STREAM_NOT_FOUND = 10059
const NAME_PATTERN = /^[a-zA-Z0-9_-]{1,64}$/
const OPERATION = 'KV-Operation'
const DELETION = 'DEL'
const WRITE_ID = 'Nats-Msg-Id'

/**
 * Names of a bucket of JetStream KV, whose layout the registry keeps, so that its tools can read it: one stream, a subject a key, of which
 * only the last message is kept; a message with a `KV-Operation` is a deletion. (docs/formats.md)
 */
export class NatsBucket {
  readonly name: string
  readonly stream: string
  readonly subjects: string
  readonly #prefix: string

  constructor(cluster: string) {
    assert(NAME_PATTERN.test(cluster), 'a cluster has a name of letters, digits, _ and -')
    this.name = `weir-${cluster}`
    this.stream = `KV_${this.name}`
    this.#prefix = `$KV.${this.name}.`
    this.subjects = `${this.#prefix}>`
  }

  subjectOf(key: string): string {
    return this.#prefix + escapeKey(key)
  }

  /** Undefined for a subject that no key of ours has. */
  keyOf(subject: string): string | undefined {
    return subject.startsWith(this.#prefix) ? unescapeKey(subject.slice(this.#prefix.length)) : undefined
  }
}

/** Letters, digits, `_`, `/` and `-` stand for themselves; every other byte of the key in UTF-8 is `=` and two hexadecimal digits. */
function escapeKey(key: string): string {
  const bytes = Buffer.from(key, 'utf8')
  assert(
    bytes.length > 0 && bytes.length <= REGISTRY_KEY_BYTES_MAX,
    'a registry key has 1 to REGISTRY_KEY_BYTES_MAX bytes',
  )
  let text = ''
  for (const byte of bytes) {
    const char = String.fromCharCode(byte)
    text += /[a-zA-Z0-9_/-]/.test(char) ? char : `=${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return text
}

/** The inverse of `escapeKey`; undefined for what it never gives. */
function unescapeKey(text: string): string | undefined {
  if (!/^(?:[a-zA-Z0-9_/-]|=[0-9A-F]{2})+$/.test(text)) return undefined
  const bytes = text
    .match(/=..|[^=]/g)!
    .map((part) => (part.length === 1 ? part.charCodeAt(0) : Number.parseInt(part.slice(1), 16)))
  const key = Buffer.from(bytes).toString('utf8')
  return bytes.length <= REGISTRY_KEY_BYTES_MAX && escapeKey(key) === text ? key : undefined
}

/** Headers of one write. `id` tells its repeats, and its own message when it is found stored. */
export function writeHeaders(id: string, isDeletion: boolean): MsgHdrs {
  const made = headers()
  made.set(WRITE_ID, id)
  if (isDeletion) made.set(OPERATION, DELETION)
  return made
}

export function writeIdOf(stored: MsgHdrs | undefined): string | undefined {
  return stored?.get(WRITE_ID)
}

export function isDeletion(stored: MsgHdrs | undefined): boolean {
  return stored?.has(OPERATION) === true
}

/**
 * Finds the bucket or makes it. Throws invalid_config when it is set up otherwise than the registry needs: a server drops settings that it
 * does not know, and a bucket that forgets, or answers from a replica that is behind, breaks C2. A bucket with fewer replicas gets more.
 */
export async function openBucket(manager: JetStreamManager, bucket: NatsBucket, replicas: number): Promise<void> {
  const wanted = bucketConfig(bucket, replicas)
  let found = await bucketInfo(manager, bucket, wanted)
  if (found.config.num_replicas < replicas) {
    found = await manager.streams.update(bucket.stream, { num_replicas: replicas } as StreamUpdateConfig)
  }
  const config = found.config as unknown as Record<string, unknown>
  for (const [setting, value] of Object.entries(wanted)) {
    const is = config[setting]
    if (setting === 'num_replicas' || JSON.stringify(is) === JSON.stringify(value)) continue
    const text = `the bucket ${bucket.name} has ${setting} ${JSON.stringify(is)}, not ${JSON.stringify(value)}`
    throw new WeirError('invalid_config', text, { stream: bucket.stream, setting })
  }
}

/**
 * What the leader of the stream says of it. Throws an Error when the leader has not heard from a majority lately: there may be another by
 * now, as NATS lets a leader without followers go on for ten seconds.
 */
export async function leaderInfo(manager: JetStreamManager, bucket: NatsBucket): Promise<StreamInfo> {
  const info = await manager.streams.info(bucket.stream)
  const replicas = info.cluster?.replicas ?? []
  const heard = replicas.filter(({ active }) => active < nanos(FOLLOWER_SILENCE_MS_MAX))
  if ((heard.length + 1) * 2 <= replicas.length + 1) throw new Error('the leader of the stream has no majority')
  return info
}

async function bucketInfo(
  manager: JetStreamManager,
  bucket: NatsBucket,
  wanted: Partial<StreamConfig> & { name: string },
): Promise<StreamInfo> {
  try {
    return await manager.streams.info(bucket.stream)
  } catch (error) {
    if (!(error instanceof JetStreamApiError && error.code === STREAM_NOT_FOUND)) throw error
    // Nodes that start together all make it, alike.
    return manager.streams.add({ ...wanted })
  }
}

function bucketConfig(bucket: NatsBucket, replicas: number) {
  return {
    name: bucket.stream,
    subjects: [bucket.subjects],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    num_replicas: replicas,
    max_msgs_per_subject: 1,
    max_age: 0,
    max_msgs: -1,
    discard: DiscardPolicy.New,
    // Reads go through the leader of the stream.
    allow_direct: false,
    // So that the newest message is there, and who has taken it has taken all (nats-bucket-follower.ts).
    deny_delete: true,
    deny_purge: true,
    allow_rollup_hdrs: false,
    duplicate_window: nanos(REGISTRY_DEDUPE_MS),
  } satisfies Partial<StreamConfig>
}

import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { open, type RootDatabase } from 'lmdb'
import { assert } from '../base/assert.ts'
import { causeOfFailedCommit, diskError } from '../base/disk-error.ts'
import { errorToWire, WeirError } from '../base/errors.ts'
import { REGISTRY_KEY_BYTES_MAX, REGISTRY_VALUE_BYTES_MAX } from '../base/limits.ts'
import { makeDurableDirectory, syncDirectory } from '../base/sync-directory.ts'
import type { RegistryCall, RegistryReply } from './lmdb-registry-remote.ts'
import type { Registry, RegistryChange, RegistryEntry } from './registry.ts'

/**
 * The registry of a node without JetStream: LMDB in one directory, owned by one thread, which compares, commits with a sync, and only
 * then answers and tells the watchers. So a write is linearizable across all threads: the others come through a port
 * (lmdb-registry-remote.ts). All entries are also in memory; there are few.
 */
export interface LmdbRegistryHost extends Registry {
  /** A new share, for one remote registry; put its port into the transfer list. */
  share(): LmdbRegistryShared
}

export interface LmdbRegistryShared {
  readonly port: MessagePort
}

/** Opens the registry in a directory, creating it when absent. Throws storage_unavailable. */
export async function createLmdbRegistry(options: { readonly directory: string }): Promise<LmdbRegistryHost> {
  const { directory } = options
  try {
    makeDurableDirectory(directory)
    const db = open<Uint8Array, Uint8Array>({
      path: directory,
      encoding: 'binary',
      keyEncoding: 'binary',
      compression: false,
      overlappingSync: false,
      // Its batches would reject a promise of their own, which nobody can handle, when a commit fails.
      eventTurnBatching: false,
      mapSize: MAP_BYTES,
    })
    syncDirectory(directory)
    return new LmdbRegistry(db)
  } catch (error) {
    throw diskError(error, `opening the registry in ${directory}`)
  }
}

const MAP_BYTES = 4 * 2 ** 30
/** Key of the newest revision; every write of any key takes the next, so a key that is deleted and made again goes on rising. */
const REVISION_KEY = Uint8Array.of(0)
const ENTRY_KIND = 1
const REVISION_BYTES = 8

interface Watch {
  readonly prefix: string
  readonly onChange: (change: RegistryChange) => void
}

class LmdbRegistry implements LmdbRegistryHost {
  readonly #db: RootDatabase<Uint8Array, Uint8Array>
  /** What is committed. */
  readonly #entries = new Map<string, RegistryEntry>()
  readonly #watches = new Set<Watch>()
  readonly #ports = new Set<MessagePort>()
  #revision = 0
  /** Writes run one after another; never rejects. */
  #writing: Promise<unknown> = Promise.resolve()
  #isClosed = false

  constructor(db: RootDatabase<Uint8Array, Uint8Array>) {
    this.#db = db
    for (const { key, value } of db.getRange({
      start: Uint8Array.of(ENTRY_KIND),
      end: Uint8Array.of(ENTRY_KIND + 1),
    })) {
      const entry = decodeEntry(key, value)
      this.#entries.set(entry.key, entry)
    }
    const revision = db.getBinary(REVISION_KEY)
    if (revision !== undefined) this.#revision = float64(revision)
  }

  async get(key: string): Promise<RegistryEntry | undefined> {
    this.#checkOpen()
    const entry = this.#entries.get(key)
    return entry === undefined ? undefined : copyOf(entry)
  }

  async put(key: string, value: Uint8Array, expected: number): Promise<number> {
    assert(value.length <= REGISTRY_VALUE_BYTES_MAX, 'a registry value is at most 1 MiB')
    const kept = value.slice()
    return this.#write(key, expected, kept)
  }

  async delete(key: string, expected: number): Promise<void> {
    assert(expected > 0, 'only what is there is deleted')
    await this.#write(key, expected, undefined)
  }

  async list(prefix: string): Promise<readonly RegistryEntry[]> {
    this.#checkOpen()
    return this.#under(prefix).map(copyOf)
  }

  async watch(prefix: string, onChange: (change: RegistryChange) => void): Promise<() => void> {
    this.#checkOpen()
    const watch = { prefix, onChange }
    for (const entry of this.#under(prefix)) onChange(copyOf(entry))
    this.#watches.add(watch)
    return () => this.#watches.delete(watch)
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#writing
    this.#watches.clear()
    for (const port of this.#ports) port.close()
    await this.#db.close()
  }

  share(): LmdbRegistryShared {
    this.#checkOpen()
    const { port1, port2 } = new MessageChannel()
    const watches = new Map<number, () => void>()
    this.#ports.add(port1)
    port1.on('message', (call: RegistryCall) => void this.#answer(port1, watches, call))
    port1.on('close', () => {
      for (const end of watches.values()) end()
      this.#ports.delete(port1)
    })
    // A share that nobody uses must not keep the process alive.
    port1.unref()
    return { port: port2 }
  }

  async #answer(port: MessagePort, watches: Map<number, () => void>, call: RegistryCall): Promise<void> {
    const reply = (message: RegistryReply): void => port.postMessage(message)
    const { id } = call
    try {
      switch (call.kind) {
        case 'get':
          return reply({ kind: 'result', id, result: await this.get(call.key) })
        case 'put':
          return reply({ kind: 'result', id, result: await this.put(call.key, call.value, call.expected) })
        case 'delete':
          await this.delete(call.key, call.expected)
          return reply({ kind: 'result', id, result: undefined })
        case 'list':
          return reply({ kind: 'result', id, result: await this.list(call.prefix) })
        case 'watch':
          watches.set(id, await this.watch(call.prefix, (change) => reply({ kind: 'change', id, change })))
          return reply({ kind: 'result', id, result: undefined })
        case 'unwatch':
          watches.get(id)?.()
          watches.delete(id)
          return
      }
    } catch (error) {
      reply({ kind: 'error', id, error: errorToWire(error) })
    }
  }

  /** Compares, commits, then shows: nobody sees a write that could still fail. */
  #write(key: string, expected: number, value: Uint8Array | undefined): Promise<number> {
    this.#checkOpen()
    const dbKey = entryKey(key)
    const done = this.#writing.then(async () => {
      const current = this.#entries.get(key)?.revision ?? 0
      if (current !== expected) {
        throw new WeirError('revision_conflict', `${key} has revision ${current}, not ${expected}`, {
          current,
          expected,
        })
      }
      const revision = this.#revision + 1
      await this.#commit(dbKey, revision, value)
      this.#revision = revision
      if (value === undefined) this.#entries.delete(key)
      else this.#entries.set(key, { key, value, revision })
      for (const watch of [...this.#watches]) {
        // One may end another.
        if (!key.startsWith(watch.prefix) || !this.#watches.has(watch)) continue
        watch.onChange({ key, value: value?.slice(), revision })
      }
      return revision
    })
    this.#writing = done.catch(() => {})
    return done
  }

  async #commit(dbKey: Uint8Array, revision: number, value: Uint8Array | undefined): Promise<void> {
    try {
      await this.#db.batch(() => {
        const written = [
          this.#db.put(REVISION_KEY, float64Bytes(revision)),
          value === undefined ? this.#db.remove(dbKey) : this.#db.put(dbKey, encodeEntry(revision, value)),
        ]
        // The batch fails when one of its operations does, and is what is waited for.
        for (const one of written) one.catch(() => {})
      })
    } catch (error) {
      throw diskError(await causeOfFailedCommit(error), 'writing to the registry')
    }
  }

  #under(prefix: string): RegistryEntry[] {
    const entries = [...this.#entries.values()].filter((entry) => entry.key.startsWith(prefix))
    return entries.sort((a, b) => (a.key < b.key ? -1 : 1))
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new WeirError('storage_unavailable', 'the registry is closed')
  }
}

function copyOf(entry: RegistryEntry): RegistryEntry {
  return { key: entry.key, value: entry.value.slice(), revision: entry.revision }
}

function entryKey(key: string): Uint8Array {
  const text = Buffer.from(key, 'utf8')
  assert(
    text.length > 0 && text.length <= REGISTRY_KEY_BYTES_MAX,
    'a registry key has 1 to REGISTRY_KEY_BYTES_MAX bytes',
  )
  const bytes = new Uint8Array(1 + text.length)
  bytes[0] = ENTRY_KIND
  bytes.set(text, 1)
  return bytes
}

function encodeEntry(revision: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(REVISION_BYTES + value.length)
  bytes.set(float64Bytes(revision))
  bytes.set(value, REVISION_BYTES)
  return bytes
}

function decodeEntry(key: Uint8Array, bytes: Uint8Array): RegistryEntry {
  if (bytes.length < REVISION_BYTES) throw new WeirError('corrupt_data', 'a registry entry is too short')
  const text = Buffer.from(key.buffer, key.byteOffset + 1, key.length - 1).toString('utf8')
  return { key: text, value: Uint8Array.from(bytes.subarray(REVISION_BYTES)), revision: float64(bytes) }
}

function float64(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getFloat64(0, true)
}

function float64Bytes(value: number): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setFloat64(0, value, true)
  return bytes
}

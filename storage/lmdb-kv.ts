import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { open, type RootDatabase } from 'lmdb'
import { assert } from '../base/assert.ts'
import { causeOfFailedCommit, diskError } from '../base/disk-error.ts'
import type { WeirError } from '../base/errors.ts'
import { makeDurableDirectory, syncDirectory } from '../base/sync-directory.ts'
import type { KeyValueEngine, KeyValueEntry, KeyValueOperation, KeyValueStore } from './kv.ts'

/**
 * The key-value port on LMDB. Every transaction syncs before it becomes visible, so what is read is durable; transactions asked for while
 * one is at the disk run one after another on libuv's threads, off this one.
 *
 * The same store may be open in several worker threads; LMDB lets one write at a time.
 */
export interface LmdbEngineOptions {
  /** Address space reserved for a store, which costs nothing until used; a store that outgrows it is mapped anew. Default 16 GiB. */
  readonly mapBytes?: number
}

const MAP_BYTES_DEFAULT = 16 * 2 ** 30
/** The file that makes a directory a store. */
const DATA_FILE = 'data.mdb'

export function lmdbEngine(options: LmdbEngineOptions = {}): KeyValueEngine {
  const mapBytes = options.mapBytes ?? MAP_BYTES_DEFAULT
  return {
    async open(directory) {
      try {
        makeDurableDirectory(directory)
        const store = new LmdbStore(directory, mapBytes)
        syncDirectory(directory)
        return store
      } catch (error) {
        throw diskError(error, `opening the store in ${directory}`)
      }
    },

    async list(directory) {
      try {
        const entries = await readdir(directory, { withFileTypes: true })
        const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
        return (await Promise.all(names.map(async (name) => ((await isUsed(join(directory, name))) ? [name] : []))))
          .flat()
          .sort()
      } catch (error) {
        if (isAbsent(error)) return []
        throw diskError(error, `listing ${directory}`)
      }
    },

    async destroy(directory) {
      try {
        await rm(directory, { recursive: true, force: true })
      } catch (error) {
        throw diskError(error, `removing ${directory}`)
      }
    },
  }
}

/** True for a store and for a directory of directories. */
async function isUsed(directory: string): Promise<boolean> {
  try {
    await stat(join(directory, DATA_FILE))
    return true
  } catch (error) {
    if (!isAbsent(error)) throw error
  }
  const entries = await readdir(directory, { withFileTypes: true })
  return entries.some((entry) => entry.isDirectory())
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

type Database = RootDatabase<Uint8Array, Uint8Array>
type RangeOptions = { reverse?: boolean; limit?: number }

interface PendingTransaction {
  readonly operations: readonly KeyValueOperation[]
  readonly resolve: () => void
  readonly reject: (error: WeirError) => void
}

class LmdbStore implements KeyValueStore {
  readonly #db: Database
  readonly #directory: string
  /** Asked for while others are at the disk; they share the next commit. */
  #waiting: PendingTransaction[] = []
  /** Resolves when nothing is waiting or at the disk; never rejects. */
  #writing: Promise<void> | undefined
  #isClosed = false

  constructor(directory: string, mapBytes: number) {
    this.#directory = directory
    this.#db = open<Uint8Array, Uint8Array>({
      path: directory,
      encoding: 'binary',
      keyEncoding: 'binary',
      compression: false,
      // Commits sync before they resolve, and readers see only what is synced.
      overlappingSync: false,
      // Its batches would reject a promise of their own, which nobody can handle, when a commit fails.
      eventTurnBatching: false,
      noMemInit: true,
      mapSize: mapBytes,
    })
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const value = this.#read(() => this.#db.getBinary(key))
    return value === undefined ? undefined : plain(value)
  }

  getView(key: Uint8Array): Uint8Array | undefined {
    const value = this.#read(() => this.#db.getBinaryFast(key))
    return value === undefined ? undefined : plain(value)
  }

  *range(from: Uint8Array, to: Uint8Array, options: RangeOptions = {}): Generator<KeyValueEntry> {
    for (const key of this.keys(from, to, options)) {
      const value = this.get(key)
      // A key that went away since the range was begun is no entry.
      if (value !== undefined) yield { key, value }
    }
  }

  /** Finds all keys of the range at once, so that no snapshot stays open while the caller takes its time. */
  keys(from: Uint8Array, to: Uint8Array, options: RangeOptions = {}): Iterable<Uint8Array> {
    const limit = options.limit ?? Number.MAX_SAFE_INTEGER
    const bounds = options.reverse
      ? { start: to, end: from, exclusiveStart: true, inclusiveEnd: true, reverse: true, limit }
      : { start: from, end: to, limit }
    return this.#read(() => Array.from(this.#db.getKeys(bounds), plain))
  }

  transact(operations: readonly KeyValueOperation[]): Promise<void> {
    this.#checkOpen()
    for (const { key } of operations) assert(key.length > 0, 'a key has at least one byte')
    if (operations.length === 0) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.#waiting.push({ operations, resolve, reject })
      this.#writing ??= this.#write()
    })
  }

  async flushed(): Promise<void> {
    await this.#writing
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#writing
    await this.#db.close()
  }

  async #write(): Promise<void> {
    // Transactions of one turn share a commit.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const group = this.#waiting
      this.#waiting = []
      const error = await this.#commit(group)
      if (error === undefined) for (const { resolve } of group) resolve()
      else for (const { reject } of group) reject(error)
    }
    this.#writing = undefined
  }

  async #commit(group: readonly PendingTransaction[]): Promise<WeirError | undefined> {
    try {
      await this.#db.batch(() => {
        for (const { operations } of group) {
          for (const operation of operations) {
            const written =
              operation.kind === 'put' ? this.#db.put(operation.key, operation.value) : this.#db.remove(operation.key)
            // The batch fails when one of its operations does, and is what is waited for.
            written.catch(() => {})
          }
        }
      })
      this.#db.resetReadTxn()
      return undefined
    } catch (error) {
      return this.#refusal(await causeOfFailedCommit(error), 'writing to')
    }
  }

  #read<T>(read: () => T): T {
    this.#checkOpen()
    try {
      return read()
    } catch (error) {
      throw this.#refusal(error, 'reading')
    }
  }

  #checkOpen(): void {
    assert(!this.#isClosed, 'the store is open')
  }

  #refusal(error: unknown, what: string): WeirError {
    return diskError(error, `${what} the store in ${this.#directory}`)
  }
}

/** The same bytes without LMDB's patched length, which typed code would stumble on. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
}

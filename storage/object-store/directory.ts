import * as fs from 'node:fs'
import { join } from 'node:path'
import { present } from '../../base/assert.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import { diskError, undefinedWhenAbsent } from './disk-error.ts'
import { checkObjectKey } from './object-keys.ts'
import type { ObjectStore } from './object-store.ts'
import { OpenFiles } from './open-files.ts'

/** Objects are written here first. No key can begin with a dot, so it cannot be listed or named. */
const TEMPORARY = '.tmp'
/** Temporary files older than this were left by a crash; a put takes seconds. */
const TEMPORARY_AGE_MAX_MS = 3_600_000
/**
 * Reads up to this size are synchronous: from the page cache 64 KiB cost 17 µs that way, and 26 µs through the thread
 * pool; 4 KiB 2.5 µs and 17 µs (bench/micro/index.ts).
 */
const SYNC_READ_BYTES_MAX = 64 * 1024
/** A synchronous read that took longer came from the disk … */
const SLOW_READ_MS = 1
/** … so as many reads after it go through the thread pool, where a slow disk does not stall the thread (T2). */
const ASYNC_READS_AFTER_SLOW = 64
const IDLE_CHECK_MS = 30_000
const SYNCED_DIRECTORIES_MAX = 4096

/** ObjectStore in a directory; any number of threads and processes may share it. */
export interface DirectoryObjectStore extends ObjectStore {
  /** Releases file descriptors and timers; the store is not used afterwards. */
  close(): void
}

/**
 * Opens the store in `root`, making the directory when absent and sweeping temporary files that a crash left behind.
 * Every call may throw storage_unavailable (the disk is full, read-only or refuses) or invalid_parameter (not a key).
 */
export async function openDirectoryObjectStore(
  root: string,
  clock: Clock,
  { isDurable = true }: DirectoryOptions = {},
): Promise<DirectoryObjectStore> {
  const temporary = join(root, TEMPORARY)
  await onDisk(TEMPORARY, 'write', () => fs.promises.mkdir(temporary, { recursive: true }))
  await sweepTemporary(temporary, clock)
  return new DirectoryStore(root, temporary, clock, isDurable)
}

export interface DirectoryOptions {
  /** False for what may be lost in a crash, such as a cache: nothing waits for the disk, and after a crash an object may be damaged. */
  readonly isDurable?: boolean
}

class DirectoryStore implements DirectoryObjectStore {
  readonly #root: string
  readonly #temporary: string
  readonly #clock: Clock
  readonly #isDurable: boolean
  readonly #files: OpenFiles
  readonly #idleTimer: Timer
  /** Directories known to be on the disk with all their parents. */
  readonly #syncedDirectories = new Set<string>()
  #asyncReadsLeft = 0

  constructor(root: string, temporary: string, clock: Clock, isDurable: boolean) {
    this.#isDurable = isDurable
    this.#root = root
    this.#temporary = temporary
    this.#clock = clock
    this.#files = new OpenFiles(clock)
    this.#idleTimer = clock.every(IDLE_CHECK_MS, () => this.#files.closeIdle())
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    checkObjectKey(key)
    const parts = key.split('/')
    const name = present(parts.pop(), 'the last part of a key')
    const directory = join(this.#root, ...parts)
    const temporary = join(this.#temporary, Buffer.from(this.#clock.randomBytes(16)).toString('hex'))
    await onDisk(key, 'write', async () => {
      try {
        await this.#makeDirectory(parts)
        await write(temporary, bytes, this.#isDurable)
        await fs.promises.rename(temporary, join(directory, name))
      } catch (error) {
        await fs.promises.rm(temporary, { force: true }).catch(() => {
          // The sweep at the next start takes it; the first error is the one to report.
        })
        throw error
      }
      if (this.#isDurable) await syncDirectory(directory)
    })
  }

  async get(key: string, range?: { readonly offset: number; readonly length?: number }): Promise<Uint8Array> {
    checkObjectKey(key)
    try {
      const file = this.#files.acquire(key, this.#path(key))
      try {
        const start = clamp(
          range === undefined ? 0 : range.offset < 0 ? file.size + range.offset : range.offset,
          file.size,
        )
        const length = clamp(range?.length ?? file.size, file.size - start)
        if (length > SYNC_READ_BYTES_MAX || this.#asyncReadsLeft > 0)
          return await this.#readAsync(file.fd, start, length)
        return this.#readSync(file.fd, start, length)
      } finally {
        this.#files.release(file)
      }
    } catch (error) {
      throw diskError(error, key, 'read')
    }
  }

  async size(key: string): Promise<number | undefined> {
    checkObjectKey(key)
    const stat = await onDisk(key, 'read', () => fs.promises.stat(this.#path(key)).catch(undefinedWhenAbsent))
    return stat?.isFile() ? stat.size : undefined
  }

  async *list(prefix: string): AsyncIterable<string> {
    const cut = prefix.lastIndexOf('/')
    const folder = cut < 0 ? '' : prefix.slice(0, cut)
    if (folder !== '') checkObjectKey(folder)
    for (const key of await onDisk(prefix, 'read', () => this.#keysUnder(folder, prefix))) yield key
  }

  async delete(key: string): Promise<void> {
    checkObjectKey(key)
    this.#files.forget(key)
    await onDisk(key, 'write', () => fs.promises.unlink(this.#path(key)).catch(undefinedWhenAbsent))
  }

  close(): void {
    this.#idleTimer.cancel()
    this.#files.closeAll()
  }

  #path(key: string): string {
    return join(this.#root, key)
  }

  #readSync(fd: number, start: number, length: number): Uint8Array {
    const bytes = unzeroed(length)
    const startedMs = this.#clock.monotonicMs()
    for (let done = 0; done < length; ) {
      const count = fs.readSync(fd, bytes, done, length - done, start + done)
      if (count === 0) return bytes.subarray(0, done)
      done += count
    }
    if (this.#clock.monotonicMs() - startedMs > SLOW_READ_MS) this.#asyncReadsLeft = ASYNC_READS_AFTER_SLOW
    return bytes
  }

  async #readAsync(fd: number, start: number, length: number): Promise<Uint8Array> {
    if (this.#asyncReadsLeft > 0) this.#asyncReadsLeft--
    const bytes = unzeroed(length)
    for (let done = 0; done < length; ) {
      const count = await readAt(fd, bytes, done, start + done)
      if (count === 0) return bytes.subarray(0, done)
      done += count
    }
    return bytes
  }

  /**
   * Makes the directory of a key. Its parents are synced even when another put made them just now: an object in a
   * directory that is not yet on the disk may be lost.
   */
  async #makeDirectory(parts: readonly string[]): Promise<void> {
    const directory = join(this.#root, ...parts)
    if (this.#syncedDirectories.has(directory)) return
    await fs.promises.mkdir(directory, { recursive: true })
    if (this.#isDurable) {
      for (let depth = 0; depth < parts.length; depth++) await syncDirectory(join(this.#root, ...parts.slice(0, depth)))
    }
    if (this.#syncedDirectories.size >= SYNCED_DIRECTORIES_MAX) this.#syncedDirectories.clear()
    this.#syncedDirectories.add(directory)
  }

  /** Sorted; a directory of a day holds hundreds of keys, a shard's thousands. */
  async #keysUnder(folder: string, prefix: string): Promise<string[]> {
    const entries = await fs.promises
      .readdir(join(this.#root, folder), { withFileTypes: true })
      .catch(undefinedWhenAbsent)
    const keys: string[] = []
    for (const entry of entries ?? []) {
      if (entry.name.startsWith('.')) continue
      const key = folder === '' ? entry.name : `${folder}/${entry.name}`
      if (entry.isDirectory()) {
        const below = `${key}/`
        if (below.startsWith(prefix) || prefix.startsWith(below)) keys.push(...(await this.#keysUnder(key, prefix)))
      } else if (key.startsWith(prefix)) keys.push(key)
    }
    return keys.sort()
  }
}

async function write(path: string, bytes: Uint8Array, isDurable: boolean): Promise<void> {
  const file = await fs.promises.open(path, 'wx')
  try {
    for (let done = 0; done < bytes.length; ) done += (await file.write(bytes, done, bytes.length - done)).bytesWritten
    if (isDurable) await file.sync()
  } finally {
    await file.close()
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await fs.promises.open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** Files younger than the limit may be another process's put. */
async function sweepTemporary(directory: string, clock: Clock): Promise<void> {
  await onDisk(TEMPORARY, 'write', async () => {
    for (const name of await fs.promises.readdir(directory)) {
      const path = join(directory, name)
      const stat = await fs.promises.stat(path).catch(undefinedWhenAbsent)
      if (stat && clock.nowMs() - stat.mtimeMs > TEMPORARY_AGE_MAX_MS) await fs.promises.rm(path, { force: true })
    }
  })
}

function readAt(fd: number, bytes: Uint8Array, into: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.read(fd, bytes, into, bytes.length - into, position, (error, count) => (error ? reject(error) : resolve(count)))
  })
}

/** Zeroing 256 KiB costs more than reading it; every byte that is returned has been read. */
function unzeroed(length: number): Uint8Array {
  return length <= 4096 ? new Uint8Array(length) : new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
}

function clamp(value: number, max: number): number {
  return Math.min(Math.max(value, 0), max)
}

async function onDisk<T>(key: string, access: 'read' | 'write', run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    throw diskError(error, key, access)
  }
}

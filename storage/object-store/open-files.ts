import * as fs from 'node:fs'
import { assert } from '../../base/assert.ts'
import type { Clock } from '../../base/clock.ts'

/** Descriptors kept open by one thread; opening and closing a file costs as much as three small reads. */
const OPEN_FILES_MAX = 256
/** An idle descriptor keeps the disk space of an object that another thread deleted. */
const IDLE_MS = 60_000

/** A file open for reading. Its object is immutable, so size and content hold for as long as it is open. */
export interface OpenFile {
  readonly key: string
  readonly fd: number
  readonly size: number
  /** Reads going on; it is closed only at zero. */
  readers: number
  /** No longer in the table: close when the last reader is done. */
  forgotten: boolean
  usedMs: number
}

/** LRU of file descriptors. */
export class OpenFiles {
  readonly #clock: Clock
  /** In order of last use, oldest first. */
  readonly #byKey = new Map<string, OpenFile>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The open file of `key`, opened when it is not; `release` it. Throws the system's error. */
  acquire(key: string, path: string): OpenFile {
    let file = this.#byKey.get(key)
    if (file === undefined) file = this.#open(key, path)
    else this.#byKey.delete(key)
    this.#byKey.set(key, file)
    file.readers++
    file.usedMs = this.#clock.monotonicMs()
    return file
  }

  release(file: OpenFile): void {
    assert(file.readers > 0, 'a file is released once for each acquire')
    file.readers--
    if (file.forgotten && file.readers === 0) fs.closeSync(file.fd)
  }

  forget(key: string): void {
    const file = this.#byKey.get(key)
    if (file === undefined) return
    this.#byKey.delete(key)
    file.forgotten = true
    if (file.readers === 0) fs.closeSync(file.fd)
  }

  closeIdle(): void {
    const before = this.#clock.monotonicMs() - IDLE_MS
    for (const file of [...this.#byKey.values()]) if (file.readers === 0 && file.usedMs < before) this.forget(file.key)
  }

  closeAll(): void {
    for (const key of [...this.#byKey.keys()]) this.forget(key)
  }

  #open(key: string, path: string): OpenFile {
    if (this.#byKey.size >= OPEN_FILES_MAX) {
      for (const oldest of this.#byKey.keys()) {
        this.forget(oldest)
        break
      }
    }
    const fd = fs.openSync(path, 'r')
    try {
      const stat = fs.fstatSync(fd)
      if (!stat.isFile()) throw Object.assign(new Error('not a file'), { code: 'EISDIR' })
      return { key, fd, size: stat.size, readers: 0, forgotten: false, usedMs: 0 }
    } catch (error) {
      fs.closeSync(fd)
      throw error
    }
  }
}

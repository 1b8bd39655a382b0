import { assert } from '../base/assert.ts'
import { freeBytes } from '../base/free-bytes.ts'
import { BODY_POOL_BYTES_MAX, BODY_POOLED_BYTES_MAX } from '../base/limits.ts'
import { noteShortLived } from '../base/young-collection.ts'

const SIZE_MIN_LOG = 17

/**
 * Buffers of bodies, used again and again. Fresh ones cost more than the copy into them: page faults, and collections of the whole heap
 * that V8 starts because so much was allocated beside it. (Bodies of 1 MB, 350-byte records: 0.60 µs of CPU a record for HTTP
 * with fresh buffers, 0.48 with these.)
 */
export class BodyPool {
  /** By the logarithm of their size. */
  readonly #free: Buffer[][] = []
  #freeBytes = 0

  /** A buffer of at least `bytes` bytes, of any content. */
  acquire(bytes: number): Buffer {
    const log = Math.max(SIZE_MIN_LOG, 32 - Math.clz32(bytes - 1))
    const buffer = this.#free[log]?.pop()
    if (buffer === undefined) return Buffer.allocUnsafeSlow(2 ** log)
    this.#freeBytes -= buffer.length
    return buffer
  }

  /** Takes back a buffer that nobody reads any more. */
  release(buffer: Buffer): void {
    const bytes = buffer.length
    // 0: it was transferred to another thread.
    if (bytes === 0 || bytes > BODY_POOLED_BYTES_MAX || this.#freeBytes + bytes > BODY_POOL_BYTES_MAX) return
    const log = 31 - Math.clz32(bytes)
    assert(bytes === 2 ** log, 'a pooled buffer has the size that it was made with')
    const free = this.#free[log]
    if (free === undefined) this.#free[log] = [buffer]
    else free.push(buffer)
    this.#freeBytes += bytes
  }
}

/** Bytes that arrive in chunks, which are taken. A single chunk is kept as it is; more are gathered in one buffer of the pool. */
export class BodyBuffer {
  readonly #pool: BodyPool
  readonly #expectedBytes: number
  #only: Buffer | undefined
  #buffer: Buffer | undefined
  #length = 0

  /** `expectedBytes` is a guess, 0 for none. */
  constructor(pool: BodyPool, expectedBytes: number) {
    this.#pool = pool
    this.#expectedBytes = expectedBytes
  }

  get length(): number {
    return this.#length
  }

  /** The chunk is void afterwards. */
  append(chunk: Buffer): void {
    if (this.#length === 0) {
      this.#only = chunk
      this.#length = chunk.length
      return
    }
    const needed = this.#length + chunk.length
    let buffer = this.#buffer
    if (buffer === undefined || buffer.length < needed) {
      const larger = this.#pool.acquire(Math.max(needed, this.#expectedBytes))
      if (this.#only !== undefined) {
        this.#only.copy(larger)
        letGo(this.#only)
      } else if (buffer !== undefined) {
        buffer.copy(larger, 0, 0, this.#length)
        this.#pool.release(buffer)
      }
      this.#only = undefined
      this.#buffer = buffer = larger
    }
    chunk.copy(buffer, this.#length)
    this.#length = needed
    letGo(chunk)
  }

  /** What has been appended; a view that is good until `release`. */
  bytes(): Buffer {
    return this.#only ?? this.#buffer?.subarray(0, this.#length) ?? Buffer.alloc(0)
  }

  /** Gives the buffer back. Only when nobody reads the bytes any more; else leave it to the garbage collector. */
  release(): void {
    if (this.#buffer !== undefined) this.#pool.release(this.#buffer)
    if (this.#only !== undefined) letGo(this.#only)
    this.#buffer = undefined
    this.#only = undefined
    this.#length = 0
  }
}

function letGo(chunk: Buffer): void {
  if (!freeBytes(chunk)) noteShortLived(chunk.length)
}

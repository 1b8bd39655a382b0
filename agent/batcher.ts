import { promisify } from 'node:util'
import { constants, gzip, zstdCompress } from 'node:zlib'
import type { Clock, Timer } from '../base/clock.ts'
import { noteShortLived } from '../base/young-collection.ts'
import { type ByteRoom, JsonWriter } from '../ingest/protocols/json-writer.ts'
import type { CursorStore } from './cursor-store.ts'
import type { Place } from './place.ts'
import type { Spool } from './spool.ts'

export type Compression = 'zstd' | 'gzip' | 'none'

/** What is read from, as far as its place goes. */
export interface Source {
  /** Name of its place in the cursor store. */
  readonly id: string
  /** Where it stands: everything before it is in the batches written so far. */
  place(): Place
}

export interface BatcherOptions {
  readonly clock: Clock
  readonly spool: Spool
  readonly cursors: CursorStore
  readonly compression: Compression
  /** Records are gathered until they are so many bytes, or the first is so old. */
  readonly bytesMax: number
  readonly lingerMs: number
  /** The disk refuses, or what nobody expected: the shipper cannot go on. */
  readonly onFailure: (error: unknown) => void
}

const compressZstd = promisify(zstdCompress)
const compressGzip = promisify(gzip)
/** Of zstd and of gzip: their fastest; a second core is not ours to use. */
const LEVEL = 1
/** A record may be begun where a batch is not quite full. */
/** A batch is sealed when it is so old at the latest, and is not kept back for fewer that wait to be delivered. */
const LINGER_MAX_MS = 30_000
const UNHURRIED_BATCHES = 16
const ROOM_BYTES = 64 * 1024
/** Of compressed bytes: mostly one is enough for a batch. */
const CHUNK_BYTES = 256 * 1024
/** What a batch leaves behind outside the heap: streams of the compressor, the file, the request. */
const SHORT_LIVED_BYTES = 512 * 1024

/**
 * Gathers records into batches, and hands each to the spool together with the places that its sources have come to: both become durable as one.
 * Inputs wait for `room` before they read, write records while the batch is not full, and `touch` what they have read from before they
 * let go of the thread. So a batch is never sealed between a record and its place.
 */
export class Batcher {
  /** The batch that is being gathered: a record a line. */
  json: JsonWriter
  /** Records in it. */
  records = 0
  readonly #options: BatcherOptions
  #bytesMax: number
  #lingerMs: number
  /** While reading is to pause. */
  #paused: PromiseWithResolvers<void> | undefined
  readonly #buffers = new BufferRoom()
  readonly #touched = new Map<string, Source>()
  #linger: Timer | undefined
  /** The batch before this one, on its way into the spool. */
  #sealing: Promise<void> | undefined

  constructor(options: BatcherOptions) {
    this.#options = options
    this.#bytesMax = options.bytesMax
    this.#lingerMs = options.lingerMs
    this.json = this.#newWriter()
  }

  get isFull(): boolean {
    return this.json.length >= this.#bytesMax
  }

  /** Says that `source` has come further; its place is asked for when the batch is sealed. */
  touch(source: Source): void {
    this.#touched.set(source.id, source)
    const { clock, spool } = this.#options
    // While nothing is delivered there is no hurry, and few large batches are better than many small ones.
    const lingerMs = Math.min(LINGER_MAX_MS, this.#lingerMs * Math.max(1, spool.length / UNHURRIED_BATCHES))
    this.#linger ??= clock.after(Math.max(lingerMs, this.#lingerMs), () => {
      this.seal().catch(this.#options.onFailure)
    })
  }

  /** Resolves when records may be written: at once, or when the batches before have found room in the spool. Rejects when `signal` aborts. */
  async room(signal: AbortSignal): Promise<void> {
    while (this.#paused !== undefined) await untilAborted(this.#paused.promise, signal)
    while (this.isFull) await this.seal(signal)
    signal.throwIfAborted()
  }

  /** Batches are of another size or age from now on; inputs pause, or go on. */
  set({
    bytesMax,
    lingerMs,
    isPaused,
  }: {
    readonly bytesMax: number
    readonly lingerMs: number
    readonly isPaused: boolean
  }) {
    this.#bytesMax = bytesMax
    this.#lingerMs = lingerMs
    if (isPaused) this.#paused ??= Promise.withResolvers()
    else {
      this.#paused?.resolve()
      this.#paused = undefined
    }
  }

  /** Makes what was gathered durable. Resolves when it is. */
  async seal(signal?: AbortSignal): Promise<void> {
    while (this.#sealing !== undefined) await this.#sealing
    if (this.#touched.size === 0) return
    await this.#options.spool.room(signal)
    // Another may have sealed it while there was no room.
    while (this.#sealing !== undefined) await this.#sealing
    if (this.#touched.size === 0) return
    this.#sealing = this.#seal()
    try {
      await this.#sealing
    } finally {
      this.#sealing = undefined
    }
  }

  async #seal(): Promise<void> {
    this.#linger?.cancel()
    this.#linger = undefined
    const { cursors, spool, compression } = this.#options
    const places: Record<string, Place> = {}
    for (const source of this.#touched.values()) places[source.id] = source.place()
    this.#touched.clear()
    if (this.records === 0) {
      cursors.apply(places)
      return
    }
    const { json, records } = this
    this.json = this.#newWriter()
    this.records = 0
    const bytes = json.bytes()
    const body = await compressed(bytes, compression)
    const seq = await spool.add({ records, rawBytes: bytes.length, compression, body, places })
    cursors.apply(places, seq)
    json.release()
    free(body)
    noteShortLived(SHORT_LIVED_BYTES)
  }

  #newWriter(): JsonWriter {
    return new JsonWriter(this.#buffers, this.#bytesMax + ROOM_BYTES)
  }
}

function untilAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    promise.then(() => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    })
  })
}

async function compressed(bytes: Buffer, compression: Compression): Promise<Buffer> {
  switch (compression) {
    case 'zstd':
      return compressZstd(bytes, { chunkSize: CHUNK_BYTES, params: { [constants.ZSTD_c_compressionLevel]: LEVEL } })
    case 'gzip':
      return compressGzip(bytes, { chunkSize: CHUNK_BYTES, level: LEVEL })
    case 'none':
      return Buffer.from(bytes)
  }
}

/** Gives back the memory of a compressed batch, which the collector would do long after; small ones share theirs with others. */
function free({ buffer }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength > Buffer.poolSize) buffer.transfer(0)
}

/** Buffers of batches, used again: one is gathered while another is sealed. */
class BufferRoom implements ByteRoom {
  readonly #free: Buffer[] = []

  acquire(bytes: number): Buffer {
    const at = this.#free.findIndex(({ length }) => length >= bytes)
    if (at >= 0) return this.#free.splice(at, 1)[0]!
    return Buffer.allocUnsafeSlow(bytes)
  }

  release(buffer: Buffer): void {
    this.#free.push(buffer)
    // The largest stay: they fit whatever is asked for.
    this.#free.sort((a, b) => b.length - a.length)
    this.#free.length = Math.min(this.#free.length, 2)
  }
}

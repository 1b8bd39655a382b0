import { constants, createGunzip, createZstdDecompress, type Gunzip, type ZstdDecompress } from 'node:zlib'
import { WeirError } from '../base/errors.ts'
import { freeBytes } from '../base/free-bytes.ts'
import { UPLOAD_HEAD_BYTES, UPLOAD_PART_BYTES } from '../base/limits.ts'
import { type FileCompression, sniffCompression } from '../ingest/upload/upload-format.ts'
import { uploadPartKey } from '../storage/object-store/object-keys.ts'
import type { ObjectStore } from '../storage/object-store/object-store.ts'
import { openPart } from '../storage/upload-part.ts'
import type { UploadedFile } from './messages/upload.ts'

/** Each chunk is a round trip to the thread pool. */
const INFLATED_CHUNK_BYTES = 256 * 1024
/** A window of 32 MiB: what `zstd --ultra` asks for at most levels; a larger one is memory that the sender chose. */
const ZSTD_WINDOW_LOG_MAX = 25

/** One file of an upload, read back from its sealed parts. */
export class UploadSource {
  readonly #objects: ObjectStore
  readonly #job: string
  readonly #key: Uint8Array
  readonly #file: UploadedFile
  /** Of the file as sent, that have been read. */
  bytesRead = 0

  constructor(objects: ObjectStore, job: string, key: Uint8Array, file: UploadedFile) {
    this.#objects = objects
    this.#job = job
    this.#key = key
    this.#file = file
  }

  /** The first UPLOAD_HEAD_BYTES of the file, inflated, or all of it. Throws as `bytes`. */
  async head(): Promise<Buffer> {
    const chunks: Buffer[] = []
    let length = 0
    for await (const chunk of this.bytes(0)) {
      // The chunk is void when the next one is asked for.
      chunks.push(Buffer.from(chunk))
      length += chunk.length
      if (length >= UPLOAD_HEAD_BYTES) break
    }
    return Buffer.concat(chunks).subarray(0, UPLOAD_HEAD_BYTES)
  }

  /**
   * The file from byte `from` on, inflated; a chunk is void when the next one is asked for. What is compressed is inflated from its begin: 300 to 400 MB/s. Throws invalid_body for compressed data that is
   * damaged or ends early, corrupt_data for parts that are, and what the object store throws.
   */
  async *bytes(from: number): AsyncGenerator<Buffer> {
    const compression = await this.#compression()
    if (compression === 'identity') {
      const part = Math.floor(from / UPLOAD_PART_BYTES)
      let skip = from - part * UPLOAD_PART_BYTES
      for await (const bytes of this.#parts(part)) {
        if (skip < bytes.length) yield bytes.subarray(skip)
        skip = 0
      }
      return
    }
    let left = from
    for await (const bytes of inflated(this.#parts(0), compression)) {
      if (left < bytes.length) yield bytes.subarray(left)
      left = Math.max(0, left - bytes.length)
      freeBytes(bytes)
    }
  }

  async #compression(): Promise<FileCompression> {
    if (this.#file.bytes === 0) return 'identity'
    const part = await this.#part(0)
    return sniffCompression(part)
  }

  /** From part `first` of the file on; the next is fetched while one is used. */
  async *#parts(first: number): AsyncGenerator<Buffer> {
    const count = Math.ceil(this.#file.bytes / UPLOAD_PART_BYTES)
    this.bytesRead = Math.min(first * UPLOAD_PART_BYTES, this.#file.bytes)
    let coming = first < count ? this.#part(first) : undefined
    for (let part = first; coming !== undefined; part++) {
      const bytes: Buffer = await coming
      coming = part + 1 < count ? this.#part(part + 1) : undefined
      coming?.catch(() => undefined) // heard of when it is waited for, if ever
      const { length } = bytes
      yield bytes
      this.bytesRead += length
      freeBytes(bytes)
    }
  }

  async #part(part: number): Promise<Buffer> {
    const number = this.#file.firstPart + part
    const sealed = await this.#objects.get(uploadPartKey(this.#job, number))
    const bytes = openPart(this.#job, this.#key, number, sealed)
    freeBytes(sealed)
    return bytes
  }
}

type Inflater = Gunzip | ZstdDecompress

/** Frames and members may follow one another. */
async function* inflated(
  parts: AsyncGenerator<Buffer>,
  compression: Exclude<FileCompression, 'identity'>,
): AsyncGenerator<Buffer> {
  try {
    let rest = await nextOf(parts)
    while (rest !== undefined) {
      const inflater = inflaterOf(compression)
      const feeding = feed(inflater, rest, parts)
      feeding.catch((error: Error) => inflater.destroy(error))
      try {
        for await (const chunk of inflater) yield chunk as Buffer
      } catch (error) {
        if (error instanceof WeirError) throw error
        const text = `The ${compression} data of the file cannot be read: ${(error as Error).message}`
        throw new WeirError('invalid_body', text, {}, { cause: error })
      } finally {
        inflater.destroy()
      }
      rest = await feeding
      if (rest !== undefined && compression === 'gzip') {
        // Node reads on by itself where another member follows; what is padded with zeros is taken, as gzip does.
        if (rest[0] === 0) return
        throw new WeirError('invalid_body', 'Something other than gzip data follows in the file')
      }
    }
  } finally {
    await parts.return(undefined)
  }
}

/** Feeds one frame; resolves with the bytes after it, undefined when the file has ended. */
async function feed(inflater: Inflater, first: Buffer, parts: AsyncGenerator<Buffer>): Promise<Buffer | undefined> {
  let fed = 0
  for (let chunk: Buffer | undefined = first; chunk !== undefined; chunk = await nextOf(parts)) {
    await written(inflater, chunk)
    fed += chunk.length
    const left = fed - inflater.bytesWritten
    if (inflater.destroyed) return undefined
    if (left > 0) return chunk.subarray(chunk.length - left)
  }
  inflater.end()
  return undefined
}

/** Also when the inflater has failed or was destroyed: nobody calls back then. */
function written(inflater: Inflater, chunk: Buffer): Promise<void> {
  return new Promise((resolve) => {
    inflater.once('close', resolve)
    inflater.write(chunk, () => {
      inflater.off('close', resolve)
      resolve()
    })
  })
}

async function nextOf(parts: AsyncGenerator<Buffer>): Promise<Buffer | undefined> {
  const next = await parts.next()
  return next.done === true ? undefined : next.value
}

function inflaterOf(compression: Exclude<FileCompression, 'identity'>): Inflater {
  if (compression === 'gzip') return createGunzip({ chunkSize: INFLATED_CHUNK_BYTES })
  const params = { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG_MAX }
  return createZstdDecompress({ chunkSize: INFLATED_CHUNK_BYTES, params })
}

import {
  constants,
  createGunzip,
  createInflate,
  createInflateRaw,
  createZstdDecompress,
  type Gunzip,
  type Inflate,
  type InflateRaw,
  type ZstdDecompress,
} from 'node:zlib'
import { WeirError } from '../base/errors.ts'
import { COMPRESSED_FRAMES_MAX } from '../base/limits.ts'
import type { AdmittedBytes } from './admitted-bytes.ts'
import type { BodyEncoding } from './body-format.ts'
import type { BodyBuffer } from './body-pool.ts'
import { tooLarge } from './body-reader.ts'

/** Each chunk is a round trip to the thread pool. */
const OUTPUT_CHUNK_BYTES_MIN = 4096
const OUTPUT_CHUNK_BYTES_MAX = 1024 * 1024
/** RFC 9659: a window of at most 8 MiB for zstd as a content coding; a larger one is memory that the sender chose. */
const ZSTD_WINDOW_LOG_MAX = 23

export type CompressedEncoding = Exclude<BodyEncoding, 'identity'>

type Inflater = Gunzip | Inflate | InflateRaw | ZstdDecompress

/**
 * Inflates `compressed` into `body` on the thread pool, stopping as soon as there is more than `bytesMax`. Admits what comes out beside
 * what is admitted for `compressed`. Throws invalid_body for corrupt or truncated data, body_too_large, overloaded, or the reason of
 * `signal`.
 */
export async function inflate(
  compressed: Buffer,
  encoding: CompressedEncoding,
  body: BodyBuffer,
  bytesMax: number,
  admitted: AdmittedBytes,
  signal: AbortSignal,
): Promise<void> {
  let rest = compressed
  // Node's zstd stream ends with the first frame, though RFC 8878 lets frames follow each other; its gunzip reads on by itself.
  for (let frames = 1; ; frames++) {
    if (frames > COMPRESSED_FRAMES_MAX) throw new WeirError('invalid_body', 'The body has too many compressed frames')
    const consumed = await inflateOne(inflaterOf(rest, encoding), rest, signal, (chunk) => {
      const length = body.length + chunk.length
      if (length > bytesMax) throw tooLarge(bytesMax)
      admitted.cover(compressed.length + length)
      body.append(chunk)
    })
    rest = rest.subarray(consumed)
    if (rest.length === 0) return
    if (encoding !== 'zstd' || consumed === 0) {
      throw new WeirError('invalid_body', `Bytes follow the ${encoding} data of the body`)
    }
  }
}

/** Resolves with the number of compressed bytes that were used. What `onChunk` throws ends it. */
function inflateOne(
  inflater: Inflater,
  compressed: Buffer,
  signal: AbortSignal,
  onChunk: (chunk: Buffer) => void,
): Promise<number> {
  return new Promise((resolve, reject) => {
    let settled = false
    const finish = (error: unknown) => {
      if (settled) return
      settled = true
      signal.removeEventListener('abort', onAbort)
      const consumed = inflater.bytesWritten
      inflater.destroy()
      if (error === undefined) resolve(consumed)
      else reject(error)
    }
    const onAbort = () => finish(signal.reason)
    if (signal.aborted) return onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    inflater.on('data', (chunk: Buffer) => {
      if (settled) return
      try {
        onChunk(chunk)
      } catch (error) {
        finish(error)
      }
    })
    inflater.on('end', () => finish(undefined))
    inflater.on('error', (error: Error) =>
      finish(
        new WeirError('invalid_body', `The compressed body cannot be read: ${error.message}`, {}, { cause: error }),
      ),
    )
    inflater.end(compressed)
  })
}

function inflaterOf(compressed: Buffer, encoding: CompressedEncoding): Inflater {
  // A little more than is expected: a chunk that comes out exactly full costs one more round to see that nothing follows.
  const wanted = inflatedLengthHint(compressed, encoding) + 64
  const chunkSize = Math.min(OUTPUT_CHUNK_BYTES_MAX, Math.max(OUTPUT_CHUNK_BYTES_MIN, wanted))
  switch (encoding) {
    case 'gzip':
      return createGunzip({ chunkSize })
    case 'zstd':
      return createZstdDecompress({ chunkSize, params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG_MAX } })
    case 'deflate':
      return hasZlibHeader(compressed) ? createInflate({ chunkSize }) : createInflateRaw({ chunkSize })
  }
}

/**
 * Inflated size as the data itself claims: the last four bytes of gzip (RFC 1952), the header of a zstd frame (RFC 8878, 3.1.1.1);
 * else a guess. Only a hint: the sender wrote it.
 */
function inflatedLengthHint(compressed: Buffer, encoding: CompressedEncoding): number {
  const { length } = compressed
  if (encoding === 'gzip' && length >= 18) return compressed.readUInt32LE(length - 4)
  if (encoding === 'zstd' && length >= 14) {
    const descriptor = compressed[4]!
    const isSingleSegment = (descriptor & 0x20) !== 0
    const at = 5 + (isSingleSegment ? 0 : 1) + [0, 1, 2, 4][descriptor & 3]!
    switch (descriptor >> 6) {
      case 0:
        if (isSingleSegment) return compressed[at]!
        break
      case 1:
        return compressed.readUInt16LE(at) + 256
      default:
        if (at + 4 <= length) return compressed.readUInt32LE(at)
    }
  }
  return length * 8
}

/** RFC 1950: method 8, and the two bytes a multiple of 31. Some clients send raw deflate data under the same name. */
function hasZlibHeader(bytes: Uint8Array): boolean {
  return bytes.length >= 2 && (bytes[0]! & 0x0f) === 8 && ((bytes[0]! << 8) | bytes[1]!) % 31 === 0
}

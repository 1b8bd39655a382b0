import { promisify } from 'node:util'
import { constants, zstdCompress, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { corruptData } from './bytes.ts'
import { WeirError } from './errors.ts'

/** Level 1 takes about 1.5 ms for this much; more goes to the thread pool, so that no slice of this thread grows long (T2). */
const SYNC_BYTES_MAX = 512 * 1024

/** The smallest that zlib takes. */
const OUTPUT_BYTES_MIN = 64

const compressInPool = promisify(zstdCompress)

function optionsOf(level: number) {
  return { params: { [constants.ZSTD_c_compressionLevel]: level } }
}

/** One zstd frame of `bytes`. */
export function compressNow(bytes: Uint8Array, level: number): Uint8Array {
  return zstdCompressSync(bytes, optionsOf(level))
}

/** True when `bytes` should rather be compressed in the thread pool. Higher levels are up to ten times slower than level 1. */
export function isLongToCompress(bytes: Uint8Array, level: number): boolean {
  return bytes.length > (level <= 1 ? SYNC_BYTES_MAX : SYNC_BYTES_MAX / 8)
}

/** The same as `compressNow`, in the thread pool; `bytes` must stay as they are until it resolves. */
export async function compressLater(bytes: Uint8Array, level: number): Promise<Uint8Array> {
  return compressInPool(bytes, optionsOf(level))
}

/** The `length` bytes that `bytes` inflate to. Throws corrupt_data when they are no zstd frame or another length. */
export function inflate(bytes: Uint8Array, length: number): Uint8Array {
  let inflated: Uint8Array
  try {
    // One piece of output of the right size saves a quarter of the time that a list of small ones takes.
    const chunkSize = Math.max(OUTPUT_BYTES_MIN, length)
    const out = zstdDecompressSync(bytes, { maxOutputLength: Math.max(1, length), chunkSize })
    // Loops over columns shall see one kind of array.
    inflated = new Uint8Array(out.buffer, out.byteOffset, out.length)
  } catch (error) {
    throw new WeirError('corrupt_data', 'compressed bytes do not inflate', { bytes: bytes.length }, { cause: error })
  }
  if (inflated.length !== length)
    throw corruptData('compressed bytes inflate to another length', { expected: length, found: inflated.length })
  return inflated
}

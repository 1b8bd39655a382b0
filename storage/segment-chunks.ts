import { assert } from '../base/assert.ts'
import { corruptData } from '../base/bytes.ts'
import { checksum } from '../base/checksum.ts'
import type { ObjectStore } from './object-store/object-store.ts'
import type { Pace } from './pace.ts'

/**
 * A checked region: data of which small pieces are read on their own, and where a wrong bit would silently lose answers (S5). It is
 * stored as chunks of 4,092 bytes of data (the last may be shorter), each followed by its CRC-32, so that chunks begin at multiples of
 * 4,096 bytes of the region.
 */
const CHUNK_DATA_BYTES = 4092
const CHUNK_BYTES = CHUNK_DATA_BYTES + 4

/** Bytes that `dataLength` bytes take when stored. */
export function storedLength(dataLength: number): number {
  return dataLength + Math.ceil(dataLength / CHUNK_DATA_BYTES) * 4
}

/** Writes the chunks of `data` to `out` at `offset`. 1 ms a 4 MiB. */
export async function writeChunks(data: Uint8Array, out: Uint8Array, offset: number, pace: Pace): Promise<void> {
  assert(offset + storedLength(data.length) <= out.length, 'a region fits its place')
  const view = new DataView(out.buffer, out.byteOffset, out.byteLength)
  let at = offset
  for (let from = 0; from < data.length; from += CHUNK_DATA_BYTES) {
    const piece = data.subarray(from, from + CHUNK_DATA_BYTES)
    out.set(piece, at)
    view.setUint32(at + piece.length, checksum(piece), true)
    at += piece.length + 4
    if (pace.isDue()) await pace.rest()
  }
}

/** Reads pieces of a checked region of an object. */
export class ChunkedRegion {
  readonly #store: ObjectStore
  readonly #key: string
  readonly #offset: number
  readonly dataLength: number

  constructor(store: ObjectStore, key: string, offset: number, dataLength: number) {
    this.#store = store
    this.#key = key
    this.#offset = offset
    this.dataLength = dataLength
  }

  /** `length` bytes of data from `from`, checked. One ranged read. Throws corrupt_data. */
  async read(from: number, length: number): Promise<Uint8Array> {
    if (from < 0 || length < 0 || from + length > this.dataLength) {
      throw corruptData('a piece lies outside its region', { key: this.#key, from, length })
    }
    if (length === 0) return new Uint8Array(0)
    const firstChunk = Math.floor(from / CHUNK_DATA_BYTES)
    const chunkCount = Math.floor((from + length - 1) / CHUNK_DATA_BYTES) - firstChunk + 1
    const storedFrom = firstChunk * CHUNK_BYTES
    const storedTo = Math.min(storedFrom + chunkCount * CHUNK_BYTES, storedLength(this.dataLength))
    const range = { offset: this.#offset + storedFrom, length: storedTo - storedFrom }
    const stored = await this.#store.get(this.#key, range)
    if (stored.length !== range.length) throw corruptData('an object ends early', { key: this.#key, ...range })
    const skipped = from - firstChunk * CHUNK_DATA_BYTES
    if (chunkCount === 1) return this.#checked(stored, 0).subarray(skipped, skipped + length)
    const data = new Uint8Array(chunkCount * CHUNK_DATA_BYTES)
    for (let chunk = 0; chunk < chunkCount; chunk++) {
      data.set(this.#checked(stored, chunk * CHUNK_BYTES), chunk * CHUNK_DATA_BYTES)
    }
    return data.subarray(skipped, skipped + length)
  }

  #checked(stored: Uint8Array, at: number): Uint8Array {
    const end = Math.min(at + CHUNK_BYTES, stored.length)
    const piece = stored.subarray(at, end - 4)
    const written = stored[end - 4]! | (stored[end - 3]! << 8) | (stored[end - 2]! << 16) | (stored[end - 1]! << 24)
    if (checksum(piece) !== written >>> 0) throw corruptData('a chunk fails its checksum', { key: this.#key })
    return piece
  }
}

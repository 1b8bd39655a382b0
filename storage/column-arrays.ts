import { uninitialized } from '../base/free-bytes.ts'

/** Where columns that are being joined or reordered get their arrays from; contents undefined. */
export interface ColumnArrays {
  /** Types or codes. */
  octets(rowCount: number): Uint8Array
  /** Starts of values, and the last end. */
  offsets(length: number): Uint32Array
  values(rowCount: number): Float64Array
  bytes(length: number): Uint8Array
}

/** Arrays of their own, for columns that are kept. */
export const freshArrays: ColumnArrays = {
  octets: (rowCount) => new Uint8Array(rowCount),
  offsets: (length) => new Uint32Array(length),
  values: (rowCount) => new Float64Array(rowCount),
  bytes: (length) => new Uint8Array(length),
}

/** Larger buffers are not kept for the next column. */
const KEPT_BYTES_MAX = 4 * 1024 * 1024

/**
 * The same few buffers for one column after the other: a column made with them is gone when the next one is made. What a block is made of
 * passes through here; arrays of its own would make the garbage collector run for their sake, a quarter of the CPU of ingest.
 */
export class ReusedArrays implements ColumnArrays {
  #octets = new Uint8Array(0)
  #offsets = new Uint32Array(0)
  #values = new Float64Array(0)
  #bytes = new Uint8Array(0)

  octets(rowCount: number): Uint8Array {
    if (rowCount > KEPT_BYTES_MAX) return new Uint8Array(rowCount)
    if (rowCount > this.#octets.length) this.#octets = new Uint8Array(roomFor(rowCount))
    return this.#octets.subarray(0, rowCount)
  }

  offsets(length: number): Uint32Array {
    if (length * 4 > KEPT_BYTES_MAX) return new Uint32Array(length)
    if (length > this.#offsets.length) this.#offsets = new Uint32Array(roomFor(length))
    return this.#offsets.subarray(0, length)
  }

  values(rowCount: number): Float64Array {
    if (rowCount * 8 > KEPT_BYTES_MAX) return new Float64Array(rowCount)
    if (rowCount > this.#values.length) this.#values = new Float64Array(roomFor(rowCount))
    return this.#values.subarray(0, rowCount)
  }

  bytes(length: number): Uint8Array {
    if (length > KEPT_BYTES_MAX) return new Uint8Array(length)
    if (length > this.#bytes.length) this.#bytes = new Uint8Array(roomFor(length))
    return this.#bytes.subarray(0, length)
  }
}

/** Of the regions behind the first. */
const REGION_BYTES_MIN = 4096

/** Arrays that lie side by side in a few buffers, `memory`, which can be freed together. */
export class RegionArrays implements ColumnArrays {
  readonly memory: Uint8Array[] = []
  #used = 0

  /** `expectedBytes` is a guess of what the arrays take in all. */
  constructor(expectedBytes: number) {
    this.memory.push(uninitialized(expectedBytes))
  }

  octets(rowCount: number): Uint8Array {
    return this.bytes(rowCount)
  }

  offsets(length: number): Uint32Array {
    const { buffer, byteOffset } = this.bytes(length * 4)
    return new Uint32Array(buffer, byteOffset, length)
  }

  values(rowCount: number): Float64Array {
    const { buffer, byteOffset } = this.bytes(rowCount * 8)
    return new Float64Array(buffer, byteOffset, rowCount)
  }

  bytes(length: number): Uint8Array {
    let region = this.memory[this.memory.length - 1]!
    if (this.#used + length > region.length) {
      region = uninitialized(Math.max(length, REGION_BYTES_MIN))
      this.memory.push(region)
      this.#used = 0
    }
    const start = this.#used
    this.#used = (start + length + 7) & ~7
    return region.subarray(start, start + length)
  }
}

function roomFor(length: number): number {
  return length + (length >>> 2)
}

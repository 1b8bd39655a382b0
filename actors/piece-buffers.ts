import type { ByteRoom } from '../ingest/protocols/json-writer.ts'

/** Kept for the next pieces; larger ones are rare. */
const KEPT_MAX = 12
const KEPT_BYTES_MAX = 4 * 1024 * 1024
const STEP_BYTES = 64 * 1024

/** The buffers of one job, used again and again. */
export class PieceBuffers implements ByteRoom {
  readonly #free: Buffer[] = []

  acquire(bytes: number): Buffer {
    const at = this.#free.findIndex((buffer) => buffer.length >= bytes)
    if (at >= 0) return this.#free.splice(at, 1)[0]!
    return Buffer.allocUnsafeSlow(Math.ceil(bytes / STEP_BYTES) * STEP_BYTES)
  }

  release(buffer: Buffer): void {
    if (this.#free.includes(buffer) || buffer.length === 0 || buffer.length > KEPT_BYTES_MAX) return
    if (this.#free.length >= KEPT_MAX) this.#free.shift()
    this.#free.push(buffer)
  }
}

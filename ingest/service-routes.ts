import type { ColumnWriter } from './column-writer.ts'
import { STAGE_SLACK_BYTES } from './row-stage.ts'
import { copyBytes, equalBytes, hashValue } from './writer-column.ts'

/** The writer of a service's rows; `bytes[start, end)` is its name, valid during the call only. */
export type Route = (bytes: Uint8Array, start: number, end: number) => ColumnWriter

const SLOTS = 1024
/** Distinct services remembered; with more the memory starts anew. */
const ROUTES_MAX = 512
const NAME_BYTES_MAX = 256
const NAMES_BYTES = 64 * 1024

/** Asks `Route` once for each distinct service of a chunk. Names are compared byte by byte. */
export class ServiceRoutes {
  readonly #slots = new Uint16Array(SLOTS)
  readonly #starts = new Int32Array(ROUTES_MAX + 1)
  readonly #ends = new Int32Array(ROUTES_MAX + 1)
  readonly #writers: ColumnWriter[] = []
  readonly #names = new Uint8Array(NAMES_BYTES + STAGE_SLACK_BYTES)
  readonly #namesView = new DataView(this.#names.buffer)
  #used = 0

  /** Forgets all: writers change from frame to frame. */
  clear(): void {
    if (this.#writers.length > 0) this.#slots.fill(0)
    this.#writers.length = 0
    this.#used = 0
  }

  find(bytes: Uint8Array, view: DataView, start: number, end: number, route: Route): ColumnWriter {
    const length = end - start
    if (length > NAME_BYTES_MAX) return route(bytes, start, end)
    let slot = hashValue(0, view, start, length) & (SLOTS - 1)
    for (;;) {
      const entry = this.#slots[slot]!
      if (entry === 0) break
      const at = this.#starts[entry]!
      if (this.#ends[entry]! - at === length && equalBytes(view, start, this.#namesView, at, length))
        return this.#writers[entry - 1]!
      slot = (slot + 1) & (SLOTS - 1)
    }
    const writer = route(bytes, start, end)
    if (this.#writers.length === ROUTES_MAX || this.#used + length > NAMES_BYTES) {
      this.clear()
      slot = hashValue(0, view, start, length) & (SLOTS - 1)
    }
    this.#writers.push(writer)
    const entry = this.#writers.length
    this.#slots[slot] = entry
    copyBytes(bytes, view, start, length, this.#names, this.#namesView, this.#used)
    this.#starts[entry] = this.#used
    this.#used += length
    this.#ends[entry] = this.#used
    return writer
  }
}

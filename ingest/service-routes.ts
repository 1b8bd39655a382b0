import type { ColumnWriter } from './column-writer.ts'
import {
  type KernelMemory,
  ROUTE_ENDS,
  ROUTE_NAMES,
  ROUTE_SLOTS,
  ROUTE_STARTS,
  ROUTE_WRITERS,
  SLACK_BYTES,
} from './kernel/kernel-memory.ts'
import { copyBytes, equalBytes, hashValue } from './writer-column.ts'

/** The writer of a service's rows; `bytes[start, end)` is its name, valid during the call only. */
export type Route = (bytes: Uint8Array, start: number, end: number) => ColumnWriter

// The first two are known to kernel/layout.as too.
const SLOTS = 8192
const NAME_BYTES_MAX = 256
/** Distinct services remembered; with more the memory starts anew. */
const ROUTES_MAX = 4096
const NAMES_BYTES = 256 * 1024

/** Asks `Route` once for each distinct service of a chunk. Names are compared byte by byte. */
export class ServiceRoutes {
  readonly #slots: Uint16Array
  readonly #starts: Int32Array
  readonly #ends: Int32Array
  readonly #addresses: Int32Array
  readonly #writers: ColumnWriter[] = []
  readonly #names: Uint8Array
  readonly #namesView: DataView
  #used = 0

  constructor(memory: KernelMemory) {
    this.#slots = memory.uint16Array(SLOTS)
    this.#starts = memory.int32Array(ROUTES_MAX + 1)
    this.#ends = memory.int32Array(ROUTES_MAX + 1)
    this.#addresses = memory.int32Array(ROUTES_MAX + 1)
    this.#names = memory.uint8Array(NAMES_BYTES + SLACK_BYTES)
    this.#namesView = new DataView(this.#names.buffer, this.#names.byteOffset, this.#names.length)
    const { words } = memory
    words[ROUTE_SLOTS] = this.#slots.byteOffset
    words[ROUTE_STARTS] = this.#starts.byteOffset
    words[ROUTE_ENDS] = this.#ends.byteOffset
    words[ROUTE_WRITERS] = this.#addresses.byteOffset
    words[ROUTE_NAMES] = this.#names.byteOffset
  }

  /** Forgets all: writers change from frame to frame. */
  clear(): void {
    if (this.#writers.length > 0) this.#slots.fill(0)
    this.#writers.length = 0
    this.#used = 0
  }

  /** The writer of an entry that the kernel has found. */
  writerAt(entry: number): ColumnWriter {
    return this.#writers[entry - 1]!
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
    this.#addresses[entry] = writer.address()
    copyBytes(bytes, view, start, length, this.#names, this.#namesView, this.#used)
    this.#starts[entry] = this.#used
    this.#used += length
    this.#ends[entry] = this.#used
    return writer
  }
}

import { isUtf8 } from 'node:buffer'
import { RECORD_BYTES_MAX } from '../base/limits.ts'
import type { KernelMemory } from './kernel/kernel-memory.ts'
import type { Scan } from './scan.ts'

/** Large enough that few records meet its end, small enough to stay in a core's cache with the columns. */
const WINDOW_BYTES = 256 * 1024
/** A window that starts with a record holds all of it, and enough more to see that a longer one is too long. */
const WINDOW_BYTES_MAX = RECORD_BYTES_MAX + 64 * 1024
const ZEROS_BYTES = 64

/**
 * The part of a body that is being scanned, copied to the kernel's memory: one address space for all loops, and zeros after
 * its end, which end every loop because no JSON text may hold one.
 */
export class ScanWindow {
  /** Address of the first byte, and of the byte after the last. */
  readonly from: number
  to = 0
  /** Offset of the first byte in the body. */
  start = 0
  /** It holds bytes that are not UTF-8: each record has to be checked alone. */
  isDoubtful = false

  readonly #u8: Uint8Array

  constructor(memory: KernelMemory) {
    this.#u8 = memory.u8
    this.from = memory.reserve(WINDOW_BYTES_MAX + ZEROS_BYTES)
    this.to = this.from
  }

  /** Offset in the body of the byte at `address`. */
  offsetOf(address: number): number {
    return this.start + address - this.from
  }

  /** Address of the byte at `offset` of the body; beyond `to` when the window does not hold it. */
  addressOf(offset: number): number {
    return this.from + offset - this.start
  }

  /** Whether it goes to the end of the body. */
  reachesEnd(scan: Scan): boolean {
    return this.offsetOf(this.to) >= scan.body.length
  }

  /** Moves it to `scan.position`. */
  load(scan: Scan, size = WINDOW_BYTES): void {
    const bytes = this.#u8
    const start = scan.position
    const end = Math.min(start + size, scan.body.length)
    bytes.set(scan.body.subarray(start, end), this.from)
    this.start = start
    this.to = this.from + end - start
    bytes.fill(0, this.to, this.to + ZEROS_BYTES)
    let whole = this.to
    if (end < scan.body.length) {
      // The last character may be cut; the record that it belongs to is looked at again with the next window.
      for (let i = 1; i <= 3 && i <= end - start; i++) {
        const byte = bytes[this.to - i]!
        if (byte < 0x80) break
        if (byte >= 0xc0) {
          whole = this.to - i
          break
        }
      }
    }
    this.isDoubtful = !isUtf8(bytes.subarray(this.from, whole))
  }

  /** Moves it to the record at `scan.position`, as large as that may need; false when this would show nothing new. */
  extend(scan: Scan): boolean {
    if (this.reachesEnd(scan)) return false
    if (this.start !== scan.position) this.load(scan)
    else if (this.to - this.from < WINDOW_BYTES_MAX) this.load(scan, WINDOW_BYTES_MAX)
    else return false
    return true
  }
}

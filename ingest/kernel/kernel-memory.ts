import { assert } from '../../base/assert.ts'
import { WeirError } from '../../base/errors.ts'
import { NESTING_DEPTH_MAX, RECORD_BYTES_MAX, RECORD_FIELDS_MAX, VALUE_BYTES_MAX } from '../../base/limits.ts'
import { KERNEL_CODE } from './kernel-code.ts'

const PAGE_BYTES = 64 * 1024
/**
 * Address space of one thread's scanner and of the columns being gathered. A frame needs a few MiB; the worst that a hostile
 * one can need (8,192 rows of 256 fields, all of other names) is about 140. Only pages that were touched take memory.
 */
const MEMORY_BYTES = 256 * 1024 * 1024
/** What the rows of one chunk may need at the very worst. */
const CHUNK_ROOM_BYTES = 100 * 1024 * 1024
/** Addresses below it are never given out, so that 0 means none. */
const FIRST_ADDRESS = 1024
const BLOCK_BYTES_MIN = 64

/** Bytes beyond a value's end that the kernel may read and write. */
export const SLACK_BYTES = 32

// Slots of the control block, in words of four bytes; layout.as has the same in bytes.
export const STAMP = 0
export const POSITION = 1
export const WINDOW_END = 2
export const MODE = 3
export const LINE = 4
export const RECORDS_LEFT = 5
export const POSITION_LIMIT = 6
export const ACCEPTED = 7
export const SCRATCH = 8
export const STAGE_PATHS = 9
export const STAGE_STARTS = 10
export const STAGE_ENDS = 11
export const STAGE_TYPES = 12
export const PARENTS = 13
export const KNOWN = 14
export const NEXT = 15
export const PATTERN_STARTS = 16
export const PATTERN_LENGTHS = 17
export const ARENA = 18
export const PATH_SLOTS = 19
export const PATH_HASHES = 20
export const SEEN = 21
export const RANKS = 22
export const PLACES = 23
export const ROUTE_SLOTS = 24
export const ROUTE_STARTS = 25
export const ROUTE_ENDS = 26
export const ROUTE_WRITERS = 27
export const ROUTE_NAMES = 28
export const OWN_PATHS = 29
export const SOURCE_PATHS = 30
export const NAME_STARTS = 31
export const NAME_ENDS = 32
export const LEVEL_STARTS = 33
export const LEVEL_ENDS = 34
export const LEVEL_TEXT_PATH = 35
export const LEVEL_CACHE = 36
export const LEVEL_CACHE_COUNT = 37
export const SERVICE_DEFAULT_START = 38
export const SERVICE_DEFAULT_END = 39
export const HOST_DEFAULT_START = 40
export const HOST_DEFAULT_END = 41
export const LEVEL_FLOOR = 42
export const SEED = 43
export const DETECTED_LEVEL = 44
export const STAGE_COUNT = 45
export const RANK_SEVERITY_NUMBER = 46
export const CELLS = 47
export const DAYS = 48
export const ASKED_START = 49
export const ASKED_END = 50
export const RECORD_START = 51
export const RECORD_END = 52
export const PHASE = 54
export const ROUTE_ENTRY = 55
export const TIME_NS = 64
export const HIDDEN_PATHS = 65
/** These are 64-bit floats: slots of eight bytes. */
export const RECEIVED_MS = 28
export const OLDEST_MS = 29
export const NEWEST_MS = 30
export const TIME_MS = 31
const CONTROL_BYTES = 512

export const MODE_LINES = 0
export const MODE_ARRAY = 1
export const MODE_OBJECTS = 2

/** Results of `run`, and what its caller says when it calls again; see run.as. */
export const KERNEL_STOPPED = 0
export const KERNEL_DETECT = 1
export const KERNEL_ROUTE = 2
export const PHASE_NONE = 0
export const PHASE_LEVEL = 1
export const PHASE_RESOLVED = 2
export const PHASE_APPENDED = 3

assert(NESTING_DEPTH_MAX === 16, 'layout.as has the same depth')
assert(RECORD_FIELDS_MAX === 256, 'layout.as has the same number of fields')
assert(VALUE_BYTES_MAX === 256 * 1024 && RECORD_BYTES_MAX === 1024 * 1024, 'layout.as has the same sizes')

/** Takes ordinary records from the window into the columns; see layout.as. */
export type KernelRun = (control: number) => number

/** What is used of WebAssembly; the type definitions of Node leave it out. */
declare const WebAssembly: {
  readonly Memory: new (pages: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer }
  readonly Module: new (code: Uint8Array) => object
  readonly Instance: new (module: object, imports: object) => { readonly exports: Readonly<Record<string, unknown>> }
}

let kernelModule: object | undefined

/**
 * The memory that the scanner's two paths and the columns share, with a plain allocator: blocks of powers of two, given back
 * to a list of their size. It never moves, so views of it hold for ever.
 */
export class KernelMemory {
  readonly u8: Uint8Array
  readonly i32: Int32Array
  readonly u32: Uint32Array
  readonly f64: Float64Array
  readonly view: DataView
  /** Address of the control block. */
  readonly control: number
  /** The control block in words. */
  readonly words: Int32Array
  /** The control block in 64-bit floats. */
  readonly floats: Float64Array
  readonly run: KernelRun

  readonly #buffer: ArrayBuffer
  readonly #free: number[][] = Array.from({ length: 32 }, () => [])
  #end = FIRST_ADDRESS
  /** End of what is reserved for ever, once blocks are handed out; and how many are. */
  #reservedEnd = 0
  #blocks = 0

  constructor() {
    const pages = MEMORY_BYTES / PAGE_BYTES
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages })
    this.#buffer = memory.buffer
    this.u8 = new Uint8Array(memory.buffer)
    this.i32 = new Int32Array(memory.buffer)
    this.u32 = new Uint32Array(memory.buffer)
    this.f64 = new Float64Array(memory.buffer)
    this.view = new DataView(memory.buffer)
    this.control = this.reserve(CONTROL_BYTES)
    this.words = new Int32Array(memory.buffer, this.control, CONTROL_BYTES / 4)
    this.floats = new Float64Array(memory.buffer, this.control, CONTROL_BYTES / 8)
    kernelModule ??= new WebAssembly.Module(Buffer.from(KERNEL_CODE, 'base64'))
    const instance = new WebAssembly.Instance(kernelModule, { env: { memory } })
    this.run = instance.exports.run as KernelRun
  }

  /** Address of a zeroed region that is never given back. Only while no block is out. */
  reserve(byteLength: number): number {
    assert(this.#blocks === 0 && this.#end >= this.#reservedEnd, 'regions are reserved before blocks')
    const address = this.#extend(byteLength)
    this.#reservedEnd = this.#end
    return address
  }

  /** Throws overloaded unless the rows of another chunk surely find room. */
  requireRoom(): void {
    if (MEMORY_BYTES - this.#end < CHUNK_ROOM_BYTES)
      throw new WeirError('overloaded', 'the memory for rows being gathered is full')
  }

  /** Address of a block of at least `byteLength` bytes, aligned to 64, contents undefined. */
  allocate(byteLength: number): number {
    const address = this.#free[sizeClass(byteLength)]!.pop() ?? this.#extend(blockBytes(byteLength))
    this.#blocks++
    return address
  }

  /** Gives back the block that `allocate(byteLength)` returned. */
  release(address: number, byteLength: number): void {
    this.#blocks--
    this.#free[sizeClass(byteLength)]!.push(address)
    if (this.#blocks === 0) {
      // Nothing is out: the memory is whole again, however it was cut up.
      for (const list of this.#free) list.length = 0
      this.#end = this.#reservedEnd
    }
  }

  #extend(byteLength: number): number {
    const address = this.#end
    this.#end = (address + byteLength + 63) & ~63
    assert(this.#end + SLACK_BYTES <= MEMORY_BYTES, 'room for a chunk is required before it is scanned')
    return address
  }

  int32Array(length: number): Int32Array {
    return new Int32Array(this.#buffer, this.reserve(length * 4 + SLACK_BYTES), length)
  }

  uint16Array(length: number): Uint16Array {
    return new Uint16Array(this.#buffer, this.reserve(length * 2 + SLACK_BYTES), length)
  }

  uint8Array(length: number): Uint8Array {
    return new Uint8Array(this.#buffer, this.reserve(length + SLACK_BYTES), length)
  }

  /** Views of blocks; valid until the block is given back. */
  bytesAt(address: number, length: number): Uint8Array {
    return new Uint8Array(this.#buffer, address, length)
  }

  wordsAt(address: number, length: number): Uint32Array {
    return new Uint32Array(this.#buffer, address, length)
  }

  floatsAt(address: number, length: number): Float64Array {
    return new Float64Array(this.#buffer, address, length)
  }
}

/** Bytes that a block for `byteLength` bytes really has. */
export function blockBytes(byteLength: number): number {
  return 1 << sizeClass(byteLength)
}

function sizeClass(byteLength: number): number {
  return 32 - Math.clz32(Math.max(byteLength, BLOCK_BYTES_MIN) - 1)
}

import { assert } from '../../base/assert.ts'
import { HASH_MULTIPLIER, HASH_SEED } from '../../base/hash.ts'
import { WORD_LENGTH_MAX, WORD_LENGTH_MIN } from '../../base/tokenizer.ts'
import { BLOOM_PROBES, IDENTIFIER_BYTES_MIN, VALUE_HASH_BYTES_MAX } from '../bloom.ts'
import { KERNEL_CODE } from './kernel-code.ts'

// Addresses of the fixed tables; layout.as has the same.
export const WORD_LIST = 0x41000
/** Words that are kept. */
export const WORDS_MAX = 4096
export const CLASS = 0x46100
export const PAIRS = 0x46200
export const NEAR_ONE = 0x46800
export const NEAR_TWO = 0x46840
export const FLAGS = 0x46880
export const HEX_PLACES = 0x46900
export const HEX_FIXED = 0x46980
export const HEX_LITERAL = 0x46a00
const WORD_COUNT = 0x468c0
const WORDS_OVERFLOW = 0x468c4
const HASH_COUNT = 0x468c8
/** Values of one batch. */
export const ROWS_MAX = 8192
export const OFFSETS = 0x47000
export const TYPES = 0x50000
export const TEXT = 0x5b000

/** Text that the kernel looks at in one call, unless one value is longer: what lies in the processor's nearer caches. */
export const BATCH_BYTES = 32 * 1024
/** Size of the set of hashes to begin with; it keeps what a block before made it grow to. */
export const HASHES_LOG2 = 14

const PAGE_BYTES = 64 * 1024
const PAGES = 16
const PAGES_MAX = 65_536

assert((HASH_SEED | 0) === (0x811c9dc5 | 0) && HASH_MULTIPLIER === (0x9e3779b1 | 0), 'layout.as has the same hash')
assert(WORD_LENGTH_MIN === 2 && WORD_LENGTH_MAX === 32, 'layout.as has the same words')
assert(VALUE_HASH_BYTES_MAX === 32 && IDENTIFIER_BYTES_MIN === 8, 'tokens.as has the same values')
assert(BLOOM_PROBES === 5, 'bloom.as has the same probes')

/** What is used of WebAssembly; the type definitions of Node leave it out. */
declare const WebAssembly: {
  readonly Memory: new (pages: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer }
  readonly Module: new (code: Uint8Array) => object
  readonly Instance: new (module: object, imports: object) => { readonly exports: object }
}

/** The kernel's functions; the parts in .as files say what they do. Addresses are int32. */
interface KernelExports {
  init(): void
  arrange(textBytes: number, log2: number): void
  reset(): void
  takeBatch(rowCount: number, seed: number): number
  clearRecent(): void
  takeIntegers(count: number, seed: number): void
  oddStarts(): number
  oddEnds(): number
  addHash(hash: number): void
  hashes(): number
  bloom(log2Bits: number): number
  packHex(count: number, length: number, placeCount: number, fixedCount: number): number
  packedAt(): number
}

let kernelModule: object | undefined

/** One instance of the kernel with a memory of its own, which grows; 0.9 MiB to begin with. */
export class BlockKernel {
  readonly call: KernelExports
  readonly #memory: { readonly buffer: ArrayBuffer }
  #u8 = new Uint8Array(0)
  #i32 = new Int32Array(0)
  #u32 = new Uint32Array(0)
  #f64 = new Float64Array(0)

  constructor() {
    this.#memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES_MAX })
    kernelModule ??= new WebAssembly.Module(Buffer.from(KERNEL_CODE, 'base64'))
    const { exports } = new WebAssembly.Instance(kernelModule, { env: { memory: this.#memory } })
    this.call = exports as KernelExports
    this.call.init()
    this.call.arrange(BATCH_BYTES, HASHES_LOG2)
  }

  get byteLength(): number {
    return this.#memory.buffer.byteLength
  }

  // Views of the memory as it is now: a call that makes it grow detaches them.

  get u8(): Uint8Array {
    this.#renew()
    return this.#u8
  }

  get i32(): Int32Array {
    this.#renew()
    return this.#i32
  }

  get u32(): Uint32Array {
    this.#renew()
    return this.#u32
  }

  get f64(): Float64Array {
    this.#renew()
    return this.#f64
  }

  get wordCount(): number {
    return this.i32[WORD_COUNT >>> 2]!
  }

  get wordsOverflow(): boolean {
    return this.i32[WORDS_OVERFLOW >>> 2] !== 0
  }

  get hashCount(): number {
    return this.i32[HASH_COUNT >>> 2]!
  }

  #renew(): void {
    const { buffer } = this.#memory
    if (this.#u8.buffer === buffer) return
    this.#u8 = new Uint8Array(buffer)
    this.#i32 = new Int32Array(buffer)
    this.#u32 = new Uint32Array(buffer)
    this.#f64 = new Float64Array(buffer)
  }
}

/** Memory that an idle kernel may hold: as much as one needs for a usual block. */
export const KERNEL_BYTES_KEPT_MAX = 128 * PAGE_BYTES

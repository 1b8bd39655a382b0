import { assert } from '../../base/assert.ts'
import { KERNEL_CODE } from './kernel-code.ts'

/** An ASCII text to be found in bytes. */
export interface Literal {
  readonly length: number
  /**
   * Offsets of all places in bytes[start, end) where it stands, ascending, counted from `start`, overlapping ones too. Valid until the next search
   * on this thread. 0.08-0.16 ns a byte, where an expression of V8 that ignores case takes 0.25-0.9 (bench/micro/filter.ts).
   */
  find(bytes: Uint8Array, start: number, end: number): Uint32Array
}

// Addresses; literal.as has the same.
const FOLDS = 256
const TEXT = 512
/** Longer ones are compared to the end here. */
const KERNEL_LENGTH_MAX = 256
/** Bytes behind the text that the kernel may read. */
const SLACK = 32
const PAGE_BYTES = 64 * 1024

interface Kernel {
  find(textLength: number, length: number, first: number, second: number, hits: number): number
}

/** What is used of WebAssembly; the type definitions of Node leave it out. */
declare const WebAssembly: {
  readonly Memory: new (pages: { initial: number }) => { readonly buffer: ArrayBuffer; grow(pages: number): number }
  readonly Module: new (code: Uint8Array) => object
  readonly Instance: new (module: object, imports: object) => { readonly exports: Readonly<Record<string, unknown>> }
}

const memory = new WebAssembly.Memory({ initial: 8 })
const kernel = new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(KERNEL_CODE, 'base64')), {
  env: { memory },
}).exports as unknown as Kernel
let bytesOfMemory = new Uint8Array(memory.buffer)
let wordsOfMemory = new Uint32Array(memory.buffer)

function reach(byteLength: number): void {
  if (byteLength <= bytesOfMemory.length) return
  memory.grow(Math.ceil((byteLength - bytesOfMemory.length) / PAGE_BYTES))
  bytesOfMemory = new Uint8Array(memory.buffer)
  wordsOfMemory = new Uint32Array(memory.buffer)
}

/** `text` is ASCII and not empty; with `caseless`, letters stand for either case. */
export function literalOf(text: string, caseless: boolean): Literal {
  const wanted = Uint8Array.from(caseless ? text.toLowerCase() : text, (c) => c.charCodeAt(0))
  assert(wanted.length > 0 && wanted.every((byte) => byte < 0x80), 'a literal is ASCII')
  const folds = wanted.map((byte) => (caseless && byte >= 0x61 && byte <= 0x7a ? 0x20 : 0))
  const length = wanted.length
  const inKernel = Math.min(length, KERNEL_LENGTH_MAX)
  const [first, second] = rarest(wanted.subarray(0, inKernel))
  const endsThere = (bytes: Uint8Array, at: number, end: number): boolean => {
    if (at + length > end) return false
    for (let k = inKernel; k < length; k++) if ((bytes[at + k]! | folds[k]!) !== wanted[k]) return false
    return true
  }
  return {
    length,
    find(bytes, start, end) {
      const textLength = end - start
      const hits = (TEXT + textLength + SLACK + 3) & ~3
      reach(hits + 4 * textLength)
      bytesOfMemory.set(wanted.subarray(0, inKernel), 0)
      bytesOfMemory.set(folds.subarray(0, inKernel), FOLDS)
      bytesOfMemory.set(bytes.subarray(start, end), TEXT)
      const count = kernel.find(textLength, inKernel, first, second, hits)
      const found = wordsOfMemory.subarray(hits >>> 2, (hits >>> 2) + count)
      return length === inKernel ? found : found.filter((at) => endsThere(bytes, start + at, end))
    },
  }
}

/** Letters of log lines, the most frequent first. */
const FREQUENT = 'etaoinsrldcumpghfbyvw_kxjqz'

/** Places of two bytes that are seldom both there: what is no letter comes last in that, for digits and spaces are everywhere. */
function rarest(wanted: Uint8Array): [number, number] {
  const places = Array.from(wanted.keys())
  const rank = (place: number) => FREQUENT.indexOf(String.fromCharCode(wanted[place]! | 0x20))
  places.sort((a, b) => rank(b) - rank(a) || a - b)
  return [places[0]!, places[1] ?? places[0]!]
}

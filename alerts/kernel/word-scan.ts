import { KERNEL_CODE } from './kernel-code.ts'

/** Which tokens are candidates: those whose bit (`filterBit`) is set, of a length between the two. */
export interface WordFilter {
  readonly filter: Uint8Array
  readonly lengthMin: number
  readonly lengthMax: number
}

// Addresses and sizes; words.as has the same.
const FILTER_BITS = 15
export const FILTER_BYTES = 2 ** FILTER_BITS / 8
const TEXT = FILTER_BYTES
const HIT_WORDS = 4
/** Bytes behind the text that the kernel may read. */
const SLACK = 32
const PAGE_BYTES = 64 * 1024
/** Values are taken in runs of so many bytes, which bounds the memory. */
const RUN_BYTES = 256 * 1024

interface Kernel {
  scan(text: number, offsets: number, count: number, lengthMin: number, lengthMax: number, out: number): number
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
let loaded: Uint8Array | undefined

function reach(byteLength: number): void {
  if (byteLength <= bytesOfMemory.length) return
  memory.grow(Math.ceil((byteLength - bytesOfMemory.length) / PAGE_BYTES))
  bytesOfMemory = new Uint8Array(memory.buffer)
  wordsOfMemory = new Uint32Array(memory.buffer)
}

/** The bit of a word of ASCII letters in lower case, digits and `_`. */
export function filterBit(word: Uint8Array): number {
  let head = 0
  for (let i = 0; i < 4 && i < word.length; i++) head |= (word[i]! | 0x20) << (8 * i)
  return Math.imul(head ^ Math.imul(word.length, 0x9e3779b1), 0x85ebca6b) >>> (32 - FILTER_BITS)
}

/**
 * Calls `visit` for each candidate among the tokens of `count` values, in order; value i is bytes[offsets[i], offsets[i + 1]). `start` counts from
 * the beginning of `bytes`. True where a byte may be no ASCII. About 1 ns a byte where most are parts of short tokens (bench/micro/alert-rules.ts).
 */
export function scanWords(
  { filter, lengthMin, lengthMax }: WordFilter,
  bytes: Uint8Array,
  offsets: Uint32Array,
  count: number,
  visit: (value: number, start: number, length: number, bit: number) => void,
): boolean {
  let isOther = false
  for (let from = 0; from < count; ) {
    const start = offsets[from]!
    let to = count
    if (offsets[count]! - start > RUN_BYTES) {
      to = from + 1
      while (offsets[to + 1]! - start <= RUN_BYTES) to++
    }
    const length = offsets[to]! - start
    const places = (TEXT + length + SLACK + 3) & ~3
    const hits = places + 4 * (to - from + 1)
    // A token that may be a word has two bytes at least, and one between it and the next.
    reach(hits + 4 * HIT_WORDS * (1 + Math.ceil(length / 2) + to - from))
    if (loaded !== filter) bytesOfMemory.set(filter, 0)
    loaded = filter
    bytesOfMemory.set(bytes.subarray(start, start + length), TEXT)
    wordsOfMemory.set(offsets.subarray(from, to + 1), places >> 2)
    const found = kernel.scan(TEXT - start, places, to - from, lengthMin, lengthMax, hits)
    if (wordsOfMemory[hits >> 2] !== 0) isOther = true
    const base = (hits >> 2) + HIT_WORDS
    for (let at = base; at < base + found * HIT_WORDS; at += HIT_WORDS) {
      visit(from + wordsOfMemory[at]!, wordsOfMemory[at + 1]!, wordsOfMemory[at + 2]!, wordsOfMemory[at + 3]!)
    }
    from = to
  }
  return isOther
}

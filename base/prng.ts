import { assert } from './assert.ts'

/**
 * A seeded generator of good quality, for data and schedules that must be the same in every run: sfc32 (Chris Doty-Humphrey, PractRand),
 * 128 bits of state, under 10 ns a number. Weak generators make data that compresses better than real data does. Not for secrets.
 */
export class Prng {
  #a: number
  #b: number
  #c: number
  #counter = 1

  /** Equal seeds give equal sequences; any two different texts or numbers give unrelated ones. */
  constructor(seed: string | number) {
    const next = seedWords(String(seed))
    this.#a = next()
    this.#b = next()
    this.#c = next()
    for (let i = 0; i < 15; i++) this.uint32()
  }

  /** Uniform in [0, 2^32). */
  uint32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum >>> 0
  }

  /** Uniform in [0, 1), 53 bits. Has the form of Math.random and may be passed as a function. */
  readonly random = (): number => {
    const high = this.uint32() >>> 5
    const low = this.uint32() >>> 6
    return (high * 2 ** 26 + low) / 2 ** 53
  }

  /** Uniform integer in [0, end). */
  below(end: number): number {
    assert(Number.isSafeInteger(end) && end > 0, 'a range holds a number')
    return Math.floor(this.random() * end)
  }

  /** Uniform integer in [min, max], both included. */
  between(min: number, max: number): number {
    return min + this.below(max - min + 1)
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.random() < probability
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T
  }

  /** Shuffles in place (Fisher and Yates). */
  shuffle<T>(values: T[]): T[] {
    for (let i = values.length - 1; i > 0; i--) {
      const j = this.below(i + 1)
      const kept = values[i] as T
      values[i] = values[j] as T
      values[j] = kept
    }
    return values
  }

  bytes(count: number): Uint8Array {
    const bytes = new Uint8Array(count)
    for (let i = 0; i < count; i++) bytes[i] = this.uint32() >>> 24
    return bytes
  }

  /** Exponentially distributed with this mean; the time between independent events. */
  exponential(mean: number): number {
    return -mean * Math.log(1 - this.random())
  }

  /** Lower-case hex digits. */
  hex(digits: number): string {
    let text = ''
    while (text.length < digits) text += this.uint32().toString(16).padStart(8, '0')
    return text.slice(0, digits)
  }

  /** An unrelated generator that depends on this one's state and `label` only. */
  fork(label: string | number): Prng {
    return new Prng(`${this.uint32()}/${this.uint32()}/${label}`)
  }
}

/** 32-bit words from a text: FNV-1a over its characters, then the finalizer of MurmurHash3 for each word. */
function seedWords(seed: string): () => number {
  let hash = 0x811c9dc5
  for (let i = 0; i < seed.length; i++) hash = Math.imul(hash ^ seed.charCodeAt(i), 0x01000193)
  return () => {
    hash = (hash + 0x9e3779b9) | 0
    let word = hash
    word = Math.imul(word ^ (word >>> 16), 0x85ebca6b)
    word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35)
    return word ^ (word >>> 16)
  }
}

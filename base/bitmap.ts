import { assert } from './assert.ts'

/** A fixed-length set of small integers (rows of a block, blocks of an index), one bit each. */
export class Bitmap {
  readonly length: number
  /** Bit i is words[i >>> 5] >>> (i & 31) & 1. Bits at or beyond `length` are zero. */
  readonly words: Uint32Array

  constructor(length: number, words = new Uint32Array((length + 31) >>> 5)) {
    assert(words.length === (length + 31) >>> 5, 'a bitmap has a word for every 32 bits')
    this.length = length
    this.words = words
  }

  static full(length: number): Bitmap {
    const bitmap = new Bitmap(length)
    bitmap.words.fill(0xffffffff)
    bitmap.#clearTail()
    return bitmap
  }

  has(index: number): boolean {
    return ((this.words[index >>> 5]! >>> (index & 31)) & 1) === 1
  }

  add(index: number): void {
    this.words[index >>> 5]! |= 1 << (index & 31)
  }

  delete(index: number): void {
    this.words[index >>> 5]! &= ~(1 << (index & 31))
  }

  /** Keeps what is also in `other`. */
  and(other: Bitmap): this {
    assert(other.length === this.length, 'bitmaps of one operation have one length')
    for (let i = 0; i < this.words.length; i++) this.words[i]! &= other.words[i]!
    return this
  }

  or(other: Bitmap): this {
    assert(other.length === this.length, 'bitmaps of one operation have one length')
    for (let i = 0; i < this.words.length; i++) this.words[i]! |= other.words[i]!
    return this
  }

  andNot(other: Bitmap): this {
    assert(other.length === this.length, 'bitmaps of one operation have one length')
    for (let i = 0; i < this.words.length; i++) this.words[i]! &= ~other.words[i]!
    return this
  }

  not(): this {
    for (let i = 0; i < this.words.length; i++) this.words[i] = ~this.words[i]!
    this.#clearTail()
    return this
  }

  clone(): Bitmap {
    return new Bitmap(this.length, this.words.slice())
  }

  isEmpty(): boolean {
    for (let i = 0; i < this.words.length; i++) if (this.words[i] !== 0) return false
    return true
  }

  count(): number {
    let count = 0
    for (let i = 0; i < this.words.length; i++) {
      let w = this.words[i]!
      w -= (w >>> 1) & 0x55555555
      w = (w & 0x33333333) + ((w >>> 2) & 0x33333333)
      count += Math.imul((w + (w >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
    }
    return count
  }

  /** Members, ascending. */
  *[Symbol.iterator](): Generator<number> {
    for (let i = 0; i < this.words.length; i++) {
      let word = this.words[i]!
      while (word !== 0) {
        const lowest = word & -word
        yield (i << 5) + 31 - Math.clz32(lowest)
        word ^= lowest
      }
    }
  }

  /** Members, ascending, as an array; the fast way to walk them. */
  toArray(): Uint32Array {
    const members = new Uint32Array(this.count())
    let n = 0
    for (let i = 0; i < this.words.length; i++) {
      let word = this.words[i]!
      while (word !== 0) {
        const lowest = word & -word
        members[n++] = (i << 5) + 31 - Math.clz32(lowest)
        word ^= lowest
      }
    }
    return members
  }

  #clearTail(): void {
    const rest = this.length & 31
    if (rest !== 0) this.words[this.words.length - 1]! &= 2 ** rest - 1
  }
}

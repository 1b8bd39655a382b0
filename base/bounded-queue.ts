import { assert } from './assert.ts'

const CAPACITY_FIRST = 16

/** First in, first out, never longer than `max`. A ring that grows as it is used. */
export class BoundedQueue<T> {
  readonly max: number
  #ring: (T | undefined)[]
  #first = 0
  #length = 0

  constructor(max: number) {
    assert(Number.isSafeInteger(max) && max > 0, 'a queue holds at least one')
    this.max = max
    this.#ring = new Array<T | undefined>(Math.min(max, CAPACITY_FIRST)).fill(undefined)
  }

  get length(): number {
    return this.#length
  }

  get isFull(): boolean {
    return this.#length === this.max
  }

  /** Adds at the end; false, and nothing is added, when the queue is full. */
  push(value: T): boolean {
    if (this.#length === this.max) return false
    if (this.#length === this.#ring.length) this.#grow()
    let at = this.#first + this.#length
    if (at >= this.#ring.length) at -= this.#ring.length
    this.#ring[at] = value
    this.#length++
    return true
  }

  /** Takes the oldest; undefined when there is none. */
  shift(): T | undefined {
    if (this.#length === 0) return undefined
    const value = this.#ring[this.#first]
    this.#ring[this.#first] = undefined
    this.#first = this.#first + 1 === this.#ring.length ? 0 : this.#first + 1
    this.#length--
    return value
  }

  /** Takes all, oldest first. */
  drain(): T[] {
    const values: T[] = []
    while (this.#length > 0) values.push(this.shift() as T)
    return values
  }

  #grow(): void {
    const ring = new Array<T | undefined>(Math.min(this.max, this.#ring.length * 2)).fill(undefined)
    for (let i = 0; i < this.#length; i++) ring[i] = this.#ring[(this.#first + i) % this.#ring.length]
    this.#ring = ring
    this.#first = 0
  }
}

import { HASH_MULTIPLIER, HASH_SEED, mix32 } from '../base/hash.ts'

/**
 * How many different values there are, mergeable. Up to SPARSE_MAX the hashes themselves are kept and the count is exact;
 * beyond, HyperLogLog with 4,096 registers (Flajolet et al. 2007; 1.6 % standard error), read by Ertl's improved
 * estimator ("New cardinality estimation algorithms for HyperLogLog sketches", 2017), which needs no corrections.
 */
const PRECISION = 12
const REGISTERS = 1 << PRECISION
/** Bits of the second hash, whose leading zeros are counted. */
const RANK_BITS = 32
const SPARSE_MAX = 1024
const SECOND_MULTIPLIER = 0x85ebca6b | 0
const LOW_BITS = 20

/** Digits of a safe integer, and its sign. */
const DIGITS_MAX = 17
const digits = new Uint8Array(DIGITS_MAX)

/** Hashes of 52 bits, or registers; plain values that survive msgpack. */
export type DistinctSketchState = readonly number[] | Uint8Array

export class DistinctSketch {
  #hashes: Set<number> | null = new Set()
  #registers: Uint8Array | null = null

  /** Takes the value whose text is bytes[start, end). */
  addBytes(bytes: Uint8Array, start: number, end: number): void {
    let a = HASH_SEED
    let b = HASH_SEED
    for (let i = start; i < end; i++) {
      const byte = bytes[i]!
      a = Math.imul(a ^ byte, HASH_MULTIPLIER)
      b = Math.imul(b ^ byte, SECOND_MULTIPLIER)
    }
    this.#addHash(mix32(a) >>> 0, mix32(b) >>> 0)
  }

  addText(text: string): void {
    const bytes = Buffer.from(text)
    this.addBytes(bytes, 0, bytes.length)
  }

  /** Takes a safe integer, as the text that String() makes of it. */
  addInteger(value: number): void {
    let at = DIGITS_MAX
    let rest = Math.abs(value)
    do {
      const next = Math.floor(rest / 10)
      digits[--at] = 0x30 + (rest - next * 10)
      rest = next
    } while (rest > 0)
    if (value < 0) digits[--at] = 0x2d
    this.addBytes(digits, at, DIGITS_MAX)
  }

  count(): number {
    return this.#hashes === null ? Math.round(estimate(this.#registers!)) : this.#hashes.size
  }

  /** Approximate bytes of memory. */
  get byteSize(): number {
    return this.#hashes === null ? REGISTERS : this.#hashes.size * 32
  }

  state(): DistinctSketchState {
    return this.#hashes === null ? this.#registers! : [...this.#hashes]
  }

  merge(state: DistinctSketchState): void {
    if (!(state instanceof Uint8Array)) {
      for (const hash of state) {
        const high = Math.floor(hash / 2 ** LOW_BITS)
        this.#addHash(high, (hash - high * 2 ** LOW_BITS) << (32 - LOW_BITS))
      }
      return
    }
    const registers = this.#dense()
    for (let i = 0; i < REGISTERS; i++) if (state[i]! > registers[i]!) registers[i] = state[i]!
  }

  #addHash(high: number, second: number): void {
    // What is counted depends on the 52 bits that a sparse state keeps, so that either way of merging gives one answer.
    const low = second >>> (32 - LOW_BITS)
    if (this.#hashes === null) {
      addToRegisters(this.#registers!, high, low)
      return
    }
    this.#hashes.add(high * 2 ** LOW_BITS + low)
    if (this.#hashes.size > SPARSE_MAX) this.#dense()
  }

  #dense(): Uint8Array {
    if (this.#registers !== null) return this.#registers
    const registers = new Uint8Array(REGISTERS)
    for (const hash of this.#hashes!) {
      const high = Math.floor(hash / 2 ** LOW_BITS)
      addToRegisters(registers, high, hash - high * 2 ** LOW_BITS)
    }
    this.#registers = registers
    this.#hashes = null
    return registers
  }
}

function addToRegisters(registers: Uint8Array, high: number, low: number): void {
  const index = low & (REGISTERS - 1)
  const rank = Math.clz32(high) + 1
  if (rank > registers[index]!) registers[index] = rank
}

function estimate(registers: Uint8Array): number {
  const counts = new Float64Array(RANK_BITS + 2)
  for (const rank of registers) counts[rank]!++
  let z = REGISTERS * tau(1 - counts[RANK_BITS + 1]! / REGISTERS)
  for (let rank = RANK_BITS; rank >= 1; rank--) z = 0.5 * (z + counts[rank]!)
  z += REGISTERS * sigma(counts[0]! / REGISTERS)
  return REGISTERS ** 2 / (2 * Math.LN2 * z)
}

function sigma(start: number): number {
  if (start === 1) return Number.POSITIVE_INFINITY
  let x = start
  let y = 1
  let z = x
  for (;;) {
    x *= x
    const before = z
    z += x * y
    y += y
    if (z === before) return z
  }
}

function tau(start: number): number {
  if (start === 0 || start === 1) return 0
  let x = start
  let y = 1
  let z = 1 - x
  for (;;) {
    x = Math.sqrt(x)
    const before = z
    y *= 0.5
    z -= (1 - x) ** 2 * y
    if (z === before) return z / 3
  }
}

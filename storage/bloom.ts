import { assert } from '../base/assert.ts'
import { corruptData, utf8Bytes } from '../base/bytes.ts'
import { FIELD_MESSAGE } from '../base/columns.ts'
import { mix32, tokenHash, valueHash } from '../base/hash.ts'
import { tokensOfText } from '../base/tokenizer.ts'

/**
 * Bloom filter of a block over the hashes (base/hash.ts) of its tokens and of its (field, value) pairs. Bytes: 'B', version 1,
 * log2 of the number of bits, 0, then the bits; bit p is bits[p >>> 3] >>> (p & 7) & 1. Sizes are powers of two so that a segment can store
 * filters of one size bit-sliced (S7). Five probes at 12 bits a hash err in 0.5 % of lookups, at worst (8.5 bits) in 1.7 %.
 */
export const BLOOM_PROBES = 5
export const BLOOM_HEADER_BYTES = 4
const BLOOM_LOG2_BITS_MIN = 9
export const BLOOM_LOG2_BITS_MAX = 26
const BITS_PER_HASH = 12
const MAGIC = 0x42
const VERSION = 1

/** A filter of the size for `hashCount` hashes, and empty. The kernel sets the bits of a block's (storage/kernel/bloom.as). */
export function newBloom(hashCount: number): Uint8Array {
  const wanted = Math.round(Math.log2(Math.max(1, hashCount) * BITS_PER_HASH))
  const log2Bits = Math.min(BLOOM_LOG2_BITS_MAX, Math.max(BLOOM_LOG2_BITS_MIN, wanted))
  const bloom = new Uint8Array(BLOOM_HEADER_BYTES + 2 ** (log2Bits - 3))
  bloom[0] = MAGIC
  bloom[1] = VERSION
  bloom[2] = log2Bits
  return bloom
}

/** A filter that holds all of `hashes` (distinct): in plain TypeScript what the kernel does, which tests compare with it. */
export function buildBloom(hashes: Int32Array): Uint8Array {
  const bloom = newBloom(hashes.length)
  const bits = bloom.subarray(BLOOM_HEADER_BYTES)
  const probes = new Uint32Array(BLOOM_PROBES)
  for (const hash of hashes) {
    bloomProbes(bloomLog2Bits(bloom), hash, probes)
    for (const bit of probes) bits[bit >>> 3]! |= 1 << (bit & 7)
  }
  return bloom
}

const STEP_SALT = 0x2545f491

/** Writes the BLOOM_PROBES bit positions of `hash` in a filter of 2^log2Bits bits to `out`. */
export function bloomProbes(log2Bits: number, hash: number, out: Uint32Array): void {
  const mask = 2 ** log2Bits - 1
  let position = mix32(hash)
  const step = mix32(position ^ STEP_SALT) | 1
  for (let probe = 0; probe < BLOOM_PROBES; probe++) {
    out[probe] = position & mask
    position = (position + step) | 0
  }
}

/** log2 of the number of bits; throws corrupt_data when `bloom` is not a whole filter. */
export function bloomLog2Bits(bloom: Uint8Array): number {
  const log2Bits = bloom[2] ?? 0
  const whole =
    bloom[0] === MAGIC &&
    bloom[1] === VERSION &&
    log2Bits >= BLOOM_LOG2_BITS_MIN &&
    log2Bits <= BLOOM_LOG2_BITS_MAX &&
    bloom.length === BLOOM_HEADER_BYTES + 2 ** (log2Bits - 3)
  if (!whole) throw corruptData('not a bloom filter', { bytes: bloom.length })
  return log2Bits
}

/** The bits without the header. */
export function bloomBits(bloom: Uint8Array): Uint8Array {
  bloomLog2Bits(bloom)
  return bloom.subarray(BLOOM_HEADER_BYTES)
}

const probes = new Uint32Array(BLOOM_PROBES)

/** False when the filter certainly does not hold `hash`. */
export function bloomMayContain(bloom: Uint8Array, hash: number): boolean {
  bloomProbes(bloomLog2Bits(bloom), hash, probes)
  for (let i = 0; i < BLOOM_PROBES; i++) {
    const bit = probes[i]!
    if (((bloom[BLOOM_HEADER_BYTES + (bit >>> 3)]! >>> (bit & 7)) & 1) === 0) return false
  }
  return true
}

/** Longer values are found by their tokens alone. */
export const VALUE_HASH_BYTES_MAX = 32
/** A value that is one token of at least this many ASCII letters, digits and `_`, one digit at least, is found by that token. */
export const IDENTIFIER_BYTES_MIN = 8
const IDENTIFIER = /^(?=.*[0-9])[A-Za-z0-9_]{8,}$/

/** True when values of `field` have (field, value) hashes; a message is found by its tokens. */
export function hasValueHashes(field: string): boolean {
  return field !== FIELD_MESSAGE
}

/**
 * Hashes that are all in the filter of every block in which `field` has the value `text`; perhaps none. The writer's side of
 * the same rule is in storage/token-collector.ts.
 */
export function bloomTermsOfValue(field: string, text: string): Int32Array {
  assert(field.length > 0, 'a field has a name')
  const length = utf8Bytes(text).length
  if (hasValueHashes(field) && length <= VALUE_HASH_BYTES_MAX && !IDENTIFIER.test(text))
    return Int32Array.of(valueHash(field, text))
  return Int32Array.from(tokensOfText(text), tokenHash)
}

// The bits of a bloom filter (storage/bloom.ts).

const BLOOM_PROBES: i32 = 5
const STEP_SALT: i32 = 0x2545f491

@inline
function mix(hash: i32): i32 {
  let h = hash ^ (hash >>> 16)
  h *= <i32>0x85ebca6b
  h ^= h >>> 13
  h *= <i32>0xc2b2ae35
  return h ^ (h >>> 16)
}

/** Address of 2^log2Bits bits that hold all hashes of the set; valid until the next addition. */
export function bloom(log2Bits: i32): usize {
  const bits = list + ((<usize>4) << slotsLog2)
  const size = (<usize>1) << (log2Bits - 3)
  reach(bits + size)
  memory.fill(bits, 0, size)
  const mask = (1 << log2Bits) - 1
  for (let i: usize = 0; i < <usize>hashCount; i++) {
    let position = mix(load<i32>(list + (i << 2)))
    const step = mix(position ^ STEP_SALT) | 1
    for (let probe = 0; probe < BLOOM_PROBES; probe++) {
      const bit = position & mask
      const word = bits + (<usize>(bit >>> 5) << 2)
      store<i32>(word, load<i32>(word) | (1 << (bit & 31)))
      position += step
    }
  }
  return bits
}

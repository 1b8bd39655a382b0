// Hashes (base/hash.ts) and the set of them.

@inline
function step(hash: i32, byte: i32): i32 {
  return (hash ^ byte) * HASH_MULTIPLIER
}

/**
 * Hash of the `length` bytes at `p`, going on from `seed`. Eight bytes a turn, without a branch on the length but that: the last turn goes on over zeros,
 * each of which is one more multiplication, and takes those back. A processor guesses such branches wrongly for most tokens, which costs more than
 * the hash; and without wrong guesses it works on the hashes of several tokens at once.
 */
@inline
function hashOf(p: usize, length: i32, seed: i32): i32 {
  let hash = seed
  while (length >= 8) {
    const x = load<u64>(p)
    hash = step(hash, <i32>x & 255)
    hash = step(hash, <i32>(x >>> 8) & 255)
    hash = step(hash, <i32>(x >>> 16) & 255)
    hash = step(hash, <i32>(x >>> 24) & 255)
    hash = step(hash, <i32>(x >>> 32) & 255)
    hash = step(hash, <i32>(x >>> 40) & 255)
    hash = step(hash, <i32>(x >>> 48) & 255)
    hash = step(hash, <i32>(x >>> 56))
    p += 8
    length -= 8
  }
  if (length == 0) return hash
  const x = load<u64>(p) & (((<u64>1) << (<u64>length << 3)) - 1)
  hash = step(hash, <i32>x & 255)
  hash = step(hash, <i32>(x >>> 8) & 255)
  hash = step(hash, <i32>(x >>> 16) & 255)
  hash = step(hash, <i32>(x >>> 24) & 255)
  hash = step(hash, <i32>(x >>> 32) & 255)
  hash = step(hash, <i32>(x >>> 40) & 255)
  hash = step(hash, <i32>(x >>> 48) & 255)
  hash *= HASH_MULTIPLIER
  return hash * load<i32>(INVERSES + (<usize>(8 - length) << 2))
}

@inline
function stepFour(hashes: v128, bytes: v128): v128 {
  return i32x4.mul(v128.xor(hashes, bytes), i32x4.splat(HASH_MULTIPLIER))
}

/** The next four bytes of four tokens into their hashes. */
@inline
function stepFourWords(hashes: v128, words: v128): v128 {
  const byte = i32x4.splat(255)
  hashes = stepFour(hashes, v128.and(words, byte))
  hashes = stepFour(hashes, v128.and(i32x4.shr_u(words, 8), byte))
  hashes = stepFour(hashes, v128.and(i32x4.shr_u(words, 16), byte))
  return stepFour(hashes, i32x4.shr_u(words, 24))
}

@inline
function loadFour(a: usize, b: usize, c: usize, d: usize): v128 {
  let words = v128.load32_zero(a)
  words = v128.load_lane<i32>(b, words, 1)
  words = v128.load_lane<i32>(c, words, 2)
  return v128.load_lane<i32>(d, words, 3)
}

/** Makes the hashes of four tokens of one length wait: ids of one kind. All that is done for one of 32 digits takes 37 ns instead of 46. */
@inline
function waitForFour(a: usize, b: usize, c: usize, d: usize, length: i32): void {
  let hashes = i32x4.splat(HASH_SEED)
  let i: usize = 0
  for (const whole = <usize>length & ~3; i < whole; i += 4) hashes = stepFourWords(hashes, loadFour(a + i, b + i, c + i, d + i))
  if ((length & 3) != 0) {
    const mask = i32x4.splat((1 << ((length & 3) << 3)) - 1)
    hashes = stepFourWords(hashes, v128.and(loadFour(a + i, b + i, c + i, d + i), mask))
    hashes = i32x4.mul(hashes, i32x4.splat(load<i32>(INVERSES + (<usize>(4 - (length & 3)) << 2))))
  }
  // 0 becomes 1.
  hashes = i32x4.sub(hashes, i32x4.eq(hashes, i32x4.splat(0)))
  v128.store(pendingEnd, hashes)
  pendingEnd += 16
}

@inline
function wait(hash: i32): void {
  store<i32>(pendingEnd, hash == 0 ? 1 : hash)
  pendingEnd += 4
}

@inline
function home(hash: i32): usize {
  return <usize>(<u32>(hash * <i32>0x9e3779b1) >>> (32 - slotsLog2))
}

/** Puts the waiting hashes into the set. Kept apart from hashing, so that a wrong guess here does not throw hashes away. */
function settle(): void {
  let room = (1 << slotsLog2 >>> 2) * 3
  let mask: usize = ((<usize>1) << slotsLog2) - 1
  for (let p = pending; p < pendingEnd; p += 4) {
    const hash = load<i32>(p)
    let slot = home(hash)
    let found = load<i32>(slots + (slot << 2))
    while (found != hash && found != 0) {
      slot = (slot + 1) & mask
      found = load<i32>(slots + (slot << 2))
    }
    if (found != 0) continue
    store<i32>(slots + (slot << 2), hash)
    store<i32>(list + (<usize>hashCount << 2), hash)
    if (++hashCount == room) {
      slotsLog2++
      place(list)
      room = (1 << slotsLog2 >>> 2) * 3
      mask = ((<usize>1) << slotsLog2) - 1
    }
  }
  pendingEnd = pending
  store<i32>(HASH_COUNT, hashCount)
}

/** Fills the slots anew from the list at `from`, which is copied to its place behind them. */
function place(from: usize): void {
  const size = (<usize>4) << slotsLog2
  list = slots + size
  reach(list + size + SLACK)
  memory.copy(list, from, <usize>hashCount << 2)
  memory.fill(slots, 0, size)
  const mask: usize = ((<usize>1) << slotsLog2) - 1
  for (let i: usize = 0; i < <usize>hashCount; i++) {
    const hash = load<i32>(list + (i << 2))
    let slot = home(hash)
    while (load<i32>(slots + (slot << 2)) != 0) slot = (slot + 1) & mask
    store<i32>(slots + (slot << 2), hash)
  }
}

/** Adds one hash to the set. */
export function addHash(hash: i32): void {
  pendingEnd = pending
  wait(hash)
  settle()
}

/** Address of the distinct hashes, HASH_COUNT of them. */
export function hashes(): usize {
  return list
}

// From values to tokens (base/tokenizer.ts), and from those to hashes, words and shapes.

@inline
function within(bytes: v128, from: i32, count: i32): v128 {
  return i8x16.lt_u(i8x16.sub(bytes, i8x16.splat(<i8>from)), i8x16.splat(<i8>count))
}

/** Makes the ASCII letters of 16 bytes lower-case where they stand; one bit for each byte that belongs to a token. */
@inline
function fold(p: usize): u64 {
  let bytes = v128.load(p)
  bytes = v128.or(bytes, v128.and(within(bytes, 0x41, 26), i8x16.splat(0x20)))
  v128.store(p, bytes)
  const plain = v128.or(within(bytes, 0x61, 26), within(bytes, 0x30, 10))
  // The sign of a byte of a non-ASCII character is its bit.
  return <u64>(<u32>i8x16.bitmask(v128.or(v128.or(plain, i8x16.eq(bytes, i8x16.splat(0x5f))), bytes)))
}

/** Folds the text and notes where its tokens, none of which reaches from one value into the next, start and end; returns how many. */
function markTokens(rowCount: usize, length: usize): i32 {
  const base = load<u32>(OFFSETS)
  memory.fill(bounds, 0, (length >>> 3) + 16)
  for (let row: usize = 0; row < rowCount; row++) {
    const at: usize = load<u32>(OFFSETS + (row << 2)) - base
    const byte = bounds + (at >>> 3)
    store<u8>(byte, <i32>load<u8>(byte) | (1 << (<i32>at & 7)))
  }
  memory.fill(TEXT + length, 0, 64)
  let nextStart = starts
  let nextEnd = ends
  let carry: u64 = 0
  for (let at: usize = 0; at <= length; at += 64) {
    const p = TEXT + at
    const tokens = fold(p) | (fold(p + 16) << 16) | (fold(p + 32) << 32) | (fold(p + 48) << 48)
    const bound = load<u64>(bounds + (at >>> 3))
    const before = (tokens << 1) | carry
    carry = tokens >>> 63
    let bits = tokens & (~before | bound)
    while (bits != 0) {
      store<i32>(nextStart, <i32>(at + <usize>ctz(bits)))
      nextStart += 4
      bits &= bits - 1
    }
    bits = before & (~tokens | bound)
    while (bits != 0) {
      store<i32>(nextEnd, <i32>(at + <usize>ctz(bits)))
      nextEnd += 4
      bits &= bits - 1
    }
  }
  return <i32>((nextEnd - ends) >>> 2)
}

/** Takes a word; `low` and `high` are its letters, filled up with zeros. A word seen before was hashed then. */
@inline
function takeWord(p: usize, length: i32, low: v128, high: v128): void {
  let mixed = i64x2.extract_lane(low, 0) * 0x9e3779b97f4a7c15
  mixed = (mixed ^ i64x2.extract_lane(low, 1)) * 0x2545f4914f6cdd1d
  mixed = (mixed ^ i64x2.extract_lane(high, 0) ^ (i64x2.extract_lane(high, 1) << 1)) * 0x9e3779b97f4a7c15
  let slot = <usize>(<u64>mixed >>> (64 - WORD_SLOTS_LOG2))
  while (true) {
    const address = WORD_SLOTS + (slot << WORD_SLOT_BYTES_LOG2)
    if (!v128.any_true(v128.or(v128.xor(v128.load(address), low), v128.xor(v128.load(address, 16), high)))) return
    if (load<u8>(address) == 0) {
      const count = load<i32>(WORD_COUNT)
      if (count == WORDS_MAX) store<i32>(WORDS_OVERFLOW, 1)
      else {
        v128.store(address, low)
        v128.store(address, high, 16)
        store<i32>(WORD_LIST + (<usize>count << 2), <i32>address)
        store<i32>(WORD_COUNT, count + 1)
      }
      wait(hashOf(p, length, HASH_SEED))
      return
    }
    slot = (slot + 1) & ((1 << WORD_SLOTS_LOG2) - 1)
  }
}

/** Notes the shape of an ASCII token that is no word; `count` of its characters are no letters, `hexadecimal` has a bit for each digit of its head. */
@inline
function noteShape(p: usize, length: i32, count: i32, hexadecimal: i32): void {
  const head = (1 << min(length, HEXADECIMAL_HEAD)) - 1
  if ((hexadecimal & head) == head) store<u8>(FLAGS, FLAG_HEXADECIMAL)
  else {
    const second: i32 = length > 1 ? load<u8>(CLASS + <usize>load<u8>(p, 1)) : CLASSES
    store<u8>(PAIRS + <usize>(<i32>load<u8>(CLASS + <usize>load<u8>(p)) * (CLASSES + 1) + second), 1)
  }
  if (count > 2 || length > NEAR_LENGTH_MAX) return
  store<u8>(NEAR_TWO + <usize>length, 1)
  if (count <= 1) store<u8>(NEAR_ONE + <usize>length, 1)
}

@inline
function hexadecimalOf(bytes: v128): i32 {
  return i8x16.bitmask(v128.or(within(bytes, 0x30, 10), within(bytes, 0x61, 6)))
}

/** Notes the shape of a token longer than a word; false when it has non-ASCII bytes. */
function noteLongShape(p: usize, length: i32): bool {
  let all = v128.load(p)
  const last = p + <usize>length - 16
  for (let q = p + 16; q < last; q += 16) all = v128.or(all, v128.load(q))
  if (i8x16.bitmask(v128.or(all, v128.load(last))) != 0) return false
  let count: i32 = 3
  if (length <= NEAR_LENGTH_MAX) {
    count = 0
    for (let i: usize = 0; i < <usize>length; i++) count += load<u8>(p + i) < 0x61 ? 1 : 0
  }
  noteShape(p, length, count, hexadecimalOf(v128.load(p)))
  return true
}

/** Mask of the first `count` bytes, at most 16. */
@inline
function firstBytes(count: i32): v128 {
  return v128.load(MASKS + <usize>(16 - count))
}

/**
 * Parts the first `count` tokens into words, which stay in `starts` and `ends`, and the others; returns how many words there are. Without a
 * branch on it, since which comes next cannot be guessed: wrong guesses cost more than all the rest.
 */
function partTokens(count: i32): i32 {
  let words: usize = 0
  let other = others
  for (let i: usize = 0; i < <usize>count; i++) {
    const start = load<i32>(starts + (i << 2))
    const end = load<i32>(ends + (i << 2))
    const length = end - start
    const p = TEXT + <usize>start
    let letters: i32
    if (length <= 16) letters = popcnt(i8x16.bitmask(within(v128.and(v128.load(p), firstBytes(length)), 0x61, 26)))
    else {
      letters = popcnt(i8x16.bitmask(within(v128.load(p), 0x61, 26)))
      letters += popcnt(i8x16.bitmask(within(v128.and(v128.load(p + 16), firstBytes(min(length, 32) - 16)), 0x61, 26)))
    }
    const isWord = <i32>(letters == length) & <i32>(length >= WORD_LENGTH_MIN)
    store<i32>(starts + (words << 2), start)
    store<i32>(ends + (words << 2), end)
    store<i32>(other, start)
    store<i32>(other, length, 4)
    words += <usize>isWord
    other += <usize>(1 - isWord) << 3
  }
  return <i32>words
}

/** Takes the first `count` of `starts` and `ends`, which are words. */
function takeWords(count: i32): void {
  for (let i: usize = 0; i < <usize>count; i++) {
    const start = load<i32>(starts + (i << 2))
    const length = load<i32>(ends + (i << 2)) - start
    const p = TEXT + <usize>start
    if (length <= 16) takeWord(p, length, v128.and(v128.load(p), firstBytes(length)), i64x2.splat(0))
    else takeWord(p, length, v128.load(p), v128.and(v128.load(p + 16), firstBytes(length - 16)))
  }
}

/** Takes the first `count` of `others`. Those with non-ASCII bytes go to the front of `starts` and `ends`; their number is returned. */
function takeOthers(count: i32): i32 {
  let left: usize = 0
  let plain = others
  for (let i: usize = 0; i < <usize>count; i++) {
    const start = load<i32>(others + (i << 3))
    const length = load<i32>(others + (i << 3), 4)
    const p = TEXT + <usize>start
    let isPlain: bool
    if (length <= 16) {
      const low = v128.and(v128.load(p), firstBytes(length))
      isPlain = i8x16.bitmask(low) == 0
      if (isPlain) noteShape(p, length, length - popcnt(i8x16.bitmask(within(low, 0x61, 26))), hexadecimalOf(low))
    } else if (length <= 32) {
      const low = v128.load(p)
      const high = v128.and(v128.load(p + 16), firstBytes(length - 16))
      isPlain = i8x16.bitmask(v128.or(low, high)) == 0
      if (isPlain) {
        const letters = popcnt(i8x16.bitmask(within(low, 0x61, 26))) + popcnt(i8x16.bitmask(within(high, 0x61, 26)))
        noteShape(p, length, length - letters, hexadecimalOf(low))
      }
    } else isPlain = noteLongShape(p, length)
    if (isPlain) {
      store<i32>(plain, start)
      store<i32>(plain, length, 4)
      plain += 8
    } else {
      store<i32>(starts + (left << 2), start)
      store<i32>(ends + (left << 2), start + length)
      left++
    }
  }
  hashTokens(others, plain)
  return <i32>left
}

/** Makes the hashes of the tokens noted from `from` to `to` wait. */
function hashTokens(from: usize, to: usize): void {
  let token = from
  for (; token + 24 < to; token += 32) {
    const a = TEXT + <usize>load<i32>(token)
    const b = TEXT + <usize>load<i32>(token, 8)
    const c = TEXT + <usize>load<i32>(token, 16)
    const d = TEXT + <usize>load<i32>(token, 24)
    const lengthA = load<i32>(token, 4)
    const lengthB = load<i32>(token, 12)
    const lengthC = load<i32>(token, 20)
    const lengthD = load<i32>(token, 28)
    if (((lengthA ^ lengthB) | (lengthA ^ lengthC) | (lengthA ^ lengthD)) == 0) waitForFour(a, b, c, d, lengthA)
    else {
      wait(hashOf(a, lengthA, HASH_SEED))
      wait(hashOf(b, lengthB, HASH_SEED))
      wait(hashOf(c, lengthC, HASH_SEED))
      wait(hashOf(d, lengthD, HASH_SEED))
    }
  }
  for (; token < to; token += 8) wait(hashOf(TEXT + <usize>load<i32>(token), load<i32>(token, 4), HASH_SEED))
}

const VALUE_HASH_BYTES_MAX: i32 = 32
const IDENTIFIER_BYTES_MIN: i32 = 8

/** True when the value is found by its token: letters, digits and `_` only, some digit. */
@inline
function isIdentifier(p: usize, length: i32): bool {
  const low = v128.and(v128.load(p), firstBytes(min(length, 16)))
  const high = v128.and(v128.load(p + 16), firstBytes(max(length - 16, 0)))
  const digits = v128.or(within(low, 0x30, 10), within(high, 0x30, 10))
  if (!v128.any_true(digits)) return false
  return popcnt(plainOf(low)) + popcnt(plainOf(high)) == length
}

@inline
function plainOf(bytes: v128): i32 {
  const plain = v128.or(within(bytes, 0x61, 26), within(bytes, 0x30, 10))
  return i8x16.bitmask(v128.or(plain, i8x16.eq(bytes, i8x16.splat(0x5f))))
}

/** The (field, value) hashes of the values, whose text is folded. */
function takeValues(rowCount: usize, seed: i32): void {
  const base = load<u32>(OFFSETS)
  for (let row: usize = 0; row < rowCount; row++) {
    if (load<u8>(TYPES + row) == 0) continue
    const start = load<u32>(OFFSETS + (row << 2))
    const length = <i32>(load<u32>(OFFSETS + ((row + 1) << 2)) - start)
    if (length > VALUE_HASH_BYTES_MAX) continue
    const p = TEXT + <usize>(start - base)
    if (length >= IDENTIFIER_BYTES_MIN && isIdentifier(p, length)) continue
    wait(hashOf(p, length, seed))
  }
}

/**
 * Takes the batch: `rowCount` values, whose offsets, types and bytes stand in OFFSETS, TYPES and TEXT. `seed` is that of the field, or 0 for no
 * (field, value) hashes. Returns how many tokens with non-ASCII bytes are left to the caller; `oddStarts` and `oddEnds` are theirs.
 */
export function takeBatch(rowCount: i32, seed: i32): i32 {
  const rows = <usize>rowCount
  const length = <usize>(load<u32>(OFFSETS + (rows << 2)) - load<u32>(OFFSETS))
  pendingEnd = pending
  const tokens = markTokens(rows, length)
  const words = partTokens(tokens)
  takeWords(words)
  const left = takeOthers(tokens - words)
  if (seed != 0) takeValues(rows, seed)
  settle()
  return left
}

/** Before the integers of another column. */
export function clearRecent(): void {
  memory.fill(RECENT, 0xff, <usize>8 << RECENT_LOG2)
}

/** Takes `count` integers (64-bit floats in TEXT, NaN for none), as if each were the text of its decimal digits. */
export function takeIntegers(count: i32, seed: i32): void {
  pendingEnd = pending
  for (let i: usize = 0; i < <usize>count; i++) {
    const value = load<f64>(TEXT + (i << 3))
    if (value != value) continue
    const bits = reinterpret<u64>(value)
    const recent = RECENT + (<usize>((bits * 0x9e3779b97f4a7c15) >>> (64 - RECENT_LOG2)) << 3)
    if (load<f64>(recent) == value) continue
    store<f64>(recent, value)
    let rest = <u64>abs<f64>(value)
    let p = DIGITS_END
    do {
      const tenth = rest / 10
      store<u8>(--p, <u8>(0x30 + (rest - tenth * 10)))
      rest = tenth
    } while (rest != 0)
    let length = <i32>(DIGITS_END - p)
    noteShape(p, length, length, -1)
    wait(hashOf(p, length, HASH_SEED))
    if (seed == 0) continue
    if (value < 0) store<u8>(--p, 0x2d)
    else if (length >= IDENTIFIER_BYTES_MIN) continue
    wait(hashOf(p, <i32>(DIGITS_END - p), seed))
  }
  settle()
}

export function oddStarts(): usize {
  return starts
}

export function oddEnds(): usize {
  return ends
}

// JSON text: strings, numbers, arrays; comparing, copying and hashing of bytes.

// @ts-ignore: decorator
@inline
function isSpace(c: i32, mode: i32): bool {
  return c == 0x20 || c == 0x09 || c == 0x0d || (c == 0x0a && mode != MODE_LINES)
}

// @ts-ignore: decorator
@inline
function i32At(base: usize, index: i32): i32 {
  return load<i32>(base + ((<usize>index) << 2))
}

// @ts-ignore: decorator
@inline
function setI32(base: usize, index: i32, value: i32): void {
  store<i32>(base + ((<usize>index) << 2), value)
}

/** Position of the first quote, backslash or control byte. */
// @ts-ignore: decorator
@inline
function skipPlain(from: usize): usize {
  let p = from
  while (true) {
    const v = v128.load(p)
    const m = i8x16.bitmask(
      v128.or(
        v128.or(i8x16.eq(v, i8x16.splat(0x22)), i8x16.eq(v, i8x16.splat(0x5c))),
        i8x16.eq(i8x16.min_u(v, i8x16.splat(0x1f)), v),
      ),
    )
    if (m != 0) return p + <usize>ctz(m)
    p += 16
  }
}

/** Whether `length` bytes are equal; reads up to 15 bytes beyond. */
// @ts-ignore: decorator
@inline
function equals(a: usize, b: usize, length: i32): bool {
  let i: i32 = 0
  while (length - i > 16) {
    if (i8x16.bitmask(i8x16.eq(v128.load(a + i), v128.load(b + i))) != 0xffff) return false
    i += 16
  }
  const mask: i32 = (1 << (length - i)) - 1
  return (i8x16.bitmask(i8x16.eq(v128.load(a + i), v128.load(b + i))) & mask) == mask
}

/** The hash of writer-column.ts: sixteen bytes a step, zeros beyond the end. */
// @ts-ignore: decorator
@inline
function hashValue(type: i32, start: usize, length: i32): i32 {
  const factors = i32x4(0x2c1b3c6d, 0x297a2d39, 0x1b56c4e9, 0x7feb352d)
  const places = i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
  let h: i32 = (length + (type << 9)) * <i32>0x9e3779b1
  let i: i32 = 0
  do {
    let v = v128.load(start + i)
    if (length - i < 16) v = v128.and(v, i8x16.gt_s(i8x16.splat(<i8>(length - i)), places))
    const m = i32x4.mul(v, factors)
    const low = i64x2.extract_lane(m, 0) ^ i64x2.extract_lane(m, 1)
    h = (h ^ <i32>low ^ rotl(<i32>(low >>> 32), 13)) * <i32>0x85ebca6b
    h ^= h >>> 15
    i += 16
  } while (i < length)
  h *= <i32>0xc2b2ae35
  return h ^ (h >>> 16)
}

// @ts-ignore: decorator
@inline
function copy(to: usize, from: usize, length: i32): void {
  for (let i: i32 = 0; i < length; i += 16) v128.store(to + i, v128.load(from + i))
}

/** End of the number at `p`, or 0. */
function skipNumber(from: usize): usize {
  let p = from
  let c: i32 = load<u8>(p)
  if (c == 0x2d) c = load<u8>(++p)
  if (c == 0x30) c = load<u8>(++p)
  else if (<u32>(c - 0x31) <= 8) {
    do c = load<u8>(++p)
    while (<u32>(c - 0x30) <= 9)
  } else return 0
  if (c == 0x2e) {
    c = load<u8>(++p)
    if (<u32>(c - 0x30) > 9) return 0
    do c = load<u8>(++p)
    while (<u32>(c - 0x30) <= 9)
  }
  if ((c | 0x20) == 0x65) {
    c = load<u8>(++p)
    if (c == 0x2b || c == 0x2d) c = load<u8>(++p)
    if (<u32>(c - 0x30) > 9) return 0
    do c = load<u8>(++p)
    while (<u32>(c - 0x30) <= 9)
  }
  return p
}

/** End of the string whose content begins at `from`, just past its quote; 0 when it is not valid. */
function skipString(from: usize): usize {
  let p = from
  while (true) {
    p = skipPlain(p)
    const c: i32 = load<u8>(p)
    if (c == 0x22) return p + 1
    if (c != 0x5c) return 0
    if (unescaped(load<u8>(p + 1)) != 0) p += 2
    else if (codeUnit(p) >= 0) p += 6
    else return 0
  }
}

// @ts-ignore: decorator
@inline
function hexDigit(c: i32): i32 {
  if (<u32>(c - 0x30) <= 9) return c - 0x30
  const letter = (c | 0x20) - 0x61
  return <u32>letter <= 5 ? letter + 10 : -1
}

/** The code unit of `\\uXXXX` at `p`, or below 0. */
function codeUnit(p: usize): i32 {
  if (load<u16>(p) != 0x755c) return -1
  const a = hexDigit(load<u8>(p, 2))
  const b = hexDigit(load<u8>(p, 3))
  const c = hexDigit(load<u8>(p, 4))
  const d = hexDigit(load<u8>(p, 5))
  return (a | b | c | d) < 0 ? -1 : (a << 12) | (b << 8) | (c << 4) | d
}

/** End of the array at `from`, which stands in an object at `depth`; 0 when it is not valid or too deep. */
function skipArray(from: usize, depth: i32, mode: i32): usize {
  let p = from
  let open: i32 = 0
  // Bit i: the container i levels up is an object.
  let objects: i32 = 0
  while (true) {
    let c: i32 = load<u8>(p)
    let isClosing = false
    if (c == 0x5b || c == 0x7b) {
      open++
      if (depth + open > NESTING_DEPTH_MAX) return 0
      objects = (objects << 1) | (c == 0x7b ? 1 : 0)
      c = load<u8>(++p)
      while (isSpace(c, mode)) c = load<u8>(++p)
      isClosing = c == ((objects & 1) == 1 ? 0x7d : 0x5d)
      if (!isClosing) {
        if ((objects & 1) == 1) {
          p = skipKey(p, mode)
          if (p == 0) return 0
        }
        continue
      }
    } else {
      if (c == 0x22) p = skipString(p + 1)
      else if (c == 0x2d || <u32>(c - 0x30) <= 9) p = skipNumber(p)
      else p = skipLiteral(p)
      if (p == 0) return 0
    }
    while (true) {
      c = load<u8>(p)
      while (isSpace(c, mode)) c = load<u8>(++p)
      if (c == 0x2c && !isClosing) {
        c = load<u8>(++p)
        while (isSpace(c, mode)) c = load<u8>(++p)
        if ((objects & 1) == 1) {
          p = skipKey(p, mode)
          if (p == 0) return 0
        }
        break
      }
      isClosing = false
      if (c != ((objects & 1) == 1 ? 0x7d : 0x5d)) return 0
      p++
      objects >>= 1
      if (--open == 0) return p
    }
  }
}

/** From a key's quote to the first byte of its value, or 0. */
function skipKey(from: usize, mode: i32): usize {
  if (load<u8>(from) != 0x22) return 0
  let p = skipString(from + 1)
  if (p == 0) return 0
  let c: i32 = load<u8>(p)
  while (isSpace(c, mode)) c = load<u8>(++p)
  if (c != 0x3a) return 0
  c = load<u8>(++p)
  while (isSpace(c, mode)) c = load<u8>(++p)
  return p
}

function skipLiteral(p: usize): usize {
  const word = load<i32>(p)
  if (word == 0x65757274 || word == 0x6c6c756e) return p + 4
  if (word == 0x736c6166 && load<u8>(p + 4) == 0x65) return p + 5
  return 0
}

/** The byte that a simple escape stands for, or 0. */
function unescaped(c: i32): i32 {
  switch (c) {
    case 0x22:
    case 0x5c:
    case 0x2f:
      return c
    case 0x62:
      return 8
    case 0x66:
      return 12
    case 0x6e:
      return 10
    case 0x72:
      return 13
    case 0x74:
      return 9
    default:
      return 0
  }
}

let decodedEnd: usize = 0

/** Decodes the string from `from` to `to`; returns the position after its quote, or 0. Sets `decodedEnd`. */
function decode(from: usize, to: usize): usize {
  let p = from
  let out = to
  while (true) {
    const stop = skipPlain(p)
    const length = <i32>(stop - p)
    copy(out, p, length)
    out += length
    p = stop
    const c: i32 = load<u8>(p)
    if (c == 0x22) {
      decodedEnd = out
      return p + 1
    }
    if (c != 0x5c) return 0
    const plain = unescaped(load<u8>(p + 1))
    if (plain != 0) {
      store<u8>(out++, plain)
      p += 2
      continue
    }
    let point = codeUnit(p)
    if (point < 0) return 0
    p += 6
    if (point >= 0xd800 && point <= 0xdfff) {
      const low = point <= 0xdbff ? codeUnit(p) : -1
      if (low >= 0xdc00 && low <= 0xdfff) {
        point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00)
        p += 6
      } else point = 0xfffd
    }
    if (point < 0x80) store<u8>(out++, point)
    else {
      if (point < 0x800) store<u8>(out++, 0xc0 | (point >> 6))
      else {
        if (point < 0x10000) store<u8>(out++, 0xe0 | (point >> 12))
        else {
          store<u8>(out++, 0xf0 | (point >> 18))
          store<u8>(out++, 0x80 | ((point >> 12) & 63))
        }
        store<u8>(out++, 0x80 | ((point >> 6) & 63))
      }
      store<u8>(out++, 0x80 | (point & 63))
    }
  }
}

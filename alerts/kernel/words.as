// Finds tokens that may be one of a list of words, in values that lie one after the other. A token is a run of letters, digits, `_` and bytes
// of other characters (base/tokenizer.ts); it may be a word when the filter has the bit of its first four bytes, folded, and its length.
//
// Filter of 2^15 bits at 0. For each candidate four numbers are written from `out` + 16 on: number of the value, start, length, bit. At `out`
// stands a number that is 0 only where all bytes are ASCII.

const FILTER_BITS: u32 = 15
const NONE: usize = usize.MAX_VALUE

// @ts-ignore: decorator
@inline
function tokenMask(v: v128): i32 {
  const letter = i8x16.lt_u(i8x16.sub(v128.or(v, i8x16.splat(0x20)), i8x16.splat(0x61)), i8x16.splat(26))
  const digit = i8x16.lt_u(i8x16.sub(v, i8x16.splat(0x30)), i8x16.splat(10))
  const other = v128.or(i8x16.eq(v, i8x16.splat(0x5f)), i8x16.lt_s(v, i8x16.splat(0)))
  return i8x16.bitmask(v128.or(v128.or(letter, digit), other))
}

// `text` is where the byte of offset 0 lies; `offsets` has count + 1 entries. 32 bytes behind the text may be read.
export function scan(text: usize, offsets: usize, count: u32, lengthMin: u32, lengthMax: u32, out: usize): u32 {
  let at = out + 16
  let all = i8x16.splat(0)
  for (let value: u32 = 0; value < count; value++) {
    const from = text + load<u32>(offsets + ((<usize>value) << 2))
    const end = text + load<u32>(offsets + ((<usize>value + 1) << 2))
    let start: usize = NONE
    for (let chunk = from; chunk < end; chunk += 16) {
      const bytes = v128.load(chunk)
      all = v128.or(all, bytes)
      let mask: u32 = tokenMask(bytes)
      const left = end - chunk
      if (left < 16) mask &= (1 << <u32>left) - 1
      let place: u32 = 0
      while (true) {
        if (start == NONE) {
          const rest = mask >> place
          if (rest == 0) break
          place += ctz(rest)
          start = chunk + place
        }
        place += ctz(~mask >> place)
        if (place >= 16) break
        at = take(value, start, chunk + place, text, lengthMin, lengthMax, at)
        start = NONE
      }
    }
    if (start != NONE) at = take(value, start, end, text, lengthMin, lengthMax, at)
  }
  store<u32>(out, i8x16.bitmask(all))
  return <u32>((at - out - 16) >> 4)
}

// @ts-ignore: decorator
@inline
function take(value: u32, start: usize, end: usize, text: usize, lengthMin: u32, lengthMax: u32, at: usize): usize {
  const length = <u32>(end - start)
  if (length < lengthMin || length > lengthMax) return at
  let head = load<u32>(start) | 0x20202020
  if (length < 4) head &= (1 << (length << 3)) - 1
  const bit = ((head ^ (length * 0x9e3779b1)) * 0x85ebca6b) >> (32 - FILTER_BITS)
  if (((<u32>load<u8>(bit >> 3) >> (bit & 7)) & 1) == 0) return at
  store<u32>(at, value)
  store<u32>(at + 4, <u32>(start - text))
  store<u32>(at + 8, length)
  store<u32>(at + 12, bit)
  return at + 16
}

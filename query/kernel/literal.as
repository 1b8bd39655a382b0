// Finds a literal in text, 16 places at a time: two of its bytes, chosen by the caller, are compared at once, the others where both are there.
// Needle at 0 (folded), a fold mask for each of its bytes at 256 (0x20 for letters when any case will do), text at TEXT; 32 bytes behind the
// text may be read and hold no matter what. Hits are written from `hits` on, as offsets from TEXT.

const FOLDS: usize = 256
const TEXT: usize = 512

// @ts-ignore: decorator
@inline
function isThere(at: usize, length: usize): bool {
  for (let k: usize = 0; k < length; k++) {
    if ((load<u8>(at + k) | load<u8>(FOLDS + k)) != load<u8>(k)) return false
  }
  return true
}

export function find(textLength: u32, length: u32, first: u32, second: u32, hits: usize): u32 {
  if (textLength < length) return 0
  const firstByte = i8x16.splat(<i8>load<u8>(first))
  const firstFold = i8x16.splat(<i8>load<u8>(FOLDS + first))
  const secondByte = i8x16.splat(<i8>load<u8>(second))
  const secondFold = i8x16.splat(<i8>load<u8>(FOLDS + second))
  const starts = TEXT + textLength - length + 1
  let out = hits
  for (let at: usize = TEXT; at < starts; at += 16) {
    const a = i8x16.eq(v128.or(v128.load(at + first), firstFold), firstByte)
    const b = i8x16.eq(v128.or(v128.load(at + second), secondFold), secondByte)
    const both = v128.and(a, b)
    if (!v128.any_true(both)) continue
    for (let mask = i8x16.bitmask(both); mask != 0; mask &= mask - 1) {
      const place = at + ctz(mask)
      if (place >= starts) break
      if (!isThere(place, length)) continue
      store<u32>(out, <u32>(place - TEXT))
      out += 4
    }
  }
  return <u32>((out - hits) >> 2)
}

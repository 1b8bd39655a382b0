/**
 * Which characters of tokens occur in some texts: bits for a-z, 0-9 and `_`, letters without regard to case, and one for everything outside
 * ASCII. It errs on the side of too much only (S5): texts with a character outside ASCII have every bit, since folding crosses
 * that border (the Kelvin sign is a `k`).
 */
export interface CharMask {
  /** a-z, then 0-5. */
  readonly low: number
  /** 6-9, `_`, not ASCII. */
  readonly high: number
}

const HIGH_BITS = 6
export const CHARS_NONE: CharMask = { low: 0, high: 0 }
/** Any character may occur. */
export const CHARS_ANY: CharMask = { low: 0xffffffff, high: (1 << HIGH_BITS) - 1 }

/** By byte: 1 + number of its bit; 0 for a separator. */
const BIT = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte >= 0x80) return 38
  if (byte >= 0x30 && byte <= 0x39) return 27 + byte - 0x30
  if (byte === 0x5f) return 37
  const lower = byte | 0x20
  return lower >= 0x61 && lower <= 0x7a && byte >= 0x41 ? 1 + lower - 0x61 : 0
})
const BIT_NOT_ASCII = 37

/** The characters of `text`. */
export function charMaskOfText(text: string): CharMask {
  let low = 0
  let high = 0
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    const bit = (unit < 0x80 ? BIT[unit]! : BIT_NOT_ASCII + 1) - 1
    if (bit >= 32) high |= 1 << (bit - 32)
    else if (bit >= 0) low |= 1 << bit
  }
  return { low: low >>> 0, high }
}

/** Bytes looked at between two looks at how many characters were found. */
const STEP_BYTES = 4096
/** Texts with so many different characters are as good as any text. */
const SATURATED = 28

/** The characters of the UTF-8 bytes[start, end). About 0.5 ns a byte; free text is given up on after a few KiB. */
export function charMaskOfBytes(bytes: Uint8Array, start: number, end: number): CharMask {
  const seen = new Uint8Array(39)
  for (let from = start; from < end; from += STEP_BYTES) {
    const to = Math.min(end, from + STEP_BYTES)
    for (let i = from; i < to; i++) seen[BIT[bytes[i]!]!] = 1
    if (seen[BIT_NOT_ASCII + 1] === 1) return CHARS_ANY
    let count = 0
    for (let bit = 1; bit <= BIT_NOT_ASCII; bit++) count += seen[bit]!
    if (count >= SATURATED) return CHARS_ANY
  }
  let low = 0
  let high = 0
  for (let bit = 0; bit < BIT_NOT_ASCII; bit++) {
    if (seen[bit + 1] === 0) continue
    if (bit < 32) low |= 1 << bit
    else high |= 1 << (bit - 32)
  }
  return { low: low >>> 0, high }
}

export function unionOfChars(a: CharMask, b: CharMask): CharMask {
  return { low: (a.low | b.low) >>> 0, high: a.high | b.high }
}

/** False when texts with the characters `held` certainly lack one of `wanted`. */
export function mayHoldChars(held: CharMask, wanted: CharMask): boolean {
  return (wanted.low & ~held.low) === 0 && (wanted.high & ~held.high) === 0
}

/**
 * The one tokenizer (S5), shared by writer, bloom filter, word index, query parser and verifier.
 *
 * A token is a maximal run of ASCII letters, ASCII digits, `_` and non-ASCII characters. It is compared folded: every code point
 * becomes its lower-case form (Unicode's default mapping, locale-free), unless that form is several code points, in
 * which case it stays. So `İ` stays, `Σ` and `σ` become `σ` wherever they stand, and the Kelvin sign becomes `k`. A lone
 * surrogate is U+FFFD, as it is in UTF-8. Folding is idempotent.
 */

/** By byte: 0 for a separator, the folded byte for ASCII token characters, itself for bytes of non-ASCII characters. */
export const TOKEN_FOLD = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte >= 0x80 || byte === 0x5f || (byte >= 0x30 && byte <= 0x39) || (byte >= 0x61 && byte <= 0x7a)) return byte
  return byte >= 0x41 && byte <= 0x5a ? byte + 32 : 0
})

/** Bounds of a word's length in UTF-16 units. */
export const WORD_LENGTH_MIN = 2
export const WORD_LENGTH_MAX = 32

const REPLACEMENT = 0xfffd
/** Folded code points below U+10000, made when the first non-ASCII one is met; 3 ms. */
let foldedBasic: Uint16Array | null = null

function makeFoldedBasic(): Uint16Array {
  const table = new Uint16Array(0x10000)
  for (let codePoint = 0; codePoint < 0x10000; codePoint++) table[codePoint] = foldByMapping(codePoint)
  return table
}

function foldByMapping(codePoint: number): number {
  if (codePoint >= 0xd800 && codePoint <= 0xdfff) return REPLACEMENT
  const lower = String.fromCodePoint(codePoint).toLowerCase()
  const first = lower.codePointAt(0)!
  // A code point never moves between the basic plane and the others, so a table of 16-bit entries holds every answer.
  return lower.length === (first > 0xffff ? 2 : 1) && first > 0xffff === codePoint > 0xffff ? first : codePoint
}

/** The folded form of one code point. */
export function foldCodePoint(codePoint: number): number {
  if (codePoint < 0x80) return codePoint >= 0x41 && codePoint <= 0x5a ? codePoint + 32 : codePoint
  if (codePoint > 0xffff) return foldByMapping(codePoint)
  foldedBasic ??= makeFoldedBasic()
  return foldedBasic[codePoint]!
}

/** `text` with every code point folded; the form in which texts are compared without case. */
export function foldText(text: string): string {
  let ascii = true
  for (let i = 0; i < text.length && ascii; i++) ascii = text.charCodeAt(i) < 0x80
  if (ascii) return text.toLowerCase()
  let folded = ''
  for (const character of text) folded += String.fromCodePoint(foldCodePoint(character.codePointAt(0)!))
  return folded
}

/** True when a token may contain this UTF-16 unit. */
export function isTokenUnit(unit: number): boolean {
  return unit >= 0x80 || TOKEN_FOLD[unit] !== 0
}

/** The tokens of `text` in order, folded, repeats included. */
export function tokensOfText(text: string): string[] {
  const tokens: string[] = []
  let start = -1
  for (let i = 0; i <= text.length; i++) {
    if (i < text.length && isTokenUnit(text.charCodeAt(i))) {
      if (start < 0) start = i
    } else if (start >= 0) {
      tokens.push(foldText(text.slice(start, i)))
      start = -1
    }
  }
  return tokens
}

/** True when a folded token belongs in the word index: 2 to 32 long, no digit, no `_`. */
export function isWord(token: string): boolean {
  if (token.length < WORD_LENGTH_MIN || token.length > WORD_LENGTH_MAX) return false
  for (let i = 0; i < token.length; i++) {
    const unit = token.charCodeAt(i)
    if (unit < 0x61 || (unit > 0x7a && unit < 0x80)) return false
  }
  return true
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/**
 * Writes the folded UTF-8 of the token bytes[start, end) to `out`, which holds at least 3 × (end - start) bytes; returns its
 * length. For tokens with non-ASCII bytes; malformed ones count as the replacement characters that a decoder makes of them.
 */
export function foldTokenBytes(bytes: Uint8Array, start: number, end: number, out: Uint8Array): number {
  const text = decoder.decode(bytes.subarray(start, end))
  let length = 0
  for (let i = 0; i < text.length; i++) {
    let codePoint = text.charCodeAt(i)
    if (codePoint >= 0xd800 && codePoint <= 0xdfff) codePoint = text.codePointAt(i++)!
    const folded = foldCodePoint(codePoint)
    if (folded < 0x80) out[length++] = folded
    else if (folded < 0x800) {
      out[length++] = 0xc0 | (folded >> 6)
      out[length++] = 0x80 | (folded & 0x3f)
    } else if (folded < 0x10000) {
      out[length++] = 0xe0 | (folded >> 12)
      out[length++] = 0x80 | ((folded >> 6) & 0x3f)
      out[length++] = 0x80 | (folded & 0x3f)
    } else {
      out[length++] = 0xf0 | (folded >> 18)
      out[length++] = 0x80 | ((folded >> 12) & 0x3f)
      out[length++] = 0x80 | ((folded >> 6) & 0x3f)
      out[length++] = 0x80 | (folded & 0x3f)
    }
  }
  return length
}

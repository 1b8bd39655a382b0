/** A text with its escapes undone: character i of it comes from [at[i], at[i + 1]) of the text that was given. */
export interface Unescaped {
  readonly text: string
  readonly at: Int32Array
}

/** What stands after a backslash → what it stands for; 0: nothing. */
const LETTERS = new Uint8Array(128)
for (const [letter, char] of ['n\n', 'r\r', 't\t', 'b\b', 'f\f', '""', '\\\\', '//', "''"]) {
  LETTERS[letter!.charCodeAt(0)] = char!.charCodeAt(0)
}

/**
 * Undoes one layer of escapes: those of JSON (`\u0070`, `\"`, `\n`), `\x70`, and percent encoding (`%70`); undefined when there is none.
 */
export function unescaped(text: string): Unescaped | undefined {
  const { length } = text
  let p = 0
  while (p < length && escapeAt(text, p) === 0) p++
  if (p === length) return undefined
  const at = new Int32Array(length + 1)
  const codes = new Uint16Array(length)
  let isLatin1 = true
  let count = 0
  for (p = 0; p < length; ) {
    const taken = escapeAt(text, p)
    const code = taken > 0 ? escaped : text.charCodeAt(p)
    if (code > 0xff) isLatin1 = false
    codes[count] = code
    at[count++] = p
    p += Math.max(1, taken)
  }
  at[count] = length
  const shown = codes.subarray(0, count)
  return { text: isLatin1 ? latin1Of(shown) : utf16Of(shown), at: at.subarray(0, count + 1) }
}

function latin1Of(codes: Uint16Array): string {
  const bytes = Uint8Array.from(codes)
  return Buffer.from(bytes.buffer).toString('latin1')
}

function utf16Of(codes: Uint16Array): string {
  return Buffer.from(codes.buffer, codes.byteOffset, codes.byteLength).toString('utf16le')
}

/** After `escapeAt` has found one: the code unit that the escape stands for. */
let escaped = 0

/** How many characters the escape at `at` has; 0 where there is none. */
function escapeAt(text: string, at: number): number {
  const c = text.charCodeAt(at)
  if (c === 0x25) {
    escaped = hex(text, at + 1, 2)
    return escaped < 0 ? 0 : 3
  }
  if (c !== 0x5c) return 0
  const letter = at + 1 < text.length ? text.charCodeAt(at + 1) : 0
  if (letter === 0x75) {
    escaped = hex(text, at + 2, 4)
    return escaped < 0 ? 0 : 6
  }
  if (letter === 0x78) {
    escaped = hex(text, at + 2, 2)
    return escaped < 0 ? 0 : 4
  }
  escaped = letter < 128 ? LETTERS[letter]! : 0
  return escaped === 0 ? 0 : 2
}

function hex(text: string, at: number, digits: number): number {
  let code = 0
  for (let i = at; i < at + digits; i++) {
    const c = text.charCodeAt(i)
    const digit = c >= 0x30 && c <= 0x39 ? c - 0x30 : (c | 32) >= 0x61 && (c | 32) <= 0x66 ? (c | 32) - 0x57 : -1
    if (digit < 0) return -1
    code = code * 16 + digit
  }
  return code
}

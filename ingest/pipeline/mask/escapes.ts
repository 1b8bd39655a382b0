/** A text with its escapes undone: character i of it comes from [at[i], at[i + 1]) of the text that was given. */
export interface Unescaped {
  readonly text: string
  readonly at: Int32Array
}

const LETTERS: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f' }

/**
 * Undoes one layer of escapes: those of JSON (`\u0070`, `\"`, `\n`), `\x70`, and percent encoding (`%70`); undefined when there is none.
 */
export function unescaped(text: string): Unescaped | undefined {
  const { length } = text
  const at = new Int32Array(length + 1)
  const parts: string[] = []
  let count = 0
  let plainFrom = 0
  let isChanged = false
  for (let p = 0; p < length; ) {
    const c = text.charCodeAt(p)
    const found = c === 0x5c ? backslashed(text, p) : c === 0x25 ? percent(text, p) : undefined
    if (found === undefined) {
      at[count++] = p++
      continue
    }
    parts.push(text.slice(plainFrom, p), found[0])
    at[count++] = p
    p += found[1]
    plainFrom = p
    isChanged = true
  }
  if (!isChanged) return undefined
  parts.push(text.slice(plainFrom))
  at[count] = length
  return { text: parts.join(''), at: at.subarray(0, count + 1) }
}

/** The character and how many it takes to write it. */
function backslashed(text: string, at: number): readonly [string, number] | undefined {
  const letter = text[at + 1]
  if (letter === undefined) return undefined
  if (letter === 'u') {
    const code = hex(text, at + 2, 4)
    return code < 0 ? undefined : [String.fromCharCode(code), 6]
  }
  if (letter === 'x') {
    const code = hex(text, at + 2, 2)
    return code < 0 ? undefined : [String.fromCharCode(code), 4]
  }
  if (letter === '"' || letter === '\\' || letter === '/' || letter === "'") return [letter, 2]
  const control = LETTERS[letter]
  return control === undefined ? undefined : [control, 2]
}

function percent(text: string, at: number): readonly [string, number] | undefined {
  const code = hex(text, at + 1, 2)
  return code < 0 ? undefined : [String.fromCharCode(code), 3]
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

const BACKSLASH = 0x5c

/** Past the closing quote of the text whose quote stands at `at`; -1 when it is not closed. A backslash takes the next character with it. */
export function quotedEnd(text: string, at: number, quote: string): number {
  const code = quote.charCodeAt(0)
  for (let p = at + 1; p < text.length; p++) {
    const c = text.charCodeAt(p)
    if (c === BACKSLASH) p++
    else if (c === code) return p + 1
  }
  return -1
}

const LETTERS: ReadonlyMap<string, string> = new Map([
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['b', '\b'],
  ['f', '\f'],
])

/** What stands between two quotes, with the escapes of JSON; any other character after a backslash stands for itself. */
export function unescaped(text: string): string {
  if (!text.includes('\\')) return text
  return text.replace(/\\(?:u([0-9a-fA-F]{4})|([\s\S]))/g, (_, hex: string | undefined, char: string) =>
    hex === undefined ? (LETTERS.get(char) ?? char) : String.fromCharCode(Number.parseInt(hex, 16)),
  )
}

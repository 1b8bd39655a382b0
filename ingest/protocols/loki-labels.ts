/** A name and its value: quoted as Go quotes, or between backquotes, where nothing is escaped. */
const PAIR = /\s*([A-Za-z_][\w.:-]*)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|`([^`]*)`)\s*(,|\})/sy
const EMPTY = /^\s*\{\s*\}\s*$/
const OPEN = /\s*\{/y
/** A record could not hold more; and an expression over more may need more stack than there is. */
const LABELS_CHARS_MAX = 64 * 1024
/** Escapes of Go's strings. */
const ESCAPE = /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))/gs
const LETTERS: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
}

/**
 * Members of JSON, without braces, of a stream's labels as they stand in Loki's protobuf: `{app="shop", job="web"}`. Undefined when the
 * text is none, or longer than any should be.
 */
export function labelMembers(text: string): Buffer | undefined {
  if (text.length > LABELS_CHARS_MAX) return undefined
  if (EMPTY.test(text)) return Buffer.alloc(0)
  OPEN.lastIndex = 0
  if (!OPEN.test(text)) return undefined
  let at = OPEN.lastIndex
  const members: string[] = []
  for (;;) {
    PAIR.lastIndex = at
    const [, name, quoted, plain, separator] = PAIR.exec(text) ?? []
    if (name === undefined) return undefined
    members.push(`${JSON.stringify(name)}:${JSON.stringify(plain ?? unquoted(quoted!))}`)
    at = PAIR.lastIndex
    if (separator === '}') break
  }
  return text.slice(at).trim() === '' ? Buffer.from(members.join(',')) : undefined
}

function unquoted(text: string): string {
  if (!text.includes('\\')) return text
  return text.replace(ESCAPE, (_, x?: string, u?: string, long?: string, octal?: string, letter?: string) => {
    if (letter !== undefined) return LETTERS[letter] ?? letter
    const hex = x ?? u ?? long
    const point = hex === undefined ? Number.parseInt(octal!, 8) : Number.parseInt(hex, 16)
    return point > 0x10ffff ? '\ufffd' : String.fromCodePoint(point)
  })
}

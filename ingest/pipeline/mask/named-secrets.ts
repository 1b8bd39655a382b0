import type { Spans } from './spans.ts'

/** Beside a name such as `password`: its value, in `name=value`, JSON, headers, command lines, XML, and between bytes of binary protocols. */
const NAMES =
  /pass(?:word|wd|phrase|code)?|pwd|secret|token|credential|authorization|auth[_-]?key|api[_-]?key|access[_-]?key|private[_-]?key/gi
const NAME_CHAR = charSet('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-')
const NAME_REST_MAX = 64
const SPACES_MAX = 16
const QUOTES = charSet('"\'`')
/** What ends a value without quotes. */
const VALUE_END = charSet(' \t\r\n,;&"\'`<>)}]|\\')
const SCHEMES = /^(?:bearer|basic|digest|token|apikey|splunk|negotiate)$/i
/** `{"key":"password","value":…}`: what stands between the name and its value. */
const PAIR = /\\{0,8}["'][ \t\r\n]{0,16},[ \t\r\n]{0,16}\\{0,8}["'](?:value|val|v)\\{0,8}["'][ \t\r\n]{0,16}:/iy
/** Between a name and a value in protobuf, msgpack and the like: tags and lengths. */
const BINARY_GAP_MAX = 7

/** Whether the value of a member of this name is a secret, whatever it is; `isText`: a string. */
export function isSecretName(name: string, isText: boolean): boolean {
  NAMES.lastIndex = 0
  for (let match = NAMES.exec(name); match !== null; match = NAMES.exec(name)) {
    const end = match.index + match[0].length
    if (isMeant(name, match.index, end, name.length, match[0]) && (isText || !/^token$/i.test(match[0]))) return true
  }
  return false
}

/** Finds just these names, in any case, for `findNamedSecrets`. */
export function namesPattern(names: readonly string[]): RegExp {
  const escaped = names
    .toSorted((a, b) => b.length - a.length)
    .map((name) => name.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'))
  return new RegExp(`(?<![A-Za-z0-9_])(?:${escaped.join('|')})(?![A-Za-z0-9_])`, 'gi')
}

/** Finds values of names that say so, or of `own` ones. `isBinary`: control bytes may stand between a name and its value. */
export function findNamedSecrets(text: string, spans: Spans, isBinary: boolean, own?: RegExp): void {
  const names = own ?? NAMES
  names.lastIndex = 0
  for (let match = names.exec(text); match !== null; match = names.exec(text)) {
    const wordEnd = match.index + match[0].length
    let nameEnd = wordEnd
    if (own === undefined) {
      while (nameEnd < wordEnd + NAME_REST_MAX && isOf(NAME_CHAR, text, nameEnd)) nameEnd++
      if (!isMeant(text, match.index, wordEnd, nameEnd, match[0])) continue
    }
    const isToken = own === undefined && /^token$/i.test(match[0])
    const valueEnd = findValue(text, match.index, nameEnd, isToken, spans, isBinary)
    // From there on, so that no text is looked at twice.
    if (valueEnd > names.lastIndex) names.lastIndex = valueEnd
  }
}

/** `compass`, `passed` and `secretary` are no names of secrets. */
function isMeant(text: string, start: number, wordEnd: number, nameEnd: number, word: string): boolean {
  if (/^pass$/i.test(word)) {
    const before = text.slice(Math.max(0, start - 4), start)
    return (
      wordEnd === nameEnd && (/(?:^|[^A-Za-z]|db|user)$/i.test(before) || /[a-z]$/.test(before) === (word[0] === 'P'))
    )
  }
  return !/^ary\b/i.test(text.slice(wordEnd, wordEnd + 4))
}

/** Adds the value that follows a name; returns where it ends, -1 when there is none. */
function findValue(
  text: string,
  nameStart: number,
  nameEnd: number,
  isToken: boolean,
  spans: Spans,
  isBinary: boolean,
): number {
  if (isBinary && isControl(text, nameEnd)) return findBinaryValue(text, nameEnd, spans)
  let p = nameEnd
  PAIR.lastIndex = p
  const isPair = PAIR.test(text)
  // The quote of the name, escaped or not.
  while (p < nameEnd + 8 && (text[p] === '\\' || isOf(QUOTES, text, p))) p++
  p = skipSpaces(text, p)
  const separator = text[p]
  if (isPair) p = PAIR.lastIndex
  else if (separator === '=' || separator === ':') {
    p++
    if (text[p] === '>' || text[p] === '=') p++
  } else if (separator === '>' && p === nameEnd) p++
  else if (!(p > nameEnd && isOption(text, nameStart))) return -1
  p = skipSpaces(text, p)
  let start = p
  let end = quotedEnd(text, p)
  if (end >= 0) {
    while (text[start] === '\\') start++
    start++
  } else if (text[p] === '{' || text[p] === '[') {
    end = bracketEnd(text, p)
  } else {
    end = wordEnd(text, p)
    if (SCHEMES.test(text.slice(p, end))) {
      start = skipSpaces(text, end)
      end = wordEnd(text, start)
    }
  }
  if (isToken && /^[\d.]{1,9}$/.test(text.slice(start, end))) return -1
  spans.add(start, end)
  return end
}

/** `--password hunter2` */
function isOption(text: string, nameStart: number): boolean {
  let p = nameStart
  while (p > nameStart - NAME_REST_MAX && p > 0 && isOf(NAME_CHAR, text, p - 1)) p--
  return text.startsWith('--', p)
}

/** Where a value in quotes ends, without the closing one; -1 when it begins with none. The quotes may be escaped themselves. */
function quotedEnd(text: string, at: number): number {
  let p = at
  while (p < at + 8 && text[p] === '\\') p++
  if (!isOf(QUOTES, text, p)) return -1
  const quote = text.slice(at, p + 1)
  if (quote.length > 1) {
    const end = text.indexOf(quote, p + 1)
    return end < 0 ? text.length : end
  }
  for (let end = p + 1; end < text.length; end++) {
    if (text[end] === '\\') end++
    else if (text[end] === quote) return end
  }
  return text.length
}

function bracketEnd(text: string, at: number): number {
  let depth = 0
  for (let p = at; p < text.length; p++) {
    const c = text[p]
    if (c === '{' || c === '[') depth++
    else if ((c === '}' || c === ']') && --depth === 0) return p + 1
  }
  return text.length
}

function wordEnd(text: string, at: number): number {
  let p = at
  while (p < text.length && !isOf(VALUE_END, text, p) && !isControl(text, p)) p++
  return p
}

/** Of what lies between, control bytes are tags and lengths; a length may also be a printable byte, which then counts as of the value. */
function findBinaryValue(text: string, at: number, spans: Spans): number {
  let start = at
  for (let p = at; p < Math.min(text.length, at + BINARY_GAP_MAX); p++) {
    if (!isLowControl(text, p) && !isControl(text, p)) continue
    // A short value, and what comes after it.
    if (p - start > 1) spans.add(start, p)
    start = p + 1
  }
  let end = start
  while (end < text.length && !isLowControl(text, end)) end++
  spans.add(start, end)
  return end
}

/** Control bytes, and those beyond ASCII. */
function isControl(text: string, at: number): boolean {
  const c = text.charCodeAt(at)
  return (c < 0x20 && c !== 0x09 && c !== 0x0a && c !== 0x0d) || (c >= 0x7f && c <= 0xff)
}

function isLowControl(text: string, at: number): boolean {
  return text.charCodeAt(at) < 0x20
}

function skipSpaces(text: string, at: number): number {
  let p = at
  while (p < at + SPACES_MAX && (text[p] === ' ' || text[p] === '\t' || text[p] === '\n' || text[p] === '\r')) p++
  return p
}

function charSet(chars: string): Uint8Array {
  const set = new Uint8Array(128)
  for (const char of chars) set[char.charCodeAt(0)] = 1
  return set
}

function isOf(set: Uint8Array, text: string, at: number): boolean {
  const c = text.charCodeAt(at)
  return c < 128 && set[c] === 1
}

/**
 * A reading of JavaScript regular expressions just deep enough to say two things of one: how to search many values at
 * once with it, and which literal every match must contain. What is not understood is answered with null, and the
 * caller takes its slow and certain path.
 */

type Item =
  | { readonly kind: 'char'; readonly text: string; readonly char: string }
  | { readonly kind: 'class'; readonly text: string }
  | { readonly kind: 'escape'; readonly text: string }
  | { readonly kind: 'dot' }
  | { readonly kind: 'start' }
  | { readonly kind: 'end' }
  | { readonly kind: 'or' }
  | { readonly kind: 'open'; readonly text: string; readonly isLookaround: boolean }
  | { readonly kind: 'close' }
  | { readonly kind: 'quantifier'; readonly text: string; readonly min: number }

const QUANTIFIER = /^(?:[*+?]|\{(\d+)(?:,\d*)?\})\??/
const OPEN = /^\((?:\?(?::|<?[=!]|<[\p{L}_$][\p{L}\p{N}_$]*>))?/u
const ESCAPE = /^\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|u\{[0-9a-fA-F]+\}|[pP]\{[^}]*\}|k<[^>]*>|\d+|[^cxupPk\d])/su

/** The parts of `regex` in order, or null where its syntax is beyond this reading. */
function itemsOf(regex: RegExp): Item[] | null {
  if (regex.flags.includes('v')) return null
  const source = regex.source
  const items: Item[] = []
  let i = 0
  while (i < source.length) {
    const c = source[i]!
    const rest = source.slice(i)
    if (c === '\\') {
      const text = ESCAPE.exec(rest)?.[0]
      if (text === undefined) return null
      items.push(/^\\[^\w\s]$/.test(text) ? { kind: 'char', text, char: text[1]! } : { kind: 'escape', text })
      i += text.length
      continue
    }
    if (c === '[') {
      let end = i + 1
      while (end < source.length && source[end] !== ']') end += source[end] === '\\' ? 2 : 1
      items.push({ kind: 'class', text: source.slice(i, end + 1) })
      i = end + 1
      continue
    }
    if (c === '(') {
      const text = OPEN.exec(rest)?.[0]
      if (text === undefined || (text === '(' && rest[1] === '?')) return null
      items.push({ kind: 'open', text, isLookaround: /[=!]$/.test(text) })
      i += text.length
      continue
    }
    const quantifier = QUANTIFIER.exec(rest)
    if (quantifier !== null) {
      const min = quantifier[1] !== undefined ? Number(quantifier[1]) : c === '+' ? 1 : 0
      items.push({ kind: 'quantifier', text: quantifier[0], min })
      i += quantifier[0].length
      continue
    }
    if (c === ')') items.push({ kind: 'close' })
    else if (c === '|') items.push({ kind: 'or' })
    else if (c === '.') items.push({ kind: 'dot' })
    else if (c === '^') items.push({ kind: 'start' })
    else if (c === '$') items.push({ kind: 'end' })
    else items.push({ kind: 'char', text: c, char: c })
    i++
  }
  return items
}

/**
 * A global expression that, run over values joined by newlines, matches within a line exactly where `regex` matches
 * within that value, provided that no value holds a newline. So one native scan searches thousands of values. Null when
 * there is none.
 *
 * Why it is exact: nothing in it can consume a newline (`.`, classes and escapes have it taken out), so a match never
 * leaves its line; where the value ends, every part and every lookaround sees a newline that it cannot consume, or is
 * not a word character, which is what it would see at the end of the text; and `^` and `$` say so themselves.
 */
export function lineRegexOf(regex: RegExp): RegExp | null {
  const items = itemsOf(regex)
  if (items === null) return null
  const isUnicodeCaseless = regex.flags.includes('u') && regex.flags.includes('i')
  let source = ''
  for (const item of items) {
    switch (item.kind) {
      case 'char':
        source += item.char === '\n' ? '[]' : item.text
        break
      case 'class':
        source += classWithoutNewline(item.text)
        break
      case 'escape': {
        if (isUnicodeCaseless && item.text === '\\W') return null
        source += escapeWithoutNewline(item.text)
        break
      }
      case 'dot':
        source += regex.dotAll ? '[^\\n]' : '.'
        break
      case 'start':
        source += regex.multiline ? '^' : '(?<![^\\n])'
        break
      case 'end':
        source += regex.multiline ? '$' : '(?![^\\n])'
        break
      case 'or':
        source += '|'
        break
      case 'close':
        source += ')'
        break
      case 'open':
      case 'quantifier':
        source += item.text
        break
    }
  }
  const flags = ['g', 'i', 'm', 'u'].filter((flag) => flag === 'g' || regex.flags.includes(flag)).join('')
  try {
    return new RegExp(source, flags)
  } catch {
    return null // a corner of the syntax that this reading got wrong: the slow path is always right
  }
}

/** Escapes in a class that stand for no newline: `\d`, `\w`, `\S` and escaped punctuation. */
const HARMLESS_CLASS = /^(?:\\[dwS]|\\[^\w\s]|[^\\\0-\n])*$/

function classWithoutNewline(text: string): string {
  if (text.startsWith('[^')) {
    const inner = text.slice(2)
    return inner.startsWith('-') ? `(?:(?!\\n)${text})` : `[^\\n${inner}`
  }
  return HARMLESS_CLASS.test(text) ? text : `(?:(?!\\n)${text})`
}

function escapeWithoutNewline(text: string): string {
  switch (text) {
    case '\\s':
      return '[^\\S\\n]'
    case '\\W':
      return '[^\\w\\n]'
    case '\\D':
      return '[^\\d\\n]'
    case '\\n':
      return '[]'
  }
  if (/^\\(?:x0a|u000a|u\{0*a\})$/i.test(text)) return '[]'
  if (/^\\[pP]/.test(text)) return `(?:(?!\\n)${text})`
  return text
}

/** Shorter literals are found too often to be worth a look of their own. */
const LITERAL_LENGTH_MIN = 3

/**
 * The longest run of ASCII characters that every match of `regex` contains (in any case where it has the flag `i`), or
 * null when it has none of at least three.
 */
export function requiredLiteralOf(regex: RegExp): string | null {
  const items = itemsOf(regex)
  if (items === null) return null
  const longest = longestLiteral(items, 0).literal
  // With both flags, the long s and the Kelvin sign match s and k.
  if (regex.unicode && regex.ignoreCase && /[ks]/i.test(longest)) return null
  return longest.length >= LITERAL_LENGTH_MIN ? longest : null
}

/** Reads from `from` to the end of its group; `end` is past the closing parenthesis. */
function longestLiteral(items: readonly Item[], from: number): { literal: string; end: number } {
  let best = ''
  let run = ''
  let hasAlternatives = false
  const close = () => {
    if (run.length > best.length) best = run
    run = ''
  }
  let i = from
  for (; i < items.length && items[i]!.kind !== 'close'; ) {
    const item = items[i]!
    const next = items[i + 1]
    if (item.kind === 'char' && item.char >= ' ' && item.char <= '~') {
      if (next?.kind === 'quantifier') {
        if (next.min > 0) run += item.char
        close()
        i += 2
      } else {
        run += item.char
        i++
      }
      continue
    }
    if (item.kind === 'start' || item.kind === 'end' || (item.kind === 'escape' && /^\\[bB]$/.test(item.text))) {
      i++ // of no width: what stands around it is adjacent
      continue
    }
    close()
    if (item.kind === 'or') hasAlternatives = true
    if (item.kind === 'open') {
      const inner = longestLiteral(items, i + 1)
      i = inner.end
      const after = items[i]
      const isRequired = !item.isLookaround && !(after?.kind === 'quantifier' && after.min === 0)
      if (isRequired && inner.literal.length > best.length) best = inner.literal
      continue
    }
    i++
  }
  close()
  return { literal: hasAlternatives ? '' : best, end: i + 1 }
}

/**
 * False when no match of `regex` can lie in the text of an integer (digits and `-`), so that integer columns need no look.
 * True when it may, or when its syntax is beyond this reading.
 */
export function mayMatchInteger(regex: RegExp): boolean {
  const items = itemsOf(regex)
  return items === null || mayMatchDigits(items, 0).may
}

function mayMatchDigits(items: readonly Item[], from: number): { may: boolean; end: number } {
  let some = false
  let current = true
  let i = from
  for (; i < items.length && items[i]!.kind !== 'close'; ) {
    const item = items[i]!
    if (item.kind === 'or') {
      some ||= current
      current = true
      i++
      continue
    }
    let fits = true
    if (item.kind === 'char') fits = /[-0-9]/.test(item.char)
    else if (item.kind === 'escape') fits = !/^\\[stnrfv]$/.test(item.text)
    if (item.kind === 'open') {
      const inner = mayMatchDigits(items, i + 1)
      fits = inner.may || item.isLookaround
      i = inner.end
    } else i++
    const after = items[i]
    if (after?.kind === 'quantifier') {
      if (after.min === 0) fits = true
      i++
    }
    current &&= fits
  }
  return { may: some || current, end: i + 1 }
}

import { FIELD_MESSAGE } from '../base/columns.ts'
import type { Filter, TextMatch, ValueMatch } from './ast.ts'
import { resolvedField } from './fields.ts'

/**
 * The text of `filter` in the query language: for a filter as the parser makes it, parsing that text gives the same filter. For
 * one of another front end it gives an equal one.
 */
export function printFilter(filter: Filter): string {
  switch (filter.kind) {
    case 'all':
      return '*'
    case 'and':
    case 'or':
      return filter.of.map((part) => operand(part)).join(filter.kind === 'and' ? ' AND ' : ' OR ')
    case 'not':
      return `NOT ${operand(filter.of)}`
    case 'exists':
      return `_exists_:${printField(filter.field)}`
    case 'text':
      return printText(filter.field, filter.match)
    case 'field':
      return printValue(filter.field, filter.match)
  }
}

function operand(filter: Filter): string {
  return filter.kind === 'and' || filter.kind === 'or' ? `(${printFilter(filter)})` : printFilter(filter)
}

/** A field's canonical path as a query names it. */
function printField(path: string): string {
  let name = ''
  for (let i = 0; i < path.length; i++) {
    const c = path[i]!
    if (c === '\\' && i + 1 < path.length) name += c + path[++i]
    else name += isPlain(c) || c === '@' || (c === '-' && i > 0) ? c : `\\${c}`
  }
  // An escape keeps a name from being read as an alias, a number or an operator of the language.
  const isTaken = resolvedField(path) !== path || path === '_exists_' || path === '_missing_' || /^\d+$/.test(path)
  return isTaken ? `\\${name}` : name
}

function printText(field: string | null, match: TextMatch): string {
  const isWord = match.kind === 'phrase' || match.kind === 'fuzzy'
  const prefix = field === null ? '' : field === FIELD_MESSAGE && isWord ? 'message:' : `${printField(field)}:~`
  switch (match.kind) {
    case 'phrase': {
      const [first = ''] = match.tokens
      return prefix + (match.tokens.length === 1 && /^[a-z0-9_]+$/.test(first) ? first : quote(match.tokens.join(' ')))
    }
    case 'tokenPattern':
      return prefix + match.tokens.map(({ pattern }) => escaped(pattern, '*?')).join('-')
    case 'fuzzy':
      return `${prefix}${escaped(match.token, '')}~${match.distance}`
    case 'regex':
      return prefix + printRegex(match.source, match.flags)
  }
}

function printValue(field: string, match: ValueMatch): string {
  const name = printField(field)
  switch (match.kind) {
    case 'equal': {
      const operator = field === FIELD_MESSAGE ? ':=' : ':'
      const isPlainText = field !== FIELD_MESSAGE && /^[A-Za-z_][\w.-]*$/.test(match.text)
      return name + operator + (match.number !== null || isPlainText ? match.text : quote(match.text))
    }
    case 'wildcard':
      return `${name}:${escaped(match.pattern, '*?\\')}`
    case 'regex':
      return `${name}:${printRegex(match.source, match.flags)}`
    case 'range':
      return printRange(
        name,
        match.min === -Infinity ? null : printNumber(match.min),
        match.minInclusive,
        match.max === Infinity ? null : printNumber(match.max),
        match.maxInclusive,
      )
    case 'textRange':
      return printRange(
        name,
        match.min === null ? null : quote(match.min),
        match.minInclusive,
        match.max === null ? null : quote(match.max),
        match.maxInclusive,
      )
    case 'timeRange':
      return printRange(
        name,
        match.fromMs === -Infinity ? null : printMoment(match.fromMs, match.fromNs),
        match.fromInclusive,
        match.toMs === Infinity ? null : printMoment(match.toMs, match.toNs),
        match.toInclusive,
      )
  }
}

function printRange(
  name: string,
  min: string | null,
  minInclusive: boolean,
  max: string | null,
  maxInclusive: boolean,
): string {
  if (max === null) return min === null ? `_exists_:${name}` : `${name}:>${minInclusive ? '=' : ''}${min}`
  if (min === null) return `${name}:<${maxInclusive ? '=' : ''}${max}`
  return `${name}:${minInclusive ? '[' : '{'}${min} TO ${max}${maxInclusive ? ']' : '}'}`
}

function printNumber(number: number): string {
  return Object.is(number, -0) ? '-0' : String(number)
}

/** RFC 3339, or nanoseconds since the epoch for years that it cannot say. */
function printMoment(ms: number, ns: number): string {
  const iso = new Date(ms).toISOString()
  if (iso.length !== 24) return String(BigInt(ms) * 1_000_000n + BigInt(ns))
  return ns === 0 ? iso : `${iso.slice(0, -1)}${String(ns).padStart(6, '0')}Z`
}

/** A slash that would end the expression is escaped; nothing else changes. */
function printRegex(source: string, flags: string): string {
  let text = ''
  let inClass = false
  for (let i = 0; i < source.length; i++) {
    const c = source[i]!
    if (c === '\\' && i + 1 < source.length) text += c + source[++i]
    else {
      if (c === '[') inClass = true
      else if (c === ']') inClass = false
      text += c === '/' && !inClass ? '\\/' : c
    }
  }
  return `/${text}/${flags}`
}

function quote(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`
}

/** `text` with a backslash before whatever has a meaning, the characters of `keep` left out. */
function escaped(text: string, keep: string): string {
  let out = ''
  for (const c of text) out += isPlain(c) || c === '-' || keep.includes(c) ? c : `\\${c}`
  return out
}

function isPlain(c: string): boolean {
  return c > '\x7f' ? !/\s/.test(c) : /[A-Za-z0-9_.]/.test(c)
}

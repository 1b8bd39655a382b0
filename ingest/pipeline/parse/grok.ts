import { StepBudget } from '../../../base/capture-matcher.ts'
import { CAPTURE_SOURCE_CHARS_MAX } from '../../../base/limits.ts'
import { CaptureRegex, TOO_MANY_STEPS } from '../../../base/regex-captures.ts'
import { RegexError } from '../../../base/regex-error.ts'
import { GROK_PATTERNS } from './grok-patterns.ts'
import type { TextParser } from './parsed-fields.ts'

export const MATCH_NONE = 'no pattern matches'
export const MATCH_TOO_LONG = 'a pattern takes too many steps on it'

/** A grok pattern that cannot be compiled; the message is one sentence for its author. */
export class GrokError extends Error {
  override readonly name = 'GrokError'
}

type FieldType = 'string' | 'int' | 'float'

interface Field {
  readonly name: string
  readonly type: FieldType
}

/**
 * One pattern of grok: a regular expression made of named patterns, `%{NAME}`, `%{NAME:field}`, `%{NAME:field:int}`, beside named groups.
 */
export class GrokPattern {
  readonly regex: CaptureRegex
  readonly fields: readonly Field[]
  /** Two of its fields have one name. */
  readonly hasTwins: boolean

  /** `custom` are patterns of one's own, before those of the standard set. Throws GrokError for unknown names, cycles, and what is no regular expression. */
  constructor(pattern: string, custom: ReadonlyMap<string, string>) {
    const expander = new Expander(custom)
    const source = expander.expand(pattern, [])
    try {
      this.regex = new CaptureRegex(source, '')
    } catch (error) {
      if (error instanceof RegexError) throw new GrokError(`${error.problem}. ${error.hint}`)
      throw error
    }
    const typed = new Map(expander.fields.map((field, i) => [`${GROUP}${i}`, field]))
    this.fields = this.regex.names.map((name) => typed.get(name) ?? { name, type: 'string' })
    this.hasTwins = new Set(this.fields.map(({ name }) => name)).size < this.fields.length
    if (this.fields.length === 0) throw new GrokError('It names no field: write %{NAME:field} or (?<field>…)')
  }
}

/**
 * Tries the patterns in order; the first that matches counts. A field that no part of the text took is absent; of equal names the first that took part counts.
 * `detectsTypes`: values of fields without a type become numbers where they are such.
 */
export function grokParser(patterns: readonly GrokPattern[], detectsTypes: boolean): TextParser {
  const budget = new StepBudget()
  return (text, into) => {
    let reason = MATCH_NONE
    budget.reset(text.length)
    for (const pattern of patterns) {
      const captures = pattern.regex.exec(text, budget)
      if (captures === null) continue
      if (captures === TOO_MANY_STEPS) {
        reason = MATCH_TOO_LONG
        continue
      }
      const { fields } = pattern
      for (let i = 0; i < fields.length; i++) {
        const value = captures[i]!
        if (value === null) continue
        const { name, type } = fields[i]!
        if (pattern.hasTwins && hasName(into.names, into.count, name)) continue
        if (type === 'int') addInteger(into, name, value)
        else if (type === 'float') addFloat(into, name, value)
        else if (detectsTypes) into.bare(name, value)
        else into.text(name, value)
      }
      return undefined
    }
    return reason
  }
}

/** Names of groups that stand for fields; fields may have any name, groups may not. */
const GROUP = 'weirField'
const DEPTH_MAX = 32
const REFERENCE = /%\{([A-Za-z0-9_]+)(?::([^}:]+)(?::([a-z]+))?)?\}/g

class Expander {
  readonly fields: Field[] = []
  readonly #custom: ReadonlyMap<string, string>
  #chars = 0

  constructor(custom: ReadonlyMap<string, string>) {
    this.#custom = custom
  }

  /** The expression that `pattern` stands for; `above` are the names of the patterns that it is part of. */
  expand(pattern: string, above: readonly string[]): string {
    // Counted at every level, so that patterns which double cannot grow before they are refused.
    this.#chars += pattern.length
    if (this.#chars > CAPTURE_SOURCE_CHARS_MAX) throw new GrokError('It is too long once its patterns are written out')
    return pattern.replace(REFERENCE, (_, name: string, field: string | undefined, type: string | undefined) => {
      if (above.includes(name))
        throw new GrokError(`The pattern ${name} is part of itself: ${[...above, name].join(' > ')}`)
      if (above.length >= DEPTH_MAX) throw new GrokError(`Patterns are nested more than ${DEPTH_MAX} deep`)
      const inner = this.#custom.get(name) ?? (Object.hasOwn(GROK_PATTERNS, name) ? GROK_PATTERNS[name] : undefined)
      if (inner === undefined) throw new GrokError(`There is no pattern ${name}`)
      if (field === undefined) return `(?:${this.expand(inner, [...above, name])})`
      const index = this.fields.length
      this.fields.push({ name: fieldName(field), type: fieldType(type) })
      return `(?<${GROUP}${index}>${this.expand(inner, [...above, name])})`
    })
  }
}

/** `[http][status]` of Logstash is `http.status`. */
function fieldName(field: string): string {
  return /^(?:\[[^[\]]+\])+$/.test(field) ? field.slice(1, -1).replaceAll('][', '.') : field
}

function fieldType(type: string | undefined): FieldType {
  if (type === undefined || type === 'string') return 'string'
  if (type === 'int' || type === 'long') return 'int'
  if (type === 'float' || type === 'double') return 'float'
  throw new GrokError(`There is no type ${type}: int, float or string`)
}

function hasName(names: readonly string[], count: number, name: string): boolean {
  for (let i = 0; i < count; i++) if (names[i] === name) return true
  return false
}

interface Into {
  text(name: string, text: string): void
  json(name: string, json: string): void
}

/** A number keeps its digits, without the plus and leading zeros that JSON does not have; what is no number stays text. */
function addInteger(into: Into, name: string, value: string): void {
  const match = /^\s*([+-]?)0*(\d{1,40})\s*$/.exec(value)
  if (match === null) into.text(name, value)
  else into.json(name, match[1] === '-' ? `-${match[2]}` : match[2]!)
}

const FLOAT = /^\s*([+-]?)(\d{0,40})(\.\d{1,40})?([eE][+-]?\d{1,3})?\s*$/

function addFloat(into: Into, name: string, value: string): void {
  const match = FLOAT.exec(value)
  if (match === null || (match[2] === '' && match[3] === undefined)) {
    into.text(name, value)
    return
  }
  const [, sign, whole = '', fraction = '', exponent = ''] = match
  const digits = whole === '' ? '0' : whole.replace(/^0+(?=\d)/, '')
  into.json(name, `${sign === '-' ? '-' : ''}${digits}${fraction}${exponent}`)
}

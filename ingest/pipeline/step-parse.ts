import { CaptureRegex } from '../../base/regex-captures.ts'
import { RegexError } from '../../base/regex-error.ts'
import { FieldTarget } from './field-target.ts'
import { csvParser } from './parse/csv.ts'
import { GrokError, GrokPattern, grokParser } from './parse/grok.ts'
import { JsonObjectReader } from './parse/json-object.ts'
import { keyValueParser } from './parse/key-value.ts'
import { logfmtParser } from './parse/logfmt.ts'
import { ParsedFields, type TextParser } from './parse/parsed-fields.ts'
import { regexParser } from './parse/regex.ts'
import type { Failure, Step, StepKind } from './step.ts'
import type { StepParameters } from './step-parameters.ts'

const PATTERNS_MAX = 100
const COLUMNS_MAX = 256
const NO_TEXT: Failure = { reason: 'there is no text in the field' }
const reader = new JsonObjectReader()
const fields = new ParsedFields()

/** A step that takes the text of `field` (default: the message) apart. What it finds goes to `target`; `removeField` takes the text out. */
function parseKind(
  type: string,
  isNamed: boolean,
  compile: (parameters: StepParameters, target: FieldTarget) => TextParser,
): StepKind {
  return {
    type,
    onError: 'deadLetter',
    compile(parameters): Step {
      const field = parameters.field('field', 'message')
      const removesField = parameters.boolean('removeField', false)
      const target = new FieldTarget(parameters, isNamed)
      const parser = compile(parameters, target)
      return {
        apply(record) {
          const text = record.text(field)
          if (text === undefined) return NO_TEXT
          fields.reset()
          const reason = parser(text, fields)
          if (reason !== undefined) return { reason }
          return target.put(record, fields, removesField ? field : undefined) ?? 'next'
        },
      }
    },
  }
}

/** `{"type":"json","field":"message","target":"app","removeField":true}` */
const jsonStep = parseKind('json', false, (_, target) => {
  const { depth } = target
  return (text, into) => reader.members(text, into, depth)
})

/** `{"type":"logfmt"}` */
const logfmtStep = parseKind('logfmt', false, (parameters) =>
  logfmtParser({
    takesFlags: parameters.boolean('flags', false),
    detectsTypes: parameters.boolean('detectTypes', true),
  }),
)

/** `{"type":"keyValue","pairSeparator":"; ","valueSeparator":": "}` */
const keyValueStep = parseKind('keyValue', false, (parameters) => {
  const pairSeparator = parameters.optionalText('pairSeparator', 16) ?? ' '
  const valueSeparator = parameters.optionalText('valueSeparator', 16) ?? '='
  if (pairSeparator === '') throw parameters.error('pairSeparator', 'must not be empty')
  if (valueSeparator === '') throw parameters.error('valueSeparator', 'must not be empty')
  if (valueSeparator.includes(pairSeparator))
    throw parameters.error('valueSeparator', 'has the separator of pairs in it')
  return keyValueParser({
    pairSeparator,
    valueSeparator,
    quotes: parameters.optionalText('quotes', 8) ?? '"\'',
    detectsTypes: parameters.boolean('detectTypes', true),
  })
})

/** `{"type":"regex","patterns":["^(?<user>\\w+) logged in"]}`; or `pattern`. */
const regexStep = parseKind('regex', true, (parameters) => {
  const flags = parameters.optionalText('flags', 8) ?? ''
  const patterns = patternsOf(parameters).map(({ name, text }) => {
    try {
      const regex = new CaptureRegex(text, flags)
      if (regex.names.length === 0) throw parameters.error(name, 'has no named group', 'Write (?<field>…).')
      return regex
    } catch (error) {
      if (!(error instanceof RegexError)) throw error
      throw parameters.error(name, `is not a regular expression: ${error.problem} at ${error.position}`, error.hint)
    }
  })
  return regexParser(patterns, parameters.boolean('detectTypes', true))
})

/** `{"type":"grok","patterns":["%{COMBINEDAPACHELOG}"],"definitions":{"ORDER":"o-%{INT}"}}`; or `pattern`. */
const grokStep = parseKind('grok', true, (parameters) => {
  const custom = new Map<string, string>()
  if (parameters.has('definitions')) {
    for (const [name, pattern] of parameters.entries('definitions', PATTERNS_MAX)) {
      if (!/^\w{1,64}$/.test(name)) throw parameters.error(`definitions/${name}`, 'is no name of a pattern')
      if (typeof pattern !== 'string') throw parameters.error(`definitions/${name}`, 'must be a string')
      custom.set(name, pattern)
    }
  } else parameters.value('definitions')
  const patterns = patternsOf(parameters).map(({ name, text }) => {
    try {
      return new GrokPattern(text, custom)
    } catch (error) {
      if (!(error instanceof GrokError)) throw error
      throw parameters.error(name, 'is not a grok pattern', error.message)
    }
  })
  return grokParser(patterns, parameters.boolean('detectTypes', true))
})

/** `{"type":"csv","columns":["time","user","action"],"delimiter":";"}` */
const csvStep = parseKind('csv', true, (parameters) => {
  const columns = parameters.value('columns')
  if (!Array.isArray(columns) || columns.length === 0 || columns.length > COLUMNS_MAX)
    throw parameters.error(
      'columns',
      'must be a list',
      `An array of 1 to ${COLUMNS_MAX} names; "" passes a column over.`,
    )
  const names = columns.map((column: unknown, i) => {
    if (typeof column !== 'string') throw parameters.error(`columns/${i}`, 'must be a string')
    if (column !== '') parameters.fieldOf(`columns/${i}`, column)
    return column
  })
  const one = (name: string, byDefault: string) => {
    const text = parameters.optionalText(name) ?? byDefault
    if (text.length !== 1) throw parameters.error(name, 'must be one character')
    return text
  }
  const delimiter = one('delimiter', ',')
  const quote = one('quote', '"')
  if (delimiter === quote) throw parameters.error('quote', 'is the delimiter')
  return csvParser({
    columns: names,
    delimiter,
    quote,
    detectsTypes: parameters.boolean('detectTypes', true),
    ignoresRest: parameters.boolean('ignoreRest', false),
  })
})

/** `pattern` or `patterns`, each with the name of the parameter that it stands in. */
function patternsOf(parameters: StepParameters): { name: string; text: string }[] {
  const single = parameters.optionalText('pattern', 65_536)
  const list = parameters.optionalTexts('patterns', PATTERNS_MAX)
  if ((single === undefined) === (list === undefined))
    throw parameters.error(
      'pattern',
      single === undefined ? 'is required' : 'and `patterns` are given',
      'Give one of `pattern` and `patterns`.',
    )
  if (single !== undefined) return [{ name: 'pattern', text: single }]
  return list!.map((text, i) => ({ name: `patterns/${i}`, text }))
}

export const PARSE_STEPS: readonly StepKind[] = [jsonStep, logfmtStep, keyValueStep, regexStep, grokStep, csvStep]

import { FIELD_LEVEL } from '../base/columns.ts'
import type { Condition } from './ast.ts'
import { FIELD_TIMESTAMP, normalisedLevel } from './fields.ts'
import { numberOf } from './parse-terms.ts'
import type { PipeField, PipeReader } from './pipe-reader.ts'
import type { QueryCursor } from './query-cursor.ts'

type Operator = (Condition & { kind: 'compare' })['operator']
type Value = string | number | boolean | null

/** Longer ones first. */
const OPERATORS: readonly Operator[] = ['!=', '>=', '<=', '=', '>', '<']
const FORM = 'Write where count > 10 and service != "x".'

/** The condition of `where`. Throws QuerySyntaxError. */
export function parseCondition(reader: PipeReader): Condition {
  return disjunction(reader)
}

function disjunction(reader: PipeReader): Condition {
  const of = [conjunction(reader)]
  while (reader.takeWord('or') || reader.take('||')) of.push(conjunction(reader))
  return joined('or', of)
}

function conjunction(reader: PipeReader): Condition {
  const of = [negation(reader)]
  while (reader.takeWord('and') || reader.take('&&')) of.push(negation(reader))
  return joined('and', of)
}

function negation(reader: PipeReader): Condition {
  const cursor: QueryCursor = reader.cursor
  cursor.skipSpace()
  const start = cursor.at
  cursor.count(start)
  if (reader.takeWord('not') || (!cursor.startsWith('!=') && reader.take('!'))) {
    return { kind: 'not', of: cursor.nested(start, () => negation(reader)) }
  }
  if (!reader.take('(')) return comparison(reader)
  return cursor.nested(start, () => {
    const condition = disjunction(reader)
    if (!reader.take(')')) cursor.fail('A parenthesis is not closed', start, start + 1, 'Add ).')
    return condition
  })
}

function joined(kind: 'and' | 'or', of: readonly Condition[]): Condition {
  const parts = of.flatMap((condition) => (condition.kind === kind ? condition.of : [condition]))
  return parts.length === 1 ? parts[0]! : { kind, of: parts }
}

function comparison(reader: PipeReader): Condition {
  const cursor: QueryCursor = reader.cursor
  const field = reader.field()
  if (field === null) {
    cursor.fail(
      'The name of a field is missing',
      Math.max(0, Math.min(cursor.at, cursor.text.length - 1)),
      cursor.at + 1,
      FORM,
    )
  }
  if (numberOf(field.path) !== null && !field.verbatim) {
    cursor.fail('A comparison begins with a name', field.start, field.end, 'Write the field first: count > 10.')
  }
  cursor.skipSpace()
  const operatorStart = cursor.at
  if (cursor.startsWith('=~') || cursor.startsWith('!~')) {
    cursor.fail(
      'where compares values only',
      operatorStart,
      operatorStart + 2,
      'Put the regular expression before the first |: field:/…/.',
    )
  }
  const operator = OPERATORS.find((known) => reader.take(known))
  if (operator === undefined) {
    const word = /^[^\s|]{0,20}/.exec(cursor.text.slice(operatorStart))![0]
    const colon = field.path.includes(':') ? ' A field is compared by =, not by a colon.' : ''
    cursor.fail(
      `A comparison is missing after ${field.path}`,
      word === '' ? field.start : operatorStart,
      word === '' ? field.end : operatorStart + word.length,
      `Comparisons are = != > >= < <=.${colon} ${FORM}`,
    )
  }
  if (operator === '=') reader.take('=') // == means the same
  reader.requireColumn(field)
  if (field.resolved === FIELD_TIMESTAMP && reader.columns === null) {
    cursor.fail(
      'where does not compare the timestamp',
      field.start,
      field.end,
      'Put it before the first |: timestamp:>now-1h.',
    )
  }
  return { kind: 'compare', field: field.resolved, operator, value: readValue(reader, field, operatorStart) }
}

function readValue(reader: PipeReader, field: PipeField, operatorStart: number): Value {
  const cursor: QueryCursor = reader.cursor
  cursor.skipSpace()
  const start = cursor.at
  if (cursor.peek() === '"') return levelled(field, cursor.quoted().text)
  const text = reader.run()
  if (text === '') {
    cursor.fail(
      'A value is missing',
      operatorStart,
      Math.max(operatorStart + 1, cursor.at),
      `${FORM} The empty text is "".`,
    )
  }
  const number = numberOf(text)
  if (number !== null) return number
  if (/^-?\d+(?:\.\d+)?[a-zµ%]+$/i.test(text)) {
    cursor.fail(
      'A number has no unit here',
      start,
      cursor.at,
      `Write the number alone, or quote it to compare text: "${text}".`,
    )
  }
  if (text.startsWith("'"))
    cursor.fail('Single quotes do not quote', start, start + 1, 'Write the text in double quotes.')
  if (text === 'true' || text === 'false') return text === 'true'
  if (text === 'null') return null
  if (reader.columns?.includes(text)) {
    cursor.fail('Two columns cannot be compared', start, cursor.at, `For the text quote it: "${text}".`)
  }
  return levelled(field, text)
}

/** Levels are compared as they are stored. */
function levelled(field: PipeField, text: string): string {
  return field.resolved === FIELD_LEVEL ? normalisedLevel(text) : text
}

import { Bitmap } from '../base/bitmap.ts'
import {
  FIELD_LEVEL,
  VALUE_ABSENT,
  VALUE_BOOLEAN,
  VALUE_JSON,
  VALUE_NULL,
  VALUE_NUMBER,
  type ValueType,
} from '../base/columns.ts'
import type { ValueMatch } from './ast.ts'
import { numberOfBytes, numbersEqual } from './filter-number.ts'
import { anyTextRegex, escapeRegex, regexScan, userRegex } from './filter-regex.ts'
import { latin1Of, textOf, type ValueList } from './filter-scan.ts'
import { integerTest } from './filter-text.ts'
import { filterIntegerTexts, filterRows, nullsOf, type ValueTest } from './filter-value.ts'
import { compileUserRegex } from './regex.ts'
import { compileGlob, globLiteral, globSource, globStars } from './text-match-glob.ts'
import { mayMatchInteger } from './text-match-regex-syntax.ts'

/** What is asked of values, apart from time ranges, which are asked of the record's time (query/filter.ts). */
export type StoredValueMatch = Exclude<ValueMatch, { kind: 'timeRange' }>

/** To these matches the text of a null is `null`, so that `field:null` finds it; a range holds no null. */
const NULL_TEXT = 'null'

/** The test of a whole value of `field`. The level is compared without regard to case. */
export function compileFieldTest(field: string, match: StoredValueMatch): ValueTest {
  const caseless = field === FIELD_LEVEL
  switch (match.kind) {
    case 'equal':
      return equalTest(match.text, match.number, caseless)
    case 'wildcard':
      return wildcardTest(match.pattern, caseless)
    case 'regex':
      return wholeRegexTest(match.source, match.flags, caseless)
    case 'range':
      return rangeTest(match)
    case 'textRange':
      return textRangeTest(match, caseless)
  }
}

/** Equality of texts; of booleans and levels without regard to case; of numbers by value where a number is asked for. */
function equalTest(text: string, number: number | null, caseless: boolean): ValueTest {
  const wanted = Buffer.from(text)
  const lower = text.toLowerCase()
  const matchesNull = lower === NULL_TEXT && (caseless || text === NULL_TEXT)
  const one = (value: string, type: ValueType): boolean => {
    if (type === VALUE_NULL) return matchesNull
    if (value === text) return true
    if ((caseless || type === VALUE_BOOLEAN) && value.toLowerCase() === lower) return true
    return number !== null && type === VALUE_NUMBER && equalsNumber(value, text, number)
  }
  return {
    cost: 3,
    one,
    list(list, count, within) {
      const { types, offsets, bytes } = list
      return filterRows(count, within, (index) => {
        const type = types[index]!
        if (type === VALUE_ABSENT) return false
        if (type === VALUE_NULL) return matchesNull
        const start = offsets[index]!
        const end = offsets[index + 1]!
        if (end - start === wanted.length && sameBytes(bytes, start, wanted)) return true
        if (caseless || type === VALUE_BOOLEAN) return one(textOf(list, index), type as ValueType)
        if (number === null || type !== VALUE_NUMBER) return false
        if (numberOfBytes(bytes, start, end) !== number) return false
        return Math.abs(number) <= Number.MAX_SAFE_INTEGER || numbersEqual(latin1Of(bytes, start, end), text)
      })
    },
    integers(values, count, within) {
      // Their texts are what String() makes of safe integers: equal text means equal value.
      const value = number ?? (String(Number(text)) === text ? Number(text) : Number.NaN)
      return filterRows(count, within, (row) => values[row] === value)
    },
  }
}

function equalsNumber(value: string, text: string, number: number): boolean {
  if (Number(value) !== number) return false
  return Math.abs(number) <= Number.MAX_SAFE_INTEGER || numbersEqual(value, text)
}

function sameBytes(bytes: Uint8Array, at: number, wanted: Uint8Array): boolean {
  for (let k = wanted.length - 1; k >= 0; k--) if (bytes[at + k] !== wanted[k]) return false
  return true
}

/** `*` and `?` over the whole value. With one `*` it is an expression that scans many values at once; else each hit of the literal is judged. */
function wildcardTest(pattern: string, caseless: boolean): ValueTest {
  const glob = compileGlob(caseless ? pattern.toLowerCase() : pattern)
  const test = caseless ? (text: string) => glob(text.toLowerCase()) : glob
  const isLinear = globStars(pattern) < 2
  const literal = globLiteral(pattern)
  const source = isLinear ? `^${globSource(pattern, '[^]', escapeRegex)}$` : escapeRegex(literal)
  const scan = regexScan(anyTextRegex(new RegExp(source, caseless ? 'iu' : 'u')))
  const isForDigits = /^[-0-9*?]*$/.test(pattern)
  return {
    cost: 15,
    one: (text, type) => test(type === VALUE_NULL ? NULL_TEXT : text),
    list(list, count, within) {
      const found = scan.search(list, count, within)
      if (!isLinear || caseless) {
        for (const index of found.toArray()) if (!test(textOf(list, index))) found.delete(index)
      }
      return test(NULL_TEXT) ? found.or(nullsOf(list, count, within)) : found
    },
    integers: (values, count, within) =>
      isForDigits ? filterIntegerTexts(values, count, within, test) : new Bitmap(count),
  }
}

function wholeRegexTest(source: string, flags: string, caseless: boolean): ValueTest {
  const withCase = caseless && !flags.includes('i') ? `${flags}i` : flags
  const regex = compileUserRegex(source, withCase, 'whole')
  const scan = regexScan(userRegex(regex))
  const mayBeInteger = regex.native === null || mayMatchInteger(regex.native)
  const matchesNull = regex.test(NULL_TEXT)
  return {
    cost: 30,
    one: (text, type) => (type === VALUE_NULL ? matchesNull : regex.test(text)),
    list(list, count, within) {
      const found = scan.search(list, count, within)
      return matchesNull ? found.or(nullsOf(list, count, within)) : found
    },
    integers: (values, count, within) =>
      mayBeInteger ? filterIntegerTexts(values, count, within, integerTest(regex)) : new Bitmap(count),
  }
}

/** Values written as numbers only: the string "500" is text. */
function rangeTest(match: ValueMatch & { kind: 'range' }): ValueTest {
  const { min, max, minInclusive, maxInclusive } = match
  const holds = (value: number): boolean =>
    (minInclusive ? value >= min : value > min) && (maxInclusive ? value <= max : value < max)
  return {
    cost: 5,
    one: (text, type) => type === VALUE_NUMBER && holds(Number(text)),
    list: ({ types, offsets, bytes }, count, within) =>
      filterRows(
        count,
        within,
        (index) => types[index] === VALUE_NUMBER && holds(numberOfBytes(bytes, offsets[index]!, offsets[index + 1]!)),
      ),
    integers: (values, count, within) => filterRows(count, within, (row) => holds(values[row]!)),
  }
}

/** Strings, numbers and booleans by their text, in the order of code points, which is the order of UTF-8 bytes. */
function textRangeTest(match: ValueMatch & { kind: 'textRange' }, caseless: boolean): ValueTest {
  const fold = (text: string): string => (caseless ? text.toLowerCase() : text)
  const min = match.min === null ? null : Buffer.from(fold(match.min))
  const max = match.max === null ? null : Buffer.from(fold(match.max))
  const holds = (value: Uint8Array): boolean => {
    if (min !== null) {
      const order = Buffer.compare(value, min)
      if (order < 0 || (order === 0 && !match.minInclusive)) return false
    }
    if (max !== null) {
      const order = Buffer.compare(value, max)
      if (order > 0 || (order === 0 && !match.maxInclusive)) return false
    }
    return true
  }
  const one = (text: string, type: ValueType): boolean =>
    type !== VALUE_NULL && type !== VALUE_JSON && holds(Buffer.from(fold(text)))
  const valueHolds = (list: ValueList, index: number): boolean => {
    const type = list.types[index]!
    if (type === VALUE_ABSENT || type === VALUE_NULL || type === VALUE_JSON) return false
    if (caseless) return one(textOf(list, index), type as ValueType)
    return holds(list.bytes.subarray(list.offsets[index], list.offsets[index + 1]))
  }
  return {
    cost: 8,
    one,
    list: (list, count, within) => filterRows(count, within, (index) => valueHolds(list, index)),
    integers: (values, count, within) => filterIntegerTexts(values, count, within, (text) => one(text, VALUE_NUMBER)),
  }
}

import { latin1Of } from './filter-scan.ts'

const POWERS_OF_TEN = Float64Array.from({ length: 23 }, (_, exponent) => 10 ** exponent)
/** Digits that a double holds exactly. */
const DIGITS_EXACT_MAX = 15

/**
 * The number whose JSON text is bytes[start, end). Plain decimals of up to 15 digits are read here (such a quotient of two exact
 * doubles is correctly rounded; Clinger 1990), the others by the platform.
 */
export function numberOfBytes(bytes: Uint8Array, start: number, end: number): number {
  let i = start
  const isNegative = bytes[i] === 0x2d
  if (isNegative) i++
  if (end - i > DIGITS_EXACT_MAX + 1 || i === end) return Number(latin1Of(bytes, start, end))
  let digits = 0
  let pointAt = -1
  for (; i < end; i++) {
    const digit = bytes[i]! - 0x30
    if (digit >= 0 && digit <= 9) digits = digits * 10 + digit
    else if (digit === -2 && pointAt < 0) pointAt = i + 1
    else return Number(latin1Of(bytes, start, end))
  }
  if (pointAt < 0 && end - start > DIGITS_EXACT_MAX) return Number(latin1Of(bytes, start, end))
  const value = pointAt < 0 ? digits : digits / POWERS_OF_TEN[end - pointAt]!
  return isNegative ? -value : value
}

/**
 * True when number texts `a` and `b` say the same number. Integers beyond what a double holds exactly are compared digit by
 * digit, so that 2^53 and 2^53 + 1 differ.
 */
export function numbersEqual(a: string, b: string): boolean {
  const value = Number(a)
  if (value !== Number(b)) return false
  if (Math.abs(value) <= Number.MAX_SAFE_INTEGER) return true
  return INTEGER.test(a) && INTEGER.test(b) ? a === b : true
}

const INTEGER = /^-?\d+$/

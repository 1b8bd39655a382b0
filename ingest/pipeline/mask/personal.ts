import { isIPv4, isIPv6 } from 'node:net'
import type { Spans } from './spans.ts'

const LOCAL_PART = /[\p{L}\p{N}._%+'-]/u
const LOCAL_ASCII = Uint8Array.from({ length: 128 }, (_, c) => (LOCAL_PART.test(String.fromCharCode(c)) ? 1 : 0))
const LOCAL_CHARS_MAX = 64
const DOMAIN = /[\p{L}\p{N}-]{1,63}(?:\.[\p{L}\p{N}-]{1,63}){0,8}\.[\p{L}]{2,24}/uy

export function findEmails(text: string, spans: Spans): void {
  for (let at = text.indexOf('@'); at >= 0; at = text.indexOf('@', at + 1)) {
    let start = at
    while (start > 0 && at - start < LOCAL_CHARS_MAX && isLocalPart(text, start - 1)) start--
    if (start === at) continue
    DOMAIN.lastIndex = at + 1
    if (DOMAIN.test(text)) spans.add(start, DOMAIN.lastIndex)
  }
}

function isLocalPart(text: string, at: number): boolean {
  const c = text.charCodeAt(at)
  return c < 128 ? LOCAL_ASCII[c] === 1 : LOCAL_PART.test(text[at]!)
}

const DOT = 0x2e
const SLASH = 0x2f
/** Runs of digits, groups of them parted by one space, dash, dot or slash. */
const DIGIT_RUN = /\d(?:[ ./-]?\d){5,30}/g

/**
 * Numbers of cards: an issuer's prefix, its length, and the check digit (ISO/IEC 7812, Luhn). `isLoose`: bytes of a protocol that stand beside a
 * number may look as if they belonged to it.
 */
export function findCards(text: string, spans: Spans, isLoose: boolean): void {
  for (const match of text.matchAll(DIGIT_RUN)) {
    const run = match[0]
    if (run.length < 13) continue
    // Groups that do not belong to the number may stand beside it.
    for (let from = 0; from < run.length; ) {
      const length = cardLength(run, from, isLoose)
      if (length > 0) {
        spans.add(match.index + from, match.index + from + length)
        from += length
      } else from = isLoose ? from + 1 : nextGroup(run, from)
    }
  }
}

/** Characters of the card's number that begins at `from`, 0 when none does. */
function cardLength(run: string, from: number, isLoose: boolean): number {
  let digits = 0
  /** The first four. */
  let prefix = 0
  /** Sums of Luhn, should the last digit so far stand in an odd place or in an even one. */
  let sum = 0
  let otherSum = 0
  for (let p = from; p < run.length && digits < 19; p++) {
    const c = run.charCodeAt(p)
    if (c === DOT || c === SLASH) break
    const digit = c - 0x30
    if (digit < 0 || digit > 9) continue
    // No issuer's numbers begin so.
    if (digits === 0 && (digit < 2 || digit === 7 || digit === 9)) return 0
    if (digits++ < 4) prefix = prefix * 10 + digit
    const before = sum
    sum = otherSum + digit
    otherSum = before + (digit > 4 ? digit * 2 - 9 : digit * 2)
    if (digits < 13 || sum % 10 !== 0) continue
    const next = p + 1 < run.length ? run.charCodeAt(p + 1) : 0
    if ((isLoose || next < 0x30 || next > 0x39) && isIssued(prefix, digits)) return p + 1 - from
  }
  return 0
}

function nextGroup(run: string, from: number): number {
  let p = from
  while (p < run.length && run[p]! >= '0' && run[p]! <= '9') p++
  return p + 1
}

/** Whether numbers of so many digits begin with these four. */
function isIssued(four: number, length: number): boolean {
  const two = Math.floor(four / 100)
  if (two >= 40 && two <= 49) return length === 13 || length === 16 || length === 19
  if (two === 34 || two === 37) return length === 15
  if ((two >= 51 && two <= 55) || (four >= 2221 && four <= 2720)) return length === 16
  if (two === 36 || two === 30 || two === 38 || two === 39) return length >= 14
  if (two === 35 || two === 60 || two === 62 || two === 64 || two === 65 || two === 81) return length >= 16
  return two === 50 || (two >= 56 && two <= 69)
}

function passesLuhn(digits: string): boolean {
  let sum = 0
  for (let i = digits.length - 1, double = false; i >= 0; i--, double = !double) {
    const digit = digits.charCodeAt(i) - 0x30
    sum += double ? (digit > 4 ? digit * 2 - 9 : digit * 2) : digit
  }
  return sum % 10 === 0
}

interface NationalId {
  readonly form: RegExp
  /** Fewer than nine digits. */
  readonly isShort?: true
  isValid(text: string): boolean
}

const digitsOf = (text: string): string => text.replace(/\D/g, '')
const weighted = (digits: string, weights: readonly number[]): number =>
  weights.reduce((sum, weight, i) => sum + weight * (digits.charCodeAt(i) - 0x30), 0)

/** The list of docs/pipeline.md: those with a form or a check digit that tells them from other numbers. */
const NATIONAL_IDS: readonly NationalId[] = [
  // United States: social security number, with dashes.
  { form: /(?<![\w-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])/g, isValid: () => true },
  // United Kingdom: national insurance number.
  {
    form: /(?<!\w)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D](?!\w)/g,
    isShort: true,
    isValid: () => true,
  },
  // Spain: DNI and NIE, by their check letter.
  {
    form: /(?<!\w)(?:\d{8}|[XYZ]\d{7})-?[A-HJ-NP-TV-Z](?!\w)/g,
    isShort: true,
    isValid: (text) => {
      const number = text.replace('X', '0').replace('Y', '1').replace('Z', '2').slice(0, 8)
      return 'TRWAGMYFPDXBNJZSQVHLCKE'[Number(number) % 23] === text.at(-1)
    },
  },
  // France: numéro de sécurité sociale, by its key modulo 97.
  {
    form: /(?<!\d)[12] ?\d{2} ?(?:0[1-9]|1[0-2]) ?\d{2} ?\d{3} ?\d{3} ?\d{2}(?!\d)/g,
    isValid: (text) => {
      const digits = digitsOf(text)
      return 97 - (Number(digits.slice(0, 13)) % 97) === Number(digits.slice(13))
    },
  },
  // Sweden: personnummer, with its dash.
  {
    form: /(?<!\d)(?:\d{2})?\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])[-+]\d{4}(?!\d)/g,
    isValid: (text) => passesLuhn(digitsOf(text).slice(-10)),
  },
  // Brazil: CPF, with its dots and dash.
  {
    form: /(?<!\d)\d{3}\.\d{3}\.\d{3}-\d{2}(?!\d)/g,
    isValid: (text) => {
      const digits = digitsOf(text)
      const check = (count: number) => {
        const weights = Array.from({ length: count }, (_, i) => count + 1 - i)
        return ((weighted(digits, weights) * 10) % 11) % 10
      }
      return check(9) === Number(digits[9]) && check(10) === Number(digits[10])
    },
  },
  // China: resident identity number.
  {
    form: /(?<!\d)[1-9]\d{5}(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dX](?!\w)/g,
    isValid: (text) =>
      '10X98765432'[weighted(text, [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]) % 11] === text[17],
  },
  // Poland: PESEL, by its date and check digit.
  {
    form: /(?<!\d)\d{2}(?:[02468][1-9]|[13579][0-2])(?:0[1-9]|[12]\d|3[01])\d{5}(?!\d)/g,
    isValid: (text) => (10 - (weighted(text, [1, 3, 7, 9, 1, 3, 7, 9, 1, 3]) % 10)) % 10 === Number(text[10]),
  },
]

/** The same forms, whatever stands beside them. */
const LOOSE_FORMS = NATIONAL_IDS.map(
  ({ form }) => new RegExp(form.source.replace(/^\(\?<![^)]*\)/, '').replace(/\(\?![^)]*\)$/, ''), 'g'),
)

/** `isLong`: nine digits stand together somewhere. */
export function findNationalIds(text: string, spans: Spans, isLong: boolean, isLoose: boolean): void {
  NATIONAL_IDS.forEach(({ form, isValid, isShort }, i) => {
    if (!isLong && isShort !== true) return
    for (const match of text.matchAll(isLoose ? LOOSE_FORMS[i]! : form)) {
      if (isLoose || isValid(match[0])) spans.add(match.index, match.index + match[0].length)
    }
  })
}

const IPV4 = /(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.]*\d)/g
const IPV6 = /(?<![\w:.])[0-9A-Fa-f:]{2,39}(?:(?:\.\d{1,3}){3})?(?![\w:])/y
const IPV6_CHARS_MAX = 39

export function findIpAddresses(text: string, spans: Spans): void {
  for (const match of text.matchAll(IPV4)) {
    if (isIPv4(match[0])) spans.add(match.index, match.index + match[0].length)
  }
  // Two colons together, or seven: nothing else is worth a look.
  for (let at = text.indexOf(':'); at >= 0; ) {
    let start = at
    while (start > 0 && at - start < IPV6_CHARS_MAX && isHexOrColon(text, start - 1)) start--
    let end = at + 1
    let colons = 1
    let isDouble = false
    for (; isHexOrColon(text, end); end++) {
      if (text.charCodeAt(end) !== 0x3a) continue
      colons++
      isDouble ||= text.charCodeAt(end - 1) === 0x3a
    }
    if ((isDouble || colons > 5) && end - start <= IPV6_CHARS_MAX) {
      IPV6.lastIndex = start
      const match = IPV6.exec(text)
      if (match !== null && isIPv6(match[0])) {
        end = start + match[0].length
        spans.add(start, end)
      }
    }
    at = text.indexOf(':', end)
  }
}

function isHexOrColon(text: string, at: number): boolean {
  const c = text.charCodeAt(at)
  return (c >= 0x30 && c <= 0x3a) || ((c | 32) >= 0x61 && (c | 32) <= 0x66)
}

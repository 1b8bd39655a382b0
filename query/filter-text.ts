import { Bitmap } from '../base/bitmap.ts'
import { VALUE_ABSENT, VALUE_NULL } from '../base/columns.ts'
import { TOKEN_FOLD, tokensOfText } from '../base/tokenizer.ts'
import type { TextMatch } from './ast.ts'
import { anyTextRegex, escapeRegex, regexScan, userRegex } from './filter-regex.ts'
import { type Chunk, forEachChunk, indexOfIn, scanLiteral, textOf, type ValueList } from './filter-scan.ts'
import { filterIntegerTexts, filterRows, type ValueTest } from './filter-value.ts'
import { literalOf } from './kernel/literal-search.ts'
import { compileUserRegex, type UserRegex } from './regex.ts'
import { compileTextMatch, compileTokenPattern } from './text-match.ts'
import { globLiteral, globSource, globStars } from './text-match-glob.ts'
import { mayMatchInteger } from './text-match-regex-syntax.ts'

/** The test of a text match. A null has no text, so none of these matches it. */
export function compileTextTest(match: TextMatch): ValueTest {
  switch (match.kind) {
    case 'phrase':
      return phraseTest(match.tokens)
    case 'tokenPattern':
      return match.tokens.every((token) => token.literal)
        ? phraseTest(match.tokens.map((token) => token.pattern))
        : patternTest(match)
    case 'fuzzy':
      return fuzzyTest(match)
    case 'regex':
      return regexTest(compileUserRegex(match.source, match.flags, 'find'))
  }
}

function isAsciiText(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) >= 0x80) return false
  return true
}

/** UTF-8 of the Kelvin sign: the one character outside ASCII that folds to an ASCII letter (base/tokenizer.ts). */
const KELVIN = Uint8Array.of(0xe2, 0x84, 0xaa)

/**
 * A word, or words one after the other. The longest is searched for in the raw bytes of a chunk without regard to case,
 * and the rest is compared around each hit, byte by byte. Bytes of other characters than ASCII are parts of tokens, so this
 * is right for any text as long as the words are ASCII and no Kelvin sign is about.
 */
function phraseTest(tokens: readonly string[]): ValueTest {
  const test = compileTextMatch({ kind: 'phrase', tokens })
  const none = tokens.length === 0
  let anchor = 0
  for (let i = 1; i < tokens.length; i++) if (tokens[i]!.length > tokens[anchor]!.length) anchor = i
  const anchorToken = tokens[anchor] ?? ''
  const isAscii = tokens.every(isAsciiText)
  const needle = isAscii && anchorToken !== '' ? literalOf(anchorToken, true) : null
  const before = tokens.slice(0, anchor).reverse()
  const after = tokens.slice(anchor + 1)
  // The only form of a token that an integer's text can have: its digits without the sign.
  const digits = tokens.length === 1 && /^(?:0|[1-9]\d{0,15})$/.test(tokens[0]!) ? Number(tokens[0]) : Number.NaN
  let unicodeScan: ReturnType<typeof regexScan> | null = null

  const byUnicode = (list: ValueList, chunk: Chunk, within: Bitmap | null, found: Bitmap): void => {
    unicodeScan ??= regexScan(anyTextRegex(new RegExp(escapeRegex(anchorToken), 'iu')))
    const candidates = new Bitmap(found.length)
    unicodeScan.searchChunk(list, chunk, within, candidates)
    for (const index of candidates.toArray()) if (test(textOf(list, index))) found.add(index)
  }
  return {
    cost: 10,
    one: (text, type) => type !== VALUE_NULL && test(text),
    list(list, count, within) {
      const found = new Bitmap(count)
      if (none) return found
      const { bytes, offsets } = list
      const accept = (index: number, at: number): boolean =>
        precedes(bytes, at, offsets[index]!, before) &&
        follows(bytes, at + anchorToken.length, offsets[index + 1]!, after)
      forEachChunk(list, count, within, (chunk) => {
        const isExact =
          needle !== null && (chunk.isAscii || indexOfIn(bytes.subarray(chunk.start, chunk.end), KELVIN) === -1)
        if (isExact) scanLiteral(list, chunk, within, needle, accept, found)
        else byUnicode(list, chunk, within, found)
      })
      return found
    },
    integers(values, count, within) {
      if (Number.isNaN(digits)) return new Bitmap(count)
      return filterRows(count, within, (row) => values[row] === digits || values[row] === -digits)
    },
  }
}

/** True when a token begins at `at`, and the tokens before it in bytes[start, at) are `tokens`, nearest first. */
function precedes(bytes: Uint8Array, at: number, start: number, tokens: readonly string[]): boolean {
  let i = at
  if (i > start && TOKEN_FOLD[bytes[i - 1]!] !== 0) return false
  for (const token of tokens) {
    while (i > start && TOKEN_FOLD[bytes[i - 1]!] === 0) i--
    if (i - start < token.length) return false
    i -= token.length
    for (let k = 0; k < token.length; k++) if (TOKEN_FOLD[bytes[i + k]!] !== token.charCodeAt(k)) return false
    if (i > start && TOKEN_FOLD[bytes[i - 1]!] !== 0) return false
  }
  return true
}

/** True when a token ends at `at`, and the tokens that follow it in bytes[at, end) are `tokens`. */
function follows(bytes: Uint8Array, at: number, end: number, tokens: readonly string[]): boolean {
  let i = at
  if (i < end && TOKEN_FOLD[bytes[i]!] !== 0) return false
  for (const token of tokens) {
    while (i < end && TOKEN_FOLD[bytes[i]!] === 0) i++
    if (end - i < token.length) return false
    for (let k = 0; k < token.length; k++) if (TOKEN_FOLD[bytes[i + k]!] !== token.charCodeAt(k)) return false
    i += token.length
    if (i < end && TOKEN_FOLD[bytes[i]!] !== 0) return false
  }
  return true
}

/**
 * Tokens with wildcards, as one expression over the text. On ASCII text it is exact; elsewhere its idea of case is a little
 * wider than the tokenizer's (it takes a long s for an s), so hits are looked at again. With several `*` the expression is
 * the longest literal only, since backtracking over them is not linear, and every hit is looked at again.
 */
function patternTest(match: TextMatch & { kind: 'tokenPattern' }): ValueTest {
  const test = compileTextMatch(match)
  const patterns = match.tokens.map((token) => token.pattern)
  const isSimple = patterns.length === 1 && (globStars(patterns[0]!) < 2 || /^\*[^*?]*\*$/.test(patterns[0]!))
  const literal = patterns.map(globLiteral).reduce((a, b) => (b.length > a.length ? b : a))
  const asciiRegex = isSimple ? patternRegex(patterns[0]!) : new RegExp(escapeRegex(literal), 'i')
  const asciiScan = regexScan(anyTextRegex(asciiRegex))
  const unicodeScan = regexScan(anyTextRegex(new RegExp(escapeRegex(literal), 'iu')))
  const isForDigits = patterns.length === 1 && /^[0-9*?]+$/.test(patterns[0]!)
  const testDigits = compileTokenPattern(match.tokens[0]!)
  return {
    cost: 20,
    one: (text, type) => type !== VALUE_NULL && test(text),
    list(list, count, within) {
      const found = new Bitmap(count)
      forEachChunk(list, count, within, (chunk) => {
        if (chunk.isAscii && isSimple) {
          asciiScan.searchChunk(list, chunk, within, found)
          return
        }
        const candidates = new Bitmap(count)
        const scan = chunk.isAscii ? asciiScan : unicodeScan
        scan.searchChunk(list, chunk, within, candidates)
        for (const index of candidates.toArray()) if (test(textOf(list, index))) found.add(index)
      })
      return found
    },
    integers(values, count, within) {
      if (!isForDigits) return new Bitmap(count)
      return filterIntegerTexts(values, count, within, (text) => testDigits(text.replace('-', '')))
    },
  }
}

/** Finds a token of `pattern` in ASCII text. */
function patternRegex(pattern: string): RegExp {
  const any = '[0-9A-Za-z_]'
  return new RegExp(`(?<!${any})${globSource(pattern, any, escapeRegex)}(?!${any})`, 'i')
}

/** Distances once computed are kept, up to so many tokens. */
const FUZZY_MEMO_MAX = 10_000

/** A token near the one asked for. Tokens of another length are passed over in the bytes; of the rest each is judged once. */
function fuzzyTest(match: TextMatch & { kind: 'fuzzy' }): ValueTest {
  const { token: wanted, distance } = match
  const test = compileTextMatch(match)
  const memo = new Map<string, boolean>()
  const isNear = (text: string): boolean => {
    let near = memo.get(text)
    if (near === undefined) {
      near = test(text)
      if (memo.size >= FUZZY_MEMO_MAX) memo.clear()
      memo.set(text, near)
    }
    return near
  }
  const shortest = wanted.length - distance
  const longest = wanted.length + distance
  const otherThanDigits = wanted.replace(/[0-9]/g, '').length
  return {
    cost: 40,
    one: (text, type) => type !== VALUE_NULL && test(text),
    list(list, count, within) {
      const found = new Bitmap(count)
      const { bytes, offsets } = list
      const hasNearToken = (index: number): boolean => {
        const end = offsets[index + 1]!
        for (let i = offsets[index]!; i < end; i++) {
          const start = i
          while (i < end && TOKEN_FOLD[bytes[i]!] !== 0) i++
          const length = i - start
          if (length < shortest || length > longest || length === 0) continue
          if (isNear(Buffer.prototype.latin1Slice.call(bytes, start, i))) return true
        }
        return false
      }
      forEachChunk(list, count, within, (chunk) => {
        for (let index = chunk.from; index < chunk.to; index++) {
          if (within !== null && !within.has(index)) continue
          if (list.types[index] === VALUE_ABSENT || list.types[index] === VALUE_NULL) continue
          if (chunk.isAscii ? hasNearToken(index) : tokensOfText(textOf(list, index)).some(isNear)) found.add(index)
        }
      })
      return found
    },
    integers(values, count, within) {
      if (otherThanDigits > distance) return new Bitmap(count)
      return filterIntegerTexts(values, count, within, test)
    },
  }
}

function regexTest(regex: UserRegex): ValueTest {
  const scan = regexScan(userRegex(regex))
  const mayBeInteger = regex.native === null || mayMatchInteger(regex.native)
  return {
    cost: 50,
    one: (text, type) => type !== VALUE_NULL && regex.test(text),
    list: (list, count, within) => scan.search(list, count, within),
    integers(values, count, within) {
      if (!mayBeInteger) return new Bitmap(count)
      return filterIntegerTexts(values, count, within, integerTest(regex))
    },
  }
}

/** The test of an integer's text, which is ASCII and short. */
export function integerTest(regex: UserRegex): (text: string) => boolean {
  const { native } = regex
  return native === null ? (text) => regex.test(text) : (text) => native.test(text)
}

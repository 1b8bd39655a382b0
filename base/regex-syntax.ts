import { REGEX_DEPTH_MAX, REGEX_REPEAT_MAX, REGEX_SOURCE_CHARS_MAX } from './limits.ts'
import {
  CODE_POINT_MAX,
  type CodePoints,
  caseFolded,
  complement,
  DIGITS,
  normalised,
  POSIX_CLASSES,
  SPACES,
  unicodeClass,
  WORD_CHARS,
} from './regex-classes.ts'
import { RegexError } from './regex-error.ts'

/**
 * The regular expressions users may write: the syntax of RE2 (https://github.com/google/re2/wiki/Syntax), which leaves out
 * what cannot be matched in linear time (look-around, back-references, possessive and atomic groups).
 */
export type RegexNode =
  | { readonly kind: 'empty' }
  /** One code point of a set; the set may be empty, then nothing matches. */
  | { readonly kind: 'class'; readonly set: CodePoints }
  | { readonly kind: 'cat'; readonly of: readonly RegexNode[] }
  | { readonly kind: 'alt'; readonly of: readonly RegexNode[] }
  /** `max` is Infinity for an open end. Whether it is lazy says which of several matches is the one that captures, no more. */
  | {
      readonly kind: 'repeat'
      readonly of: RegexNode
      readonly min: number
      readonly max: number
      readonly isLazy: boolean
    }
  /** A named group, the `index`th of the expression; only in what `parseCapturingRegex` returns. */
  | { readonly kind: 'group'; readonly of: RegexNode; readonly index: number }
  | { readonly kind: 'assert'; readonly at: RegexAssertion }

export type RegexAssertion = 'textBegin' | 'textEnd' | 'lineBegin' | 'lineEnd' | 'wordBoundary' | 'notWordBoundary'

interface Flags {
  ignoreCase: boolean
  dotAll: boolean
  multiLine: boolean
}

const EMPTY: RegexNode = { kind: 'empty' }

/**
 * Parses `source` with flags out of `i`, `s`, `m` (`u` is allowed and changes nothing: patterns always match code points).
 * Throws RegexError with positions in `source`.
 */
export function parseRegex(source: string, flags: string): RegexNode {
  return new RegexParser(source, flags, { isCapturing: false, charsMax: REGEX_SOURCE_CHARS_MAX }).parse()
}

/** The same with named groups kept as nodes, and their names in order. Other groups capture nothing. */
export function parseCapturingRegex(
  source: string,
  flags: string,
  charsMax: number,
): { node: RegexNode; names: readonly string[] } {
  const parser = new RegexParser(source, flags, { isCapturing: true, charsMax })
  const node = parser.parse()
  return { node, names: parser.names }
}

class RegexParser {
  readonly #source: string
  #at = 0
  #depth = 0
  #flags: Flags = { ignoreCase: false, dotAll: false, multiLine: false }
  readonly #names = new Set<string>()
  readonly #isCapturing: boolean
  readonly #charsMax: number

  constructor(source: string, flags: string, options: { isCapturing: boolean; charsMax: number }) {
    this.#source = source
    this.#isCapturing = options.isCapturing
    this.#charsMax = options.charsMax
    for (let i = 0; i < flags.length; i++) {
      const flag = flags[i]!
      const at = source.length + 1 + i
      if (flags.indexOf(flag) !== i) throw new RegexError(`Flag ${flag} is given twice`, at, 1, 'Remove one.')
      if (!this.#setFlag(flag, true)) {
        throw new RegexError(
          `Unknown flag "${flag}" after the regular expression`,
          at,
          1,
          'Flags are i (ignore case), s (. matches newlines), m (^ and $ match at lines). To search for a path, quote it: "/var/log".',
        )
      }
    }
  }

  parse(): RegexNode {
    if (this.#source.length > this.#charsMax) {
      this.#fail('The regular expression is too long', 0, this.#source.length, `At most ${this.#charsMax} characters.`)
    }
    const node = this.#alternatives()
    if (this.#at < this.#source.length)
      this.#fail('There is a ) without its (', this.#at, 1, 'Write \\) for the character.')
    this.#checkRepeats(node, 1)
    return node
  }

  get names(): readonly string[] {
    return [...this.#names]
  }

  #fail(problem: string, position: number, length: number, hint: string): never {
    throw new RegexError(problem, position, Math.max(1, length), hint)
  }

  #setFlag(flag: string, on: boolean): boolean {
    if (flag === 'i') this.#flags.ignoreCase = on
    else if (flag === 's') this.#flags.dotAll = on
    else if (flag === 'm') this.#flags.multiLine = on
    else return flag === 'u'
    return true
  }

  #alternatives(): RegexNode {
    const of: RegexNode[] = [this.#sequence()]
    while (this.#source[this.#at] === '|') {
      this.#at++
      of.push(this.#sequence())
    }
    return of.length === 1 ? of[0]! : { kind: 'alt', of }
  }

  #sequence(): RegexNode {
    const of: RegexNode[] = []
    while (this.#at < this.#source.length) {
      const c = this.#source[this.#at]!
      if (c === '|' || c === ')') break
      const atom = this.#atom()
      if (atom !== null) of.push(this.#quantified(atom))
    }
    return of.length === 0 ? EMPTY : of.length === 1 ? of[0]! : { kind: 'cat', of }
  }

  #quantified(atom: RegexNode): RegexNode {
    const start = this.#at
    const bounds = this.#quantifier()
    if (bounds === null) return atom
    const isLazy = this.#source[this.#at] === '?'
    if (isLazy) this.#at++
    const after = this.#at
    if (this.#source[after] === '+' && after > start) {
      const hint = 'Drop the second +; matching never backtracks anyway.'
      this.#fail('Possessive quantifiers are not supported', start, after + 1 - start, hint)
    }
    if (this.#quantifier() !== null) {
      this.#fail('A quantifier follows another', start, this.#at - start, 'Put the first in a group: (?:a+)*.')
    }
    return { kind: 'repeat', of: atom, min: bounds[0], max: bounds[1], isLazy }
  }

  /** Reads `*`, `+`, `?` or `{n,m}`; null when there is none. A `{` that begins no quantifier is a character. */
  #quantifier(): [number, number] | null {
    const c = this.#source[this.#at]
    if (c === '*' || c === '+' || c === '?') {
      this.#at++
      return c === '*' ? [0, Infinity] : c === '+' ? [1, Infinity] : [0, 1]
    }
    if (c !== '{') return null
    const match = /^\{(\d{1,9})(,(\d{0,9}))?\}/.exec(this.#source.slice(this.#at, this.#at + 24))
    if (match === null) return null
    const min = Number(match[1])
    const max = match[2] === undefined ? min : match[3] === '' ? Infinity : Number(match[3])
    if (min > REGEX_REPEAT_MAX || (max !== Infinity && max > REGEX_REPEAT_MAX)) {
      this.#fail('The repeat count is too high', this.#at, match[0].length, `At most ${REGEX_REPEAT_MAX}.`)
    }
    if (max < min)
      this.#fail('The repeat counts are the wrong way round', this.#at, match[0].length, `Write {${max},${min}}.`)
    this.#at += match[0].length
    return [min, max]
  }

  /** One atom; null where only flags were set. */
  #atom(): RegexNode | null {
    const start = this.#at
    const c = this.#source[start]!
    switch (c) {
      case '(':
        return this.#group()
      case '[':
        return this.#bracket()
      case '.':
        this.#at++
        return { kind: 'class', set: this.#flags.dotAll ? [0, CODE_POINT_MAX] : [0, 9, 11, CODE_POINT_MAX] }
      case '^':
        this.#at++
        return { kind: 'assert', at: this.#flags.multiLine ? 'lineBegin' : 'textBegin' }
      case '$':
        this.#at++
        return { kind: 'assert', at: this.#flags.multiLine ? 'lineEnd' : 'textEnd' }
      case '*':
      case '+':
      case '?':
        return this.#fail(`There is nothing for ${c} to repeat`, start, 1, `Write \\${c} for the character.`)
      case '\\':
        return this.#escape()
      default: {
        if (c === '{' && this.#quantifier() !== null) {
          this.#fail(
            'There is nothing for the repeat count to repeat',
            start,
            this.#at - start,
            'Write \\{ for the character.',
          )
        }
        const codePoint = this.#source.codePointAt(start)!
        this.#at += codePoint > 0xffff ? 2 : 1
        return this.#single(codePoint)
      }
    }
  }

  #single(codePoint: number): RegexNode {
    return this.#classNode([codePoint, codePoint])
  }

  #classNode(set: CodePoints): RegexNode {
    return { kind: 'class', set: this.#flags.ignoreCase ? caseFolded(set) : set }
  }

  #group(): RegexNode | null {
    const start = this.#at
    if (++this.#depth > REGEX_DEPTH_MAX)
      this.#fail('Groups are nested too deeply', start, 1, `At most ${REGEX_DEPTH_MAX} levels.`)
    this.#at++
    const outer = { ...this.#flags }
    const index = this.#names.size
    if (this.#source[this.#at] === '?' && this.#groupHeader(start)) {
      // (?i) holds until the end of the enclosing group, which restores the flags.
      this.#depth--
      return null
    }
    const isNamed = this.#names.size > index
    const node = this.#alternatives()
    if (this.#source[this.#at] !== ')') {
      this.#fail('A group is not closed', start, 1, 'Add ) or write \\( for the character.')
    }
    this.#at++
    this.#depth--
    this.#flags = outer
    return isNamed && this.#isCapturing ? { kind: 'group', of: node, index } : node
  }

  /** Reads what follows `(?`; true when it was flags only, its `)` included. */
  #groupHeader(start: number): boolean {
    const rest = this.#source.slice(this.#at + 1, this.#at + 120)
    const name = /^P?<([A-Za-z_]\w*)>/.exec(rest)
    if (name !== null) {
      if (this.#names.has(name[1]!)) {
        this.#fail(`Two groups are named ${name[1]}`, start, 2 + name[0].length, 'Give each its own name, or none.')
      }
      this.#names.add(name[1]!)
      this.#at += 1 + name[0].length
      return false
    }
    if (/^(?:[=!]|<[=!])/.test(rest)) {
      const length = rest[0] === '<' ? 4 : 3
      return this.#fail(
        'Look-around is not supported, because it cannot be matched in linear time',
        start,
        length,
        'Combine two conditions instead: /a/ AND NOT /b/.',
      )
    }
    if (rest[0] === '>') {
      this.#fail('Atomic groups are not supported', start, 3, 'Write (?:…); matching never backtracks anyway.')
    }
    const flags = /^([a-zA-Z]*)(?:-([a-zA-Z]+))?([:)])/.exec(rest)
    if (flags === null || (flags[3] === ')' && flags[1] === '' && flags[2] === undefined)) {
      return this.#fail('Unknown kind of group', start, 2, 'Known are (…), (?:…), (?<name>…), (?i) and (?i:…).')
    }
    for (const [letters, on] of [
      [flags[1]!, true],
      [flags[2] ?? '', false],
    ] as const) {
      for (const flag of letters) {
        if (flag === 'u' || !this.#setFlag(flag, on)) {
          this.#fail(`Unknown flag "${flag}" in a group`, start, 2 + flags[0].length, 'Flags are i, s and m.')
        }
      }
    }
    this.#at += 1 + flags[0].length
    return flags[3] === ')'
  }

  #escape(): RegexNode | null {
    const start = this.#at
    const c = this.#source[start + 1]
    if (c === undefined)
      this.#fail('A backslash ends the regular expression', start, 1, 'Write \\\\ for the character.')
    const set = this.#classEscape()
    if (set !== null) return this.#classNode(set)
    switch (c) {
      case 'b':
        this.#at += 2
        return { kind: 'assert', at: 'wordBoundary' }
      case 'B':
        this.#at += 2
        return { kind: 'assert', at: 'notWordBoundary' }
      case 'A':
        this.#at += 2
        return { kind: 'assert', at: 'textBegin' }
      case 'z':
        this.#at += 2
        return { kind: 'assert', at: 'textEnd' }
      case 'Q':
        return this.#quoted()
    }
    return this.#single(this.#charEscape())
  }

  #quoted(): RegexNode | null {
    const end = this.#source.indexOf('\\E', this.#at + 2)
    const text = this.#source.slice(this.#at + 2, end < 0 ? undefined : end)
    this.#at = end < 0 ? this.#source.length : end + 2
    const of = Array.from(text, (char) => this.#single(char.codePointAt(0)!))
    return of.length === 0 ? null : { kind: 'cat', of }
  }

  /** Reads `\d`, `\W`, `\p{…}` …; null, with nothing read, when it is another escape. */
  #classEscape(): CodePoints | null {
    const start = this.#at
    const c = this.#source[start + 1]
    const lower = c?.toLowerCase()
    if (lower === 'd' || lower === 'w' || lower === 's') {
      this.#at += 2
      const set = lower === 'd' ? DIGITS : lower === 'w' ? WORD_CHARS : SPACES
      return c === lower ? set : complement(set)
    }
    if (lower !== 'p') return null
    const match = /^\\[pP](?:\{(\^?)([A-Za-z_]+)\}|([A-Z]))/.exec(this.#source.slice(start, start + 48))
    const set = match === null ? undefined : unicodeClass(match[2] ?? match[3]!)
    if (match === null || set === undefined) {
      return this.#fail(
        'Unknown Unicode class',
        start,
        match?.[0].length ?? 2,
        'Known are categories and scripts: \\p{L}, \\p{Lu}, \\p{Greek}.',
      )
    }
    this.#at += match[0].length
    return (c === 'P') !== (match[1] === '^') ? complement(set) : set
  }

  /** Reads an escape that stands for one code point. */
  #charEscape(): number {
    const start = this.#at
    const rest = this.#source.slice(start + 1, start + 12)
    const hex = /^(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|[xu]\{([0-9A-Fa-f]{1,8})\})/.exec(rest)
    if (hex !== null) {
      const codePoint = Number.parseInt(hex[1] ?? hex[2] ?? hex[3]!, 16)
      if (codePoint > CODE_POINT_MAX)
        this.#fail('There is no such code point', start, 1 + hex[0].length, 'The highest is \\x{10FFFF}.')
      this.#at += 1 + hex[0].length
      return codePoint
    }
    const octal = /^0[0-7]{0,2}/.exec(rest)
    if (octal !== null) {
      this.#at += 1 + octal[0].length
      return Number.parseInt(octal[0], 8)
    }
    const c = rest[0]
    if (c === undefined)
      this.#fail('A backslash ends the regular expression', start, 1, 'Write \\\\ for the character.')
    const control = 'tnrfva'.indexOf(c)
    if (control >= 0) {
      this.#at += 2
      return [9, 10, 13, 12, 11, 7][control]!
    }
    if (/[1-9]/.test(c) || c === 'k') {
      this.#fail(
        'Back-references are not supported, because they cannot be matched in linear time',
        start,
        2,
        'Write the repeated part out.',
      )
    }
    if (/[A-Za-z0-9]/.test(c)) {
      this.#fail(`Unknown escape \\${c}`, start, 2, `Write ${c} for the letter itself, \\\\ for a backslash.`)
    }
    if (c > '\x7f') this.#fail('Only ASCII characters are escaped', start, 2, 'Drop the backslash.')
    this.#at += 2
    return c.charCodeAt(0)
  }

  #bracket(): RegexNode {
    const start = this.#at++
    const negated = this.#source[this.#at] === '^'
    if (negated) this.#at++
    const ranges: number[] = []
    const first = this.#at
    for (;;) {
      const c = this.#source[this.#at]
      if (c === undefined)
        this.#fail('A character class is not closed', start, 1, 'Add ] or write \\[ for the character.')
      if (c === ']' && this.#at > first) break
      this.#bracketItem(ranges)
    }
    this.#at++
    let set = normalised(ranges)
    // As everywhere, case is folded before the class is negated.
    if (this.#flags.ignoreCase) set = caseFolded(set)
    return { kind: 'class', set: negated ? complement(set) : set }
  }

  #bracketItem(ranges: number[]): void {
    const start = this.#at
    if (this.#source.startsWith('[:', start)) {
      const match = /^\[:(\^?)([a-z]+):\]/.exec(this.#source.slice(start, start + 16))
      if (match !== null) {
        const set = Object.hasOwn(POSIX_CLASSES, match[2]!) ? POSIX_CLASSES[match[2]!] : undefined
        if (set === undefined) {
          this.#fail(
            `Unknown class ${match[0]}`,
            start,
            match[0].length,
            `Known are ${Object.keys(POSIX_CLASSES).join(', ')}.`,
          )
        }
        this.#at += match[0].length
        ranges.push(...(match[1] === '^' ? complement(set) : set))
        return
      }
    }
    if (this.#source[start] === '\\') {
      const set = this.#classEscape()
      if (set !== null) {
        for (const bound of set) ranges.push(bound)
        return
      }
    }
    const lo = this.#bracketChar()
    if (
      this.#source[this.#at] !== '-' ||
      this.#source[this.#at + 1] === ']' ||
      this.#source[this.#at + 1] === undefined
    ) {
      ranges.push(lo, lo)
      return
    }
    this.#at++
    const hi = this.#bracketChar()
    if (hi < lo) {
      this.#fail(
        'A range of characters is the wrong way round',
        start,
        this.#at - start,
        'Write the lower character first.',
      )
    }
    ranges.push(lo, hi)
  }

  #bracketChar(): number {
    if (this.#source[this.#at] === '\\') return this.#charEscape()
    const codePoint = this.#source.codePointAt(this.#at)!
    this.#at += codePoint > 0xffff ? 2 : 1
    return codePoint
  }

  /** Nested counts multiply; RE2 has the same limit. */
  #checkRepeats(node: RegexNode, outer: number): void {
    switch (node.kind) {
      case 'cat':
      case 'alt':
        for (const child of node.of) this.#checkRepeats(child, outer)
        return
      case 'repeat': {
        const copies = outer * Math.max(1, node.max === Infinity ? node.min : node.max)
        if (copies > REGEX_REPEAT_MAX) {
          this.#fail(
            'Nested repeat counts are too high',
            0,
            this.#source.length,
            `Their product may be at most ${REGEX_REPEAT_MAX}.`,
          )
        }
        this.#checkRepeats(node.of, copies)
        return
      }
      case 'group':
        this.#checkRepeats(node.of, outer)
    }
  }
}

import { CaptureMatcher, MATCHED, NO_BYTES, NO_MATCH, StepBudget } from './capture-matcher.ts'
import { CAPTURE_INSTRUCTIONS_MAX, CAPTURE_SOURCE_CHARS_MAX } from './limits.ts'
import { normalised } from './regex-classes.ts'
import { nativeRegex } from './regex-native.ts'
import { compileProgram, isNullable } from './regex-program.ts'
import { parseCapturingRegex, type RegexNode } from './regex-syntax.ts'

/** What `CaptureRegex.exec` found: a text for each named group in order, null for a group that took no part. */
export type Captures = readonly (string | null)[]

/** The text would take more steps than any text of its length may. */
export const TOO_MANY_STEPS = 'too many steps'

const single = new StepBudget()

function ownBudget(text: string): StepBudget {
  single.reset(text.length)
  return single
}

/** V8's steps (about 1 ns each) on one text; beyond them our own matcher is as good. */
const NATIVE_STEPS_MAX = 200_000
/** What it costs to tell of a match, one of many. */
const STEPS_OF_MATCH = 32
const SCRATCH_BYTES = 8192
const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
const NOT_ASCII = /[^\0-\x7f]/

/**
 * A regular expression that takes a text apart: what its named groups matched, in the match that a backtracking engine
 * would prefer (leftmost, then first alternative, then greedy). Nobody can hang a thread with it: it remembers where it
 * sought in vain (Cox, "Regular Expression Matching: the Virtual Machine Approach", the backtracker with a bitmap), so that its steps
 * are at most linear in the text, and gives up a text that takes too many of them.
 *
 * Expressions for which backtracking is proven to be cheap are run by V8 on ASCII texts (base/regex-native.ts).
 */
export class CaptureRegex {
  readonly names: readonly string[]
  /** A text that is in every match; empty where none is known. */
  readonly #literal: string
  readonly #native: RegExp | null
  readonly #nativeLengthMax: number
  /** For texts that are all ASCII, by far the most: its classes are single bytes. */
  readonly #asciiMatcher: CaptureMatcher
  readonly #node: RegexNode
  readonly #sourceLength: number
  #matcher: CaptureMatcher | undefined

  /** Syntax of RE2, flags out of `i`, `s`, `m`, `u`. Throws RegexError for what is malformed, not linear, or too large. */
  constructor(source: string, flags: string) {
    const { node, names } = parseCapturingRegex(source, flags, CAPTURE_SOURCE_CHARS_MAX)
    this.names = names
    this.#literal = requiredText(node)
    this.#node = node
    this.#sourceLength = source.length
    const program = compileProgram(asciiOnly(node), source.length, CAPTURE_INSTRUCTIONS_MAX)
    this.#asciiMatcher = new CaptureMatcher(program, names.length)
    // Compiled now and thrown away, so that an expression that is too large is refused now.
    compileProgram(node, source.length, CAPTURE_INSTRUCTIONS_MAX)
    const native = hasNativeCaptures(node, false) ? nativeRegex(node, program.anchored, NATIVE_STEPS_MAX) : null
    this.#native = native === null ? null : new RegExp(native.regex, `${native.regex.flags}g`)
    this.#nativeLengthMax = native?.lengthMax ?? 0
  }

  /** The captures of the first match in `text`; null where there is none. A `budget` that is given was reset for the text. */
  exec(text: string, budget: StepBudget = ownBudget(text)): Captures | null | typeof TOO_MANY_STEPS {
    const found = this.#match(text, budget)
    if (found === null || found === TOO_MANY_STEPS) return found
    if (!(found instanceof CaptureMatcher)) return nativeCaptures(found)
    const { bytes, places } = found
    const captures: (string | null)[] = []
    for (let i = 0; i < this.names.length; i++) {
      const start = places[i * 2]!
      const end = places[i * 2 + 1]!
      if (start < 0 || end < 0) captures.push(null)
      else captures.push(found === this.#asciiMatcher ? text.slice(start, end) : textOf(bytes, start, end))
    }
    found.bytes = NO_BYTES
    return captures
  }

  /**
   * Tells where the first named group stands of each match, in characters: matches in order, none overlaps the one before. False when
   * that took too many steps. Only of expressions that are that group as a whole.
   */
  findAll(text: string, budget: StepBudget, found: (start: number, end: number) => void): boolean {
    if (this.#isHopeless(text, budget)) return true
    if (budget.left <= 0) return false
    const isAscii = !NOT_ASCII.test(text)
    if (isAscii && this.#native !== null && text.length <= this.#nativeLengthMax) {
      // A match may begin at each place once, so that all matches together cost no more than one that fails.
      budget.left -= text.length
      for (const { index, 0: match } of text.matchAll(this.#native)) {
        budget.left -= STEPS_OF_MATCH
        if (budget.left <= 0) return false
        found(index, index + match.length)
      }
      return true
    }
    const { bytes, length } = encoded(text)
    budget.left -= text.length >> 2
    const matcher = isAscii ? this.#asciiMatcher : this.#utf8Matcher()
    let chars = 0
    let seen = 0
    const charOf = (at: number): number => {
      chars += isAscii ? at - seen : textOf(bytes, seen, at).length
      seen = at
      return chars
    }
    for (let from = 0; from <= length; ) {
      const outcome = matcher.match(bytes, length, budget, from)
      if (outcome !== MATCHED) return outcome === NO_MATCH
      budget.left -= STEPS_OF_MATCH
      const start = matcher.places[0]!
      const end = matcher.places[1]!
      if (end > start) found(charOf(start), charOf(end))
      from = Math.max(end, start + 1)
      while (from < length && (bytes[from]! & 0xc0) === 0x80) from++
    }
    return true
  }

  /** What has matched, and knows where. */
  #match(text: string, budget: StepBudget): RegExpExecArray | CaptureMatcher | null | typeof TOO_MANY_STEPS {
    if (budget.left <= 0) return TOO_MANY_STEPS
    if (this.#isHopeless(text, budget)) return null
    const isAscii = !NOT_ASCII.test(text)
    if (isAscii && this.#native !== null && text.length <= this.#nativeLengthMax) {
      budget.left -= text.length
      this.#native.lastIndex = 0
      return this.#native.exec(text)
    }
    const { bytes, length } = encoded(text)
    // To encode it, and to look for where a match may begin.
    budget.left -= text.length >> 2
    const matcher = isAscii ? this.#asciiMatcher : this.#utf8Matcher()
    const outcome = matcher.match(bytes, length, budget)
    if (outcome === MATCHED) return matcher
    return outcome === NO_MATCH ? null : TOO_MANY_STEPS
  }

  #isHopeless(text: string, budget: StepBudget): boolean {
    if (this.#literal === '' || text.includes(this.#literal)) return false
    budget.left -= text.length >> 4
    return true
  }

  #utf8Matcher(): CaptureMatcher {
    if (this.#matcher === undefined) {
      const program = compileProgram(this.#node, this.#sourceLength, CAPTURE_INSTRUCTIONS_MAX)
      this.#matcher = new CaptureMatcher(program, this.names.length)
    }
    return this.#matcher
  }
}

/** The longest text that every match of the expression has in it. */
function requiredText(node: RegexNode): string {
  let longest = ''
  let run = ''
  const add = (one: RegexNode) => {
    if (one.kind === 'cat') {
      for (const part of one.of) add(part)
      return
    }
    if (one.kind === 'group') {
      add(one.of)
      return
    }
    // What takes no character parts none.
    if (one.kind === 'assert' || one.kind === 'empty') return
    // A surrogate that stands alone reads as U+FFFD.
    if (one.kind === 'class' && one.set.length === 2 && one.set[0] === one.set[1] && isPlainCode(one.set[0]!)) {
      run += String.fromCodePoint(one.set[0]!)
      if (run.length > longest.length) longest = run
      return
    }
    run = ''
    if (one.kind === 'repeat' && one.min > 0) add(one.of)
    run = ''
  }
  add(node)
  return longest
}

function isPlainCode(code: number): boolean {
  return code !== 0xfffd && (code < 0xd800 || code > 0xdfff)
}

function nativeCaptures(match: RegExpExecArray): (string | null)[] {
  const captures: (string | null)[] = []
  for (let i = 1; i < match.length; i++) captures.push(match[i] ?? null)
  return captures
}

const scratch = new Uint8Array(SCRATCH_BYTES)

function textOf(bytes: Uint8Array, start: number, end: number): string {
  return decoder.decode(bytes.subarray(start, end))
}

/** The UTF-8 of `text`, in memory that the next call overwrites. */
function encoded(text: string): { bytes: Uint8Array; length: number } {
  if (text.length * 3 > scratch.length) {
    const bytes = encoder.encode(text)
    return { bytes, length: bytes.length }
  }
  return { bytes: scratch, length: encoder.encodeInto(text, scratch).written }
}

/** The same expression for texts without other characters than ASCII. */
function asciiOnly(node: RegexNode): RegexNode {
  switch (node.kind) {
    case 'class': {
      const set: number[] = []
      for (let i = 0; i < node.set.length && node.set[i]! <= 0x7f; i += 2)
        set.push(node.set[i]!, Math.min(0x7f, node.set[i + 1]!))
      return { kind: 'class', set: normalised(set) }
    }
    case 'cat':
    case 'alt':
      return { kind: node.kind, of: node.of.map(asciiOnly) }
    case 'repeat':
    case 'group':
      return { ...node, of: asciiOnly(node.of) }
    default:
      return node
  }
}

/**
 * True when V8 captures what we do: JavaScript forgets the groups of earlier rounds of a loop, and does not let a round
 * match the empty text.
 */
function hasNativeCaptures(node: RegexNode, isRepeated: boolean): boolean {
  switch (node.kind) {
    case 'cat':
    case 'alt':
      return node.of.every((child) => hasNativeCaptures(child, isRepeated))
    case 'repeat':
      if (node.min !== node.max && isNullable(node.of)) return false
      return hasNativeCaptures(node.of, isRepeated || node.max > 1)
    case 'group':
      return !isRepeated && hasNativeCaptures(node.of, false)
    default:
      return true
  }
}

import { assert } from './assert.ts'
import {
  CAPTURE_INSTRUCTIONS_MAX,
  CAPTURE_MEMO_BYTES_MAX,
  CAPTURE_SOURCE_CHARS_MAX,
  CAPTURE_STEPS_MAX,
  CAPTURE_STEPS_PER_BYTE,
} from './limits.ts'
import { normalised } from './regex-classes.ts'
import { nativeRegex } from './regex-native.ts'
import {
  ASSERTIONS,
  compileProgram,
  isNullable,
  isWordByte,
  OP_ASSERT,
  OP_BYTE,
  OP_MATCH,
  OP_SAVE,
  OP_SPLIT,
  type RegexProgram,
} from './regex-program.ts'
import { parseCapturingRegex, type RegexNode } from './regex-syntax.ts'

/** What `CaptureRegex.exec` found: a text for each named group in order, null for a group that took no part. */
export type Captures = readonly (string | null)[]

/** The text would take more steps than any text of its length may. */
export const TOO_MANY_STEPS = 'too many steps'

/** V8's steps (about 1 ns each) on one text; beyond them our own matcher is as good. */
const NATIVE_STEPS_MAX = 200_000
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
    this.#node = node
    this.#sourceLength = source.length
    const program = compileProgram(asciiOnly(node), source.length, CAPTURE_INSTRUCTIONS_MAX)
    this.#asciiMatcher = new CaptureMatcher(program, names.length)
    // Compiled now and thrown away, so that an expression that is too large is refused now.
    compileProgram(node, source.length, CAPTURE_INSTRUCTIONS_MAX)
    const native = hasNativeCaptures(node, false) ? nativeRegex(node, program.anchored, NATIVE_STEPS_MAX) : null
    this.#native = native?.regex ?? null
    this.#nativeLengthMax = native?.lengthMax ?? 0
  }

  /** The captures of the first match in `text`; null where there is none. */
  exec(text: string): Captures | null | typeof TOO_MANY_STEPS {
    const isAscii = !NOT_ASCII.test(text)
    if (isAscii && this.#native !== null && text.length <= this.#nativeLengthMax) {
      const match = this.#native.exec(text)
      return match === null ? null : nativeCaptures(match)
    }
    const { bytes, length } = encoded(text)
    const matcher = isAscii ? this.#asciiMatcher : this.#utf8Matcher()
    const outcome = matcher.match(bytes, length)
    if (outcome !== MATCHED) return outcome === NO_MATCH ? null : TOO_MANY_STEPS
    const captures: (string | null)[] = []
    const { places } = matcher
    for (let i = 0; i < this.names.length; i++) {
      const start = places[i * 2]!
      const end = places[i * 2 + 1]!
      if (start < 0 || end < 0) captures.push(null)
      else captures.push(isAscii ? text.slice(start, end) : decoder.decode(bytes.subarray(start, end)))
    }
    return captures
  }

  #utf8Matcher(): CaptureMatcher {
    if (this.#matcher === undefined) {
      const program = compileProgram(this.#node, this.#sourceLength, CAPTURE_INSTRUCTIONS_MAX)
      this.#matcher = new CaptureMatcher(program, this.names.length)
    }
    return this.#matcher
  }
}

function nativeCaptures(match: RegExpExecArray): (string | null)[] {
  const captures: (string | null)[] = []
  for (let i = 1; i < match.length; i++) captures.push(match[i] ?? null)
  return captures
}

const scratch = new Uint8Array(SCRATCH_BYTES)

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

const NO_MATCH = 0
const MATCHED = 1
const OUT_OF_STEPS = 2

const STACK_START = 256
/** A stack that one text has made larger than this is let go. */
const STACK_KEPT_MAX = 65_536
/** A job on the stack that puts a place back: -1 - its index. */
const RESTORE = -1

/**
 * Backtracks over a program, each split at each place once. Cost of the standard grok pattern of an access log on a line of
 * 200 bytes: see bench/micro/parse.ts.
 */
class CaptureMatcher {
  /** Start and end of each group in the text that `match` matched last; -1 where it took no part. */
  readonly places: Int32Array
  readonly #program: RegexProgram
  /** Of each split, its row in the memo. */
  readonly #memoRow: Int32Array
  readonly #memoRows: number
  /** Bytes with which a match may begin; null when it may be empty or begins with an assertion. */
  readonly #firstBytes: Uint8Array | null
  #memo = new Uint32Array(256)
  /** Jobs as pairs: an instruction and a place, or RESTORE - i and what places[i] was. */
  #stack = new Int32Array(STACK_START)

  constructor(program: RegexProgram, groups: number) {
    this.#program = program
    this.places = new Int32Array(groups * 2)
    this.#memoRow = new Int32Array(program.ops.length)
    let rows = 0
    for (let pc = 0; pc < program.ops.length; pc++) if (program.ops[pc] === OP_SPLIT) this.#memoRow[pc] = rows++
    this.#memoRows = rows
    this.#firstBytes = firstBytesOf(program)
  }

  match(bytes: Uint8Array, length: number): number {
    const { anchored, start } = this.#program
    const memoBits = this.#memoRows * (length + 1)
    const hasMemo = memoBits <= CAPTURE_MEMO_BYTES_MAX * 8
    if (hasMemo) {
      const words = (memoBits + 31) >>> 5
      if (words > this.#memo.length) this.#memo = new Uint32Array(Math.max(words, this.#memo.length * 2))
      else this.#memo.fill(0, 0, words)
    }
    const firstBytes = this.#firstBytes
    let steps = CAPTURE_STEPS_MAX + CAPTURE_STEPS_PER_BYTE * length
    const lastStart = anchored ? 0 : length
    for (let at = 0; at <= lastStart; at++) {
      if (firstBytes !== null && (at === length || firstBytes[bytes[at]!] === 0)) continue
      steps = this.#matchAt(start, bytes, at, length, steps, hasMemo)
      if (steps < 0) break
    }
    if (this.#stack.length > STACK_KEPT_MAX) this.#stack = new Int32Array(STACK_START)
    return steps >= 0 ? NO_MATCH : steps === STEPS_MATCHED ? MATCHED : OUT_OF_STEPS
  }

  /** The steps left, or STEPS_MATCHED, or STEPS_NONE. */
  #matchAt(
    startPc: number,
    bytes: Uint8Array,
    startAt: number,
    length: number,
    stepsLeft: number,
    hasMemo: boolean,
  ): number {
    const { ops, next, arg, sets, classOfByte } = this.#program
    const { places } = this
    const memo = this.#memo
    const memoRow = this.#memoRow
    const memoStride = length + 1
    let stack = this.#stack
    let depth = 0
    let steps = stepsLeft
    let pc = startPc
    let at = startAt
    places.fill(-1)
    for (;;) {
      if (--steps < 0) return STEPS_NONE
      const op = ops[pc]!
      let goesOn = false
      if (op === OP_BYTE) {
        if (at < length && sets[arg[pc]!]![classOfByte[bytes[at]!]!] === 1) {
          at++
          goesOn = true
        }
      } else if (op === OP_SPLIT) {
        let isNew = true
        if (hasMemo) {
          const bit = memoRow[pc]! * memoStride + at
          const mask = 1 << (bit & 31)
          isNew = (memo[bit >>> 5]! & mask) === 0
          if (isNew) memo[bit >>> 5] = memo[bit >>> 5]! | mask
        }
        if (isNew) {
          if (depth + 4 > stack.length) stack = this.#growStack()
          stack[depth++] = arg[pc]!
          stack[depth++] = at
          goesOn = true
        }
      } else if (op === OP_SAVE) {
        const index = arg[pc]!
        if (depth + 4 > stack.length) stack = this.#growStack()
        stack[depth++] = RESTORE - index
        stack[depth++] = places[index]!
        places[index] = at
        goesOn = true
      } else if (op === OP_ASSERT) goesOn = this.#holds(arg[pc]!, bytes, at, length)
      else {
        assert(op === OP_MATCH, 'every instruction is known')
        return STEPS_MATCHED
      }
      if (goesOn) {
        pc = next[pc]!
        continue
      }
      for (;;) {
        if (depth === 0) return steps
        at = stack[--depth]!
        pc = stack[--depth]!
        if (pc >= 0) break
        places[RESTORE - pc] = at
      }
    }
  }

  #growStack(): Int32Array<ArrayBuffer> {
    const larger = new Int32Array(this.#stack.length * 2)
    larger.set(this.#stack)
    this.#stack = larger
    return larger
  }

  #holds(assertion: number, bytes: Uint8Array, at: number, length: number): boolean {
    switch (ASSERTIONS[assertion]!) {
      case 'textBegin':
        return at === 0
      case 'textEnd':
        return at === length
      case 'lineBegin':
        return at === 0 || bytes[at - 1] === 0x0a
      case 'lineEnd':
        return at === length || bytes[at] === 0x0a
      case 'wordBoundary':
        return isWordAt(bytes, at - 1, length) !== isWordAt(bytes, at, length)
      case 'notWordBoundary':
        // Not between the bytes of one character.
        if (at < length && bytes[at]! >= 0x80 && bytes[at]! <= 0xbf) return false
        return isWordAt(bytes, at - 1, length) === isWordAt(bytes, at, length)
    }
  }
}

const STEPS_MATCHED = -2
const STEPS_NONE = -1

function isWordAt(bytes: Uint8Array, at: number, length: number): boolean {
  return at >= 0 && at < length && isWordByte(bytes[at]!)
}

function firstBytesOf(program: RegexProgram): Uint8Array | null {
  const { ops, next, arg, sets, classOfByte, start } = program
  const first = new Uint8Array(256)
  const seen = new Set<number>()
  const stack = [start]
  while (stack.length > 0) {
    const pc = stack.pop()!
    if (seen.has(pc)) continue
    seen.add(pc)
    const op = ops[pc]!
    if (op === OP_MATCH || op === OP_ASSERT) return null
    if (op === OP_BYTE) {
      const set = sets[arg[pc]!]!
      for (let byte = 0; byte < 256; byte++) if (set[classOfByte[byte]!] === 1) first[byte] = 1
      continue
    }
    stack.push(next[pc]!)
    if (op === OP_SPLIT) stack.push(arg[pc]!)
  }
  return first
}

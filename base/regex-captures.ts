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

/** Steps that may still be taken on one text, by one expression or by several that are tried one after the other. */
export class StepBudget {
  left = 0

  /** For a text of `length` characters. */
  reset(length: number): void {
    this.left = CAPTURE_STEPS_MAX + CAPTURE_STEPS_PER_BYTE * length
  }
}

const single = new StepBudget()

function ownBudget(text: string): StepBudget {
  single.reset(text.length)
  return single
}

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

  /** The captures of the first match in `text`; null where there is none. A `budget` that is given was reset for the text. */
  exec(text: string, budget: StepBudget = ownBudget(text)): Captures | null | typeof TOO_MANY_STEPS {
    const isAscii = !NOT_ASCII.test(text)
    if (isAscii && this.#native !== null && text.length <= this.#nativeLengthMax) {
      budget.left -= text.length
      const match = this.#native.exec(text)
      return match === null ? null : nativeCaptures(match)
    }
    const { bytes, length } = encoded(text)
    const matcher = isAscii ? this.#asciiMatcher : this.#utf8Matcher()
    const outcome = matcher.match(bytes, length, budget)
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
 * Backtracks over a program, each split at each place once. The next byte mostly decides a split; then there is nothing to come back to.
 * Cost: about 10 ns a step; bench/micro/parse.ts has patterns of grok.
 */
class CaptureMatcher {
  /** Start and end of each group in the text that `match` matched last; -1 where it took no part. */
  readonly places: Int32Array
  readonly #program: RegexProgram
  /** Byte classes, and one for the end of the text. */
  readonly #stride: number
  /** Of instructions that consume a byte, and of splits: where their row in `#rows` begins. */
  readonly #rowOf: Int32Array
  /** For each byte class: whether it is consumed; of splits, one or both of TAKES_FIRST and TAKES_SECOND. */
  readonly #rows: Uint8Array
  /** Of each split, its row in the memo. */
  readonly #memoRow: Int32Array
  readonly #memoRows: number
  /** With which byte classes, or the end of the text, a match may begin. */
  readonly #begins: Uint8Array
  #memo = new Uint32Array(256)
  /** Jobs as pairs: an instruction and a place, or RESTORE - i and what places[i] was. */
  #stack = new Int32Array(STACK_START)

  constructor(program: RegexProgram, groups: number) {
    this.#program = program
    this.places = new Int32Array(groups * 2)
    const { ops, next, arg, sets, classCount, start } = program
    const stride = classCount + 1
    this.#stride = stride
    this.#rowOf = new Int32Array(ops.length)
    this.#memoRow = new Int32Array(ops.length)
    const firsts = new FirstClasses(program)
    const rows = new RowTable(stride)
    let memoRows = 0
    for (let pc = 0; pc < ops.length; pc++) {
      if (ops[pc] === OP_BYTE) {
        const set = sets[arg[pc]!]!
        this.#rowOf[pc] = rows.offset((byteClass) => set[byteClass] ?? 0)
      } else if (ops[pc] === OP_SPLIT) {
        this.#memoRow[pc] = memoRows++
        const first = next[pc]!
        const second = arg[pc]!
        this.#rowOf[pc] = rows.offset(
          (byteClass) =>
            (firsts.has(first, byteClass) ? TAKES_FIRST : 0) | (firsts.has(second, byteClass) ? TAKES_SECOND : 0),
        )
      }
    }
    this.#memoRows = memoRows
    this.#begins = Uint8Array.from({ length: stride }, (_, byteClass) => (firsts.has(start, byteClass) ? 1 : 0))
    this.#rows = rows.bytes()
  }

  match(bytes: Uint8Array, length: number, budget: StepBudget): number {
    const { anchored, start } = this.#program
    const memoBits = this.#memoRows * (length + 1)
    const hasMemo = memoBits <= CAPTURE_MEMO_BYTES_MAX * 8
    if (hasMemo) {
      const words = (memoBits + 31) >>> 5
      if (words > this.#memo.length) this.#memo = new Uint32Array(Math.max(words, this.#memo.length * 2))
      else this.#memo.fill(0, 0, words)
    }
    const begins = this.#begins
    const { classOfByte } = this.#program
    const endClass = this.#stride - 1
    let steps = budget.left
    const lastStart = anchored ? 0 : length
    for (let at = 0; at <= lastStart; at++) {
      if (begins[at === length ? endClass : classOfByte[bytes[at]!]!] === 0) continue
      steps = this.#matchAt(start, bytes, at, length, steps, hasMemo)
      if (steps < 0) break
    }
    budget.left = Math.max(0, steps)
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
    const { ops, next, arg, classOfByte } = this.#program
    const { places } = this
    const memo = this.#memo
    const memoRow = this.#memoRow
    const rows = this.#rows
    const rowOf = this.#rowOf
    const endClass = this.#stride - 1
    const memoStride = length + 1
    let stack = this.#stack
    let depth = 0
    let steps = stepsLeft
    let pc = startPc
    let at = startAt
    let byteClass = at < length ? classOfByte[bytes[at]!]! : endClass
    places.fill(-1)
    for (;;) {
      if (--steps < 0) return STEPS_NONE
      const op = ops[pc]!
      if (op === OP_BYTE) {
        if (rows[rowOf[pc]! + byteClass] === 1) {
          at++
          byteClass = at < length ? classOfByte[bytes[at]!]! : endClass
          pc = next[pc]!
          continue
        }
      } else if (op === OP_SPLIT) {
        const takes = rows[rowOf[pc]! + byteClass]!
        let isNew = takes !== 0
        if (isNew && hasMemo) {
          const bit = memoRow[pc]! * memoStride + at
          const mask = 1 << (bit & 31)
          const word = memo[bit >>> 5]!
          isNew = (word & mask) === 0
          if (isNew) memo[bit >>> 5] = word | mask
        }
        if (isNew) {
          if (takes === TAKES_SECOND) {
            pc = arg[pc]!
            continue
          }
          if (takes !== TAKES_FIRST) {
            if (depth + 4 > stack.length) stack = this.#growStack()
            stack[depth++] = arg[pc]!
            stack[depth++] = at
          }
          pc = next[pc]!
          continue
        }
      } else if (op === OP_SAVE) {
        const index = arg[pc]!
        if (depth > 0) {
          if (depth + 4 > stack.length) stack = this.#growStack()
          stack[depth++] = RESTORE - index
          stack[depth++] = places[index]!
        }
        places[index] = at
        pc = next[pc]!
        continue
      } else if (op === OP_ASSERT) {
        if (this.#holds(arg[pc]!, bytes, at, length)) {
          pc = next[pc]!
          continue
        }
      } else {
        assert(op === OP_MATCH, 'every instruction is known')
        return STEPS_MATCHED
      }
      for (;;) {
        if (depth === 0) return steps
        at = stack[--depth]!
        pc = stack[--depth]!
        if (pc >= 0) break
        places[RESTORE - pc] = at
      }
      byteClass = at < length ? classOfByte[bytes[at]!]! : endClass
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

const TAKES_FIRST = 1
const TAKES_SECOND = 2

/** Rows of one byte a class, each kept once. */
class RowTable {
  readonly #stride: number
  readonly #rows: Uint8Array[] = []
  readonly #known = new Map<string, number>()

  constructor(stride: number) {
    this.#stride = stride
  }

  offset(rowValue: (byteClass: number) => number): number {
    const row = Uint8Array.from({ length: this.#stride }, (_, byteClass) => rowValue(byteClass))
    const key = String.fromCharCode(...row)
    let index = this.#known.get(key)
    if (index === undefined) {
      index = this.#rows.push(row) - 1
      this.#known.set(key, index)
    }
    return index * this.#stride
  }

  bytes(): Uint8Array {
    const bytes = new Uint8Array(this.#rows.length * this.#stride)
    this.#rows.forEach((row, i) => {
      bytes.set(row, i * this.#stride)
    })
    return bytes
  }
}

/** For each instruction, the classes of the next byte (or the end of the text) with which it can lead to a match; rather too many than too few. */
class FirstClasses {
  readonly #words: number
  readonly #bits: Uint32Array

  constructor(program: RegexProgram) {
    const { ops, next, arg, sets, classCount, classOfByte } = program
    const words = (classCount + 1 + 31) >>> 5
    const bits = new Uint32Array(words * ops.length)
    this.#words = words
    this.#bits = bits
    const newline = classOfByte[0x0a]!
    let isChanged = false
    const add = (pc: number, byteClass: number) => {
      const word = pc * words + (byteClass >>> 5)
      const before = bits[word]!
      bits[word] = before | (1 << (byteClass & 31))
      if (bits[word] !== before) isChanged = true
    }
    const addAll = (pc: number, from: number) => {
      for (let i = 0; i < words; i++) {
        const before = bits[pc * words + i]!
        bits[pc * words + i] = before | bits[from * words + i]!
        if (bits[pc * words + i] !== before) isChanged = true
      }
    }
    // Instructions lead to earlier ones, but for loops; so this ends after a round for each loop within another.
    do {
      isChanged = false
      for (let pc = 0; pc < ops.length; pc++) {
        const op = ops[pc]!
        if (op === OP_MATCH) for (let c = 0; c <= classCount; c++) add(pc, c)
        else if (op === OP_BYTE) {
          const set = sets[arg[pc]!]!
          for (let c = 0; c < classCount; c++) if (set[c] === 1) add(pc, c)
        } else if (op === OP_ASSERT) {
          const assertion = ASSERTIONS[arg[pc]!]!
          if (assertion === 'textEnd' || assertion === 'lineEnd') {
            add(pc, classCount)
            if (assertion === 'lineEnd') add(pc, newline)
          } else addAll(pc, next[pc]!)
        } else {
          addAll(pc, next[pc]!)
          if (op === OP_SPLIT) addAll(pc, arg[pc]!)
        }
      }
    } while (isChanged)
  }

  has(pc: number, byteClass: number): boolean {
    return (this.#bits[pc * this.#words + (byteClass >>> 5)]! & (1 << (byteClass & 31))) !== 0
  }
}

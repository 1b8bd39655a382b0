import { assert } from './assert.ts'
import { CAPTURE_MEMO_BYTES_MAX, CAPTURE_STEPS_MAX, CAPTURE_STEPS_PER_BYTE, CAPTURE_STEPS_TOTAL_MAX } from './limits.ts'
import {
  ASSERTIONS,
  isWordByte,
  OP_ASSERT,
  OP_BYTE,
  OP_MATCH,
  OP_SAVE,
  OP_SPLIT,
  type RegexProgram,
} from './regex-program.ts'

/** Steps that may still be taken on one text, by one expression or by several that are tried one after the other. */
export class StepBudget {
  left = 0

  /** For a text of `length` characters. */
  reset(length: number): void {
    this.left = Math.min(CAPTURE_STEPS_MAX + CAPTURE_STEPS_PER_BYTE * length, CAPTURE_STEPS_TOTAL_MAX)
  }
}

export const NO_BYTES = new Uint8Array(0)

export const NO_MATCH = 0
export const MATCHED = 1
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
export class CaptureMatcher {
  /** The text that `match` matched last. */
  bytes: Uint8Array = NO_BYTES
  /** Start and end of each group in that text; -1 where it took no part. */
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
  /** Of each split that repeats one byte: which side of it is the round of the loop; else 0. */
  readonly #loopTakes: Uint8Array
  readonly #memoRows: number
  /** With which byte classes, or the end of the text, a match may begin. */
  readonly #begins: Uint8Array
  /** All zeros between two matches. */
  #memo = new Uint32Array(256)
  /** Which words of it are not zero. */
  #touched = new Int32Array(STACK_START)
  #touchedCount = 0
  /** Steps left after a match. */
  #left = 0
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
    this.#loopTakes = new Uint8Array(ops.length)
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
        if (ops[first] === OP_BYTE && next[first] === pc) this.#loopTakes[pc] = TAKES_FIRST
        else if (ops[second] === OP_BYTE && next[second] === pc) this.#loopTakes[pc] = TAKES_SECOND
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

  /** Looks for a match that begins at `from` or later. */
  match(bytes: Uint8Array, length: number, budget: StepBudget, from = 0): number {
    this.bytes = bytes
    const { anchored, start } = this.#program
    const memoBits = this.#memoRows * (length + 1)
    const hasMemo = memoBits <= CAPTURE_MEMO_BYTES_MAX * 8
    const words = (memoBits + 31) >>> 5
    if (hasMemo && words > this.#memo.length) this.#memo = new Uint32Array(Math.max(words, this.#memo.length * 2))
    const begins = this.#begins
    const { classOfByte } = this.#program
    const endClass = this.#stride - 1
    let steps = budget.left
    const lastStart = anchored ? 0 : length
    for (let at = from; at <= lastStart; at++) {
      if (begins[at === length ? endClass : classOfByte[bytes[at]!]!] === 0) continue
      steps = this.#matchAt(start, bytes, at, length, steps, hasMemo)
      if (steps < 0) break
    }
    this.#forget()
    budget.left = steps === STEPS_MATCHED ? this.#left : Math.max(0, steps)
    if (this.#stack.length > STACK_KEPT_MAX) this.#stack = new Int32Array(STACK_START)
    return steps >= 0 ? NO_MATCH : steps === STEPS_MATCHED ? MATCHED : OUT_OF_STEPS
  }

  /** Zeros again what was written to the memo. */
  #forget(): void {
    const memo = this.#memo
    const touched = this.#touched
    for (let i = 0; i < this.#touchedCount; i++) memo[touched[i]!] = 0
    this.#touchedCount = 0
    if (touched.length > STACK_KEPT_MAX) this.#touched = new Int32Array(STACK_START)
  }

  #touch(word: number): void {
    if (this.#touchedCount === this.#touched.length) {
      const larger = new Int32Array(this.#touched.length * 2)
      larger.set(this.#touched)
      this.#touched = larger
    }
    this.#touched[this.#touchedCount++] = word
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
    const loopTakes = this.#loopTakes
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
        const row = rowOf[pc]!
        const takes = rows[row + byteClass]!
        let isNew = takes !== 0
        if (isNew && takes === loopTakes[pc]) {
          // Rounds of a loop that nothing else can follow: a step each, without a look at what they lead to.
          let bit = memoRow[pc]! * memoStride + at
          do {
            if (hasMemo) {
              const mask = 1 << (bit & 31)
              const word = memo[bit >>> 5]!
              isNew = (word & mask) === 0
              if (!isNew) break
              if (word === 0) this.#touch(bit >>> 5)
              memo[bit >>> 5] = word | mask
              bit++
            }
            at++
            steps--
            byteClass = at < length ? classOfByte[bytes[at]!]! : endClass
          } while (rows[row + byteClass] === takes)
          if (isNew) continue
        }
        if (isNew && hasMemo) {
          const bit = memoRow[pc]! * memoStride + at
          const mask = 1 << (bit & 31)
          const word = memo[bit >>> 5]!
          isNew = (word & mask) === 0
          if (isNew) {
            if (word === 0) this.#touch(bit >>> 5)
            memo[bit >>> 5] = word | mask
          }
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
        this.#left = steps
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

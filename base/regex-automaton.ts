import { REGEX_STATES_BYTES_MAX, REGEX_STEPS_MAX, REGEX_TABLE_BYTES_MAX } from './limits.ts'
import { RegexError } from './regex-error.ts'
import { ASSERTIONS, isWordByte, OP_ASSERT, OP_BYTE, OP_MATCH, OP_SPLIT, type RegexProgram } from './regex-program.ts'

/**
 * Runs a program over UTF-8 bytes in time linear in the text, whatever the expression (Cox, "Regular Expression Matching
 * in the Wild": a deterministic automaton made while it is needed). A state is a set of instructions; its transitions
 * are filled in when first taken. When the table is full it is emptied, and a text that fills it too fast is matched by
 * stepping the sets themselves, for a bounded number of steps.
 *
 * Cost: 0.3-4 ns a byte once the transitions are there; at worst about 10 ns for each instruction and byte.
 */
export class RegexAutomaton {
  readonly #program: RegexProgram
  /** Transitions of a state: one for each byte class, and one for the end of the text. */
  readonly #stride: number
  readonly #statesMax: number
  #table: Int32Array
  readonly #sets: Int32Array[] = []
  /** What stands before the place of a state, one of CONTEXT_*. */
  readonly #contexts: number[] = []
  #setInts = 0
  /** Hash of a set and its context → the states that have it. */
  readonly #stateIds = new Map<number, number[]>()
  /** States that the last reset threw away; 0 when there was none since it was last asked. */
  #thrownAway = 0
  /** The state in which a search is while nothing has begun to match, and the bytes that leave it there. */
  #home = -1
  readonly #staysHome = new Uint8Array(256)

  // Scratch of one step: instructions reached, as a set with an order (Briggs and Torczon).
  readonly #dense: Int32Array
  readonly #sparse: Int32Array
  #size = 0
  readonly #stack: Int32Array
  readonly #taken: Int32Array
  readonly #asserted: Int32Array

  constructor(program: RegexProgram) {
    this.#program = program
    this.#stride = program.classCount + 1
    this.#statesMax = Math.max(16, Math.floor(REGEX_TABLE_BYTES_MAX / 4 / this.#stride))
    this.#table = new Int32Array(this.#stride * 16)
    this.#dense = new Int32Array(program.ops.length)
    this.#sparse = new Int32Array(program.ops.length)
    this.#taken = new Int32Array(program.ops.length)
    this.#asserted = new Int32Array(program.ops.length)
    this.#stack = new Int32Array(program.ops.length * 2 + 2)
    this.#reset()
  }

  /** True when the text bytes[start, end), UTF-8, matches. */
  test(bytes: Uint8Array, start: number, end: number): boolean {
    const { classOfByte } = this.#program
    const staysHome = this.#staysHome
    const stride = this.#stride
    const endClass = stride - 1
    let table = this.#table
    let home = this.#home
    let state = 0
    let filledFrom = start
    if (table[endClass] === MATCHED_ALWAYS) return true
    for (let i = start; i < end; i++) {
      if (state === home) {
        while (i < end && staysHome[bytes[i]!] === 1) i++
        if (i === end) break
      }
      const slot = state * stride + classOfByte[bytes[i]!]!
      let next = table[slot]!
      if (next < 0) {
        if (next === UNKNOWN) {
          next = this.#fill(state, classOfByte[bytes[i]!]!)
          table = this.#table
          if (this.#thrownAway > 0) {
            home = this.#home
            const isWorthIt = i - filledFrom > this.#thrownAway * BYTES_PER_STATE_MIN
            this.#thrownAway = 0
            filledFrom = i
            if (!isWorthIt && next >= 0) return this.#step(next, bytes, i + 1, end)
          }
        }
        if (next === MATCH) return true
        if (next === DEAD) return false
      }
      state = next
    }
    let last = table[state * stride + endClass]!
    if (last === UNKNOWN) last = this.#fill(state, endClass)
    return last === MATCH
  }

  #reset(): void {
    this.#sets.length = 0
    this.#contexts.length = 0
    this.#setInts = 0
    this.#stateIds.clear()
    this.#table.fill(UNKNOWN)
    this.#home = -1
    this.#staysHome.fill(0)
    this.#size = 0
    if (this.#reach(this.#program.start)) {
      // Matches the empty text wherever it stands.
      this.#table[this.#stride - 1] = MATCHED_ALWAYS
      return
    }
    this.#stateOf(this.#program.hasAssertions ? CONTEXT_BEGIN : CONTEXT_OTHER)
    if (this.#program.anchored) return
    this.#home = this.#stateOf(CONTEXT_OTHER)
  }

  /** Adds `pc` and what it leads to without consuming or asserting; true when that includes a match. */
  #reach(pc: number): boolean {
    const { ops, next, arg } = this.#program
    const stack = this.#stack
    let depth = 0
    stack[depth++] = pc
    while (depth > 0) {
      const at = stack[--depth]!
      if (this.#has(at)) continue
      this.#sparse[at] = this.#size
      this.#dense[this.#size++] = at
      const op = ops[at]
      if (op === OP_MATCH) return true
      if (op === OP_SPLIT) {
        stack[depth++] = arg[at]!
        stack[depth++] = next[at]!
      }
    }
    return false
  }

  #has(pc: number): boolean {
    const index = this.#sparse[pc]!
    return index < this.#size && this.#dense[index] === pc
  }

  /** The state of what was just reached after `context`; when there is no room for it, all others are thrown away. */
  #stateOf(context: number): number {
    const count = this.#take(this.#taken)
    const set = this.#taken.slice(0, count).sort()
    let hash = context
    for (let i = 0; i < count; i++) hash = Math.imul(hash ^ set[i]!, 0x9e3779b1) ^ (hash >>> 15)
    const ids = this.#stateIds.get(hash)
    const known = ids?.find((id) => this.#contexts[id] === context && areEqual(this.#sets[id]!, set))
    if (known !== undefined) return known
    const id = this.#sets.length
    if (id >= this.#statesMax || (this.#setInts + count) * 4 > REGEX_STATES_BYTES_MAX) {
      this.#reset()
      this.#thrownAway = id
      this.#size = 0
      for (let i = 0; i < count; i++) this.#reach(set[i]!)
      return this.#stateOf(context)
    }
    this.#sets.push(set)
    this.#contexts.push(context)
    this.#setInts += count
    if (ids === undefined) this.#stateIds.set(hash, [id])
    else ids.push(id)
    if ((id + 1) * this.#stride > this.#table.length) {
      const larger = new Int32Array(Math.min(this.#table.length * 2, this.#statesMax * this.#stride)).fill(UNKNOWN)
      larger.set(this.#table)
      this.#table = larger
    }
    return id
  }

  /** Finds the transition of `state` on a byte class and notes it, unless `state` itself was thrown away over it. */
  #fill(state: number, byteClass: number): number {
    const set = this.#sets[state]!
    let next = this.#advance(set, set.length, this.#contexts[state]!, byteClass)
    if (next === GOES_ON) next = this.#stateOf(this.#contextAfter(byteClass))
    if (this.#thrownAway > 0) return next
    this.#table[state * this.#stride + byteClass] = next
    if (state === this.#home && next === state) {
      for (let byte = 0; byte < 256; byte++)
        if (this.#program.classOfByte[byte] === byteClass) this.#staysHome[byte] = 1
    }
    return next
  }

  /**
   * One step from the `count` instructions of `set`: leaves those reached in the scratch and answers GOES_ON, MATCH or DEAD.
   */
  #advance(set: Int32Array, count: number, context: number, byteClass: number): number {
    const { ops, next, arg, sets, start, anchored, hasAssertions, classCount } = this.#program
    let from = set
    let fromCount = count
    if (hasAssertions) {
      this.#size = 0
      for (let i = 0; i < count; i++) if (this.#reachAsserting(set[i]!, context, byteClass)) return MATCH
      from = this.#asserted
      fromCount = this.#take(from)
    }
    if (byteClass === classCount) return DEAD
    this.#size = 0
    for (let i = 0; i < fromCount; i++) {
      const pc = from[i]!
      if (ops[pc] === OP_BYTE && sets[arg[pc]!]![byteClass] === 1 && this.#reach(next[pc]!)) return MATCH
    }
    if (!anchored && this.#reach(start)) return MATCH
    return this.#size === 0 ? DEAD : GOES_ON
  }

  /** Copies what was reached to `out`, splits left out, and returns how many there are. */
  #take(out: Int32Array): number {
    const { ops } = this.#program
    const dense = this.#dense
    let count = 0
    for (let i = 0; i < this.#size; i++) if (ops[dense[i]!] !== OP_SPLIT) out[count++] = dense[i]!
    return count
  }

  /** As `reach`, passing the assertions that hold between what came before and the next byte. */
  #reachAsserting(pc: number, context: number, byteClass: number): boolean {
    const { ops, next, arg } = this.#program
    const stack = this.#stack
    let depth = 0
    stack[depth++] = pc
    while (depth > 0) {
      const at = stack[--depth]!
      if (this.#has(at)) continue
      this.#sparse[at] = this.#size
      this.#dense[this.#size++] = at
      const op = ops[at]
      if (op === OP_MATCH) return true
      if (op === OP_SPLIT) stack[depth++] = arg[at]!
      if (op === OP_SPLIT || (op === OP_ASSERT && this.#holds(arg[at]!, context, byteClass))) stack[depth++] = next[at]!
    }
    return false
  }

  #holds(assertion: number, context: number, byteClass: number): boolean {
    const isEnd = byteClass === this.#program.classCount
    const byte = isEnd ? -1 : this.#program.byteOfClass[byteClass]!
    switch (ASSERTIONS[assertion]!) {
      case 'textBegin':
        return context === CONTEXT_BEGIN
      case 'textEnd':
        return isEnd
      case 'lineBegin':
        return context === CONTEXT_BEGIN || context === CONTEXT_NEWLINE
      case 'lineEnd':
        return isEnd || byte === 0x0a
      case 'wordBoundary':
        return (context === CONTEXT_WORD) !== (!isEnd && isWordByte(byte))
      case 'notWordBoundary':
        // Not between the bytes of one character.
        if (byte >= 0x80 && byte <= 0xbf) return false
        return (context === CONTEXT_WORD) === (!isEnd && isWordByte(byte))
    }
  }

  #contextAfter(byteClass: number): number {
    const { tellsLines, tellsWords, byteOfClass } = this.#program
    const byte = byteOfClass[byteClass]!
    if (tellsLines && byte === 0x0a) return CONTEXT_NEWLINE
    return tellsWords && isWordByte(byte) ? CONTEXT_WORD : CONTEXT_OTHER
  }

  /** Goes on from `state` without the table: for texts that need more states than it holds. */
  #step(state: number, bytes: Uint8Array, start: number, end: number): boolean {
    const { classOfByte, classCount } = this.#program
    const set = this.#taken
    set.set(this.#sets[state]!)
    let count = this.#sets[state]!.length
    let context = this.#contexts[state]!
    let steps = 0
    for (let i = start; i <= end; i++) {
      const byteClass = i < end ? classOfByte[bytes[i]!]! : classCount
      const outcome = this.#advance(set, count, context, byteClass)
      if (outcome !== GOES_ON) return outcome === MATCH
      steps += this.#size
      if (steps > REGEX_STEPS_MAX) {
        throw new RegexError(
          'The regular expression takes too many steps on a long value',
          0,
          1,
          'Lower its repeat counts, or narrow the query so that it meets shorter values.',
        )
      }
      count = this.#take(set)
      context = this.#contextAfter(byteClass)
    }
    return false
  }
}

function areEqual(a: Int32Array, b: Int32Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

// What came before the place of a state; only told apart by expressions that assert something.
const CONTEXT_BEGIN = 1
const CONTEXT_NEWLINE = 2
const CONTEXT_WORD = 3
const CONTEXT_OTHER = 4

const UNKNOWN = -1
const MATCH = -2
const DEAD = -3
const GOES_ON = -4
const MATCHED_ALWAYS = -5

/** A table is worth filling anew when each of its states served at least so many bytes of the text. */
const BYTES_PER_STATE_MIN = 8

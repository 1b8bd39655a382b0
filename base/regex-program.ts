import { assert } from './assert.ts'
import { REGEX_INSTRUCTIONS_MAX } from './limits.ts'
import type { CodePoints } from './regex-classes.ts'
import { RegexError } from './regex-error.ts'
import type { RegexAssertion, RegexNode } from './regex-syntax.ts'

/**
 * A regular expression as a non-deterministic automaton over UTF-8 bytes (Thompson's construction; Cox, "Regular
 * Expression Matching: the Virtual Machine Approach"). Bytes that no instruction tells apart share a byte class.
 */
export interface RegexProgram {
  /** One of OP_* for each instruction. */
  readonly ops: Uint8Array
  /** Next instruction; of a split, the first branch, which is preferred. */
  readonly next: Int32Array
  /** Of a split, the second branch; of a byte, its set; of an assertion, which; of a save, where. */
  readonly arg: Int32Array
  /** `sets[s][byteClass]` is 1 when the class is in the set. */
  readonly sets: readonly Uint8Array[]
  readonly classOfByte: Uint8Array
  readonly classCount: number
  /** A byte of each class. */
  readonly byteOfClass: Uint8Array
  readonly start: number
  /** A match can only begin at the start of the text. */
  readonly anchored: boolean
  readonly hasAssertions: boolean
  /** Some assertion asks for newlines, or for word characters; then they have byte classes of their own. */
  readonly tellsLines: boolean
  readonly tellsWords: boolean
}

export const OP_MATCH = 0
/** Consumes a byte out of a set. */
export const OP_BYTE = 1
export const OP_SPLIT = 2
export const OP_ASSERT = 3
/** Notes the place in the text: `arg` is twice the index of a group, and one more at its end. */
export const OP_SAVE = 4

export const ASSERTIONS: readonly RegexAssertion[] = [
  'textBegin',
  'textEnd',
  'lineBegin',
  'lineEnd',
  'wordBoundary',
  'notWordBoundary',
]

/** Builds the program backwards: every part is compiled knowing what follows it. Throws RegexError when it is too large. */
export function compileProgram(
  node: RegexNode,
  sourceLength: number,
  instructionsMax: number = REGEX_INSTRUCTIONS_MAX,
): RegexProgram {
  const builder = new ProgramBuilder(sourceLength, instructionsMax)
  const match = builder.emit(OP_MATCH, 0, 0)
  const start = builder.node(node, match)
  return builder.finish(start, beginsText(node))
}

/** True when every match begins at the start of the text. */
function beginsText(node: RegexNode): boolean {
  if (node.kind === 'assert') return node.at === 'textBegin'
  if (node.kind === 'cat') return beginsText(node.of[0]!)
  if (node.kind === 'alt') return node.of.every(beginsText)
  if (node.kind === 'group') return beginsText(node.of)
  return node.kind === 'repeat' && node.min > 0 && beginsText(node.of)
}

/** True when the node may match the empty text. */
export function isNullable(node: RegexNode): boolean {
  switch (node.kind) {
    case 'class':
      return false
    case 'cat':
      return node.of.every(isNullable)
    case 'alt':
      return node.of.some(isNullable)
    case 'repeat':
      return node.min === 0 || isNullable(node.of)
    case 'group':
      return isNullable(node.of)
    default:
      return true
  }
}

/** Ways to spell a set of code points in UTF-8, as a graph without shared prefixes: disjoint sets of first bytes. */
interface ByteNode {
  readonly id: number
  readonly edges: readonly { readonly set: number; readonly to: ByteNode | null }[]
}

/** Inclusive ranges of bytes, one for each byte of a spelling. */
type ByteRanges = readonly (readonly [number, number])[]

class ProgramBuilder {
  readonly #ops: number[] = []
  readonly #next: number[] = []
  readonly #arg: number[] = []
  readonly #sets: Uint8Array[] = []
  readonly #setIds = new Map<string, number>()
  readonly #nodeIds = new Map<string, ByteNode>()
  readonly #classNodes = new Map<string, ByteNode | null>()
  readonly #sourceLength: number
  readonly #instructionsMax: number

  constructor(sourceLength: number, instructionsMax: number) {
    this.#sourceLength = sourceLength
    this.#instructionsMax = instructionsMax
  }

  emit(op: number, next: number, arg: number): number {
    if (this.#ops.length >= this.#instructionsMax) {
      throw new RegexError(
        'The regular expression is too large once its repeat counts are written out',
        0,
        this.#sourceLength,
        'Lower the counts, or repeat smaller parts.',
      )
    }
    this.#ops.push(op)
    this.#next.push(next)
    this.#arg.push(arg)
    return this.#ops.length - 1
  }

  node(node: RegexNode, next: number): number {
    switch (node.kind) {
      case 'empty':
        return next
      case 'class':
        return this.#class(node.set, next)
      case 'cat': {
        let entry = next
        for (let i = node.of.length - 1; i >= 0; i--) entry = this.node(node.of[i]!, entry)
        return entry
      }
      case 'alt': {
        let entry = this.node(node.of[node.of.length - 1]!, next)
        for (let i = node.of.length - 2; i >= 0; i--) entry = this.emit(OP_SPLIT, this.node(node.of[i]!, next), entry)
        return entry
      }
      case 'assert':
        return this.emit(OP_ASSERT, next, ASSERTIONS.indexOf(node.at))
      case 'repeat':
        return this.#repeat(node.of, node.min, node.max, node.isLazy, next)
      case 'group':
        return this.emit(OP_SAVE, this.node(node.of, this.emit(OP_SAVE, next, node.index * 2 + 1)), node.index * 2)
    }
  }

  #repeat(body: RegexNode, min: number, max: number, isLazy: boolean, next: number): number {
    let entry = next
    let copies = min
    if (max === Infinity) {
      const split = this.emit(OP_SPLIT, 0, next)
      const again = this.node(body, split)
      if (isLazy) {
        this.#next[split] = next
        this.#arg[split] = again
      } else this.#next[split] = again
      // The last copy that must be there is the one that repeats. A body that may be empty is entered as (?:x+)? is: its first
      // round ends the loop when it is empty, and that must not look like a place that was tried before.
      if (min > 0) entry = again
      else if (!isNullable(body)) entry = split
      else entry = isLazy ? this.emit(OP_SPLIT, next, again) : this.emit(OP_SPLIT, again, next)
      copies = Math.max(0, min - 1)
    } else {
      for (let i = min; i < max; i++) {
        const more = this.node(body, entry)
        entry = isLazy ? this.emit(OP_SPLIT, next, more) : this.emit(OP_SPLIT, more, next)
      }
    }
    for (let i = 0; i < copies; i++) entry = this.node(body, entry)
    return entry
  }

  #class(set: CodePoints, next: number): number {
    const key = set.join()
    let graph = this.#classNodes.get(key)
    if (graph === undefined) {
      const spellings: ByteRanges[] = []
      for (let i = 0; i < set.length; i += 2) addSpellings(spellings, set[i]!, set[i + 1]!)
      graph = this.#graph(spellings)
      this.#classNodes.set(key, graph)
    }
    if (graph === null) return this.emit(OP_BYTE, next, this.#set([])) // an empty class: never passes
    return this.#bytes(graph, next, new Map())
  }

  #bytes(graph: ByteNode, next: number, done: Map<number, number>): number {
    const known = done.get(graph.id)
    if (known !== undefined) return known
    let entry = -1
    for (const { set, to } of graph.edges) {
      const byte = this.emit(OP_BYTE, to === null ? next : this.#bytes(to, next, done), set)
      entry = entry < 0 ? byte : this.emit(OP_SPLIT, byte, entry)
    }
    done.set(graph.id, entry)
    return entry
  }

  /** Groups spellings by their first byte; nodes with the same edges are one node. */
  #graph(spellings: readonly ByteRanges[]): ByteNode | null {
    if (spellings.length === 0) return null
    const cuts = new Set<number>()
    for (const spelling of spellings) cuts.add(spelling[0]![0]).add(spelling[0]![1] + 1)
    const sorted = [...cuts].sort((a, b) => a - b)
    const byTarget = new Map<number, { to: ByteNode | null; ranges: (readonly [number, number])[] }>()
    for (let i = 0; i + 1 < sorted.length; i++) {
      const lo = sorted[i]!
      const hi = sorted[i + 1]! - 1
      const through = spellings.filter(([first]) => first![0] <= lo && hi <= first![1])
      if (through.length === 0) continue
      // Lengths cannot mix: the first byte of UTF-8 says how many follow.
      const to = through[0]!.length === 1 ? null : this.#graph(through.map((spelling) => spelling.slice(1)))
      const target = byTarget.get(to?.id ?? -1)
      if (target === undefined) byTarget.set(to?.id ?? -1, { to, ranges: [[lo, hi]] })
      else target.ranges.push([lo, hi])
    }
    const edges = [...byTarget.values()].map(({ to, ranges }) => ({ set: this.#set(ranges), to }))
    const key = edges.map(({ set, to }) => `${set}>${to?.id ?? -1}`).join()
    const known = this.#nodeIds.get(key)
    if (known !== undefined) return known
    const made = { id: this.#nodeIds.size, edges }
    this.#nodeIds.set(key, made)
    return made
  }

  #set(ranges: readonly (readonly [number, number])[]): number {
    const key = ranges.join(';')
    const known = this.#setIds.get(key)
    if (known !== undefined) return known
    const members = new Uint8Array(256)
    for (const [lo, hi] of ranges) members.fill(1, lo, hi + 1)
    this.#sets.push(members)
    this.#setIds.set(key, this.#sets.length - 1)
    return this.#sets.length - 1
  }

  finish(start: number, anchored: boolean): RegexProgram {
    const ops = Uint8Array.from(this.#ops)
    const asserted = new Set<RegexAssertion>()
    for (let i = 0; i < ops.length; i++) if (ops[i] === OP_ASSERT) asserted.add(ASSERTIONS[this.#arg[i]!]!)
    const distinctions = [...this.#sets]
    const tellsWords = asserted.has('wordBoundary') || asserted.has('notWordBoundary')
    const tellsLines = asserted.has('lineBegin') || asserted.has('lineEnd')
    if (tellsWords) {
      distinctions.push(Uint8Array.from({ length: 256 }, (_, byte) => (isWordByte(byte) ? 1 : 0)))
      // Bytes inside a character, where no assertion holds.
      distinctions.push(Uint8Array.from({ length: 256 }, (_, byte) => (byte >= 0x80 && byte <= 0xbf ? 1 : 0)))
    }
    if (tellsLines) {
      distinctions.push(Uint8Array.from({ length: 256 }, (_, byte) => (byte === 0x0a ? 1 : 0)))
    }
    const { classOfByte, byteOfClass } = byteClasses(distinctions)
    return {
      ops,
      next: Int32Array.from(this.#next),
      arg: Int32Array.from(this.#arg),
      sets: this.#sets.map((members) => Uint8Array.from(byteOfClass, (byte) => members[byte]!)),
      classOfByte,
      classCount: byteOfClass.length,
      byteOfClass,
      start,
      anchored,
      hasAssertions: asserted.size > 0,
      tellsLines,
      tellsWords,
    }
  }
}

export function isWordByte(byte: number): boolean {
  return (
    (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x5a) || byte === 0x5f || (byte >= 0x61 && byte <= 0x7a)
  )
}

/** Splits the 256 bytes until no two of one class differ in any of the sets. */
function byteClasses(sets: readonly Uint8Array[]): { classOfByte: Uint8Array; byteOfClass: Uint8Array } {
  let classOfByte = new Uint8Array(256)
  let count = 1
  for (const members of sets) {
    const ids = new Map<number, number>()
    const refined = new Uint8Array(256)
    for (let byte = 0; byte < 256; byte++) {
      const key = classOfByte[byte]! * 2 + members[byte]!
      if (!ids.has(key)) ids.set(key, ids.size)
      refined[byte] = ids.get(key)!
    }
    classOfByte = refined
    count = ids.size
  }
  const byteOfClass = new Uint8Array(count)
  for (let byte = 255; byte >= 0; byte--) byteOfClass[classOfByte[byte]!] = byte
  assert(count <= 256, 'a byte class fits a byte')
  return { classOfByte, byteOfClass }
}

/** Adds the UTF-8 spellings of code points lo to hi; surrogates have none. */
function addSpellings(out: ByteRanges[], lo: number, hi: number): void {
  if (lo > hi) return
  if (lo <= 0xdfff && hi >= 0xd800) {
    addSpellings(out, lo, 0xd7ff)
    addSpellings(out, 0xe000, hi)
    return
  }
  for (const top of [0x7f, 0x7ff, 0xffff]) {
    if (lo <= top && hi > top) {
      addSpellings(out, lo, top)
      addSpellings(out, top + 1, hi)
      return
    }
  }
  // Now both have the same length; split until each trailing byte runs its full range or the leading bytes agree.
  if (hi > 0x7f) {
    for (let bits = 6; bits <= 18; bits += 6) {
      const mask = 2 ** bits - 1
      if (Math.floor(lo / 2 ** bits) === Math.floor(hi / 2 ** bits)) continue
      if ((lo & mask) !== 0) {
        addSpellings(out, lo, lo | mask)
        addSpellings(out, (lo | mask) + 1, hi)
        return
      }
      if ((hi & mask) !== mask) {
        addSpellings(out, lo, (hi & ~mask) - 1)
        addSpellings(out, hi & ~mask, hi)
        return
      }
    }
  }
  const a = utf8(lo)
  const b = utf8(hi)
  out.push(a.map((byte, i) => [byte, b[i]!] as const))
}

function utf8(codePoint: number): number[] {
  if (codePoint <= 0x7f) return [codePoint]
  if (codePoint <= 0x7ff) return [0xc0 | (codePoint >> 6), 0x80 | (codePoint & 63)]
  if (codePoint <= 0xffff) return [0xe0 | (codePoint >> 12), 0x80 | ((codePoint >> 6) & 63), 0x80 | (codePoint & 63)]
  return [
    0xf0 | (codePoint >> 18),
    0x80 | ((codePoint >> 12) & 63),
    0x80 | ((codePoint >> 6) & 63),
    0x80 | (codePoint & 63),
  ]
}

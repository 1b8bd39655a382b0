import { SLICE_MAX_MS, VALUE_BYTES_MAX } from './limits.ts'
import { type CodePoints, contains, normalised } from './regex-classes.ts'
import type { RegexAssertion, RegexNode } from './regex-syntax.ts'

/**
 * A regular expression in the words of JavaScript, for texts on which V8's backtracking is known to be cheap.
 *
 * V8 can fall back to a linear engine after many backtracks, but measured on Node 24 that does not protect: the
 * fallback is refused with the flags i, u and v, with look-around, and with counted repeats beyond 16 (`^(a+)+$` then
 * hangs), and its count leaves out greedy loops over one class (`.*b` takes 18 s on 256 KiB of `a`). So the cost is bounded here.
 */
export interface NativeRegex {
  /** Exact for texts that are all ASCII and at most `lengthMax` long. */
  readonly regex: RegExp
  /** Longest text that costs at most a slice (T2). */
  readonly lengthMax: number
}

/** Steps of V8's matcher in one slice, at about 1 ns each. */
const STEPS_MAX = SLICE_MAX_MS * 1e6
/** With a lower bound than this the expression would hardly ever be used. */
const LENGTH_MAX_MIN = 200

/** The expression for V8, or null where its cost has no useful bound: texts of `lengthMax` take it at most `stepsMax` steps. */
export function nativeRegex(node: RegexNode, anchored: boolean, stepsMax: number = STEPS_MAX): NativeRegex | null {
  const walk = walkOf(node, null)
  if (walk === null) return null
  const { factor, degree } = anchored ? walk.cost : times(walk.cost, N)
  const lengthMax = degree === 0 ? VALUE_BYTES_MAX : Math.floor((stepsMax / factor) ** (1 / degree))
  if (lengthMax < LENGTH_MAX_MIN) return null
  const ignoreCase = isCaseClosed(node)
  const regex = new RegExp(sourceOf(node, ignoreCase, false), ignoreCase ? 'i' : '')
  return { regex, lengthMax: Math.min(lengthMax, VALUE_BYTES_MAX) }
}

/** At most `factor` × n^`degree`, for a text of n characters. */
interface Bound {
  readonly factor: number
  readonly degree: number
}

const ONE: Bound = { factor: 1, degree: 0 }
const N: Bound = { factor: 1, degree: 1 }

function times(a: Bound, b: Bound): Bound {
  return { factor: a.factor * b.factor, degree: a.degree + b.degree }
}

function plus(a: Bound, b: Bound): Bound {
  return { factor: a.factor + b.factor, degree: Math.max(a.degree, b.degree) }
}

/**
 * What a backtracking matcher does with a node from one place of the text: `ways` in which it gets through to a place where
 * what follows may begin, and steps (`cost`) for all of them together.
 */
interface Walk {
  readonly ways: Bound
  readonly cost: Bound
}

/** The walk of `node`, given what may come next (null: anything); null when it may be exponential. */
function walkOf(node: RegexNode, follow: CodePoints | null): Walk | null {
  switch (node.kind) {
    case 'empty':
    case 'assert':
    case 'class':
      return { ways: ONE, cost: ONE }
    case 'cat': {
      const follows: (CodePoints | null)[] = []
      let after = follow
      for (let i = node.of.length - 1; i >= 0; i--) {
        follows[i] = after
        after = firstOf(node.of[i]!, after)
      }
      let ways = ONE
      let cost: Bound = { factor: 0, degree: 0 }
      for (let i = 0; i < node.of.length; i++) {
        const walk = walkOf(node.of[i]!, follows[i]!)
        if (walk === null) return null
        cost = plus(cost, times(ways, walk.cost))
        ways = times(ways, walk.ways)
      }
      return { ways, cost }
    }
    case 'alt': {
      let ways: Bound = { factor: 0, degree: 0 }
      let cost: Bound = { factor: 0, degree: 0 }
      let firsts: CodePoints | null = []
      let disjoint = true
      for (const child of node.of) {
        const walk = walkOf(child, follow)
        if (walk === null) return null
        const first = firstOf(child, follow)
        disjoint &&= areDisjoint(first, firsts)
        firsts = union(first, firsts)
        ways = plus(ways, walk.ways)
        cost = plus(cost, walk.cost)
      }
      // Of branches that begin differently, one at most gets through.
      return { ways: disjoint && ways.degree === 0 && ways.factor === node.of.length ? ONE : ways, cost }
    }
    case 'repeat':
      return repeatWalk(node.of, node.min, node.max, follow)
    case 'group':
      return walkOf(node.of, follow)
  }
}

function repeatWalk(body: RegexNode, min: number, max: number, follow: CodePoints | null): Walk | null {
  const first = firstOf(body, follow)
  const walk = walkOf(body, max === 1 ? follow : union(first, follow))
  if (walk === null) return null
  const exits: Bound = max === Infinity ? N : { factor: max - min + 1, degree: 0 }
  const rounds: Bound = max === Infinity ? N : { factor: Math.max(1, max), degree: 0 }
  if (walk.ways.factor === 1 && walk.ways.degree === 0) {
    // Leaving early where one more round was possible leads nowhere when what follows begins otherwise.
    const leavesOnce = min === max || areDisjoint(firstOf(body, null), follow)
    return { ways: leavesOnce ? ONE : exits, cost: times(rounds, walk.cost) }
  }
  if (max > 8) return null
  const inner = { factor: walk.ways.factor ** max, degree: walk.ways.degree * max }
  return { ways: times(exits, inner), cost: times(rounds, times(inner, walk.cost)) }
}

/** Code points with which a match of `node`, followed by `follow`, may begin; null: any. */
function firstOf(node: RegexNode, follow: CodePoints | null): CodePoints | null {
  switch (node.kind) {
    case 'empty':
    case 'assert':
      return follow
    case 'class':
      return node.set
    case 'cat':
      return node.of.reduceRight<CodePoints | null>((after, child) => firstOf(child, after), follow)
    case 'alt':
      return node.of.map((child) => firstOf(child, follow)).reduce(union)
    case 'repeat':
      return node.min > 0 ? firstOf(node.of, follow) : union(firstOf(node.of, follow), follow)
    case 'group':
      return firstOf(node.of, follow)
  }
}

function union(a: CodePoints | null, b: CodePoints | null): CodePoints | null {
  return a === null || b === null ? null : normalised([...a, ...b])
}

function areDisjoint(a: CodePoints | null, b: CodePoints | null): boolean {
  if (a === null || b === null) return false
  return !overlap(a, b)
}

function overlap(a: CodePoints, b: CodePoints): boolean {
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    if (a[i + 1]! < b[j]!) i += 2
    else if (b[j + 1]! < a[i]!) j += 2
    else return true
  }
  return false
}

/** True when no class tells the two cases of an ASCII letter apart, and some has a letter: the flag i then changes nothing. */
function isCaseClosed(node: RegexNode): boolean {
  let letters = false
  const closed = (part: RegexNode): boolean => {
    switch (part.kind) {
      case 'cat':
      case 'alt':
        return part.of.every(closed)
      case 'repeat':
      case 'group':
        return closed(part.of)
      case 'class':
        for (let c = 0x61; c <= 0x7a; c++) {
          const has = contains(part.set, c)
          if (has !== contains(part.set, c - 32)) return false
          letters ||= has
        }
        return true
      default:
        return true
    }
  }
  return closed(node) && letters
}

const ASSERTION_SOURCES: Readonly<Record<RegexAssertion, string>> = {
  textBegin: '^',
  textEnd: '$',
  // Not the flag m, to which a carriage return ends a line too.
  lineBegin: '(?<![^\\n])',
  lineEnd: '(?![^\\n])',
  wordBoundary: '\\b',
  notWordBoundary: '\\B',
}

function sourceOf(node: RegexNode, ignoreCase: boolean, grouped: boolean): string {
  switch (node.kind) {
    case 'empty':
      return '(?:)'
    case 'assert':
      return grouped ? `(?:${ASSERTION_SOURCES[node.at]})` : ASSERTION_SOURCES[node.at]
    case 'class':
      return classSource(node.set, ignoreCase)
    case 'cat': {
      const source = node.of.map((child) => sourceOf(child, ignoreCase, child.kind === 'alt')).join('')
      return grouped ? `(?:${source})` : source
    }
    case 'alt': {
      const source = node.of.map((child) => sourceOf(child, ignoreCase, false)).join('|')
      return grouped ? `(?:${source})` : source
    }
    case 'repeat': {
      const { min, max } = node
      const source =
        sourceOf(node.of, ignoreCase, true) +
        (max === Infinity
          ? min === 0
            ? '*'
            : min === 1
              ? '+'
              : `{${min},}`
          : min === 0 && max === 1
            ? '?'
            : `{${min},${max}}`) +
        (node.isLazy ? '?' : '')
      return grouped ? `(?:${source})` : source
    }
    case 'group':
      return `(${sourceOf(node.of, ignoreCase, false)})`
  }
}

function classSource(set: CodePoints, ignoreCase: boolean): string {
  const ascii: number[] = []
  for (let i = 0; i < set.length && set[i]! <= 0x7f; i += 2) ascii.push(set[i]!, Math.min(0x7f, set[i + 1]!))
  if (ascii.length === 2 && ascii[0] === ascii[1]) return char(ascii[0]!)
  const isLetter = ascii.length === 4 && ascii[0] === ascii[1] && ascii[2] === ascii[3] && ascii[0]! + 32 === ascii[2]
  if (isLetter && ignoreCase && ascii[2]! >= 0x61 && ascii[2]! <= 0x7a) return char(ascii[2]!)
  if (ascii.length === 2 && ascii[0] === 0 && ascii[1] === 0x7f) return '[^]'
  // A class that reaches the end of ASCII is written by what it leaves out: [^\n], not [\0-\t\v-\x7f].
  const negated = ascii[ascii.length - 1] === 0x7f && ascii[0] === 0
  let inner = ''
  if (negated) {
    for (let i = 1; i + 1 < ascii.length; i += 2) inner += range(ascii[i]! + 1, ascii[i + 1]! - 1)
    return `[^${inner}]`
  }
  for (let i = 0; i < ascii.length; i += 2) inner += range(ascii[i]!, ascii[i + 1]!)
  return `[${inner}]`
}

function range(lo: number, hi: number): string {
  return lo === hi ? char(lo) : hi === lo + 1 ? char(lo) + char(hi) : `${char(lo)}-${char(hi)}`
}

/** A character that means itself inside and outside of a class. */
function char(codePoint: number): string {
  if (codePoint === 0x0a) return '\\n'
  const text = String.fromCharCode(codePoint)
  if (/[A-Za-z0-9_ ]/.test(text)) return text
  if (codePoint < 0x20 || codePoint === 0x7f || text === '-') return `\\x${codePoint.toString(16).padStart(2, '0')}`
  return /[\\^$.*+?()[\]{}|/]/.test(text) ? `\\${text}` : text
}

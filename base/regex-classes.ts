/**
 * Sets of code points, as flat arrays of inclusive ranges [lo0, hi0, lo1, hi1, …], sorted, disjoint, not touching.
 */
export type CodePoints = readonly number[]

export const CODE_POINT_MAX = 0x10ffff

export const DIGITS: CodePoints = [0x30, 0x39]
export const WORD_CHARS: CodePoints = [0x30, 0x39, 0x41, 0x5a, 0x5f, 0x5f, 0x61, 0x7a]
/** As RE2: tab, newline, form feed, carriage return, space. */
export const SPACES: CodePoints = [0x09, 0x0a, 0x0c, 0x0d, 0x20, 0x20]

export const POSIX_CLASSES: Readonly<Record<string, CodePoints>> = {
  alnum: [0x30, 0x39, 0x41, 0x5a, 0x61, 0x7a],
  alpha: [0x41, 0x5a, 0x61, 0x7a],
  ascii: [0x00, 0x7f],
  blank: [0x09, 0x09, 0x20, 0x20],
  cntrl: [0x00, 0x1f, 0x7f, 0x7f],
  digit: DIGITS,
  graph: [0x21, 0x7e],
  lower: [0x61, 0x7a],
  print: [0x20, 0x7e],
  punct: [0x21, 0x2f, 0x3a, 0x40, 0x5b, 0x60, 0x7b, 0x7e],
  space: [0x09, 0x0d, 0x20, 0x20],
  upper: [0x41, 0x5a],
  word: WORD_CHARS,
  xdigit: [0x30, 0x39, 0x41, 0x46, 0x61, 0x66],
}

/** Sorts, merges and returns ranges that may overlap. */
export function normalised(ranges: readonly number[]): CodePoints {
  const pairs: [number, number][] = []
  for (let i = 0; i < ranges.length; i += 2) pairs.push([ranges[i]!, ranges[i + 1]!])
  pairs.sort((a, b) => a[0] - b[0])
  const merged: number[] = []
  for (const [lo, hi] of pairs) {
    const last = merged.length - 1
    if (merged.length > 0 && lo <= merged[last]! + 1) merged[last] = Math.max(merged[last]!, hi)
    else merged.push(lo, hi)
  }
  return merged
}

export function complement(set: CodePoints): CodePoints {
  const out: number[] = []
  let from = 0
  for (let i = 0; i < set.length; i += 2) {
    if (set[i]! > from) out.push(from, set[i]! - 1)
    from = set[i + 1]! + 1
  }
  if (from <= CODE_POINT_MAX) out.push(from, CODE_POINT_MAX)
  return out
}

export function contains(set: CodePoints, codePoint: number): boolean {
  for (let i = 0; i < set.length; i += 2) {
    if (codePoint < set[i]!) return false
    if (codePoint <= set[i + 1]!) return true
  }
  return false
}

/**
 * Adds to `set` every code point that differs from a member by case only. ASCII letters have ASCII partners only, so
 * that what a pattern finds does not depend on rare look-alikes (the Kelvin sign, the long s).
 */
export function caseFolded(set: CodePoints): CodePoints {
  const out: number[] = [...set]
  for (let i = 0; i < set.length; i += 2) {
    const lo = set[i]!
    const hi = set[i + 1]!
    addShifted(out, lo, hi, 0x41, 0x5a, 32)
    addShifted(out, lo, hi, 0x61, 0x7a, -32)
  }
  if (set.length > 0 && set[set.length - 1]! > 0x7f) {
    for (const group of caseGroups()) {
      if (group.some((codePoint) => contains(set, codePoint))) for (const c of group) out.push(c, c)
    }
  }
  return normalised(out)
}

function addShifted(out: number[], lo: number, hi: number, from: number, to: number, by: number): void {
  const a = Math.max(lo, from)
  const b = Math.min(hi, to)
  if (a <= b) out.push(a + by, b + by)
}

let caseGroupsMade: readonly (readonly number[])[] | undefined

/** Code points above ASCII that share an upper-case form of one code point. Made when first needed (about 10 ms). */
function caseGroups(): readonly (readonly number[])[] {
  if (caseGroupsMade !== undefined) return caseGroupsMade
  const byUpper = new Map<number, number[]>()
  // The last letters with case are those of Adlam, which end at U+1E943.
  for (let c = 0x80; c <= 0x1e943; c++) {
    if (c >= 0xd800 && c <= 0xdfff) continue
    const text = String.fromCodePoint(c)
    const upper = text.toUpperCase()
    const u = upper.codePointAt(0)!
    if (u < 0x80 || upper.length !== (u > 0xffff ? 2 : 1)) continue
    if (u === c && text.toLowerCase() === text) continue
    const group = byUpper.get(u)
    if (group === undefined) byUpper.set(u, [c])
    else group.push(c)
  }
  caseGroupsMade = [...byUpper.values()].filter((group) => group.length > 1)
  return caseGroupsMade
}

/** Bounded by the number of general categories and scripts that Unicode has. */
const unicodeClasses = new Map<string, CodePoints>()

/** Members of a Unicode general category (`L`, `Lu`) or script (`Greek`); undefined when there is none of that name. */
export function unicodeClass(name: string): CodePoints | undefined {
  const known = unicodeClasses.get(name)
  if (known !== undefined) return known
  if (!/^[A-Za-z_]{1,40}$/.test(name)) return undefined
  const runs = unicodeRuns(`General_Category=${name}`) ?? unicodeRuns(`Script=${name}`)
  if (runs === undefined) return undefined
  const made = collect(runs)
  unicodeClasses.set(name, made)
  return made
}

function unicodeRuns(property: string): RegExp | undefined {
  try {
    return new RegExp(`\\p{${property}}+`, 'gu')
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function collect(runs: RegExp): CodePoints {
  const out: number[] = []
  // Plane by plane: 65,536 code points as one string, in which the pattern finds the runs.
  for (let plane = 0; plane <= 0x10; plane++) {
    const codePoints: number[] = []
    for (let c = plane << 16; c < (plane + 1) << 16; c++) if (c < 0xd800 || c > 0xdfff) codePoints.push(c)
    let text = ''
    for (let i = 0; i < codePoints.length; i += 4096) text += String.fromCodePoint(...codePoints.slice(i, i + 4096))
    const width = plane === 0 ? 1 : 2
    for (const match of text.matchAll(runs)) {
      const from = match.index / width
      const to = from + match[0].length / width - 1
      out.push(codePoints[from]!, codePoints[to]!)
    }
  }
  return normalised(out)
}

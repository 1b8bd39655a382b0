import { WeirError } from '../base/errors.ts'

/**
 * The text of a query does not parse. `position` and `length` are UTF-16 code units of the query text, `hint` says what
 * to write instead. All three are in `details` too, so that they survive the wire and reach the problem document.
 */
export class QuerySyntaxError extends WeirError {
  readonly position: number
  readonly length: number
  readonly hint: string

  constructor(problem: string, position: number, length: number, hint: string) {
    super('invalid_query', `${problem} (at position ${position}). ${hint}`, { position, length, hint })
    this.position = position
    this.length = length
    this.hint = hint
    this.problem = problem
  }

  /** What is wrong, without position and hint. */
  readonly problem: string
}

/** The same error for a text in which the faulty text begins at `offset`. */
export function shiftedSyntaxError(error: QuerySyntaxError, offset: number): QuerySyntaxError {
  return new QuerySyntaxError(error.problem, error.position + offset, error.length, error.hint)
}

/** The candidate that `word` was probably meant to be, or null. Compares without case, by edit distance. */
export function didYouMean(word: string, candidates: readonly string[]): string | null {
  const lower = word.toLowerCase().slice(0, 64)
  let best: string | null = null
  let bestDistance = Math.max(1, Math.floor(lower.length / 3)) + 1
  for (const candidate of candidates) {
    const distance = editDistance(lower, candidate.toLowerCase())
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** Optimal string alignment distance: insert, delete, replace, swap neighbours. */
function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const current = [i]
    for (let j = 1; j <= b.length; j++) {
      let cost = Math.min(previous[j]! + 1, current[j - 1]! + 1, previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, beforePrevious[j - 2]! + 1)
      }
      current.push(cost)
    }
    beforePrevious = previous
    previous = current
  }
  return previous[b.length]!
}

/**
 * True when `a` becomes `b` by at most `max` edits: inserting, removing or replacing one UTF-16 code unit, or swapping
 * two neighbours (optimal string alignment, the restricted Damerau-Levenshtein distance: "timeuot" is 1 from "timeout").
 * One definition for the filter and for the index that picks blocks for it (S5).
 */
export function withinEditDistance(a: string, b: string, max: number): boolean {
  if (Math.abs(a.length - b.length) > max) return false
  if (a === b) return true
  let start = 0
  let endA = a.length
  let endB = b.length
  while (start < endA && start < endB && a.charCodeAt(start) === b.charCodeAt(start)) start++
  while (endA > start && endB > start && a.charCodeAt(endA - 1) === b.charCodeAt(endB - 1)) {
    endA--
    endB--
  }
  const width = endB - start
  let before = new Array<number>(width + 1).fill(0)
  let previous = Array.from({ length: width + 1 }, (_, j) => j)
  let current = new Array<number>(width + 1).fill(0)
  for (let i = 1; i <= endA - start; i++) {
    const ca = a.charCodeAt(start + i - 1)
    current[0] = i
    let lowest = i
    for (let j = 1; j <= width; j++) {
      const cb = b.charCodeAt(start + j - 1)
      let cost = Math.min(previous[j]! + 1, current[j - 1]! + 1, previous[j - 1]! + (ca === cb ? 0 : 1))
      if (i > 1 && j > 1 && ca === b.charCodeAt(start + j - 2) && a.charCodeAt(start + i - 2) === cb) {
        cost = Math.min(cost, before[j - 2]! + 1)
      }
      current[j] = cost
      if (cost < lowest) lowest = cost
    }
    if (lowest > max + 1) return false
    const spare = before
    before = previous
    previous = current
    current = spare
  }
  return previous[width]! <= max
}

/** Start and length of a span in one number, so that spans sort without an object each; texts are far shorter. */
const START_UNIT = 2 ** 24

/** Parts of a text that are secrets: [start, end) each, in any order. */
export class Spans {
  #spans: number[] = []
  #isSorted = true

  add(start: number, end: number): void {
    if (end <= start) return
    const span = start * START_UNIT + end - start
    const spans = this.#spans
    if (spans.length > 0 && span < spans[spans.length - 1]!) this.#isSorted = false
    spans.push(span)
  }

  get isEmpty(): boolean {
    return this.#spans.length === 0
  }

  /** In order, without overlaps. */
  *joined(): Generator<readonly [start: number, end: number]> {
    if (this.isEmpty) return
    const spans = this.#isSorted ? this.#spans : Float64Array.from(this.#spans).sort()
    let start = -1
    let end = -1
    for (let i = 0; i < spans.length; i++) {
      const span = spans[i]!
      const from = Math.floor(span / START_UNIT)
      const to = from + (span - from * START_UNIT)
      if (from < end) {
        end = Math.max(end, to)
        continue
      }
      if (start >= 0) yield [start, end]
      start = from
      end = to
    }
    yield [start, end]
  }
}

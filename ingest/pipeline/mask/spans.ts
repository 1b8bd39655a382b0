/** Parts of a text that are secrets: [start, end) each, in any order. */
export class Spans {
  #spans: [start: number, end: number][] = []

  add(start: number, end: number): void {
    if (end > start) this.#spans.push([start, end])
  }

  get isEmpty(): boolean {
    return this.#spans.length === 0
  }

  /** In order, without overlaps. */
  joined(): readonly (readonly [start: number, end: number])[] {
    const joined: [number, number][] = []
    for (const [start, end] of this.#spans.sort((a, b) => a[0] - b[0])) {
      const last = joined.at(-1)
      if (last !== undefined && start < last[1]) last[1] = Math.max(last[1], end)
      else joined.push([start, end])
    }
    return joined
  }
}

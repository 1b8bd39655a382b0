/** What `ObjectStore.get` is asked for: `length` bytes from `offset`; a negative offset counts from the end. */
export interface ByteRange {
  readonly offset: number
  readonly length?: number
}

/** The value of a Range header (RFC 9110, 14.2). A tail is asked for whole, for its place is not known. `length` is not 0. */
export function rangeHeader(range: ByteRange | undefined): string | undefined {
  if (range === undefined || (range.offset === 0 && range.length === undefined)) return undefined
  if (range.offset < 0) return `bytes=${range.offset}`
  return `bytes=${range.offset}-${range.length === undefined ? '' : range.offset + range.length - 1}`
}

/** The range of a whole object, in memory of its own. */
export function cutRange(object: Uint8Array, range: ByteRange | undefined): Uint8Array {
  if (range === undefined) return object
  const start = Math.max(0, range.offset < 0 ? object.length + range.offset : range.offset)
  const end = range.length === undefined ? object.length : start + range.length
  return start === 0 && end >= object.length ? object : object.slice(start, end)
}

/** What `range` wants of what `rangeHeader` asked for. */
export function cutTail(answer: Uint8Array, range: ByteRange | undefined): Uint8Array {
  const { length } = range ?? {}
  return length === undefined || length >= answer.length ? answer : answer.slice(0, length)
}

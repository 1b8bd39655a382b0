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

/** Where the range begins and ends in an object of `objectBytes`, cut at both. */
export function resolveRange(range: ByteRange | undefined, objectBytes: number): { start: number; end: number } {
  const { offset = 0, length = objectBytes } = range ?? {}
  const start = Math.min(Math.max(0, offset < 0 ? objectBytes + offset : offset), objectBytes)
  return { start, end: Math.min(start + length, objectBytes) }
}

/** The range of a whole object, in memory of its own. */
export function cutRange(object: Uint8Array, range: ByteRange | undefined): Uint8Array {
  const { start, end } = resolveRange(range, object.length)
  return start === 0 && end === object.length ? object : object.slice(start, end)
}

/** What `range` wants of what `rangeHeader` asked for. */
export function cutTail(answer: Uint8Array, range: ByteRange | undefined): Uint8Array {
  const { length } = range ?? {}
  return length === undefined || length >= answer.length ? answer : answer.slice(0, length)
}

import { RECORD_BYTES_MAX } from '../base/limits.ts'
import { NEWLINE, OPEN_BRACE, SPACE_IN_DOCUMENT } from './json-text.ts'

/** White space looked over at most where nothing but white space is expected. */
const SPACE_LOOKED_OVER_MAX = 1024

/** Whether an object, or nothing, follows at `at`. */
export function isBetweenObjects(body: Uint8Array, at: number): boolean {
  let p = at
  const limit = Math.min(at + SPACE_LOOKED_OVER_MAX, body.length)
  while (p < limit && SPACE_IN_DOCUMENT[body[p]!] === 1) p++
  return p === limit || body[p] === OPEN_BRACE
}

/** Start of the next line that begins with `{`, among the next RECORD_BYTES_MAX; or -1. */
export function nextObjectLine(body: Uint8Array, from: number): number {
  const limit = Math.min(from + RECORD_BYTES_MAX, body.length - 1)
  for (let p = from; p < limit; p++) if (body[p] === NEWLINE && body[p + 1] === OPEN_BRACE) return p + 1
  return -1
}

/** `end` without the white space before it, at most as much as lines end with. */
export function trimEnd(body: Uint8Array, start: number, end: number): number {
  let p = end
  const limit = Math.max(start, end - SPACE_LOOKED_OVER_MAX)
  while (p > limit && SPACE_IN_DOCUMENT[body[p - 1]!] === 1) p--
  return p
}

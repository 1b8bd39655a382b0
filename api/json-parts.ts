import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import type { Clock } from '../base/clock.ts'

export const JSON_CONTENT_TYPE = 'application/json; charset=utf-8'

/** Answers up to this many characters are sent as one string; encoding a string of this size takes well under a millisecond. */
const WHOLE_CHARS_MAX = 512 * 1024
const SLICE_CHARS = 128 * 1024

/**
 * Sends text that is the concatenation of `parts`. Large answers go out slice by slice, so that no slice holds the thread (T2) and
 * a slow reader holds the answer back.
 */
export function sendParts(
  reply: FastifyReply,
  contentType: string,
  parts: readonly string[],
  clock: Clock,
): FastifyReply {
  let chars = 0
  for (const part of parts) chars += part.length
  reply.header('content-type', contentType)
  if (chars <= WHOLE_CHARS_MAX) return reply.send(parts.join(''))
  return reply.send(Readable.from(slices(parts, clock), { objectMode: false, highWaterMark: SLICE_CHARS }))
}

async function* slices(parts: readonly string[], clock: Clock): AsyncGenerator<Buffer> {
  let slice = ''
  for (const part of parts) {
    slice += part
    if (slice.length < SLICE_CHARS) continue
    yield Buffer.from(slice)
    slice = ''
    await clock.yieldTurn()
  }
  if (slice !== '') yield Buffer.from(slice)
}

/** Parts of a JSON array whose elements are JSON texts. */
export function arrayParts(elements: readonly string[], into: string[]): void {
  into.push('[')
  for (let i = 0; i < elements.length; i++) {
    if (i > 0) into.push(',')
    into.push(elements[i]!)
  }
  into.push(']')
}

/** `,"a":1,"b":2}`: the members of `object` after others, and the end of the object. */
export function restOfObject(object: object): string {
  const text = JSON.stringify(object)
  return text === '{}' ? '}' : `,${text.slice(1)}`
}

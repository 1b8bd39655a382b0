import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import type { Clock } from '../base/clock.ts'

export const JSON_CONTENT_TYPE = 'application/json; charset=utf-8'

/** Answers up to this many characters are sent as one string: making and encoding one takes a few milliseconds at most. */
const WHOLE_CHARS_MAX = 256 * 1024
const SLICE_CHARS = 128 * 1024

/**
 * Sends text that is the concatenation of `parts`. The parts of a large answer are made as it goes out, slice by slice, so that no slice
 * holds the thread (T2) and a slow reader holds the answer back.
 */
export function sendParts(
  reply: FastifyReply,
  contentType: string,
  parts: Iterable<string>,
  clock: Clock,
): FastifyReply {
  reply.header('content-type', contentType)
  const rest = parts[Symbol.iterator]()
  let text = ''
  for (let next = rest.next(); next.done !== true; next = rest.next()) {
    text += next.value
    if (text.length > WHOLE_CHARS_MAX) {
      return reply.send(Readable.from(slices(text, rest, clock), { objectMode: false, highWaterMark: SLICE_CHARS }))
    }
  }
  return reply.send(text)
}

async function* slices(first: string, rest: Iterator<string>, clock: Clock): AsyncGenerator<Buffer> {
  let slice = first
  for (let next = rest.next(); next.done !== true; next = rest.next()) {
    if (slice.length >= SLICE_CHARS) {
      yield Buffer.from(slice)
      slice = ''
      await clock.yieldTurn()
    }
    slice += next.value
  }
  yield Buffer.from(slice)
}

/** Parts of a JSON array; `toJson` gives the text of each element when its turn comes. */
export function* arrayParts<T>(elements: readonly T[], toJson: (element: T) => string): Generator<string> {
  if (elements.length === 0) yield '[]'
  else {
    for (let i = 0; i < elements.length; i++) yield (i === 0 ? '[' : ',') + toJson(elements[i]!)
    yield ']'
  }
}

/** Parts of an array of records, which are JSON text already. */
export function recordParts(records: readonly string[]): Generator<string> {
  return arrayParts(records, (record) => record)
}

/** `,"a":1,"b":2}`: the members of `object` after others, and the end of the object. */
export function restOfObject(object: object): string {
  const text = JSON.stringify(object)
  return text === '{}' ? '}' : `,${text.slice(1)}`
}

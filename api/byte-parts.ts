import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import type { Clock } from '../base/clock.ts'

/** Answers up to this many bytes are sent as one buffer. */
const WHOLE_BYTES_MAX = 512 * 1024

/**
 * Sends bytes that are the concatenation of `parts`. The parts of a large answer are made as it goes out, so that no slice holds the thread
 * (T2) and a slow reader holds the answer back. `done` is called when all parts are made, or nobody wants them any more.
 */
export function sendByteParts(
  reply: FastifyReply,
  contentType: string,
  parts: Generator<Buffer>,
  clock: Clock,
  done: () => void,
): FastifyReply {
  reply.header('content-type', contentType)
  const first: Buffer[] = []
  let bytes = 0
  for (let next = parts.next(); next.done !== true; next = parts.next()) {
    first.push(next.value)
    bytes += next.value.length
    if (bytes > WHOLE_BYTES_MAX) return reply.send(Readable.from(slices(first, parts, clock, done)))
  }
  done()
  return reply.send(first.length === 1 ? first[0] : Buffer.concat(first, bytes))
}

async function* slices(
  first: readonly Buffer[],
  rest: Generator<Buffer>,
  clock: Clock,
  done: () => void,
): AsyncGenerator<Buffer> {
  try {
    yield* first
    for (let next = rest.next(); next.done !== true; next = rest.next()) {
      yield next.value
      await clock.yieldTurn()
    }
  } finally {
    done()
  }
}

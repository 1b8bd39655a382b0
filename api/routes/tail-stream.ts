import type { FastifyReply, FastifyRequest } from 'fastify'
import type { RecordJson } from '../../actors/messages/search.ts'
import type { TailClient, TailStart } from '../../actors/messages/tail.ts'
import { present } from '../../base/assert.ts'
import { asWeirError, type WeirError } from '../../base/errors.ts'
import { TAIL_FAREWELL_MS } from '../../base/limits.ts'
import type { ServerContext } from '../server-options.ts'
import { cursorMessage, droppedMessage, errorMessage, HEARTBEAT_MESSAGE, logMessage } from '../sockets/tail-words.ts'

export const EVENT_STREAM_TYPE = 'text/event-stream'
/** How long a client waits before it connects again. */
const RETRY_MS = 1000

/** Answers with server-sent events for as long as the client stays. Rejects with what a request fails with before the first byte. */
export async function streamTail(
  { backend, options, drainSignal }: ServerContext,
  request: FastifyRequest,
  reply: FastifyReply,
  start: TailStart,
): Promise<FastifyReply> {
  const { tenant } = present(request.access, 'access of a tail')
  if (drainSignal.aborted) throw drainSignal.reason
  const client = new EventClient(reply, request, () => {
    const timer = options.clock.after(TAIL_FAREWELL_MS, () => reply.raw.destroy())
    reply.raw.once('close', () => timer.cancel())
  })
  const tail = await backend.tails.open(tenant, client)
  const onDrain = () => tail.end(asWeirError(drainSignal.reason))
  const close = () => {
    drainSignal.removeEventListener('abort', onDrain)
    tail.close()
  }
  reply.raw.once('close', close)
  try {
    await tail.start(start)
  } catch (error) {
    close()
    throw error
  }
  if (reply.raw.destroyed) close()
  drainSignal.addEventListener('abort', onDrain, { once: true })
  if (drainSignal.aborted) onDrain()
  return reply
}

/** What a tail gives, as events; the id of an event is the cursor behind it. */
class EventClient implements TailClient {
  readonly #reply: FastifyReply
  readonly #request: FastifyRequest
  readonly #onEnd: () => void
  #isOver = false

  constructor(reply: FastifyReply, request: FastifyRequest, onEnd: () => void) {
    this.#reply = reply
    this.#request = request
    this.#onEnd = onEnd
  }

  get queuedBytes(): number {
    return this.#reply.raw.writableLength
  }

  get takenBytes(): number {
    const { socket } = this.#reply.raw
    return socket === null ? 0 : socket.bytesWritten - socket.writableLength
  }

  began(cursor: string): void {
    const { raw } = this.#reply
    if (raw.headersSent || raw.destroyed) return
    this.#reply.hijack()
    raw.writeHead(200, {
      ...(this.#reply.getHeaders() as Record<string, string>),
      'content-type': EVENT_STREAM_TYPE,
      // Else nginx gathers the answer before it passes it on.
      'x-accel-buffering': 'no',
    })
    raw.socket?.setNoDelay(true)
    this.#write(`retry: ${RETRY_MS}\n${eventOf(cursorMessage('subscribed', cursor), cursor)}`)
  }

  logs(records: readonly RecordJson[]): void {
    let text = ''
    for (const record of records) text += eventOf(logMessage(record))
    this.#write(text)
  }

  /** An id without data is remembered by the client, and shows nothing. */
  cursor(cursor: string): void {
    this.#write(`id: ${cursor}\n\n`)
  }

  dropped(count: number): void {
    this.#write(eventOf(droppedMessage(count)))
  }

  paused(): void {
    // Nobody can ask for it.
  }

  heartbeat(): void {
    this.#write(eventOf(HEARTBEAT_MESSAGE))
  }

  ended(error: WeirError, cursor: string | undefined): void {
    if (this.#isOver) return
    this.#write(eventOf(errorMessage(error, this.#request.url, this.#request.id, true, cursor), cursor))
    this.#isOver = true
    this.#reply.raw.end()
    this.#onEnd()
  }

  #write(text: string): void {
    if (!this.#isOver && this.#reply.raw.writable) this.#reply.raw.write(text)
  }
}

/** A raw line break can stand between the members of an array of the record only; there it is as good as a space. */
function eventOf(message: string, id?: string): string {
  const line = /[\r\n]/.test(message) ? message.replace(/[\r\n]/g, ' ') : message
  return id === undefined ? `data: ${line}\n\n` : `id: ${id}\ndata: ${line}\n\n`
}

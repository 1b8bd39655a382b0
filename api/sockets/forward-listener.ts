import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { assert } from '../../base/assert.ts'
import { Backoff } from '../../base/backoff.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import { asWeirError, WeirError } from '../../base/errors.ts'
import type { TenantId } from '../../base/ids.ts'
import type { Logger } from '../../base/logger.ts'
import { decodeForward, type ForwardMessage, type ForwardPart, forwardMessage } from '../../ingest/protocols/forward.ts'
import { MsgpackEnd } from '../../ingest/protocols/msgpack.ts'
import { AdmittedBytes } from '../admitted-bytes.ts'
import type { IngestBackend } from '../backend.ts'
import { BodyBuffer, BodyPool } from '../body-pool.ts'
import type { DecodedIngest } from '../decoded-ingest.ts'
import { inflate } from '../inflate.ts'
import { ForwardHandshake, forwardAck } from './forward-handshake.ts'

const CONNECTIONS_MAX = 1000
/** A message that has begun goes on within this time; the handshake too. */
const MESSAGE_IDLE_MAX_MS = 60_000
const IDLE_MAX_MS = 3_600_000
const SWEEP_EVERY_MS = 5000
const KEEP_ALIVE_AFTER_MS = 60_000
const HANDSHAKE_BYTES_MAX = 4096
/** While the node is overloaded, perhaps by what waits here: then a client that waits for its answer sends again; others lose what they have sent. */
const OVERLOADED_MAX_MS = 10_000
const OVERLOADED_UNANSWERED_MAX_MS = 60_000
const RETRY = { firstMs: 20, maxMs: 1000, factor: 2 }

export interface ForwardListenerOptions {
  readonly host: string
  readonly port: number
  readonly reusePort: boolean
  readonly tenant: TenantId
  /** Clients must know it; undefined: anybody may write. */
  readonly sharedKey: string | undefined
  readonly nodeId: string
  /** Of a message as it is sent, and inflated. */
  readonly messageBytesMax: number
  readonly inflatedBytesMax: number
  readonly clock: Clock
  readonly logger: Logger
}

interface Connection {
  readonly socket: Socket
  lastReadMs: number
  heldBytes: number
  isStoring: boolean
  /** It knows the shared key, or needs none. */
  isTrusted: boolean
  done: Promise<void>
}

/**
 * The Fluentd forward protocol (v1) over TCP, on one thread. While the events of a connection are being stored, nothing is read from it. A
 * message that names its chunk is answered once its events are durable, and stored once however often it comes within a day.
 */
export class ForwardListener {
  readonly #backend: IngestBackend
  readonly #decodedIngest: DecodedIngest
  readonly #options: ForwardListenerOptions
  readonly #server: Server
  readonly #pool = new BodyPool()
  readonly #connections = new Set<Connection>()
  readonly #closing = new AbortController()
  #sweeping: Timer | undefined
  #closed: Promise<void> | undefined

  constructor(backend: IngestBackend, decodedIngest: DecodedIngest, options: ForwardListenerOptions) {
    this.#backend = backend
    this.#decodedIngest = decodedIngest
    this.#options = options
    this.#server = createServer((socket) => this.#accept(socket))
    this.#server.maxConnections = CONNECTIONS_MAX
  }

  /** Starts to listen; gives the port, also where 0 was asked for. */
  async listen(): Promise<number> {
    const { host, port, reusePort, clock, logger } = this.#options
    this.#server.listen({ host, port, reusePort })
    await once(this.#server, 'listening')
    this.#server.on('error', (error) => logger.error('the forward listener failed', { error }))
    this.#sweeping = clock.every(SWEEP_EVERY_MS, () => this.#sweep())
    const address = this.#server.address()
    assert(address !== null && typeof address === 'object', 'a listening TCP server has an address')
    return address.port
  }

  /** Stops listening and reading; resolves when what was read whole is stored and answered, or when `signal` has aborted. Idempotent. */
  close(signal: AbortSignal): Promise<void> {
    this.#closed ??= this.#close(signal)
    return this.#closed
  }

  async #close(signal: AbortSignal): Promise<void> {
    this.#sweeping?.cancel()
    this.#server.close()
    const abort = () => this.#closing.abort(new WeirError('draining', 'The node is shutting down'))
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    const all = [...this.#connections]
    for (const { socket, isStoring } of all) if (!isStoring) socket.destroy()
    await Promise.allSettled(all.map(({ done }) => done))
    signal.removeEventListener('abort', abort)
  }

  #accept(socket: Socket): void {
    const { clock, logger } = this.#options
    const done = Promise.withResolvers<void>()
    const connection: Connection = {
      socket,
      lastReadMs: clock.monotonicMs(),
      heldBytes: 0,
      isStoring: false,
      isTrusted: this.#options.sharedKey === undefined,
      done: done.promise,
    }
    this.#connections.add(connection)
    socket.setKeepAlive(true, KEEP_ALIVE_AFTER_MS)
    socket.on('error', () => undefined)
    this.#serve(connection)
      .catch((error) => logger.debug('a forward connection ended', { reason: asWeirError(error).message }))
      .finally(() => {
        socket.destroySoon()
        this.#connections.delete(connection)
        done.resolve()
      })
  }

  async #serve(connection: Connection): Promise<void> {
    const { clock, messageBytesMax, sharedKey, nodeId } = this.#options
    const { socket } = connection
    const admitted = new AdmittedBytes(this.#backend)
    let handshake = sharedKey === undefined ? undefined : new ForwardHandshake(sharedKey, clock.randomBytes(16), nodeId)
    if (handshake !== undefined) socket.write(handshake.helo())
    let held = Buffer.alloc(0)
    let length = 0
    const search = new MsgpackEnd()
    try {
      for await (const chunk of socket as AsyncIterable<Buffer>) {
        connection.isStoring = true
        if (connection.isTrusted) connection.lastReadMs = clock.monotonicMs()
        const bytes = length + chunk.length
        await this.#retried(OVERLOADED_MAX_MS, async () => admitted.cover(bytes))
        if (bytes > held.length) {
          const larger = Buffer.allocUnsafeSlow(Math.max(bytes, held.length * 2))
          held.copy(larger, 0, 0, length)
          held = larger
        }
        chunk.copy(held, length)
        length = bytes
        let from = 0
        const messages: ForwardMessage[] = []
        for (;;) {
          const view = held.subarray(from, length)
          const size = search.find(view, view.length)
          if (size === false) throw new WeirError('invalid_body', 'this is no MessagePack')
          if (size < 0) break
          if (handshake !== undefined) {
            const { answer, isTrusted } = handshake.pong(view.subarray(0, size))
            socket.write(answer)
            if (!isTrusted) throw new WeirError('unauthenticated', 'the client does not know the shared key')
            handshake = undefined
            connection.isTrusted = true
          } else {
            const reading = forwardMessage(held, from, from + size)
            let step = reading.next()
            for (; step.done !== true; step = reading.next()) await clock.yieldTurn()
            const message = step.value
            if (message === undefined) throw new WeirError('invalid_body', 'this is no message of the forward protocol')
            messages.push(message)
          }
          from += size
        }
        await this.#storeAll(socket, held.subarray(0, length), messages, admitted)
        if (from > 0) held = Buffer.from(held.subarray(from, length))
        length -= from
        admitted.shrinkTo(Math.max(length, 1))
        connection.heldBytes = length
        connection.isStoring = false
        if (connection.isTrusted) connection.lastReadMs = clock.monotonicMs()
        if (length > (handshake === undefined ? messageBytesMax : HANDSHAKE_BYTES_MAX)) {
          throw new WeirError('body_too_large', 'a message is longer than it may be')
        }
        if (this.#closed !== undefined) return
        // Else a client that reads no answers would have them kept here.
        if (socket.writableNeedDrain) await drained(socket)
      }
    } finally {
      admitted.releaseAll()
    }
  }

  /** Stores messages in their order; those that want no answer of their own go together. */
  async #storeAll(
    socket: Socket,
    bytes: Buffer,
    messages: readonly ForwardMessage[],
    admitted: AdmittedBytes,
  ): Promise<void> {
    const store = (source: Buffer, parts: readonly ForwardPart[], chunk?: string) =>
      this.#store(bytes.length, admitted, chunk, () => this.#ingest(source, parts, chunk, admitted))
    let plain: ForwardMessage[] = []
    for (const message of messages) {
      const { chunk, compression, start, end } = message
      if (chunk === undefined && compression === undefined) {
        plain.push(message)
        continue
      }
      if (plain.length > 0) await store(bytes, plain)
      plain = []
      const part = bytes.subarray(start, end)
      if (compression === undefined) await store(part, [wholeOf(message)], chunk)
      else await this.#store(bytes.length, admitted, chunk, () => this.#inflated(part, compression, message, admitted))
      if (chunk !== undefined) socket.write(forwardAck(chunk))
    }
    if (plain.length > 0) await store(bytes, plain)
  }

  async #inflated(
    compressed: Buffer,
    compression: 'gzip' | 'zstd',
    { tag, chunk }: ForwardMessage,
    admitted: AdmittedBytes,
  ): Promise<void> {
    const body = new BodyBuffer(this.#pool, 0)
    await inflate(compressed, compression, body, this.#options.inflatedBytesMax, admitted, this.#closing.signal)
    const inflated = body.bytes()
    const part: ForwardPart = { tag, mode: 'packed', start: 0, end: inflated.length }
    await this.#ingest(inflated, [part], chunk, admitted)
    // Not after an error: work that was given up may still be reading.
    body.release()
  }

  async #ingest(bytes: Buffer, parts: readonly ForwardPart[], chunk: string | undefined, admitted: AdmittedBytes) {
    const isKeyed = chunk !== undefined && chunk !== ''
    await this.#decodedIngest.ingest(
      {
        tenant: this.#options.tenant,
        protocol: 'forward',
        takenWhole: true,
        ...(isKeyed ? { idempotencyKey: keyOf(parts[0]!.tag, chunk) } : {}),
      },
      { bytes, admitted, signal: this.#closing.signal },
      (source, into) => decodeForward(source, into, parts),
    )
  }

  /** Tries until it is stored. `heldBytes` of what the connection holds are admitted already, and stay so. */
  async #store(
    heldBytes: number,
    admitted: AdmittedBytes,
    chunk: string | undefined,
    attempt: () => Promise<void>,
  ): Promise<void> {
    await this.#retried(chunk === undefined ? OVERLOADED_UNANSWERED_MAX_MS : OVERLOADED_MAX_MS, async () => {
      try {
        await attempt()
      } finally {
        admitted.shrinkTo(heldBytes)
      }
    })
  }

  /**
   * What the node cannot take now is tried again, unless the listener closes; then the client, without an answer, sends it again. So it is
   * where the node stays overloaded: connections that wait for each other's bytes would wait for ever.
   */
  async #retried(overloadedMaxMs: number, attempt: () => Promise<void>): Promise<void> {
    const { clock } = this.#options
    const { signal } = this.#closing
    const backoff = new Backoff(clock, RETRY)
    const endMs = clock.monotonicMs() + overloadedMaxMs
    for (;;) {
      try {
        await attempt()
        return
      } catch (cause) {
        const error = asWeirError(cause)
        if (signal.aborted || !error.retryable) throw error
        if (error.code === 'overloaded' && clock.monotonicMs() > endMs) throw error
      }
      await clock.sleep(backoff.nextMs(), signal)
    }
  }

  #sweep(): void {
    const nowMs = this.#options.clock.monotonicMs()
    for (const { socket, heldBytes, isStoring, isTrusted, lastReadMs } of this.#connections) {
      const isWaitedFor = heldBytes > 0 || !isTrusted || socket.writableLength > 0
      const most = isWaitedFor ? MESSAGE_IDLE_MAX_MS : IDLE_MAX_MS
      if (!isStoring && nowMs - lastReadMs > most) socket.destroy()
    }
  }
}

/** Fluent Bit makes the name of a chunk of its events alone: the same events by another tag have the same name. */
function keyOf(tag: string, chunk: string): string {
  return `forward-${createHash('sha256')
    .update(JSON.stringify([tag, chunk]))
    .digest('hex')}`
}

/** The events of a message, where its bytes begin with them. */
function wholeOf({ tag, mode, start, end }: ForwardMessage): ForwardPart {
  return { tag, mode, start: 0, end: end - start }
}

/** Resolves when the answers have gone out, or nobody is there any more. */
function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      socket.off('drain', done).off('close', done)
      resolve()
    }
    socket.on('drain', done).on('close', done)
  })
}

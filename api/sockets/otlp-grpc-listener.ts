import { once } from 'node:events'
import type { IncomingHttpHeaders } from 'node:http'
import {
  constants,
  createSecureServer,
  createServer,
  type Http2Server,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { Socket } from 'node:net'
import { assert } from '../../base/assert.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import { WeirError } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import { decodeOtlpProtobuf } from '../../ingest/protocols/otlp-protobuf.ts'
import { AdmittedBytes } from '../admitted-bytes.ts'
import { type AuthMode, authenticate, authorize } from '../auth.ts'
import type { Backend } from '../backend.ts'
import { type BodyEncoding, bodyEncoding } from '../body-format.ts'
import { BodyBuffer, type BodyPool } from '../body-pool.ts'
import { BodyWatch, tooLarge } from '../body-reader.ts'
import type { DecodedIngest } from '../decoded-ingest.ts'
import { GRPC_OK, grpcTrailers } from '../grpc-status.ts'
import { inflate } from '../inflate.ts'
import { otlpAnswer } from '../otlp-words.ts'
import { errorOfRequest } from '../problem.ts'
import type { ListenerTls } from './syslog-listener.ts'

const PATH = '/opentelemetry.proto.collector.logs.v1.LogsService/Export'
const CONTENT_TYPE = 'application/grpc'
/** Before each message: whether it is compressed, and its length, big-endian. */
const PREFIX_BYTES = 5
/** Of one thread. */
const CONNECTIONS_MAX = 1000
const HANDSHAKE_MAX_MS = 10_000
/** Of one connection: exporters send one after the other. */
const CALLS_MAX = 100
/** What a sender may send before it is told that it was read; of all calls of a connection, and of one. */
const CONNECTION_WINDOW_BYTES = 4 * 1024 * 1024
const CALL_WINDOW_BYTES = 1024 * 1024
/** A connection without calls is closed after this; exporters make another when they need it. */
const IDLE_MAX_MS = 300_000
const SWEEP_EVERY_MS = 30_000
const HEADERS_BYTES_MAX = 16 * 1024
const ACCEPTED = 'identity,gzip,deflate,zstd'

export interface OtlpGrpcListenerOptions {
  readonly host: string
  readonly port: number
  /** Without it calls come in clear text. */
  readonly tls?: ListenerTls
  /** Other threads listen on the same port, and the kernel deals out connections. */
  readonly reusePort: boolean
  readonly authMode: AuthMode
  /** Of a message, as it comes. */
  readonly messageBytesMax: number
  readonly inflatedBytesMax: number
  readonly pool: BodyPool
  readonly clock: Clock
  readonly logger: Logger
}

type CallHeaders = IncomingHttpHeaders & { readonly ':path'?: string }

interface SessionUse {
  calls: number
  lastMs: number
}

/**
 * OTLP over gRPC, on one thread: the one method Export of the LogsService, which is a message of protobuf each way. By Node's own HTTP/2, so that bytes
 * are admitted as they come, several threads can share the port, and the decoder reads the message where it lies.
 */
export class OtlpGrpcListener {
  readonly #backend: Pick<Backend, 'ingest' | 'keys'>
  readonly #decodedIngest: DecodedIngest
  readonly #options: OtlpGrpcListenerOptions
  readonly #server: Http2Server
  readonly #sessions = new Map<ServerHttp2Session, SessionUse>()
  /** All connections, also those whose handshake has not ended. */
  readonly #sockets = new Set<Socket>()
  #sweeping: Timer | undefined
  readonly #bodyWatch: BodyWatch
  readonly #calls = new Set<Promise<void>>()
  #isDraining = false
  #closed: Promise<void> | undefined

  constructor(
    backend: Pick<Backend, 'ingest' | 'keys'>,
    decodedIngest: DecodedIngest,
    options: OtlpGrpcListenerOptions,
  ) {
    this.#backend = backend
    this.#decodedIngest = decodedIngest
    this.#options = options
    this.#bodyWatch = new BodyWatch(options.clock)
    const settings = {
      settings: {
        enablePush: false,
        initialWindowSize: CALL_WINDOW_BYTES,
        maxConcurrentStreams: CALLS_MAX,
        maxHeaderListSize: HEADERS_BYTES_MAX,
      },
    }
    const { tls } = options
    this.#server =
      tls === undefined
        ? createServer(settings)
        : createSecureServer({
            ...settings,
            cert: tls.certificate,
            key: tls.key,
            handshakeTimeout: HANDSHAKE_MAX_MS,
            ...(tls.clientCa === undefined ? {} : { ca: tls.clientCa, requestCert: true, rejectUnauthorized: true }),
          })
    this.#server.maxConnections = CONNECTIONS_MAX
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
    this.#server.on('session', (session: ServerHttp2Session) => this.#begin(session))
    this.#server.on('stream', (stream: ServerHttp2Stream, headers) =>
      this.#answer(stream, headers as IncomingHttpHeaders),
    )
    this.#server.on('tlsClientError', (error: Error) => this.#failed(error))
    this.#server.on('sessionError', (error: Error) => this.#failed(error))
    this.#server.on('clientError', (_error: Error, socket: Socket) => socket.destroy())
  }

  /** Starts to listen; the port is that in use, also where 0 was asked for. Rejects when it cannot be had. */
  async listen(): Promise<{ readonly port: number }> {
    const { host, port, reusePort } = this.#options
    this.#server.listen({ host, port, ...(reusePort ? { reusePort } : {}) })
    await once(this.#server, 'listening')
    this.#sweeping = this.#options.clock.every(SWEEP_EVERY_MS, () => this.#sweep())
    const address = this.#server.address()
    assert(address !== null && typeof address === 'object', 'a listening TCP server has an address')
    return { port: address.port }
  }

  /** Refuses new calls, answers those that have begun, at the latest when `late` aborts, and ends. Idempotent. */
  close(late: AbortSignal): Promise<void> {
    this.#closed ??= this.#stop(late)
    return this.#closed
  }

  async #stop(late: AbortSignal): Promise<void> {
    this.#isDraining = true
    this.#sweeping?.cancel()
    const ended = once(this.#server, 'close')
    this.#server.close()
    // GOAWAY: calls that have begun go on, and the next go elsewhere.
    for (const session of this.#sessions.keys()) session.close()
    const isLate = new Promise<void>((resolve) => {
      if (late.aborted) resolve()
      else late.addEventListener('abort', () => resolve(), { once: true })
    })
    await Promise.race([Promise.all(this.#calls), isLate])
    for (const session of this.#sessions.keys()) session.destroy()
    for (const socket of this.#sockets) socket.destroy()
    this.#bodyWatch.stop()
    await ended
  }

  #failed(error: Error): void {
    this.#options.logger.debug('a gRPC connection failed', { reason: error.message })
  }

  #begin(session: ServerHttp2Session): void {
    if (this.#isDraining || this.#sessions.size >= CONNECTIONS_MAX) {
      session.destroy(undefined, constants.NGHTTP2_REFUSED_STREAM)
      return
    }
    this.#sessions.set(session, { calls: 0, lastMs: this.#options.clock.monotonicMs() })
    session.on('error', (error) => this.#failed(error))
    session.on('close', () => this.#sessions.delete(session))
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES)
  }

  #answer(stream: ServerHttp2Stream, headers: CallHeaders): void {
    stream.on('error', (error) => this.#failed(error))
    const use = stream.session === undefined ? undefined : this.#sessions.get(stream.session as ServerHttp2Session)
    if (use !== undefined) use.calls++
    const call = this.#call(stream, headers)
      .catch((error) => this.#failed(error))
      .finally(() => {
        this.#calls.delete(call)
        if (use === undefined) return
        use.calls--
        use.lastMs = this.#options.clock.monotonicMs()
      })
    this.#calls.add(call)
  }

  #sweep(): void {
    const nowMs = this.#options.clock.monotonicMs()
    for (const [session, { calls, lastMs }] of this.#sessions) {
      if (calls > 0 || nowMs - lastMs < IDLE_MAX_MS) continue
      if (session.closed) session.destroy()
      else session.close()
    }
  }

  async #call(stream: ServerHttp2Stream, headers: CallHeaders): Promise<void> {
    if (!(headers['content-type'] ?? '').startsWith(CONTENT_TYPE)) {
      // Not a client of gRPC, which would not understand its trailers.
      if (!stream.destroyed) stream.respond({ ':status': 415 }, { endStream: true })
      stream.close(constants.NGHTTP2_NO_ERROR)
      return
    }
    const gone = new AbortController()
    const closed = once(stream, 'close')
    stream.on('close', () => gone.abort(new WeirError('cancelled', 'The client went away')))
    await this.#answerCall(stream, headers, gone.signal)
    // Only then has the sender got the answer.
    if (!stream.destroyed) await closed
  }

  async #answerCall(stream: ServerHttp2Stream, headers: CallHeaders, signal: AbortSignal): Promise<void> {
    try {
      const answer = await this.#export(stream, headers, signal)
      if (stream.destroyed) return
      const prefix = Buffer.alloc(PREFIX_BYTES)
      prefix.writeUInt32BE(answer.length, 1)
      stream.respond(
        { ':status': 200, 'content-type': CONTENT_TYPE, 'grpc-accept-encoding': ACCEPTED },
        { waitForTrailers: true },
      )
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': String(GRPC_OK) }))
      stream.end(Buffer.concat([prefix, answer]))
    } catch (thrown) {
      const error = errorOfRequest(thrown)
      if (error.code === 'internal') this.#options.logger.error('a gRPC call failed', { error })
      if (stream.destroyed) return
      stream.respond(
        { ':status': 200, 'content-type': CONTENT_TYPE, 'grpc-accept-encoding': ACCEPTED, ...grpcTrailers(error) },
        { endStream: true },
      )
      // What still comes of the message is not wanted.
      stream.close(constants.NGHTTP2_NO_ERROR)
    }
  }

  async #export(stream: ServerHttp2Stream, headers: CallHeaders, signal: AbortSignal): Promise<Buffer> {
    const { authMode, messageBytesMax, inflatedBytesMax, pool } = this.#options
    const { ingest, keys } = this.#backend
    // Whatever can be refused without the message is refused before it is read (D1).
    if (this.#isDraining) throw new WeirError('draining', 'The node is shutting down')
    if (headers[':path'] !== PATH)
      throw new WeirError('not_found', 'There is only the method Export of the LogsService of OTLP')
    const access = authenticate(authMode, keys, headers)
    authorize(access, 'ingest')
    const encoding = encodingOf(headers['grpc-encoding'])
    const admitted = new AdmittedBytes(ingest)
    try {
      // One byte first: a node that drains or is full says so.
      admitted.cover(1)
      const sent = new BodyBuffer(pool, 0)
      await this.#read(stream, sent, messageBytesMax + PREFIX_BYTES, admitted)
      const message = messageOf(sent.bytes())
      let body = sent
      let bytes = message.bytes
      if (message.isCompressed && encoding !== 'identity' && bytes.length > 0) {
        body = new BodyBuffer(pool, 0)
        await inflate(bytes, encoding, body, inflatedBytesMax, admitted, signal)
        sent.release()
        bytes = body.bytes()
        admitted.shrinkTo(body.length)
      } else if (message.isCompressed && encoding === 'identity') {
        throw new WeirError('invalid_body', 'The message is compressed, and grpc-encoding does not say how')
      }
      const receipt = await this.#decodedIngest.ingest(
        { tenant: access.tenant, protocol: 'otlp', takenWhole: true },
        { bytes, admitted, signal },
        decodeOtlpProtobuf,
      )
      body.release()
      return otlpAnswer(receipt)
    } finally {
      admitted.releaseAll()
    }
  }

  /** Reads all that the sender has to say. Throws body_too_large, overloaded, draining, request_timeout, cancelled. */
  #read(stream: ServerHttp2Stream, into: BodyBuffer, bytesMax: number, admitted: AdmittedBytes): Promise<void> {
    return new Promise((resolve, reject) => {
      const reading = { idleChecks: 0, fail: (error: WeirError) => finish(error) }
      const finish = (error: unknown) => {
        this.#bodyWatch.delete(reading)
        stream.off('data', onData)
        if (error === undefined) resolve()
        else reject(error)
      }
      const onData = (chunk: Buffer) => {
        reading.idleChecks = 0
        const length = into.length + chunk.length
        if (length > bytesMax) return finish(tooLarge(bytesMax - PREFIX_BYTES))
        try {
          admitted.cover(length)
        } catch (error) {
          return finish(error)
        }
        into.append(chunk)
      }
      stream.on('data', onData)
      stream.once('end', () => finish(undefined))
      stream.once('close', () => finish(new WeirError('cancelled', 'The client went away')))
      this.#bodyWatch.add(reading)
    })
  }
}

function encodingOf(field: string | string[] | undefined): BodyEncoding {
  return bodyEncoding(Array.isArray(field) ? field[0] : field)
}

/** The one message of a call. Throws invalid_body. */
function messageOf(bytes: Buffer): { readonly isCompressed: boolean; readonly bytes: Buffer } {
  if (bytes.length < PREFIX_BYTES) throw new WeirError('invalid_body', 'The call has no message')
  const length = bytes.readUInt32BE(1)
  if (bytes[0]! > 1 || PREFIX_BYTES + length !== bytes.length) {
    throw new WeirError('invalid_body', 'The call is not one message with its length before it')
  }
  return { isCompressed: bytes[0] === 1, bytes: bytes.subarray(PREFIX_BYTES) }
}

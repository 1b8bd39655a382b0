import type { IncomingHttpHeaders, IncomingMessage, Server } from 'node:http'
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import type { RecordJson } from '../../actors/messages/search.ts'
import type { LiveTail, TailClient } from '../../actors/messages/tail.ts'
import { asWeirError, WeirError } from '../../base/errors.ts'
import {
  TAIL_CLIENT_BYTES_MAX,
  TAIL_FAREWELL_MS,
  TAIL_MESSAGE_BYTES_MAX,
  TAIL_MESSAGES_WAITING_MAX,
  TAIL_SILENT_MAX_MS,
} from '../../base/limits.ts'
import { type Access, authenticate, authorize, hasCredential } from '../auth.ts'
import { tailLogs } from '../contract/search.ts'
import { isLoopback, refuseForeignPages, refuseOtherOrigins } from '../origin-guard.ts'
import { PROBLEM_CONTENT_TYPE, problemOf, retryAfterSeconds } from '../problem.ts'
import type { ServerContext } from '../server-options.ts'
import {
  cursorMessage,
  droppedMessage,
  errorMessage,
  HEARTBEAT_MESSAGE,
  logMessage,
  type TailCommand,
  tailCommandOf,
} from './tail-words.ts'

/** The subprotocol that is spoken. Browsers, which cannot set header fields, offer it together with those that carry the credential. */
const PROTOCOL = 'weir.tail.v1'
const KEY_PROTOCOL = 'weir.key.'
const TENANT_PROTOCOL = 'weir.tenant.'

/** Close codes of RFC 6455 and its registry. */
const CLOSE_POLICY = 1008
const CLOSE_FAILED = 1011
const CLOSE_RESTART = 1012
const CLOSE_UNSUPPORTED = 1003

/** True for requests that want to become the WebSocket of a tail; all others are answered as if they had not asked. */
export function isTailUpgrade({ url, headers, method }: IncomingMessage): boolean {
  return method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket' && pathOf(url) === tailLogs.path
}

/** WS /v1/logs/tail: every accepted connection is a tail, until it closes or the server drains. See docs/tail.md. */
export function serveTailSockets(server: Server, context: ServerContext): void {
  const { clock, nodeId } = context.options
  const sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: TAIL_MESSAGE_BYTES_MAX,
    handleProtocols: (offered) => (offered.has(PROTOCOL) ? PROTOCOL : false),
  })
  const idPrefix = `${nodeId}-${Buffer.from(clock.randomBytes(4)).toString('hex')}-tail-`
  let requests = 0
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const requestId = idPrefix + (++requests).toString(36)
    // Until the handshake is done nobody else hears of it.
    const onError = () => socket.destroy()
    socket.on('error', onError)
    accept(context, request).then(
      ({ tail, client }) => {
        let isOpen = false
        if (!socket.destroyed) {
          sockets.handleUpgrade(request, socket, head, (webSocket) => {
            isOpen = true
            socket.off('error', onError)
            new TailSocket(context, requestId, webSocket, socket as Socket, tail, client).serve()
          })
        }
        // What is no handshake has been answered by now.
        if (!isOpen) tail.close()
      },
      (error: unknown) => refuse(socket, asWeirError(error), requestId),
    )
  })
}

/** Throws what a request of the same credential would. */
async function accept(
  { backend, options, drainSignal }: ServerContext,
  request: IncomingMessage,
): Promise<{ readonly tail: LiveTail; readonly client: SocketClient }> {
  const { authMode, host } = options
  const { headers, explicit } = withProtocols(request.headers)
  if (authMode === 'off') refuseForeignPages(request.headers, isLoopback(host))
  // A page that has the key may have what the key allows; one that only has a browser's cookies may not.
  else if (!explicit) refuseOtherOrigins(request.headers)
  const access: Access = authenticate(authMode, backend.keys, headers)
  authorize(access, 'read')
  if (request.url !== tailLogs.path) {
    throw new WeirError(
      'invalid_parameter',
      'A WebSocket takes its parameters from the subscribe message, not from the query string',
    )
  }
  if (drainSignal.aborted) throw drainSignal.reason
  const client = new SocketClient()
  return { tail: await backend.tails.open(access.tenant, client), client }
}

/** Header fields with what the offered subprotocols say in place of fields that browsers cannot set. */
function withProtocols(headers: IncomingHttpHeaders): {
  readonly headers: IncomingHttpHeaders
  readonly explicit: boolean
} {
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((protocol) => protocol.trim())
  const offeredBy = (prefix: string) => offered.find((protocol) => protocol.startsWith(prefix))?.slice(prefix.length)
  const key = offeredBy(KEY_PROTOCOL)
  const tenant = offeredBy(TENANT_PROTOCOL)
  if ((key !== undefined || tenant !== undefined) && !offered.includes(PROTOCOL)) {
    throw new WeirError('invalid_parameter', `Offer the subprotocol ${PROTOCOL} as well`, {
      parameter: 'Sec-WebSocket-Protocol',
    })
  }
  return {
    headers: {
      ...headers,
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      ...(tenant === undefined ? {} : { 'x-scope-orgid': tenant }),
    },
    explicit: key !== undefined || hasCredential(headers),
  }
}

function refuse(socket: Duplex, error: WeirError, requestId: string): void {
  if (socket.destroyed || !socket.writable) return
  const problem = problemOf(error, tailLogs.path, requestId)
  const text = JSON.stringify(problem)
  const retryAfter = retryAfterSeconds(error)
  const fields = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? 'Error'}`,
    `content-type: ${PROBLEM_CONTENT_TYPE}`,
    `content-length: ${Buffer.byteLength(text)}`,
    ...(retryAfter === undefined ? [] : [`retry-after: ${retryAfter}`]),
    ...(error.code === 'unauthenticated' ? ['www-authenticate: Bearer realm="weir"'] : []),
    'connection: close',
  ]
  socket.once('finish', () => socket.destroy())
  socket.end(`${fields.join('\r\n')}\r\n\r\n${text}`)
}

/** What a tail gives, as messages of a WebSocket. */
class SocketClient implements TailClient {
  onEnded: ((message: (requestId: string) => string, code: number) => void) | undefined
  #webSocket: WebSocket | undefined
  #socket: Socket | undefined

  connect(webSocket: WebSocket, socket: Socket): void {
    this.#webSocket = webSocket
    this.#socket = socket
  }

  get queuedBytes(): number {
    return this.#webSocket?.bufferedAmount ?? 0
  }

  get takenBytes(): number {
    return this.#socket === undefined ? 0 : this.#socket.bytesWritten - this.#socket.writableLength
  }

  send(message: string): void {
    if (this.#webSocket?.readyState === this.#webSocket?.OPEN) this.#webSocket?.send(message)
  }

  began(cursor: string): void {
    this.send(cursorMessage('subscribed', cursor))
  }

  logs(records: readonly RecordJson[]): void {
    // One write for all of them.
    this.#socket?.cork()
    for (const record of records) this.send(logMessage(record))
    this.#socket?.uncork()
  }

  cursor(cursor: string): void {
    this.send(cursorMessage('cursor', cursor))
  }

  dropped(count: number): void {
    this.send(droppedMessage(count))
  }

  paused(cursor: string): void {
    this.send(cursorMessage('paused', cursor))
  }

  heartbeat(): void {
    this.send(HEARTBEAT_MESSAGE)
  }

  ended(error: WeirError, cursor: string | undefined): void {
    const code =
      error.code === 'draining' ? CLOSE_RESTART : error.code === 'client_too_slow' ? CLOSE_POLICY : CLOSE_FAILED
    this.onEnded?.((requestId) => errorMessage(error, tailLogs.path, requestId, true, cursor), code)
  }
}

/** One connection: its messages are taken one after the other. */
class TailSocket {
  readonly #context: ServerContext
  readonly #requestId: string
  readonly #webSocket: WebSocket
  readonly #socket: Socket
  readonly #tail: LiveTail
  readonly #client: SocketClient
  readonly #commands: string[] = []
  #isBusy = false
  #hasSubscribed = false

  constructor(
    context: ServerContext,
    requestId: string,
    webSocket: WebSocket,
    socket: Socket,
    tail: LiveTail,
    client: SocketClient,
  ) {
    this.#context = context
    this.#requestId = requestId
    this.#webSocket = webSocket
    this.#socket = socket
    this.#tail = tail
    this.#client = client
    client.connect(webSocket, socket)
  }

  serve(): void {
    const { drainSignal, options } = this.#context
    const webSocket = this.#webSocket
    const onDrain = () => this.#tail.end(asWeirError(drainSignal.reason))
    const silence = options.clock.after(TAIL_SILENT_MAX_MS, () => {
      if (!this.#hasSubscribed) this.#tail.end(new WeirError('request_timeout', 'No subscription came in time'))
    })
    this.#client.onEnded = (message, code) => this.#end(message(this.#requestId), code)
    drainSignal.addEventListener('abort', onDrain, { once: true })
    webSocket.on('close', () => {
      silence.cancel()
      drainSignal.removeEventListener('abort', onDrain)
      this.#tail.close()
    })
    // What is no WebSocket frame, or too long; `close` follows.
    webSocket.on('error', (error) =>
      options.logger.debug('the client of a live tail failed', { requestId: this.#requestId, error }),
    )
    webSocket.on('message', (data, isBinary) => {
      if (isBinary) this.#close(CLOSE_UNSUPPORTED)
      else this.#receive(String(data))
      this.#restWhenFull()
    })
    webSocket.on('ping', () => this.#restWhenFull())
    if (drainSignal.aborted) onDrain()
  }

  /** What is answered waits for the client: who does not read is not read from either. */
  #restWhenFull(): void {
    if (this.#webSocket.isPaused || this.#client.queuedBytes <= TAIL_CLIENT_BYTES_MAX) return
    this.#webSocket.pause()
    this.#socket.once('drain', () => this.#webSocket.resume())
  }

  #receive(text: string): void {
    if (this.#commands.length >= TAIL_MESSAGES_WAITING_MAX) {
      this.#tail.end(new WeirError('overloaded', 'More messages came than are taken at once'))
      return
    }
    this.#commands.push(text)
    void this.#work()
  }

  async #work(): Promise<void> {
    if (this.#isBusy) return
    this.#isBusy = true
    for (let text = this.#commands.shift(); text !== undefined; text = this.#commands.shift()) {
      try {
        await this.#obey(tailCommandOf(text))
      } catch (error) {
        this.#client.send(errorMessage(asWeirError(error), tailLogs.path, this.#requestId))
      }
    }
    this.#isBusy = false
  }

  async #obey(command: TailCommand): Promise<void> {
    switch (command.kind) {
      case 'subscribe':
        await this.#tail.start(command.start)
        this.#hasSubscribed = true
        return
      case 'update':
        return this.#tail.change(command.query)
      case 'pause':
        return this.#tail.pause()
      case 'resume':
        return this.#tail.resume()
    }
  }

  #end(message: string, code: number): void {
    this.#client.send(message)
    this.#close(code)
  }

  /** The last word is sent behind what is waiting; who does not read it in time never will. */
  #close(code: number): void {
    this.#webSocket.close(code)
    const timer = this.#context.options.clock.after(TAIL_FAREWELL_MS, () => this.#webSocket.terminate())
    this.#webSocket.once('close', () => timer.cancel())
  }
}

function pathOf(url: string | undefined): string {
  const end = url?.search(/[?#]/) ?? -1
  return end < 0 ? (url ?? '') : url!.slice(0, end)
}

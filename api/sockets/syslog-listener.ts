import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, isIPv6, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { assert } from '../../base/assert.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import type { TenantId } from '../../base/ids.ts'
import type { Logger } from '../../base/logger.ts'
import { SyslogFramer } from '../../ingest/protocols/syslog-framing.ts'
import type { IngestBackend } from '../backend.ts'
import type { DecodedIngest } from '../decoded-ingest.ts'
import { SyslogQueue } from './syslog-queue.ts'

/** Of one thread, TCP and TLS together. Each holds a message at most, beside what the kernel holds of it. */
const CONNECTIONS_MAX = 1000
/** Senders keep connections for days, and lose a message to one that was closed; whoever is gone is found out by keep-alive. */
const IDLE_MAX_MS = 3_600_000
const KEEP_ALIVE_AFTER_MS = 60_000
/** A message that has begun goes on within this time. */
const MESSAGE_IDLE_MAX_MS = 60_000
const SWEEP_EVERY_MS = 5000
const HANDSHAKE_MAX_MS = 15_000
/** Gathered of TCP while a batch is being stored; then senders wait. */
const TCP_BYTES_MAX = 512 * 1024
/** Of UDP, whose senders cannot wait: about 20,000 messages. */
const UDP_BYTES_MAX = 4 * 1024 * 1024
/** What the kernel holds while this thread is busy, as far as its own limit lets it. */
const UDP_RECEIVE_BYTES = 4 * 1024 * 1024
/** At the end, what senders have already sent is read for so long. */
const LAST_READ_MS = 500

/** PEM. With `clientCa`, senders must show a certificate that it has signed. */
export interface ListenerTls {
  readonly certificate: string
  readonly key: string
  readonly clientCa?: string
}

export interface SyslogListenerOptions {
  readonly host: string
  /** For TCP and UDP; -1 for none. */
  readonly port: number
  /** -1 for none. */
  readonly tlsPort: number
  readonly tls?: ListenerTls
  /** Other threads listen on the same ports, and the kernel deals out connections and senders. */
  readonly reusePort: boolean
  /** Where all messages go: the protocol has no credentials. */
  readonly tenant: TenantId
  /** Of a message; longer ones are refused. */
  readonly messageBytesMax: number
  readonly clock: Clock
  readonly logger: Logger
  readonly hooks: SyslogHooks
}

interface SyslogHooks {
  connections(open: number): void
  /** Messages that nobody will send again, and why. */
  lost(messages: number, reason: string): void
  /** A connection that was turned away or closed on the sender. */
  refused(reason: 'too_many' | 'idle'): void
}

interface Connection {
  readonly socket: Socket
  readonly framer: SyslogFramer
  lastReadMs: number
}

/**
 * Syslog over TCP, UDP and TLS, on one thread. TCP senders are made to wait by not reading from them; of UDP what comes too fast is lost
 * and counted. There are no answers: what was read from a connection is stored before the thread ends.
 */
export class SyslogListener {
  readonly #options: SyslogListenerOptions
  readonly #tcp: SyslogQueue
  readonly #udp: SyslogQueue
  readonly #servers: Server[] = []
  #socket: UdpSocket | undefined
  readonly #connections = new Set<Connection>()
  #isPaused = false
  #sweeping: Timer | undefined
  #closed: Promise<void> | undefined

  constructor(backend: IngestBackend, decodedIngest: DecodedIngest, options: SyslogListenerOptions) {
    const { tenant, clock, logger, hooks } = options
    this.#options = options
    const shared = { tenant, backend, decodedIngest, clock, logger }
    this.#tcp = new SyslogQueue({
      ...shared,
      bytesMax: TCP_BYTES_MAX,
      onRoom: () => this.#resume(),
      onLost: (messages, code) => hooks.lost(messages, code),
    })
    this.#udp = new SyslogQueue({
      ...shared,
      bytesMax: UDP_BYTES_MAX,
      onRoom: () => undefined,
      onLost: (messages, code) => hooks.lost(messages, code),
    })
  }

  /** Starts to listen. The ports are those in use, also where 0 was asked for; rejects when one cannot be had. */
  async listen(): Promise<{ readonly port: number; readonly tlsPort: number }> {
    const { clock, port, tls, tlsPort } = this.#options
    const bound = { port: -1, tlsPort: -1 }
    if (port >= 0) {
      bound.port = await this.#listenOn(createServer({ noDelay: false }), 'connection', port)
      await this.#bindUdp(bound.port)
    }
    if (tls !== undefined && tlsPort >= 0) {
      const server = createTlsServer({
        cert: tls.certificate,
        key: tls.key,
        handshakeTimeout: HANDSHAKE_MAX_MS,
        ...(tls.clientCa === undefined ? {} : { ca: tls.clientCa, requestCert: true, rejectUnauthorized: true }),
      })
      bound.tlsPort = await this.#listenOn(server, 'secureConnection', tlsPort)
    }
    this.#sweeping = clock.every(SWEEP_EVERY_MS, () => this.#sweep())
    return bound
  }

  /**
   * Stops listening, reads what connected senders have sent, and resolves when all of it is stored, or when `signal` has aborted.
   * Idempotent.
   */
  close(signal: AbortSignal): Promise<void> {
    this.#closed ??= this.#close(signal)
    return this.#closed
  }

  async #close(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    this.#sweeping?.cancel()
    for (const server of this.#servers) server.close()
    this.#socket?.close()
    for (const { socket } of this.#connections) socket.end()
    const endMs = clock.monotonicMs() + LAST_READ_MS
    while (this.#connections.size > 0 && clock.monotonicMs() < endMs && !signal.aborted) await clock.sleep(10)
    for (const { socket, framer } of this.#connections) {
      socket.removeAllListeners('data').pause()
      framer.end()
    }
    await Promise.all([this.#tcp.flush(signal), this.#udp.flush(signal)])
    for (const { socket } of this.#connections) socket.destroy()
  }

  async #listenOn(server: Server, event: 'connection' | 'secureConnection', port: number): Promise<number> {
    const { host, reusePort, logger, hooks } = this.#options
    server.maxConnections = CONNECTIONS_MAX
    server.on(event, (socket: Socket) => this.#accept(socket))
    server.on('drop', () => hooks.refused('too_many'))
    server.on('tlsClientError', (error: Error) => logger.debug('a TLS handshake failed', { reason: error.message }))
    server.listen({ host, port, reusePort })
    await once(server, 'listening')
    server.on('error', (error) => logger.error('a syslog listener failed', { error }))
    this.#servers.push(server)
    const address = server.address()
    assert(address !== null && typeof address === 'object', 'a listening TCP server has an address')
    return address.port
  }

  async #bindUdp(port: number): Promise<void> {
    const { host, reusePort, logger } = this.#options
    const socket = createSocket({
      type: isIPv6(host) ? 'udp6' : 'udp4',
      reusePort,
      recvBufferSize: UDP_RECEIVE_BYTES,
    })
    socket.on('message', (message, { address }) => this.#received(message, plainAddress(address)))
    socket.bind(port, host)
    await once(socket, 'listening')
    socket.on('error', (error) => logger.error('the UDP socket for syslog failed', { error }))
    this.#socket = socket
  }

  #received(message: Buffer, sender: string): void {
    if (this.#udp.isFull) this.#options.hooks.lost(1, 'overloaded')
    else if (message.length > 0) {
      const max = this.#options.messageBytesMax
      this.#udp.add(message, 0, Math.min(message.length, max), sender, message.length > max)
    }
  }

  #accept(socket: Socket): void {
    const { clock, hooks, logger, messageBytesMax } = this.#options
    // Two listeners, each with its own count of connections.
    if (this.#connections.size >= CONNECTIONS_MAX) {
      hooks.refused('too_many')
      socket.destroy()
      return
    }
    const sender = plainAddress(socket.remoteAddress ?? '')
    const framer = new SyslogFramer(messageBytesMax, (bytes, start, end, isCut) => {
      if (end > start) this.#tcp.add(bytes, start, end, sender, isCut)
    })
    const connection: Connection = { socket, framer, lastReadMs: clock.monotonicMs() }
    this.#connections.add(connection)
    hooks.connections(this.#connections.size)
    socket.setKeepAlive(true, KEEP_ALIVE_AFTER_MS)
    socket.on('data', (chunk: Buffer) => {
      connection.lastReadMs = clock.monotonicMs()
      framer.feed(chunk)
      if (this.#tcp.isFull) this.#pause()
    })
    socket.on('error', (error) => logger.debug('a syslog connection failed', { sender, reason: error.message }))
    socket.on('close', () => {
      framer.end()
      this.#connections.delete(connection)
      hooks.connections(this.#connections.size)
    })
    if (this.#isPaused) socket.pause()
  }

  #pause(): void {
    if (this.#isPaused) return
    this.#isPaused = true
    for (const { socket } of this.#connections) socket.pause()
  }

  #resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    const nowMs = this.#options.clock.monotonicMs()
    for (const connection of this.#connections) {
      connection.lastReadMs = nowMs
      connection.socket.resume()
    }
  }

  #sweep(): void {
    if (this.#isPaused) return
    const { clock, hooks } = this.#options
    const nowMs = clock.monotonicMs()
    for (const { socket, framer, lastReadMs } of this.#connections) {
      const most = framer.heldBytes > 0 ? MESSAGE_IDLE_MAX_MS : IDLE_MAX_MS
      if (nowMs - lastReadMs <= most) continue
      hooks.refused('idle')
      socket.destroy()
    }
  }
}

/** An IPv4 address that came by an IPv6 socket is shown as what it is. */
function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice('::ffff:'.length) : address
}

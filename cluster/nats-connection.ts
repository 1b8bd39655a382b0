import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import {
  type Authenticator,
  AuthorizationError,
  connect,
  credsAuthenticator,
  type NatsConnection as NatsClient,
  type NodeConnectionOptions,
  nkeyAuthenticator,
  type Status,
} from 'nats'
import { assert } from '../base/assert.ts'
import { Backoff } from '../base/backoff.ts'
import type { Clock } from '../base/clock.ts'
import { WeirError } from '../base/errors.ts'
import { FRAME_BYTES_MAX, JOURNAL_HEADER_BYTES_MAX, RECORD_BYTES_MAX } from '../base/limits.ts'

/** How to reach NATS. Plain data: workers get it as it is, since every thread has a connection of its own (T1). */
export interface NatsOptions {
  /** `nats://host:port`, `tls://host:port` (nothing but TLS) or `host:port`; a name and password in the first that has one are used. */
  readonly servers: readonly string[]
  /** Shown by the servers' monitoring. */
  readonly name: string
  readonly user?: string
  readonly password?: string
  readonly token?: string
  /** File with a user's JWT and seed, as `nsc` writes it. */
  readonly credentialsFile?: string
  /** File with the seed of an nkey. */
  readonly nkeyFile?: string
  readonly tls?: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string }
  /** How long the first connection is tried. */
  readonly connectMsMax?: number
}

/** What a connection goes through, in order. */
export type NatsEvent =
  | { readonly kind: 'disconnected'; readonly server: string }
  | { readonly kind: 'reconnected'; readonly server: string }
  /** The cluster tells of other servers for clients. */
  | { readonly kind: 'serversChanged'; readonly added: readonly string[]; readonly deleted: readonly string[] }
  /** The server refuses something, such as a subject that the user has no right to. */
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'closed' }

const CONNECT_MS_MAX = 20_000
/** A server that answers no ping for PING_MS × (PINGS_OUT + 1) is left: under the 3 s of C1. Pongs queue behind what else it sends. */
const PING_MS = 500
const PINGS_OUT = 3
/** Longest handshake with one server before the next is tried. */
const HANDSHAKE_MS_MAX = 2000
const RECONNECT_WAIT_MS = 100
const RECONNECT_JITTER_MS = 150
const RETRY = { firstMs: 100, maxMs: 1000, factor: 2 }
/** Older ones lose acknowledged messages or drop settings that the journal needs. */
const VERSION_MIN = [2, 10, 23] as const

/** A connection to NATS that comes back whenever it is lost. */
export class NatsConnection {
  readonly #client: NatsClient
  readonly #listeners = new Set<(event: NatsEvent) => void>()
  #isConnected = true

  readonly #serversListed: number

  private constructor(client: NatsClient, serversListed: number) {
    this.#client = client
    this.#serversListed = serversListed
    void this.#follow(client.status())
  }

  /**
   * Throws invalid_config when a file cannot be read, NATS refuses the credentials, or the server is too old or takes too small
   * messages (J4); storage_unavailable when no server answers in time.
   */
  static async open(options: NatsOptions, clock: Clock): Promise<NatsConnection> {
    assert(options.servers.length > 0, 'a server is named')
    const clientOptions = clientOptionsOf(options)
    const untilMs = clock.monotonicMs() + (options.connectMsMax ?? CONNECT_MS_MAX)
    const backoff = new Backoff(clock, RETRY)
    for (;;) {
      try {
        const client = await connect(clientOptions)
        const problem = unfitness(client)
        if (problem === undefined) return new NatsConnection(client, options.servers.length)
        await client.close()
        throw problem
      } catch (cause) {
        if (cause instanceof WeirError) throw cause
        if (cause instanceof AuthorizationError) {
          throw new WeirError('invalid_config', `NATS refuses the credentials: ${cause.message}`, {}, { cause })
        }
        const waitMs = backoff.nextMs()
        if (clock.monotonicMs() + waitMs > untilMs) {
          const reason = cause instanceof Error ? cause.message : String(cause)
          const servers = serverAddresses(options.servers).join(', ')
          throw new WeirError('storage_unavailable', `no NATS server answers (${reason})`, { servers }, { cause })
        }
        await clock.sleep(waitMs)
      }
    }
  }

  /** For the adapters of this folder. What is published while it is not connected may be lost, without an error. */
  get client(): NatsClient {
    return this.#client
  }

  get isConnected(): boolean {
    return this.#isConnected
  }

  /** True once it was closed: then it does not come back. */
  get isClosed(): boolean {
    return this.#client.isClosed()
  }

  /** Address of the server that it is connected to, or was last. */
  get server(): string {
    return this.#client.getServer()
  }

  /** Servers of the cluster that a client may connect to, as far as they are known. */
  get serverCount(): number {
    return Math.max(this.#serversListed, this.#client.info?.connect_urls?.length ?? 1)
  }

  /** Largest message, headers included, that the server takes. */
  get messageBytesMax(): number {
    return this.#client.info?.max_payload ?? 0
  }

  /** Calls `listener` for each event from now on; returns the function that ends it. */
  onEvent(listener: (event: NatsEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * Publishes without a copy: `payload` is written to the socket as it is, and must not change until it is answered. False when there is
   * no socket; a frame that was written may still be lost with the connection. Measured against the client's own way, which copies
   * into one buffer: 0.35 instead of 0.8 ms of CPU a MB in frames of 512 KiB.
   */
  publishInPlace(subject: string, reply: string, headers: string, payload: Uint8Array): boolean {
    const headerBytes = Buffer.byteLength(headers)
    return this.#write([
      `HPUB ${subject} ${reply} ${headerBytes} ${headerBytes + payload.length}\r\n${headers}`,
      payload,
      '\r\n',
    ])
  }

  /** The same for a message of two parts and no headers; an empty `reply` is none. It may overtake what the client has been given in the same turn. */
  publishParts(subject: string, reply: string, first: Uint8Array, second: Uint8Array): boolean {
    const to = reply === '' ? subject : `${subject} ${reply}`
    return this.#write([`PUB ${to} ${first.length + second.length}\r\n`, first, second, '\r\n'])
  }

  /** Sends what is waiting, where there is a server, and ends the connection. */
  async close(): Promise<void> {
    if (this.#client.isClosed()) return
    if (this.#isConnected) await this.#client.drain().catch(() => undefined)
    await this.#client.close()
  }

  #write(parts: readonly (string | Uint8Array)[]): boolean {
    const socket = this.#isConnected ? socketOf(this.#client) : undefined
    if (socket === undefined || !socket.writable) return false
    socket.cork()
    for (const part of parts) socket.write(part)
    socket.uncork()
    return true
  }

  async #follow(statuses: AsyncIterable<Status>): Promise<void> {
    for await (const status of statuses) {
      if (status.type === 'staleConnection') cutSocket(this.#client)
      const event = eventOf(status)
      if (event === undefined) continue
      if (event.kind === 'reconnected') this.#isConnected = true
      else if (event.kind === 'disconnected' || event.kind === 'closed') this.#isConnected = false
      for (const listener of [...this.#listeners]) listener(event)
    }
  }
}

function eventOf(status: Status): NatsEvent | undefined {
  switch (status.type) {
    case 'disconnect':
      return { kind: 'disconnected', server: status.server }
    case 'reconnect':
      return { kind: 'reconnected', server: status.server }
    case 'update':
      return { kind: 'serversChanged', added: status.added ?? [], deleted: status.deleted ?? [] }
    case 'error':
      return { kind: 'refused', reason: status.error.message }
    case 'close':
      return { kind: 'closed' }
    default:
      return undefined
  }
}

/**
 * The client ends a stale connection in order, behind all that it has still to write; a server that hangs never takes that, and the client
 * would wait for it. An end of the socket is seen at once.
 */
function cutSocket(client: NatsClient): void {
  socketOf(client)?.destroy()
}

/** The client keeps its socket to itself. */
function socketOf(client: NatsClient): Socket | undefined {
  const inner = client as unknown as { protocol?: { transport?: { socket?: Socket } } }
  const transport = inner.protocol?.transport
  assert(transport !== undefined, 'the client has a transport')
  return transport.socket
}

/** What is wrong with the server, if anything. */
function unfitness(client: NatsClient): WeirError | undefined {
  const { version = '0.0.0', max_payload: bytesMax = 0 } = client.info ?? {}
  if (!isNewEnough(version)) {
    const least = VERSION_MIN.join('.')
    return new WeirError('invalid_config', `the NATS server is ${version}; ${least} or later is needed`, { version })
  }
  // J4 asks for two records; a frame may be larger than that.
  const bytesMin = Math.max(2 * RECORD_BYTES_MAX, FRAME_BYTES_MAX) + JOURNAL_HEADER_BYTES_MAX
  if (bytesMax < bytesMin) {
    const text = `max_payload of the NATS server is ${bytesMax} bytes; at least ${bytesMin} are needed, 8MB is advised`
    return new WeirError('invalid_config', text, { bytesMax, bytesMin })
  }
  return undefined
}

function isNewEnough(version: string): boolean {
  const parts = version.split(/[.-]/).map(Number)
  const at = VERSION_MIN.findIndex((part, i) => part !== parts[i])
  return at === -1 || (parts[at] ?? 0) > VERSION_MIN[at]!
}

function clientOptionsOf(options: NatsOptions): NodeConnectionOptions {
  const { tls, name, servers } = options
  const wantsTls = tls !== undefined || servers.some((server) => server.startsWith('tls://'))
  for (const file of [tls?.caFile, tls?.certFile, tls?.keyFile]) if (file !== undefined) contentOf(file)
  return {
    servers: [...serverAddresses(servers)],
    name,
    authenticator: authenticatorsOf(options),
    ...passwordOf(options),
    ...(options.token === undefined ? {} : { token: options.token }),
    ...(wantsTls ? { tls: { ...tls } } : {}),
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_WAIT_MS,
    reconnectJitter: RECONNECT_JITTER_MS,
    reconnectJitterTLS: RECONNECT_JITTER_MS,
    // A server that starts may know its users late; a node that has run does not give up for that.
    ignoreAuthErrorAbort: true,
    pingInterval: PING_MS,
    maxPingOut: PINGS_OUT,
    timeout: HANDSHAKE_MS_MAX,
    // Stack traces of every request cost more than the request.
    noAsyncTraces: true,
  }
}

/** Without scheme, name and password: what may be shown. */
function serverAddresses(servers: readonly string[]): readonly string[] {
  return servers.map((server) =>
    server
      .trim()
      .replace(/^[a-z]+:\/\//i, '')
      .replace(/^.*@/, '')
      .replace(/\/+$/, ''),
  )
}

function passwordOf({ servers, user, password }: NatsOptions): { user: string; pass?: string } | undefined {
  if (user !== undefined) return { user, ...(password === undefined ? {} : { pass: password }) }
  const match = servers
    .map((server) => /^(?:[a-z]+:\/\/)?([^/]+)@/i.exec(server.trim()))
    .find((found) => found !== null)
  if (match === undefined) return undefined
  const [name, ...rest] = match[1]!.split(':').map(decodeURIComponent)
  return { user: name!, ...(rest.length === 0 ? {} : { pass: rest.join(':') }) }
}

function authenticatorsOf({ credentialsFile, nkeyFile }: NatsOptions): Authenticator[] {
  return [
    ...(credentialsFile === undefined ? [] : [credsAuthenticator(contentOf(credentialsFile))]),
    ...(nkeyFile === undefined ? [] : [nkeyAuthenticator(seedOf(contentOf(nkeyFile)))]),
  ]
}

/** The line of a file that is a seed; others are comments. */
function seedOf(content: Uint8Array): Uint8Array {
  const line = new TextDecoder()
    .decode(content)
    .split('\n')
    .find((text) => /^S[A-Z0-9]{20,}\s*$/.test(text))
  return new TextEncoder().encode(line?.trim() ?? '')
}

function contentOf(path: string): Uint8Array {
  try {
    return readFileSync(path)
  } catch (cause) {
    throw new WeirError('invalid_config', `${path} cannot be read`, { path }, { cause })
  }
}

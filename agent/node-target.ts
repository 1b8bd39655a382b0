import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import type { Clock } from '../base/clock.ts'
import { WeirError } from '../base/errors.ts'

export interface NodeRequest {
  readonly method: 'GET' | 'POST' | 'PUT'
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Buffer
}

export interface NodeAnswer {
  readonly status: number
  readonly text: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

export interface NodeTargetOptions {
  readonly url: URL
  readonly clock: Clock
  /** From the first byte sent to the last one received. */
  readonly timeoutMs: number
  readonly connectionsMax: number
  /** PEM of what signs the node's certificate, instead of the well-known authorities. */
  readonly ca?: string
}

const CONNECT_TIMEOUT_MS = 5000
const ANSWER_BYTES_MAX = 4 * 1024 * 1024
/** Shorter than the time for which a node keeps a connection without requests. */
const IDLE_MAX_MS = 55_000

/** One node, over HTTP. Connections are kept. */
export class NodeTarget {
  readonly url: URL
  /** When it may be asked next, of the monotonic clock: it said so, or has failed. */
  notBeforeMs = 0
  readonly #options: NodeTargetOptions
  readonly #agent: HttpAgent
  readonly #send: typeof httpRequest

  private constructor(options: NodeTargetOptions, agent: HttpAgent, send: typeof httpRequest) {
    this.#options = options
    this.url = options.url
    this.#agent = agent
    this.#send = send
  }

  static async of(options: NodeTargetOptions): Promise<NodeTarget> {
    const common = { keepAlive: true, maxSockets: options.connectionsMax, timeout: IDLE_MAX_MS }
    if (options.url.protocol !== 'https:') return new NodeTarget(options, new HttpAgent(common), httpRequest)
    // TLS is memory that who does without it need not have.
    const { Agent, request } = await import('node:https')
    const agent = new Agent({ ...common, ...(options.ca === undefined ? {} : { ca: options.ca }) })
    return new NodeTarget(options, agent, request)
  }

  /** Asks. Throws shard_unavailable where no whole answer came, deadline_exceeded where it took too long; cancelled when `signal` aborts. */
  ask({ method, path, headers, body }: NodeRequest, signal: AbortSignal): Promise<NodeAnswer> {
    const { clock, timeoutMs } = this.#options
    const { url } = this
    return new Promise((resolve, reject) => {
      const request = this.#send({
        agent: this.#agent,
        protocol: url.protocol,
        hostname: url.hostname.replace(/^\[(.*)\]$/, '$1'),
        port: url.port,
        method,
        path: url.pathname.replace(/\/$/, '') + path,
        headers: { ...headers, ...(body === undefined ? {} : { 'content-length': body.length }) },
      })
      const fail = (code: 'shard_unavailable' | 'deadline_exceeded' | 'cancelled', why: string) => {
        settle(() => reject(new WeirError(code, `${url.origin}: ${why}`)))
        request.destroy()
      }
      const deadline = clock.after(timeoutMs, () => fail('deadline_exceeded', `no answer within ${timeoutMs} ms`))
      const connecting = clock.after(CONNECT_TIMEOUT_MS, () => fail('deadline_exceeded', 'no connection'))
      const onAbort = () => fail('cancelled', 'the shipper ends')
      let isSettled = false
      const settle = (deliver: () => void) => {
        if (isSettled) return
        isSettled = true
        deadline.cancel()
        connecting.cancel()
        signal.removeEventListener('abort', onAbort)
        deliver()
      }
      signal.addEventListener('abort', onAbort, { once: true })
      if (signal.aborted) onAbort()
      request.once('socket', (socket) => {
        if (socket.connecting) socket.once('connect', () => connecting.cancel())
        else connecting.cancel()
      })
      request.once('error', (error) => fail('shard_unavailable', error.message))
      request.once('response', (response: IncomingMessage) => {
        const chunks: Buffer[] = []
        let length = 0
        response.on('data', (chunk: Buffer) => {
          length += chunk.length
          if (length > ANSWER_BYTES_MAX) fail('shard_unavailable', 'the answer is too long')
          else chunks.push(chunk)
        })
        response.once('error', (error) => fail('shard_unavailable', error.message))
        response.once('aborted', () => fail('shard_unavailable', 'the answer was cut off'))
        response.once('end', () => {
          const text = Buffer.concat(chunks).toString()
          settle(() => resolve({ status: response.statusCode ?? 0, text, headers: response.headers }))
        })
      })
      request.end(body)
    })
  }

  close(): void {
    this.#agent.destroy()
  }
}

import { Agent, request as httpRequest, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http'
import { connect } from 'node:net'

/** A plain HTTP client for tests: it sends exactly what it is told, keeps connections, and never throws for a status. */
export interface HttpAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  /** The body as JSON; throws when it is not. */
  // biome-ignore lint/suspicious/noExplicitAny: tests reach into answers of any shape
  json(): any
}

export interface HttpCall {
  readonly method?: string
  readonly headers?: OutgoingHttpHeaders
  /** A string or bytes; an async iterable is sent chunked, as it comes. */
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>
  /** Destroys the connection when it aborts. */
  readonly signal?: AbortSignal
}

export class HttpClient {
  readonly #url: string
  readonly #headers: OutgoingHttpHeaders
  readonly #agent = new Agent({ keepAlive: true })

  /** `url` without a path; `headers` go with every call. */
  constructor(url: string, headers: OutgoingHttpHeaders = {}) {
    this.#url = url
    this.#headers = headers
  }

  get(path: string, headers: OutgoingHttpHeaders = {}): Promise<HttpAnswer> {
    return this.send(path, { headers })
  }

  /** Sends `body` as JSON. */
  post(path: string, body: unknown, headers: OutgoingHttpHeaders = {}): Promise<HttpAnswer> {
    return this.send(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
  }

  /** Resolves with the answer, also when it comes before the body is sent whole. Rejects when the connection fails first. */
  send(path: string, call: HttpCall = {}): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      const request = httpRequest(this.#url, {
        path,
        method: call.method ?? 'GET',
        headers: { ...this.#headers, ...call.headers },
        agent: this.#agent,
        ...(call.signal === undefined ? {} : { signal: call.signal }),
      })
      request.on('error', reject)
      request.on('response', (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8')
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text,
            json: () => JSON.parse(text),
          })
        })
      })
      const { body } = call
      if (body === undefined) request.end()
      else if (typeof body === 'string' || body instanceof Uint8Array) request.end(body)
      else {
        sendChunks(body, request).catch(reject)
      }
    })
  }

  close(): void {
    this.#agent.destroy()
  }
}

/** Writes with backpressure until the chunks end or the server has had enough. */
async function sendChunks(chunks: AsyncIterable<Uint8Array>, request: ReturnType<typeof httpRequest>): Promise<void> {
  let answered = false
  request.once('response', () => {
    answered = true
  })
  for await (const chunk of chunks) {
    if (answered || request.destroyed) break
    if (request.write(chunk)) continue
    await new Promise<void>((resolve) => {
      const events = ['drain', 'response', 'close'] as const
      const go = () => {
        for (const event of events) request.off(event, go)
        resolve()
      }
      for (const event of events) request.once(event, go)
    })
  }
  request.end()
}

/** Sends bytes over a bare connection and resolves with all that came back until the server closed it. */
export function exchangeBytes(port: number, bytes: string | Uint8Array): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes))
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(text))
  })
}

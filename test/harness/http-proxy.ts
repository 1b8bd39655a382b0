import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What a proxy answers instead of the server. */
export interface ProxyAnswer {
  readonly status: number
  readonly body?: string
  /** The server is asked all the same, and its answer thrown away: it got lost. */
  readonly afterServer?: boolean
}

/** Stands between a client and an HTTP server on loopback; answers itself where `answer` says so. */
export class HttpProxy {
  /** What to answer to a request instead of the server; undefined: what the server answers. */
  answer: (method: string, url: string) => ProxyAnswer | undefined = () => undefined
  /** `METHOD url` of every request, in order. */
  readonly requests: string[] = []
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
  }

  static async start(targetPort: number): Promise<HttpProxy> {
    const server = createServer()
    const proxy = new HttpProxy(server)
    server.on('request', (incoming, outgoing) => proxy.#serve(incoming, outgoing, targetPort))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #serve(incoming: IncomingMessage, outgoing: ServerResponse, port: number): void {
    const { method = '', url = '', headers } = incoming
    this.requests.push(`${method} ${url}`)
    const own = this.answer(method, url)
    const say = (answer: ProxyAnswer) => {
      outgoing.writeHead(answer.status, { 'content-type': 'application/xml' }).end(answer.body ?? '')
    }
    if (own !== undefined && own.afterServer !== true) {
      incoming.resume().on('end', () => say(own))
      return
    }
    const onward = request({ host: '127.0.0.1', port, method, path: url, headers }, (answer) => {
      if (own !== undefined) {
        answer.resume().on('end', () => say(own))
        return
      }
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(outgoing)
    })
    onward.on('error', () => outgoing.destroy())
    incoming.pipe(onward)
  }
}

/** An error as S3 writes it. */
export function s3ErrorBody(code: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>no</Message></Error>`
}

import { Agent, request } from 'node:http'

export interface Answer {
  readonly status: number
  readonly body: Buffer
  /** From the first byte sent to the last one received. */
  readonly ms: number
}

/** A small HTTP client with connections of its own, cheap enough not to be the bottleneck. */
export class Client {
  readonly #url: URL
  readonly #agent: Agent

  constructor(url: string, connections: number) {
    this.#url = new URL(url)
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections })
  }

  post(path: string, body: Uint8Array | string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.#send('POST', path, body, headers)
  }

  get(path: string, parameters: Record<string, string> = {}): Promise<Answer> {
    const query = new URLSearchParams(parameters).toString()
    return this.#send('GET', query === '' ? path : `${path}?${query}`, undefined, {})
  }

  async getJson<T>(path: string, parameters: Record<string, string> = {}): Promise<T> {
    const { status, body } = await this.get(path, parameters)
    if (status !== 200) throw new Error(`${path} answered ${status}: ${body.toString().slice(0, 500)}`)
    return JSON.parse(body.toString()) as T
  }

  close(): void {
    this.#agent.destroy()
  }

  #send(
    method: string,
    path: string,
    body: Uint8Array | string | undefined,
    headers: Record<string, string>,
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const startedMs = performance.now()
      const { hostname, port } = this.#url
      const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }
      const sent = request({ hostname, port, method, path, agent: this.#agent, headers: { ...headers, ...length } })
      sent.once('error', reject)
      sent.once('response', (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.once('error', reject)
        response.once('end', () =>
          resolve({
            status: response.statusCode!,
            body: Buffer.concat(chunks),
            ms: performance.now() - startedMs,
          }),
        )
      })
      sent.end(body)
    })
  }
}

/** Value at a share (0 to 1) of the sorted values. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}

import { Agent, type IncomingMessage, type OutgoingHttpHeaders, request as requestHttp } from 'node:http'
import { request as requestHttps, Agent as TlsAgent } from 'node:https'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Problem } from '../../api/contract/common.ts'
import { RefusedFailure, UnreachableFailure, UsageFailure } from './failures.ts'

/** No byte for so long and the node is taken for gone; what waits longer says so. */
const SILENCE_MS_MAX = 60_000
/** Of an answer that is read whole. */
const ANSWER_BYTES_MAX = 256 * 1024 * 1024
const PROBLEM_BYTES_MAX = 1024 * 1024

export type Parameters = Readonly<Record<string, string | number | undefined>>

export interface NodeRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly parameters?: Parameters
  readonly headers?: OutgoingHttpHeaders
  /** Sent as JSON. */
  readonly json?: unknown
  /** Sent as it is; a stream is sent once. */
  readonly body?: Uint8Array | Readable
  readonly silenceMsMax?: number
  readonly signal?: AbortSignal
}

export interface NodeClientParts {
  readonly url: string
  readonly key: string | undefined
  readonly tenant: string | undefined
  readonly version: string
  /** Ends every request. */
  readonly signal: AbortSignal
}

/** HTTP to a node. Throws RefusedFailure for its errors, UnreachableFailure where none answers. */
export class NodeClient {
  readonly url: URL
  readonly #headers: OutgoingHttpHeaders
  readonly #agent: Agent
  readonly #request: typeof requestHttp
  readonly #signal: AbortSignal

  constructor({ url, key, tenant, version, signal }: NodeClientParts) {
    const parsed = URL.parse(url)
    if (parsed === null || !/^https?:$/.test(parsed.protocol)) {
      throw new UsageFailure(`${url} is no http or https address of a node`)
    }
    this.url = parsed
    const isTls = parsed.protocol === 'https:'
    this.#agent = isTls ? new TlsAgent({ keepAlive: true }) : new Agent({ keepAlive: true })
    this.#request = isTls ? requestHttps : requestHttp
    this.#headers = {
      'user-agent': `weir-cli/${version}`,
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      ...(tenant === undefined ? {} : { 'x-scope-orgid': tenant }),
    }
    this.#signal = signal
  }

  /** An answer of JSON, read whole. */
  async json<T>(path: string, request: NodeRequest = {}): Promise<T> {
    const answer = await this.open(path, request)
    if (answer.statusCode === 204) {
      answer.resume()
      return undefined as T
    }
    return this.#parsed(await this.text(answer)) as T
  }

  /** An answer that is to be read as it comes. */
  async open(path: string, request: NodeRequest = {}): Promise<IncomingMessage> {
    const { json, signal } = request
    const body = json === undefined ? request.body : Buffer.from(JSON.stringify(json))
    const answer = await this.#send(this.#address(path, request.parameters), {
      ...request,
      headers: {
        ...this.#headers,
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
        ...(body instanceof Uint8Array ? { 'content-length': body.byteLength } : {}),
        ...request.headers,
      },
      ...(body === undefined ? {} : { body }),
      signal: signal === undefined ? this.#signal : AbortSignal.any([signal, this.#signal]),
    })
    const status = answer.statusCode ?? 0
    if (status >= 200 && status < 300) return answer
    throw refusalOf(status, await this.text(answer, PROBLEM_BYTES_MAX), answer.headers['retry-after'], this.url)
  }

  /** The whole of an answer. */
  async text(answer: IncomingMessage, bytesMax = ANSWER_BYTES_MAX): Promise<string> {
    const chunks: Buffer[] = []
    let bytes = 0
    for await (const chunk of this.chunks(answer)) {
      bytes += chunk.length
      if (bytes > bytesMax) {
        answer.destroy()
        throw new UnreachableFailure(`the answer of ${this.url.origin} is larger than ${bytesMax} bytes`)
      }
      chunks.push(chunk)
    }
    return Buffer.concat(chunks).toString()
  }

  /** An answer as it comes. Throws UnreachableFailure where it breaks off. */
  async *chunks(answer: IncomingMessage): AsyncGenerator<Buffer> {
    try {
      for await (const chunk of answer) yield chunk as Buffer
    } catch (cause) {
      this.#signal.throwIfAborted()
      throw new UnreachableFailure(`the answer of ${this.url.origin} broke off: ${reasonOf(cause)}`, { cause })
    }
  }

  close(): void {
    this.#agent.destroy()
  }

  #address(path: string, parameters: Parameters = {}): URL {
    const address = new URL(this.url.pathname.replace(/\/$/, '') + path, this.url.origin)
    for (const [name, value] of Object.entries(parameters)) {
      if (value !== undefined) address.searchParams.set(name, String(value))
    }
    return address
  }

  async #send(address: URL, request: NodeRequest): Promise<IncomingMessage> {
    const { method = 'GET', headers = {}, body, silenceMsMax = SILENCE_MS_MAX, signal } = request
    signal?.throwIfAborted()
    const sent = this.#request(address, {
      method,
      headers,
      agent: this.#agent,
      timeout: silenceMsMax,
      ...(signal ? { signal } : {}),
    })
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      sent.once('response', resolve)
      // Stays: a node that answers early may reset what we still send.
      sent.on('error', reject)
    })
    sent.once('timeout', () => sent.destroy(new Error(`no answer for ${silenceMsMax / 1000} s`)))
    if (body === undefined || body instanceof Uint8Array) sent.end(body)
    else {
      pipeline(body, sent).catch((cause: Error) => {
        if (!sent.destroyed) sent.destroy(cause)
      })
    }
    try {
      return await answered
    } catch (cause) {
      signal?.throwIfAborted()
      throw new UnreachableFailure(`no node answers at ${this.url.origin}: ${reasonOf(cause)}`, { cause })
    }
  }

  #parsed(text: string): unknown {
    try {
      return JSON.parse(text)
    } catch {
      throw new UnreachableFailure(`what answers at ${this.url.origin} is no node of Weir`)
    }
  }
}

function refusalOf(status: number, text: string, retryAfter: string | undefined, url: URL): Error {
  let problem: Partial<Problem> | undefined
  try {
    const parsed: unknown = JSON.parse(text)
    if (typeof parsed === 'object' && parsed !== null) problem = parsed as Partial<Problem>
  } catch {
    // What stands before the node may answer in words of its own.
  }
  if (problem?.code === undefined && (status < 500 || problem === undefined)) {
    return new UnreachableFailure(`what answers at ${url.origin} is no node of Weir (${status})`)
  }
  const seconds = retryAfter === undefined ? Number.NaN : Number(retryAfter)
  return new RefusedFailure(status, problem ?? {}, Number.isFinite(seconds) ? seconds * 1000 : undefined)
}

function reasonOf(cause: unknown): string {
  if (cause instanceof AggregateError && cause.errors.length > 0) return reasonOf(cause.errors[0])
  return cause instanceof Error ? cause.message : String(cause)
}

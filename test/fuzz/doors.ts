import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'
import { HttpClient } from '../harness/http-client.ts'
import type { NodeProcess } from '../harness/node-process.ts'
import type { FuzzTarget } from './targets.ts'

/** Nothing that these requests ask for takes so long. */
const ANSWER_MAX_MS = 15_000
const EXPORT = '/opentelemetry.proto.collector.logs.v1.LogsService/Export'
/** Of UDP. */
const DATAGRAM_BYTES_MAX = 60_000

/** What came back. */
export interface DoorAnswer {
  /** Of HTTP or gRPC; undefined where the protocol has none. */
  readonly status?: number
  readonly text: string
}

/** Sends bytes by the doors of one node. */
export class Doors {
  readonly #node: NodeProcess
  readonly #http: HttpClient

  constructor(node: NodeProcess) {
    this.#node = node
    this.#http = new HttpClient(node.url)
  }

  /** Throws when the node does not answer, or does not close where that is its answer. */
  async send(
    { name, door }: FuzzTarget,
    body: Buffer,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<DoorAnswer> {
    const late = AbortSignal.timeout(ANSWER_MAX_MS)
    try {
      switch (door.kind) {
        case 'http': {
          const call = { method: 'POST', headers: { ...door.headers, ...headers }, body, signal: late }
          return await this.#http.send(door.path, call)
        }
        case 'grpc':
          return await this.#export(body, late)
        case 'tcp':
          return await this.#stream(this.#node.ports[door.port], body, late)
        case 'udp':
          return await this.#datagram(this.#node.ports[door.port], body)
      }
    } catch (error) {
      if (late.aborted) throw new Error(`${name}: no answer within ${ANSWER_MAX_MS} ms`, { cause: error })
      throw error
    }
  }

  close(): void {
    this.#http.close()
  }

  async #export(body: Buffer, late: AbortSignal): Promise<DoorAnswer> {
    const session = connectHttp2(`http://127.0.0.1:${this.#node.ports.otlpGrpc}`)
    try {
      const stream = session.request({ ':method': 'POST', ':path': EXPORT, 'content-type': 'application/grpc' })
      let status: number | undefined
      const take = (fields: Readonly<Record<string, unknown>>) => {
        if (fields['grpc-status'] !== undefined) status = Number(fields['grpc-status'])
      }
      stream.on('response', take)
      stream.on('trailers', take)
      const prefix = Buffer.alloc(5)
      prefix.writeUInt32BE(body.length, 1)
      stream.end(Buffer.concat([prefix, body]))
      stream.resume()
      await once(stream, 'close', { signal: late })
      if (status === undefined) throw new Error('a call has no status')
      return { status, text: '' }
    } finally {
      session.destroy()
    }
  }

  async #stream(port: number, body: Buffer, late: AbortSignal): Promise<DoorAnswer> {
    const socket = connect(port, '127.0.0.1')
    let text = ''
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
    })
    const closed = new Promise<void>((resolve, reject) => {
      // Reset: the node has had enough of what it was sent, which is an answer too.
      socket.on('error', () => undefined)
      socket.once('close', () => resolve())
      late.addEventListener('abort', () => reject(late.reason), { once: true })
    })
    socket.end(body)
    try {
      await closed
    } finally {
      socket.destroy()
    }
    return { text }
  }

  async #datagram(port: number, body: Buffer): Promise<DoorAnswer> {
    const socket = createSocket('udp4')
    await new Promise<void>((resolve, reject) => {
      socket.send(body.subarray(0, DATAGRAM_BYTES_MAX), port, '127.0.0.1', (error) =>
        error ? reject(error) : resolve(),
      )
    })
    socket.close()
    // What comes too fast is lost, as the protocol has it: the next waits until the thread that reads has been round.
    await this.#http.get('/healthz')
    return { text: '' }
  }
}

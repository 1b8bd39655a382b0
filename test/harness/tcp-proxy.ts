import { type AddressInfo, createServer, type Server, Socket } from 'node:net'
import { Transform } from 'node:stream'
import { systemClock } from '../../base/clock.ts'

/**
 * What befalls connections: `pass` bytes on; `delay` them, each way; `blackhole` them: accepted, then nothing more is heard; `refuse`
 * new connections by a reset.
 */
export type TcpWeather =
  | { readonly kind: 'pass' }
  | { readonly kind: 'delay'; readonly delayMs: number }
  | { readonly kind: 'blackhole' }
  | { readonly kind: 'refuse' }

/** Stands between a client and a TCP server on loopback, and lets through what its weather allows. It can be changed at any time. */
export class TcpProxy {
  /** Connections accepted so far, and the most of them at once. */
  connections = 0
  connectionsAtOnce = 0
  /** Bytes that came from clients, and from the server, so far. */
  bytesSent = 0
  bytesAnswered = 0
  weather: TcpWeather = { kind: 'pass' }
  /** Called when bytes came from either side; it may change the weather. */
  onBytes: () => void = () => {}
  /** What the client gets for what the server has said. */
  translate: (answer: Buffer) => Buffer = (answer) => answer
  readonly #server: Server
  readonly #pairs = new Set<readonly [Socket, Socket]>()

  private constructor(server: Server) {
    this.#server = server
  }

  static async start(targetPort: number, host = '127.0.0.1'): Promise<TcpProxy> {
    const server = createServer()
    const proxy = new TcpProxy(server)
    server.on('connection', (client) => proxy.#join(client, targetPort))
    await new Promise<void>((resolve) => server.listen(0, host, resolve))
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Resets every connection that is open. */
  resetAll(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.resetAndDestroy()
  }

  /** No connection is taken and none lives on until `weather` is changed. */
  breakDown(): void {
    this.weather = { kind: 'refuse' }
    this.resetAll()
  }

  async close(): Promise<void> {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #join(client: Socket, targetPort: number): void {
    this.connections++
    if (this.weather.kind === 'refuse') {
      client.on('error', () => undefined)
      client.resetAndDestroy()
      return
    }
    const server = new Socket()
    const pair = [client, server] as const
    this.#pairs.add(pair)
    this.connectionsAtOnce = Math.max(this.connectionsAtOnce, this.#pairs.size)
    const end = () => {
      this.#pairs.delete(pair)
      client.destroy()
      server.destroy()
    }
    for (const socket of pair) socket.on('error', end).on('close', end)
    server.connect(targetPort, '127.0.0.1')
    client.on('data', (chunk: Buffer) => {
      this.bytesSent += chunk.length
      this.onBytes()
    })
    server.on('data', (chunk: Buffer) => {
      this.bytesAnswered += chunk.length
      this.onBytes()
    })
    client.pipe(this.#sky((chunk) => chunk)).pipe(server)
    server.pipe(this.#sky((chunk) => this.translate(chunk))).pipe(client)
  }

  #sky(translate: (chunk: Buffer) => Buffer): Transform {
    return new Transform({
      transform: (chunk, _encoding, done) => {
        const { weather } = this
        if (weather.kind === 'delay') systemClock.after(weather.delayMs, () => done(null, translate(chunk)))
        else if (weather.kind !== 'blackhole') done(null, translate(chunk))
      },
    })
  }
}

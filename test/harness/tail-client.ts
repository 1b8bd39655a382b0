import assert from 'node:assert/strict'
import { waitUntil } from './weir-client.ts'

/** A message of a live tail. */
// biome-ignore lint/suspicious/noExplicitAny: messages have any shape
export type TailMessage = Readonly<Record<string, any>>

/** Node's client takes header fields too, unlike that of browsers. */
type SocketOptions = { readonly protocols?: readonly string[]; readonly headers?: Readonly<Record<string, string>> }
const Socket = WebSocket as unknown as new (url: string, options: SocketOptions) => WebSocket

/** A client of the WebSocket of live tails. */
export class TailSocketClient {
  readonly messages: TailMessage[] = []
  closeCode: number | undefined
  readonly #socket: WebSocket

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.onmessage = ({ data }) => this.messages.push(JSON.parse(String(data)) as TailMessage)
    socket.onclose = ({ code }) => {
      this.closeCode = code
    }
  }

  /** Rejects when the handshake is refused. `url` is that of the node. */
  static async open(url: string, options: SocketOptions = {}): Promise<TailSocketClient> {
    const socket = new Socket(`${url.replace(/^http/, 'ws')}/v1/logs/tail`, options)
    const client = new TailSocketClient(socket)
    await new Promise<void>((resolve, reject) => {
      socket.onopen = () => resolve()
      socket.onerror = () => reject(new Error('the handshake was refused'))
    })
    return client
  }

  /** Opens and subscribes; resolves when the subscription holds. */
  static async subscribe(url: string, subscribe: object, options: SocketOptions = {}): Promise<TailSocketClient> {
    const client = await TailSocketClient.open(url, options)
    client.send({ subscribe })
    await client.heard('subscribed')
    return client
  }

  get protocol(): string {
    return this.#socket.protocol
  }

  get logs(): readonly TailMessage[] {
    return this.of('log').map(({ log }) => log as TailMessage)
  }

  /** Of each record, its `uid`. */
  get uids(): readonly string[] {
    return this.logs.map(({ uid }) => String(uid))
  }

  /** The newest one that was given. */
  get cursor(): string {
    const cursor = this.messages.findLast((message) => message.cursor !== undefined)?.cursor
    assert.ok(typeof cursor === 'string', 'a cursor was given')
    return cursor
  }

  of(type: string): readonly TailMessage[] {
    return this.messages.filter((message) => message.type === type)
  }

  send(message: unknown): void {
    this.#socket.send(typeof message === 'string' ? message : JSON.stringify(message))
  }

  /** Waits for the `count`th message of a type; resolves with it. */
  async heard(type: string, count = 1): Promise<TailMessage> {
    await waitUntil(
      () => this.of(type).length >= count,
      () => `${count} messages of type ${type} come; there are ${JSON.stringify(this.messages.slice(-3))}`,
    )
    return this.of(type)[count - 1]!
  }

  /** Waits for so many records in all; there must be no more. */
  async hasLogs(count: number, maxMs?: number): Promise<void> {
    await waitUntil(
      () => this.logs.length >= count,
      () => `${count} records come; ${this.logs.length} have, last ${JSON.stringify(this.messages.at(-1))}`,
      maxMs,
    )
    assert.equal(this.logs.length, count)
  }

  async closed(): Promise<number> {
    await waitUntil(
      () => this.closeCode !== undefined,
      () => `the connection closes; last ${JSON.stringify(this.messages.at(-1))}`,
    )
    return this.closeCode!
  }

  close(): void {
    this.#socket.close()
  }
}

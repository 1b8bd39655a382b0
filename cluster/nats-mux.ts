import { createInbox, type Msg, type Subscription } from 'nats'
import type { Logger } from '../base/logger.ts'
import type { NatsConnection } from './nats-connection.ts'
import { decodeMessage, encodeMessage, type TransportMessage } from './transport-wire.ts'

/** What takes the messages of one address. It must not throw. */
export interface MuxReceiver {
  /** `from` is the address to speak back to, empty when there is none. */
  receive(message: TransportMessage, from: string): void
  /** A message that was sent in the name of the address met no subscriber. */
  nobody(): void
}

const NOBODY = 503

/** One inbox for all that is sent to this transport in particular: `<inbox>.<number>` is one address of it. */
export class NatsMux {
  readonly #connection: NatsConnection
  readonly #logger: Logger
  readonly #prefix = `${createInbox()}.`
  readonly #receivers = new Map<string, MuxReceiver>()
  readonly #subscription: Subscription
  #addresses = 0

  constructor(connection: NatsConnection, logger: Logger) {
    this.#connection = connection
    this.#logger = logger
    const callback = (error: Error | null, message: Msg): void => this.#route(error, message)
    this.#subscription = connection.client.subscribe(`${this.#prefix}*`, { callback })
  }

  /** Addresses in use. */
  get size(): number {
    return this.#receivers.size
  }

  /** Gives `receiver` an address until `remove`. */
  add(receiver: MuxReceiver): string {
    const address = `${this.#prefix}${(this.#addresses++).toString(36)}`
    this.#receivers.set(address, receiver)
    return address
  }

  remove(address: string): void {
    this.#receivers.delete(address)
  }

  /** At most once: what cannot be sent is lost. */
  send(to: string, message: Uint8Array, from = ''): void {
    if (!this.#connection.isConnected) return
    try {
      this.#connection.client.publish(to, message, { reply: from })
    } catch (error) {
      this.#logger.warn('a message to another node was not sent', { subject: to, error })
    }
  }

  /** A message that is nothing but its kind. */
  signal(kind: number, to: string, from = ''): void {
    this.send(to, encodeMessage(kind, 0, 0), from)
  }

  /** Undefined, and logged, for what cannot be read. */
  decode(message: Msg): TransportMessage | undefined {
    const decoded = decodeMessage(message.data)
    if (decoded === undefined) {
      const details = { subject: message.subject, bytes: message.data.length }
      this.#logger.warn('a message of another node cannot be read', details)
    }
    return decoded
  }

  close(): void {
    this.#receivers.clear()
    this.#subscription.unsubscribe()
  }

  #route(error: Error | null, message: Msg): void {
    if (error !== null) {
      this.#logger.error('NATS refuses the inbox of this node', { error })
      return
    }
    const receiver = this.#receivers.get(message.subject)
    if (receiver === undefined) return
    if (message.data.length === 0 && message.headers?.code === NOBODY) {
      receiver.nobody()
      return
    }
    const decoded = this.decode(message)
    if (decoded !== undefined) receiver.receive(decoded, message.reply ?? '')
  }
}

/** The inbox that an address belongs to: one peer. */
export function peerOf(address: string): string {
  return address.slice(0, address.lastIndexOf('.'))
}

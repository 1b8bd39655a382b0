import { createInbox, type Msg, type Subscription } from 'nats'
import type { Logger } from '../base/logger.ts'
import { noteShortLived } from '../base/young-collection.ts'
import type { NatsConnection } from './nats-connection.ts'
import { CANCELLED, decodeMessage, encodeHeader, encodeMessage, TOLD, type TransportMessage } from './transport-wire.ts'

/** What takes the messages of one address. It must not throw. */
export interface MuxReceiver {
  /** `from` is the address to speak back to, empty when there is none. */
  receive(message: TransportMessage, from: string): void
  /** A message that was sent in the name of the address met no subscriber. */
  nobody(): void
}

/** A message to be sent; what it does not name is zero. */
export interface Sending {
  readonly kind: number
  readonly remainingMs?: number
  readonly position?: number
  readonly payload?: Uint8Array | undefined
  /** Address to speak back to. */
  readonly from?: string
}

const NOBODY = 503
/** From here on, copying costs more than writing in parts. */
const IN_PLACE_BYTES_MIN = 16 * 1024

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

  /** At most once: what cannot be sent is lost. A payload must not change any more, but of TOLD. */
  send(to: string, { kind, remainingMs = 0, position = 0, payload, from = '' }: Sending): void {
    if (!this.#connection.isConnected) return
    try {
      const header = (): Uint8Array => encodeHeader(kind, remainingMs, position)
      if (payload === undefined) this.#connection.client.publish(to, header(), { reply: from })
      else if (kind !== TOLD && payload.length >= IN_PLACE_BYTES_MIN)
        this.#connection.publishParts(to, from, header(), payload)
      else this.#connection.client.publish(to, encodeMessage(kind, remainingMs, position, payload), { reply: from })
    } catch (error) {
      this.#logger.warn('a message to another node was not sent', { subject: to, error })
    }
  }

  /** Undefined, and logged, for what cannot be read. */
  decode(message: Msg): TransportMessage | undefined {
    // The client reads it into buffers of its own.
    noteShortLived(message.data.length)
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
    if (message.data.length === 0 && message.headers?.code === NOBODY) {
      receiver?.nobody()
      return
    }
    const decoded = this.decode(message)
    if (decoded === undefined) return
    const from = message.reply ?? ''
    if (receiver !== undefined) receiver.receive(decoded, from)
    // Who waits for this address would do so in vain.
    else if (from !== '') this.send(from, { kind: CANCELLED })
  }
}

/** The inbox that an address belongs to: one peer. */
export function peerOf(address: string): string {
  return address.slice(0, address.lastIndexOf('.'))
}

/**
 * Frees a payload of a message that nobody reads any more. The client gathers a message that came in several reads in a Uint8Array of its own; one
 * that came in a single read is a part of that read's Buffer, with other messages in it, and is left alone. (Answers of 4 MiB: 22 → 10 ms
 * of CPU, most of it whole collections; bench/micro/transport.ts.)
 */
export function freeGathered(payload: Uint8Array): void {
  if (!Buffer.isBuffer(payload) && payload.buffer instanceof ArrayBuffer) payload.buffer.transfer(0)
}

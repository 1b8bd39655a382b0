import { WeirError } from '../base/errors.ts'
import {
  TRANSPORT_PEER_BYTES_MAX,
  TRANSPORT_PIECE_BYTES,
  TRANSPORT_RECEIVING_BYTES_MAX,
  TRANSPORT_SILENT_CHECKS_MAX,
  TRANSPORT_TRANSFERS_MAX,
  TRANSPORT_TRANSFERS_WAITING_MAX,
  TRANSPORT_WINDOW_BYTES,
} from '../base/limits.ts'
import { freeGathered, type MuxReceiver, type NatsMux, peerOf } from './nats-mux.ts'
import { TransferAdmission } from './transfer-admission.ts'
import { CANCELLED, GRANTED, PIECE, type TransportMessage } from './transport-wire.ts'

/** Bytes on their way to one receiver, in pieces, as far as it has granted. */
export class OutgoingTransfer {
  readonly #mux: NatsMux
  readonly #payload: Uint8Array
  #receiver: string | undefined
  #sent = 0

  constructor(mux: NatsMux, payload: Uint8Array) {
    this.#mux = mux
    this.#payload = payload
  }

  /** Where it goes, once somebody has granted something. */
  get receiver(): string | undefined {
    return this.#receiver
  }

  /** Somebody takes it, and has not got all of it. */
  get isUnderWay(): boolean {
    return this.#receiver !== undefined && this.#sent < this.#payload.length
  }

  /** The first to grant is the receiver; any other is told that it gets nothing. True when all is sent. */
  grant(upTo: number, receiver: string): boolean {
    this.#receiver ??= receiver
    if (receiver !== this.#receiver) this.#mux.send(receiver, { kind: CANCELLED })
    else {
      const end = Math.min(upTo, this.#payload.length)
      while (this.#sent < end) {
        const payload = this.#payload.subarray(this.#sent, Math.min(end, this.#sent + TRANSPORT_PIECE_BYTES))
        this.#mux.send(receiver, { kind: PIECE, position: this.#sent, payload })
        this.#sent += payload.length
      }
    }
    return this.#sent === this.#payload.length
  }
}

/** What others have announced to this transport: bounded in number and bytes, of all and of one peer; what is announced beyond waits its turn. */
export class IncomingTransfers {
  readonly #mux: NatsMux
  readonly #admission = new TransferAdmission({
    countMax: TRANSPORT_TRANSFERS_MAX,
    bytesMax: TRANSPORT_RECEIVING_BYTES_MAX,
    peerBytesMax: TRANSPORT_PEER_BYTES_MAX,
    waitingMax: TRANSPORT_TRANSFERS_WAITING_MAX,
  })
  readonly #running = new Set<IncomingTransfer>()

  constructor(mux: NatsMux) {
    this.#mux = mux
  }

  get count(): number {
    return this.#admission.running + this.#admission.waiting
  }

  /**
   * The `bytes` that `sender` has announced. Rejects with the reason of `signal`, and the sender is told; overloaded when too many
   * wait, cancelled when the sender has stopped, shard_unavailable when something was lost.
   */
  receive(sender: string, bytes: number, signal: AbortSignal): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      let transfer: IncomingTransfer | undefined
      let leave: (() => void) | undefined
      const end = (): void => {
        signal.removeEventListener('abort', onAbort)
        transfer?.close()
        if (transfer !== undefined) this.#running.delete(transfer)
        leave?.()
      }
      const fail = (error: unknown): void => {
        end()
        this.#mux.send(sender, { kind: CANCELLED })
        reject(error)
      }
      const onAbort = (): void => fail(signal.reason)
      const start = (): void => {
        transfer = new IncomingTransfer(this.#mux, sender, bytes, {
          fail,
          whole: (payload) => {
            end()
            resolve(payload)
          },
        })
        this.#running.add(transfer)
        transfer.grant()
      }
      if (signal.aborted) return reject(signal.reason)
      signal.addEventListener('abort', onAbort, { once: true })
      leave = this.#admission.enter(peerOf(sender), bytes, start)
      if (leave === undefined) fail(new WeirError('overloaded', 'too many nodes have much to send'))
    })
  }

  /** Call now and then: what has stood still for TRANSPORT_SILENT_CHECKS_MAX calls fails. */
  check(): void {
    for (const transfer of [...this.#running]) transfer.check()
  }

  /** The connection is lost, and pieces with it. */
  interrupt(): void {
    for (const transfer of [...this.#running]) transfer.lose('the connection to NATS was lost')
  }
}

interface TransferListener {
  fail(error: WeirError): void
  whole(payload: Uint8Array): void
}

class IncomingTransfer implements MuxReceiver {
  readonly #mux: NatsMux
  readonly #sender: string
  readonly #payload: Uint8Array
  readonly #listener: TransferListener
  readonly #address: string
  #received = 0
  #granted = 0
  #silentChecks = 0

  constructor(mux: NatsMux, sender: string, bytes: number, listener: TransferListener) {
    this.#mux = mux
    this.#sender = sender
    this.#payload = new Uint8Array(bytes)
    this.#listener = listener
    this.#address = mux.add(this)
  }

  grant(): void {
    const upTo = Math.min(this.#payload.length, this.#received + TRANSPORT_WINDOW_BYTES)
    // Half a window at a time, or every piece would have its answer.
    if (upTo - this.#granted < TRANSPORT_WINDOW_BYTES / 2 && upTo < this.#payload.length) return
    if (upTo === this.#granted) return
    this.#granted = upTo
    this.#mux.send(this.#sender, { kind: GRANTED, position: upTo, from: this.#address })
  }

  receive({ kind, position, payload }: TransportMessage): void {
    if (kind === CANCELLED) this.#listener.fail(new WeirError('cancelled', 'the sender has stopped'))
    else if (kind !== PIECE) return
    else if (position === this.#received && position + payload.length <= this.#granted) this.#add(payload)
    else this.lose('a piece is missing')
  }

  #add(payload: Uint8Array): void {
    this.#payload.set(payload, this.#received)
    this.#received += payload.length
    freeGathered(payload)
    this.#silentChecks = 0
    if (this.#received === this.#payload.length) this.#listener.whole(this.#payload)
    else this.grant()
  }

  nobody(): void {
    this.lose('the sender is gone')
  }

  check(): void {
    if (++this.#silentChecks > TRANSPORT_SILENT_CHECKS_MAX) this.lose('nothing more comes')
  }

  lose(why: string): void {
    const details = { received: this.#received, bytes: this.#payload.length }
    this.#listener.fail(new WeirError('shard_unavailable', `a transfer between nodes was cut off: ${why}`, details))
  }

  close(): void {
    this.#mux.remove(this.#address)
  }
}

import type { MessagePort } from 'node:worker_threads'
import type { WireError } from '../base/errors.ts'
import type { LaneId, Position } from '../base/ids.ts'
import type { JournalMessage, LaneState } from './journal.ts'

/**
 * Messages between the thread that writes the embedded journal and the adapters in the other threads. Measured on two cores: a round
 * trip by MessagePort takes 46 µs (p95 103), by BroadcastChannel 64 (159), by Atomics.waitAsync 63 (164); and only a
 * MessagePort carries buffers without a copy.
 */
export type ToWriter =
  | {
      readonly kind: 'append'
      readonly call: number
      readonly lane: LaneId
      readonly frameId: string
      readonly appendedMs: number
      /** Transferred: the writer owns it. */
      readonly frame: Uint8Array
    }
  | { readonly kind: 'trim'; readonly call: number; readonly lane: LaneId; readonly upTo: number }
  | { readonly kind: 'state'; readonly call: number; readonly lane: LaneId }
  /** The reader has read everything through `after` from the disk and wants what follows handed over. */
  | { readonly kind: 'follow'; readonly reader: number; readonly lane: LaneId; readonly after: number }
  /** Frames of that many bytes have left the reader's queue. */
  | { readonly kind: 'consumed'; readonly reader: number; readonly bytes: number }
  | { readonly kind: 'unfollow'; readonly reader: number }
  /** No message follows; answered once all earlier ones are. */
  | { readonly kind: 'leave'; readonly call: number }

/** From the host to its writer thread alone. */
export type ToWriterHost =
  | { readonly kind: 'adapter'; readonly port: MessagePort }
  | { readonly kind: 'raiseGeneration'; readonly lane: LaneId; readonly generation: number }
  | { readonly kind: 'close' }

export type FromWriterHost =
  | { readonly kind: 'opened'; readonly lanes: readonly LaneBirth[] }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly error: WireError }

/** Identity of a stream (J3). */
export interface LaneBirth {
  readonly creationId: string
  readonly createdMs: number
  readonly generation: number
  readonly lastSequence: number
}

/** All that one commit has to say to one adapter. */
export interface FromWriter {
  readonly answers: readonly WriterAnswer[]
  readonly handed: readonly HandedFrame[]
  /** Readers that must read from the disk again: there is more than was handed to them. */
  readonly wake: readonly number[]
}

export type WriterAnswer =
  | { readonly call: number; readonly position: Position }
  | { readonly call: number; readonly state: LaneState }
  | { readonly call: number; readonly error: WireError }
  | { readonly call: number }

export interface HandedFrame {
  readonly reader: number
  readonly message: JournalMessage
}

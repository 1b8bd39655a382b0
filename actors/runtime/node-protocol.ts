import { WeirError } from '../../base/errors.ts'
import type { Message } from './actor.ts'
import { decodeWire } from './wire-codec.ts'

/** Kinds of the wire. The answer to a question is its value, that to an offer undefined; a tell has none. */
export const TELL = 0
export const ASK = 1
export const OFFER = 2

/** What a node sends to a thread of another; `remainingMs` is how long the sender waits, 0 for a tell. */
export type WireMessage = readonly [
  kind: typeof TELL | typeof ASK | typeof OFFER,
  actor: string,
  remainingMs: number,
  message: Message,
]

/** Throws corrupt_data for what is no message, shard_unavailable for one of another version. */
export function decodeMessage(payload: Uint8Array): WireMessage {
  const wire = decodeWire(payload)
  if (!Array.isArray(wire) || wire.length !== 4) throw malformed()
  const [kind, actor, remainingMs, message] = wire as readonly unknown[]
  const isKnown = kind === TELL || kind === ASK || kind === OFFER
  const isTimed =
    typeof remainingMs === 'number' && (kind === TELL || (remainingMs > 0 && Number.isFinite(remainingMs)))
  if (!isKnown || !isTimed || typeof actor !== 'string' || !isMessage(message)) throw malformed()
  return [kind, actor, remainingMs, message]
}

function isMessage(value: unknown): value is Message {
  return typeof value === 'object' && value !== null && 'kind' in value && typeof value.kind === 'string'
}

function malformed(): WeirError {
  return new WeirError('corrupt_data', 'a message of another node is not one between actors')
}

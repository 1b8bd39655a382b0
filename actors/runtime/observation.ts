import type { ErrorCode } from '../../base/errors.ts'

export type ActorState = 'starting' | 'running' | 'restarting' | 'stopping' | 'stopped' | 'failed'

/** What can be seen of one actor; plain values, so that it crosses threads. */
export interface ActorObservation {
  readonly name: string
  readonly state: ActorState
  readonly mailboxDepth: number
  readonly mailboxMax: number
  /** Senders held back by the overflow policy `wait`. */
  readonly sendersWaiting: number
  /** Questions taken and not answered yet. */
  readonly unanswered: number
  readonly handled: number
  /** Messages the overflow policy dropped or refused. */
  readonly dropped: number
  readonly refused: number
  readonly restarts: number
  /** Time spent in handlers, their awaits included. */
  readonly busyMs: number
  readonly lastError: { readonly code: ErrorCode; readonly message: string; readonly atMs: number } | null
  /** What the actor says of itself. */
  readonly detail: Readonly<Record<string, unknown>>
}

export interface PeerObservation {
  readonly name: string
  /** Questions asked of the peer that it has not answered. */
  readonly asked: number
  /** Questions of the peer that are not answered here. */
  readonly answering: number
  /** Messages sent that the peer's thread has not yet taken in. */
  readonly backlog: number
}

export interface SystemObservation {
  readonly name: string
  readonly actors: readonly ActorObservation[]
  readonly peers: readonly PeerObservation[]
}

import type { AnswerOf, Message, QuestionOf } from './actor.ts'

export interface AskOptions {
  /** Give up after this long, with deadline_exceeded; the handler's signal aborts. */
  readonly deadlineMs: number
  /** Give up when this aborts, with its reason when that is a WeirError, else with cancelled. */
  readonly signal?: AbortSignal
  /** Buffers to move rather than copy when the actor lives on another thread. They are the recipient's from the call on. */
  readonly transfer?: readonly ArrayBuffer[]
}

/** Where an actor can be reached, wherever it lives. Resolved when it is used, so a ref may be made before its actor. */
export interface ActorRef<M extends Message> {
  /** `system/actor`; the part before the last slash names the system. */
  readonly address: string
  /**
   * Sends without waiting; at most once, in order. Throws mailbox_full or actor_stopped when the actor lives on this thread. When it lives on
   * another, these mean that the thread is gone or takes nothing in; what its mailbox refuses is counted and logged there.
   */
  tell(message: M, transfer?: readonly ArrayBuffer[]): void
  /**
   * Sends, resolves with the answer. Rejects with the handler's error as a WeirError, or with mailbox_full, actor_stopped,
   * deadline_exceeded, cancelled.
   */
  ask<K extends QuestionOf<M>['kind']>(
    question: { readonly kind: K } & Extract<M, { readonly kind: K }>,
    options: AskOptions,
  ): Promise<AnswerOf<Extract<M, { readonly kind: K }>>>
  /**
   * Sends, resolves once the message is in the mailbox; with the overflow policy `wait` that is when there is room. Rejects as `ask` does.
   */
  offer(message: M, options: AskOptions): Promise<void>
}

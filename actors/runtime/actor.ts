import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { ActorRef } from './actor-ref.ts'

/** Every message is a plain object that names its kind: commands in the imperative, events in the past tense. */
export interface Message {
  readonly kind: string
}

declare const answer: unique symbol

/**
 * A message that is asked and answered with an `R`. The mark exists in types only:
 * `interface ApplySection extends Question<Applied> { readonly kind: 'applySection', … }`
 */
export interface Question<R> extends Message {
  readonly [answer]?: R
}

/** The members of a message union that can be asked. */
export type QuestionOf<M extends Message> = M extends unknown ? (typeof answer extends keyof M ? M : never) : never

/** What a question is answered with. */
export type AnswerOf<Q> = Q extends { readonly [answer]?: infer R } ? R : never

/**
 * One job with its own state. Its messages are handled one at a time, in the order in which they came; a handler that
 * returns a promise holds the next message back until it settles (see MessageContext.defer for work that must not).
 *
 * What a handler throws: a WeirError while a question is being answered is the answer to that question, and the actor
 * goes on. Anything else means that the actor's state may be wrong: its instance is dropped and made anew by its factory, after
 * a backoff, up to a budget of restarts (see RestartPolicy). The message is not handled again.
 */
export interface Actor<M extends Message> {
  handle(message: M, context: MessageContext): void | Promise<void>
  /** Before the first message of each instance; throwing counts as a failure of the instance. */
  started?(): void | Promise<void>
  /**
   * After the last message of each instance, before a stop and before a restart: release what it holds. Questions that it deferred
   * fail with actor_stopped when this has settled, so answer them or wait for them here.
   */
  stopping?(): void | Promise<void>
  /** State worth seeing, as plain values; called at any time between messages. */
  observe?(): Readonly<Record<string, unknown>>
}

/** What a factory is given to make its actor with. */
export interface ActorContext<M extends Message> {
  readonly name: string
  readonly self: ActorRef<M>
  readonly clock: Clock
  readonly logger: Logger
  /** Another actor, by `actor` of the same system or `system/actor` of an attached one. */
  ref<N extends Message>(address: string): ActorRef<N>
}

/** The side of one message that its handler sees. */
export interface MessageContext {
  /** False when the message was told: answers to it go nowhere. */
  readonly asked: boolean
  /** Aborts when the asker cancelled, gave up at its deadline, or died. */
  readonly signal: AbortSignal
  /** Until the asker gives up; Infinity for a told message. */
  readonly remainingMs: number
  /** Answers the question. Buffers in `transfer` are moved when the asker lives on another thread: do not touch them again. */
  answer<Q extends Message>(question: Q, value: AnswerOf<Q>, transfer?: readonly ArrayBuffer[]): void
  /** Answers with an error. */
  fail(error: unknown): void
  /** Takes the question out of the handler's hands: it may return at once and the answer comes later. */
  defer<Q extends Message>(question: Q): Reply<AnswerOf<Q>>
}

/** A question taken by `defer`. It must be answered; the asker's deadline bounds how long it can be forgotten. */
export interface Reply<R> {
  readonly signal: AbortSignal
  readonly remainingMs: number
  /** False once it was answered or nobody waits any more. */
  readonly isOpen: boolean
  send(value: R, transfer?: readonly ArrayBuffer[]): void
  fail(error: unknown): void
  /** Answers with what `work` resolves to, or with the error it throws. */
  settleWith(work: (signal: AbortSignal) => Promise<R>): void
}

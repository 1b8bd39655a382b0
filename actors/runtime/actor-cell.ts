import { assert } from '../../base/assert.ts'
import type { Clock } from '../../base/clock.ts'
import { Deadline } from '../../base/deadline.ts'
import { asWeirError, WeirError } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import type { Actor, AnswerOf, Message, MessageContext, Reply } from './actor.ts'
import type { OpenReply } from './ask.ts'
import { type Letter, Mailbox, type OverflowPolicy } from './mailbox.ts'
import type { ActorObservation, ActorState } from './observation.ts'
import { type RestartPolicy, Supervisor } from './supervisor.ts'
import type { TurnBudget } from './turn-budget.ts'

const NEVER_ABORTED = new AbortController().signal

export interface CellParts<M extends Message> {
  readonly name: string
  readonly address: string
  readonly clock: Clock
  readonly logger: Logger
  readonly turn: TurnBudget
  readonly mailboxMax: number
  readonly overflow: OverflowPolicy
  readonly restart: RestartPolicy
  readonly make: () => Actor<M>
  /** The restart budget is spent; the cell has stopped. */
  readonly escalate: (error: WeirError) => void
}

/**
 * Runs one actor for as long as it is spawned: makes its instances, hands them one message at a time, restarts them as
 * the supervisor says, drains and stops them. Everything happens in one loop, so at no time are two handlers of an actor running.
 */
export class ActorCell<M extends Message> {
  readonly #parts: CellParts<M>
  readonly #mailbox: Mailbox<M>
  readonly #supervisor: Supervisor
  /** Questions in the handler's hands, failed when its instance goes. */
  readonly #open = new Set<OpenReply<unknown>>()
  readonly #ended: Promise<void>
  #actor: Actor<M> | undefined
  #state: ActorState = 'starting'
  #wake: (() => void) | undefined
  /** Set by stop(); wakes a loop that sleeps between restarts. */
  readonly #stop = new AbortController()
  #stopDeadline: Deadline | undefined
  #handled = 0
  #busyMs = 0
  #lastError: ActorObservation['lastError'] = null

  constructor(parts: CellParts<M>) {
    this.#parts = parts
    this.#mailbox = new Mailbox(parts.address, parts.mailboxMax, parts.overflow)
    this.#supervisor = new Supervisor(parts.clock, parts.restart)
    this.#ended = this.#run()
  }

  /** Puts a letter into the mailbox. Returns the error of a tell that was refused. */
  post(letter: Letter<M>): WeirError | undefined {
    if (this.#state === 'stopped' || this.#state === 'failed' || this.#stop.signal.aborted) {
      const error = this.#stoppedError()
      letter.reply?.fail(error)
      letter.entered?.fail(error)
      return letter.reply || letter.entered ? undefined : error
    }
    const refused = this.#mailbox.post(letter)
    this.#wake?.()
    return refused
  }

  /**
   * Takes no more messages, handles those in the mailbox, lets the actor release what it holds. Resolves when that is done or `drainMs`
   * have passed; what is unanswered then fails with actor_stopped.
   */
  async stop(drainMs: number): Promise<void> {
    const { clock, logger, name } = this.#parts
    if (!this.#stop.signal.aborted) {
      this.#stopDeadline = new Deadline(clock, drainMs)
      this.#stop.abort()
      this.#wake?.()
    }
    const late = new AbortController()
    const gaveUp = clock.sleep(drainMs, late.signal).then(
      () => true,
      () => false,
    )
    const isLate = await Promise.race([gaveUp, this.#ended.then(() => false)])
    late.abort()
    if (isLate) {
      logger.warn('actor did not stop in time', { actor: name, drainMs })
      this.#end('stopped')
    }
  }

  observe(): ActorObservation {
    const { name, mailboxMax } = this.#parts
    return {
      name,
      state: this.#state,
      mailboxDepth: this.#mailbox.depth,
      mailboxMax,
      sendersWaiting: this.#mailbox.waiting,
      unanswered: this.#open.size,
      handled: this.#handled,
      dropped: this.#mailbox.dropped,
      refused: this.#mailbox.refused,
      restarts: this.#supervisor.restarts,
      busyMs: this.#busyMs,
      lastError: this.#lastError,
      detail: this.#actor?.observe?.() ?? {},
    }
  }

  /** What `defer` gives for a message that was told: nobody waits, but an error is not lost. */
  readonly #nobody: Reply<unknown> = {
    signal: NEVER_ABORTED,
    remainingMs: Number.POSITIVE_INFINITY,
    isOpen: false,
    send() {},
    fail: (error) => this.#noteFailedTell(error),
    settleWith: (work) => void work(NEVER_ABORTED).catch((error) => this.#noteFailedTell(error)),
  }

  #noteFailedTell(error: unknown): void {
    this.#noteError(error)
    this.#parts.logger.error('work that nobody waits for failed', { actor: this.#parts.name, error })
  }

  async #run(): Promise<void> {
    // The factory runs in a later microtask, when spawn has returned the ref.
    await undefined
    // Once even when it was stopped already: what came before the stop is handled.
    do {
      try {
        this.#actor = this.#parts.make()
        const starting = this.#actor.started?.()
        if (starting !== undefined) await starting
        this.#state = 'running'
        await this.#handleMessages(this.#actor)
      } catch (error) {
        await this.#release()
        if (!(await this.#maySurvive(error))) return
      }
    } while (!this.#stop.signal.aborted)
    await this.#release()
    this.#end('stopped')
  }

  /** Returns when the cell is to stop and the mailbox is empty or the time for it is over; throws what the actor must not survive. */
  async #handleMessages(actor: Actor<M>): Promise<void> {
    const { clock, turn } = this.#parts
    for (;;) {
      const letter = this.#mailbox.shift()
      if (letter === undefined) {
        if (this.#stop.signal.aborted) return
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
        this.#wake = undefined
        continue
      }
      if (letter.reply?.isOpen === false) continue
      const beganMs = clock.monotonicMs()
      try {
        const handling = this.#handle(actor, letter)
        if (handling !== undefined) await handling
      } finally {
        const nowMs = clock.monotonicMs()
        this.#handled++
        this.#busyMs += nowMs - beganMs
        if (turn.isSpent(nowMs)) await clock.yieldTurn()
      }
      if (this.#stopDeadline?.passed) return
    }
  }

  #handle(actor: Actor<M>, letter: Letter<M>): void | Promise<void> {
    const context = new LetterContext(letter.reply, this.#nobody)
    if (letter.reply) this.#track(letter.reply)
    let handling: void | Promise<void>
    try {
      handling = actor.handle(letter.message, context)
    } catch (error) {
      this.#handlerThrew(error, letter, context)
      return
    }
    if (handling === undefined) {
      this.#handlerReturned(letter, context)
      return
    }
    return handling.then(
      () => this.#handlerReturned(letter, context),
      (error) => this.#handlerThrew(error, letter, context),
    )
  }

  #handlerReturned(letter: Letter<M>, context: LetterContext): void {
    if (letter.reply?.isOpen && !context.isDeferred) {
      const error = new WeirError('internal', `${this.#parts.address} left ${letter.message.kind} unanswered`)
      letter.reply.fail(error)
      assert(false, error.message)
    }
  }

  #handlerThrew(error: unknown, letter: Letter<M>, context: LetterContext): void {
    // The asker is told; the actor survives it, unless the error is one that nobody foresaw.
    const isAnswer = error instanceof WeirError && letter.reply !== undefined && !context.isDeferred
    letter.reply?.fail(error)
    if (!isAnswer) throw error
  }

  #track(reply: OpenReply<unknown>): void {
    this.#open.add(reply)
    reply.onClose = () => this.#open.delete(reply)
  }

  async #release(): Promise<void> {
    const { logger, name } = this.#parts
    const actor = this.#actor
    if (this.#stop.signal.aborted) this.#state = 'stopping'
    this.#actor = undefined
    try {
      await actor?.stopping?.()
    } catch (error) {
      this.#noteError(error)
      logger.error('actor failed while it stopped', { actor: name, error })
    }
    const error = this.#stoppedError()
    for (const reply of [...this.#open]) reply.fail(error)
  }

  /** After a failure: waits and returns true when the actor is to be made anew, else ends the cell. */
  async #maySurvive(error: unknown): Promise<boolean> {
    const { clock, logger, name, escalate } = this.#parts
    this.#noteError(error)
    if (this.#stop.signal.aborted) {
      logger.error('actor failed while it drained', { actor: name, error })
      this.#end('stopped')
      return false
    }
    const waitMs = this.#supervisor.afterFailure()
    if (waitMs === 'escalate') {
      logger.fatal('actor failed too often', { actor: name, restarts: this.#supervisor.restarts, error })
      this.#end('failed')
      escalate(asWeirError(error))
      return false
    }
    this.#state = 'restarting'
    logger.error('actor failed and restarts', { actor: name, restarts: this.#supervisor.restarts, waitMs, error })
    // Rejects only when stop() cuts the wait short, which the loop sees by itself.
    await clock.sleep(waitMs, this.#stop.signal).catch(() => undefined)
    return true
  }

  #end(state: 'stopped' | 'failed'): void {
    if (this.#state === 'stopped' || this.#state === 'failed') return
    this.#state = state
    const error = this.#stoppedError()
    this.#mailbox.failAll(error)
    for (const reply of [...this.#open]) reply.fail(error)
  }

  #stoppedError(): WeirError {
    return new WeirError('actor_stopped', `${this.#parts.address} has stopped`)
  }

  #noteError(error: unknown): void {
    const { code, message } = asWeirError(error)
    this.#lastError = { code, message, atMs: this.#parts.clock.nowMs() }
  }
}

/** The handler's view of one letter. */
class LetterContext implements MessageContext {
  readonly #reply: OpenReply<unknown> | undefined
  readonly #nobody: Reply<unknown>
  isDeferred = false

  constructor(reply: OpenReply<unknown> | undefined, nobody: Reply<unknown>) {
    this.#reply = reply
    this.#nobody = nobody
  }

  get asked(): boolean {
    return this.#reply !== undefined
  }

  get signal(): AbortSignal {
    return this.#reply?.signal ?? NEVER_ABORTED
  }

  get remainingMs(): number {
    return this.#reply?.remainingMs ?? Number.POSITIVE_INFINITY
  }

  answer<Q extends Message>(_question: Q, value: AnswerOf<Q>, transfer?: readonly ArrayBuffer[]): void {
    this.#reply?.send(value, transfer)
  }

  fail(error: unknown): void {
    this.#reply?.fail(error)
  }

  defer<Q extends Message>(_question: Q): Reply<AnswerOf<Q>> {
    this.isDeferred = true
    return (this.#reply ?? this.#nobody) as unknown as Reply<AnswerOf<Q>>
  }
}

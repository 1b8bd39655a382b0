import type { MessagePort } from 'node:worker_threads'
import { assert } from '../../base/assert.ts'
import type { Clock } from '../../base/clock.ts'
import { WeirError } from '../../base/errors.ts'
import { SLICE_MAX_MS } from '../../base/limits.ts'
import type { Logger } from '../../base/logger.ts'
import type { Actor, ActorContext, AnswerOf, Message } from './actor.ts'
import { ActorCell } from './actor-cell.ts'
import type { ActorRef, AskOptions } from './actor-ref.ts'
import { cancellation, OpenReply, PendingAsk } from './ask.ts'
import type { Letter, OverflowPolicy } from './mailbox.ts'
import type { SystemObservation } from './observation.ts'
import { PeerLink } from './peer-link.ts'
import { RESTART_DEFAULT, type RestartPolicy } from './supervisor.ts'
import { TurnBudget } from './turn-budget.ts'

/** Actors run for half of a slice before I/O gets its turn: the handler that crosses the line has the other half. */
const TURN_MS = SLICE_MAX_MS / 2

export interface SpawnOptions {
  /** Messages that may wait. */
  readonly mailboxMax: number
  /** Default `reject`. */
  readonly overflow?: OverflowPolicy
  readonly restart?: RestartPolicy
}

/** An actor failed more often than its budget of restarts allows; it has stopped. */
export interface Escalation {
  readonly actor: string
  readonly error: WeirError
}

export interface SystemParts {
  /** Names this thread in addresses; unique among attached systems; no `/`. */
  readonly name: string
  readonly clock: Clock
  readonly logger: Logger
  readonly onEscalate: (escalation: Escalation) => void
}

/**
 * The actors of one thread, and the way to those of the threads attached to it. Refs are resolved when they are used: `actor` or
 * `system/actor` name an actor here or one link away.
 */
export class ActorSystem {
  readonly name: string
  readonly #parts: SystemParts
  readonly #logger: Logger
  readonly #turn: TurnBudget
  /** In order of their spawning. */
  readonly #cells = new Map<string, ActorCell<Message>>()
  readonly #links = new Map<string, PeerLink>()
  #isStopping = false

  constructor(parts: SystemParts) {
    assert(parts.name !== '' && !parts.name.includes('/'), 'a system has a name of one part')
    this.name = parts.name
    this.#parts = parts
    this.#logger = parts.logger.child('actors')
    this.#turn = new TurnBudget(parts.clock, TURN_MS)
  }

  /** Starts an actor. `make` is called for the first instance and for each restart. */
  spawn<M extends Message>(
    name: string,
    make: (context: ActorContext<M>) => Actor<M>,
    options: SpawnOptions,
  ): ActorRef<M> {
    assert(name !== '' && !name.includes('/'), 'an actor has a name of one part')
    assert(!this.#cells.has(name), `no other actor is named ${name}`)
    if (this.#isStopping) throw new WeirError('actor_stopped', `${this.name} is stopping`)
    const self = this.ref<M>(name)
    const context: ActorContext<M> = {
      name,
      self,
      clock: this.#parts.clock,
      logger: this.#parts.logger.child(name),
      ref: (address) => this.ref(address),
    }
    const cell = new ActorCell<M>({
      name,
      address: self.address,
      clock: this.#parts.clock,
      logger: this.#logger,
      turn: this.#turn,
      mailboxMax: options.mailboxMax,
      overflow: options.overflow ?? 'reject',
      restart: options.restart ?? RESTART_DEFAULT,
      make: () => make(context),
      escalate: (error) => this.#parts.onEscalate({ actor: self.address, error }),
    })
    this.#cells.set(name, cell as unknown as ActorCell<Message>)
    return self
  }

  ref<M extends Message>(address: string): ActorRef<M> {
    const slash = address.lastIndexOf('/')
    const system = slash < 0 ? this.name : address.slice(0, slash)
    const actor = address.slice(slash + 1)
    assert(system !== '' && actor !== '', `${address} names an actor`)
    return system === this.name
      ? new LocalRef<M>(`${system}/${actor}`, this.#parts.clock, (letter) =>
          this.#receive(actor, letter as Letter<Message>),
        )
      : new PeerRef<M>(`${system}/${actor}`, actor, () => this.#link(system))
  }

  /**
   * Connects the actor system `peer` of another thread; `port` is one end of a channel whose other end that system attaches. Replaces the
   * link to a peer of the same name that died.
   */
  attach(peer: string, port: MessagePort): void {
    assert(peer !== this.name, 'a system is not its own peer')
    this.#links.get(peer)?.close()
    const link: PeerLink = new PeerLink({
      peer,
      port,
      clock: this.#parts.clock,
      logger: this.#logger,
      receive: (actor, letter) => this.#receive(actor, letter),
      onClose: () => {
        if (this.#links.get(peer) === link) this.#links.delete(peer)
      },
    })
    this.#links.set(peer, link)
  }

  /** Drains and stops one actor; its name is free afterwards. */
  async stopActor(name: string, drainMs: number): Promise<void> {
    const cell = this.#cells.get(name)
    if (!cell) return
    await cell.stop(drainMs)
    if (this.#cells.get(name) === cell) this.#cells.delete(name)
  }

  /**
   * Drains and stops the actors, the last spawned first, each within what is left of `drainDeadlineMs`; then ends the links. Never rejects:
   * what did not finish in time is logged.
   */
  async stop(drainDeadlineMs: number): Promise<void> {
    const { clock } = this.#parts
    const endsMs = clock.monotonicMs() + drainDeadlineMs
    this.#isStopping = true
    for (const name of [...this.#cells.keys()].reverse()) {
      await this.stopActor(name, Math.max(0, endsMs - clock.monotonicMs()))
    }
    for (const link of [...this.#links.values()]) link.close()
  }

  observe(): SystemObservation {
    return {
      name: this.name,
      actors: [...this.#cells.values()].map((cell) => cell.observe()),
      peers: [...this.#links.values()].map((link) => link.observe()),
    }
  }

  #receive(actor: string, letter: Letter<Message>): WeirError | undefined {
    const cell = this.#cells.get(actor)
    if (cell) return cell.post(letter)
    const error = new WeirError('actor_stopped', `there is no actor ${this.name}/${actor}`)
    letter.reply?.fail(error)
    letter.entered?.fail(error)
    return letter.reply || letter.entered ? undefined : error
  }

  #link(peer: string): PeerLink {
    const link = this.#links.get(peer)
    if (!link) throw new WeirError('actor_stopped', `${peer} is not attached to ${this.name}`)
    return link
  }
}

/** An actor of the same thread: messages are passed as they are, so neither side may change them afterwards. */
class LocalRef<M extends Message> implements ActorRef<M> {
  readonly address: string
  readonly #clock: Clock
  readonly #post: (letter: Letter<M>) => WeirError | undefined

  constructor(address: string, clock: Clock, post: (letter: Letter<M>) => WeirError | undefined) {
    this.address = address
    this.#clock = clock
    this.#post = post
  }

  tell(message: M): void {
    const refused = this.#post({ message })
    if (refused) throw refused
  }

  ask<Q extends M>(question: Q, options: AskOptions): Promise<AnswerOf<Q>> {
    return this.#request<AnswerOf<Q>>(options, (reply) => this.#post({ message: question, reply }))
  }

  offer(message: M, options: AskOptions): Promise<void> {
    return this.#request<undefined>(options, (entered) =>
      this.#post({ message, entered: entered as OpenReply<undefined> }),
    )
  }

  #request<R>(options: AskOptions, post: (reply: OpenReply<unknown>) => void): Promise<R> {
    if (options.signal?.aborted) return Promise.reject(cancellation(options.signal))
    const pending = new PendingAsk<R>(this.#clock, this.address, options, (error) => reply.cancel(error))
    const reply = new OpenReply<R>(this.#clock, options.deadlineMs, (error, value) => pending.settle(error, value))
    post(reply as OpenReply<unknown>)
    return pending.promise
  }
}

/** An actor of an attached system. */
class PeerRef<M extends Message> implements ActorRef<M> {
  readonly address: string
  readonly #actor: string
  readonly #link: () => PeerLink

  constructor(address: string, actor: string, link: () => PeerLink) {
    this.address = address
    this.#actor = actor
    this.#link = link
  }

  tell(message: M, transfer?: readonly ArrayBuffer[]): void {
    this.#link().tell(this.#actor, message, transfer)
  }

  async ask<Q extends M>(question: Q, options: AskOptions): Promise<AnswerOf<Q>> {
    if (options.signal?.aborted) throw cancellation(options.signal)
    return (await this.#link().ask(this.#actor, question, options)) as AnswerOf<Q>
  }

  async offer(message: M, options: AskOptions): Promise<void> {
    if (options.signal?.aborted) throw cancellation(options.signal)
    await this.#link().offer(this.#actor, message, options)
  }
}

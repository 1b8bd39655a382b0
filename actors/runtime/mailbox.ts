import { BoundedQueue } from '../../base/bounded-queue.ts'
import { WeirError } from '../../base/errors.ts'
import type { Message } from './actor.ts'
import type { OpenReply } from './ask.ts'

/**
 * What happens to a message that meets a full mailbox:
 * `reject`: it is refused with mailbox_full; `dropOldest`: it takes the place of the oldest one, `dropNewest`: it is dropped itself (dropped
 * questions fail with mailbox_full, dropped tells are counted); `wait`: its sender waits, as long as no more than
 * `max` do, and messages keep their order.
 */
export type OverflowPolicy = 'reject' | 'dropOldest' | 'dropNewest' | 'wait'

/** A message on its way to a handler. */
export interface Letter<M extends Message> {
  readonly message: M
  /** Settled by the handler's answer; undefined for a message that was told or offered. */
  readonly reply?: OpenReply<unknown> | undefined
  /** Settled when the message is in the mailbox; only for one that was offered. */
  readonly entered?: OpenReply<undefined> | undefined
}

/** The bounded queue before an actor. */
export class Mailbox<M extends Message> {
  readonly #address: string
  readonly #overflow: OverflowPolicy
  readonly #letters: BoundedQueue<Letter<M>>
  readonly #waiting: BoundedQueue<Letter<M>>
  #dropped = 0
  #refused = 0

  constructor(address: string, max: number, overflow: OverflowPolicy) {
    this.#address = address
    this.#overflow = overflow
    this.#letters = new BoundedQueue(max)
    this.#waiting = new BoundedQueue(max)
  }

  get depth(): number {
    return this.#letters.length
  }

  /** Senders held back by `wait`. */
  get waiting(): number {
    return this.#waiting.length
  }

  get dropped(): number {
    return this.#dropped
  }

  get refused(): number {
    return this.#refused
  }

  /** Puts a letter in, or does with it what the policy says. Returns the error of a refused tell, which has nobody else to learn it. */
  post(letter: Letter<M>): WeirError | undefined {
    if (this.#letters.push(letter)) {
      letter.entered?.send(undefined)
      return undefined
    }
    switch (this.#overflow) {
      case 'reject':
        return this.#refuse(letter)
      case 'dropNewest':
        this.#drop(letter)
        return undefined
      case 'dropOldest': {
        this.#drop(this.#letters.shift() as Letter<M>)
        this.#letters.push(letter)
        letter.entered?.send(undefined)
        return undefined
      }
      case 'wait':
        return this.#waiting.push(letter) ? undefined : this.#refuse(letter)
    }
  }

  /** The next letter to handle. */
  shift(): Letter<M> | undefined {
    const letter = this.#letters.shift()
    while (this.#waiting.length > 0 && !this.#letters.isFull) {
      const next = this.#waiting.shift() as Letter<M>
      // One whose sender gave up while it waited never enters.
      if ((next.reply ?? next.entered)?.isOpen === false) continue
      this.#letters.push(next)
      next.entered?.send(undefined)
    }
    return letter
  }

  /** Takes everything out and fails it. */
  failAll(error: WeirError): void {
    for (const letter of [...this.#letters.drain(), ...this.#waiting.drain()]) {
      letter.reply?.fail(error)
      letter.entered?.fail(error)
    }
  }

  #drop(letter: Letter<M>): void {
    this.#dropped++
    this.#tellSender(letter)
  }

  #refuse(letter: Letter<M>): WeirError | undefined {
    this.#refused++
    return this.#tellSender(letter)
  }

  #tellSender(letter: Letter<M>): WeirError | undefined {
    const error = new WeirError('mailbox_full', `${this.#address} has as many messages waiting as it may`)
    letter.reply?.fail(error)
    letter.entered?.fail(error)
    return letter.reply || letter.entered ? undefined : error
  }
}

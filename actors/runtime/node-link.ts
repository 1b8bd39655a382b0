import { assert } from '../../base/assert.ts'
import { asWeirError, WeirError } from '../../base/errors.ts'
import { NODE_ASKED_BYTES_MAX, NODE_ASKS_MAX } from '../../base/limits.ts'
import { actorsSubject } from '../../cluster/subjects.ts'
import type { Transport } from '../../cluster/transport.ts'
import type { AnswerOf, Message } from './actor.ts'
import type { ActorRef, AskOptions } from './actor-ref.ts'
import { cancellation } from './ask.ts'
import { ASK, OFFER, TELL, type WireMessage } from './node-protocol.ts'
import { decodeWire, encodeWire } from './wire-codec.ts'

/** Where an actor of another node lives. */
export interface RemoteAddress {
  readonly node: string
  /** Name of the thread's actor system. */
  readonly thread: string
  readonly actor: string
}

export interface NodeLinkParts {
  readonly transport: Transport
  readonly cluster: string
  /** Of one node, at the same time: questions without an answer, and their bytes. */
  readonly asksMax?: number
  readonly askedBytesMax?: number
}

/** What can be seen of the way to one node. */
export interface NodeObservation {
  readonly node: string
  readonly asked: number
  readonly askedBytes: number
}

/** The questions that one node has not answered. */
interface Waiting {
  readonly asks: Set<AbortController>
  bytes: number
}

/**
 * The way from this thread to the actors of other nodes that those nodes serve (node-server.ts). It holds no state of the other side but the
 * questions that wait for an answer, so a node that comes back needs no greeting: what was asked of its former life
 * fails, what is asked from now on reaches the new one.
 */
export class NodeLink {
  readonly #parts: NodeLinkParts
  /** By node; only those with questions waiting. */
  readonly #waiting = new Map<string, Waiting>()

  constructor(parts: NodeLinkParts) {
    this.#parts = parts
  }

  /**
   * A ref like any other, but for these. Messages and answers are encoded (wire-codec.ts), so `transfer` means nothing and buffers stay the
   * sender's. A tell is lost when nobody is there. A question needs a finite deadline; it fails with shard_unavailable when the node does not
   * answer to its name or was declared lost, overloaded when as much is being asked of that node as may, result_too_large when it or
   * its answer is larger than NODE_MESSAGE_BYTES_MAX, not_found when the actor is not open to other nodes.
   */
  ref<M extends Message>(to: RemoteAddress): ActorRef<M> {
    return new NodeRef<M>(this, to)
  }

  tell(to: RemoteAddress, message: Message): void {
    this.#parts.transport.publish(this.#subject(to), encodeWire([TELL, to.actor, 0, message] satisfies WireMessage))
  }

  async request(kind: typeof ASK | typeof OFFER, to: RemoteAddress, message: Message, options: AskOptions) {
    const { deadlineMs, signal } = options
    assert(deadlineMs > 0 && Number.isFinite(deadlineMs), 'a question to another node is given finite time')
    if (signal?.aborted) throw cancellation(signal)
    const payload = encodeWire([kind, to.actor, deadlineMs, message] satisfies WireMessage)
    const giveUp = new AbortController()
    const onAbort = () => giveUp.abort(signal && cancellation(signal))
    const done = this.#admit(to.node, payload.length, giveUp)
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      const answer = await this.#parts.transport.request(this.#subject(to), payload, {
        deadlineMs,
        signal: giveUp.signal,
      })
      return decodeWire(answer)
    } catch (error) {
      throw asWeirError(error)
    } finally {
      signal?.removeEventListener('abort', onAbort)
      done()
    }
  }

  /** The node is known to be gone: what was asked of it fails now with shard_unavailable, not at its deadline. */
  lost(node: string): void {
    const error = new WeirError('shard_unavailable', `node ${node} is gone`, { node })
    for (const ask of this.#waiting.get(node)?.asks ?? []) ask.abort(error)
  }

  observe(): readonly NodeObservation[] {
    return [...this.#waiting].map(([node, { asks, bytes }]) => ({ node, asked: asks.size, askedBytes: bytes }))
  }

  /** Counts a question among those of its node; the caller runs what this returns when it is over. Throws overloaded. */
  #admit(node: string, bytes: number, ask: AbortController): () => void {
    const { asksMax = NODE_ASKS_MAX, askedBytesMax = NODE_ASKED_BYTES_MAX } = this.#parts
    const waiting = this.#waiting.get(node) ?? { asks: new Set(), bytes: 0 }
    if (waiting.asks.size >= asksMax || waiting.bytes + bytes > askedBytesMax) {
      const details = { node, asked: waiting.asks.size, askedBytes: waiting.bytes, bytes }
      throw new WeirError('overloaded', `as much is being asked of node ${node} as may`, details)
    }
    this.#waiting.set(node, waiting)
    waiting.asks.add(ask)
    waiting.bytes += bytes
    return () => {
      waiting.asks.delete(ask)
      waiting.bytes -= bytes
      if (waiting.asks.size === 0) this.#waiting.delete(node)
    }
  }

  #subject({ node, thread }: RemoteAddress): string {
    return actorsSubject(this.#parts.cluster, node, thread)
  }
}

class NodeRef<M extends Message> implements ActorRef<M> {
  readonly address: string
  readonly #link: NodeLink
  readonly #to: RemoteAddress

  constructor(link: NodeLink, to: RemoteAddress) {
    this.address = `${to.node}/${to.thread}/${to.actor}`
    this.#link = link
    this.#to = to
  }

  tell(message: M): void {
    this.#link.tell(this.#to, message)
  }

  async ask<Q extends M>(question: Q, options: AskOptions): Promise<AnswerOf<Q>> {
    return (await this.#link.request(ASK, this.#to, question, options)) as AnswerOf<Q>
  }

  async offer(message: M, options: AskOptions): Promise<void> {
    await this.#link.request(OFFER, this.#to, message, options)
  }
}

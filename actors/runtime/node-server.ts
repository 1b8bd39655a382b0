import { WeirError } from '../../base/errors.ts'
import { NODE_ANSWERING_MAX } from '../../base/limits.ts'
import type { Logger } from '../../base/logger.ts'
import { actorsSubject } from '../../cluster/subjects.ts'
import type { Transport } from '../../cluster/transport.ts'
import type { Message } from './actor.ts'
import type { AskOptions } from './actor-ref.ts'
import type { ActorSystem } from './actor-system.ts'
import { ASK, decodeMessage, TELL, type WireMessage } from './node-protocol.ts'
import { encodeWire } from './wire-codec.ts'

/** Kinds of messages that an actor takes from other nodes; every other one is refused before it gets to the actor. */
export interface OpenTo {
  readonly asked: readonly string[]
  readonly told: readonly string[]
}

export interface ServeOptions {
  readonly cluster: string
  /** This node. */
  readonly node: string
  /** Actors that other nodes may speak to, by name; no other can be reached from outside. */
  readonly open: Readonly<Record<string, OpenTo>>
  readonly logger: Logger
  /** Questions of other nodes that may be without an answer at the same time. */
  readonly answeringMax?: number
}

export interface ServedActors {
  /** Questions of other nodes that are not answered yet. */
  readonly answering: number
  /** Takes no more messages; what was taken is answered. */
  close(): void
}

/** Timers hold no longer time. */
const DEADLINE_MAX_MS = 2 ** 31 - 1

/**
 * Lets other nodes speak to actors of `system`, under the name of its thread, over `transport`. Call it once the actors are spawned. A message to
 * an actor that is not open, or of a kind that is not, is refused with not_found; an asker that gives up aborts the handler's signal.
 */
export function serveActors(system: ActorSystem, transport: Transport, options: ServeOptions): ServedActors {
  const server = new NodeServer(system, options)
  const subject = actorsSubject(options.cluster, options.node, system.name)
  const end = transport.subscribe(subject, (payload, signal) => server.handle(payload, signal))
  return {
    get answering() {
      return server.answering
    },
    close: end,
  }
}

class NodeServer {
  readonly #system: ActorSystem
  readonly #options: ServeOptions
  readonly #open: ReadonlyMap<string, { readonly asked: ReadonlySet<string>; readonly told: ReadonlySet<string> }>
  answering = 0

  constructor(system: ActorSystem, options: ServeOptions) {
    this.#system = system
    this.#options = options
    this.#open = new Map(
      Object.entries(options.open).map(([actor, { asked, told }]) => [
        actor,
        { asked: new Set(asked), told: new Set(told) },
      ]),
    )
  }

  /** What is thrown goes back to an asker. A tell has nobody to go back to: it is logged. */
  async handle(payload: Uint8Array, signal: AbortSignal): Promise<Uint8Array | undefined> {
    let wire: WireMessage | undefined
    try {
      wire = decodeMessage(payload)
      this.#checkOpen(wire)
      if (wire[0] !== TELL) return await this.#answer(wire, signal)
      this.#system.ref(wire[1]).tell(wire[3])
    } catch (error) {
      if (wire !== undefined && wire[0] !== TELL) throw error
      this.#options.logger.warn('a message of another node was refused', { actor: wire?.[1] ?? null, error })
      if (wire === undefined) throw error
    }
    return undefined
  }

  async #answer([kind, actor, remainingMs, message]: WireMessage, signal: AbortSignal): Promise<Uint8Array> {
    const { answeringMax = NODE_ANSWERING_MAX, node } = this.#options
    if (this.answering >= answeringMax) {
      const details = { node, answering: this.answering }
      throw new WeirError('overloaded', `node ${node} answers as many questions of other nodes as it may`, details)
    }
    const ref = this.#system.ref<Message>(actor)
    const limits: AskOptions = { deadlineMs: Math.min(remainingMs, DEADLINE_MAX_MS), signal }
    this.answering++
    try {
      if (kind !== ASK) return encodeWire(await ref.offer(message, limits))
      return encodeWire(await (ref as AnyRef).ask(message, limits))
    } finally {
      this.answering--
    }
  }

  #checkOpen([kind, actor, , message]: WireMessage): void {
    const open = this.#open.get(actor)
    if (kind === ASK ? open?.asked.has(message.kind) : open?.told.has(message.kind)) return
    const { node } = this.#options
    const what = open === undefined ? 'it' : `${message.kind} messages of it`
    throw new WeirError(
      'not_found',
      `${node}/${this.#system.name}/${actor}: ${what} cannot be reached from other nodes`,
    )
  }
}

/** Whether a message is a question of its actor, the allow-list says. */
interface AnyRef {
  ask(message: Message, options: AskOptions): Promise<unknown>
}

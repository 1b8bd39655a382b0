import type { Metrics } from '../base/metrics.ts'
import type { ThreadMessage } from './messages/control.ts'
import type { Actor, MessageContext } from './runtime/actor.ts'

/** One a thread: answers for what belongs to the thread as a whole. */
export class ThreadKeeper implements Actor<ThreadMessage> {
  readonly #metrics: Metrics
  readonly #stopAdmitting: () => void
  readonly #closeSockets: (withinMs: number) => Promise<void>

  constructor(
    metrics: Metrics,
    stopAdmitting: () => void = () => undefined,
    closeSockets: (withinMs: number) => Promise<void> = async () => undefined,
  ) {
    this.#metrics = metrics
    this.#stopAdmitting = stopAdmitting
    this.#closeSockets = closeSockets
  }

  async handle(message: ThreadMessage, context: MessageContext): Promise<void> {
    switch (message.kind) {
      case 'takeSnapshot':
        context.answer(message, this.#metrics.snapshot())
        return
      case 'stopAdmitting':
        this.#stopAdmitting()
        context.answer(message, undefined)
        return
      case 'closeSockets':
        await this.#closeSockets(message.withinMs)
        context.answer(message, undefined)
    }
  }
}

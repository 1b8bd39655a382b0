import type { TenantId } from '../base/ids.ts'
import type { TailCensusMessage } from './messages/tail.ts'
import type { Actor, MessageContext } from './runtime/actor.ts'

/** Counts the live tails of each tenant on this node, whichever worker has them. One a node, on the main thread. */
export class TailCensus implements Actor<TailCensusMessage> {
  readonly #tailsPerTenant: number
  readonly #counts = new Map<TenantId, number>()

  constructor(tailsPerTenant: number) {
    this.#tailsPerTenant = tailsPerTenant
  }

  handle(message: TailCensusMessage, context: MessageContext): void {
    const { tenant } = message
    const count = this.#counts.get(tenant) ?? 0
    switch (message.kind) {
      case 'admitTail': {
        const isAdmitted = count < this.#tailsPerTenant
        if (isAdmitted) this.#counts.set(tenant, count + 1)
        context.answer(message, { isAdmitted })
        return
      }
      case 'releaseTail':
        if (count > 1) this.#counts.set(tenant, count - 1)
        else this.#counts.delete(tenant)
    }
  }

  observe(): Readonly<Record<string, unknown>> {
    return { tenants: this.#counts.size, tails: [...this.#counts.values()].reduce((sum, count) => sum + count, 0) }
  }
}

import type { Actor, Question } from '../../../../actors/runtime/actor.ts'
import { ActorSystem } from '../../../../actors/runtime/actor-system.ts'
import { hostWorker } from '../../../../actors/runtime/worker-host.ts'
import { systemClock } from '../../../../base/clock.ts'
import { WeirError } from '../../../../base/errors.ts'
import { silentLogger } from '../../../../base/logger.ts'

/** A worker thread for tests: one actor `echo` that moves buffers back, forwards to other workers, refuses, hangs and dies. */

interface Mirror extends Question<Uint8Array> {
  readonly kind: 'mirror'
  readonly bytes: Uint8Array
}
interface Forward extends Question<string> {
  readonly kind: 'forward'
  readonly to: string
}
interface WhoAreYou extends Question<string> {
  readonly kind: 'whoAreYou'
}
interface Refuse extends Question<never> {
  readonly kind: 'refuse'
}
interface Hang extends Question<never> {
  readonly kind: 'hang'
}
interface CancelledCount extends Question<number> {
  readonly kind: 'cancelledCount'
}
interface AnswerBadly extends Question<unknown> {
  readonly kind: 'answerBadly'
}
interface Die {
  readonly kind: 'die'
}
export type EchoMessage = Mirror | Forward | WhoAreYou | Refuse | Hang | CancelledCount | AnswerBadly | Die

export interface EchoData {
  readonly failWith?: string
  readonly neverReady?: boolean
  readonly throwLater?: boolean
  readonly ignoreStop?: boolean
}

await hostWorker(async ({ name, data, connect }) => {
  const { failWith, neverReady, throwLater, ignoreStop } = data as EchoData
  const never = new Promise<never>(() => {})
  if (failWith) throw new WeirError('storage_unavailable', failWith)
  if (neverReady) await never
  const system = new ActorSystem({ name, clock: systemClock, logger: silentLogger, onEscalate() {} })
  connect(system)
  let cancelled = 0
  const echo: Actor<EchoMessage> = {
    handle(message, context) {
      switch (message.kind) {
        case 'mirror':
          return context.answer(message, message.bytes, [message.bytes.buffer as ArrayBuffer])
        case 'forward': {
          const reply = context.defer(message)
          const next = system.ref<EchoMessage>(message.to)
          return reply.settleWith((signal) =>
            next.ask({ kind: 'whoAreYou' }, { deadlineMs: context.remainingMs, signal }),
          )
        }
        case 'whoAreYou':
          return context.answer(message, name)
        case 'refuse':
          throw new WeirError('not_found', 'no such shard', { shard: 7 })
        case 'hang':
          context.defer(message).signal.addEventListener('abort', () => cancelled++)
          return
        case 'cancelledCount':
          return context.answer(message, cancelled)
        case 'answerBadly':
          return context.answer(message, () => 'functions cannot be cloned')
        case 'die':
          if (throwLater) queueMicrotask(() => Promise.reject(new Error('a stray rejection')))
          else process.exit(3)
      }
    },
  }
  system.spawn<EchoMessage>('echo', () => echo, { mailboxMax: 10_000 })
  return {
    ready: { pid: process.pid, name },
    stop: async (drainMs) => {
      if (ignoreStop) await never
      await system.stop(drainMs)
    },
  }
})

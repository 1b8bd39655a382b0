import { deepEqual } from 'node:assert/strict'
import { test } from 'node:test'
import type { Question } from '../../../../actors/runtime/actor.ts'
import { watchActors } from '../../../../actors/runtime/actor-metrics.ts'
import { ActorSystem } from '../../../../actors/runtime/actor-system.ts'
import { systemClock } from '../../../../base/clock.ts'
import { silentLogger } from '../../../../base/logger.ts'
import type { MetricKey } from '../../../../base/metric-catalogue.ts'
import { Metrics } from '../../../../base/metrics.ts'

interface Ping extends Question<string> {
  readonly kind: 'ping'
}

test('messages handled and messages waiting of each actor are counted, and nothing waits at one that is gone', async () => {
  const system = new ActorSystem({ name: 'w0', clock: systemClock, logger: silentLogger, onEscalate() {} })
  const metrics = new Metrics()
  watchActors(system, metrics)
  const held = Promise.withResolvers<void>()
  const echo = system.spawn<Ping>(
    'echo',
    () => ({
      async handle(ping, context) {
        await held.promise
        context.answer(ping, 'pong')
      },
    }),
    { mailboxMax: 10 },
  )
  const value = (key: MetricKey) => metrics.snapshot().find((series) => series.key === key)?.value
  const answers = [1, 2, 3].map(() => echo.ask({ kind: 'ping' }, { deadlineMs: 5_000 }))
  await systemClock.yieldTurn()
  deepEqual([value('actorMailboxDepth'), value('actorMessages')], [2, 0])
  held.resolve()
  await Promise.all(answers)
  await systemClock.yieldTurn()
  deepEqual([value('actorMailboxDepth'), value('actorMessages')], [0, 3])
  void echo.ask({ kind: 'ping' }, { deadlineMs: 5_000 })
  await system.stop(1_000)
  deepEqual(value('actorMailboxDepth'), 0)
})

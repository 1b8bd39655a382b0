import { deepEqual, equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import type { Message } from '../../../../actors/runtime/actor.ts'
import { ActorSystem, type Escalation } from '../../../../actors/runtime/actor-system.ts'
import { Supervisor } from '../../../../actors/runtime/supervisor.ts'
import { silentLogger } from '../../../../base/logger.ts'
import { SimulatedClock } from '../../../harness/simulated-clock.ts'

const POLICY = { budget: 3, windowMs: 10_000, backoff: { firstMs: 100, maxMs: 1_000, factor: 2 } }

test('failures spread over more than a window are forgiven, a burst is not', async () => {
  const clock = new SimulatedClock('supervisor')
  const supervisor = new Supervisor(clock, POLICY)
  for (let i = 0; i < 20; i++) {
    const waitMs = supervisor.afterFailure()
    ok(waitMs !== 'escalate')
    await clock.advance(POLICY.windowMs / 2)
  }
  await clock.advance(POLICY.windowMs)
  const waits = Array.from({ length: 4 }, () => supervisor.afterFailure())
  equal(waits[3], 'escalate')
  const [first, second, third] = waits as number[]
  ok(first! <= 100 && second! > 50 && second! <= 200 && third! > 100 && third! <= 400, waits.join())
  equal(supervisor.restarts, 23)
})

test('an actor that fails as soon as it starts waits longer each time, then is given up', async () => {
  const clock = new SimulatedClock('restart')
  const escalations: Escalation[] = []
  const system = new ActorSystem({
    name: 'main',
    clock,
    logger: silentLogger,
    onEscalate: (escalation) => escalations.push(escalation),
  })
  const startedAtMs: number[] = []
  const make = () => {
    startedAtMs.push(clock.monotonicMs())
    throw new Error('no disk')
  }
  system.spawn<Message>('writer', make, { mailboxMax: 1, restart: POLICY })
  await clock.advance(POLICY.windowMs - 1)
  equal(startedAtMs.length, POLICY.budget + 1)
  const waits = startedAtMs.slice(1).map((atMs, i) => atMs - startedAtMs[i]!)
  ok(
    waits.every((waitMs, i) => waitMs >= 50 * 2 ** i && waitMs <= 100 * 2 ** i),
    waits.join(),
  )
  deepEqual(
    escalations.map(({ actor }) => actor),
    ['main/writer'],
  )
})

test('a stop does not wait for a restart that is backing off', async () => {
  const clock = new SimulatedClock('backing off')
  const system = new ActorSystem({ name: 'main', clock, logger: silentLogger, onEscalate() {} })
  const make = () => {
    throw new Error('no disk')
  }
  system.spawn<Message>('writer', make, { mailboxMax: 1, restart: { ...POLICY, budget: 100 } })
  await clock.advance(2_000)
  const beganMs = clock.monotonicMs()
  await clock.run(system.stop(5_000))
  equal(clock.monotonicMs(), beganMs)
})

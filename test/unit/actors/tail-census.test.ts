import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { TailCensusMessage } from '../../../actors/messages/tail.ts'
import { ActorSystem } from '../../../actors/runtime/actor-system.ts'
import { TailCensus } from '../../../actors/tail-census.ts'
import type { TenantId } from '../../../base/ids.ts'
import { silentLogger } from '../../../base/logger.ts'
import { SimulatedClock } from '../../harness/simulated-clock.ts'

it('admits so many tails of each tenant, and one more for each that ends', async () => {
  const clock = new SimulatedClock('census', 0)
  const system = new ActorSystem({
    name: 'main',
    clock,
    logger: silentLogger,
    onEscalate: ({ error }) => assert.fail(error),
  })
  const census = system.spawn<TailCensusMessage>('tail-census', () => new TailCensus(2), { mailboxMax: 10 })
  const admit = async (tenant: string) => {
    const question = { kind: 'admitTail' as const, tenant: tenant as TenantId }
    return (await clock.run(census.ask(question, { deadlineMs: 1000 }))).isAdmitted
  }
  assert.deepEqual([await admit('a'), await admit('a'), await admit('a'), await admit('b')], [true, true, false, true])
  census.tell({ kind: 'releaseTail', tenant: 'a' as TenantId })
  assert.deepEqual([await admit('a'), await admit('a')], [true, false])
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AlertEventLedger } from '../../../actors/alert-keeper-events.ts'
import type { AlertEvent } from '../../../actors/messages/alert.ts'
import type { TenantId } from '../../../base/ids.ts'
import { ALERT_EVENTS_PER_TENANT_MAX } from '../../../base/limits.ts'
import { SimulatedRegistry } from '../../harness/simulated-registry.ts'

const TENANT = 't' as TenantId

test('of too many events what still fires is kept before what does not, and they are read in slices', async () => {
  let pauses = 0
  const ledger = new AlertEventLedger(new SimulatedRegistry().connect(), async () => {
    pauses++
  })
  const event = (id: string, firedMs: number, state: string) => ({ id, firedMs, state }) as unknown as AlertEvent
  await ledger.add(TENANT, event('old', 1, 'firing'))
  for (let i = 0; i < ALERT_EVENTS_PER_TENANT_MAX; i++) await ledger.add(TENANT, event(`e${i}`, 2 + i, 'resolved'))
  assert.equal(await ledger.prune(TENANT, 0), 1)
  assert.equal((await ledger.get(TENANT, 'old')).state, 'firing')
  await assert.rejects(ledger.get(TENANT, 'e0'), { code: 'not_found' })
  assert.equal(pauses, ALERT_EVENTS_PER_TENANT_MAX / 50)
})

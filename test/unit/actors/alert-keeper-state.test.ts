import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RuleStateEntry } from '../../../actors/alert-keeper-state.ts'
import type { AlertEvent } from '../../../actors/messages/alert.ts'
import type { RuleState } from '../../../alerts/rule-evaluator.ts'
import type { TenantId } from '../../../base/ids.ts'
import { SimulatedRegistry } from '../../harness/simulated-registry.ts'

const TENANT = 't' as TenantId
const STATE: RuleState = { revision: 1, groupBy: [], decidedMs: 1000, groups: [] }
const FIRING: RuleState = {
  ...STATE,
  groups: [{ group: '[]', sinceMs: 2000, firing: { id: 'f1', atMs: 2000 }, quietUntilMs: 0, seenMs: 0 }],
}

test('the next keeper goes on where the one before was, and that one writes no more', async () => {
  const registry = new SimulatedRegistry()
  const first = new RuleStateEntry(registry.connect(), TENANT, 'r', 1, 'a/1')
  assert.deepEqual(await first.load(), { state: undefined, outbox: [], revision: 0 })
  assert.equal(await first.save(STATE, []), 'saved')
  const second = new RuleStateEntry(registry.connect(), TENANT, 'r', 2, 'b/1')
  const loaded = await second.load()
  assert.equal(loaded?.state?.decidedMs, 1000)
  assert.equal(await second.save(FIRING, []), 'saved')
  assert.equal(await first.save(STATE, []), 'other')
  assert.equal(await first.load(), undefined)
  assert.equal((await second.load())?.state?.groups[0]?.firing?.id, 'f1')
})

test('what the keeper before had decided last stands, although it had not told it yet', async () => {
  const registry = new SimulatedRegistry()
  const first = new RuleStateEntry(registry.connect(), TENANT, 'r', 1, 'a/1')
  const second = new RuleStateEntry(registry.connect(), TENANT, 'r', 2, 'b/1')
  await first.load()
  await second.load()
  const event = { id: 'f1', samples: [] } as unknown as AlertEvent
  assert.equal(await first.save(FIRING, [{ kind: 'fired', event }]), 'saved')
  assert.equal(await second.save(STATE, []), 'other')
  const loaded = await second.load()
  assert.deepEqual([loaded?.state?.groups[0]?.firing?.id, loaded?.outbox.length], ['f1', 1])
  assert.equal(await second.save(loaded!.state!, []), 'saved')
})

test('with very many firings the entry stays within its bound, and knows all of them', async () => {
  const entry = new RuleStateEntry(new SimulatedRegistry().connect(), TENANT, 'r', 1, 'a/1')
  const groups = Array.from({ length: 2000 }, (_, i) => ({ ...FIRING.groups[0]!, group: `["host-${i}"]` }))
  const sample = { timestamp: '', level: '', service: '', host: '', message: 'x'.repeat(1500) }
  const event = { id: 'f', samples: [sample, sample, sample, sample, sample] } as unknown as AlertEvent
  const outbox = groups.map(() => ({ kind: 'fired' as const, event }))
  assert.equal(await entry.save({ ...STATE, groups }, outbox), 'saved')
  const loaded = await entry.load()
  assert.equal(loaded?.state?.groups.length, 2000)
  assert.ok(loaded.outbox.length >= 300)
})

test('an entry that cannot name all that fires is written nevertheless', async () => {
  const entry = new RuleStateEntry(new SimulatedRegistry().connect(), TENANT, 'r', 1, 'a/1')
  const groups = Array.from({ length: 4000 }, (_, i) => ({ ...FIRING.groups[0]!, group: `["${i}${'é'.repeat(400)}"]` }))
  assert.equal(await entry.save({ ...STATE, groups }, []), 'saved')
  const kept = (await entry.load())?.state?.groups.length ?? 0
  assert.ok(kept > 500 && kept < 4000, String(kept))
})

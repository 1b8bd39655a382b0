import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AlertEventLedger } from '../../../actors/alert-keeper-events.ts'
import { KeptRule } from '../../../actors/alert-keeper-rule.ts'
import { RuleStateEntry } from '../../../actors/alert-keeper-state.ts'
import { normaliseRule } from '../../../alerts/rule.ts'
import { Watermarks } from '../../../alerts/watermarks.ts'
import type { TenantId } from '../../../base/ids.ts'
import { silentLogger } from '../../../base/logger.ts'
import { SimulatedClock } from '../../harness/simulated-clock.ts'
import { SimulatedRegistry } from '../../harness/simulated-registry.ts'

const TENANT = 't' as TenantId

test('a rule that is ended while another has written of it ends what fires by that', async () => {
  const clock = new SimulatedClock('kept-rule')
  const registry = new SimulatedRegistry().connect()
  const nowMs = clock.nowMs()
  const condition = { count: '>0', window: '1m' }
  const rule = normaliseRule(TENANT, 'r', 1, { name: 'r', query: '*', severity: 'P1', condition }, nowMs)
  const firing = { group: '[]', sinceMs: null, firing: { id: 'f1', atMs: nowMs }, quietUntilMs: 0, seenMs: 0 }
  const state = { revision: 1, groupBy: [], decidedMs: nowMs, groups: [firing] }
  const other = new RuleStateEntry(registry, TENANT, 'r', 1, 'b/1')
  assert.equal(await other.save(state, []), 'saved')
  const kept = new KeptRule(rule, 1, {
    registry,
    ledger: new AlertEventLedger(registry, async () => undefined),
    watermarks: new Watermarks(1, nowMs),
    clock,
    logger: silentLogger,
    submit: async () => undefined,
    newWriter: () => 'a/1',
    linkBase: () => 'http://localhost',
    silencesOf: () => [],
  })
  await clock.run(kept.load())
  await other.load()
  assert.equal(await other.save(state, []), 'saved')
  await clock.run(kept.end(false))
  const next = await new RuleStateEntry(registry, TENANT, 'r', 2, 'c/1').load()
  assert.deepEqual(next?.state?.groups, [])
})

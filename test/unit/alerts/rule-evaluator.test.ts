import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RuleBuckets } from '../../../alerts/bucket-store.ts'
import { normaliseRule } from '../../../alerts/rule.ts'
import { RuleEvaluator } from '../../../alerts/rule-evaluator.ts'
import { RuleSet } from '../../../alerts/rule-set.ts'
import { Watermarks } from '../../../alerts/watermarks.ts'
import { type ShardId, TENANT_DEFAULT } from '../../../base/ids.ts'
import { columnSourceOf, flatRecord } from '../../harness/column-source.ts'

const T = 1_760_000_000_000
const SHARD = 0 as ShardId

test('a count that crosses its threshold fires before the window is closed, once, and resolves', () => {
  const rule = normaliseRule(
    TENANT_DEFAULT,
    'r',
    1,
    { name: 'r', query: 'timeout', severity: 'P0', condition: { count: '>2', window: '10s', groupBy: 'service' } },
    T,
  )
  const rules = new RuleSet([rule])
  const buckets = new RuleBuckets()
  buckets.setRules([rule], () => T - 60_000)
  const watermarks = new Watermarks(1, T)
  const evaluator = new RuleEvaluator({ rule, watermarks, nowMs: T })
  let sequence = 0
  const step = (nowMs: number, services: readonly string[]) => {
    const records = services.map((service) => flatRecord(nowMs, { service, message: 'a timeout', level: 'ERROR' }))
    rules.count(columnSourceOf(records), null, TENANT_DEFAULT, (term, rows) =>
      buckets.add(term.rule, term.side, columnSourceOf(records), rows, nowMs),
    )
    const stamp = { shard: SHARD, epoch: 1, through: { generation: 1, sequence: ++sequence } }
    for (const values of sequence === 1 ? buckets.all([rule]) : buckets.changed()) evaluator.accept(stamp, values)
    watermarks.note(SHARD, 1, nowMs)
    watermarks.observe(nowMs)
    return evaluator.advance(nowMs).map(({ kind, group, value, samples }) => [kind, group, value, samples.length])
  }
  assert.deepEqual(step(T + 1000, ['web', 'web', 'api']), [])
  assert.deepEqual(step(T + 2000, ['web', 'api']), [['fired', { service: 'web' }, 3, 3]])
  assert.deepEqual(step(T + 3000, ['web']), [])
  const saved = JSON.parse(JSON.stringify(evaluator.snapshot()))
  assert.equal(saved.groups.length, 1)
  let resolved: unknown[] = []
  for (let ms = 4000; ms < 40_000 && resolved.length === 0; ms += 1000) resolved = step(T + ms, [])
  assert.deepEqual(resolved, [['resolved', { service: 'web' }, 2, 0]])
})

test('groups that fire before their windows are closed are looked at in slices, each once', () => {
  const condition = { count: '>0', window: '5m', groupBy: 'host', allowedLateness: '1h' }
  const rule = normaliseRule(TENANT_DEFAULT, 'r', 1, { name: 'r', query: '*', severity: 'P1', condition }, T)
  const evaluator = new RuleEvaluator({ rule, watermarks: new Watermarks(1, T), nowMs: T })
  const bucket = Math.floor(T / 1000)
  const buckets = Array.from({ length: 200 }, (_, i) => ({ group: `["h${i}"]`, bucket, tally: 1, base: null }))
  const { tenant, id: ruleId, revision } = rule
  const stamp = { shard: SHARD, epoch: 1, through: { generation: 1, sequence: 1 } }
  evaluator.accept(stamp, { tenant, ruleId, revision, fromMs: T - 4_000_000, buckets, samples: [] })
  const fired: string[] = []
  let looks = 0
  do {
    looks++
    const slice = evaluator.advance(T + 500, () => true)
    assert.ok(slice.length <= 1)
    fired.push(...slice.map(({ groupKey }) => groupKey))
  } while (evaluator.isBehind)
  assert.deepEqual([looks, new Set(fired).size, fired.length], [200, 200, 200])
})

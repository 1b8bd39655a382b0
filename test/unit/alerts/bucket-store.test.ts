import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RuleBuckets } from '../../../alerts/bucket-store.ts'
import { GROUP_OVERFLOW, type RuleValues } from '../../../alerts/partial.ts'
import type { AlertRule } from '../../../alerts/rule.ts'
import { RuleEvaluator } from '../../../alerts/rule-evaluator.ts'
import { retainMs } from '../../../alerts/rule-window.ts'
import { Watermarks } from '../../../alerts/watermarks.ts'
import type { ShardId } from '../../../base/ids.ts'
import { ALERT_GROUPS_PER_RULE_MAX } from '../../../base/limits.ts'
import { columnSourceOf, flatRecord } from '../../harness/column-source.ts'
import { ruleOf, T } from './rule-world.ts'

const SHARD = 0 as ShardId
const BY_HOST = { name: 'r', query: '', severity: 'P1', condition: { count: '>2', window: '10s', groupBy: ['host'] } }

function add(buckets: RuleBuckets, rule: AlertRule, hosts: readonly string[], timeMs = T, nowMs = timeMs): void {
  const source = columnSourceOf(hosts.map((host) => flatRecord(timeMs, { host, message: `of ${host}`, level: 'INFO' })))
  buckets.add(rule, 'own', source, Uint32Array.from(hosts.keys()), nowMs)
}

function bucketsOf(rule: AlertRule, bytesMax?: number): RuleBuckets {
  const buckets = new RuleBuckets(bytesMax)
  buckets.setRules([rule], () => T - 60_000)
  return buckets
}

function total(values: readonly RuleValues[], group?: string): number {
  const buckets = values.flatMap((value) => value.buckets)
  return buckets.reduce(
    (sum, bucket) => sum + (group === undefined || bucket.group === group ? Number(bucket.tally) : 0),
    0,
  )
}

test('groups beyond the limit are counted as one, and fire as one', () => {
  const rule = ruleOf(BY_HOST)
  const buckets = bucketsOf(rule)
  const hosts = Array.from({ length: ALERT_GROUPS_PER_RULE_MAX + 50 }, (_, i) => `host-${i}`)
  add(buckets, rule, hosts)
  add(buckets, rule, hosts.slice(0, 10))
  const values = buckets.all([rule])
  assert.equal(total(values), hosts.length + 10)
  assert.equal(total(values, GROUP_OVERFLOW), 50)
  const watermarks = new Watermarks(1, T)
  const evaluator = new RuleEvaluator({ rule, watermarks, nowMs: T })
  evaluator.accept({ shard: SHARD, epoch: 1, through: { generation: 1, sequence: 1 } }, values[0]!)
  const [fired, ...others] = evaluator.advance(T)
  assert.deepEqual(others, [])
  assert.equal(fired!.isOverflow, true)
  assert.deepEqual(fired!.group, {})
  assert.equal(fired!.value, 50)
})

test('a full store counts new groups as one, goes on with those it has, and has room again when buckets expire', () => {
  const rule = ruleOf(BY_HOST)
  const buckets = bucketsOf(rule, 1000)
  const hosts = Array.from({ length: 20 }, (_, i) => `host-${i}`)
  add(buckets, rule, hosts)
  add(buckets, rule, hosts)
  const values = buckets.all([rule])
  assert.equal(total(values), 40)
  assert(values[0]!.buckets.length < 10)
  assert(buckets.byteSize < 2000)
  buckets.expire(T + 2 * retainMs(rule))
  assert.equal(buckets.byteSize, 0)
  assert.deepEqual(buckets.all([rule])[0]!.buckets, [])
  add(buckets, rule, ['host-99'], T + 2 * retainMs(rule))
  assert.equal(total(buckets.changed(), '["host-99"]'), 1)
})

test('only what has changed is said again, in full; rules that go or change are forgotten', () => {
  const rule = ruleOf(BY_HOST)
  const buckets = bucketsOf(rule)
  assert.deepEqual(buckets.changed(), [])
  add(buckets, rule, ['a', 'b'])
  assert.equal(buckets.changed()[0]!.buckets.length, 2)
  add(buckets, rule, ['a'])
  const [values] = buckets.changed()
  assert.deepEqual(
    values!.buckets.map(({ group, tally }) => [group, tally]),
    [['["a"]', 2]],
  )
  assert.equal(values!.samples[0]!.samples.length, 2)
  buckets.setRules([rule], () => T)
  assert.equal(total(buckets.all([rule])), 3)
  const changed = ruleOf(BY_HOST, 2)
  buckets.setRules([changed], () => T)
  assert.deepEqual(buckets.all([rule]), [])
  assert.equal(total(buckets.all([changed])), 0)
  assert.equal(buckets.byteSize, 0)
})

test('rows that no window wants are left out: too old, too far ahead', () => {
  const rule = ruleOf(BY_HOST)
  const buckets = bucketsOf(rule)
  add(buckets, rule, ['a'], T - 24 * 3600_000, T)
  add(buckets, rule, ['a'], T + 3600_000, T)
  assert.deepEqual(buckets.changed(), [])
  add(buckets, rule, ['a'], T + 5000, T)
  assert.equal(total(buckets.changed()), 1)
})

test('a decision that takes long is made in slices, and is the same', () => {
  const rule = ruleOf({ ...BY_HOST, condition: { avg: '>2', field: 'n', window: '10s', groupBy: ['host'] } })
  const buckets = bucketsOf(rule)
  const records = Array.from({ length: 300 }, (_, i) => flatRecord(T + 1000, { host: `h${i % 100}`, n: i % 7 }))
  buckets.add(rule, 'own', columnSourceOf(records), Uint32Array.from(records.keys()), T + 1000)
  const [values] = buckets.all([rule])
  const decide = (isTimeUp?: () => boolean) => {
    const watermarks = new Watermarks(1, T)
    const evaluator = new RuleEvaluator({ rule, watermarks, nowMs: T })
    evaluator.accept({ shard: SHARD, epoch: 1, through: { generation: 1, sequence: 1 } }, values!)
    watermarks.note(SHARD, 1, T + 60_000)
    watermarks.observe(T + 60_000)
    const transitions = evaluator.advance(T + 60_000, isTimeUp)
    let slices = 1
    for (; evaluator.isBehind; slices++) transitions.push(...evaluator.advance(T + 60_000, isTimeUp))
    return { transitions, slices, state: evaluator.snapshot() }
  }
  const whole = decide()
  const sliced = decide(() => true)
  assert(whole.transitions.length > 50)
  assert(sliced.slices > 100)
  assert.deepEqual(sliced.transitions, whole.transitions)
  assert.deepEqual(sliced.state, whole.state)
})

test('what fires when a rule is changed goes on under its id; with other groups, or at its end, it resolves', () => {
  const rule = ruleOf(BY_HOST)
  const buckets = bucketsOf(rule)
  add(buckets, rule, ['a', 'a', 'a'], T + 1000)
  const [values] = buckets.all([rule])
  const stamp = { shard: SHARD, epoch: 1, through: { generation: 1, sequence: 1 } }
  const evaluatorOf = (of: AlertRule, state?: ReturnType<RuleEvaluator['snapshot']>) => {
    const evaluator = new RuleEvaluator({ rule: of, watermarks: new Watermarks(1, T), nowMs: T + 1000, state })
    evaluator.accept(stamp, { ...values!, revision: of.revision })
    return evaluator
  }
  const first = evaluatorOf(rule)
  const [fired] = first.advance(T + 1000)
  assert.equal(fired!.kind, 'fired')
  const state = first.snapshot()
  const edited = evaluatorOf(ruleOf({ ...BY_HOST, name: 'better' }, 2), state)
  assert.deepEqual(edited.advance(T + 1000), [])
  assert.deepEqual(
    edited.end().map(({ kind, firingId }) => [kind, firingId]),
    [['resolved', fired!.firingId]],
  )
  const regrouped = ruleOf({ ...BY_HOST, condition: { ...BY_HOST.condition, groupBy: ['service'] } }, 3)
  const other = new RuleEvaluator({ rule: regrouped, watermarks: new Watermarks(1, T), nowMs: T + 1000, state })
  assert.deepEqual(
    other.advance(T + 1000).map(({ kind, firingId, group }) => [kind, firingId, group]),
    [['resolved', fired!.firingId, { host: 'a' }]],
  )
})

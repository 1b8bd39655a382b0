import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Backtest, type BacktestFiring, ROUND_MS } from '../../../alerts/backtest.ts'
import { conditionText } from '../../../alerts/condition.ts'
import type { AlertRule } from '../../../alerts/rule.ts'
import type { Happening } from './reference.ts'
import { definitions, happenings, KeeperSide, ruleOf, ShardSide, sourceOf, T } from './rule-world.ts'

const SHARDS = 2
const TO_MS = T + 150_000

interface Shown {
  readonly group: string | null
  readonly atMs: number
  readonly resolvedMs: number | null
  readonly value: number | null
}

/** As the stream told it, shards speaking every 200 ms. */
function live(rule: AlertRule, records: readonly Happening[]): Shown[] {
  const shards = Array.from({ length: SHARDS }, (_, shard) => new ShardSide(shard, rule))
  const keeper = new KeeperSide(rule, SHARDS, T)
  const firings = new Map<string, Shown>()
  let at = 0
  for (let nowMs = T; nowMs <= TO_MS + rule.condition.allowedLatenessMs; nowMs += ROUND_MS) {
    const from = at
    while (at < records.length && records[at]!.receivedMs < nowMs) at++
    for (const shard of shards) {
      shard.apply(records.slice(from, at).filter((record) => record.shard === shard.shard))
      keeper.hear(shard.stamp, shard.say(), nowMs)
    }
    for (const { kind, firingId, group, toMs, value } of keeper.advance(nowMs)) {
      if (firingId === null || toMs > TO_MS) continue
      if (kind === 'fired') firings.set(firingId, { group: group.host ?? null, atMs: toMs, resolvedMs: null, value })
      else firings.set(firingId, { ...firings.get(firingId)!, resolvedMs: toMs })
    }
  }
  return [...firings.values()]
}

function tried(rule: AlertRule, records: readonly Happening[]): BacktestFiring[] {
  // Two leaves count, the coordinator decides.
  const options = { rule, fromMs: T, toMs: TO_MS }
  const leaves = [new Backtest(options), new Backtest(options)]
  // By time, as the store has them.
  const stored = records.toSorted((a, b) => a.timeMs - b.timeMs)
  for (let from = 0; from < stored.length; from += 7) {
    const block = stored.slice(from, from + 7)
    leaves[(from / 7) % 2]!.add(sourceOf(block), null, (row) => block[row]!.receivedMs)
  }
  const backtest = new Backtest(options)
  for (const leaf of leaves) backtest.absorb(structuredClone(leaf.partial()))
  const run = backtest.run()
  for (;;) {
    const { done, value } = run.next()
    if (done === true) return value
  }
}

const order = (firings: readonly Shown[]) =>
  firings.map(({ group, atMs, resolvedMs, value }) => `${atMs - T} ${group} ${resolvedMs} ${value}`).toSorted()

test('a rule over stored rows fires as it did while they came', () => {
  fc.assert(
    fc.property(definitions, happenings(SHARDS, 15_000), (definition, records) => {
      const rule = ruleOf(definition)
      const firings = tried(rule, records).map(({ group, ...rest }) => ({ ...rest, group: group.host ?? null }))
      assert.deepEqual(order(firings), order(live(rule, records)), conditionText(rule.condition))
    }),
    { numRuns: 150 },
  )
})

test('a backtest that holds too much is refused, and a rule that is switched off is tried', () => {
  const definition = { name: 'r', query: 'own', severity: 'P1', condition: { count: '>0', window: '10s' } }
  const records = [0, 1].map(
    (i): Happening => ({
      ...{ timeMs: T + i, receivedMs: T + i, shard: 0, group: null, n: 1, user: 'u', own: true, base: false },
    }),
  )
  assert.equal(tried(ruleOf({ ...definition, enabled: false }), records).length, 1)
  const backtest = new Backtest({ rule: ruleOf(definition), fromMs: T, toMs: TO_MS, valuesMax: 1000 })
  const many = Array.from({ length: 1200 }, (_, i) => i)
  const source = sourceOf(records)
  const wide = {
    ...source,
    rowCount: many.length,
    timeMs: Float64Array.from(many, (i) => T + i * ROUND_MS),
    timeNs: new Uint32Array(many.length),
    column: (name: string) => {
      const column = source.column(name)
      return column?.kind === 'dictionary' ? { ...column, codes: new Uint8Array(many.length).fill(1) } : undefined
    },
  }
  assert.throws(() => backtest.add(wide, null, (row) => T + row * ROUND_MS), { code: 'result_too_large' })
})

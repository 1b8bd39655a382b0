import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { valueText } from '../../../base/columns.ts'
import { WeirError } from '../../../base/errors.ts'
import type { ShardId } from '../../../base/ids.ts'
import type { PublishedState } from '../../../storage/published-state.ts'
import type { PlanScope, SearchPlan } from '../../../storage/search-plan.ts'
import { planBeyond, planSearch, planSegments } from '../../../storage/search-plan.ts'
import { ACME, DurableNode } from '../../harness/durable-node.ts'

const SHARD = 0 as ShardId
const ALL = { fromMs: 0, toMs: Number.MAX_SAFE_INTEGER }

function scopeOf(durable: DurableNode, changes: Partial<PlanScope> = {}): PlanScope {
  return { tenant: ACME, range: ALL, expr: { kind: 'any' }, cache: durable.node.cache, ...changes }
}

async function uidsOf(plan: SearchPlan): Promise<string[]> {
  const uids: string[] = []
  for (const unit of plan.units) {
    const { rows } = await unit.open(['uid'])
    const column = rows.columns.column('uid')
    for (let row = 0; row < unit.rowCount; row++) {
      if (unit.afterSequence !== undefined && rows.sequenceOf(row) <= unit.afterSequence) continue
      uids.push(column === undefined ? '' : (valueText(column, row) ?? ''))
    }
  }
  return uids.sort()
}

describe('C5: a plan', () => {
  it('names every row once, wherever it is: in a head, a local block, a segment', async () => {
    const durable = await DurableNode.start({ shardCount: 1 })
    const { store } = durable.node.shards.get(SHARD)!
    await durable.send(['segment'])
    await durable.publish()
    await durable.send(['local'])
    await durable.machine.clock.run(store.cut('all'))
    await durable.send(['head'])
    await durable.pass(100)
    const plan = await planSearch(store, scopeOf(durable))
    assert.deepEqual(plan.units.map(({ tier }) => tier).sort(), ['head', 'local', 'segment'])
    assert.deepEqual(await uidsOf(plan), ['head', 'local', 'segment'])
    assert.equal(plan.headRows, 1)
    assert.deepEqual([plan.localBlocks, plan.segmentBlocks, plan.segments], [1, 1, 1])
  })

  it('still opens all it names after cut, publish and merge', async () => {
    const durable = await DurableNode.start({ shardCount: 1 })
    const { store } = durable.node.shards.get(SHARD)!
    const { clock } = durable.machine
    const uids: string[] = []
    for (let i = 0; i < 8; i++) {
      uids.push(`r${i}`)
      await durable.send([`r${i}`])
      if (i < 7) await durable.publish()
    }
    const ended = durable.node.plans.begin(clock.monotonicMs())
    await durable.pass(100)
    const plan = await planSearch(store, scopeOf(durable))
    await durable.publish()
    await durable.tidyUp()
    assert.equal(store.published.segments.length, 1)
    assert.deepEqual(await uidsOf(plan), uids)
    ended()
    assert.deepEqual(await durable.found(), uids)
  })

  it('pinned to any state that was published names every row once, whatever came after', async () => {
    const durable = await DurableNode.start({ shardCount: 1 })
    const { store } = durable.node.shards.get(SHARD)!
    const states: PublishedState[] = []
    const uids: string[] = []
    const send = async (uid: string) => {
      uids.push(uid)
      await durable.send([uid])
    }
    states.push(store.published)
    for (let i = 0; i < 20; i++) {
      await send(`r${String(i).padStart(2, '0')}`)
      // So some blocks hold rows of two frames.
      if (i % 3 === 0) continue
      await durable.publish()
      states.push(store.published)
      if (i % 7 === 0) await durable.tidyUp()
      states.push(store.published)
    }
    await send('local')
    await durable.machine.clock.run(store.cut('all'))
    await send('head')
    await durable.pass(100)
    assert.ok(durable.segments().length > store.published.segments.length, 'segments were merged')
    const wanted = uids.toSorted()
    for (const pinned of states) {
      const listed = await planSegments(SHARD, pinned.segments, scopeOf(durable))
      const beyond = await planBeyond(store, pinned, scopeOf(durable))
      const [old, fresh] = [await uidsOf(listed), await uidsOf(beyond)]
      assert.deepEqual([...old, ...fresh].sort(), wanted)
      assert.deepEqual(old, uids.slice(0, old.length), 'what is published are the first rows')
    }
  })

  it('leaves out tenants, days and segments that cannot hold a match (S1)', async () => {
    const durable = await DurableNode.start({ shardCount: 1 })
    const { store } = durable.node.shards.get(SHARD)!
    await durable.send(['a'])
    await durable.publish()
    await durable.send(['b'])
    await durable.pass(100)
    const none = await planSearch(store, scopeOf(durable, { tenant: 'other' as typeof ACME }))
    assert.equal(none.units.length, 0)
    const past = await planSearch(store, scopeOf(durable, { range: { fromMs: 0, toMs: 1 } }))
    assert.equal(past.segments, 0)
    const pruned = await planSearch(store, scopeOf(durable, { expr: { kind: 'token', token: 'nowhere' } }))
    assert.deepEqual([pruned.segmentBlocks, pruned.blocksSkipped], [1, 1])
  })

  it('fails as a whole when a segment cannot be opened, rather than miss its rows', async () => {
    const durable = await DurableNode.start({ shardCount: 1 })
    const { store } = durable.node.shards.get(SHARD)!
    await durable.send(['a'])
    await durable.publish()
    const error = new WeirError('storage_unavailable', 'the bucket does not answer')
    durable.machine.objects.fault = (operation) => (operation === 'get' ? { kind: 'before', error } : undefined)
    const plan = planSearch(store, scopeOf(durable))
    await assert.rejects(plan, { code: 'storage_unavailable' })
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { dayOf, POSITION_ZERO } from '../../../base/ids.ts'
import { BlockCache } from '../../../storage/block-cache.ts'
import { DayPartition } from '../../../storage/day-partition.ts'
import { openLocalBlock } from '../../../storage/local-block.ts'
import { ACME, at, GLOBEX, NOON_MS, SHARD, ShardFixture, sectionOf } from '../../harness/shard-fixture.ts'

const DAY = dayOf(NOON_MS)

async function cutDay(fixture: ShardFixture) {
  const store = await fixture.open()
  await store.applyFrame(at(1), NOON_MS, [sectionOf(['a']), sectionOf(['g'], { tenant: GLOBEX, rowBase: 1 })])
  await store.cut('all')
  await store.applyFrame(at(2), NOON_MS, [sectionOf(['b'])])
  await store.cut('all')
  return [...store.openDays()][0]!
}

const reopen = (fixture: ShardFixture, throughOf: (tenant: string) => number) =>
  DayPartition.open(fixture.engine, 'shards/3', DAY, (tenant) => at(throughOf(tenant)))

describe('a day on the disk', () => {
  it('comes back with its blocks in the order of the journal and how far each tenant is applied', async () => {
    const fixture = new ShardFixture()
    await cutDay(fixture)
    fixture.engine.kill()
    const day = await DayPartition.open(fixture.engine, 'shards/3', DAY, () => POSITION_ZERO)
    const acme = day.find(ACME)!
    assert.deepEqual(
      acme.unpublished.map(({ firstSequence }) => firstSequence),
      [1, 2],
    )
    assert.deepEqual(acme.appliedThrough, at(2))
    assert.deepEqual(day.find(GLOBEX)!.appliedThrough, at(1))
    assert.equal(acme.blocks.summaries.length, 2)
  })

  it('forgets what is published, tenant by tenant', async () => {
    const fixture = new ShardFixture()
    await cutDay(fixture)
    fixture.engine.kill()
    const day = await reopen(fixture, (tenant) => (tenant === ACME ? 1 : 0))
    assert.deepEqual(
      day.find(ACME)!.unpublished.map(({ firstSequence }) => firstSequence),
      [2],
    )
    assert.equal(day.find(GLOBEX)!.unpublished.length, 1)
    await day.forgetPublished(0)
    fixture.engine.kill()
    const again = await reopen(fixture, () => 0)
    assert.equal(again.find(ACME)!.unpublished.length, 1, 'the other one is gone from the disk')
  })

  it('keeps a published block for the plans that name it, until it is told that they are over', async () => {
    const fixture = new ShardFixture()
    const day = await cutDay(fixture)
    const [block] = day.find(ACME)!.unpublished
    day.markPublished(new Set([block!]), 5)
    assert.equal(day.find(ACME)!.blocks.summaries.length, 1, 'a new plan does not find it')
    await day.forgetPublished(5)
    assert.ok(day.blockView(block!))
    await day.forgetPublished(6)
    assert.equal(day.blockView(block!), undefined)
    const cache = new BlockCache(0)
    assert.throws(() => openLocalBlock(SHARD, day, block!, null, cache), { code: 'shard_unavailable' })
  })

  it('answers a plan that outlives it with an operating error', async () => {
    const fixture = new ShardFixture()
    const day = await cutDay(fixture)
    const [block] = day.find(ACME)!.unpublished
    await day.destroy()
    assert.throws(() => day.blockView(block!), { code: 'shard_unavailable' })
    assert.throws(() => day.encodedBlock(block!), { code: 'shard_unavailable' })
  })
})

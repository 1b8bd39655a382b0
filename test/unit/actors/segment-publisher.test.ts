import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { claimShard, readShardEntry } from '../../../actors/shard-ledger.ts'
import { WeirError } from '../../../base/errors.ts'
import type { LaneId, NodeId, ShardId } from '../../../base/ids.ts'
import { DAY_MS } from '../../../base/ids.ts'
import { PUBLISHED_AT_ONCE, SUPERSEDED_KEEP_MS } from '../../../base/limits.ts'
import { DurableNode } from '../../harness/durable-node.ts'

const SHARD = 0 as ShardId
const refused = () => new WeirError('storage_unavailable', 'the registry does not answer')
/** Fails the next so many writes of shard entries. */
function failPuts(durable: DurableNode, when: 'before' | 'after', times: number): void {
  let left = times
  durable.machine.registry.fault = (operation) =>
    operation === 'put' && left-- > 0 ? { when, error: refused() } : undefined
}

const one = () => DurableNode.start({ shardCount: 1 })

describe('publishing', () => {
  it('makes segments that take the place of local blocks, and survives the loss of the local disk', async () => {
    const durable = await one()
    await durable.send(['a', 'b'])
    await durable.publish()
    assert.equal(durable.segments().length, 1)
    assert.deepEqual(await durable.found(), ['a', 'b'])
    await durable.pass(5000)
    assert.equal(durable.machine.journal.lane(0 as LaneId).frames.length, 0, 'the journal is trimmed')
    durable.node.kill()
    durable.machine.loseDisk()
    await durable.restart()
    assert.deepEqual(await durable.found(), ['a', 'b'])
  })

  it('writes no page when nothing but the floor has moved', async () => {
    const durable = await DurableNode.start({ shardCount: 2 })
    await durable.send(['a'])
    await durable.publish()
    const pages = [...durable.machine.objects.objects.keys()].filter((key) => key.includes('/manifest/'))
    assert.equal(pages.length, 1)
    for (const { store } of durable.node.shards.values()) assert.equal(store.published.floor.sequence, 1)
  })

  it('takes a commit whose answer was lost for what it is, and goes on as the owner', async () => {
    const durable = await one()
    await durable.send(['a'])
    failPuts(durable, 'after', 1)
    await durable.publish()
    assert.equal(durable.node.shards.get(SHARD)!.store.published.segments.length, 1)
    await durable.send(['b'])
    await durable.publish()
    assert.deepEqual(await durable.found(), ['a', 'b'])
  })

  it('settles a commit later when even asking after it fails', async () => {
    const durable = await one()
    await durable.send(['a'])
    let failing = true
    durable.machine.registry.fault = (operation, key) =>
      failing && key.startsWith('shard/')
        ? { when: operation === 'put' ? 'after' : 'before', error: refused() }
        : undefined
    await assert.rejects(durable.publish(), { code: 'storage_unavailable' })
    assert.deepEqual(await durable.found(), ['a'])
    failing = false
    await durable.send(['b'])
    await durable.publish()
    assert.deepEqual(await durable.found(), ['a', 'b'])
    const { store } = durable.node.shards.get(SHARD)!
    assert.equal(store.published.segments.length, 2)
  })

  it('tries again what was not committed, without another segment of the same rows', async () => {
    const durable = await one()
    await durable.send(['a'])
    failPuts(durable, 'before', 1)
    await assert.rejects(durable.publish(), { code: 'storage_unavailable' })
    await durable.publish()
    assert.equal(durable.segments().length, 1, 'the same rows make the same object')
    assert.deepEqual(await durable.found(), ['a'])
  })

  it('C3: makes nothing visible once another owner has the shard', async () => {
    const durable = await one()
    await durable.send(['a'])
    const { machine } = durable
    const registry = machine.registry.connect()
    const { publisher } = durable.node.shards.get(SHARD)!
    await claimShard(SHARD, 'node-2' as NodeId, 1, registry, await readShardEntry(SHARD, registry))
    const hosted = durable.node.shards.get(SHARD)!
    const asked = publisher!.ask({ kind: 'publish', everything: true }, { deadlineMs: 1e4 })
    const outcome = await machine.clock.run(asked.catch((error: WeirError) => error))
    assert.ok(outcome instanceof WeirError)
    assert.ok(['epoch_fenced', 'actor_stopped'].includes(outcome.code), outcome.code)
    await durable.pass(100)
    assert.equal((await readShardEntry(SHARD, registry))?.entry.manifestObject, '')
    assert.equal(hosted.role, 'follower')
  })

  it('holds few shards in memory at once while the object store hangs, and publishes nothing of one that was given up meanwhile', async () => {
    const durable = await DurableNode.start({ shardCount: 16 })
    const services = Array.from({ length: 60 }, (_, i) => `s${i}`)
    for (const service of services) await durable.send([`${service}-a`], service)
    const { machine, node } = durable
    const store = Promise.withResolvers<void>()
    const underWay = new Set<string>()
    let most = 0
    machine.objects.pausePut = async (key) => {
      underWay.add(key)
      most = Math.max(most, underWay.size)
      await store.promise
      underWay.delete(key)
    }
    const hosted = [...node.shards.values()].filter(
      ({ store }) => store.unpublishedBytes() > 0 || store.applied.sequence > 0,
    )
    assert.equal(hosted.length, 16)
    const asked = hosted.map(({ publisher }) =>
      publisher!.ask({ kind: 'publish', everything: true }, { deadlineMs: 1e6 }),
    )
    const outcomes = Promise.allSettled(asked)
    await durable.pass(60_000)
    assert.deepEqual([underWay.size, most], [PUBLISHED_AT_ONCE, PUBLISHED_AT_ONCE])
    const last = hosted[15]!
    await machine.clock.run(node.host.ask({ kind: 'closeShards', shards: [last.shard] }, { deadlineMs: 1e6 }))
    store.resolve()
    const settled = await machine.clock.run(outcomes)
    assert.deepEqual(
      settled.map(({ status }) => status),
      hosted.map((shard) => (shard === last ? 'rejected' : 'fulfilled')),
    )
    await durable.pass(1000)
    assert.equal(most, PUBLISHED_AT_ONCE)
    const registry = machine.registry.connect()
    for (const { shard } of hosted) {
      const { manifestObject } = (await readShardEntry(shard, registry))!.entry
      assert.equal(manifestObject === '', shard === last.shard)
    }
  })

  it('J3: keeps rows of two generations of a day apart', async () => {
    const durable = await one()
    await durable.send(['old'])
    await durable.machine.clock.run(durable.node.shards.get(SHARD)!.store.cut('all'))
    durable.node.kill()
    durable.machine.journal.recreate(0 as LaneId)
    await durable.restart()
    await durable.send(['new'])
    await durable.publish()
    assert.equal(durable.segments().length, 2)
    assert.deepEqual(await durable.found(), ['new', 'old'])
    assert.deepEqual(durable.node.shards.get(SHARD)!.store.published.floor, { generation: 2, sequence: 1 })
  })
})

describe('D3: keyed chunks', () => {
  it('are known after the loss of the local disk, also from joined pages', async () => {
    const durable = await one()
    for (let i = 0; i < 20; i++) {
      await durable.send([`r${i}`], 'api', `key-${i}`)
      await durable.publish()
    }
    const { store } = durable.node.shards.get(SHARD)!
    assert.ok(store.published.page.seen.length <= 16, `${store.published.page.seen.length} pages`)
    durable.node.kill()
    durable.machine.loseDisk()
    await durable.restart()
    for (let i = 0; i < 20; i++) await durable.send([`r${i}`], 'api', `key-${i}`)
    assert.equal((await durable.found()).length, 20)
  })
})

describe('tidying up', () => {
  it('merges small segments, and deletes the inputs when no plan can name them any more', async () => {
    const durable = await one()
    const uids: string[] = []
    for (let i = 0; i < 8; i++) {
      uids.push(`r${i}`)
      await durable.send([`r${i}`])
      await durable.publish()
    }
    await durable.tidyUp()
    const { store } = durable.node.shards.get(SHARD)!
    assert.equal(store.published.segments.length, 1)
    assert.equal(durable.segments().length, 9, 'the inputs stay')
    assert.deepEqual(await durable.found(), uids)
    durable.machine.clock.jumpWall(SUPERSEDED_KEEP_MS)
    await durable.tidyUp()
    assert.equal(durable.segments().length, 1)
    assert.deepEqual(await durable.found(), uids)
  })

  it('merges the rest when one segment is damaged', async () => {
    const durable = await one()
    const damaged: string[] = []
    for (const dayMs of [0, DAY_MS]) {
      durable.machine.clock.jumpWall(dayMs)
      for (let i = 0; i < 8; i++) {
        await durable.send([`${dayMs}-${i}`])
        await durable.publish()
      }
      if (dayMs === 0) damaged.push(durable.segments()[0]!)
    }
    const bytes = durable.machine.objects.objects.get(damaged[0]!)!
    bytes.fill(0, 0, bytes.length)
    await durable.tidyUp()
    const { store } = durable.node.shards.get(SHARD)!
    assert.equal(store.published.segments.length, 9, 'eight of the damaged day, one of the other')
    assert.ok(durable.heard(/a step of publishing failed/))
  })

  it('drops days past retention, unpublished rows too', async () => {
    const durable = await DurableNode.start({ shardCount: 1, retentionDays: 2 })
    await durable.send(['published'])
    await durable.publish()
    await durable.send(['cut'])
    await durable.machine.clock.run(durable.node.shards.get(SHARD)!.store.cut('all'))
    await durable.send(['head'])
    durable.machine.clock.jumpWall(4 * DAY_MS)
    await durable.tidyUp()
    assert.deepEqual(await durable.found(), [])
    assert.equal(durable.node.budget.bytes, 0)
    assert.deepEqual(await durable.machine.kv.list('shards/0'), [])
  })

  it('removes what an earlier process put and never made visible', async () => {
    const durable = await one()
    await durable.send(['a'])
    failPuts(durable, 'before', 1)
    await assert.rejects(durable.publish())
    durable.node.kill()
    assert.equal(durable.segments().length, 1)
    await durable.restart()
    await durable.publish()
    assert.equal(durable.segments().length, 2)
    await durable.tidyUp()
    assert.equal(durable.segments().length, 1)
    assert.deepEqual(await durable.found(), ['a'])
  })

  it('goes on with publishing when the disk refuses the sweep', async () => {
    const durable = await one()
    await durable.send(['a'])
    await durable.publish()
    await durable.pass(1)
    await durable.send(['b'])
    await durable.machine.clock.run(durable.node.shards.get(SHARD)!.store.cut('all'))
    durable.machine.kv.fault = (call) => (call === 'transact' ? { when: 'before', error: refused() } : undefined)
    await durable.publish()
    assert.equal(durable.segments().length, 2)
    assert.deepEqual(await durable.found(), ['a', 'b'])
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ShardParts } from '../../../actors/hosted-shard.ts'
import { HostedShard } from '../../../actors/hosted-shard.ts'
import type { OpenedLane } from '../../../actors/messages/shard.ts'
import { PublishTurns } from '../../../actors/publish-turns.ts'
import { ActorSystem } from '../../../actors/runtime/actor-system.ts'
import { ShardHost } from '../../../actors/shard-host.ts'
import { claimShard, readShardEntry } from '../../../actors/shard-ledger.ts'
import { ShardMap } from '../../../actors/shard-map.ts'
import { WeirError } from '../../../base/errors.ts'
import type { LaneId, NodeId, ShardId } from '../../../base/ids.ts'
import { POSITION_ZERO } from '../../../base/ids.ts'
import { createLogger } from '../../../base/logger.ts'
import { ActivePlans } from '../../../storage/active-plans.ts'
import { HeadBudget } from '../../../storage/head-budget.ts'
import { encodeSection } from '../../../storage/section-codec.ts'
import { DurableNode } from '../../harness/durable-node.ts'
import { MemoryObjectStore } from '../../harness/memory-object-store.ts'
import { at, localUids, NOON_MS, sectionOf } from '../../harness/shard-fixture.ts'
import { SimulatedClock } from '../../harness/simulated-clock.ts'
import { SimulatedKeyValueEngine } from '../../harness/simulated-kv.ts'
import { SimulatedRegistry } from '../../harness/simulated-registry.ts'

const full = () => new WeirError('storage_unavailable', 'no space is left on the device', { errno: 'ENOSPC' })
const LANE = 0 as LaneId

/** A host of two shards of a lane, on one disk. */
async function hostOfTwo() {
  const clock = new SimulatedClock(1, NOON_MS)
  const engine = new SimulatedKeyValueEngine(1)
  const logger = createLogger({ level: 'silent' })
  const system = new ActorSystem({ name: 'test', clock, logger, onEscalate: ({ error }) => assert.fail(error) })
  const budget = new HeadBudget(1 << 20)
  const shards = new Map<ShardId, HostedShard>()
  const registry = new SimulatedRegistry().connect()
  const shardMap = await clock.run(ShardMap.open({ registry, shardCount: 2, clock, logger }))
  const parts: ShardParts = {
    system,
    nodeId: 'n1' as NodeId,
    directory: 'shards',
    engine,
    registry,
    objects: new MemoryObjectStore(),
    clock,
    logger,
    budget,
    cutLargestOfWorker: () => undefined,
    plans: new ActivePlans(),
    publishTurns: new PublishTurns(1),
    controller: system.ref('controller'),
    retentionDays: 7,
    cutZstdLevel: 1,
    mergeZstdLevel: 1,
  }
  const open = (shard: ShardId, lane: OpenedLane) => HostedShard.open(parts, shard, lane)
  const host = system.spawn(
    'host',
    () => new ShardHost({ clock, logger, budget, shards, unopened: new Map(), shardMap, open }),
    {
      mailboxMax: 8,
    },
  )
  const opened = [0, 1].map((shard) => ({ shard: shard as ShardId, lane: LANE, generation: 1, lastSequence: 0 }))
  await clock.run(host.ask({ kind: 'openShards', shards: opened }, { deadlineMs: 1000 }))
  /** Frames (after, through]; one section, in frame `through`, for each shard named. */
  const apply = (after: number, through: number, rows: Readonly<Record<number, string>>) =>
    host.ask(
      {
        kind: 'applyFrames',
        lane: LANE,
        after: after === 0 ? POSITION_ZERO : at(after),
        first: at(after + 1),
        through: at(through),
        throughMs: NOON_MS,
        members: [0, 1] as ShardId[],
        shards: Object.entries(rows).map(([shard, uid]) => {
          const { meta, source } = sectionOf([uid])
          const bytes = encodeSection(source, meta, { compression: 'none' })
          return {
            shard: Number(shard) as ShardId,
            rows: 1,
            sections: [{ position: at(through), appendedMs: NOON_MS, rowBase: 0, bytes }],
          }
        }),
      },
      { deadlineMs: 10_000 },
    )
  const store = (shard: number) => shards.get(shard as ShardId)!.store
  return { clock, engine, apply, store, budget, host, registry }
}

describe('runs of frames', () => {
  it('that failed for a shard are not stepped over by the next, which has nothing for it', async () => {
    const { clock, engine, apply, store } = await hostOfTwo()
    engine.fault = (call, directory) =>
      call === 'open' && directory.startsWith('shards/1/') ? { when: 'before', error: full() } : undefined
    const first = apply(0, 1, { 0: 'a', 1: 'b' })
    const second = apply(1, 2, { 0: 'c' })
    const outcomes = await clock.run(Promise.allSettled([first, second]))
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['rejected', 'rejected'],
    )
    assert.deepEqual(store(1).applied, POSITION_ZERO)
    engine.fault = () => undefined
    await clock.run(Promise.all([apply(0, 1, { 0: 'a', 1: 'b' }), apply(1, 2, { 0: 'c' })]))
    assert.deepEqual([localUids(store(0)), localUids(store(1))], [['a', 'c'], ['b']])
  })

  it('advance the shards that they hold nothing for', async () => {
    const { clock, apply, store } = await hostOfTwo()
    await clock.run(apply(0, 3, { 0: 'a' }))
    assert.deepEqual(store(1).applied, at(3))
  })

  it('do not keep the host from answering while they wait for the disk', async () => {
    const { clock, budget, apply, host } = await hostOfTwo()
    budget.take(2 * budget.bytesMax)
    const run = apply(0, 1, { 0: 'a' })
    run.catch(() => undefined)
    const opened = await clock.run(host.ask({ kind: 'openShards', shards: [] }, { deadlineMs: 100 }))
    assert.deepEqual(opened, { opened: [], failed: [] })
    budget.freeze(2 * budget.bytesMax)
    budget.release(2 * budget.bytesMax)
    await clock.run(run)
  })
})

describe('a claim', () => {
  it('that was decided before another node became the owner does not take the shard back', async () => {
    const { clock, host, registry } = await hostOfTwo()
    const shard = 0 as ShardId
    const claim = (epoch: number) =>
      clock.run(host.ask({ kind: 'claimShards', shards: [{ shard, generation: 1, epoch }] }, { deadlineMs: 1000 }))
    const known = await clock.run(readShardEntry(shard, registry))
    await clock.run(claimShard(shard, 'n2' as NodeId, 1, registry, known))
    const { claimed, failed } = await claim(0)
    assert.deepEqual([claimed, failed.map(({ error }) => error.code)], [[], ['revision_conflict']])
    assert.equal((await clock.run(readShardEntry(shard, registry)))?.entry.owner, 'n2')
    assert.deepEqual((await claim(1)).claimed, [{ shard, epoch: 2 }])
  })
})

describe('a disk that is full', () => {
  it('stops the indexing when memory is used up, loses nothing, and needs no restart', async () => {
    const durable = await DurableNode.start({ headsBytesMax: 20_000 })
    let isFull = true
    durable.machine.kv.fault = (call) => (isFull && call === 'transact' ? { when: 'before', error: full() } : undefined)
    const uids: string[] = []
    for (let i = 0; i < 100; i++) {
      const batch = Array.from(
        { length: 20 },
        (_, row) => `${String(i).padStart(3, '0')}-${String(row).padStart(2, '0')}`,
      )
      uids.push(...batch)
      await durable.send(batch, `service-${i % 5}`)
      await durable.pass(100)
    }
    assert.ok(durable.node.budget.bytes < 3 * 20_000, `heads hold ${durable.node.budget.bytes} bytes`)
    assert.ok((await durable.found()).length < uids.length, 'the indexing waits')
    isFull = false
    await durable.pass(200_000)
    assert.deepEqual(await durable.found(), uids)
  })
})

describe('draining', () => {
  it('publishes what there is, so that the next start has nothing to replay', async () => {
    const durable = await DurableNode.start()
    await durable.send(['a'])
    await durable.machine.clock.run(durable.node.stop(8000))
    assert.equal(durable.segments().length, 1)
    await durable.restart()
    assert.deepEqual(await durable.found(), ['a'])
  })

  it('ends in time when the object store does not answer, with nothing lost', async () => {
    const durable = await DurableNode.start()
    await durable.send(['a'])
    const { objects, clock } = durable.machine
    const put = objects.put.bind(objects)
    objects.put = () => new Promise(() => undefined)
    const beganMs = clock.monotonicMs()
    await clock.run(durable.node.stop(8000))
    assert.ok(clock.monotonicMs() - beganMs < 10_000)
    durable.node.kill()
    objects.put = put
    await durable.restart()
    assert.deepEqual(await durable.found(), ['a'])
  })
})

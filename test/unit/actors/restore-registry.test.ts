import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type RestoreOptions, restoreRegistry } from '../../../actors/restore-registry.ts'
import { ShardMap } from '../../../actors/shard-map.ts'
import { SnapshotKeeper } from '../../../actors/snapshot-keeper.ts'
import type { LaneId, NodeId, ShardId } from '../../../base/ids.ts'
import { REGISTRY_SNAPSHOT_EVERY_MS, REGISTRY_SNAPSHOTS_KEPT_MS } from '../../../base/limits.ts'
import { silentLogger } from '../../../base/logger.ts'
import { decodeShardEntry, encodeShardEntry, shardEntryKey } from '../../../storage/manifest.ts'
import { SNAPSHOTS } from '../../../storage/object-store/object-keys.ts'
import { encodeRegistrySnapshot } from '../../../storage/registry-snapshot.ts'
import { DurableNode } from '../../harness/durable-node.ts'
import { MemoryObjectStore } from '../../harness/memory-object-store.ts'
import { SimulatedClock } from '../../harness/simulated-clock.ts'
import type { SimulatedMachine } from '../../harness/simulated-node.ts'
import { SimulatedRegistry } from '../../harness/simulated-registry.ts'

const utf8 = new TextEncoder()

/** A shard with something published, and then, as it is said, without its registry. */
async function lived(): Promise<DurableNode> {
  const durable = await DurableNode.start({ shardCount: 1 })
  await durable.send(['a', 'b'])
  await durable.publish()
  await durable.send(['c'])
  await durable.publish()
  return durable
}

function loseRegistry({ node, machine }: DurableNode): void {
  node.kill()
  machine.registry.entries.clear()
}

function restored(durable: DurableNode, options: Partial<RestoreOptions> = {}) {
  const { machine } = durable
  const registry = machine.registry.connect()
  const all = { registry, objects: machine.objects, shardCount: 1, laneCount: 1, check: () => undefined, ...options }
  return machine.clock.run(restoreRegistry(all))
}

type Parts = Pick<SimulatedMachine, 'clock' | 'registry' | 'objects'>
async function keeperOf({ clock, registry: shared, objects }: Parts, nodeId: string): Promise<SnapshotKeeper> {
  const registry = shared.connect()
  const shardMap = await clock.run(ShardMap.open({ registry, shardCount: 1, clock, logger: silentLogger }))
  return new SnapshotKeeper({ nodeId: nodeId as NodeId, registry, objects, shardMap, clock, logger: silentLogger })
}

const ownerOf = ({ machine }: DurableNode) =>
  decodeShardEntry(machine.registry.entries.get(shardEntryKey(0 as ShardId))!.value).owner
describe('a registry that is lost (C10)', () => {
  it('comes back from the manifest pages alone, with the journal lost too', async () => {
    const durable = await lived()
    loseRegistry(durable)
    durable.machine.loseDisk()
    durable.machine.journal.recreate(0 as LaneId)
    const { shards, segments, rows, snapshotMs } = await restored(durable)
    assert.deepEqual([shards, segments, rows, snapshotMs], [1, 2, 3, undefined])
    await durable.restart()
    assert.deepEqual(await durable.found(), ['a', 'b', 'c'])
    await durable.send(['d'])
    await durable.publish()
    assert.deepEqual(await durable.found(), ['a', 'b', 'c', 'd'])
  })

  it('comes back beside local files that hold what is published, without doubling it', async () => {
    const durable = await lived()
    loseRegistry(durable)
    durable.machine.journal.recreate(0 as LaneId)
    await restored(durable)
    await durable.restart()
    assert.deepEqual(await durable.found(), ['a', 'b', 'c'])
  })

  it('goes on with the journal where that is the one of the snapshot', async () => {
    const durable = await lived()
    const keeper = await keeperOf(durable.machine, ownerOf(durable))
    await durable.machine.clock.run(keeper.look())
    await durable.send(['d'])
    loseRegistry(durable)
    durable.machine.loseDisk()
    await restored(durable)
    await durable.restart()
    await durable.pass(1000)
    assert.deepEqual(await durable.found(), ['a', 'b', 'c', 'd'])
    keeper.close()
  })

  it('goes by the newest page whose objects are all there, and says what is missing; without one it stays empty', async () => {
    const durable = await lived()
    const [first, second] = durable.segments().sort()
    durable.machine.objects.objects.delete(second!)
    loseRegistry(durable)
    const { rows, missing } = await restored(durable)
    assert.deepEqual([rows, missing], [2, [second]])
    durable.machine.objects.objects.delete(first!)
    loseRegistry(durable)
    await assert.rejects(restored(durable), { code: 'corrupt_data' })
    assert.equal(durable.machine.registry.entries.size, 0)
  })

  it('is filled only when it is empty, and only from something', async () => {
    const durable = await lived()
    await assert.rejects(restored(durable), { code: 'conflict' })
    loseRegistry(durable)
    durable.machine.objects.objects.clear()
    await assert.rejects(restored(durable), { code: 'not_found' })
  })
})

describe('snapshots of the registry', () => {
  it('are taken by one node each hour, at once after a change that nothing else tells, and kept for two days', async () => {
    const clock = new SimulatedClock('snapshots')
    const registry = new SimulatedRegistry()
    const objects = new MemoryObjectStore()
    const entry = {
      owner: 'own' as NodeId,
      epoch: 1,
      generation: 1,
      floor: { generation: 1, sequence: 1 },
      manifestObject: '',
      featureLevel: 1,
    }
    registry.write(shardEntryKey(0 as ShardId), encodeShardEntry(entry), 0)
    const own = await keeperOf({ clock, registry, objects }, 'own')
    const other = await keeperOf({ clock, registry, objects }, 'other')
    const kept = () => [...objects.objects.keys()].filter((key) => key.startsWith(SNAPSHOTS)).sort()
    await clock.run(other.look())
    assert.equal(kept().length, 0)
    await clock.run(own.look())
    await clock.run(own.look())
    assert.equal(kept().length, 1)
    await clock.advance(1000)
    registry.write('key/1', utf8.encode('hashed'), 0)
    await clock.run(own.look())
    assert.equal(kept().length, 2)
    // Heartbeats of agents come all the time.
    await clock.advance(1000)
    registry.write('agent-seen/1', utf8.encode('{}'), 0)
    await clock.run(own.look())
    assert.equal(kept().length, 2)
    await clock.advance(REGISTRY_SNAPSHOT_EVERY_MS + 60_000)
    assert.equal(kept().length, 3)
    const old = encodeRegistrySnapshot({ takenMs: clock.nowMs() - REGISTRY_SNAPSHOTS_KEPT_MS, entries: [] })
    await objects.put(old.key, old.bytes)
    await clock.advance(REGISTRY_SNAPSHOT_EVERY_MS + 60_000)
    assert.equal(kept().length, 4)
    assert(!kept().includes(old.key))
    own.close()
    other.close()
  })

  it('hold nothing that signs tokens of agents', async () => {
    const durable = await lived()
    const { clock, registry, objects } = durable.machine
    registry.write('agent-signing/000001', utf8.encode('the private key'), 0)
    registry.write('agent/1', utf8.encode('an agent'), 0)
    const keeper = await keeperOf(durable.machine, ownerOf(durable))
    await clock.run(keeper.look())
    keeper.close()
    const snapshots = [...objects.objects].filter(([key]) => key.startsWith(SNAPSHOTS))
    assert.equal(snapshots.length, 1)
    const text = Buffer.from(snapshots[0]![1] as Uint8Array).toString('latin1')
    assert(text.includes('an agent') && !text.includes('private'))
  })

  it('bring back what else the registry held', async () => {
    const durable = await lived()
    const { clock, registry } = durable.machine
    registry.write('key/1', utf8.encode('hashed'), 0)
    const keeper = await keeperOf(durable.machine, ownerOf(durable))
    await clock.run(keeper.look())
    keeper.close()
    loseRegistry(durable)
    await restored(durable)
    assert.equal(Buffer.from(registry.entries.get('key/1')!.value).toString(), 'hashed')
  })
})

import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { describe, it } from 'node:test'
import { ShardMap } from '../../../actors/shard-map.ts'
import { systemClock } from '../../../base/clock.ts'
import type { LaneId, NodeId, ShardId } from '../../../base/ids.ts'
import { silentLogger } from '../../../base/logger.ts'
import { agreeOnCluster, checkNothingPublished, floorsOf } from '../../../node/cluster-settings.ts'
import type { Settings } from '../../../node/config.ts'
import { loadConfig } from '../../../node/config-load.ts'
import { encodeShardEntry, shardEntryKey } from '../../../storage/manifest.ts'
import { MemoryObjectStore } from '../../harness/memory-object-store.ts'
import { SimulatedRegistry } from '../../harness/simulated-registry.ts'

const DEFAULTS = loadConfig({ cwd: tmpdir(), env: {}, flags: [] }).settings
const settingsOf = (changed: Partial<Settings> = {}): Settings => ({ ...DEFAULTS, ...changed })

describe('what is fixed when the cluster is created (J1)', () => {
  it('refuses settings that say otherwise, naming all of them', async () => {
    const registry = new SimulatedRegistry().connect()
    await agreeOnCluster(registry, settingsOf())
    const other = settingsOf({ shards: 64, 'cluster.name': 'other' })
    await assert.rejects(agreeOnCluster(registry, other), (error: Error) => {
      assert.match(error.message, /shards is 64, but the cluster was created with 32/)
      assert.match(error.message, /cluster\.name is other/)
      return true
    })
  })

  it('is one thing for nodes that start together', async () => {
    const registry = new SimulatedRegistry()
    const counts = [32, 64, 128]
    const agreed = await Promise.allSettled(
      counts.map((shards) => agreeOnCluster(registry.connect(), settingsOf({ shards }))),
    )
    assert.equal(agreed.filter(({ status }) => status === 'fulfilled').length, 1)
  })

  it('is not fixed anew beside what is published (C10)', async () => {
    const registry = new SimulatedRegistry().connect()
    const objects = new MemoryObjectStore()
    await objects.put('v1/0/manifest/x', new Uint8Array(1))
    await assert.rejects(
      agreeOnCluster(registry, settingsOf(), () => checkNothingPublished(objects)),
      /weir restore/,
    )
    assert.deepEqual(await registry.list(''), [])
    await agreeOnCluster(registry, settingsOf())
    await agreeOnCluster(registry, settingsOf(), () => checkNothingPublished(objects))
  })

  it('has no more lanes than shards', async () => {
    const registry = new SimulatedRegistry().connect()
    const settings = settingsOf({ shards: 1, 'journal.lanes': 2 })
    await assert.rejects(agreeOnCluster(registry, settings), { code: 'invalid_config' })
  })
})

describe('the floors of a lane', () => {
  it('are those of its shards in a generation; the highest says how far the journal must reach (J3)', async () => {
    const registry = new SimulatedRegistry().connect()
    const floors = [
      [0, 1, 5],
      [1, 1, 9],
      [2, 1, 7],
      [4, 2, 3],
    ] as const
    for (const [shard, generation, sequence] of floors) {
      const entry = {
        owner: 'n' as NodeId,
        epoch: 1,
        generation,
        floor: { generation, sequence },
        manifestObject: '',
        featureLevel: 1,
      }
      await registry.put(shardEntryKey(shard as ShardId), encodeShardEntry(entry), 0)
    }
    const shardMap = await ShardMap.open({ registry, shardCount: 32, clock: systemClock, logger: silentLogger })
    const reached = floorsOf(shardMap, settingsOf({ 'journal.lanes': 2 }))
    assert.deepEqual(
      [reached(0 as LaneId, 1), reached(1 as LaneId, 1), reached(0 as LaneId, 2), reached(1 as LaneId, 2)],
      [7, 9, 3, 0],
    )
    shardMap.close()
  })
})

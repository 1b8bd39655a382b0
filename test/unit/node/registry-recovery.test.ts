import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../../base/clock.ts'
import type { DayNumber, LaneId, ShardId, TenantId } from '../../../base/ids.ts'
import { createLogger } from '../../../base/logger.ts'
import { decodeLaneEntry, laneEntryKey } from '../../../cluster/lane-entry.ts'
import type { Registry } from '../../../cluster/registry.ts'
import { agreeOnCluster } from '../../../node/cluster-settings.ts'
import { loadConfig } from '../../../node/config-load.ts'
import { recoverRegistry } from '../../../node/registry-recovery.ts'
import { encodeSnapshot, SnapshotKeeper, snapshotKeys } from '../../../node/registry-snapshot.ts'
import {
  decodeShardEntry,
  encodeManifest,
  MANIFEST_EMPTY,
  type ManifestPage,
  shardEntryKey,
} from '../../../storage/manifest.ts'
import { contentHashOf, registrySnapshotKey } from '../../../storage/object-store/object-keys.ts'
import type { SegmentMeta } from '../../../storage/segment.ts'
import { MemoryObjectStore } from '../../harness/memory-object-store.ts'
import { SimulatedRegistry } from '../../harness/simulated-registry.ts'

const { settings } = loadConfig({ flags: [{ name: 'shards', value: '4' }], env: {}, cwd: '/nowhere' })
const logger = createLogger({ level: 'silent' })
const text = (value: string) => new TextEncoder().encode(value)

/** A segment of shard `shard` whose rows end at the position. Only what the recovery looks at is there. */
function segment(shard: number, generation: number, lastSequence: number): SegmentMeta {
  const key = `v1/${shard}/2026-11-21/1-${generation}.1-${generation}.${lastSequence}-0123456789abcdef.seg`
  return { key, day: 20_778 as DayNumber, generation, firstSequence: 1, lastSequence } as unknown as SegmentMeta
}

class Bucket extends MemoryObjectStore {
  async page(shard: number, epoch: number, counter: number, page: Partial<ManifestPage>): Promise<string> {
    for (const { key } of page.segments ?? []) await this.put(key, text('a segment'))
    const { key, bytes } = encodeManifest({ ...MANIFEST_EMPTY, ...page }, shard as ShardId, epoch, counter)
    await this.put(key, bytes)
    return key
  }
}

function recover(registry: Registry, objects: MemoryObjectStore, hasJournal = false): Promise<void> {
  return recoverRegistry({ registry, objects, settings, logger, hasJournal: async () => hasJournal })
}

test('C10: shards are recovered from their newest pages, with lanes beyond every generation in the bucket', async () => {
  const bucket = new Bucket()
  await bucket.page(1, 2, 9, { segments: [segment(1, 3, 40)] })
  const newest = await bucket.page(1, 10, 1, { segments: [segment(1, 3, 40), segment(1, 5, 7)] })
  const through = { day: 20_778 as DayNumber, tenant: 'default' as TenantId, generation: 5, sequence: 90 }
  const other = await bucket.page(3, 1, 2, { publishedThrough: [through] })
  const simulated = new SimulatedRegistry()
  const registry = simulated.connect()
  await recover(registry, bucket)
  const entryOf = async (shard: number) => {
    const entry = await registry.get(shardEntryKey(shard as ShardId))
    return entry && decodeShardEntry(entry.value)
  }
  const { owner, ...entry } = (await entryOf(1)) ?? {}
  ok(owner)
  deepEqual(entry, {
    epoch: 10,
    generation: 5,
    floor: { generation: 5, sequence: 7 },
    manifestObject: newest,
    featureLevel: 1,
  })
  deepEqual((await entryOf(3))?.floor, { generation: 5, sequence: 90 })
  equal((await entryOf(3))?.manifestObject, other)
  equal(await entryOf(0), undefined)
  const lane = await registry.get(laneEntryKey(0 as LaneId))
  ok(lane)
  equal(decodeLaneEntry(lane).generation, 5, 'the next stream is of the generation after')
})

test('C10: a page whose objects are not all there is passed over; none that is whole is an error', async () => {
  const bucket = new Bucket()
  const whole = await bucket.page(1, 1, 1, { segments: [segment(1, 1, 5)] })
  await bucket.page(1, 1, 2, { segments: [segment(1, 1, 9)] })
  await bucket.delete(segment(1, 1, 9).key)
  const registry = new SimulatedRegistry().connect()
  await recover(registry, bucket)
  const entry = await registry.get(shardEntryKey(1 as ShardId))
  equal(entry && decodeShardEntry(entry.value).manifestObject, whole)
  await bucket.delete(segment(1, 1, 5).key)
  await rejects(recover(new SimulatedRegistry().connect(), bucket), { code: 'corrupt_data' })
})

test('C10: nothing is touched where the registry knows the cluster, or the bucket knows nothing', async () => {
  const bucket = new Bucket()
  const fresh = new SimulatedRegistry()
  await recover(fresh.connect(), bucket, true)
  equal(fresh.entries.size, 0)
  await bucket.page(1, 1, 1, {})
  await agreeOnCluster(fresh.connect(), settings)
  await recover(fresh.connect(), bucket, true)
  deepEqual([...fresh.entries.keys()], ['cluster'])
})

test('C10: a registry that is lost beside its journal is not made up', async () => {
  const bucket = new Bucket()
  await bucket.page(1, 1, 1, {})
  const lost = new SimulatedRegistry()
  await rejects(recover(lost.connect(), bucket, true), { code: 'conflict' })
  equal(lost.entries.size, 0)
})

test('C10: what only the registry knows comes back from the newest snapshot', async () => {
  const bucket = new MemoryObjectStore()
  const registry = new SimulatedRegistry().connect()
  await agreeOnCluster(registry, settings)
  await registry.put('key/one', text('a key'), 0)
  await registry.put('shard/1', text('an entry'), 0)
  await registry.put('lane/0', text('a lane'), 0)
  const keeper = new SnapshotKeeper({ registry, objects: bucket, clock: systemClock, logger, isWriter: () => true })
  await keeper.take()
  await keeper.take()
  equal(bucket.objects.size, 1, 'nothing has changed')
  const other = { ...settings, shards: 8 }
  const recovered = new SimulatedRegistry()
  await recoverRegistry({
    registry: recovered.connect(),
    objects: bucket,
    settings: other,
    logger,
    hasJournal: async () => false,
  })
  deepEqual([...recovered.entries.keys()].sort(), ['cluster', 'key/one', 'lane/0'])
  equal(new TextDecoder().decode(recovered.entries.get('key/one')?.value), 'a key')
  // J1: the counts are those of the lost cluster.
  await rejects(agreeOnCluster(recovered.connect(), other), { code: 'invalid_config' })
  await agreeOnCluster(recovered.connect(), settings)
})

test('C10: few snapshots are kept, and one that was altered is refused', async () => {
  const bucket = new MemoryObjectStore()
  const registry = new SimulatedRegistry().connect()
  const keeper = new SnapshotKeeper({ registry, objects: bucket, clock: systemClock, logger, isWriter: () => true })
  let revision = 0
  for (let i = 0; i < 9; i++) {
    revision = await registry.put('key/one', text(`version ${i}`), revision)
    await keeper.take()
  }
  const keys = await snapshotKeys(bucket)
  ok(keys.length <= 5 && keys.length > 0)
  const forged = encodeSnapshot(new Map([['key/one', text('forged')]]))
  await bucket.put(registrySnapshotKey(Number.MAX_SAFE_INTEGER, contentHashOf(text('other'))), forged)
  await rejects(recover(new SimulatedRegistry().connect(), bucket), { code: 'corrupt_data' })
})

test('C10: nodes that recover side by side agree', async () => {
  const bucket = new Bucket()
  const page = await bucket.page(2, 4, 1, { segments: [segment(2, 1, 5)] })
  const simulated = new SimulatedRegistry()
  simulated.pause = () => systemClock.yieldTurn()
  await Promise.all([1, 2, 3].map(() => recover(simulated.connect(), bucket)))
  const entry = await simulated.connect().get(shardEntryKey(2 as ShardId))
  equal(entry && decodeShardEntry(entry.value).manifestObject, page)
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { WeirError } from '../../../base/errors.ts'
import type { DayNumber, NodeId, TenantId } from '../../../base/ids.ts'
import {
  addSegments,
  advancePublished,
  decodeManifest,
  decodeManifestWithFloor,
  decodeShardEntry,
  dropDays,
  encodeManifest,
  encodeShardEntry,
  MANIFEST_EMPTY,
  type ManifestPage,
  replaceSegments,
  type ShardEntry,
  takeGarbage,
} from '../../../storage/manifest.ts'
import { parseManifestKey } from '../../../storage/object-store/object-keys.ts'
import type { SegmentMeta } from '../../../storage/segment.ts'
import { SHARD } from './segment-fixture.ts'

const hasCode = (code: string) => (error: unknown) => error instanceof WeirError && error.code === code
const tenant = 'acme' as TenantId

function segment(name: string, day: number, sequence: number, rowCount = 10): SegmentMeta {
  return {
    key: `v1/3/${name}.seg`,
    day: day as DayNumber,
    retentionClass: 0,
    tenants: [tenant],
    services: null,
    rowCount,
    blockCount: 1,
    byteLength: 1000,
    minMs: -5.5,
    maxMs: 1e15,
    generation: 1,
    firstSequence: sequence,
    lastSequence: sequence + 1,
    mergeLevel: 0,
    createdMs: 7,
  }
}
const keys = (page: ManifestPage) => page.segments.map(({ key }) => key.slice(5, -4))
const PAGE = addSegments(MANIFEST_EMPTY, [segment('b', 2, 1), segment('c', 2, 5), segment('a', 1, 9)])

const FLOOR = { generation: 2, sequence: 34 }

describe('a manifest page', () => {
  it('comes back as it was encoded, under a key that names its content', () => {
    const page: ManifestPage = {
      ...PAGE,
      seen: ['v1/3/seen/x.msgpack'],
      publishedThrough: [{ day: 2 as DayNumber, tenant, generation: 1, sequence: 2 ** 40 }],
      garbage: [{ key: 'v1/3/old.seg', supersededMs: 1.5e12 }],
    }
    const { key, bytes } = encodeManifest(page, FLOOR, SHARD, 12, 345)
    assert.deepEqual(decodeManifest(key, bytes), page)
    assert.deepEqual(decodeManifestWithFloor(key, bytes), { page, floor: FLOOR })
    assert.deepEqual(parseManifestKey(key), { epoch: 12, counter: 345 })
    const later = encodeManifest(page, FLOOR, SHARD, 12, 1000).key
    assert.ok(key < later && later < encodeManifest(page, FLOOR, SHARD, 100, 1).key, 'keys sort by epoch, then counter')
    for (let at = 0; at < bytes.length; at += 3) {
      const bad = bytes.slice()
      bad[at]! ^= 4
      assert.throws(() => decodeManifest(key, bad), hasCode('corrupt_data'))
    }
  })

  it('keeps segments in the order of days and positions, each once', () => {
    assert.deepEqual(keys(PAGE), ['a', 'b', 'c'])
    assert.throws(() => addSegments(PAGE, [segment('b', 2, 1)]), hasCode('conflict'))
    assert.throws(() => addSegments(PAGE, [segment('n', 2, 1), segment('n', 2, 1)]), hasCode('conflict'))
  })

  it('replaces all inputs of a merge or none', () => {
    const merged = segment('m', 2, 1, 20)
    const inputs = ['v1/3/b.seg', 'v1/3/c.seg']
    const page = replaceSegments(PAGE, inputs, [merged], 1000)
    assert.deepEqual(keys(page), ['a', 'm'])
    assert.deepEqual(
      page.garbage,
      inputs.map((key) => ({ key, supersededMs: 1000 })),
    )
    assert.throws(() => replaceSegments(page, inputs, [merged], 1001), hasCode('conflict'))
    assert.throws(() => replaceSegments(PAGE, inputs, [segment('m', 2, 1, 19)], 1000), /keeps every row/)
    assert.throws(() => replaceSegments(PAGE, inputs, [segment('b', 2, 1, 20)], 1000), /new segment/)
    assert.deepEqual(keys(PAGE), ['a', 'b', 'c'], 'pages are never edited')
  })

  it('drops days whole and frees what plans can no longer name', () => {
    const page = dropDays(PAGE, [2 as DayNumber], 1000)
    assert.deepEqual(keys(page), ['a'])
    assert.deepEqual(takeGarbage(page, 999), { page, keys: [] })
    const taken = takeGarbage(page, 1000)
    assert.deepEqual(taken.keys, ['v1/3/b.seg', 'v1/3/c.seg'])
    assert.deepEqual(taken.page.garbage, [])
    assert.deepEqual(dropDays(MANIFEST_EMPTY, [1 as DayNumber], 0), MANIFEST_EMPTY)
  })

  it('remembers the furthest publish of each tenant and day that is beyond the floor', () => {
    const at = (day: number, sequence: number, generation = 1) => ({
      day: day as DayNumber,
      tenant,
      generation,
      sequence,
    })
    const first = advancePublished(MANIFEST_EMPTY, [at(1, 5), at(2, 9)], { generation: 1, sequence: 4 })
    assert.deepEqual(first.publishedThrough, [at(1, 5), at(2, 9)])
    const second = advancePublished(first, [at(1, 3), at(2, 1, 2)], { generation: 1, sequence: 5 })
    assert.deepEqual(second.publishedThrough, [at(2, 1, 2)])
  })
})

describe('the registry entry of a shard', () => {
  it('comes back as it was encoded; anything else is corrupt_data', () => {
    const entry: ShardEntry = {
      owner: 'node-1' as NodeId,
      epoch: 4,
      generation: 2,
      floor: { generation: 2, sequence: 2 ** 45 },
      manifestObject: 'v1/3/manifest/x',
      featureLevel: 1,
    }
    assert.deepEqual(decodeShardEntry(encodeShardEntry(entry)), entry)
    for (const bytes of [
      new Uint8Array(0),
      Uint8Array.of(1),
      encodeShardEntry(entry).slice(0, 20),
      Uint8Array.of(0xc1),
    ]) {
      assert.throws(() => decodeShardEntry(bytes), hasCode('corrupt_data'))
    }
    const { owner, ...rest } = entry
    assert.throws(() => decodeShardEntry(encodeShardEntry(rest as ShardEntry)), hasCode('corrupt_data'), owner)
  })
})

import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { ShardMap } from '../../../actors/shard-map.ts'
import { WeirError } from '../../../base/errors.ts'
import type { NodeId, ShardId } from '../../../base/ids.ts'
import { silentLogger } from '../../../base/logger.ts'
import type { Registry } from '../../../cluster/registry.ts'
import { encodeShardEntry, shardEntryKey } from '../../../storage/manifest.ts'
import { SimulatedClock } from '../../harness/simulated-clock.ts'
import { SimulatedRegistry } from '../../harness/simulated-registry.ts'

const SHARD = 1 as ShardId
const FOREVER = new AbortController().signal

describe('the map of shards', () => {
  let clock: SimulatedClock
  let registry: SimulatedRegistry
  let other: Registry
  let map: ShardMap

  const write = (epoch: number, expected: number, owner = 'a', shard = SHARD) =>
    clock.run(
      other.put(
        shardEntryKey(shard),
        encodeShardEntry({
          owner: owner as NodeId,
          epoch,
          generation: 1,
          floor: { generation: 1, sequence: 10 * epoch },
          manifestObject: '',
          featureLevel: 1,
        }),
        expected,
      ),
    )
  const open = async () => {
    map = await clock.run(ShardMap.open({ registry: registry.connect(), shardCount: 2, clock, logger: silentLogger }))
  }

  beforeEach(() => {
    clock = new SimulatedClock('shard-map')
    registry = new SimulatedRegistry()
    other = registry.connect()
  })
  afterEach(() => map.close())

  it('has what the registry had when it was opened, then every change', async () => {
    const first = await write(1, 0)
    await open()
    assert.equal(map.get(SHARD)?.epoch, 1)
    assert.equal(map.get(0 as ShardId), undefined)
    const told: unknown[] = []
    map.onChange((shard, entry) => told.push([shard, entry?.owner, entry?.revision]))
    const second = await write(2, first, 'b')
    assert.equal(map.get(SHARD)?.owner, 'b')
    assert.deepEqual(map.get(SHARD)?.floor, { generation: 1, sequence: 20 })
    await clock.run(other.delete(shardEntryKey(SHARD), second))
    assert.equal(map.get(SHARD), undefined)
    assert.deepEqual(told, [
      [SHARD, 'b', second],
      [SHARD, undefined, undefined],
    ])
  })

  it('waits for what is newer than a revision, and no longer than it is asked to', async () => {
    const first = await write(1, 0)
    await open()
    assert.equal((await clock.run(map.changed(SHARD, 0, FOREVER)))?.epoch, 1)
    const waiting = map.changed(SHARD, first, FOREVER)
    await write(1, 0, 'a', 0 as ShardId)
    await write(2, first, 'b')
    assert.equal((await clock.run(waiting))?.owner, 'b')
    const reason = new WeirError('cancelled', 'gone')
    await assert.rejects(clock.run(map.changed(SHARD, 99, AbortSignal.abort(reason))), reason)
    const controller = new AbortController()
    const cancelled = map.changed(SHARD, 99, controller.signal)
    controller.abort(reason)
    await assert.rejects(clock.run(cancelled), reason)
  })

  it('C3: tells for how long the registry has not been reached', async () => {
    await open()
    await clock.advance(10_000)
    assert.ok(map.silentMs <= 1000)
    const error = new WeirError('storage_unavailable', 'no quorum')
    registry.fault = () => ({ when: 'before', error })
    await clock.advance(7000)
    assert.ok(map.silentMs >= 7000)
    registry.fault = () => undefined
    await clock.advance(1000)
    assert.ok(map.silentMs <= 1000)
  })

  it('C3: counts a silence as over only when it has heard all that happened meanwhile', async () => {
    const first = await write(1, 0)
    await open()
    registry.watches.clear()
    const error = new WeirError('storage_unavailable', 'no quorum')
    registry.fault = (operation) => (operation === 'put' ? undefined : { when: 'before', error })
    await clock.advance(7000)
    await write(2, first, 'b')
    assert.ok(map.silentMs >= 7000)
    registry.fault = () => undefined
    await clock.advance(1000)
    assert.ok(map.silentMs <= 1000)
    assert.equal(map.get(SHARD)?.owner, 'b')
  })

  it('hears of a change that its watch missed', async () => {
    const first = await write(1, 0)
    await open()
    registry.watches.clear()
    await write(2, first, 'b')
    assert.equal(map.get(SHARD)?.owner, 'a')
    await clock.advance(3000)
    assert.equal(map.get(SHARD)?.owner, 'b')
  })

  it('goes by the last entry that it could read', async () => {
    const first = await write(1, 0)
    await open()
    const broken = await clock.run(other.put(shardEntryKey(SHARD), Uint8Array.of(1, 2), first))
    assert.equal(map.get(SHARD)?.epoch, 1)
    await write(3, broken)
    assert.equal(map.get(SHARD)?.epoch, 3)
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { WeirError } from '../../../base/errors.ts'
import type { Position } from '../../../base/ids.ts'
import { dayOf } from '../../../base/ids.ts'
import type { BlockSummary } from '../../../storage/block.ts'
import { MANIFEST_EMPTY } from '../../../storage/manifest.ts'
import { PublishedState } from '../../../storage/published-state.ts'
import type { ShardStore } from '../../../storage/shard-store.ts'
import {
  ACME,
  at,
  chunkOf,
  GLOBEX,
  localUids,
  NOON_MS,
  ShardFixture,
  sectionOf,
  YESTERDAY_MS,
} from '../../harness/shard-fixture.ts'

const NOTHING: ReadonlySet<BlockSummary> = new Set()
const full = () => new WeirError('storage_unavailable', 'no space is left on the device', { errno: 'ENOSPC' })
const upTo = (floor: Position) => new PublishedState(floor, MANIFEST_EMPTY, `page-${floor.sequence}`)
/** Acme's rows of the day of noon are published further than the floor. */
const acmeUpTo = (floor: Position, through: Position) =>
  new PublishedState(
    floor,
    { ...MANIFEST_EMPTY, publishedThrough: [{ day: dayOf(NOON_MS), tenant: ACME, ...through }] },
    `page-${floor.sequence}-${through.sequence}`,
  )

async function applyFrames(store: ShardStore, from: number, to: number, generation = 1): Promise<void> {
  for (let sequence = from; sequence <= to; sequence++) {
    await store.applyFrame(at(sequence, generation), NOON_MS, [sectionOf([`${generation}.${sequence}`])])
  }
}

const uids = (from: number, to: number, generation = 1) =>
  Array.from({ length: to - from + 1 }, (_, i) => `${generation}.${from + i}`)

describe('a block that straddles what another owner has published', () => {
  it('is replaced by one of its rows beyond, and stays loadable for plans that name it', async () => {
    const store = await new ShardFixture().open()
    await applyFrames(store, 1, 5)
    await store.cut('all')
    const [day] = store.openDays()
    const [before] = day!.find(ACME)!.unpublished
    await store.follow(upTo(at(2)))
    assert.deepEqual(localUids(store), uids(3, 5))
    const [after] = day!.find(ACME)!.unpublished
    assert.deepEqual([after!.firstSequence, after!.lastSequence, after!.rowCount], [3, 5, 3])
    assert.ok(day!.blockView(before!))
    assert.deepEqual(store.floorNow(NOTHING), at(2))
    assert.deepEqual(store.floorNow(new Set([after!])), at(5))
    await store.sweep(Number.POSITIVE_INFINITY)
    assert.equal(day!.blockView(before!), undefined)
    assert.deepEqual(localUids(store), uids(3, 5))
  })

  it('is left with its rows beyond when the disk brings it back', async () => {
    const fixture = new ShardFixture()
    const store = await fixture.open()
    await applyFrames(store, 1, 5)
    await store.cut('all')
    for (const floor of [2, 2, 4]) {
      fixture.engine.kill()
      const again = await fixture.open(upTo(at(floor)))
      await applyFrames(again, floor + 1, 5)
      assert.deepEqual(localUids(again), uids(floor + 1, 5), `behind ${floor}`)
      await again.cut('all')
      assert.deepEqual(localUids(again), uids(floor + 1, 5), `behind ${floor}, stored`)
    }
    fixture.engine.kill()
    const last = await fixture.open(upTo(at(5)))
    assert.deepEqual(localUids(last), [])
    await last.sweep(0)
    assert.deepEqual(await fixture.engine.list('shards/3'), [])
  })

  it('is left with its rows beyond on a disk that takes no writes, until it does', async () => {
    const fixture = new ShardFixture()
    const store = await fixture.open()
    await applyFrames(store, 1, 5)
    await store.cut('all')
    fixture.engine.kill()
    fixture.engine.fault = (call) => (call === 'transact' ? { when: 'before', error: full() } : undefined)
    const again = await fixture.open(upTo(at(2)))
    await again.cut('all')
    assert.equal((again.cutError as WeirError).code, 'storage_unavailable')
    await applyFrames(again, 3, 5)
    await again.follow(upTo(at(3)))
    assert.deepEqual(localUids(again), uids(4, 5))
    await assert.rejects(again.sweep(Number.POSITIVE_INFINITY), { code: 'storage_unavailable' })
    fixture.engine.fault = () => undefined
    await again.cut('all')
    assert.equal(again.cutError, undefined)
    await again.sweep(Number.POSITIVE_INFINITY)
    assert.deepEqual(localUids(again), uids(4, 5))
    fixture.engine.kill()
    assert.deepEqual(localUids(await fixture.open(upTo(at(3)))), uids(4, 5))
  })

  it('is not brought back by a transaction that happened although it failed', async () => {
    const fixture = new ShardFixture()
    const store = await fixture.open()
    await applyFrames(store, 1, 5)
    fixture.engine.fault = (call) => (call === 'transact' ? { when: 'after', error: full() } : undefined)
    await store.cut('all')
    await store.follow(upTo(at(2)))
    await store.cut('all')
    assert.deepEqual(localUids(store), uids(3, 5), 'the head was cut twice, each time answered with an error')
    fixture.engine.fault = () => undefined
    await store.cut('all')
    fixture.engine.kill()
    const again = await fixture.open(upTo(at(2)))
    assert.deepEqual(localUids(again), uids(3, 5))
    await applyFrames(again, 3, 5)
    fixture.engine.fault = (call) => (call === 'transact' ? { when: 'after', error: full() } : undefined)
    await again.follow(upTo(at(3)))
    await again.cut('all')
    assert.deepEqual(again.published.floor, at(3))
    await again.follow(upTo(at(4)))
    fixture.engine.fault = () => undefined
    await again.cut('all')
    fixture.engine.kill()
    assert.deepEqual(localUids(await fixture.open(upTo(at(4)))), uids(5, 5))
  })

  it('is not deleted before what is left of it is stored', async () => {
    const fixture = new ShardFixture()
    const store = await fixture.open()
    await applyFrames(store, 1, 5)
    await store.cut('all')
    fixture.engine.fault = (call) => (call === 'transact' ? { when: 'before', error: full() } : undefined)
    await store.follow(upTo(at(2)))
    await store.cut('all')
    fixture.engine.fault = () => undefined
    await store.sweep(Number.POSITIVE_INFINITY)
    fixture.engine.kill()
    assert.deepEqual(localUids(await fixture.open(upTo(at(2)))), uids(3, 5))
  })

  it('J3: is of one generation; what is older than the floor is published or lost', async () => {
    const fixture = new ShardFixture()
    const store = await fixture.open()
    await applyFrames(store, 1, 5)
    await store.cut('all')
    await applyFrames(store, 6, 7)
    await applyFrames(store, 1, 4, 2)
    await store.follow(upTo(at(6)))
    assert.deepEqual(localUids(store), [...uids(7, 7), ...uids(1, 4, 2)])
    await store.follow(upTo(at(2, 2)))
    assert.deepEqual(localUids(store), uids(3, 4, 2))
    await store.cut('all')
    assert.deepEqual(localUids(store), uids(3, 4, 2))
    assert.equal(fixture.budget.bytes, 0)
  })
})

describe('heads', () => {
  it('give up the rows that are published, and their bytes', async () => {
    const fixture = new ShardFixture()
    const store = await fixture.open()
    fixture.engine.fault = (call) => (call === 'transact' ? { when: 'before', error: full() } : undefined)
    await applyFrames(store, 1, 4)
    await store.cut('all')
    await applyFrames(store, 5, 40)
    const before = fixture.budget.bytes
    for (const floor of [2, 4, 20]) {
      await store.follow(upTo(at(floor)))
      assert.deepEqual(localUids(store), uids(floor + 1, 40))
      assert.deepEqual(store.floorNow(NOTHING), at(floor))
    }
    assert.ok(fixture.budget.bytes < before)
    const [day] = store.openDays()
    const { head, frozen } = day!.find(ACME)!
    assert.deepEqual(frozen, [])
    assert.equal(fixture.budget.bytes, head!.byteSize)
    await store.follow(upTo(at(40)))
    assert.equal(fixture.budget.bytes, 0)
    assert.deepEqual(localUids(store), [])
    fixture.engine.fault = () => undefined
    await applyFrames(store, 41, 41)
    await store.cut('all')
    assert.deepEqual(localUids(store), uids(41, 41))
    assert.equal(fixture.budget.bytes, 0)
  })
})

describe('a day', () => {
  it('passes over frames that another owner has published before this node applies them', async () => {
    const fixture = new ShardFixture()
    const store = await fixture.open()
    const frame = (sequence: number) => [
      sectionOf([`1.${sequence}`, `y${sequence}`], { timesMs: [NOON_MS, YESTERDAY_MS] }),
      sectionOf([`g${sequence}`], { tenant: GLOBEX, rowBase: 2 }),
    ]
    for (let i = 1; i <= 3; i++) await store.applyFrame(at(i), NOON_MS, frame(i))
    await store.follow(acmeUpTo(at(1), at(4)))
    assert.deepEqual(localUids(store), ['y2', 'y3'])
    for (let i = 4; i <= 6; i++) await store.applyFrame(at(i), NOON_MS, frame(i))
    const expected = ['y2', 'y3', 'y4', 'y5', 'y6', '1.5', '1.6']
    assert.deepEqual(localUids(store), expected)
    assert.deepEqual(localUids(store, GLOBEX), ['g2', 'g3', 'g4', 'g5', 'g6'])
    await store.cut('all')
    fixture.engine.kill()
    const again = await fixture.open(acmeUpTo(at(1), at(5)))
    for (let i = 2; i <= 7; i++) await again.applyFrame(at(i), NOON_MS, frame(i))
    assert.deepEqual(localUids(again), [...expected.slice(0, 5), 'y7', '1.6', '1.7'])
  })

  it('that is opened while a state is adopted is brought to it', async () => {
    const fixture = new ShardFixture()
    const store = await fixture.open()
    const late = [sectionOf(['y1', 'y2'], { timesMs: [YESTERDAY_MS, YESTERDAY_MS + 1] })]
    await store.applyFrame(at(1), NOON_MS, late)
    await applyFrames(store, 2, 4)
    await store.cut('all')
    const followed = store.follow(upTo(at(3)))
    await store.applyFrame(at(5), NOON_MS, [sectionOf(['x5'], { timesMs: [YESTERDAY_MS - 86_400_000] })])
    await followed
    assert.deepEqual(localUids(store), ['x5', ...uids(4, 4)])
  })
})

describe('a published state', () => {
  it('waits until what is applied reaches its floor; the newest wins', async () => {
    const store = await new ShardFixture().open()
    await applyFrames(store, 1, 2)
    const newest = upTo(at(4))
    await store.follow(upTo(at(3)))
    await store.follow(newest)
    await store.follow(upTo(at(3)))
    assert.equal(store.pending, newest)
    assert.deepEqual(store.published.floor, at(0, 0))
    await applyFrames(store, 3, 3)
    assert.equal(store.pending, newest)
    store.passOver(at(3), at(6))
    await store.follow(newest)
    assert.equal(store.published, newest)
    assert.equal(store.pending, undefined)
    assert.deepEqual(localUids(store), [])
  })

  it('older than what is adopted changes nothing', async () => {
    const store = await new ShardFixture().open()
    await applyFrames(store, 1, 4)
    await store.follow(upTo(at(3)))
    await store.follow(upTo(at(2)))
    assert.deepEqual(store.published.floor, at(3))
    assert.deepEqual(localUids(store), uids(4, 4))
  })

  it('that cannot be adopted is tried again with the next frame', async () => {
    const fixture = new ShardFixture()
    const store = await fixture.open()
    await applyFrames(store, 1, 4)
    await store.cut('all')
    const [day] = store.openDays()
    const { encodedBlock } = day!
    day!.encodedBlock = () => {
      throw full()
    }
    await assert.rejects(store.follow(upTo(at(2))), { code: 'storage_unavailable' })
    assert.deepEqual(store.published.floor, at(0, 0))
    day!.encodedBlock = encodedBlock
    assert.deepEqual(localUids(store), uids(1, 4))
    await applyFrames(store, 5, 5)
    await store.follow(upTo(at(2)))
    assert.deepEqual(localUids(store), uids(3, 5))
  })

  it('D3: takes its keyed chunks off the list of those to publish, and they stay known', async () => {
    const store = await new ShardFixture().open()
    for (let i = 1; i <= 3; i++) {
      await store.applyFrame(at(i), NOON_MS, [sectionOf([`k${i}`], { keyed: [chunkOf(`k${i}`, 0, 1)] })])
    }
    await store.follow(upTo(at(2)))
    assert.deepEqual(
      store.seen.publishable(at(9)).map(([key]) => key),
      ['k3'],
    )
    const again = await store.applyFrame(at(4), NOON_MS, [sectionOf(['k1'], { keyed: [chunkOf('k1', 0, 1)] })])
    assert.equal(again.repeatedRows, 1)
  })

  it('J3: of frames that went with an old journal before they were applied is known to be missed', async () => {
    const store = await new ShardFixture().open()
    await applyFrames(store, 1, 3)
    assert.equal(store.missed(at(5)), undefined, 'they may still come')
    await applyFrames(store, 1, 2, 2)
    assert.deepEqual(
      [at(3), at(4), at(1, 2), at(9, 2)].map((floor) => store.missed(floor)),
      [undefined, at(4), undefined, undefined],
    )
    await applyFrames(store, 1, 1, 4)
    assert.deepEqual(store.missed(at(1, 3)), at(1, 3), 'a whole generation')
  })

  it('J5: of frames that were trimmed before they were applied is known to be missed', async () => {
    const store = await new ShardFixture().open()
    await applyFrames(store, 1, 3)
    store.noteGap(at(3), at(4))
    store.noteGap(at(1), at(2))
    store.noteGap(at(5), at(9))
    assert.equal(store.missed(at(20)), undefined)
    store.noteGap(at(3), at(6))
    await applyFrames(store, 6, 7)
    assert.deepEqual(
      [3, 4, 9].map((sequence) => store.missed(at(sequence))),
      [undefined, at(4), at(4)],
    )
  })
})

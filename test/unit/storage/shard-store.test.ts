import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { valueText } from '../../../base/columns.ts'
import { WeirError } from '../../../base/errors.ts'
import { dayOf } from '../../../base/ids.ts'
import { BLOCK_ROWS_MAX, HEAD_AGE_MAX_MS } from '../../../base/limits.ts'
import type { BlockSummary } from '../../../storage/block.ts'
import { MANIFEST_EMPTY } from '../../../storage/manifest.ts'
import { PublishedState } from '../../../storage/published-state.ts'
import {
  ACME,
  at,
  chunkOf,
  decodedSection,
  GLOBEX,
  localUids,
  NOON_MS,
  ShardFixture,
  sectionOf,
  YESTERDAY_MS,
} from '../../harness/shard-fixture.ts'

const NOTHING: ReadonlySet<BlockSummary> = new Set()
const full = () => new WeirError('storage_unavailable', 'no space is left on the device', { errno: 'ENOSPC' })

describe('applying frames', () => {
  it('stores the rows of every section, each in its tenant and day', async () => {
    const store = await new ShardFixture().open()
    const late = sectionOf(['a', 'b'], { timesMs: [NOON_MS, YESTERDAY_MS] })
    const other = sectionOf(['c'], { tenant: GLOBEX, rowBase: 2 })
    assert.equal((await store.applyFrame(at(1), NOON_MS, [late, other])).rows, 3)
    assert.deepEqual(localUids(store), ['b', 'a'])
    assert.deepEqual(localUids(store, GLOBEX), ['c'])
    assert.deepEqual([...store.openDays()].map(({ day }) => day).sort(), [dayOf(YESTERDAY_MS), dayOf(NOON_MS)].sort())
  })

  it('passes over a frame that it has', async () => {
    const store = await new ShardFixture().open()
    for (const sequence of [1, 2, 1, 2]) await store.applyFrame(at(sequence), NOON_MS, [sectionOf([`r${sequence}`])])
    assert.deepEqual(localUids(store), ['r1', 'r2'])
  })

  it('applies nothing of a frame when one of its days cannot be opened, and all of it when it can', async () => {
    const fixture = new ShardFixture()
    const store = await fixture.open()
    const frame = [sectionOf(['a', 'b'], { timesMs: [NOON_MS, YESTERDAY_MS], keyed: [chunkOf('k', 0, 2)] })]
    fixture.engine.fault = (call, directory) =>
      call === 'open' && directory.endsWith('2025-12-31') ? { when: 'before', error: full() } : undefined
    for (let attempt = 0; attempt < 3; attempt++) {
      await assert.rejects(store.applyFrame(at(1), NOON_MS, frame), { code: 'storage_unavailable' })
    }
    assert.deepEqual(localUids(store), [])
    assert.deepEqual(store.applied, at(0, 0))
    fixture.engine.fault = () => undefined
    await store.applyFrame(at(1), NOON_MS, frame)
    assert.deepEqual(localUids(store), ['b', 'a'])
  })

  it('D3: drops the rows of a repeat and of another body, and takes the rest of the section', async () => {
    const store = await new ShardFixture().open()
    await store.applyFrame(at(1), NOON_MS, [sectionOf(['a', 'b'], { keyed: [chunkOf('k', 0, 2)] })])
    const keyed = [chunkOf('k', 0, 2), chunkOf('k', 2, 3, 'other'), chunkOf('new', 3, 4)]
    const result = await store.applyFrame(at(2), NOON_MS, [sectionOf(['a', 'b', 'x', 'c', 'd'], { keyed })])
    assert.equal(result.rows, 2)
    assert.equal(result.repeatedRows, 2)
    assert.deepEqual(
      result.conflicts.map(({ bodyHash }) => bodyHash),
      ['other'],
    )
    assert.deepEqual(localUids(store), ['a', 'b', 'c', 'd'])
  })

  it('S2: cuts whole frames, also where a frame has two sections of a tenant', async () => {
    const fixture = new ShardFixture()
    const store = await fixture.open()
    const many = Array.from({ length: BLOCK_ROWS_MAX }, (_, i) => `m${i}`)
    await store.applyFrame(at(1), NOON_MS, [sectionOf(many), sectionOf(['z'], { rowBase: BLOCK_ROWS_MAX })])
    await store.cut('old')
    fixture.engine.kill()
    const again = await fixture.open()
    await again.applyFrame(at(1), NOON_MS, [sectionOf(many), sectionOf(['z'], { rowBase: BLOCK_ROWS_MAX })])
    assert.equal(localUids(again).length, BLOCK_ROWS_MAX + 1)
  })

  it('frees the memory of what has become a block, but not while a query may read it', async () => {
    const fixture = new ShardFixture()
    const store = await fixture.open()
    const sections = ['a', 'b'].map((uid) => decodedSection(sectionOf([uid])))
    await store.applyFrame(at(1), NOON_MS, [sections[0]!])
    const ended = fixture.plans.begin(0)
    await store.cut('all')
    assert.equal(valueText(sections[0]!.source.column('uid')!, 0), 'a')
    ended()
    assert.equal(sections[0]!.bytes!.length, 0)
    await store.applyFrame(at(2), NOON_MS, [sections[1]!])
    await store.cut('all')
    assert.equal(sections[1]!.bytes!.length, 0)
    assert.deepEqual(localUids(store), ['a', 'b'])
  })

  it('tells of the rows of a frame before they are appended, of repeats never, of what a block holds as of nothing new', async () => {
    const fixture = new ShardFixture()
    const heard: unknown[] = []
    fixture.onRows = ({ shard, tenant, position, receivedMs, source, rows, rowBase, isNew }) => {
      const uids = source.column('uid')!
      const texts = Array.from(rows ?? source.timeMs.keys(), (row) => valueText(uids, row))
      heard.push([tenant, position.sequence, texts, rows === null ? null : [...rows], rowBase, isNew])
      assert.deepEqual([shard, receivedMs], [3, NOON_MS])
    }
    const first = [
      sectionOf(['a', 'b', 'c'], { timesMs: [NOON_MS, YESTERDAY_MS, NOON_MS], keyed: [chunkOf('k', 0, 1)] }),
      sectionOf(['x'], { tenant: GLOBEX, rowBase: 3 }),
    ]
    const store = await fixture.open()
    await store.applyFrame(at(1), NOON_MS, first)
    await store.applyFrame(at(1), NOON_MS, first)
    const told = [
      [ACME, 1, ['a', 'c'], [0, 2], 0, true],
      [ACME, 1, ['b'], [1], 0, true],
      [GLOBEX, 1, ['x'], null, 3, true],
    ]
    assert.deepEqual(heard.splice(0), told)
    await store.applyFrame(at(2), NOON_MS, [sectionOf(['a', 'd'], { keyed: [chunkOf('k', 0, 1)] })])
    assert.deepEqual(heard.splice(0), [[ACME, 2, ['d'], [1], 0, true]])
    await store.cut('all')
    await store.close()
    const again = await fixture.open()
    await again.applyFrame(at(1), NOON_MS, first)
    assert.deepEqual(
      heard.splice(0),
      told.map((rows) => rows.with(5, false)),
    )
  })

  it('leaves memory alone that rows of several days lie in', async () => {
    const store = await new ShardFixture().open()
    const section = decodedSection(sectionOf(['a', 'b'], { timesMs: [NOON_MS, YESTERDAY_MS] }))
    await store.applyFrame(at(1), NOON_MS, [section])
    await store.cut('all')
    assert.ok(section.bytes!.length > 0)
    assert.deepEqual(localUids(store), ['b', 'a'])
  })

  it('never steps over a frame that it has not applied', async () => {
    const store = await new ShardFixture().open()
    await store.applyFrame(at(4), NOON_MS, [sectionOf(['a'])])
    assert.throws(() => store.passOver(at(5), at(7)), { code: 'shard_unavailable' })
    store.passOver(at(4), at(7))
    assert.deepEqual(store.applied, at(7))
    store.passOver(at(2), at(3))
    assert.deepEqual(store.applied, at(7), 'what was read again takes nothing back')
  })
})

describe('cutting', () => {
  it('makes blocks that a restart finds, and skips what they hold in the replay (S2)', async () => {
    const fixture = new ShardFixture()
    const store = await fixture.open()
    await store.applyFrame(at(1), NOON_MS, [sectionOf(['a']), sectionOf(['g'], { tenant: GLOBEX, rowBase: 1 })])
    await store.cut('all')
    await store.applyFrame(at(2), NOON_MS, [sectionOf(['b'])])
    fixture.engine.kill()
    const again = await fixture.open()
    assert.deepEqual(again.applied, at(0, 0), 'nothing is published')
    await again.applyFrame(at(1), NOON_MS, [sectionOf(['a']), sectionOf(['g'], { tenant: GLOBEX, rowBase: 1 })])
    await again.applyFrame(at(2), NOON_MS, [sectionOf(['b'])])
    assert.deepEqual(localUids(again), ['a', 'b'])
    assert.deepEqual(localUids(again, GLOBEX), ['g'])
  })

  it('cuts heads by age on the monotonic clock, whatever the wall clock does', async () => {
    const fixture = new ShardFixture()
    const store = await fixture.open()
    await store.applyFrame(at(1), NOON_MS, [sectionOf(['a'])])
    fixture.clock.jumpWall(-3_600_000)
    await fixture.clock.advance(HEAD_AGE_MAX_MS - 1)
    await store.cut('old')
    assert.equal(fixture.budget.bytes > 0, true)
    await fixture.clock.advance(1)
    await store.cut('old')
    assert.equal(fixture.budget.bytes, 0)
    assert.deepEqual(localUids(store), ['a'])
  })

  it('keeps a head searchable that the disk refuses, cuts the others, and tries again', async () => {
    const fixture = new ShardFixture()
    const store = await fixture.open()
    const rows = sectionOf(['a', 'b'], { timesMs: [NOON_MS, YESTERDAY_MS] })
    await store.applyFrame(at(1), NOON_MS, [rows])
    fixture.engine.fault = (call, directory) =>
      call === 'transact' && directory.endsWith('2026-01-01') ? { when: 'before', error: full() } : undefined
    await store.cut('all')
    assert.equal((store.cutError as WeirError).code, 'storage_unavailable')
    assert.deepEqual(localUids(store), ['b', 'a'])
    const isCut = [...store.openDays()].map((partition) => partition.find(ACME)!.unpublished.length)
    assert.deepEqual(isCut.sort(), [0, 1])
    assert.ok(fixture.budget.bytes > 0)
    fixture.engine.fault = () => undefined
    await store.cut('old')
    assert.equal(store.cutError, undefined)
    assert.equal(fixture.budget.bytes, 0)
    assert.deepEqual(localUids(store), ['b', 'a'])
  })

  it('does not double a head whose commit was answered with an error', async () => {
    const fixture = new ShardFixture()
    const store = await fixture.open()
    await store.applyFrame(at(1), NOON_MS, [sectionOf(['a'])])
    fixture.engine.fault = (call) => (call === 'transact' ? { when: 'after', error: full() } : undefined)
    await store.cut('all')
    fixture.engine.fault = () => undefined
    await store.cut('all')
    assert.deepEqual(localUids(store), ['a'])
    fixture.engine.kill()
    assert.deepEqual(localUids(await fixture.open()), ['a'])
  })

  it('ends when all that was frozen by then is cut, though heads freeze faster than they are cut', async () => {
    const fixture = new ShardFixture()
    const store = await fixture.open()
    let frames = 0
    const fill = async () => {
      await store.applyFrame(at(++frames), NOON_MS, [sectionOf([`r${frames}`])])
      store.cutLargest()
    }
    let commits = 0
    fixture.engine.fault = (call) => {
      if (call === 'transact' && ++commits < 50) void fill().then(fill)
      return undefined
    }
    await fill()
    await store.cut('all')
    assert.ok(commits < 10, `the cut ended after ${commits} commits only`)
  })

  it('S4: freezes the largest head', async () => {
    const fixture = new ShardFixture()
    const store = await fixture.open()
    await store.applyFrame(at(1), NOON_MS, [
      sectionOf(['a']),
      sectionOf(['x', 'y', 'z'], { tenant: GLOBEX, rowBase: 1 }),
    ])
    const before = store.largestHeadBytes()
    store.cutLargest()
    assert.ok(store.largestHeadBytes() < before)
    await store.cut('old')
    assert.equal([...store.openDays()][0]!.find(GLOBEX)!.unpublished.length, 1)
  })
})

describe('the floor (S3)', () => {
  it('is just before the oldest row that is in no published segment, wherever it is', async () => {
    const store = await new ShardFixture().open()
    assert.deepEqual(store.floorNow(NOTHING), at(0, 0))
    await store.applyFrame(at(3), NOON_MS, [sectionOf(['a'], { timesMs: [YESTERDAY_MS] })])
    await store.applyFrame(at(5), NOON_MS, [sectionOf(['b'])])
    assert.deepEqual(store.floorNow(NOTHING), at(2))
    await store.cut('all')
    assert.deepEqual(store.floorNow(NOTHING), at(2))
    const blocks = [...store.openDays()].flatMap((partition) => partition.find(ACME)!.unpublished)
    const first = blocks.find(({ firstSequence }) => firstSequence === 3)!
    assert.deepEqual(store.floorNow(new Set([first])), at(4))
    store.passOver(at(5), at(9))
    assert.deepEqual(store.floorNow(new Set(blocks)), at(9))
  })

  it('never goes back', async () => {
    const store = await new ShardFixture().open(new PublishedState(at(7), MANIFEST_EMPTY, 'page'))
    assert.deepEqual(store.floorNow(NOTHING), at(7))
    assert.throws(() => store.setPublished(new PublishedState(at(6), MANIFEST_EMPTY, 'page')), /never goes back/)
  })

  it('lies in the generation of what was applied last (J3)', async () => {
    const store = await new ShardFixture().open(new PublishedState(at(7), MANIFEST_EMPTY, 'page'))
    await store.applyFrame(at(1, 2), NOON_MS, [sectionOf(['a'])])
    assert.deepEqual(store.floorNow(NOTHING), at(0, 2))
  })
})

describe('days', () => {
  it('go when nothing is left of them but what is published and named by no plan', async () => {
    const fixture = new ShardFixture()
    const store = await fixture.open()
    await store.applyFrame(at(1), NOON_MS, [sectionOf(['a'])])
    await store.cut('all')
    const blocks = new Set([...store.openDays()].flatMap((partition) => partition.find(ACME)!.unpublished))
    await fixture.clock.advance(10)
    store.setPublished(new PublishedState(at(1), MANIFEST_EMPTY, 'page'), blocks)
    await store.sweep(fixture.clock.monotonicMs())
    assert.equal([...store.openDays()].length, 1, 'a plan of this moment may name its block')
    await fixture.clock.advance(1)
    await store.sweep(fixture.clock.monotonicMs())
    assert.equal([...store.openDays()].length, 0)
    assert.deepEqual(await fixture.engine.list('shards/3'), [])
  })

  it('are opened again for a row that comes while they go', async () => {
    const fixture = new ShardFixture()
    const store = await fixture.open()
    await store.applyFrame(at(1), NOON_MS, [sectionOf(['a'])])
    const dropped = store.dropDays([dayOf(NOON_MS)])
    await Promise.resolve()
    await store.applyFrame(at(2), NOON_MS, [sectionOf(['b'])])
    await dropped
    assert.deepEqual(localUids(store), ['b'])
    await store.cut('all')
    fixture.engine.kill()
    assert.deepEqual(localUids(await fixture.open()), ['b'])
  })

  it('give back the bytes of their heads when retention drops them', async () => {
    const fixture = new ShardFixture()
    const store = await fixture.open()
    await store.applyFrame(at(1), NOON_MS, [sectionOf(['a'])])
    fixture.engine.fault = (call) => (call === 'transact' ? { when: 'before', error: full() } : undefined)
    await store.cut('all')
    await store.applyFrame(at(2), NOON_MS, [sectionOf(['b'])])
    await store.dropDays([dayOf(NOON_MS)])
    assert.equal(fixture.budget.bytes, 0)
  })

  it('that are published are swept after a restart, on a full disk too once it takes writes', async () => {
    const fixture = new ShardFixture()
    const store = await fixture.open()
    await store.applyFrame(at(1), NOON_MS, [sectionOf(['a'])])
    await store.cut('all')
    fixture.engine.kill()
    fixture.engine.fault = (call) => (call === 'transact' ? { when: 'before', error: full() } : undefined)
    const again = await fixture.open(new PublishedState(at(1), MANIFEST_EMPTY, 'page'))
    assert.deepEqual(localUids(again), [])
    await assert.rejects(again.sweep(0), { code: 'storage_unavailable' })
    fixture.engine.fault = () => undefined
    await again.sweep(0)
    assert.deepEqual(await fixture.engine.list('shards/3'), [])
  })

  it('are closed with the shard, which then takes nothing more and keeps nothing of the budget', async () => {
    const fixture = new ShardFixture()
    const store = await fixture.open()
    await store.applyFrame(at(1), NOON_MS, [sectionOf(['a'])])
    await store.close()
    assert.equal(fixture.budget.bytes, 0)
    await assert.rejects(store.applyFrame(at(2), NOON_MS, [sectionOf(['b'])]), { code: 'shard_unavailable' })
  })
})

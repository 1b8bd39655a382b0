import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { JournalledSection } from '../../../actors/messages/shard.ts'
import { ActorSystem } from '../../../actors/runtime/actor-system.ts'
import { ShardWriter } from '../../../actors/shard-writer.ts'
import { POSITION_ZERO } from '../../../base/ids.ts'
import { createLogger } from '../../../base/logger.ts'
import { encodeSection } from '../../../storage/section-codec.ts'
import { ACME, at, localUids, NOON_MS, ShardFixture, sectionOf } from '../../harness/shard-fixture.ts'

function journalled(sequence: number, uids: readonly string[], rowBase = 0): JournalledSection {
  const { meta, source } = sectionOf(uids)
  return {
    position: at(sequence),
    appendedMs: NOON_MS,
    rowBase,
    bytes: encodeSection(source, meta, { compression: 'none' }),
  }
}

async function writerOf(fixture = new ShardFixture()) {
  const store = await fixture.open()
  const { clock, budget } = fixture
  const lines: string[] = []
  const logger = createLogger({ level: 'warn', write: (line) => lines.push(line) })
  const system = new ActorSystem({ name: 'test', clock, logger, onEscalate: ({ error }) => assert.fail(error) })
  const options = { store, budget, cutLargestOfWorker: () => store.cutLargest(), clock, logger }
  const writer = system.spawn('writer', () => new ShardWriter(options), { mailboxMax: 8 })
  const apply = (after: number, through: number, sections: readonly JournalledSection[], deadlineMs = 1000) =>
    clock.run(
      writer.ask(
        { kind: 'applySections', after: after === 0 ? POSITION_ZERO : at(after), through: at(through), sections },
        { deadlineMs },
      ),
    )
  return { store, fixture, apply, lines, system }
}

describe('a shard writer', () => {
  it('applies a run once, however often it comes', async () => {
    const { store, apply } = await writerOf()
    const run = [journalled(1, ['a']), journalled(2, ['b', 'c'])]
    assert.deepEqual(await apply(0, 3, run), { rows: 3 })
    assert.deepEqual(await apply(0, 3, run), { rows: 0 })
    assert.deepEqual(localUids(store), ['a', 'b', 'c'])
    assert.deepEqual(store.applied, at(3))
  })

  it('goes on, in a run that failed half-way, where it failed', async () => {
    const fixture = new ShardFixture()
    const { store, apply } = await writerOf(fixture)
    await apply(0, 1, [journalled(1, ['a'])])
    await store.dropDays([...store.openDays()].map(({ day }) => day))
    const run = [journalled(2, ['b']), journalled(3, ['c'])]
    let opened = 0
    fixture.engine.fault = (call) =>
      call === 'open' && opened++ < 2
        ? { when: 'before', error: Object.assign(new Error('full'), { code: 'storage_unavailable' }) as never }
        : undefined
    await assert.rejects(apply(1, 3, run))
    await assert.rejects(apply(1, 3, run))
    assert.deepEqual(await apply(1, 3, run), { rows: 2 })
    assert.deepEqual(localUids(store), ['b', 'c'])
  })

  it('refuses a run that begins behind a frame it has not applied', async () => {
    const { store, apply } = await writerOf()
    await assert.rejects(apply(1, 2, [journalled(2, ['b'])]), { code: 'shard_unavailable' })
    assert.deepEqual(localUids(store), [])
  })

  it('passes over a damaged section, loudly, and keeps the others of its frame', async () => {
    const { store, apply, lines } = await writerOf()
    const damaged = journalled(1, ['a'])
    damaged.bytes[40]! ^= 0xff
    await apply(0, 2, [damaged, journalled(1, ['b'], 1), journalled(2, ['c'])])
    assert.deepEqual(localUids(store), ['b', 'c'])
    assert.match(lines.join(), /a section of the journal is damaged/)
  })

  it('keeps no large frame in memory for the sake of a small section', async () => {
    const { store, apply } = await writerOf()
    const section = journalled(1, ['a'])
    const frame = new Uint8Array(1_000_000)
    frame.set(section.bytes, 4096)
    await apply(0, 1, [{ ...section, bytes: frame.subarray(4096, 4096 + section.bytes.length) }])
    const head = [...store.openDays()][0]!.find(ACME)!.head!
    const { timeMs } = head.parts()[0]!.source
    assert.ok(timeMs.buffer.byteLength < 10_000, `a row holds ${timeMs.buffer.byteLength} bytes`)
  })

  it('waits for room without keeping a disk that takes writes again from making it', async () => {
    const fixture = new ShardFixture()
    const { store, apply } = await writerOf(fixture)
    fixture.engine.fault = (call) =>
      call === 'transact' ? { when: 'before', error: new Error('full') as never } : undefined
    fixture.budget.take(2 * fixture.budget.bytesMax)
    await assert.rejects(apply(0, 1, [journalled(1, ['a'])], 50), { code: 'deadline_exceeded' })
    fixture.engine.fault = () => undefined
    fixture.budget.freeze(2 * fixture.budget.bytesMax)
    fixture.budget.release(2 * fixture.budget.bytesMax)
    assert.deepEqual(await apply(0, 1, [journalled(1, ['a'])]), { rows: 1 })
    assert.deepEqual(localUids(store), ['a'])
  })
})

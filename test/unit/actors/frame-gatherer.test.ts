import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { FrameGathererOptions } from '../../../actors/frame-gatherer.ts'
import { FrameGatherer } from '../../../actors/frame-gatherer.ts'
import { VALUE_NUMBER, VALUE_STRING } from '../../../base/columns.ts'
import { WeirError } from '../../../base/errors.ts'
import type { LaneId, Position, ShardId, TenantId } from '../../../base/ids.ts'
import { CHUNK_ROWS_MAX, FRAME_BYTES_TARGET, FRAME_LINGER_MS, JOURNAL_MESSAGE_BYTES_MAX } from '../../../base/limits.ts'
import { Prng } from '../../../base/prng.ts'
import { readFrame } from '../../../cluster/frame.ts'
import type { Journal } from '../../../cluster/journal.ts'
import { PathTable } from '../../../ingest/path-table.ts'
import { decodeSection } from '../../../storage/section-codec.ts'
import { ACME, GLOBEX, NOON_MS } from '../../harness/shard-fixture.ts'
import { SimulatedClock } from '../../harness/simulated-clock.ts'

const API = 1 as ShardId
const MAIL = 2 as ShardId

/** A journal that answers when the test says so. */
class HandJournal {
  readonly frames: Uint8Array[] = []
  #answers: { readonly resolve: (position: Position) => void; readonly reject: (error: unknown) => void }[] = []

  readonly port = {
    append: (_lane: LaneId, _id: string, frame: Uint8Array) => {
      this.frames.push(frame)
      return new Promise<Position>((resolve, reject) => this.#answers.push({ resolve, reject }))
    },
  } as unknown as Journal

  acknowledge(): void {
    this.#answers.shift()!.resolve({ generation: 1, sequence: this.frames.length })
  }

  refuse(): void {
    this.#answers.shift()!.reject(new WeirError('journal_full', 'the lane is full'))
  }
}

function gatherer(options: Partial<Pick<FrameGathererOptions, 'compression' | 'groupedBy'>> = {}) {
  const clock = new SimulatedClock(1, NOON_MS)
  const journal = new HandJournal()
  const appended: { readonly rows: number; readonly bytes: number }[] = []
  let frames = 0
  const gathering = new FrameGatherer({
    lane: 0 as LaneId,
    journal: journal.port,
    clock,
    paths: new PathTable(1),
    compression: 'none',
    ...options,
    nextFrameId: () => String(++frames),
    onFrame: (frame) => appended.push(frame),
  })
  const put = (uid: string, tenant: TenantId = ACME, shard = API, padding = 0) => {
    const { writer } = gathering.section(tenant, shard, NOON_MS)
    writer.beginRow(NOON_MS, 0)
    writer.addString('uid', VALUE_STRING, uid)
    if (padding > 0) writer.addString('padding', VALUE_STRING, 'x'.repeat(padding))
    writer.commitRow()
  }
  return { clock, journal, gathering, put, appended }
}

function rowsOf(frame: Uint8Array): string[] {
  return readFrame(frame).sections.map(({ tenant, shard, rowCount }) => `${tenant}/${shard}: ${rowCount}`)
}

describe('the frame being gathered (J2)', () => {
  it('is closed when it has waited long enough, with a section for each tenant and shard', async () => {
    const { clock, journal, gathering, put } = gatherer()
    put('a')
    put('b', GLOBEX)
    put('c', ACME, MAIL)
    put('d')
    const durable = gathering.chunkDone()
    await clock.advance(FRAME_LINGER_MS - 0.1)
    assert.equal(journal.frames.length, 0)
    await clock.advance(0.1)
    assert.deepEqual(rowsOf(journal.frames[0]!), ['acme/1: 2', 'globex/1: 1', 'acme/2: 1'])
    journal.acknowledge()
    await durable
  })

  it('is closed at once when it is large', () => {
    const { journal, gathering, put } = gatherer()
    put('a', ACME, API, FRAME_BYTES_TARGET)
    void gathering.chunkDone()
    assert.equal(journal.frames.length, 1)
  })

  it('waits for the one in flight, and then goes at once with all that came meanwhile', async () => {
    const { clock, journal, gathering, put } = gatherer()
    put('a')
    const first = gathering.chunkDone()
    await clock.advance(FRAME_LINGER_MS)
    put('b')
    void gathering.chunkDone()
    await clock.advance(100)
    put('c')
    const last = gathering.chunkDone()
    assert.equal(journal.frames.length, 1, 'one in flight')
    journal.acknowledge()
    await first
    await clock.advance(0)
    assert.deepEqual(rowsOf(journal.frames[1]!), ['acme/1: 2'])
    journal.acknowledge()
    await last
  })

  it('fails alone when the journal refuses it; the next one has nothing of it', async () => {
    const { clock, journal, gathering, put } = gatherer()
    put('a')
    const refused = gathering.chunkDone()
    await clock.advance(FRAME_LINGER_MS)
    put('b')
    const taken = gathering.chunkDone()
    journal.refuse()
    await assert.rejects(refused, { code: 'journal_full' })
    await clock.advance(FRAME_LINGER_MS)
    const [section] = readFrame(journal.frames[1]!).sections
    assert.equal(section!.rowCount, 1)
    journal.acknowledge()
    await taken
  })

  it('has room again when it has been handed to the journal', async () => {
    const { clock, journal, gathering, put } = gatherer()
    put('a')
    void gathering.chunkDone()
    await clock.advance(FRAME_LINGER_MS)
    for (let i = 0; i < 20; i++) put(`b${i}`, ACME, API, 200_000)
    void gathering.chunkDone()
    let hasRoom = false
    const waiting = gathering.room().then(() => {
      hasRoom = true
    })
    await clock.advance(1000)
    assert.equal(hasRoom, false)
    journal.acknowledge()
    await waiting
  })

  it('lists a keyed chunk that put no row into the home of its key (D3)', async () => {
    const { clock, journal, gathering } = gatherer()
    const chunk = { keyHash: 'k', bodyHash: 'b', chunk: 0, chunks: 0, rowFrom: 0, rowTo: 0 }
    gathering.section(ACME, API, NOON_MS).keyed.push(chunk)
    void gathering.chunkDone()
    await clock.advance(FRAME_LINGER_MS)
    const [section] = readFrame(journal.frames[0]!).sections
    assert.deepEqual(decodeSection(section!.bytes.slice()).meta.keyed, [chunk])
  })

  it('with nothing in it is no frame', async () => {
    const { clock, journal, gathering } = gatherer()
    const durable = gathering.chunkDone()
    await clock.advance(FRAME_LINGER_MS)
    await durable
    assert.equal(journal.frames.length, 0)
  })

  it('fits a message of the journal also when it holds many columns that few rows have', async () => {
    const { clock, journal, gathering, appended } = gatherer()
    const random = new Prng('wide')
    const { writer } = gathering.section(ACME, API, NOON_MS)
    for (let row = 0; row < 3 * CHUNK_ROWS_MAX; row++) {
      writer.beginRow(NOON_MS, 0)
      for (let i = 0; i < 13; i++) {
        writer.addString(`x${(row * 13 + i) % 100}`, VALUE_NUMBER, String(100 + random.below(900)))
      }
      writer.commitRow()
    }
    void gathering.chunkDone()
    journal.acknowledge()
    await clock.advance(FRAME_LINGER_MS)
    const [section] = readFrame(journal.frames[0]!).sections
    const { source } = decodeSection(section!.bytes.slice())
    assert.equal(source.rowCount, 3 * CHUNK_ROWS_MAX)
    assert.ok(source.columnNames.length === 100)
    assert.ok(appended[0]!.bytes > 0 && appended[0]!.bytes < JOURNAL_MESSAGE_BYTES_MAX)
  })

  it('C9: is of groups where all nodes read that, and of compressed sections before', async () => {
    let doAll = false
    const ownerOf = (shard: ShardId) => `node-${shard}`
    const { clock, journal, gathering, put } = gatherer({
      compression: 'zstd',
      groupedBy: () => (doAll ? ownerOf : undefined),
    })
    const send = async () => {
      for (const shard of [API, MAIL]) for (let i = 0; i < 30; i++) put(`${shard}/${i}`, ACME, shard, 2000)
      void gathering.chunkDone()
      await clock.advance(FRAME_LINGER_MS)
      journal.acknowledge()
      await clock.advance(0)
    }
    await send()
    doAll = true
    await send()
    const [before, after] = journal.frames.map((frame) => new DataView(frame.buffer).getUint16(4, true))
    assert.deepEqual([before, after], [1, 2])
    const read = journal.frames.map((frame) => readFrame(frame, (shard) => shard === MAIL))
    assert.deepEqual(
      read.map(({ inflated }) => inflated.length),
      [0, 1],
    )
    const rows = read.map(({ sections }) => decodeSection(sections[0]!.bytes).source.rowCount)
    assert.deepEqual(rows, [30, 30])
  })
})

import assert from 'node:assert/strict'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { WeirError } from '../../../base/errors.ts'
import type { LaneId } from '../../../base/ids.ts'
import { JOURNAL_TRIM_FRAMES_MAX } from '../../../base/limits.ts'
import { Prng } from '../../../base/prng.ts'
import { JournalLog, type JournalLogOptions } from '../../../cluster/lmdb-journal-log.ts'

const LANE = 0 as LaneId

async function withLog(
  options: Partial<JournalLogOptions>,
  run: (log: JournalLog, directory: string) => Promise<void>,
) {
  const directory = await mkdtemp(join(tmpdir(), 'weir-log-'))
  const log = JournalLog.open({
    directory,
    laneCount: 1,
    bytesMax: 2 ** 30,
    creationId: new Uint8Array(16),
    createdMs: 1,
    ...options,
  })
  try {
    await run(log, directory)
  } finally {
    await log.close()
    await rm(directory, { recursive: true })
  }
}

const frame = (id: string, bytes: Uint8Array, appendedMs = 1) => ({ lane: LANE, frameId: id, appendedMs, bytes })

it('J5: the space of trimmed frames is used again, whatever their sizes', () =>
  withLog({}, async (log, directory) => {
    const prng = new Prng('reuse')
    const content = prng.bytes(65_536)
    const keptMax = 8 * 2 ** 20
    let peakBytes = 0
    for (let i = 0; i < 500; i++) {
      const bytes = new Uint8Array(Math.floor(5_000 + prng.random() ** 2 * 500_000)).map(
        (_, at) => content[at & 0xffff]!,
      )
      log.commit([frame(`${i}`, bytes)], [])
      const state = log.state(LANE)
      peakBytes = Math.max(peakBytes, state.bytes)
      if (state.bytes > keptMax) {
        const upTo = Math.floor((state.firstSequence + state.lastSequence) / 2)
        log.commit([], [{ lane: LANE, upTo }])
      }
    }
    const { size } = await stat(join(directory, 'data.mdb'))
    assert.ok(log.state(LANE).firstSequence > 400, 'most was trimmed')
    assert.ok(size < 1.25 * peakBytes + 2 ** 20, `the file has ${size} bytes for at most ${peakBytes} kept`)
  }))

it('a commit takes what fits and refuses what does not, frame by frame', () =>
  withLog({ bytesMax: 1000 }, async (log) => {
    const { outcomes } = log.commit(
      [frame('a', new Uint8Array(600)), frame('b', new Uint8Array(600)), frame('c', new Uint8Array(300))],
      [],
    )
    const told = outcomes.map((outcome) => (outcome instanceof WeirError ? outcome.code : outcome.sequence))
    assert.deepEqual(told, [1, 'journal_full', 2])
    assert.equal(log.state(LANE).bytes, 900)
  }))

it('a trim is done in bounded pieces, beside appends', () =>
  withLog({}, async (log) => {
    const count = JOURNAL_TRIM_FRAMES_MAX + 10
    log.commit(
      Array.from({ length: count }, (_, i) => frame(`${i}`, new Uint8Array(10))),
      [],
    )
    const trim = { lane: LANE, upTo: count }
    const first = log.commit([frame('beside', new Uint8Array(10))], [trim])
    assert.deepEqual(first.trimsDone, [false])
    assert.equal(log.state(LANE).firstSequence, JOURNAL_TRIM_FRAMES_MAX + 1)
    assert.deepEqual(log.commit([], [trim]).trimsDone, [true])
    const { firstSequence, lastSequence, bytes } = log.state(LANE)
    assert.deepEqual([firstSequence, lastSequence, bytes], [count + 1, count + 1, 10])
  }))

it('the time of append never falls within a lane, though clocks may', () =>
  withLog({}, async (log) => {
    const times = [50, 40, 60].map((ms, i) => log.commit([frame(`${i}`, new Uint8Array(1), ms)], []).outcomes[0]!)
    assert.deepEqual(
      times.map((outcome) => (outcome instanceof WeirError ? undefined : outcome.appendedMs)),
      [50, 50, 60],
    )
  }))

it('J1: a journal that was created with another count of lanes is not opened', () =>
  withLog({ laneCount: 2 }, async (_, directory) => {
    const again = { directory, laneCount: 3, bytesMax: 2 ** 30, creationId: new Uint8Array(16), createdMs: 2 }
    assert.throws(() => JournalLog.open(again), { code: 'invalid_config' })
  }))

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../base/clock.ts'
import type { LaneId } from '../../base/ids.ts'
import { Prng } from '../../base/prng.ts'
import { createLmdbJournal, openLmdbJournal } from '../../cluster/lmdb-journal.ts'

const APPENDER = fileURLToPath(new URL('../harness/journal-appender.ts', import.meta.url))
const LANE = 0 as LaneId
const ROUNDS = 6

interface Said {
  readonly appended: Set<string>
  readonly acked: Map<string, number>
  trimmed: number
}

/** Runs the appender and kills it once it has acknowledged so many frames; adds what it said until then. */
async function runUntilKilled(directory: string, round: number, acksBeforeKill: number, said: Said): Promise<void> {
  const child = spawn(process.execPath, [APPENDER, '--dir', directory, '--round', `${round}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = new Promise<NodeJS.Signals | null>((resolve) => child.once('exit', (_, signal) => resolve(signal)))
  let acks = 0
  for await (const line of createInterface({ input: child.stdout })) {
    const [event, subject, sequence] = line.split(' ')
    if (event === 'append') said.appended.add(subject!)
    if (event === 'acked') {
      said.acked.set(subject!, Number(sequence))
      if (++acks === acksBeforeKill) child.kill('SIGKILL')
    }
    if (event === 'trim') said.trimmed = Math.max(said.trimmed, Number(subject))
  }
  assert.equal(await exited, 'SIGKILL', 'it was killed, it did not end')
}

it('J6: after kill -9 with frames in flight every acknowledged frame is there, once, in order', {
  timeout: 60_000,
}, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'weir-crash-'))
  const prng = new Prng('journal-kill')
  const said: Said = { appended: new Set(), acked: new Map(), trimmed: 0 }
  try {
    for (let round = 0; round < ROUNDS; round++) {
      await runUntilKilled(directory, round, prng.between(1, 150), said)
      const host = await createLmdbJournal({ directory, laneCount: 1, bytesMax: 2 ** 30, clock: systemClock })
      const journal = openLmdbJournal(host.share(), systemClock)
      const { firstSequence, lastSequence, generation } = await journal.state(LANE)
      assert.equal(generation, 1)
      assert.ok(firstSequence <= said.trimmed + 1, 'nothing was trimmed that was not to be')
      const reader = journal.read(LANE, 0)
      const sequenceOf = new Map<string, number>()
      for (let expected = firstSequence; expected <= lastSequence; ) {
        for (const { position, frame } of await reader.next(1 << 20, AbortSignal.timeout(10_000))) {
          assert.equal(position.sequence, expected++, 'sequences have no gap')
          const text = Buffer.from(frame).toString()
          const id = text.slice(0, text.indexOf(' '))
          assert.equal(text, `${id} `.repeat(text.length).slice(0, text.length), 'the frame is whole')
          assert.ok(said.appended.has(id) && !sequenceOf.has(id), 'it was appended, and stands here once')
          sequenceOf.set(id, position.sequence)
        }
      }
      for (const [id, sequence] of said.acked) {
        if (sequence >= firstSequence)
          assert.equal(sequenceOf.get(id), sequence, `${id} stands where it was acknowledged`)
      }
      await journal.close()
      await host.close()
    }
    assert.ok(said.acked.size > ROUNDS)
  } finally {
    await rm(directory, { recursive: true })
  }
})

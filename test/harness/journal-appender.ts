import { writeSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { systemClock } from '../../base/clock.ts'
import type { LaneId } from '../../base/ids.ts'
import { Prng } from '../../base/prng.ts'
import { createLmdbJournal, openLmdbJournal } from '../../cluster/lmdb-journal.ts'

/**
 * A process for crash tests: appends frames to the journal in --dir and says so on stdout, one line each, written before anything else
 * happens: `append <id>` before the call, `acked <id> <sequence>` once it has resolved, `trim <sequence>` before a trim.
 *
 * --round names the process; --count ends it after so many frames, without it goes on until it is killed.
 */
const { values } = parseArgs({
  options: {
    dir: { type: 'string' },
    round: { type: 'string', default: '0' },
    count: { type: 'string', default: '1000000' },
    inFlight: { type: 'string', default: '4' },
    bytesMax: { type: 'string', default: '20000' },
  },
})
const LANE = 0 as LaneId
/** The pipe may be full for a moment; what is said is said before anything else happens. */
const say = (line: string): void => {
  const bytes = Buffer.from(`${line}\n`)
  for (let written = 0; written < bytes.length; ) {
    try {
      written += writeSync(1, bytes, written)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    }
  }
}

const options = { directory: values.dir!, laneCount: 1, bytesMax: 256 * 2 ** 20, clock: systemClock }
const host = await createLmdbJournal(options)
const prng = new Prng(values.round)
const count = Number(values.count)
let next = 0

async function appendAll(): Promise<void> {
  const journal = openLmdbJournal(host.share(), systemClock)
  while (next < count) {
    const id = `${values.round}/${next++}`
    const frame = Buffer.alloc(prng.between(id.length + 1, Number(values.bytesMax)), `${id} `)
    say(`append ${id}`)
    const { sequence } = await journal.append(LANE, id, new Uint8Array(frame))
    say(`acked ${id} ${sequence}`)
    if (sequence % 50 === 0) {
      say(`trim ${sequence - 40}`)
      await journal.trim(LANE, sequence - 40)
    }
  }
  await journal.close()
}

await Promise.all(Array.from({ length: Number(values.inFlight) }, appendAll))
await host.close()

import { writeSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { systemClock } from '../../base/clock.ts'
import { WeirError } from '../../base/errors.ts'
import type { LaneId } from '../../base/ids.ts'
import { createLmdbJournal, openLmdbJournal } from '../../cluster/lmdb-journal.ts'
import { createLmdbRegistry } from '../../cluster/lmdb-registry.ts'
import { lmdbEngine } from '../../storage/lmdb-kv.ts'

/**
 * A process for tests of a full disk: writes to the store named by --what in --dir until it is refused, says `refused <code> <errno>`, waits
 * for a line on stdin (there is space again), goes on in the same store, and says `kept <count>` once all that was ever
 * acknowledged has been read back.
 */
const { values } = parseArgs({ options: { what: { type: 'string' }, dir: { type: 'string' } } })
const VALUE_BYTES = 100_000
/** Writes behind the refusal. */
const MORE = 20

interface Store {
  write(n: number): Promise<void>
  /** Numbers of all values that are there and whole. */
  readBack(): Promise<number[]>
  close(): Promise<void>
}

const bytesOf = (n: number): Uint8Array => new Uint8Array(VALUE_BYTES).fill(n & 0xff)
const keyOf = (n: number): Uint8Array => Uint8Array.of(1, n >> 8, n & 0xff)
const isWhole = (value: Uint8Array, n: number): boolean => Buffer.compare(value, bytesOf(n)) === 0

async function openStore(what: string, directory: string): Promise<Store> {
  if (what === 'kv') {
    const store = await lmdbEngine().open(directory)
    return {
      write: (n) => store.transact([{ kind: 'put', key: keyOf(n), value: bytesOf(n) }]),
      async readBack() {
        const entries = [...store.range(Uint8Array.of(1), Uint8Array.of(2))]
        return entries
          .map(({ key, value }) => ({ n: key[1]! * 256 + key[2]!, value }))
          .flatMap(({ n, value }) => (isWhole(value, n) ? [n] : []))
      },
      close: () => store.close(),
    }
  }
  if (what === 'registry') {
    const registry = await createLmdbRegistry({ directory })
    return {
      async write(n) {
        await registry.put(`k/${n}`, bytesOf(n), 0)
      },
      async readBack() {
        // From the disk, not from memory.
        await registry.close()
        const again = await createLmdbRegistry({ directory })
        const entries = await again.list('k/')
        await again.close()
        return entries
          .map((entry) => ({ n: Number(entry.key.slice(2)), entry }))
          .flatMap(({ n, entry }) => (isWhole(entry.value, n) ? [n] : []))
      },
      close: async () => {},
    }
  }
  const host = await createLmdbJournal({ directory, laneCount: 1, bytesMax: 2 ** 30, clock: systemClock })
  const journal = openLmdbJournal(host.share(), systemClock)
  const lane = 0 as LaneId
  const numbers: number[] = []
  return {
    async write(n) {
      const { sequence } = await journal.append(lane, `${n}`, bytesOf(n))
      numbers[sequence] = n
    },
    async readBack() {
      const { lastSequence } = await journal.state(lane)
      const reader = journal.read(lane, 0)
      const found: number[] = []
      while (found.length < lastSequence) {
        for (const { position, frame } of await reader.next(2 ** 20, AbortSignal.timeout(10_000))) {
          const n = numbers[position.sequence]!
          found.push(isWhole(frame, n) ? n : -1)
        }
      }
      return found
    },
    async close() {
      await journal.close()
      await host.close()
    },
  }
}

const say = (line: string): void => {
  writeSync(1, `${line}\n`)
}
const store = await openStore(values.what!, values.dir!)
const acked: number[] = []
let n = 0
for (; ; n++) {
  try {
    await store.write(n)
    acked.push(n)
  } catch (error) {
    say(error instanceof WeirError ? `refused ${error.code} ${error.details.errno}` : `refused ${error}`)
    break
  }
}
// Refused as long as it is full, not broken by it.
await store.write(n + 1).then(
  () => say('accepted too early'),
  (error) => say(`refused ${error.code} ${error.details.errno}`),
)
await new Promise((resolve) => process.stdin.once('data', resolve))
for (let more = 0; more < MORE; more++) {
  n += 2
  await store.write(n)
  acked.push(n)
}
const found = new Set(await store.readBack())
say(acked.every((number) => found.has(number)) && !found.has(-1) ? `kept ${acked.length}` : 'lost')
await store.close()
process.exit(0)

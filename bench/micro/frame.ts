import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import type { LaneId } from '../../base/ids.ts'
import { readFrame } from '../../cluster/frame.ts'
import { ACME, DurableNode } from '../../test/harness/durable-node.ts'
import { LiveBodies } from '../live-bodies.ts'

/**
 * What it costs to compress the sections of a frame alone, in groups of as many as there are nodes, and as a whole: `node bench/micro/frame.ts [records of a
 * frame] [nodes]`. CPU of all threads, best of several rounds; inflating counts every byte once.
 */
const RECORDS = Number(process.argv[2] ?? 600)
const NODES = Number(process.argv[3] ?? 3)
const FRAMES = 30
const ROUNDS = 7

interface Section {
  readonly shard: number
  readonly rowCount: number
  readonly bytes: Uint8Array
}

async function frames(): Promise<Section[][]> {
  const durable = await DurableNode.start({ shardCount: 32, startMs: Date.now() })
  const { clock, journal } = durable.machine
  const bodies = new LiveBodies(FRAMES, RECORDS, 7)
  for (let n = 0; n < FRAMES; n++) {
    const body = new Uint8Array(bodies.body(n, 200))
    const request = { tenant: ACME, protocol: 'http', format: 'ndjson' as const, body, receivedMs: clock.nowMs() }
    await clock.run(durable.node.ingest(request))
  }
  const copied = (section: Section) => ({ ...section, bytes: section.bytes.slice() })
  return journal.lane(0 as LaneId).frames.map(({ frame }) => readFrame(frame).sections.map(copied))
}

function grouped(sections: readonly Section[], groups: number): Uint8Array[] {
  const byGroup = Map.groupBy(sections, ({ shard }) => shard % groups)
  return [...byGroup.values()].map((own) => Buffer.concat(own.map(({ bytes }) => bytes)))
}

function microseconds(work: () => void): number {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.cpuUsage()
    work()
    const { user, system } = process.cpuUsage(before)
    best = Math.min(best, user + system)
  }
  return best
}

const taken = await frames()
const all = taken.flat()
const records = all.reduce((sum, { rowCount }) => sum + rowCount, 0)
const plainBytes = all.reduce((sum, { bytes }) => sum + bytes.length, 0)
console.log(
  `${(all.length / taken.length).toFixed(1)} sections a frame, ${(plainBytes / records).toFixed(1)} bytes a record`,
)
const ways: [string, (sections: readonly Section[]) => Uint8Array[]][] = [
  ['sections alone', (sections) => sections.map(({ bytes }) => bytes)],
  [`${NODES} groups`, (sections) => grouped(sections, NODES)],
  ['whole frames', (sections) => grouped(sections, 1)],
]
for (const [name, cut] of ways) {
  const pieces = taken.flatMap(cut)
  const params = { [constants.ZSTD_c_compressionLevel]: 1 }
  let packed: Uint8Array[] = []
  const compress = microseconds(() => {
    packed = pieces.map((piece) => zstdCompressSync(piece, { params }))
  })
  const inflate = microseconds(() => {
    for (const [i, piece] of packed.entries()) zstdDecompressSync(piece, { chunkSize: Math.max(64, pieces[i]!.length) })
  })
  const bytes = packed.reduce((sum, piece) => sum + piece.length, 0)
  const figures = [compress / records, inflate / records].map((figure) => figure.toFixed(3))
  console.log(
    `${name.padEnd(16)}compress ${figures[0]}, inflate ${figures[1]} µs a record; ${(bytes / records).toFixed(1)} bytes a record`,
  )
}

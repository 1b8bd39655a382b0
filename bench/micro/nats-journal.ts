import { parseArgs } from 'node:util'
import { systemClock } from '../../base/clock.ts'
import { freeBytes } from '../../base/free-bytes.ts'
import type { LaneId, ShardId, TenantId } from '../../base/ids.ts'
import { silentLogger } from '../../base/logger.ts'
import { encodeFrame, readFrame } from '../../cluster/frame.ts'
import type { Journal } from '../../cluster/journal.ts'
import { NatsConnection } from '../../cluster/nats-connection.ts'
import { openNatsJournal } from '../../cluster/nats-journal.ts'
import { NatsServers } from '../../test/harness/nats-server.ts'
import { cpuMicroseconds } from '../../test/harness/process-cpu.ts'
import { SimulatedRegistry } from '../../test/harness/simulated-registry.ts'
import { quantile } from '../client.ts'

/**
 * The journal on JetStream: CPU per MB of appending, and of reading by one more node, at the node and at all servers together; latency of appends. Frames of
 * --kib 96, --mb 200 of them, --writers 2 with one in flight each, --servers 3 that sync every write.
 */
const { values: options } = parseArgs({
  options: {
    servers: { type: 'string', default: '3' },
    kib: { type: 'string', default: '96' },
    mb: { type: 'string', default: '200' },
    writers: { type: 'string', default: '2' },
  },
})

const LANE = 0 as LaneId
const MIB = 2 ** 20
const SECTIONS = 16
const WARM_UP_FRAMES = 200
const READ_BYTES_MAX = 4 * MIB
const WAIT_MAX_MS = 120_000

/** Bytes that no layer could make less of. */
function frameOf(bytes: number): Uint8Array {
  const sections = Array.from({ length: SECTIONS }, (_, i) => ({
    shard: i as ShardId,
    tenant: 'default' as TenantId,
    rowCount: 10,
    bytes: systemClock.randomBytes(Math.floor(bytes / SECTIONS)),
  }))
  return encodeFrame(sections)
}

async function append(journal: Journal, from: number, to: number): Promise<number[]> {
  const bytes = Number(options.kib) * 1024
  const frames = Array.from({ length: 8 }, () => frameOf(bytes))
  const times: number[] = []
  let next = from
  const writer = async (): Promise<void> => {
    while (next < to) {
      const n = next++
      const startedMs = performance.now()
      await journal.append(LANE, `bench/${n}`, frames[n % frames.length]!.slice())
      times.push(performance.now() - startedMs)
    }
  }
  await Promise.all(Array.from({ length: Number(options.writers) }, writer))
  return times
}

/** As a node reads that has no shard of what it reads: each frame's directory, and nothing else. */
async function read(journal: Journal, frames: number): Promise<void> {
  const reader = journal.read(LANE, 0)
  for (let seen = 0; seen < frames; ) {
    const messages = await reader.next(READ_BYTES_MAX, AbortSignal.timeout(WAIT_MAX_MS))
    for (const { frame } of messages) {
      readFrame(frame)
      freeBytes(frame)
    }
    seen += messages.length
  }
  await reader.close()
}

const servers = await NatsServers.start(Number(options.servers))
try {
  const connection = await NatsConnection.open({ servers: servers.urls, name: 'bench' }, systemClock)
  const journal = await openNatsJournal({
    connection,
    registry: new SimulatedRegistry().connect(),
    clock: systemClock,
    logger: silentLogger,
    cluster: 'bench',
    laneCount: 1,
    bytesMax: 2 * Number(options.mb) * MIB + MIB * 256,
  })
  const cpu = () => {
    const { user, system } = process.cpuUsage()
    return {
      node: user + system,
      servers: servers.urls.reduce((sum, _, i) => sum + cpuMicroseconds(servers.pid(i)), 0),
    }
  }
  const measure = async (what: string, mb: number, run: () => Promise<number[] | undefined>): Promise<void> => {
    const [before, startedMs] = [cpu(), performance.now()]
    const times = await run()
    const seconds = (performance.now() - startedMs) / 1000
    const after = cpu()
    const latency =
      times === undefined
        ? ''
        : `, p50 ${quantile(times, 0.5).toFixed(1)} ms, p95 ${quantile(times, 0.95).toFixed(1)} ms`
    const [node, all] = [(after.node - before.node) / 1000 / mb, (after.servers - before.servers) / 1000 / mb]
    console.log(
      `${what.padEnd(8)} ${(mb / seconds).toFixed(0)} MB/s, CPU a MB: node ${node.toFixed(2)} ms, servers ${all.toFixed(2)} ms${latency}`,
    )
  }
  const frames = Math.ceil((Number(options.mb) * MIB) / (Number(options.kib) * 1024))
  const total = WARM_UP_FRAMES + frames
  const mbOf = (count: number) => (count * Number(options.kib) * 1024) / 1e6
  await append(journal, 0, WARM_UP_FRAMES)
  await read(journal, WARM_UP_FRAMES)
  await measure('append', mbOf(frames), () => append(journal, WARM_UP_FRAMES, total))
  await measure('read', mbOf(total), async () => void (await read(journal, total)))
  await journal.close()
  await connection.close()
} finally {
  await servers.stop()
}

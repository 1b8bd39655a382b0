import assert from 'node:assert/strict'
import { after, before, describe, it, type TestContext } from 'node:test'
import { systemClock } from '../../base/clock.ts'
import type { LaneId } from '../../base/ids.ts'
import { laneStreamName } from '../../cluster/subjects.ts'
import { ClusterProcesses } from '../harness/cluster-processes.ts'
import { NatsStreams } from '../harness/nats-streams.ts'
import { PressureLoad } from '../harness/pressure-load.ts'
import type { WeirClient } from '../harness/weir-client.ts'

const MIB = 1024 * 1024
const NODES = ['a', 'b']
const NAME = 'pressed'
const WAIT_MAX_MS = 120_000
const RATHER_FULL = 0.9
/** How long a server or a node works slowly. */
const SLOW_MS = 10_000
/** It stands still for most of the time, as one does that waits for its disk; each time for less than what makes it be taken for dead (C1). */
const STILL_MS = 450
const RUNS_MS = 50
/** Now and then for so long that connections to it are given up. */
const LONG_STILL_MS = 2500
const LONG_EVERY = 6

let cluster: ClusterProcesses
/** Of all tests so far. */
const loads: PressureLoad[] = []

before(async () => {
  const settings = {
    workers: 1,
    shards: 8,
    'journal.lanes': 1,
    'cluster.name': NAME,
    'journal.bytesMax': 64 * MIB,
    'limits.headsBytes': 8 * MIB,
  }
  cluster = await ClusterProcesses.start({ natsServers: 1, settings })
  await Promise.all(NODES.map((id) => cluster.startNode(id)))
  for (const node of cluster.nodes) await cluster.settled(node, NODES)
})
after(() => cluster.remove())

function newLoad(seed: string): PressureLoad {
  const clients = cluster.nodes.map(({ client }) => client)
  const load = new PressureLoad({ clients, seed, senders: 8, messageChars: 2400, waitMs: 50 })
  loads.push(load)
  return load
}

async function waitLong(isTrue: () => Promise<boolean>, what: () => string): Promise<void> {
  const endMs = systemClock.monotonicMs() + WAIT_MAX_MS
  while (!(await isTrue())) {
    assert.ok(systemClock.monotonicMs() < endMs, `waited in vain until ${what()}`)
    await systemClock.sleep(200)
  }
}

/** Searches through every node, one after another, until `isOver`; each must be answered, and right as far as it says. */
async function searchMeanwhile(isOver: () => boolean): Promise<void> {
  const searchThrough = async ({ client }: { readonly client: WeirClient }) => {
    for (let count = 0; !isOver() || count < 2; count++) {
      const known = loads.reduce((sum, load) => sum + load.findable, 0)
      const { total, coverage } = await client.search({ query: '*', from: 0, to: 'now+1d', limit: 10, total: 'exact' })
      if (coverage.complete) assert.ok(total >= known, `${total} of ${known}`)
      else assert.ok(coverage.missing.length > 0)
    }
  }
  await Promise.all(cluster.nodes.map(searchThrough))
}

/** Each node gives every acknowledged record of all tests so far, once. */
async function allFoundFromEach(): Promise<void> {
  const acknowledged = loads.reduce((sum, load) => sum + load.acknowledged.length, 0)
  for (const { client, id } of cluster.nodes) {
    let last: { total: number; coverage: unknown } | undefined
    await waitLong(
      async () => {
        const answer = await client.search({ query: '*', from: 0, to: 'now+1d', limit: 1, total: 'exact' })
        last = answer
        return answer.coverage.complete && answer.total >= acknowledged
      },
      () => `${id} finds ${acknowledged} records: ${JSON.stringify(last)}`,
    )
    const found = await client.uids()
    for (const load of loads) load.check(found.filter((uid) => uid.startsWith(`${load.seed}-`)))
  }
}

async function epochs(): Promise<unknown> {
  const { shards } = await cluster.node('a').client.json('/v1/cluster')
  return shards.map(({ owner, epoch }: { owner: string; epoch: number }) => [owner, epoch])
}

interface Slow {
  readonly stop: () => void
  readonly resume: () => void
  readonly isLongAtTimes?: boolean
}

/** Load and searches while a process stands still most of the time; then all is found. */
async function goesOnWhile(t: TestContext, seed: string, { stop, resume, isLongAtTimes }: Slow): Promise<PressureLoad> {
  const load = newLoad(seed)
  const endMs = systemClock.monotonicMs() + SLOW_MS
  const isOver = () => systemClock.monotonicMs() > endMs
  const pulse = async () => {
    try {
      for (let turn = 1; !isOver(); turn++) {
        stop()
        await systemClock.sleep(isLongAtTimes && turn % LONG_EVERY === 0 ? LONG_STILL_MS : STILL_MS)
        resume()
        await systemClock.sleep(RUNS_MS)
      }
    } finally {
      resume()
    }
  }
  await Promise.all([pulse(), searchMeanwhile(isOver), load.send(isOver)])
  await load.finish(WAIT_MAX_MS)
  await allFoundFromEach()
  t.diagnostic(load.told())
  return load
}

describe('two nodes under more load than something behind them can take', { timeout: 280_000 }, () => {
  it('J4: refuse with 503 when the stream is full, answer searches, and go on by themselves once there is room', async (t) => {
    const load = newLoad('full')
    const stream = () => new NatsStreams(cluster.nats).info(laneStreamName(NAME, 0 as LaneId))
    cluster.s3.pause()
    t.after(() => cluster.s3.resume())
    const isFull = () => load.answered(503) >= 40
    await Promise.all([searchMeanwhile(isFull), load.send(isFull)])
    const { state, config } = await stream()
    assert.ok(state.bytes > RATHER_FULL * config.max_bytes, `${state.bytes} of ${config.max_bytes} bytes`)
    await allFoundFromEach()

    cluster.s3.resume()
    await load.finish(WAIT_MAX_MS)
    const again = load.acknowledged.length + 5000
    await load.send(() => load.acknowledged.length > again)
    await load.finish(WAIT_MAX_MS)
    await waitLong(
      async () => (await stream()).state.bytes < config.max_bytes / 2,
      () => 'the stream has room again',
    )
    await allFoundFromEach()
    t.diagnostic(load.told())
  })

  it('wait for a NATS server that is slow: nothing is lost, no shard changes its owner', async (t) => {
    const before = await epochs()
    const server = { stop: () => cluster.nats.pause(0), resume: () => cluster.nats.resume(0) }
    const load = await goesOnWhile(t, 'nats', { ...server, isLongAtTimes: true })
    assert.ok(load.slowestMs > STILL_MS, load.told())
    assert.deepEqual(await epochs(), before)
  })

  it('go on when one of them is slow: nothing is lost', async (t) => {
    const { process } = cluster.node('b')
    const slow = { stop: () => process.signal('SIGSTOP'), resume: () => process.signal('SIGCONT') }
    const load = await goesOnWhile(t, 'node', slow)
    assert.ok(load.slowestMs > STILL_MS, load.told())
  })

  it('go on when the bucket is slow: nothing is lost, no shard changes its owner', async (t) => {
    const before = await epochs()
    await goesOnWhile(t, 's3', { stop: () => cluster.s3.pause(), resume: () => cluster.s3.resume() })
    assert.deepEqual(await epochs(), before)
  })
})

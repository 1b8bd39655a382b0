import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { systemClock } from '../../base/clock.ts'
import { ClusterProcesses } from '../harness/cluster-processes.ts'
import { PressureLoad } from '../harness/pressure-load.ts'
import { waitUntil } from '../harness/weir-client.ts'

const MIB = 1024 * 1024
const NODES = ['a', 'b']
const QUIET_MS = 4000
const BURST_MS = 20_000
const TIMES = 10
/** Between batches of one sender, while nothing special happens: 400 records a second of all. */
const QUIET_PACE_MS = 4000
const SENDERS = 8
/** The slow owner works for a tenth of the time. */
const STILL_MS = 900
const RUNS_MS = 100
const CAUGHT_UP_MS_MAX = 120_000
/** Of one shard, at the height of the burst: it could not be less if what comes were to wait for who reads. */
const LAG_RECORDS_MIN = 1000

let cluster: ClusterProcesses

before(async () => {
  const settings = { workers: 1, shards: 8, 'journal.lanes': 1, 'limits.headsBytes': 4 * MIB }
  cluster = await ClusterProcesses.start({ natsServers: 1, settings })
  await Promise.all(NODES.map((id) => cluster.startNode(id)))
  for (const node of cluster.nodes) await cluster.settled(node, NODES)
})
after(() => cluster.remove())

interface Lag {
  readonly records: number
  readonly seconds: number
}

/** The longest of all shards, as every user sees it; undefined while that of one is not known. */
async function lag(): Promise<Lag | undefined> {
  const { shards } = await cluster.node('a').client.json('/v1/cluster')
  const of = (name: string): (number | null)[] => shards.map((shard: Record<string, number | null>) => shard[name]!)
  const [records, seconds] = [of('lagRecords'), of('lagSeconds')]
  if ([...records, ...seconds].includes(null)) return undefined
  return { records: Math.max(...(records as number[])), seconds: Math.max(...(seconds as number[])) }
}

/** Looks at the lag and searches until it is over; answers are right as far as they say. The longest lag. */
async function watch(load: PressureLoad, isOver: () => boolean): Promise<Lag> {
  let longest: Lag = { records: 0, seconds: 0 }
  const look = async () => {
    while (!isOver()) {
      const now = await lag()
      if (now !== undefined && now.records > longest.records) longest = now
      await systemClock.sleep(100)
    }
  }
  const search = async () => {
    while (!isOver()) {
      const known = load.findable
      const { total, coverage } = await cluster
        .node('a')
        .client.search({ query: '*', from: 0, to: 'now+1d', limit: 1, total: 'exact', timeout: '5s' })
      if (coverage.complete) assert.ok(total >= known, `${total} of ${known}`)
      else assert.ok(coverage.missing.length > 0)
    }
  }
  await Promise.all([look(), search()])
  return longest
}

describe('a burst of ten times the load', { timeout: 280_000 }, () => {
  it('is taken by the journal while an owner cannot keep up, and caught up with; nothing is lost or there twice', async (t) => {
    const { process } = cluster.node('b')
    const client = cluster.node('a').client
    const load = new PressureLoad({ clients: [client], seed: 'u', senders: SENDERS, messageChars: 600, waitMs: 50 })
    const quietEndsMs = systemClock.monotonicMs() + QUIET_MS
    const isQuietOver = () => systemClock.monotonicMs() > quietEndsMs
    const [quietLag] = await Promise.all([watch(load, isQuietOver), load.send(isQuietOver, QUIET_PACE_MS)])
    const quiet = load.acknowledged.length

    const burstEndsMs = systemClock.monotonicMs() + BURST_MS
    const isOver = () => systemClock.monotonicMs() > burstEndsMs
    const slowDown = async () => {
      try {
        while (!isOver()) {
          process.signal('SIGSTOP')
          await systemClock.sleep(STILL_MS)
          process.signal('SIGCONT')
          await systemClock.sleep(RUNS_MS)
        }
      } finally {
        process.signal('SIGCONT')
      }
    }
    const [burstLag] = await Promise.all([watch(load, isOver), load.send(isOver), slowDown()])
    await load.finish(CAUGHT_UP_MS_MAX)
    const burst = load.acknowledged.length - quiet
    const startMs = systemClock.monotonicMs()
    let last: Lag | undefined
    while (last?.records !== 0) {
      last = await lag()
      assert.ok(systemClock.monotonicMs() - startMs < CAUGHT_UP_MS_MAX, `still behind: ${JSON.stringify(last)}`)
    }
    const caughtUpMs = Math.round(systemClock.monotonicMs() - startMs)
    t.diagnostic(JSON.stringify({ quiet, burst, quietLag, burstLag, caughtUpMs }))
    t.diagnostic(load.told())
    assert.ok(burst / BURST_MS > (TIMES * quiet) / QUIET_MS, `${burst} records in the burst, ${quiet} before it`)
    assert.ok(burstLag.records > LAG_RECORDS_MIN && burstLag.records > TIMES * quietLag.records, 'the journal took it')
    for (const node of cluster.nodes) {
      await waitUntil(
        async () => (await node.client.search({ query: '*', from: 0, to: 'now+1d', limit: 1 })).coverage.complete,
        () => `answers of ${node.id} are whole`,
      )
      load.check(await node.client.uids())
    }
  })
})

import assert from 'node:assert/strict'
import { after, before, describe, it, type TestContext } from 'node:test'
import { systemClock } from '../../base/clock.ts'
import type { LaneId } from '../../base/ids.ts'
import { laneStreamName } from '../../cluster/subjects.ts'
import { type ClusterNode, ClusterProcesses } from '../harness/cluster-processes.ts'
import { NatsStreams } from '../harness/nats-streams.ts'
import { waitUntil } from '../harness/weir-client.ts'

const NAME = 'dying'
const NODES = ['a', 'b', 'c']
const LANE_STREAM = laneStreamName(NAME, 0 as LaneId)
const REGISTRY_STREAM = `KV_weir-${NAME}`
const SERVICES = Array.from({ length: 17 }, (_, i) => `service-${i}`)
const PROBE = { query: '*', from: 0, to: 'now+2d', limit: 1, timeout: '4s' }
const EVERY_MS = 50
/** Longer than an election takes, and what answers may still say after it. */
const WATCHED_MS = 14_000
/** Once the stream has a leader again, answers are whole after this. Alone on a machine it is a second. */
const WHOLE_AGAIN_MS_MAX = 3500
/** With no election at all they may lack something for as long as it takes to notice that a server is gone. */
const UNDISTURBED_MS_MAX = 5000

let cluster: ClusterProcesses

before(async () => {
  const settings = { workers: 1, shards: 12, 'journal.lanes': 1, 'cluster.name': NAME }
  cluster = await ClusterProcesses.start({ natsServers: 3, settings })
  // All are connected to the server that makes the consumers, and need others when it dies.
  const leader = cluster.nats.urls[await cluster.nats.jetStreamLeader()]!
  await Promise.all(NODES.map((id) => cluster.startNode(id, { 'nats.url': leader })))
  for (const node of cluster.nodes) await cluster.settled(node, NODES)
})
after(() => cluster.remove())

/** Kills a server under searches and records through all nodes; restarts it. When the last answer that was not whole came, after `sinceMs`. */
async function brokenFor(server: number, sinceMs: () => number, t: TestContext): Promise<number> {
  const reasons = new Set<string>()
  let brokenMs = 0
  await cluster.nats.kill(server)
  const killedMs = systemClock.monotonicMs()
  const passed = () => systemClock.monotonicMs() - killedMs
  const search = async ({ client }: ClusterNode) => {
    while (passed() < WATCHED_MS) {
      const { coverage } = await client.search(PROBE)
      if (!coverage.complete) brokenMs = systemClock.monotonicMs()
      for (const { reason } of coverage.missing) reasons.add(reason.replaceAll(/\d+/g, 'N'))
      await systemClock.sleep(EVERY_MS)
    }
  }
  const send = async ({ client }: ClusterNode) => {
    while (passed() < WATCHED_MS) {
      await client.ingest(SERVICES.map((service) => ({ service, message: 'paid' })))
      await systemClock.sleep(EVERY_MS)
    }
  }
  await Promise.all([...cluster.nodes.map(search), ...cluster.nodes.map(send)])
  await cluster.nats.restart(server)
  const told = { electedMs: sinceMs() - killedMs, brokenMs: brokenMs === 0 ? null : brokenMs - killedMs }
  t.diagnostic(JSON.stringify({ ...told, reasons: [...reasons] }))
  return brokenMs - sinceMs()
}

function owners(): Promise<unknown> {
  return cluster
    .node('a')
    .client.json('/v1/cluster')
    .then(({ shards }) => shards.map(({ owner, epoch }: { owner: string; epoch: number }) => [owner, epoch]))
}

/** Has the stream led by that server, or by any other. */
async function lead(stream: string, server: number, isWanted: boolean): Promise<void> {
  const streams = new NatsStreams(cluster.nats)
  await waitUntil(
    async () => {
      const leader = await streams.leaderOf(stream).catch(() => -1)
      if (leader >= 0 && (leader === server) === isWanted) return true
      if (leader >= 0) await streams.stepDown(stream)
      return false
    },
    () => `${stream} is led by ${isWanted ? '' : 'another than '}server ${server}`,
  )
}

describe('searches while one of three NATS servers dies', { timeout: 280_000 }, () => {
  it('lack nothing for long where it led neither the journal nor the registry, though it made all consumers', async (t) => {
    const before = await owners()
    const server = await cluster.nats.jetStreamLeader()
    for (const stream of [LANE_STREAM, REGISTRY_STREAM]) await lead(stream, server, false)
    const killedMs = systemClock.monotonicMs()
    const brokenMs = await brokenFor(server, () => killedMs, t)
    assert.ok(brokenMs < UNDISTURBED_MS_MAX, `whole again after ${brokenMs} ms`)
    assert.deepEqual(await owners(), before)
  })

  for (const [what, led, other] of [
    ['journal', LANE_STREAM, REGISTRY_STREAM],
    ['registry', REGISTRY_STREAM, LANE_STREAM],
  ] as const) {
    it(`are whole again soon after the election where it led the ${what}, and made all consumers`, async (t) => {
      const before = await owners()
      const server = await cluster.nats.jetStreamLeader()
      await lead(led, server, true)
      await lead(other, server, false)
      let electedMs = systemClock.monotonicMs()
      const end = await new NatsStreams(cluster.nats).watchElections(led, () => {
        electedMs = systemClock.monotonicMs()
      })
      t.after(end)
      const brokenMs = await brokenFor(server, () => electedMs, t)
      assert.ok(brokenMs < WHOLE_AGAIN_MS_MAX, `whole again ${brokenMs} ms after the election`)
      assert.deepEqual(await owners(), before)
    })
  }
})

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../base/clock.ts'
import { ClusterProcesses } from '../harness/cluster-processes.ts'
import { NodeProcess } from '../harness/node-process.ts'
import { WeirClient, waitUntil } from '../harness/weir-client.ts'

const MAIN = fileURLToPath(new URL('../../node/main.ts', import.meta.url))

async function weir(...argv: string[]): Promise<{ status: number | null; out: string }> {
  const child = spawn(process.execPath, [MAIN, ...argv], { stdio: ['ignore', 'pipe', 'pipe'] })
  let out = ''
  child.stdout.on('data', (chunk) => {
    out += chunk
  })
  child.stderr.on('data', (chunk) => {
    out += chunk
  })
  const [status] = await once(child, 'close')
  return { status, out }
}

test('a node that is alone is a cluster of one, by the same means (C1)', async (t) => {
  const node = await NodeProcess.start({ workers: 2, shards: 8, 'node.id': 'only', 'cluster.name': 'alone' })
  const client = new WeirClient(node.url)
  t.after(async () => {
    client.close()
    await node.kill()
  })
  const cluster = await client.json('/v1/cluster')
  assert.deepEqual([cluster.name, cluster.nodeId, cluster.settled, cluster.moves], ['alone', 'only', true, []])
  const [only, ...others] = cluster.nodes
  assert.deepEqual(others, [])
  assert.deepEqual([only.id, only.state, only.url, only.workers, only.shards], ['only', 'active', node.url, 2, 8])
  await waitUntil(
    async () => (await client.json('/v1/cluster')).nodes[0].stuck.length === 0,
    () => 'its workers make progress',
  )
  assert.deepEqual(
    cluster.shards.map((shard: { owner: string; standby: string | null; epoch: number }) => [
      shard.owner,
      shard.standby,
      shard.epoch,
    ]),
    Array.from({ length: 8 }, () => ['only', null, 1]),
  )

  const records = Array.from({ length: 100 }, (_, n) => ({ message: `record ${n}` }))
  await waitUntil(
    async () => {
      await client.ingest(records)
      const { nodes } = await client.json('/v1/cluster')
      return nodes[0].load.recordsPerSecond > 0 && nodes[0].load.bytesPerSecond > 0 && nodes[0].load.cpuCores > 0
    },
    () => 'its load is shown',
  )

  const { status, out } = await weir('cluster', 'status', '-o', 'table', '--url', node.url)
  assert.equal(status, 0, out)
  assert.match(out, /^cluster alone: 1 node, 8 shards, as only sees it$/m)
  assert.match(out, /^only +active +http:/m)
  assert.match(out, /^ +7 +only +- +1 /m)

  const drained = await client.http.send('/v1/cluster/nodes/only/drain', { method: 'POST' })
  assert.deepEqual([drained.status, drained.json().code], [409, 'no_other_node'])
  assert.equal((await client.http.send('/v1/cluster/nodes/other/drain', { method: 'POST' })).status, 404)
  assert.equal(await node.stop(), 0)
})

interface Shard {
  readonly owner: string | null
  readonly lagRecords: number | null
  readonly lagSeconds: number | null
}

test('a node shows how far the shards of the others are behind, what moves, and who does not say', async (t) => {
  const cluster = await ClusterProcesses.start({ natsServers: 1, settings: { workers: 1, shards: 8 } })
  t.after(() => cluster.remove())
  const { client } = await cluster.startNode('a')
  await client.ingest(Array.from({ length: 1000 }, (_, n) => ({ service: `s${n % 50}`, message: `record ${n}` })))

  const joining = cluster.startNode('b')
  await waitUntil(
    async () => {
      const { moves } = await client.json('/v1/cluster')
      for (const { from, to, state } of moves) {
        assert.deepEqual([from, to], ['a', 'b'])
        assert.ok(['planned', 'catchingUp', 'following', 'unknown'].includes(state), state)
      }
      return moves.length > 0
    },
    () => 'shards are on their way to the new node',
  )
  const b = await joining
  await cluster.settled(b, ['a', 'b'])
  for (const node of cluster.nodes) {
    await waitUntil(
      async () => {
        const { shards, moves } = await node.client.json('/v1/cluster')
        return moves.length === 0 && shards.every((shard: Shard) => shard.lagRecords === 0 && shard.lagSeconds === 0)
      },
      () => `${node.id} sees every shard without a lag`,
    )
  }

  b.process.signal('SIGSTOP')
  const startedMs = systemClock.monotonicMs()
  const { shards } = await client.json('/v1/cluster')
  const tookMs = systemClock.monotonicMs() - startedMs
  b.process.signal('SIGCONT')
  assert.ok(tookMs < 2000, `a node that is silent held the answer up for ${tookMs} ms`)
  for (const { owner, lagRecords, lagSeconds } of shards as Shard[]) {
    assert.deepEqual([lagRecords, lagSeconds], owner === 'b' ? [null, null] : [0, 0])
  }
  assert.ok(shards.some(({ owner }: Shard) => owner === 'b'))

  const { out } = await weir('cluster', 'status', '-o', 'table', '--url', b.process.url)
  assert.match(out, /^cluster weir: 2 nodes, 8 shards, as b sees it$/m)
})

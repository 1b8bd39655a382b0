import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
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
  assert.deepEqual(
    [only.id, only.state, only.url, only.workers, only.shards, only.stuck],
    ['only', 'active', node.url, 2, 8, []],
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

  const { status, out } = await weir('cluster', 'status', '--url', node.url)
  assert.equal(status, 0, out)
  assert.match(out, /^cluster alone: 1 node, 8 shards, as only sees it$/m)
  assert.match(out, /^only +active +http:/m)
  assert.match(out, /^ +7 +only +- +1 /m)

  const drained = await client.http.send('/v1/cluster/nodes/only/drain', { method: 'POST' })
  assert.deepEqual([drained.status, drained.json().code], [409, 'no_other_node'])
  assert.equal((await client.http.send('/v1/cluster/nodes/other/drain', { method: 'POST' })).status, 404)
  assert.equal(await node.stop(), 0)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startTestServer } from '../../harness/test-server.ts'

test('the cluster as the node sees it', async (t) => {
  const { client } = await startTestServer(t)
  const answer = await client.get('/v1/cluster')
  assert.equal(answer.status, 200)
  const { name, nodeId, settled, nodes, shards, moves } = answer.json()
  assert.deepEqual([name, nodeId, settled], ['test', 'n1', true])
  assert.equal(nodes[0].startedAt, '2026-01-01T00:00:00.000Z')
  assert.deepEqual(nodes[0].stuck, ['worker-1'])
  assert.deepEqual([nodes[1].state, nodes[1].url, nodes[1].startedAt], ['silent', null, null])
  assert.deepEqual(shards[0], {
    shard: 0,
    owner: 'n1',
    standby: null,
    epoch: 4,
    lagRecords: 12,
    lagSeconds: 1.5,
    floor: { generation: 1, sequence: 99 },
  })
  assert.deepEqual([shards[2].owner, shards[2].lagSeconds, shards[2].floor], [null, null, null])
  assert.deepEqual(moves, [
    { shard: 1, from: 'node two', to: 'n1', state: 'catchingUp', lagRecords: 40_000, lagSeconds: 2.5 },
    { shard: 2, from: null, to: 'n1', state: 'planned', lagRecords: null, lagSeconds: null },
  ])
  assert.equal((await client.get('/v1/cluster?verbose=1')).status, 400)
})

test('a node drains when it is told to, where another can take over', async (t) => {
  const { client, backend } = await startTestServer(t)
  const answer = await client.send('/v1/cluster/nodes/node%20two/drain', { method: 'POST' })
  assert.equal(answer.status, 202)
  assert.deepEqual(answer.json(), { id: 'node two', state: 'draining' })
  assert.deepEqual(backend.drained, ['node two'])
  const last = await client.send('/v1/cluster/nodes/n1/drain', { method: 'POST' })
  assert.deepEqual([last.status, last.json().code], [409, 'no_other_node'])
  const nobody = await client.send('/v1/cluster/nodes/n9/drain', { method: 'POST' })
  assert.equal(nobody.status, 404)
  assert.equal((await client.get('/v1/cluster/nodes/n1/drain')).status, 405)
})

test('only keys of the whole cluster see it, and only those that administer it drain', async (t) => {
  const { client, clientOf } = await startTestServer(t, { authMode: 'keys' })
  const drain = '/v1/cluster/nodes/node%20two/drain'
  const statusOf = async (of: typeof client) => [
    (await of.get('/v1/cluster')).status,
    (await of.send(drain, { method: 'POST' })).status,
  ]
  assert.deepEqual(await statusOf(client), [401, 401])
  assert.deepEqual(await statusOf(await clientOf('shop', 'admin')), [403, 403])
  assert.deepEqual(await statusOf(await clientOf('*', 'read')), [200, 403])
  assert.deepEqual(await statusOf(await clientOf('*', 'admin')), [200, 202])
})

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { ClusterProcesses } from '../harness/cluster-processes.ts'
import { type WeirClient, waitUntil } from '../harness/weir-client.ts'

let cluster: ClusterProcesses

before(async () => {
  cluster = await ClusterProcesses.start({ natsServers: 1, settings: { workers: 1, shards: 4 } })
  await Promise.all(['a', 'b'].map((id) => cluster.startNode(id)))
  for (const node of cluster.nodes) await cluster.settled(node, ['a', 'b'])
})
after(() => cluster.remove())

function put(client: WeirClient, definition: object, headers: Record<string, string> = {}) {
  return client.http.send('/v1/pipelines/p', {
    method: 'PUT',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(definition),
  })
}

test('what one node is told is in force on all within a second, and of two changes at once one is made', async () => {
  const [a, b] = cluster.nodes.map(({ client }) => client) as [WeirClient, WeirClient]
  const made = await put(a, { steps: [{ type: 'mask', detectors: ['emails'], replace: 'hash' }] })
  assert.equal(made.status, 201, made.text)
  const startedMs = performance.now()
  const seenFrom = async (client: WeirClient) => (await client.json('/v1/pipelines/p')).version
  assert.equal(await seenFrom(b), 1)
  // Refused where the step is in force.
  const both = [
    put(a, { steps: [{ type: 'convert', fields: { n: 'number' } }] }, { 'if-match': '"1"' }),
    put(b, { steps: [{ type: 'convert', fields: { n: 'integer' } }] }, { 'if-match': '"1"' }),
  ]
  const statuses = (await Promise.all(both)).map(({ status }) => status).sort()
  assert.deepEqual(statuses, [200, 409])
  const changedMs = performance.now()
  await waitUntil(
    async () => {
      const answers = await Promise.all([a, b].map((client) => client.ingestText('{"n":"x"}')))
      return answers.every(({ status }) => status === 400)
    },
    () => 'both nodes have the change',
  )
  assert.ok(performance.now() - changedMs < 1000, `${performance.now() - changedMs} ms after ${changedMs - startedMs}`)
  assert.deepEqual([await seenFrom(a), await seenFrom(b)], [2, 2])
})

test('equal secrets have equal hashes, whichever node hides them', async () => {
  const [a, b] = cluster.nodes.map(({ client }) => client) as [WeirClient, WeirClient]
  assert.equal((await put(a, { steps: [{ type: 'mask', detectors: ['emails'], replace: 'hash' }] })).status, 200)
  let sent = 0
  await waitUntil(
    async () => {
      for (const client of [a, b]) await client.ingest([{ uid: `h${sent++}`, message: 'of ada@weir.example' }])
      const { logs } = await a.search({ query: 'uid:h*', from: 0, limit: 2 })
      return logs.length === 2 && logs.every(({ message }: { message: string }) => message.startsWith('of ['))
    },
    () => 'both nodes hide it',
  )
  const { logs } = await a.search({ query: 'uid:h* AND NOT weir', from: 0, limit: 100 })
  assert.equal(new Set(logs.map(({ message }: { message: string }) => message)).size, 1)
})

test('a node that starts has the pipelines before it takes a record', async () => {
  const c = await cluster.startNode('c')
  assert.equal((await put(c.client, { steps: [{ type: 'drop', if: 'secret:yes' }] })).status, 200)
  await cluster.killNode('c')
  const { client } = await cluster.startNode('c')
  await client.ingest([
    { uid: 'dropped', secret: 'yes' },
    { uid: 'kept', secret: 'no' },
  ])
  await waitUntil(
    async () => (await client.search({ query: 'uid:kept', from: 0 })).total === 1,
    () => 'what is kept is found',
  )
  assert.equal((await client.search({ query: 'uid:dropped', from: 0 })).total, 0)
})

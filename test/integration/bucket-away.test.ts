import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { shardOf } from '../../base/hash.ts'
import { type ClusterNode, ClusterProcesses } from '../harness/cluster-processes.ts'
import { waitUntil } from '../harness/weir-client.ts'

const NODES = ['a', 'b']
const SHARDS = 8
const SERVICES = Array.from({ length: 24 }, (_, i) => `service-${i}`)
const SEARCH = { query: '*', from: 0, to: 'now+2d', limit: 10_000, fields: 'uid', timeout: '5s' }

let cluster: ClusterProcesses
/** Shard of every record that was acknowledged so far, by uid. */
const acknowledged = new Map<string, number>()

before(async () => {
  cluster = await ClusterProcesses.start({ natsServers: 1, settings: { workers: 1, shards: SHARDS } })
})
after(() => cluster.remove())

/** A record of each service through each node. */
async function send(): Promise<void> {
  for (const { client } of cluster.nodes) {
    const records = SERVICES.map((service, i) => ({ uid: `u${acknowledged.size + i}`, service, message: 'paid' }))
    await client.ingest(records)
    for (const { uid, service } of records) acknowledged.set(uid, shardOf('default', service, 0, SHARDS))
  }
}

async function lacks({ client }: ClusterNode): Promise<string> {
  const answer = await client.get('/readyz')
  assert.equal(answer.status, 200, answer.text)
  return (answer.json().lacks ?? []).join('; ')
}

/** Waits until a search through the node has every record of the shards that it does not call missing; gives those, each with the reason. */
async function foundButMissing({ id, client }: ClusterNode): Promise<ReadonlyMap<number, string>> {
  let missing = new Map<number, string>()
  let absent: readonly string[] = []
  await waitUntil(
    async () => {
      const { logs, coverage } = await client.search(SEARCH)
      missing = new Map(coverage.missing.map(({ shard, reason }: { shard: number; reason: string }) => [shard, reason]))
      assert.equal(coverage.complete, missing.size === 0)
      const found = new Set(logs.map(({ uid }: { uid: string }) => uid))
      assert.equal(found.size, logs.length, 'nothing is found twice')
      absent = [...acknowledged.keys()].filter((uid) => !found.has(uid) && !missing.has(acknowledged.get(uid)!))
      return absent.length === 0
    },
    () => `${id} finds all but what it calls missing; ${absent.length} are absent, such as ${absent[0]}`,
  )
  return missing
}

async function allFoundFromEach(): Promise<void> {
  for (const { client } of cluster.nodes) {
    await client.found(acknowledged.size, { limit: 1 })
    assert.deepEqual((await client.uids()).sort(), [...acknowledged.keys()].sort())
  }
}

async function startAll(): Promise<void> {
  const absent = NODES.filter((id) => !cluster.nodes.some((node) => node.id === id))
  await Promise.all(absent.map((id) => cluster.startNode(id)))
  for (const node of cluster.nodes) await cluster.settled(node, NODES)
}

/** Something is published of each shard, and something is not. Both nodes were killed, and one has lost its disk: so it needs the bucket for its shards. */
beforeEach(async () => {
  await cluster.s3.restart()
  await startAll()
  await send()
  for (const id of NODES) assert.equal(await cluster.stopNode(id), 0)
  await startAll()
  await send()
  await allFoundFromEach()
  for (const id of NODES) await cluster.killNode(id)
  cluster.loseDisk('b')
})

/** Requests to a bucket that hangs end one after the other. */
const OPENING_MAX_MS = 90_000

const AWAY = [
  ['refuses connections', () => cluster.s3.kill(), () => cluster.s3.restart()],
  ['hangs', async () => cluster.s3.pause(), async () => cluster.s3.resume()],
] as const

/** Why a node of another cluster, which has never been started, ends. */
async function endOfNewCluster(): Promise<string> {
  return cluster.startNode('x', { 'cluster.name': 'new' }).then(
    () => 'it runs',
    (error: Error) => error.message,
  )
}

describe('nodes that start while the bucket is away', { timeout: 280_000 }, () => {
  for (const [how, takeAway, bringBack] of AWAY) {
    it(`take records, find what they can, say what they lack, and go on when it is back; it ${how}`, async () => {
      await takeAway()
      const newCluster = how === 'hangs' ? undefined : endOfNewCluster()
      await Promise.all(NODES.map((id) => cluster.startNode(id)))
      const [a, b] = [cluster.node('a'), cluster.node('b')]
      for (const node of [a, b]) assert.match(await lacks(node), /the bucket has not been reached/)
      assert.match(await lacks(b), /\d shards of this node are not open/)
      await send()
      for (const node of [a, b]) {
        let missing: ReadonlyMap<number, string> = new Map()
        await waitUntil(
          async () => {
            missing = await foundButMissing(node)
            return missing.size > 0 && missing.size < SHARDS
          },
          () => `${node.id} has some shards and lacks some; ${[...missing].map((why) => why.join(': ')).join('; ')}`,
          OPENING_MAX_MS,
        )
      }
      // C10: whether there is another cluster's in the bucket nobody knows.
      if (newCluster !== undefined) assert.match(await newCluster, /the first start of a cluster needs the bucket/)

      await bringBack()
      await allFoundFromEach()
      for (const node of [a, b]) {
        await waitUntil(
          async () => (await lacks(node)) === '',
          () => `${node.id} lacks nothing`,
        )
        await cluster.settled(node, NODES)
      }
      await send()
      await allFoundFromEach()
    })
  }
})

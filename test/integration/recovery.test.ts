import { deepEqual, equal, match, rejects } from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { ClusterProcesses } from '../harness/cluster-processes.ts'

const BATCH = 500

let cluster: ClusterProcesses
const acknowledged: string[] = []

before(async () => {
  cluster = await ClusterProcesses.start({ natsServers: 1, settings: { workers: 1, shards: 24 } })
})
after(() => cluster.remove())

async function send(batches: number): Promise<void> {
  for (let k = 0; k < batches; k++) {
    const uids = Array.from({ length: BATCH }, (_, i) => `u${acknowledged.length + i}`)
    const records = uids.map((uid, i) => ({
      uid,
      service: `service-${i % 17}`,
      message: `order of ${uid} was shipped`,
    }))
    await cluster.nodes[k % cluster.nodes.length]!.client.ingest(records)
    acknowledged.push(...uids)
  }
}

async function allFoundFromEach(): Promise<void> {
  const wanted = [...acknowledged].sort()
  for (const { client } of cluster.nodes) {
    await client.found(wanted.length, { limit: 1 })
    deepEqual((await client.uids()).sort(), wanted)
  }
}

async function stopAll(): Promise<void> {
  for (const { id } of [...cluster.nodes]) equal(await cluster.stopNode(id), 0)
}

async function startAll(): Promise<void> {
  await Promise.all(['a', 'b'].map((id) => cluster.startNode(id)))
  for (const node of cluster.nodes) await cluster.settled(node, ['a', 'b'])
}

/** The NATS server comes back with nothing: no journal, no registry. */
async function loseNats(): Promise<void> {
  await cluster.nats.kill(0)
  rmSync(cluster.nats.storeDirectory(0), { recursive: true, force: true })
  await cluster.nats.restart(0)
}

describe('C10: a cluster that has lost its NATS servers', { timeout: 280_000 }, () => {
  it('finds all that was published, with nothing but the bucket', async () => {
    await startAll()
    await send(8)
    await stopAll()
    await loseNats()
    for (const id of ['a', 'b']) cluster.loseDisk(id)
    await rejects(cluster.startNode('a'), /run weir restore/)
    match(await cluster.restore(), /segments with 4000 records/)
    await startAll()
    await allFoundFromEach()
  })

  it('takes in records and publishes them beside the old ones', async () => {
    await send(8)
    await allFoundFromEach()
    await stopAll()
    await startAll()
    await allFoundFromEach()
  })

  it('does the same again, with disks that have seen both lives', async () => {
    await stopAll()
    await loseNats()
    await cluster.restore()
    await startAll()
    await allFoundFromEach()
  })

  it('gives a node that comes later its share, though nothing has been sent yet', async () => {
    await stopAll()
    await loseNats()
    await cluster.restore()
    await cluster.startNode('a')
    await cluster.settled(cluster.node('a'), ['a'])
    await cluster.startNode('b')
    await cluster.settled(cluster.node('b'), ['a', 'b'])
    await allFoundFromEach()
    await send(4)
    await allFoundFromEach()
  })
})

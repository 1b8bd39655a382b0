import assert from 'node:assert/strict'
import { cpSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { LaneId } from '../../base/ids.ts'
import { laneStreamName } from '../../cluster/subjects.ts'
import { ClusterProcesses } from '../harness/cluster-processes.ts'
import { NatsStreams } from '../harness/nats-streams.ts'
import { waitUntil } from '../harness/weir-client.ts'

const BATCH = 200
const NAME = 'losing'
const STREAM = laneStreamName(NAME, 0 as LaneId)
const NODES = ['a', 'b']
/** Statuses after which a client sends the same again. */
const RETRIED = new Set([429, 503, 504])
const ATTEMPTS_MAX = 60

let cluster: ClusterProcesses
/** Of every record that was acknowledged so far. */
const acknowledged: string[] = []
let batches = 0

before(async () => {
  const settings = { workers: 1, shards: 8, 'journal.lanes': 1, 'cluster.name': NAME }
  cluster = await ClusterProcesses.start({ natsServers: 1, settings })
  await Promise.all(NODES.map((id) => cluster.startNode(id)))
  await cluster.settled(cluster.node('a'), NODES)
})
after(() => cluster.remove())

/** Sends batches with keys through all nodes in turn, each until it is acknowledged. */
async function send(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const key = `batch-${batches++}`
    const uids = Array.from({ length: BATCH }, (_, row) => `${key}-${row}`)
    const lines = uids.map((uid, row) => JSON.stringify({ uid, service: `service-${row % 13}`, message: 'paid' }))
    for (let attempt = 0; ; attempt++) {
      const { client } = cluster.nodes[(i + attempt) % cluster.nodes.length]!
      const answer = await client.ingestText(lines.join('\n'), { 'idempotency-key': key })
      if (answer.status === 200) break
      assert.ok(RETRIED.has(answer.status) && attempt < ATTEMPTS_MAX, `${answer.status} ${answer.text}`)
    }
    acknowledged.push(...uids)
  }
}

/** Each node gives every acknowledged record exactly once. What is found says for a while that it may not be all: a node has read nothing of the journal for 5 s (Q2). */
async function allFoundFromEach(): Promise<void> {
  const wanted = [...acknowledged].sort()
  for (const { client } of cluster.nodes) {
    await client.found(wanted.length, { limit: 1 })
    let uids: readonly string[] = []
    let coverage = { complete: false }
    await waitUntil(
      async () => {
        const answer = await client.search({ query: '*', from: 0, to: 'now+2d', limit: 10_000, fields: 'uid' })
        uids = answer.logs.map(({ uid }: { uid: string }) => uid)
        coverage = answer.coverage
        return coverage.complete
      },
      () => `an answer is complete: ${JSON.stringify(coverage)}`,
    )
    assert.deepEqual([...uids].sort(), wanted)
  }
}

/** How often the nodes have raised the generation of the lane for this reason. */
async function alarms(reason: string): Promise<number> {
  const line = new RegExp(`^weir_journal_generations_raised_total\\{[^}]*reason="${reason}"[^}]*\\} (\\d+)`, 'gm')
  let raised = 0
  for (const { client } of cluster.nodes) {
    for (const [, count] of (await client.get('/metrics')).text.matchAll(line)) raised += Number(count)
  }
  return raised
}

/** Where the server keeps the stream of the lane. */
function streamDirectory(): string {
  const account = join(cluster.nats.storeDirectory(0), 'jetstream', '$G', 'streams')
  assert.ok(readdirSync(account).includes(STREAM))
  return join(account, STREAM)
}

describe('two nodes that run while their journal is lost', { timeout: 280_000 }, () => {
  it('find what they were sent', async () => {
    await send(6)
    await allFoundFromEach()
  })

  it('J3: go on in a new generation of a stream that was deleted and made anew, and skip nothing of it', async () => {
    assert.equal(await alarms('recreated'), 0)
    await new NatsStreams(cluster.nats).remove(STREAM)
    await send(6)
    await allFoundFromEach()
    await waitUntil(
      async () => (await alarms('recreated')) >= 1,
      () => 'a node has raised the alarm',
    )
  })

  it('J3: go on in a new generation of a stream that was restored from an old backup, and skip nothing of it', async () => {
    const backup = join(cluster.nats.directory, 'backup')
    await cluster.nats.kill(0)
    cpSync(streamDirectory(), backup, { recursive: true })
    await cluster.nats.restart(0)
    // What the backup does not have; the nodes have applied it.
    await send(6)
    await allFoundFromEach()
    await cluster.nats.kill(0)
    const directory = streamDirectory()
    rmSync(directory, { recursive: true })
    cpSync(backup, directory, { recursive: true })
    await cluster.nats.restart(0)
    await send(3)
    await allFoundFromEach()
    await waitUntil(
      async () => (await alarms('restored')) >= 1,
      () => 'a node has raised the alarm',
    )
    // More than was lost: sequences that were there before come again.
    await send(6)
    await allFoundFromEach()
  })

  it('J3: let another one take its share of a restored stream, though nothing has been sent since', async () => {
    const raised = await alarms('restored')
    const backup = join(cluster.nats.directory, 'backup-idle')
    await send(2)
    await allFoundFromEach()
    await cluster.nats.kill(0)
    cpSync(streamDirectory(), backup, { recursive: true })
    await cluster.nats.restart(0)
    await send(4)
    await allFoundFromEach()
    await cluster.nats.kill(0)
    const directory = streamDirectory()
    rmSync(directory, { recursive: true })
    cpSync(backup, directory, { recursive: true })
    await cluster.nats.restart(0)
    await waitUntil(
      async () => (await alarms('restored')) > raised,
      () => 'a node has raised the alarm',
    )
    await cluster.startNode('d')
    await cluster.settled(cluster.node('d'), [...NODES, 'd'])
    await allFoundFromEach()
    await send(3)
    await allFoundFromEach()
    assert.equal(await cluster.stopNode('d'), 0)
    await cluster.settled(cluster.node('a'), NODES)
  })

  it('have kept it all when they leave and others come', async () => {
    for (const id of NODES) {
      assert.equal(await cluster.stopNode(id), 0)
      cluster.loseDisk(id)
      if (id === 'a') await cluster.settled(cluster.node('b'), ['b'])
    }
    await cluster.startNode('c')
    await cluster.settled(cluster.node('c'), ['c'])
    await allFoundFromEach()
  })
})

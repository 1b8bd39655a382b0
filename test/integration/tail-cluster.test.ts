import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { ClusterProcesses } from '../harness/cluster-processes.ts'
import { EventClient } from '../harness/event-client.ts'
import { TailSocketClient } from '../harness/tail-client.ts'
import type { WeirClient } from '../harness/weir-client.ts'
import { waitUntil } from '../harness/weir-client.ts'

const ALL = ['a', 'b', 'c']
const BATCH = 100
let cluster: ClusterProcesses

before(async () => {
  cluster = await ClusterProcesses.start({ natsServers: 1, settings: { workers: 2, shards: 12 } })
  await Promise.all(ALL.map((id) => cluster.startNode(id)))
  for (const node of cluster.nodes) await cluster.settled(node, ALL)
})
after(() => cluster.remove())

/** Sends records of twenty services through nodes that go on, each batch until it is taken, once. */
class Load {
  sent = 0
  #goesOn = true
  readonly #clients: readonly WeirClient[]
  readonly #name: string
  readonly #done: Promise<void>

  constructor(name: string, clients: readonly WeirClient[]) {
    this.#name = name
    this.#clients = clients
    this.#done = this.#run()
  }

  async #run(): Promise<void> {
    for (let batch = 0; this.#goesOn; batch++) {
      const records = Array.from({ length: BATCH }, (_, i) => ({
        uid: this.sent + i,
        service: `service-${(this.sent + i) % 20}`,
        load: this.#name,
        kind: (this.sent + i) % 10 === 0 ? 'other' : 'wanted',
      }))
      const text = records.map((record) => JSON.stringify(record)).join('\n')
      await waitUntil(
        async () => {
          const client = this.#clients[batch % this.#clients.length]!
          const answer = await client.ingestText(text, { 'idempotency-key': `${this.#name}-${batch}` })
          assert.ok(answer.status === 200 || answer.status === 503 || answer.status === 429, answer.text)
          return answer.status === 200
        },
        () => `batch ${batch} is taken`,
      )
      this.sent += BATCH
    }
  }

  async reached(count: number): Promise<void> {
    await waitUntil(
      () => this.sent >= count,
      () => `${count} records are sent`,
      60_000,
    )
  }

  async stop(): Promise<number[]> {
    this.#goesOn = false
    await this.#done
    return Array.from({ length: this.sent }, (_, uid) => uid).filter((uid) => uid % 10 !== 0)
  }
}

/** Every wanted record is shown once, those of each shard in order. */
async function checkShown(follower: TailSocketClient, wanted: readonly number[]): Promise<void> {
  await waitUntil(
    () => follower.logs.length >= wanted.length,
    () => `${wanted.length} records are shown; ${follower.logs.length} are`,
    30_000,
  )
  assert.deepEqual(
    follower.uids.map(Number).toSorted((a, b) => a - b),
    wanted,
  )
  const last = new Map<string, string>()
  for (const { id } of follower.logs) {
    const [shard, place] = [id.slice(16, 20), id.slice(20)]
    assert.ok((last.get(shard) ?? '') < place, `rows of shard ${shard} come in order`)
    last.set(shard, place)
  }
  assert.deepEqual([follower.of('dropped'), follower.of('error')], [[], []])
}

test("10,000 matching records and more across an owner's kill -9 and its return are shown once each, wherever one looks", async () => {
  const [a, b] = ['a', 'b'].map((id) => cluster.node(id))
  const subscribe = { query: 'load:killed AND kind:wanted', last: 0 }
  const followers = await Promise.all([a!, b!].map(({ process }) => TailSocketClient.subscribe(process.url, subscribe)))
  const load = new Load('killed', [a!.client, b!.client])
  await load.reached(4000)
  await cluster.killNode('c')
  const known = load.sent
  await load.reached(Math.max(9000, known + 3000))
  await cluster.startNode('c')
  await cluster.settled(cluster.node('a'), ALL)
  await load.reached(Math.max(12_000, load.sent + 2000))
  const wanted = await load.stop()
  assert.ok(wanted.length >= 10_000)
  for (const follower of followers) {
    await checkShown(follower, wanted)
    follower.close()
  }
})

test('a node that drains gives its shards and its tails to others: a client that goes on from its notice misses nothing', async () => {
  const [a, b, c] = ALL.map((id) => cluster.node(id))
  const subscribe = { query: 'load:drained AND kind:wanted', last: 0 }
  const stays = await TailSocketClient.subscribe(a!.process.url, subscribe)
  const moves = await TailSocketClient.subscribe(c!.process.url, subscribe)
  const path = `/v1/logs/tail?query=${encodeURIComponent(subscribe.query)}&last=0`
  const events = await EventClient.open(c!.process.url, path)
  const load = new Load('drained', [a!.client, b!.client])
  await load.reached(2000)
  const stopped = cluster.stopNode('c')
  assert.equal(await moves.closed(), 1012)
  const notice = moves.messages.at(-1)!
  assert.deepEqual([notice.code, notice.final], ['draining', true])
  const again = await TailSocketClient.subscribe(b!.process.url, { query: subscribe.query, cursor: notice.cursor })
  await waitUntil(
    () => events.hasEnded,
    () => 'the stream of events ends',
  )
  const eventsAgain = await EventClient.open(b!.process.url, path, { 'last-event-id': events.lastEventId })
  assert.equal(await stopped, 0)
  await load.reached(load.sent + 2000)
  const wanted = await load.stop()
  await checkShown(stays, wanted)
  await again.hasLogs(wanted.length - moves.logs.length, 30_000)
  await eventsAgain.hasLogs(wanted.length - events.uids.length)
  for (const shown of [
    [...moves.uids, ...again.uids],
    [...events.uids, ...eventsAgain.uids],
  ]) {
    assert.deepEqual(
      shown.map(Number).toSorted((x, y) => x - y),
      wanted,
    )
  }
  for (const tail of [stays, again, eventsAgain]) tail.close()
})

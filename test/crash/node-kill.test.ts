import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { DAY_MS } from '../../base/ids.ts'
import { Prng } from '../../base/prng.ts'
import { HttpClient } from '../harness/http-client.ts'
import { NodeProcess, type NodeSettings } from '../harness/node-process.ts'
import { WeirClient } from '../harness/weir-client.ts'

/** KILL_RECORDS=1000000 runs it at the size of the promise. */
const RECORDS = Number(process.env.KILL_RECORDS ?? 60_000)
const BATCH = 500
const SENDERS = 6
/** Of all requests, when the node is killed; each time again while it recovers. */
const KILLS_AT = [0.2, 0.45, 0.7]
const NOW_MS = Date.now()
const AGES_MS = [0, 0, 0, 60_000, 3_600_000, DAY_MS, 3 * DAY_MS]

let directory: string
const running = new Set<{ kill(): Promise<void> }>()
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'weir-kill-'))
})
after(async () => {
  for (const node of running) await node.kill()
  await rm(directory, { recursive: true })
})

async function startNode(settings: NodeSettings): Promise<NodeProcess> {
  const node = await NodeProcess.start(settings)
  running.add(node)
  return node
}

/** A node that is killed and started again, always on the same port and directory. */
class RestartedNode {
  readonly #settings: Readonly<Record<string, string | number>>
  readonly url: string
  #running: Promise<NodeProcess> | undefined

  private constructor(port: number) {
    this.url = `http://127.0.0.1:${port}`
    this.#settings = { 'data.dir': join(directory, 'data'), 'http.port': port, workers: 2, 'log.level': 'error' }
  }

  static async start(): Promise<RestartedNode> {
    const node = new RestartedNode(await freePort())
    await node.restart()
    return node
  }

  async restart(): Promise<void> {
    this.#running = startNode(this.#settings)
    await this.#running
  }

  async kill(): Promise<void> {
    await (await this.#running)?.kill()
  }

  async stop(): Promise<number | null> {
    return (await this.#running!).stop()
  }

  /** Starts it and kills it when it answers and is not ready yet; false when it was ready too soon for that. */
  async killWhileRecovering(): Promise<boolean> {
    const starting = NodeProcess.begin(this.#settings)
    const client = new HttpClient(this.url)
    let isReady = false
    starting.ready.then(
      () => {
        isReady = true
      },
      () => undefined,
    )
    let status = 0
    while (status === 0) {
      status = await client.get('/readyz').then(
        (answer) => answer.status,
        () => 0,
      )
      if (isReady) break
    }
    await starting.kill()
    client.close()
    return status === 503
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

interface Batch {
  readonly number: number
  readonly tenant: 'keyed' | 'unkeyed'
  readonly uids: readonly string[]
  readonly body: Uint8Array
}

function batchOf(number: number): Batch {
  const prng = new Prng(`batch/${number}`)
  const tenant = number % 10 === 9 ? 'unkeyed' : 'keyed'
  const uids = Array.from({ length: BATCH }, (_, i) => `u${number}-${i}`)
  const lines = uids.map((uid) =>
    JSON.stringify({
      timestamp: new Date(NOW_MS - prng.pick(AGES_MS) - prng.below(10_000)).toISOString(),
      service: `service-${prng.below(12)}`,
      level: prng.pick(['DEBUG', 'INFO', 'WARN', 'ERROR']),
      message: `order ${prng.below(1e9)} of ${prng.hex(16)} took ${prng.below(900)} ms`,
      uid,
    }),
  )
  return { number, tenant, uids, body: new TextEncoder().encode(lines.join('\n')) }
}

/** Sends until the batch is acknowledged; now and then hangs up before the receipt and sends again. */
async function sendBatch(client: HttpClient, batch: Batch): Promise<void> {
  const prng = new Prng(`send/${batch.number}`)
  for (;;) {
    const hangUp = batch.tenant === 'keyed' && prng.chance(0.1)
    const signal = hangUp ? AbortSignal.timeout(prng.below(30)) : AbortSignal.timeout(30_000)
    const answer = await client
      .send('/v1/logs/ingest', {
        method: 'POST',
        headers: {
          'content-type': 'application/x-ndjson',
          'x-scope-orgid': batch.tenant,
          ...(batch.tenant === 'keyed' ? { 'idempotency-key': `batch-${batch.number}` } : {}),
        },
        body: batch.body,
        signal,
      })
      .catch(() => undefined)
    if (answer?.status === 200) {
      assert.deepEqual(answer.json(), { accepted: BATCH, rejected: 0, errors: [] })
      return
    }
    if (answer !== undefined) assert.ok([429, 503].includes(answer.status), answer.text)
    // A node that is down refuses at once; this is how often a client knocks.
    else await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

const total = async (client: WeirClient): Promise<number> => {
  const answer = await client.search({ query: '*', from: 0, to: 'now+1d', limit: 1, total: 'exact' })
  assert.equal(answer.totalRelation, 'eq')
  return answer.total
}

describe('a node that is killed in the middle of the stream and of its recovery', { timeout: 1_800_000 }, () => {
  it(`finds each of ${RECORDS} acknowledged records exactly once`, async () => {
    const node = await RestartedNode.start()
    const batches = Array.from({ length: Math.ceil(RECORDS / BATCH) }, (_, i) => i)
    const kills = KILLS_AT.map((share) => Math.floor(share * batches.length))
    let acknowledged = 0
    let killedInRecovery = 0
    let reachKill: () => void = () => undefined
    const sender = async () => {
      const client = new HttpClient(node.url)
      for (let number = batches.shift(); number !== undefined; number = batches.shift()) {
        await sendBatch(client, batchOf(number))
        if (++acknowledged === kills[0]) {
          kills.shift()
          reachKill()
        }
      }
      client.close()
    }
    const killer = async () => {
      for (let left = kills.length; left > 0; left--) {
        await new Promise<void>((resolve) => {
          reachKill = resolve
        })
        await node.kill()
        for (let attempt = 0; attempt < 5; attempt++) {
          if (!(await node.killWhileRecovering())) continue
          killedInRecovery++
          break
        }
        await node.restart()
      }
    }
    const killing = killer()
    await Promise.all([killing, ...Array.from({ length: SENDERS }, sender)])
    assert.ok(killedInRecovery >= 1, 'the node was killed while it recovered')

    const numbers = Array.from({ length: Math.ceil(RECORDS / BATCH) }, (_, i) => i)
    for (const tenant of ['keyed', 'unkeyed'] as const) {
      const client = new WeirClient(node.url, { 'x-scope-orgid': tenant })
      const sent = numbers.flatMap((number) => (batchTenant(number) === tenant ? batchOf(number).uids : []))
      const found = await client.uids()
      const distinct = new Set(found)
      assert.equal(sent.filter((uid) => !distinct.has(uid)).length, 0, `${tenant}: nothing acknowledged is lost`)
      assert.equal(distinct.size, sent.length, `${tenant}: nothing is there that was not sent`)
      if (tenant === 'keyed') assert.equal(found.length, sent.length, 'nothing keyed is there twice')
      assert.equal(await total(client), found.length)
      client.close()
    }
    assert.equal(await node.stop(), 0)
  })
})

const batchTenant = (number: number) => (number % 10 === 9 ? 'unkeyed' : 'keyed')

describe('a node that is told to end', { timeout: 120_000 }, () => {
  it('ends within 10 s under load, having lost nothing that it acknowledged', async () => {
    const settings = { 'data.dir': join(directory, 'drained'), workers: 2, 'log.level': 'error' }
    const node = await startNode(settings)
    const acknowledged: string[] = []
    let isOver = false
    let reachLoad: () => void = () => undefined
    const isLoaded = new Promise<void>((resolve) => {
      reachLoad = resolve
    })
    const senders = Array.from({ length: 4 }, async (_, sender) => {
      const client = new HttpClient(node.url)
      for (let i = 0; !isOver; i++) {
        const { uids, body } = batchOf(sender * 10_000 + i)
        const answer = await client
          .send('/v1/logs/ingest', { method: 'POST', headers: { 'content-type': 'application/x-ndjson' }, body })
          .catch(() => undefined)
        if (answer?.status === 200) acknowledged.push(...uids)
        else isOver = true
        if (acknowledged.length > 20 * BATCH) reachLoad()
      }
      client.close()
    })
    await isLoaded
    const beganMs = performance.now()
    assert.equal(await node.stop(), 0)
    const tookMs = performance.now() - beganMs
    await Promise.all(senders)
    assert.ok(tookMs < 10_000, `it took ${tookMs} ms`)
    const again = await startNode(settings)
    const client = new WeirClient(again.url)
    const found = new Set(await client.uids())
    assert.deepEqual(
      acknowledged.filter((uid) => !found.has(uid)),
      [],
    )
    client.close()
    assert.equal(await again.stop(), 0)
  })

  it('ends at once when it is told again', async () => {
    const settings = { 'data.dir': join(directory, 'aborted'), workers: 1, 'log.level': 'error' }
    const node = await startNode(settings)
    const client = new WeirClient(node.url)
    await client.ingest([{ uid: 'kept' }])
    client.close()
    node.signal('SIGTERM')
    node.signal('SIGTERM')
    const status = await node.exited
    // The second may come when all is over.
    assert.ok(status === 143 || status === 0, `it ended with ${status}`)
    const again = await startNode(settings)
    const after = new WeirClient(again.url)
    await after.found(1)
    after.close()
    await again.stop()
  })
})

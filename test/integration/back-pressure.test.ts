import assert from 'node:assert/strict'
import { after, before, describe, it, type TestContext } from 'node:test'
import { Prng } from '../../base/prng.ts'
import { NodeProcess, type NodeSettings } from '../harness/node-process.ts'
import { S3Server } from '../harness/s3-server.ts'
import { WeirClient } from '../harness/weir-client.ts'

const MIB = 1024 * 1024
const BATCH = 500
/** Of random digits, so that nothing makes them small. */
const MESSAGE_CHARS = 600
const SENDERS = 6
const WAIT_MAX_MS = 120_000
/**
 * What a node of two workers may take at its peak. The program itself takes some 250 MiB; heads of 8 MiB a worker, caches, bodies and frames being
 * made are bounded on top. What is held back while the bucket hangs would be more than the difference if it were kept in memory.
 */
const MEMORY_MAX = 600 * MIB
/** An answer is called complete when it may lack only what was received within 5 s (Q2). */
const LAG_MAX_MS = 5000

let server: S3Server
before(async () => {
  server = await S3Server.start()
})
after(() => server.remove())

interface Batch {
  readonly uids: readonly string[]
  readonly text: string
}

/** Senders who send as fast as they are answered, and what became of their batches. */
class Load {
  readonly acknowledged: string[] = []
  /** When each of them was sent. */
  readonly #sentMs: number[] = []
  readonly #client: WeirClient
  readonly #seed: string
  #batches = 0
  /** Answers by status. */
  readonly statuses = new Map<number, number>()
  slowestMs = 0

  constructor(client: WeirClient, seed: string) {
    this.#client = client
    this.#seed = seed
  }

  /** Sends until `isOver`; a refused batch is lost, the next is sent after what the refusal asks for, at most `waitMs`. */
  async send(senders: number, isOver: () => boolean, waitMs: number): Promise<void> {
    const sender = async () => {
      while (!isOver()) {
        if ((await this.sendOne()) !== 200) await new Promise((resolve) => setTimeout(resolve, waitMs))
      }
    }
    await Promise.all(Array.from({ length: senders }, sender))
  }

  async sendOne(): Promise<number> {
    const { uids, text } = this.#next()
    const startedMs = performance.now()
    const answer = await this.#client.ingestText(text)
    this.slowestMs = Math.max(this.slowestMs, performance.now() - startedMs)
    this.statuses.set(answer.status, (this.statuses.get(answer.status) ?? 0) + 1)
    if (answer.status === 200) {
      assert.deepEqual(answer.json(), { accepted: BATCH, rejected: 0, errors: [] })
      this.acknowledged.push(...uids)
      for (let i = 0; i < uids.length; i++) this.#sentMs.push(startedMs)
    } else {
      assert.ok([429, 503].includes(answer.status), answer.text)
      assert.match(String(answer.headers['retry-after']), /^\d+$/, answer.text)
    }
    return answer.status
  }

  /** How many were acknowledged so far that were received so long ago. */
  receivedBefore(agoMs: number): number {
    const atMs = performance.now() - agoMs
    return this.#sentMs.filter((sentMs) => sentMs < atMs).length
  }

  refused(status: number): number {
    return this.statuses.get(status) ?? 0
  }

  #next(): Batch {
    const number = this.#batches++
    const prng = new Prng(`${this.#seed}/${number}`)
    const uids = Array.from({ length: BATCH }, (_, i) => `${this.#seed}-${number}-${i}`)
    const service = `s${number % 7}`
    const lines = uids.map((uid) => JSON.stringify({ uid, service, level: 'ERROR', message: prng.hex(MESSAGE_CHARS) }))
    return { uids, text: lines.join('\n') }
  }
}

interface Meanwhile {
  readonly searches: number
  /** The highest that was seen of the node's own memory. */
  readonly memory: number
}

/** Searches one after another until `isOver`; each must be answered, and right as far as it says. */
async function searchMeanwhile({ node, client }: Running, load: Load, isOver: () => boolean): Promise<Meanwhile> {
  let searches = 0
  let memory = 0
  while (!isOver()) {
    memory = Math.max(memory, node.memory().anonymous)
    const known = load.receivedBefore(2 * LAG_MAX_MS)
    const answer = await client.search({ query: 'level:ERROR', from: 0, to: 'now+1d', limit: 10, total: 'exact' })
    if (answer.coverage.complete) assert.ok(answer.total >= known, `${answer.total} of ${known}`)
    else assert.ok(answer.coverage.missing.length > 0)
    searches++
  }
  assert.ok(searches > 1, `${searches} searches`)
  assert.ok(memory < MEMORY_MAX, `${Math.round(memory / MIB)} MiB`)
  return { searches, memory }
}

interface Running {
  readonly node: NodeProcess
  readonly client: WeirClient
}

async function waitLong(isTrue: () => Promise<boolean>, what: string): Promise<void> {
  const endMs = performance.now() + WAIT_MAX_MS
  while (!(await isTrue())) {
    assert.ok(performance.now() < endMs, `waited in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

async function start(t: TestContext, settings: NodeSettings): Promise<Running> {
  const node = await NodeProcess.start({
    workers: 2,
    shards: 8,
    'log.level': 'fatal',
    'limits.headsBytes': 8 * MIB,
    ...settings,
  })
  const client = new WeirClient(node.url)
  t.after(async () => {
    client.close()
    await node.kill()
  })
  return { node, client }
}

/** All that was acknowledged is found once, and nothing that was refused. */
async function allFoundOnce(client: WeirClient, acknowledged: readonly string[]): Promise<void> {
  const wanted = [...acknowledged].sort()
  await waitLong(async () => {
    const { total, coverage } = await client.search({ query: '*', from: 0, to: 'now+1d', limit: 1, total: 'exact' })
    return coverage.complete && total >= wanted.length
  }, `${wanted.length} records are found`)
  assert.deepEqual((await client.uids()).sort(), wanted)
}

describe('back-pressure', { timeout: 280_000 }, () => {
  it('a bucket that hangs: the journal takes what it can, then records are refused; searches go on; then all is published', async (t) => {
    const running = await start(t, {
      's3.endpoint': server.endpoint,
      's3.bucket': 'hangs',
      's3.accessKeyId': 'test',
      's3.secretAccessKey': 'test',
      's3.forcePathStyle': true,
      's3.createBucket': true,
      'journal.bytesMax': 128 * MIB,
    })
    const { client } = running
    const load = new Load(client, 'h')
    await load.sendOne()
    await allFoundOnce(client, load.acknowledged)
    server.pause()
    t.after(() => server.resume())
    const isFull = () => load.refused(503) >= 20
    const [meanwhile] = await Promise.all([searchMeanwhile(running, load, isFull), load.send(SENDERS, isFull, 50)])
    assert.ok(load.acknowledged.length > 50_000, `${load.acknowledged.length} records were taken`)
    await allFoundOnce(client, load.acknowledged)

    server.resume()
    await waitLong(async () => (await load.sendOne()) === 200, 'records are taken again')
    await allFoundOnce(client, load.acknowledged)
    t.diagnostic(told(load, meanwhile))
  })

  it('a burst: what does not fit is refused with 429, the rest is taken and caught up with; memory stays bounded', async (t) => {
    const running = await start(t, { 'limits.bodyBytes': MIB, 'limits.inFlightBytes': MIB })
    const { client } = running
    const load = new Load(client, 'b')
    await load.sendOne()
    const endMs = performance.now() + 10_000
    const isOver = () => performance.now() > endMs
    const [meanwhile] = await Promise.all([searchMeanwhile(running, load, isOver), load.send(4 * SENDERS, isOver, 10)])
    assert.ok(load.refused(429) > 0, 'some were refused')
    assert.equal(load.refused(503), 0)
    await allFoundOnce(client, load.acknowledged)
    t.diagnostic(told(load, meanwhile))
  })
})

function told({ acknowledged, statuses, slowestMs }: Load, { searches, memory }: Meanwhile): string {
  const answers = Object.fromEntries(statuses)
  const memoryMib = Math.round(memory / MIB)
  return JSON.stringify({
    records: acknowledged.length,
    answers,
    slowestMs: Math.round(slowestMs),
    searches,
    memoryMib,
  })
}

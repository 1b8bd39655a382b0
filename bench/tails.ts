import { connect, type Socket } from 'node:net'
import { parseArgs } from 'node:util'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { NodeProcess } from '../test/harness/node-process.ts'
import { Client, quantile } from './client.ts'
import { LiveBodies } from './live-bodies.ts'

/**
 * `node bench/tails.ts`: what live tails cost ingest, and how soon they show a record. Posts at a steady pace (--records 50000 a second, --batch 500) for
 * --seconds 8 without tails, with --tails 500 of different filters, and again without; each period after --warm-up 2. --profiles: a directory for CPU profiles.
 *
 * The clients of the tails are on the same machine, on a thread of their own, and count what they are sent; receipts are timed from the moment at which a request was due, and
 * records from the posting to the client.
 */
const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '8' },
    'warm-up': { type: 'string', default: '2' },
    records: { type: 'string', default: '50000' },
    batch: { type: 'string', default: '500' },
    tails: { type: 'string', default: '500' },
    profiles: { type: 'string' },
  },
})

const NDJSON = { 'content-type': 'application/x-ndjson' }
const BODIES = 40
const CONNECTIONS = 16
const IN_FLIGHT_MAX = 500
const SLOWDOWN_BUDGET = 0.1
const DELIVERY_BUDGET_MS = 300
const SERVICES = [
  'checkout',
  'payment',
  'inventory',
  'catalog',
  'cart',
  'shipping',
  'auth',
  'search',
  'email',
  'gateway',
]

/** Of ten tails, four watch the slow errors of a service, two a few users of one, two one user anywhere, one slow errors of all, one a word. */
function filterOf(i: number): string {
  const service = SERVICES[i % SERVICES.length]
  switch (i % 10) {
    case 0:
    case 1:
    case 2:
    case 3:
      return `service:${SERVICES[Math.floor(i / 10) % SERVICES.length]} level:ERROR latency_ms:>${500 + 4 * i}`
    case 4:
    case 5:
      return `service:${service} metadata.userId:u_${100 + i}*`
    case 6:
    case 7:
      return `metadata.userId:u_${1000 + i}`
    case 8:
      return `level:ERROR latency_ms:>${2400 + i}`
    default:
      return `stripe latency_ms:>${2500 + i / 2}`
  }
}

const LOG = Buffer.from('"type":"log"')
const DROPPED = Buffer.from('"type":"dropped"')
const TIMESTAMP = Buffer.from('"timestamp":"')
const TIMESTAMP_LENGTH = '2026-01-01T00:00:00.000Z'.length

/** What the clients of all tails have been sent. */
class Shown {
  records = 0
  drops = 0
  bytes = 0
  readonly latenciesMs: number[] = []

  take(bytes: Buffer): void {
    this.bytes += bytes.length
    for (let at = bytes.indexOf(LOG); at >= 0; at = bytes.indexOf(LOG, at + LOG.length)) this.records++
    if (bytes.includes(DROPPED)) this.drops++
    // One of each packet.
    const at = bytes.indexOf(TIMESTAMP) + TIMESTAMP.length
    if (at < TIMESTAMP.length || at + TIMESTAMP_LENGTH > bytes.length) return
    const timeMs = Date.parse(bytes.toString('latin1', at, at + TIMESTAMP_LENGTH))
    if (!Number.isNaN(timeMs)) this.latenciesMs.push(Date.now() - timeMs)
  }
}

/** A WebSocket of the fewest bytes; resolves when its subscription holds. */
function openTail(port: number, query: string, shown: Shown): Promise<Socket> {
  const message = Buffer.from(JSON.stringify({ subscribe: { query, last: 0 } }))
  const head =
    message.length < 126 ? [0x81, 0x80 | message.length] : [0x81, 0xfe, message.length >> 8, message.length & 255]
  const frame = Buffer.concat([Buffer.from([...head, 0, 0, 0, 0]), message])
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    let opening: string | undefined = ''
    socket.on('error', reject)
    socket.on('data', (bytes) => {
      if (opening === undefined) return shown.take(bytes)
      opening += bytes.toString('latin1')
      if (!opening.includes('subscribed')) return
      opening = undefined
      resolve(socket)
    })
    socket.write(
      `GET /v1/logs/tail HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n` +
        'sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    )
    socket.write(frame)
  })
}

/** What the thread of the tails is told and tells. */
interface Tails {
  readonly port: number
  readonly count: number
}
interface ShownFigures {
  readonly records: number
  readonly drops: number
  readonly latenciesMs: readonly number[]
}

/** The thread of the tails: opens them, then tells what was shown since the last question each time it is asked. */
async function serveTails({ port, count }: Tails): Promise<void> {
  const shown = new Shown()
  for (let i = 0; i < count; i++) await openTail(port, filterOf(i), shown)
  parentPort!.on('message', () => {
    const { records, drops, latenciesMs } = shown
    parentPort!.postMessage({ records, drops, latenciesMs: latenciesMs.splice(0) } satisfies ShownFigures)
    shown.records = 0
    shown.drops = 0
  })
  parentPort!.postMessage('open')
}

interface Period {
  readonly perSecond: number
  readonly receiptsMs: readonly number[]
  readonly cpuUsPerRecord: number
}

async function post(node: NodeProcess, client: Client, bodies: LiveBodies, seconds: number): Promise<Period> {
  const batch = Number(options.batch)
  const perSecond = Number(options.records) / batch
  const receiptsMs: number[] = []
  const underWay = new Set<Promise<void>>()
  const cpuBefore = node.cpuMicroseconds()
  const startedMs = performance.now()
  for (let n = 0; n < seconds * perSecond; n++) {
    const dueMs = startedMs + (n * 1000) / perSecond
    const waitMs = dueMs - performance.now()
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
    while (underWay.size >= IN_FLIGHT_MAX) await Promise.race(underWay)
    const sent = client.post('/v1/logs/ingest', bodies.body(n, 1), NDJSON).then(({ status }) => {
      underWay.delete(sent)
      if (status !== 200) throw new Error(`a body was answered with ${status}`)
      receiptsMs.push(performance.now() - dueMs)
    })
    underWay.add(sent)
  }
  await Promise.all(underWay)
  const records = receiptsMs.length * batch
  return {
    perSecond: records / ((performance.now() - startedMs) / 1000),
    receiptsMs,
    cpuUsPerRecord: (node.cpuMicroseconds() - cpuBefore) / records,
  }
}

function report(name: string, { perSecond, receiptsMs, cpuUsPerRecord }: Period): void {
  const [p50, p95] = [0.5, 0.95].map((share) => quantile([...receiptsMs], share).toFixed(1))
  console.log(
    `${name.padEnd(20)} ${Math.round(perSecond).toLocaleString('en').padStart(8)} records/s   receipts p50 ${p50} ms, p95 ${p95} ms   ` +
      `CPU of the node ${cpuUsPerRecord.toFixed(2)} µs a record`,
  )
}

async function run(): Promise<void> {
  const profiling = options.profiles === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${options.profiles}`]
  const node = await NodeProcess.start({}, { nodeFlags: profiling })
  const client = new Client(node.url, CONNECTIONS)
  const bodies = new LiveBodies(BODIES, Number(options.batch), 7)
  const seconds = Number(options.seconds)
  const warmUp = () => post(node, client, bodies, Number(options['warm-up']))

  await warmUp()
  await warmUp()
  const before = await post(node, client, bodies, seconds)
  report('without tails', before)

  const count = Number(options.tails)
  const openedMs = performance.now()
  const tails = new Worker(new URL(import.meta.url), {
    argv: process.argv.slice(2),
    workerData: { port: node.port, count },
  })
  const told = <T>() => new Promise<T>((resolve) => tails.once('message', resolve))
  await told()
  console.log(`${count} tails of different filters opened in ${Math.round(performance.now() - openedMs)} ms`)
  await warmUp()
  const ask = () => {
    tails.postMessage('tell')
    return told<ShownFigures>()
  }
  await ask()
  const during = await post(node, client, bodies, seconds)
  report(`with ${count} tails`, during)
  const shown = await ask()
  const median = quantile([...shown.latenciesMs], 0.5)
  const p95 = quantile([...shown.latenciesMs], 0.95)
  console.log(
    `${''.padEnd(20)} ${Math.round(shown.records / seconds)
      .toLocaleString('en')
      .padStart(8)} records/s shown   ` +
      `from posting to client p50 ${median.toFixed(0)} ms, p95 ${p95.toFixed(0)} ms (${shown.latenciesMs.length} samples), ${shown.drops} drops`,
  )

  await tails.terminate()
  await warmUp()
  const after = await post(node, client, bodies, seconds)
  report('without them again', after)
  client.close()
  await node.stop()

  const slowdown = 1 - during.perSecond / ((before.perSecond + after.perSecond) / 2)
  const isMet = slowdown <= SLOWDOWN_BUDGET && median <= DELIVERY_BUDGET_MS
  console.log(
    `ingest is slower by ${(100 * slowdown).toFixed(1)} % (≤ ${100 * SLOWDOWN_BUDGET} %), the median record is shown after ${median.toFixed(0)} ms ` +
      `(≤ ${DELIVERY_BUDGET_MS} ms): ${isMet ? 'met' : 'MISSED'}`,
  )
  process.exitCode = isMet ? 0 : 1
}

if (isMainThread) await run()
else await serveTails(workerData as Tails)

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parseArgs } from 'node:util'
import { systemClock } from '../base/clock.ts'
import { putRule, sendAlert } from '../test/harness/alert-client.ts'
import { ClusterProcesses } from '../test/harness/cluster-processes.ts'
import { NodeProcess } from '../test/harness/node-process.ts'
import { WeirClient } from '../test/harness/weir-client.ts'
import { quantile } from './client.ts'

/**
 * `node bench/alerts.ts --nodes 3 --rate 50000`: the time from the receipt of the record that crosses the threshold of a rule to the call of the webhook, while
 * other records come in. The yardstick is 2 s at p95.
 */
const { values: options } = parseArgs({
  options: {
    nodes: { type: 'string', default: '1' },
    rate: { type: 'string', default: '50000' },
    rules: { type: 'string', default: '200' },
    firings: { type: 'string', default: '60' },
  },
})
const NODES = Number(options.nodes)
const RATE = Number(options.rate)
const RULES = Number(options.rules)
const FIRINGS = Number(options.firings)
const RECORDS_PER_BODY = 1000
const SENDERS = 4
const SERVICES = 50
const THRESHOLD = 3
const BETWEEN_MS = 250
const LAST_WAIT_MS = 20_000
const SETTINGS = { workers: NODES === 1 ? 2 : 1, 'alerts.allowPrivateTargets': true }

/** When each rule's webhook was called first. */
const calledMs = new Map<string, number>()
const receiver = createServer((request, response) => {
  const parts: Buffer[] = []
  request.on('data', (part: Buffer) => parts.push(part))
  request.on('end', () => {
    const atMs = systemClock.monotonicMs()
    const rule = /rule-\d+/.exec(Buffer.concat(parts).toString('utf8'))?.[0]
    if (rule !== undefined && !calledMs.has(rule)) calledMs.set(rule, atMs)
    response.end()
  })
})
receiver.listen(0, '127.0.0.1')
await once(receiver, 'listening')
const hook = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`

const { clients, stop } = await startNodes()
const first = clients[0]!
const channel = { name: 'hook', type: 'webhook', url: hook, ratePerMinute: 600, sendResolved: false }
await sendAlert(first, 'PUT', 'channels/hook', channel)
for (let i = 0; i < RULES; i++) {
  await putRule(first, `rule-${i}`, {
    query: 'crossing',
    service: `service-${i}`,
    condition: { count: `>=${THRESHOLD}`, window: '1m' },
    channels: ['hook'],
  })
}

const body = Array.from({ length: RECORDS_PER_BODY }, (_, i) =>
  JSON.stringify({
    service: `service-${i % SERVICES}`,
    level: i % 20 === 0 ? 'ERROR' : 'INFO',
    host: `host-${i % 7}`,
    message: `request ${i} answered in ${i % 900} ms, nothing special about it`,
    latency_ms: i % 900,
    traceId: (i * 7919).toString(16).padStart(32, '0'),
  }),
).join('\n')
let isLoading = true
let sent = 0
const startedMs = systemClock.monotonicMs()
const senders = Array.from({ length: SENDERS }, async (_, i) => {
  const client = clients[i % clients.length]!
  while (isLoading) {
    const dueMs = (sent / RATE) * 1000
    const aheadMs = dueMs - (systemClock.monotonicMs() - startedMs)
    if (aheadMs > 0) await systemClock.sleep(aheadMs)
    sent += RECORDS_PER_BODY
    await client.ingestText(body)
  }
})
await systemClock.sleep(3000)

const receiptMs = new Map<string, number>()
for (let i = 0; i < FIRINGS; i++) {
  const rule = `rule-${i % RULES}`
  const crossing = { service: `service-${i % RULES}`, level: 'ERROR', message: `crossing ${i}` }
  const client = clients[i % clients.length]!
  await client.ingest(Array.from({ length: THRESHOLD - 1 }, () => crossing))
  await client.ingest([crossing])
  receiptMs.set(rule, systemClock.monotonicMs())
  await systemClock.sleep(BETWEEN_MS)
}
const untilMs = systemClock.monotonicMs() + LAST_WAIT_MS
while (calledMs.size < receiptMs.size && systemClock.monotonicMs() < untilMs) await systemClock.sleep(50)
isLoading = false
const rate = sent / ((systemClock.monotonicMs() - startedMs) / 1000)
await Promise.all(senders)

const took = [...receiptMs].flatMap(([rule, ms]) => (calledMs.has(rule) ? [calledMs.get(rule)! - ms] : []))
took.sort((a, b) => a - b)
process.stdout.write(
  `${NODES} nodes, ${RULES} rules, ${Math.round(rate)} records/s: ${took.length} of ${receiptMs.size} firings called, ` +
    `p50 ${Math.round(quantile(took, 0.5))} ms, p95 ${Math.round(quantile(took, 0.95))} ms, most ${Math.round(took.at(-1) ?? 0)} ms\n`,
)
for (const client of clients) client.close()
receiver.close()
await stop()

async function startNodes(): Promise<{ clients: WeirClient[]; stop: () => Promise<unknown> }> {
  if (NODES === 1) {
    const node = await NodeProcess.start(SETTINGS)
    return { clients: [new WeirClient(node.url)], stop: () => node.kill() }
  }
  const cluster = await ClusterProcesses.start({ natsServers: 3, settings: SETTINGS })
  const ids = Array.from({ length: NODES }, (_, i) => `n${i + 1}`)
  for (const id of ids) await cluster.startNode(id)
  await cluster.settled(cluster.node('n1'), ids)
  return { clients: cluster.nodes.map(({ client }) => client), stop: () => cluster.remove() }
}

import { deepEqual, equal, ok } from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { silentLogger } from '../../../../base/logger.ts'
import { startDemo } from '../../../../node/demo/demo.ts'
import { SimulatedClock } from '../../../harness/simulated-clock.ts'

const HOUR_MS = 3_600_000

interface Sent {
  readonly key: string
  readonly credential: string | undefined
  readonly body: string
}

type Answer = (sent: readonly Sent[], response: ServerResponse) => void

/** A node as the demo sees it: it answers the search for the newest record, and posts as `answer` says. */
async function startNode(t: TestContext, newest: string | undefined, answer: Answer) {
  const sent: Sent[] = []
  const server = createServer(async (request: IncomingMessage, response) => {
    let body = ''
    for await (const part of request) body += part
    if (request.url?.startsWith('/v1/logs/search')) {
      response.end(JSON.stringify({ logs: newest === undefined ? [] : [{ timestamp: newest }] }))
      return
    }
    const { 'idempotency-key': key, authorization: credential } = request.headers
    sent.push({ key: String(key), credential, body })
    answer(sent, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sent }
}

/** Lets the demo run, on time that only moves when it waits, until `isDone`. */
async function runUntil(clock: SimulatedClock, isDone: () => boolean): Promise<void> {
  while (!isDone()) await clock.step()
}

const accept: Answer = (_, response) => response.end('{}')
const timesOf = (sent: readonly Sent[]) =>
  sent.flatMap(({ body }) =>
    body
      .trimEnd()
      .split('\n')
      .map((line) => Date.parse((JSON.parse(line) as { timestamp: string }).timestamp)),
  )

test('a first start begins an hour ago', async (t) => {
  const clock = new SimulatedClock('first')
  const { url, sent } = await startNode(t, undefined, accept)
  const hourAgoMs = clock.nowMs() - HOUR_MS
  const demo = startDemo(url, clock, silentLogger, 'weir_key')
  t.after(() => demo.stop())
  await runUntil(clock, () => sent.length > 1)
  const times = timesOf(sent)
  ok(times[0]! >= hourAgoMs && times[0]! < hourAgoMs + 10_000)
  ok(sent.every(({ credential }) => credential === 'Bearer weir_key'))
})

test('after a restart only what is missing is filled, then time goes on', async (t) => {
  const clock = new SimulatedClock('restart')
  const startMs = clock.nowMs()
  const newestMs = startMs - 30_000
  const { url, sent } = await startNode(t, new Date(newestMs).toISOString(), accept)
  const demo = startDemo(url, clock, silentLogger)
  t.after(() => demo.stop())
  await runUntil(clock, () => clock.nowMs() > startMs + 5000)
  const times = timesOf(sent)
  ok(times[0]! >= newestMs && times[0]! < newestMs + 10_000)
  ok(times[times.length - 1]! > startMs + 3000)
  ok(Math.max(...times.slice(1).map((timeMs, i) => timeMs - times[i]!)) < 2000, 'no hole')
  equal(new Set(sent.map(({ key }) => key)).size, sent.length)
})

test('a node that is full or draining gets the same request again, with the same key', async (t) => {
  const clock = new SimulatedClock('patient')
  const refusals = [429, 503]
  const { url, sent } = await startNode(t, undefined, (all, response) => {
    const status = refusals[all.length - 1]
    if (status !== undefined) response.writeHead(status, { 'retry-after': '1' })
    response.end('{}')
  })
  const demo = startDemo(url, clock, silentLogger)
  t.after(() => demo.stop())
  await runUntil(clock, () => sent.length >= 4)
  deepEqual(sent[1], sent[0])
  deepEqual(sent[2], sent[0])
  ok(sent[3]!.key !== sent[0]!.key)
})

test('a stopped demo sends nothing more', async (t) => {
  const clock = new SimulatedClock('stop')
  const { url, sent } = await startNode(t, undefined, accept)
  const demo = startDemo(url, clock, silentLogger)
  await runUntil(clock, () => sent.length > 0)
  demo.stop()
  await clock.advance(1000)
  const count = sent.length
  await clock.advance(60_000)
  equal(sent.length, count)
})

import { parseArgs } from 'node:util'
import { HttpClient } from '../harness/http-client.ts'
import { compare, deliver, findAll, Ledger } from './compose-load.ts'
import { type ComposeNode, ComposeProject, settled, until } from './compose-project.ts'

/**
 * `npm run test:compose`: compose.yaml on a Docker engine, with nothing simulated. Five nodes; records sent to all of them in turn; each of them must find every one
 * once. Then seven nodes and three, while records come in without a pause: the same. Needs docker with Compose v2, the images or a registry that has them, and
 * the ports of the compose file. Options: --records 100000, --rate 3000 a second while the cluster grows and shrinks, --keep leaves it running.
 */
const { values: options } = parseArgs({
  options: {
    records: { type: 'string', default: '100000' },
    rate: { type: 'string', default: '3000' },
    keep: { type: 'boolean', default: false },
  },
})

const PROJECT = 'weir-show'
const BALANCER = 'http://127.0.0.1:9340'
const BATCH = 500
const LOAD_BATCH = 100
const SENDERS = 8
const SETTLE_MS_MAX = 180_000
const FIND_MS_MAX = 120_000
/** Load before, between and after the changes. */
const STEADY_MS = 10_000
/** An answer of a search that is not complete, or none, for longer than this is a stall. */
const SEARCH_STALL_MS_MAX = 10_000

const project = new ComposeProject(PROJECT)
const startedMs = performance.now()
let failures = 0

function say(text: string): void {
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
  console.log(`${seconds.padStart(6)} s  ${text}`)
}

function check(isTrue: boolean, text: string): void {
  say(`${isTrue ? 'ok    ' : 'FAILED'} ${text}`)
  if (!isTrue) failures += 1
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function inTurn(urls: () => readonly string[]): () => string {
  let turn = 0
  return () => urls()[turn++ % urls().length] as string
}

/** Every node, and the balancer, finds each acknowledged record once. */
async function checkEverywhere(ledger: Ledger, nodes: readonly ComposeNode[]): Promise<void> {
  const total = ledger.acknowledged.size
  for (const { url, container } of [...nodes, { url: BALANCER, container: 'the balancer' }]) {
    let last = { missing: total, doubled: 0, unacknowledged: 0 }
    await until(
      FIND_MS_MAX,
      () => '',
      async () => {
        last = compare(ledger, await findAll(url, ledger.run))
        return last.missing === 0 ? true : undefined
      },
    ).catch((error: Error) => say(`${error.cause ?? ''}`))
    const { missing, doubled, unacknowledged } = last
    const isRight = missing + doubled + unacknowledged === 0
    check(
      isRight,
      `${container}: of ${total} records ${missing} missing, ${doubled} twice, ${unacknowledged} not acknowledged`,
    )
  }
}

function report(ledger: Ledger): void {
  const times = ledger.receiptMs.toSorted((a, b) => a - b)
  const at = (share: number) => (times[Math.floor(share * (times.length - 1))] ?? 0).toFixed(0)
  const retries = [...ledger.retries].map(([kind, count]) => `${count} × ${kind}`).join(', ') || 'none'
  say(`       receipts p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, longest ${at(1)} ms; sent again: ${retries}`)
}

/** Keeps searching through the balancer; tells the longest time without a complete answer. */
async function watchSearches(isOver: () => boolean): Promise<{ answers: number; longestMs: number }> {
  const http = new HttpClient(BALANCER)
  let answers = 0
  let longestMs = 0
  let lastMs = performance.now()
  while (!isOver()) {
    const path = '/v1/logs/search?query=level:ERROR&limit=10&total=none'
    const answer = await http.send(path, { signal: AbortSignal.timeout(15_000) }).catch(() => undefined)
    const isComplete = answer?.status === 200 && answer.json().coverage.complete === true
    const nowMs = performance.now()
    longestMs = Math.max(longestMs, nowMs - lastMs)
    if (isComplete) {
      answers += 1
      lastMs = nowMs
    }
    await pause(100)
  }
  http.close()
  return { answers, longestMs }
}

async function showEveryNodeFindsAll(): Promise<ComposeNode[]> {
  await project.up(5)
  const nodes = await settled(project, 5, SETTLE_MS_MAX)
  say(`five nodes are settled: ${nodes.map(({ url }) => new URL(url).port).join(' ')}`)
  const ledger = new Ledger(`first${process.pid}`)
  const batches = Math.ceil(Number(options.records) / BATCH)
  const nextUrl = inTurn(() => nodes.map(({ url }) => url))
  const sentMs = performance.now()
  let batch = 0
  const sender = async () => {
    while (batch++ < batches) await deliver(ledger, BATCH, nextUrl)
  }
  await Promise.all(Array.from({ length: SENDERS }, sender))
  const seconds = (performance.now() - sentMs) / 1000
  say(
    `${ledger.acknowledged.size} records sent to the five in turn, ${(ledger.acknowledged.size / seconds).toFixed(0)} a second`,
  )
  report(ledger)
  await checkEverywhere(ledger, nodes)
  return nodes
}

async function showGrowAndShrink(first: readonly ComposeNode[]): Promise<void> {
  const ledger = new Ledger(`second${process.pid}`)
  let urls = [...first.map(({ url }) => url), BALANCER]
  const nextUrl = inTurn(() => urls)
  let isOver = false
  let batch = 0
  const pacedMs = (1000 * LOAD_BATCH * SENDERS) / Number(options.rate)
  const sender = async () => {
    while (!isOver) {
      const dueMs = performance.now() + pacedMs
      await deliver(ledger, LOAD_BATCH, nextUrl, `${ledger.run}-${batch++}`)
      await pause(Math.max(0, dueMs - performance.now()))
    }
  }
  const senders = Promise.all(Array.from({ length: SENDERS }, sender))
  const searches = watchSearches(() => isOver)
  // Told by those who wait for them below.
  for (const promise of [senders, searches]) promise.catch(() => undefined)
  try {
    await Promise.race([senders, pause(STEADY_MS)])
    let nodes: ComposeNode[] = [...first]
    for (const count of [7, 3]) {
      await project.scale(count)
      nodes = await settled(project, count, SETTLE_MS_MAX)
      say(`${count} nodes are settled, ${ledger.acknowledged.size} records acknowledged meanwhile`)
      urls = [...nodes.map(({ url }) => url), BALANCER]
      await Promise.race([senders, pause(STEADY_MS)])
    }
    isOver = true
    await senders
    const { answers, longestMs } = await searches
    report(ledger)
    const text = `${answers} complete searches meanwhile, never more than ${longestMs.toFixed(0)} ms without one`
    check(longestMs <= SEARCH_STALL_MS_MAX, text)
    await checkEverywhere(ledger, nodes)
  } finally {
    isOver = true
  }
}

try {
  const nodes = await showEveryNodeFindsAll()
  await showGrowAndShrink(nodes)
} catch (error) {
  failures += 1
  console.error(error)
  console.error(await project.logs('node', 40).catch(String))
} finally {
  if (!options.keep) await project.down()
}
say(failures === 0 ? 'passed' : `${failures} failed`)
process.exitCode = failures === 0 ? 0 : 1

import { parseArgs } from 'node:util'
import { compare, deliver, findAll, Ledger } from './compose-load.ts'
import { type ComposeNode, ComposeProject, settled, until } from './compose-project.ts'
import { pause, type Seen, Traffic } from './compose-traffic.ts'

/**
 * `npm run test:compose`: compose.yaml on a Docker engine, with nothing simulated. Five nodes; records sent to all of them in turn; each of them must find every one
 * once. Then, while records come in without a pause: seven nodes, three, and each part taken away in turn. Needs docker with Compose v2, the images or a registry
 * that has them, and the ports of the compose file. Options: --records 100000 of the first part, --rate 3000 a second of the others, --keep leaves it running.
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
const SENDERS = 8
const SETTLE_MS_MAX = 180_000
const FIND_MS_MAX = 120_000
/** Load before and after each change. */
const STEADY_MS = 10_000
const S3_OUTAGE_MS = 60_000
const NATS = ['nats-1', 'nats-2', 'nats-3']

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

/** Every node, and the balancer, finds each acknowledged record once. */
async function checkEverywhere(ledger: Ledger, nodes: readonly ComposeNode[]): Promise<void> {
  const total = ledger.acknowledged.size
  for (const { url, container } of [...nodes, { url: BALANCER, container: 'the balancer' }]) {
    let last = { missing: total, doubled: 0, unacknowledged: 0 }
    const look = async () => {
      last = compare(ledger, await findAll(url, ledger.run))
      return last.missing === 0 ? true : undefined
    }
    await until(FIND_MS_MAX, () => 'all are found', look).catch(({ cause }: Error) => say(`${cause ?? ''}`))
    const { missing, doubled, unacknowledged } = last
    const isRight = missing + doubled + unacknowledged === 0
    check(
      isRight,
      `${container}: of ${total} records ${missing} missing, ${doubled} twice, ${unacknowledged} not acknowledged`,
    )
  }
}

async function showEveryNodeFindsAll(): Promise<void> {
  await project.up(5)
  const nodes = await settled(project, 5, SETTLE_MS_MAX)
  say(`five nodes are settled: ${nodes.map(({ url }) => new URL(url).port).join(' ')}`)
  const ledger = new Ledger(`first${process.pid}`)
  const batches = Math.ceil(Number(options.records) / BATCH)
  const sentMs = performance.now()
  let batch = 0
  const sender = async () => {
    while (batch < batches) {
      let turn = batch++
      await deliver(ledger, BATCH, () => (nodes[turn++ % nodes.length] as ComposeNode).url)
    }
  }
  await Promise.all(Array.from({ length: SENDERS }, sender))
  const perSecond = ledger.acknowledged.size / ((performance.now() - sentMs) / 1000)
  say(`${ledger.acknowledged.size} records sent to the five in turn, ${perSecond.toFixed(0)} a second`)
  await checkEverywhere(ledger, nodes)
}

const CHANGES: readonly {
  readonly what: string
  readonly nodes: number
  readonly make: (node: string) => Promise<void>
}[] = [
  { what: 'nothing', nodes: 5, make: async () => undefined },
  { what: '5 nodes become 7', nodes: 7, make: () => project.scale(7) },
  { what: '7 nodes become 3', nodes: 3, make: () => project.scale(3) },
  {
    what: 'a node is killed and started again',
    nodes: 3,
    make: async (node) => {
      await project.kill(node)
      await pause(STEADY_MS)
      await project.scale(3)
    },
  },
  {
    what: 'a NATS server is killed and started again',
    nodes: 3,
    make: async () => {
      await project.kill(project.containerOf('nats-1'))
      await pause(STEADY_MS)
      await project.start('nats-1')
    },
  },
  {
    what: 'the S3 server hangs for a minute',
    nodes: 3,
    make: async () => {
      await project.freeze(project.containerOf('s3'))
      await pause(S3_OUTAGE_MS)
      await project.thaw(project.containerOf('s3'))
    },
  },
  {
    // Not the S3 server: what stands in for it where there is no registry may keep its objects in memory.
    what: 'all nodes and NATS servers are stopped and started again',
    nodes: 3,
    make: async () => {
      await project.stop('node', ...NATS)
      await project.start(...NATS, 'node')
    },
  },
  {
    what: 'all nodes are removed with their disks; three new ones',
    nodes: 3,
    make: async () => {
      await project.removeNodes()
      await project.scale(3)
    },
  },
]

async function showChangesUnderLoad(): Promise<void> {
  const ledger = new Ledger(`second${process.pid}`)
  let nodes = await project.nodes()
  const urls = () => [...nodes.map(({ url }) => url), BALANCER]
  const traffic = new Traffic({ ledger, urls, searchUrl: BALANCER, recordsPerSecond: Number(options.rate) })
  const rows: [string, Seen][] = []
  for (const { what, nodes: count, make } of CHANGES) {
    await traffic.during(make((nodes[0] as ComposeNode).container))
    nodes = await traffic.during(settled(project, count, SETTLE_MS_MAX))
    await traffic.during(pause(STEADY_MS))
    rows.push([what, traffic.take()])
    say(`${what}: ${ledger.acknowledged.size} records acknowledged by now`)
  }
  await traffic.end()
  await checkEverywhere(ledger, nodes)
  report(rows, ledger)
  await showRecovery(ledger)
}

/** C10: the nodes stop in good order, then journal and registry are lost on all three NATS servers. */
async function showRecovery(ledger: Ledger): Promise<void> {
  await project.stop('node')
  await project.lose(...NATS)
  await project.restore()
  await project.scale(3)
  const nodes = await settled(project, 3, SETTLE_MS_MAX)
  say('three new NATS servers, three nodes that were stopped before')
  await checkEverywhere(ledger, nodes)
}

function report(rows: readonly [string, Seen][], ledger: Ledger): void {
  const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`
  console.log(
    `\n${'under load'.padEnd(56)}  records  longest receipt  searches  partial  longest without a whole answer`,
  )
  for (const [what, { records, longestReceiptMs, searches, partial, longestBlindMs }] of rows) {
    const cells = [
      String(records).padStart(7),
      seconds(longestReceiptMs).padStart(15),
      String(searches).padStart(8),
      String(partial).padStart(7),
      seconds(longestBlindMs).padStart(30),
    ]
    console.log(`${what.padEnd(56)}  ${cells.join('  ')}`)
  }
  const retries = [...ledger.retries].map(([kind, count]) => `${count} × ${kind}`).join(', ') || 'none'
  console.log(`sent again: ${retries}\n`)
}

try {
  await showEveryNodeFindsAll()
  await showChangesUnderLoad()
} catch (error) {
  failures += 1
  console.error(error)
  console.error(await project.logs('node', 40).catch(String))
} finally {
  if (!options.keep) await project.down()
}
say(failures === 0 ? 'passed' : `${failures} failed`)
process.exitCode = failures === 0 ? 0 : 1

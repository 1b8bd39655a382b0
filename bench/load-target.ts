import { ClusterProcesses } from '../test/harness/cluster-processes.ts'
import { NodeProcess } from '../test/harness/node-process.ts'
import { cpuMicroseconds } from '../test/harness/process-cpu.ts'
import { Client } from './client.ts'

/** CPU used so far, in microseconds. */
export interface CpuUse {
  readonly nodes: number
  readonly natsServers: number
}

/** What is put under load: nodes that run already, or that were started for it. */
export interface LoadTarget {
  readonly what: string
  readonly urls: readonly string[]
  /** p95 that receipts are held to: with three synced copies of each frame it is another one. */
  readonly receiptP95BudgetMs: number
  /** Undefined where the processes are not ours. */
  readonly cpu?: () => CpuUse
  /** Resident bytes of all nodes: now, and the sum of their highest. */
  readonly memory?: () => { readonly rss: number; readonly peak: number }
  /** With grace, so that profiles are written. */
  stop(): Promise<void>
}

export interface TargetOptions {
  readonly workers?: string
  /** Where each thread of each node leaves a CPU profile. */
  readonly profiles?: string
}

const EMBEDDED_P95_MS = 25
const CLUSTER_P95_MS = 50

export function runningNodes(urls: readonly string[]): LoadTarget {
  return { what: urls.join(', '), urls, receiptP95BudgetMs: CLUSTER_P95_MS, stop: async () => undefined }
}

/** One node with nothing beside it. */
export async function startNode(options: TargetOptions): Promise<LoadTarget> {
  const node = await NodeProcess.start(settingsOf(options), { nodeFlags: flagsOf(options) })
  return {
    what: 'one node',
    urls: [node.url],
    receiptP95BudgetMs: EMBEDDED_P95_MS,
    cpu: () => ({ nodes: node.cpuMicroseconds(), natsServers: 0 }),
    memory: () => node.memory(),
    stop: async () => void (await node.stop()),
  }
}

/** Nodes, NATS servers that sync every write, and an S3 server, whose CPU is not counted. */
export async function startCluster(nodes: number, natsServers: number, options: TargetOptions): Promise<LoadTarget> {
  const cluster = await ClusterProcesses.start({ natsServers, settings: settingsOf(options) })
  const ids = Array.from({ length: nodes }, (_, i) => `node-${i + 1}`)
  try {
    await Promise.all(ids.map((id) => cluster.startNode(id, {}, { nodeFlags: flagsOf(options) })))
    for (const node of cluster.nodes) await cluster.settled(node, ids)
  } catch (error) {
    await cluster.remove()
    throw error
  }
  const processes = cluster.nodes.map((node) => node.process)
  const sum = (of: (process: NodeProcess) => number) => processes.reduce((total, process) => total + of(process), 0)
  return {
    what: `${nodes} node${nodes === 1 ? '' : 's'} and ${natsServers} NATS server${natsServers === 1 ? '' : 's'}`,
    urls: processes.map(({ url }) => url),
    receiptP95BudgetMs: CLUSTER_P95_MS,
    cpu: () => ({
      nodes: sum((process) => process.cpuMicroseconds()),
      natsServers: Array.from({ length: natsServers }, (_, i) => cpuMicroseconds(cluster.nats.pid(i))).reduce(
        (a, b) => a + b,
      ),
    }),
    memory: () => ({ rss: sum((process) => process.memory().rss), peak: sum((process) => process.memory().peak) }),
    async stop() {
      await Promise.all(processes.map((process) => process.stop()))
      await cluster.remove()
    },
  }
}

/** What the nodes have put into the journal so far. */
export interface JournalFigures {
  readonly frames: number
  readonly frameBytes: number
  readonly records: number
}

export async function journalFigures(urls: readonly string[]): Promise<JournalFigures> {
  const pages = await Promise.all(urls.map(metricsOf))
  const sum = (name: string) => pages.reduce((total, page) => total + metricSum(page, name), 0)
  return {
    frames: sum('weir_journal_frames_total'),
    frameBytes: sum('weir_journal_frame_bytes_sum'),
    records: sum('weir_ingest_records_accepted_total'),
  }
}

async function metricsOf(url: string): Promise<string> {
  const client = new Client(url, 1)
  const { status, body } = await client.get('/metrics')
  client.close()
  if (status !== 200) throw new Error(`${url}/metrics answered ${status}`)
  return body.toString()
}

/** The sum over all labels of a metric. */
function metricSum(page: string, name: string): number {
  const lines = page.split('\n').filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}

function settingsOf({ workers }: TargetOptions): Readonly<Record<string, string>> {
  return workers === undefined ? {} : { workers }
}

function flagsOf({ profiles }: TargetOptions): readonly string[] {
  return profiles === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profiles}`]
}

import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LaneId } from '../../base/ids.ts'
import { laneStreamName } from '../../cluster/subjects.ts'
import { type ClusterNode, ClusterProcesses } from '../harness/cluster-processes.ts'
import { NatsStreams } from '../harness/nats-streams.ts'
import { NetworkNamespace } from '../harness/network-namespace.ts'
import type { NodeOptions, NodeSettings } from '../harness/node-process.ts'
import { TcpProxy, type TcpWeather } from '../harness/tcp-proxy.ts'

const HOST = '127.0.0.1'
const LOG_LINES_TOLD = 40

/** The ways of one node, through proxies of its own. */
interface Links {
  readonly nats: readonly TcpProxy[]
  readonly s3: TcpProxy
  /** Where the machine lets us, the node has a network of its own, and can be cut off from everything. */
  readonly network: NetworkNamespace | undefined
}

export interface ChaosClusterOptions {
  readonly settings: NodeSettings
  /** Nodes have networks of their own where the machine lets us; else only their ways to NATS and S3 can be cut. */
  readonly ownNetworks: boolean
}

/** A shard as `GET /v1/cluster` shows it. */
export interface ShardRow {
  readonly shard: number
  readonly owner: string | null
  readonly epoch: number
  readonly floor: { readonly sequence: number } | null
}

/** A cluster of real processes, each node of which reaches NATS and the bucket by ways that can be cut. */
export class ChaosCluster {
  readonly processes: ClusterProcesses
  readonly #options: ChaosClusterOptions
  readonly #links = new Map<string, Links>()
  readonly #logs = mkdtempSync(join(tmpdir(), 'weir-chaos-'))
  /** Nodes that run, or hang, and were not told to stop. */
  readonly #inService = new Map<string, ClusterNode>()

  private constructor(processes: ClusterProcesses, options: ChaosClusterOptions) {
    this.processes = processes
    this.#options = options
  }

  /** Servers only: no node is started. */
  static async start(options: ChaosClusterOptions): Promise<ChaosCluster> {
    return new ChaosCluster(await ClusterProcesses.start({ natsServers: 3 }), options)
  }

  /** What clients send to. */
  get nodes(): readonly ClusterNode[] {
    return [...this.#inService.values()]
  }

  get ids(): readonly string[] {
    return [...this.#inService.keys()].sort()
  }

  node(id: string): ClusterNode {
    return this.processes.node(id)
  }

  /** Resolves once it is ready. */
  async startNode(id: string, options: NodeOptions = {}): Promise<ClusterNode> {
    const { nats, s3, network } = await this.#linksOf(id)
    const host = network?.machineAddress ?? HOST
    const settings = {
      'nats.url': nats.map(({ port }) => `nats://${host}:${port}`).join(','),
      's3.endpoint': `http://${host}:${s3.port}`,
      'log.level': 'info',
      ...(network === undefined ? {} : { 'http.host': network.address, 'auth.allowInsecureNetwork': true }),
      ...this.#options.settings,
    }
    const node = await this.processes.startNode(id, settings, {
      ...options,
      ...(network === undefined ? {} : { wrapper: network.command }),
      errorsFile: this.#logOf(id),
    })
    this.#inService.set(id, node)
    return node
  }

  async killNode(id: string): Promise<void> {
    this.#inService.delete(id)
    await this.processes.killNode(id)
  }

  /** Drains it; resolves with the exit status. */
  async stopNode(id: string): Promise<number | null> {
    this.#inService.delete(id)
    return this.processes.stopNode(id)
  }

  /** Nothing gets through between a node and its servers, nor its clients where it has a network of its own; nobody is told. */
  cutOff(id: string): void {
    const { network, nats, s3 } = this.#knownLinks(id)
    if (network !== undefined) network.pullCable()
    else for (const link of [...nats, s3]) link.weather = { kind: 'blackhole' }
  }

  reconnect(id: string): void {
    const { network, nats, s3 } = this.#knownLinks(id)
    if (network !== undefined) {
      network.plugCable()
      return
    }
    for (const link of [...nats, s3]) {
      // The old connections have lost bytes.
      link.resetAll()
      link.weather = { kind: 'pass' }
    }
  }

  /** Of the links of all nodes to the bucket. */
  s3Weather(weather: TcpWeather): void {
    for (const { s3 } of this.#links.values()) s3.weather = weather
  }

  /** Number of the server that leads the stream of the first lane. */
  natsLeader(): Promise<number> {
    return new NatsStreams(this.processes.nats).leaderOf(laneStreamName('weir', 0 as LaneId))
  }

  /** How far publishing has got: shards of which something is published, and frames of the first lane that were trimmed. */
  async published(observer: ClusterNode): Promise<{ readonly shards: number; readonly trimmed: number }> {
    const shards = (await this.shards(observer)).filter(({ floor }) => floor !== null && floor.sequence > 0).length
    const { state } = await new NatsStreams(this.processes.nats).info(laneStreamName('weir', 0 as LaneId))
    return { shards, trimmed: state.first_seq - 1 }
  }

  async shards(observer: ClusterNode): Promise<readonly ShardRow[]> {
    return (await observer.client.json('/v1/cluster')).shards
  }

  /** The end of what each node has logged. */
  logTails(): string {
    return [...this.#links.keys()]
      .filter((id) => existsSync(this.#logOf(id)))
      .map((id) => `--- ${id}\n${readFileSync(this.#logOf(id), 'utf8').split('\n').slice(-LOG_LINES_TOLD).join('\n')}`)
      .join('\n')
  }

  get logs(): string {
    return this.#logs
  }

  async remove(options: { readonly keepLogs: boolean }): Promise<void> {
    await this.processes.remove()
    for (const { nats, s3, network } of this.#links.values()) {
      for (const link of [...nats, s3]) await link.close()
      network?.remove()
    }
    if (!options.keepLogs) rmSync(this.#logs, { recursive: true, force: true })
  }

  #logOf(id: string): string {
    return join(this.#logs, `${id}.log`)
  }

  #knownLinks(id: string): Links {
    const links = this.#links.get(id)
    assert(links !== undefined, `${id} was never started`)
    return links
  }

  async #linksOf(id: string): Promise<Links> {
    const known = this.#links.get(id)
    if (known !== undefined) return known
    const network = this.#options.ownNetworks ? NetworkNamespace.open() : undefined
    const host = network?.machineAddress ?? HOST
    const servers = this.processes.nats.urls.map((url) => Number(new URL(url).port))
    const nats = await Promise.all(servers.map((port) => TcpProxy.start(port, host)))
    const links = { nats, s3: await TcpProxy.start(this.processes.s3.port, host), network }
    const proxyOf = new Map(servers.map((port, i) => [`${HOST}:${port}`, `${host}:${nats[i]!.port}`]))
    for (const link of nats) link.translate = (answer) => withProxies(answer, proxyOf)
    this.#links.set(id, links)
    return links
  }
}

/** A server tells its clients of the other servers: they must know them by their proxies. */
function withProxies(answer: Buffer, proxyOf: ReadonlyMap<string, string>): Buffer {
  const at = answer.indexOf('INFO {')
  const end = at < 0 ? -1 : answer.indexOf('\r\n', at)
  if (end < 0) return answer
  let info = answer.toString('latin1', at, end)
  for (const [server, proxy] of proxyOf) info = info.replaceAll(`"${server}"`, `"${proxy}"`)
  return Buffer.concat([answer.subarray(0, at), Buffer.from(info, 'latin1'), answer.subarray(end)])
}

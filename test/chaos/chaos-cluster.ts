import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ClusterNode, ClusterProcesses } from '../harness/cluster-processes.ts'
import { NatsStreams } from '../harness/nats-streams.ts'
import type { NodeOptions, NodeSettings } from '../harness/node-process.ts'
import { TcpProxy, type TcpWeather } from '../harness/tcp-proxy.ts'

const LOG_LINES_TOLD = 40

/** The ways of one node to its servers, through proxies of its own. */
interface Links {
  readonly nats: readonly TcpProxy[]
  readonly s3: TcpProxy
}

/** A shard as `GET /v1/cluster` shows it. */
export interface ShardRow {
  readonly shard: number
  readonly owner: string | null
  readonly epoch: number
}

/** A cluster of real processes, each node of which reaches NATS and the bucket by links that can be cut. */
export class ChaosCluster {
  readonly processes: ClusterProcesses
  readonly #settings: NodeSettings
  readonly #links = new Map<string, Links>()
  readonly #logs = mkdtempSync(join(tmpdir(), 'weir-chaos-'))
  /** Nodes that run, or hang, and were not told to stop. */
  readonly #inService = new Map<string, ClusterNode>()

  private constructor(processes: ClusterProcesses, settings: NodeSettings) {
    this.processes = processes
    this.#settings = settings
  }

  static async start(settings: NodeSettings): Promise<ChaosCluster> {
    return new ChaosCluster(await ClusterProcesses.start({ natsServers: 3 }), settings)
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
    const links = await this.#linksOf(id)
    const settings = {
      'nats.url': links.nats.map(({ port }) => `nats://127.0.0.1:${port}`).join(','),
      's3.endpoint': `http://127.0.0.1:${links.s3.port}`,
      'log.level': 'info',
      ...this.#settings,
    }
    const node = await this.processes.startNode(id, settings, { ...options, errorsFile: this.#logOf(id) })
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

  /** Nothing gets through between a node and its servers; connections stay as they are. */
  cutOff(id: string): void {
    for (const link of this.#allLinks(id)) link.weather = { kind: 'blackhole' }
  }

  /** New connections get through; the old ones, which have lost bytes, are reset. */
  reconnect(id: string): void {
    for (const link of this.#allLinks(id)) {
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
    return new NatsStreams(this.processes.nats).leaderOf('weir-lane-0')
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
    for (const links of this.#links.values()) for (const link of [...links.nats, links.s3]) await link.close()
    if (!options.keepLogs) rmSync(this.#logs, { recursive: true, force: true })
  }

  #logOf(id: string): string {
    return join(this.#logs, `${id}.log`)
  }

  #allLinks(id: string): readonly TcpProxy[] {
    const links = this.#links.get(id)
    return links === undefined ? [] : [...links.nats, links.s3]
  }

  async #linksOf(id: string): Promise<Links> {
    const known = this.#links.get(id)
    if (known !== undefined) return known
    const { nats, s3 } = this.processes
    const servers = nats.urls.map((url) => Number(new URL(url).port))
    const links = {
      nats: await Promise.all(servers.map((port) => TcpProxy.start(port))),
      s3: await TcpProxy.start(s3.port),
    }
    const proxyOf = new Map(servers.map((port, i) => [port, links.nats[i]!.port]))
    for (const link of links.nats) link.translate = (answer) => withProxies(answer, proxyOf)
    this.#links.set(id, links)
    return links
  }
}

/** A server tells its clients of the other servers: they must know them by their proxies. All ports have five digits, so no length changes. */
function withProxies(answer: Buffer, proxyOf: ReadonlyMap<number, number>): Buffer {
  const at = answer.indexOf('INFO {')
  if (at < 0) return answer
  const end = answer.indexOf('\r\n', at)
  let info = answer.toString('latin1', at, end < 0 ? answer.length : end)
  for (const [port, proxy] of proxyOf) info = info.replaceAll(`:${port}"`, `:${proxy}"`)
  answer.write(info, at, 'latin1')
  return answer
}

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../base/clock.ts'
import { NatsServers } from './nats-server.ts'
import { type NodeOptions, NodeProcess, type NodeSettings, runNodeToEnd, type StartingNode } from './node-process.ts'
import { S3Server } from './s3-server.ts'
import { WeirClient } from './weir-client.ts'

const POLL_MS = 50
const SETTLED_MS_MAX = 30_000

export interface ClusterProcessesOptions {
  readonly natsServers: number
  /** Of every node, beside what makes them one cluster. */
  readonly settings?: NodeSettings
}

/** A node of a cluster and a client of it. */
export interface ClusterNode {
  readonly id: string
  readonly process: NodeProcess
  readonly client: WeirClient
}

/** A cluster as its users run it: node processes, nats-servers and an S3 server, on loopback and in a temporary directory. */
export class ClusterProcesses {
  readonly nats: NatsServers
  readonly s3: S3Server
  readonly #directory: string
  readonly #settings: NodeSettings
  readonly #nodes = new Map<string, ClusterNode>()
  readonly #starting = new Set<StartingNode>()

  private constructor(nats: NatsServers, s3: S3Server, settings: NodeSettings) {
    this.nats = nats
    this.s3 = s3
    this.#directory = mkdtempSync(join(tmpdir(), 'weir-cluster-'))
    this.#settings = settings
  }

  /** Servers only: no node is started. */
  static async start({ natsServers, settings = {} }: ClusterProcessesOptions): Promise<ClusterProcesses> {
    const [nats, s3] = await Promise.all([NatsServers.start(natsServers), S3Server.start()])
    return new ClusterProcesses(nats, s3, settings)
  }

  /** The nodes that run, in the order of their starts. */
  get nodes(): readonly ClusterNode[] {
    return [...this.#nodes.values()]
  }

  node(id: string): ClusterNode {
    const node = this.#nodes.get(id)
    assert(node !== undefined, `${id} does not run`)
    return node
  }

  /** Starts a node, on the data directory that it had if it ran before. Resolves once it is ready. */
  async startNode(id: string, settings: NodeSettings = {}, options: NodeOptions = {}): Promise<ClusterNode> {
    const starting = NodeProcess.begin({ ...this.#settingsOf(id), ...settings }, options)
    this.#starting.add(starting)
    const process = await starting.ready.finally(() => this.#starting.delete(starting))
    const node = { id, process, client: new WeirClient(process.url) }
    this.#nodes.set(id, node)
    return node
  }

  /** `weir restore`; resolves with what it tells. Throws when it fails. */
  async restore(): Promise<string> {
    const { status, stdout, stderr } = await runNodeToEnd(this.#settingsOf('restore'), { command: 'restore' })
    assert.equal(status, 0, stderr)
    return stdout
  }

  #settingsOf(id: string): NodeSettings {
    return {
      'node.id': id,
      'data.dir': join(this.#directory, id),
      'nats.url': this.nats.urls.join(','),
      's3.endpoint': this.s3.endpoint,
      's3.bucket': 'weir',
      's3.accessKeyId': 'test',
      's3.secretAccessKey': 'test',
      's3.forcePathStyle': true,
      's3.createBucket': true,
      ...this.#settings,
    }
  }

  /** As a crash ends it; its data directory stays. */
  async killNode(id: string): Promise<void> {
    const node = this.#take(id)
    await node.process.kill()
  }

  /** Drains it. Resolves with the exit status. */
  async stopNode(id: string): Promise<number | null> {
    const node = this.#take(id)
    return node.process.stop()
  }

  /** The disk of a node that does not run is lost. */
  loseDisk(id: string): void {
    assert(!this.#nodes.has(id), `${id} runs`)
    rmSync(join(this.#directory, id), { recursive: true, force: true })
  }

  /** Waits until the node says that exactly `ids` are in the cluster, and that each shard is owned by the one of them that should. */
  async settled(observer: ClusterNode, ids: readonly string[]): Promise<void> {
    const untilMs = systemClock.monotonicMs() + SETTLED_MS_MAX
    for (;;) {
      const view = await observer.client.json('/v1/cluster')
      const active = (view.nodes as { id: string; state: string }[])
        .filter(({ state }) => state === 'active')
        .map(({ id }) => id)
      const owners = (view.shards as { owner: string | null }[]).map(({ owner }) => owner)
      const isSettled =
        view.settled === true &&
        view.moves.length === 0 &&
        [...active].sort().join() === [...ids].sort().join() &&
        owners.every((owner) => owner !== null && ids.includes(owner))
      if (isSettled) return
      const text = JSON.stringify({ active, owners, moves: view.moves })
      assert(systemClock.monotonicMs() < untilMs, `${observer.id} does not see ${ids} settle: ${text}`)
      await systemClock.sleep(POLL_MS)
    }
  }

  async remove(): Promise<void> {
    for (const starting of this.#starting) await starting.kill()
    for (const id of this.#nodes.keys()) await this.killNode(id)
    await this.nats.stop()
    await this.s3.remove()
    rmSync(this.#directory, { recursive: true, force: true })
  }

  #take(id: string): ClusterNode {
    const node = this.node(id)
    this.#nodes.delete(id)
    node.client.close()
    return node
  }
}

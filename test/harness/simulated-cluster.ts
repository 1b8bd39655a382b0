import { QUERY_LEAF_KINDS, type QueryLeafMessage } from '../../actors/messages/leaf.ts'
import {
  TAIL_FEED_ASKED,
  TAIL_FEED_TOLD,
  type TailCensusMessage,
  type TailFeedMessage,
} from '../../actors/messages/tail.ts'
import { NodeTopology } from '../../actors/node-topology.ts'
import { QueryCoordinator } from '../../actors/query-coordinator.ts'
import { QueryLeaf } from '../../actors/query-leaf.ts'
import { ResultCache } from '../../actors/result-cache.ts'
import type { ActorRef } from '../../actors/runtime/actor-ref.ts'
import { NodeLink } from '../../actors/runtime/node-link.ts'
import { serveActors } from '../../actors/runtime/node-server.ts'
import { Scatter } from '../../actors/scatter.ts'
import { workerOf } from '../../actors/shard-places.ts'
import { TailCatchUp } from '../../actors/tail-catch-up.ts'
import { TailCensus } from '../../actors/tail-census.ts'
import { TailFeed } from '../../actors/tail-feed.ts'
import { TailHub } from '../../actors/tail-hub.ts'
import type { NodeId, TenantId } from '../../base/ids.ts'
import { AGGREGATE_GROUPS_MAX } from '../../base/limits.ts'
import { silentLogger } from '../../base/logger.ts'
import type { MembersView } from '../../cluster/membership.ts'
import { ShardRing } from '../../cluster/ring.ts'
import type { Transport } from '../../cluster/transport.ts'
import { ManifestCache } from '../../storage/manifest-cache.ts'
import type { Life } from './mortal.ts'
import { SimulatedKeyValueEngine } from './simulated-kv.ts'
import type { LogListener } from './simulated-logger.ts'
import { memberOf, SimulatedMachine, SimulatedNode } from './simulated-node.ts'
import { SimulatedNetwork } from './simulated-transport.ts'

/** C1: a node is found to be dead after this. */
const SILENCE_MS = 3000
const HEARTBEAT_MS = 500
const CLUSTER = 'test'
const LEAF = 'query-leaf'
const FEED = 'tail-feed'
const TAILS_MAX = 100
const THREAD = 'worker-0'

export interface ClusterOptions {
  readonly seed: string | number
  readonly shardCount: number
  readonly standbyCount: 0 | 1
  /** Of each node, for kept results. */
  readonly resultBytesMax?: number
  /** Longest time that an answer of a port takes, ms. */
  readonly answerMsMax?: number
  readonly retentionDays?: number
  readonly startMs?: number
  /** Hears every line of the log of every process. */
  readonly log?: LogListener
}

/** What becomes of the disk of a node that dies: all of it stays, what was not synced is lost, or everything. */
export type Death = 'killed' | 'power failure' | 'disk lost'

/** A node of the cluster, with its queries. */
export interface Member {
  readonly node: SimulatedNode
  readonly search: QueryCoordinator
  readonly tails: TailHub
  /** Lookups of kept results. */
  readonly results: { hits: number; misses: number }
}

/** One life of a node. */
interface Process {
  readonly boot: number
  hear(view: MembersView): void
}

/** Nodes of the real parts around one journal, one registry, one object store and one network, all simulated and on one thread. */
export class SimulatedCluster {
  readonly machine: SimulatedMachine
  readonly network: SimulatedNetwork
  /** Those that take queries. */
  readonly members = new Map<NodeId, Member>()
  readonly #options: ClusterOptions
  /** Live processes, also those that are still starting. */
  readonly #living = new Map<NodeId, Process>()
  readonly #suspended = new Map<NodeId, Process>()
  readonly #asker: NodeLink
  #boots = 0
  #revision = 0
  readonly #disks = new Map<NodeId, SimulatedKeyValueEngine>()

  constructor(options: ClusterOptions) {
    const { seed, standbyCount, resultBytesMax, answerMsMax = 3, ...machine } = options
    this.#options = options
    this.machine = new SimulatedMachine({ seed, answerMsMax, ...machine })
    this.network = new SimulatedNetwork({ clock: this.machine.clock, seed })
    this.network.delayMsMax = 3
    this.#asker = new NodeLink({ transport: this.network.join('asker'), cluster: CLUSTER })
  }

  /** Starts a node on the disk that it had, if any; resolves when every shard has an owner. */
  async start(nodeId: NodeId): Promise<Member> {
    const { seed, standbyCount } = this.#options
    const kv = this.#disks.get(nodeId) ?? new SimulatedKeyValueEngine(`${seed}/${nodeId}/${this.#boots}`)
    this.#disks.set(nodeId, kv)
    const node = new SimulatedNode(this.machine, { nodeId, kv, standbyCount, thread: THREAD })
    const process: Process = { boot: ++this.#boots, hear: (view) => node.seeMembers(view) }
    this.#living.set(nodeId, process)
    this.tellAll()
    await node.start()
    const member = this.#join(node, process)
    this.members.set(nodeId, member)
    return member
  }

  /** Kills a node. The others find out after a while; what they ask of it until then fails at once, or, where `isSilent`, not before. */
  kill(nodeId: NodeId, isSilent: boolean, how: Death = 'killed'): void {
    this.members.get(nodeId)!.node.life.end()
    this.members.delete(nodeId)
    this.#living.delete(nodeId)
    this.#suspended.delete(nodeId)
    const disk = this.#disks.get(nodeId)!
    if (how === 'killed') disk.kill()
    else disk.crash()
    if (how === 'disk lost') this.#disks.delete(nodeId)
    this.network.remove((subscription) => !isSilent && subscription.node === nodeId)
    this.machine.clock.after(SILENCE_MS, () => this.tellAll())
  }

  /** Stops a process as SIGSTOP does; to the others it is as if it had died in silence. */
  suspend(nodeId: NodeId): void {
    const process = this.#living.get(nodeId)!
    this.members.get(nodeId)!.node.life.suspend()
    this.#living.delete(nodeId)
    this.#suspended.set(nodeId, process)
    this.machine.clock.after(SILENCE_MS, () => this.tellAll())
  }

  /** The process goes on with what it believes; with its next heartbeat the others hear of it, and it of them. */
  resume(nodeId: NodeId): void {
    const process = this.#suspended.get(nodeId)!
    this.#suspended.delete(nodeId)
    this.members.get(nodeId)!.node.life.resume()
    this.#living.set(nodeId, process)
    this.machine.clock.after(HEARTBEAT_MS, () => this.tellAll())
  }

  /** Until it hears the truth, a node believes that others are dead. */
  mislead(nodeId: NodeId, dead: readonly NodeId[]): void {
    const view = this.#view()
    const members = view.members.filter((member) => !dead.includes(member.nodeId))
    this.#living.get(nodeId)?.hear({ ...view, revision: ++this.#revision, members })
  }

  /** The leaf of a node, as another one asks it. */
  leafOf(nodeId: NodeId): ActorRef<QueryLeafMessage> {
    return this.#asker.ref({ node: nodeId, thread: THREAD, actor: LEAF })
  }

  /** Every node hears who lives. */
  tellAll(): void {
    this.#revision++
    const view = this.#view()
    for (const process of [...this.#living.values()]) process.hear(view)
  }

  #view(): MembersView {
    const living = [...this.#living].sort(([a], [b]) => (a < b ? -1 : 1))
    const members = living.map(([nodeId, { boot }]) => memberOf(nodeId, boot))
    return { revision: this.#revision, members, settled: true, absentAreDead: true }
  }

  #join(node: SimulatedNode, process: Process): Member {
    const { nodeId, shards, plans, cache, clock, objects, shardMap, system } = node
    const { shardCount, standbyCount, resultBytesMax } = this.#options
    // Of an earlier life of the node.
    this.network.remove((subscription) => subscription.node === nodeId)
    const transport = mortalTransport(this.network.join(nodeId), node.life)
    const lookups = { hits: 0, misses: 0 }
    const results = new ResultCache(resultBytesMax, (isHit) => (isHit ? lookups.hits++ : lookups.misses++))
    system.spawn<QueryLeafMessage>(
      LEAF,
      () =>
        new QueryLeaf({
          shards,
          unopened: node.unopened,
          plans,
          cache,
          pages: new ManifestCache(objects),
          results,
          clock,
          behindMs: () => 0,
          registrySilentMs: () => shardMap.silentMs,
          concurrencyMax: 4,
        }),
      { mailboxMax: 1000 },
    )
    const feed = new TailFeed({ shards, plans, clock, logger: silentLogger })
    node.onRows = feed.hear
    system.spawn<TailFeedMessage>(FEED, () => feed, { mailboxMax: 1000 })
    const census = system.spawn<TailCensusMessage>('tail-census', () => new TailCensus(TAILS_MAX), { mailboxMax: 100 })
    serveActors(system, transport, {
      cluster: CLUSTER,
      node: nodeId,
      open: {
        [LEAF]: { asked: QUERY_LEAF_KINDS, told: [] },
        [FEED]: { asked: TAIL_FEED_ASKED, told: TAIL_FEED_TOLD },
      },
      logger: silentLogger,
    })
    const link = new NodeLink({ transport, cluster: CLUSTER })
    const topology = new NodeTopology({
      self: { nodeId, workers: 1, isActive: true },
      ring: new ShardRing({ shardCount, standbyCount }),
      link,
      local: (_, actor) => system.ref(actor),
      workerName: () => THREAD,
    })
    process.hear = (view) => {
      node.seeMembers(view)
      topology.handle({ kind: 'membersChanged', ...view })
    }
    process.hear(this.#view())
    const groupsMax = AGGREGATE_GROUPS_MAX
    const slotsOf = (tenant: TenantId, service: string) => node.spread.slotsEver(tenant, service)
    const scatter = { topology, shardMap, workerOf, shardCount, slotsOf, clock }
    return {
      node,
      results: lookups,
      search: new QueryCoordinator({ ...scatter, groupsMax }),
      tails: new TailHub({
        ...scatter,
        feedOf: (other, worker) => topology.ref<TailFeedMessage>(other, worker, FEED),
        catchUp: new TailCatchUp(new Scatter(scatter), (shard) => shardMap.get(shard)?.floor),
        census,
        logger: silentLogger,
      }),
    }
  }
}

/** What comes for a process that has ended is never answered. */
function mortalTransport(transport: Transport, life: Life): Transport {
  return {
    publish: (subject, payload) => transport.publish(subject, payload),
    request: (subject, payload, options) => life.outlasts(transport.request(subject, payload, options)),
    requestMany: (subject, payload, options) => transport.requestMany(subject, payload, options),
    subscribe: (subject, handle) =>
      transport.subscribe(subject, (payload, signal) =>
        life.isAlive
          ? life.outlasts(life.awakened().then(() => handle(payload, signal)))
          : new Promise(() => undefined),
      ),
    close: () => transport.close(),
  }
}

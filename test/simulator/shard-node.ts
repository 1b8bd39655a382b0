import type { ShardParts } from '../../actors/hosted-shard.ts'
import { HostedShard } from '../../actors/hosted-shard.ts'
import type { LeafPlan } from '../../actors/leaf-planner.ts'
import { LeafPlanner } from '../../actors/leaf-planner.ts'
import type { ShardShare } from '../../actors/messages/leaf.ts'
import type { SegmentPublisherMessage, ShardControllerMessage } from '../../actors/messages/shard.ts'
import { PublishTurns } from '../../actors/publish-turns.ts'
import { ActorSystem } from '../../actors/runtime/actor-system.ts'
import { readShardEntry } from '../../actors/shard-ledger.ts'
import type { Clock } from '../../base/clock.ts'
import type { WeirError } from '../../base/errors.ts'
import { asWeirError } from '../../base/errors.ts'
import type { LaneId, NodeId, Position, ShardId, TenantId } from '../../base/ids.ts'
import { PUBLISHED_AT_ONCE } from '../../base/limits.ts'
import { Prng } from '../../base/prng.ts'
import type { Registry } from '../../cluster/registry.ts'
import { ActivePlans } from '../../storage/active-plans.ts'
import { HeadBudget } from '../../storage/head-budget.ts'
import type { ShardEntry } from '../../storage/manifest.ts'
import { ManifestCache } from '../../storage/manifest-cache.ts'
import type { ObjectStore } from '../../storage/object-store/object-store.ts'
import type { SearchPlan } from '../../storage/search-plan.ts'
import { planSearch } from '../../storage/search-plan.ts'
import { SegmentCache } from '../../storage/segment-reader.ts'
import type { ShardStore } from '../../storage/shard-store.ts'
import type { MemoryObjectStore } from '../harness/memory-object-store.ts'
import { Life, mortal } from '../harness/mortal.ts'
import type { SimulatedClock } from '../harness/simulated-clock.ts'
import { SimulatedKeyValueEngine } from '../harness/simulated-kv.ts'
import type { LogListener } from '../harness/simulated-logger.ts'
import { loggerTo } from '../harness/simulated-logger.ts'
import type { SimulatedRegistry } from '../harness/simulated-registry.ts'
import type { Lane, LaneFrame } from './lane.ts'
import { rowId } from './lane.ts'

export const SHARD = 0 as ShardId
const LANE = 0 as LaneId
const RANGE = { fromMs: 0, toMs: Number.MAX_SAFE_INTEGER }

/** What the nodes share. */
export interface ShardWorld {
  readonly seed: number
  readonly clock: SimulatedClock
  readonly lane: Lane
  readonly registry: SimulatedRegistry
  readonly objects: MemoryObjectStore
  readonly retentionDays: number
  readonly headsBytesMax: number
  readonly delay: () => Promise<void>
  readonly log: LogListener
}

/** A machine with a disk, on which one process after the other holds the shard. */
export class ShardMachine {
  readonly nodeId: NodeId
  readonly #world: ShardWorld
  kv: SimulatedKeyValueEngine
  #boots = 0
  #disks = 0

  constructor(world: ShardWorld, nodeId: string) {
    this.#world = world
    this.nodeId = nodeId as NodeId
    this.kv = this.#disk()
  }

  /** Opens the shard as a follower, from what the registry names and what the disk holds of it. */
  start(): Promise<ShardNode> {
    return ShardNode.open(this.#world, this, `${this.nodeId}-${++this.#boots}`)
  }

  loseDisk(): void {
    this.kv = this.#disk()
  }

  #disk(): SimulatedKeyValueEngine {
    const kv = new SimulatedKeyValueEngine(`${this.#world.seed}/${this.nodeId}/${this.#disks++}`)
    kv.pause = () => this.#world.delay()
    return kv
  }
}

interface Process {
  readonly world: ShardWorld
  readonly machine: ShardMachine
  readonly name: string
  readonly life: Life
  readonly clock: Clock
  readonly registry: Registry
  readonly objects: ObjectStore
  readonly plans: ActivePlans
  readonly cache: SegmentCache
  readonly budget: HeadBudget
}

/**
 * One process that holds the shard, on simulated ports: the real shard with its store, its writer, and as long as it is the owner its ledger and
 * publisher. Who owns the shard, and when a node hears of it, is left to the schedule.
 */
export class ShardNode {
  readonly machine: ShardMachine
  readonly name: string
  readonly life: Life
  readonly shard: HostedShard
  readonly budget: HeadBudget
  /** An actor failed for good. */
  fatal: WeirError | undefined
  readonly #process: Process
  readonly #prng: Prng
  readonly #planner: LeafPlanner

  private constructor(process: Process, shard: HostedShard) {
    const { world, machine, name, life, budget, clock, cache, objects } = process
    this.#process = process
    this.machine = machine
    this.name = name
    this.life = life
    this.budget = budget
    this.shard = shard
    this.#prng = new Prng(`${world.seed}/${name}`)
    this.#planner = new LeafPlanner({
      shards: new Map([[SHARD, shard]]),
      cache,
      pages: new ManifestCache(objects),
      clock,
      behindMs: () => 0,
      registrySilentMs: () => 0,
    })
    // As a host does: what an error left is tried again.
    process.clock.every(1000, () => void shard.store.cut('old'))
    this.#feed().catch((error: unknown) => {
      this.fatal ??= asWeirError(error)
    })
  }

  static async open(world: ShardWorld, machine: ShardMachine, name: string): Promise<ShardNode> {
    const life = new Life()
    const clock = life.clock(world.clock)
    const budget = new HeadBudget(world.headsBytesMax)
    const registry = mortal(world.registry.connect(), life, world.delay)
    const objects: ObjectStore = mortal(world.objects, life, world.delay)
    const engine = mortal(machine.kv, life, world.delay, (result) =>
      typeof result === 'object' && result !== null && 'transact' in result ? mortal(result, life, undefined) : result,
    )
    const logger = loggerTo((level, message, fields) => world.log(level, `${name}: ${message}`, fields))
    const cache = new SegmentCache(objects)
    const plans = new ActivePlans()
    let node: ShardNode | undefined
    const system = new ActorSystem({
      name,
      clock,
      logger,
      onEscalate: ({ error }) => {
        if (node !== undefined) node.fatal ??= error
      },
    })
    const parts: ShardParts = {
      system,
      nodeId: machine.nodeId,
      directory: 'shards',
      engine,
      registry,
      objects,
      clock,
      logger,
      budget,
      cutLargestOfWorker: () => node?.shard.store.cutLargest(),
      plans,
      publishTurns: new PublishTurns(PUBLISHED_AT_ONCE),
      controller: system.spawn<ShardControllerMessage>('controller', () => ({ handle: () => undefined }), {
        mailboxMax: 64,
      }),
      retentionDays: world.retentionDays,
      cutZstdLevel: 1,
      mergeZstdLevel: 1,
      hooks: { onDeleted: (key) => cache.forget(key) },
    }
    const { generation, lastSequence } = world.lane
    const shard = await HostedShard.open(parts, SHARD, { lane: LANE, generation, lastSequence })
    node = new ShardNode({ world, machine, name, life, clock, registry, objects, plans, cache, budget }, shard)
    return node
  }

  get store(): ShardStore {
    return this.shard.store
  }

  /** Believes that it owns the shard. */
  get isOwner(): boolean {
    return this.shard.role === 'owner'
  }

  /** The lane was trimmed beyond what this follower has applied, or began anew while it was applied: it must be opened anew. */
  isLeftBehind(entry: ShardEntry | undefined): boolean {
    if (entry !== undefined && !this.shard.isGoodFor(entry)) return true
    return this.#process.world.lane.after(this.store.applied) === undefined
  }

  /** Takes what the registry names: follows another owner, and ceases to be one when it was replaced. */
  async hear(): Promise<void> {
    const known = await readShardEntry(SHARD, this.#process.registry)
    if (known !== undefined) await this.life.outlasts(this.shard.follow(known.entry))
  }

  /** Becomes the owner. Throws shard_unavailable when it has not applied all that is published, revision_conflict when another one was quicker. */
  claim(): Promise<number> {
    return this.life.outlasts(this.shard.claim(this.#process.world.lane.generation))
  }

  /** Ends the process in order, as one whose shard goes elsewhere. */
  async close(discard: boolean): Promise<void> {
    await this.life.outlasts(this.shard.close({ discard }))
    this.die('killed')
  }

  /** What the publisher answers; undefined when there is none. Throws what it fails with. */
  async ask(kind: 'publish' | 'tidyUp', everything: boolean): Promise<unknown> {
    const { publisher } = this.shard
    if (publisher === undefined) return undefined
    const message: SegmentPublisherMessage = kind === 'publish' ? { kind, everything } : { kind }
    return this.life.outlasts(publisher.ask(message, { deadlineMs: 60_000 }))
  }

  sweep(): Promise<void> {
    const { plans, clock } = this.#process
    return this.store.sweep(plans.oldestMs(clock.monotonicMs()))
  }

  /** Ids of all rows of a tenant that this node has or knows to be published. */
  search(tenant: TenantId): Promise<string[]> {
    const scope = { tenant, range: RANGE, expr: { kind: 'any' }, cache: this.#process.cache } as const
    return this.#look(() => planSearch(this.store, scope))
  }

  /** What a query finds here that asks for `share`; undefined when that, or a part of it, is refused. */
  async answer(tenant: TenantId, share: ShardShare): Promise<readonly string[] | undefined> {
    let plan: LeafPlan | undefined
    const ids = await this.#look(async () => {
      const scope = { tenant, range: RANGE, filter: { kind: 'all' }, shares: [share] } as const
      plan = await this.#planner.plan(
        { ...scope, deal: { among: [this.machine.nodeId], to: this.machine.nodeId, after: [] } },
        60_000,
      )
      return plan.plans
    })
    return plan!.missing.length > 0 ? undefined : ids
  }

  /** The process dies, or the machine does; with `disk lost` what it stored is gone. */
  die(how: 'killed' | 'power failure' | 'disk lost'): void {
    this.life.end()
    if (how === 'killed') this.machine.kv.kill()
    else this.machine.kv.crash()
    if (how === 'disk lost') this.machine.loseDisk()
  }

  async #look(plan: () => Promise<SearchPlan | readonly { readonly plan: SearchPlan }[]>): Promise<string[]> {
    const { plans, clock } = this.#process
    const ended = plans.begin(clock.monotonicMs())
    try {
      const planned = await plan()
      const units = 'units' in planned ? planned.units : planned.flatMap(({ plan: { units } }) => units)
      const ids: string[] = []
      for (const { open, rowCount, afterSequence = -1 } of units) {
        const { rows } = await open([])
        for (let row = 0; row < rowCount; row++) {
          if (rows.sequenceOf(row) <= afterSequence) continue
          ids.push(rowId(rows.generation, rows.sequenceOf(row), rows.rowOf(row)))
        }
        await clock.yieldTurn()
      }
      return ids
    } finally {
      ended()
    }
  }

  /** Hands the lane to the writer run by run, by fits and starts, and now and then frames again that it has had. */
  async #feed(): Promise<void> {
    const { lane } = this.#process.world
    const { clock } = this.#process
    const prng = this.#prng
    while (this.life.isAlive) {
      const { generation, sequence } = this.store.applied
      const earlier = { generation, sequence: Math.max(0, sequence - prng.between(1, 5)) }
      const after = prng.chance(0.1) && lane.after(earlier) !== undefined ? earlier : this.store.applied
      const frames = (lane.after(after) ?? []).slice(0, prng.between(1, 8))
      const last = frames.at(-1)
      try {
        if (last !== undefined) await this.#apply(after, last.position, frames)
      } catch (error) {
        if (asWeirError(error).code !== 'storage_unavailable') throw error
      }
      await clock.sleep(prng.chance(0.1) ? prng.below(prng.chance(0.2) ? 60_000 : 5000) : prng.below(100))
    }
  }

  async #apply(after: Position, through: Position, frames: readonly LaneFrame[]): Promise<void> {
    // The writer takes the bytes.
    const sections = frames.flatMap((frame) =>
      frame.sections.map((section) => ({ ...section, bytes: section.bytes.slice() })),
    )
    if (sections.length === 0) return this.store.passOver(after, through)
    const run = { kind: 'applySections', after, through, sections } as const
    await this.life.outlasts(this.shard.writer.ask(run, { deadlineMs: 600_000 }))
  }
}

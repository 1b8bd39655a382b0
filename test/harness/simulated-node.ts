import { FrameGatherer } from '../../actors/frame-gatherer.ts'
import type { ShardParts } from '../../actors/hosted-shard.ts'
import { HostedShard } from '../../actors/hosted-shard.ts'
import { HotServices } from '../../actors/hot-services.ts'
import type { IngestRouterMessage } from '../../actors/ingest-router.ts'
import { IngestRouter } from '../../actors/ingest-router.ts'
import { checkKey } from '../../actors/key-check.ts'
import { KeyKeeper } from '../../actors/key-keeper.ts'
import { LaneReader } from '../../actors/lane-reader.ts'
import { LaneTrimmer } from '../../actors/lane-trimmer.ts'
import type { IngestReceipt, IngestRequest } from '../../actors/messages/ingest.ts'
import type {
  KeyKeeperMessage,
  LaneReaderMessage,
  ShardControllerMessage,
  ShardHostMessage,
} from '../../actors/messages/shard.ts'
import { PublishTurns } from '../../actors/publish-turns.ts'
import { shardsOf } from '../../actors/query-scope.ts'
import type { Message } from '../../actors/runtime/actor.ts'
import type { ActorRef } from '../../actors/runtime/actor-ref.ts'
import { ActorSystem } from '../../actors/runtime/actor-system.ts'
import { RESTART_DEFAULT } from '../../actors/runtime/supervisor.ts'
import { ShardController } from '../../actors/shard-controller.ts'
import { ShardHost } from '../../actors/shard-host.ts'
import { ShardMap } from '../../actors/shard-map.ts'
import { laneOf } from '../../actors/shard-places.ts'
import { SpreadTable } from '../../actors/spread-table.ts'
import type { Clock } from '../../base/clock.ts'
import type { Column } from '../../base/columns.ts'
import { valueText } from '../../base/columns.ts'
import type { WeirError } from '../../base/errors.ts'
import type { LaneId, NodeId, ShardId, TenantId } from '../../base/ids.ts'
import { PUBLISHED_AT_ONCE } from '../../base/limits.ts'
import { Prng } from '../../base/prng.ts'
import type { Member } from '../../cluster/heartbeat.ts'
import { NO_LOAD } from '../../cluster/heartbeat.ts'
import type { Journal } from '../../cluster/journal.ts'
import type { MembersView } from '../../cluster/membership.ts'
import { ShardRing } from '../../cluster/ring.ts'
import { PathTable } from '../../ingest/path-table.ts'
import { Scanner } from '../../ingest/scanner.ts'
import { compileFilter } from '../../query/filter.ts'
import { parseQuery } from '../../query/parser.ts'
import { pruneOf } from '../../query/prune.ts'
import { ActivePlans } from '../../storage/active-plans.ts'
import type { OnRows } from '../../storage/applied-rows.ts'
import type { FoundRow } from '../../storage/block-search.ts'
import { searchRows } from '../../storage/block-search.ts'
import { HeadBudget } from '../../storage/head-budget.ts'
import type { ObjectStore } from '../../storage/object-store/object-store.ts'
import { SearchPace } from '../../storage/search-pace.ts'
import { planSearch } from '../../storage/search-plan.ts'
import type { SearchUnit } from '../../storage/search-unit.ts'
import { SegmentCache } from '../../storage/segment-reader.ts'
import { MemoryObjectStore } from './memory-object-store.ts'
import { Life, mortal, mortalRegistry } from './mortal.ts'
import { SimulatedClock } from './simulated-clock.ts'
import { SimulatedJournal } from './simulated-journal.ts'
import { SimulatedKeyValueEngine } from './simulated-kv.ts'
import type { LogListener } from './simulated-logger.ts'
import { loggerTo } from './simulated-logger.ts'
import { SimulatedRegistry } from './simulated-registry.ts'

export interface MachineOptions {
  readonly seed: string | number
  readonly shardCount?: number
  readonly laneCount?: number
  readonly headsBytesMax?: number
  readonly journalBytesMax?: number
  readonly retentionDays?: number
  /** Records a second that one slot of a service may take. */
  readonly slotRecords?: number
  /** Wall-clock time at the beginning. */
  readonly startMs?: number
  /** Longest time that an answer of a port takes, ms. */
  readonly answerMsMax?: number
  /** Hears every line of the log of every process. */
  readonly log?: LogListener
}

/** Scanners take megabytes of address space and remember only names, so processes share one for a while. */
let shared: { readonly paths: PathTable; readonly scanner: Scanner } | undefined
let sharedBy = 0
const SHARED_BY_MAX = 200

function sharedScanner() {
  if (shared === undefined || ++sharedBy % SHARED_BY_MAX === 0) {
    const paths = new PathTable(1)
    shared = { paths, scanner: new Scanner(paths) }
  }
  return shared
}

/** What outlives a process: its disks, the journal, the registry, the object store, time. */
export class SimulatedMachine {
  readonly options: Required<MachineOptions>
  readonly clock: SimulatedClock
  readonly journal: SimulatedJournal
  readonly registry = new SimulatedRegistry()
  readonly objects = new MemoryObjectStore()
  kv: SimulatedKeyValueEngine
  readonly prng: Prng
  boots = 0

  constructor(options: MachineOptions) {
    this.options = {
      shardCount: 2,
      laneCount: 1,
      headsBytesMax: 64 * 1024 * 1024,
      journalBytesMax: 1 << 30,
      retentionDays: 7,
      slotRecords: 1e9,
      startMs: Date.UTC(2026, 0, 1),
      answerMsMax: 0,
      log: () => undefined,
      ...options,
    }
    const { seed, laneCount, journalBytesMax, startMs } = this.options
    this.prng = new Prng(`machine/${seed}`)
    this.clock = new SimulatedClock(seed, startMs)
    this.kv = new SimulatedKeyValueEngine(seed)
    this.journal = new SimulatedJournal({
      laneCount,
      bytesMax: journalBytesMax,
      nowMs: () => this.clock.nowMs(),
      seed,
    })
  }

  /** As long as an answer of a port takes this time. */
  answerDelay(): Promise<void> {
    const { answerMsMax } = this.options
    return answerMsMax === 0 ? Promise.resolve() : this.clock.sleep(this.prng.random() * answerMsMax)
  }

  /** The local disk is lost. */
  loseDisk(): void {
    this.kv = new SimulatedKeyValueEngine(`${this.options.seed}/${this.boots}`)
  }
}

/** A row as a search gave it back. */
export interface FoundRecord {
  readonly uid: string
  readonly tenant: string
  /** What identifies the record for ever. */
  readonly id: string
  readonly tier: 'head' | 'local' | 'segment'
}

/** Where a process runs, when there are several. */
export interface NodePlace {
  readonly nodeId?: NodeId
  /** Its disk. */
  readonly kv?: SimulatedKeyValueEngine
  readonly standbyCount?: 0 | 1
  /** Name of its one thread. */
  readonly thread?: string
  /** It started without its object store, and may be ready without shards that it cannot open. */
  readonly isBucketAway?: boolean
}

/**
 * One process: the durable core of a node, put together as node/worker.ts does it, of the real parts on simulated ports. All on one thread.
 */
export class SimulatedNode {
  readonly machine: SimulatedMachine
  readonly life = new Life()
  readonly nodeId: NodeId
  readonly clock: Clock
  readonly shards = new Map<ShardId, HostedShard>()
  readonly unopened = new Map<ShardId, string>()
  readonly budget: HeadBudget
  readonly plans = new ActivePlans()
  readonly cache: SegmentCache
  readonly journal: Journal
  /** An actor failed for good. */
  fatal: WeirError | undefined
  readonly system: ActorSystem
  readonly objects: ObjectStore
  shardMap!: ShardMap
  /** What becomes of a question to a reader of a lane: refused before it comes there, or done and the answer lost. */
  readerFault: (kind: string) => { readonly when: 'before' | 'after'; readonly error: WeirError } | undefined = () =>
    undefined
  /** How long what the registry tells of its own accord is on its way here, ms; 0 for as long as an answer. */
  newsMs = 0
  /** Hears what every shard applies. */
  onRows: OnRows = () => undefined
  readonly #boot: number
  readonly #kv: SimulatedKeyValueEngine
  readonly #standbyCount: 0 | 1
  readonly #isBucketAway: boolean
  #router: ActorRef<IngestRouterMessage> | undefined
  #spawnRouter!: () => ActorRef<IngestRouterMessage>
  #controller: ShardController | undefined
  #seen: MembersView | undefined
  host!: ActorRef<ShardHostMessage>
  spread!: SpreadTable

  constructor(machine: SimulatedMachine, place: NodePlace = {}) {
    this.machine = machine
    this.nodeId = place.nodeId ?? ('node-1' as NodeId)
    this.#kv = place.kv ?? machine.kv
    this.#standbyCount = place.standbyCount ?? 0
    this.#isBucketAway = place.isBucketAway ?? false
    this.#boot = ++machine.boots
    this.clock = this.life.clock(machine.clock)
    const delay = () => machine.answerDelay()
    this.journal = mortal(machine.journal.connect(), this.life, delay, (result) =>
      typeof result === 'object' && result !== null && 'next' in result ? mortal(result, this.life, delay) : result,
    )
    this.objects = mortal(machine.objects, this.life, delay)
    this.budget = new HeadBudget(machine.options.headsBytesMax)
    this.cache = new SegmentCache(this.objects)
    this.system = new ActorSystem({
      name: place.thread ?? `boot-${machine.boots}`,
      clock: this.clock,
      logger: loggerTo(machine.options.log),
      onEscalate: ({ error }) => {
        this.fatal ??= error
        this.life.end()
      },
    })
  }

  /** Resolves when the shards are open and the lanes are read. */
  async start(): Promise<void> {
    const { machine, clock, shards, budget, cache, journal } = this
    const { shardCount, laneCount, retentionDays, slotRecords } = machine.options
    const system = this.system
    const objects = this.objects
    const delay = () => machine.answerDelay()
    const registry = mortalRegistry(machine.registry.connect(), this.life, delay, () =>
      this.newsMs === 0 ? delay() : machine.clock.sleep(this.newsMs),
    )
    const engine = mortal(this.#kv, this.life, delay, (result) =>
      typeof result === 'object' && result !== null && 'transact' in result
        ? mortal(result, this.life, undefined)
        : result,
    )
    const failFast = { ...RESTART_DEFAULT, budget: 0 }
    const cutLargestOfWorker = () => {
      const stores = [...shards.values()].map(({ store }) => store)
      stores.reduce((a, b) => (b.largestHeadBytes() > a.largestHeadBytes() ? b : a)).cutLargest()
    }
    const controllerRef = system.ref<ShardControllerMessage>('controller')
    const logger = loggerTo(machine.options.log)
    const shardMap = await ShardMap.open({ registry, shardCount, clock, logger })
    this.shardMap = shardMap
    const spread = await SpreadTable.open({ registry, clock, logger })
    this.spread = spread
    const hotServices = new HotServices({
      spread,
      isOwner: (shard) => shards.get(shard)?.role === 'owner',
      slotRecords,
      slotsMax: 8,
      clock,
      logger,
    })
    const parts: ShardParts = {
      system,
      nodeId: this.nodeId,
      directory: 'shards',
      engine,
      registry,
      objects,
      clock,
      logger,
      budget,
      cutLargestOfWorker,
      plans: this.plans,
      publishTurns: new PublishTurns(PUBLISHED_AT_ONCE),
      controller: controllerRef,
      retentionDays,
      cutZstdLevel: 1,
      mergeZstdLevel: 1,
      hooks: {
        onDeleted: (key) => cache.forget(key),
        onRows: (applied) => this.onRows(applied),
        onSections: (shard, journalMs, sections) => hotServices.note(shard, journalMs, sections),
      },
    }
    this.host = system.spawn<ShardHostMessage>(
      'shard-host',
      () =>
        new ShardHost({
          clock,
          logger,
          budget,
          shards,
          unopened: this.unopened,
          shardMap,
          open: (shard, lane) => HostedShard.open(parts, shard, lane),
        }),
      { mailboxMax: 64, overflow: 'wait', restart: failFast },
    )
    const keyKeeper = system.spawn<KeyKeeperMessage>('key-keeper', () => new KeyKeeper({ shards, clock }), {
      mailboxMax: 4096,
    })
    const address = { ref: this.host, isLocal: machine.prng.chance(0.5) }
    const laneReaders = Array.from({ length: laneCount }, (_, lane) =>
      faulty(
        system.spawn<LaneReaderMessage>(
          `lane-reader-${lane}`,
          () =>
            new LaneReader({ lane: lane as LaneId, journal, clock, logger, hosts: [address], hostOf: () => address }),
          { mailboxMax: 64, restart: failFast },
        ),
        (kind) => this.readerFault(kind),
      ),
    )
    this.#spawnRouter = () => this.#routerOf(keyKeeper, spread)
    const trimmer = new LaneTrimmer({
      nodeId: this.nodeId,
      shardCount,
      laneCount,
      journal,
      shardMap,
      clock,
      logger,
      relieve: (lane, emptyBehind) =>
        this.host.tell({ kind: 'publishLane', lane, ...(emptyBehind === undefined ? {} : { emptyBehind }) }),
    })
    const controller = new ShardController({
      nodeId: this.nodeId,
      shardCount,
      laneCount,
      journal,
      shardMap,
      ring: new ShardRing({ shardCount, standbyCount: this.#standbyCount }),
      trimmer,
      clock,
      logger,
      hosts: [this.host],
      laneReaders,
      mayStayClosed: () => this.#isBucketAway,
    })
    system.spawn<ShardControllerMessage>('controller', () => controller, { mailboxMax: 64 })
    this.#controller = controller
    const alone = { revision: 1, members: [memberOf(this.nodeId)], settled: true, absentAreDead: true }
    this.seeMembers(this.#seen ?? alone)
    await controller.opened()
  }

  /** Who is alive; before the start: when it starts. Default: this one alone. */
  seeMembers(view: MembersView): void {
    this.#seen = view
    if (this.#controller === undefined) return
    this.system.ref<ShardControllerMessage>('controller').tell({ kind: 'membersChanged', ...view })
  }

  ingest(request: IngestRequest): Promise<IngestReceipt> {
    this.#router ??= this.#spawnRouter()
    return this.life.outlasts(this.#router.ask({ kind: 'ingest', request }, { deadlineMs: 60_000 }))
  }

  /** Spawned for the first request: its tables take longer to make than most processes of a schedule live. */
  #routerOf(keyKeeper: ActorRef<KeyKeeperMessage>, spread: SpreadTable): ActorRef<IngestRouterMessage> {
    const { machine, clock, journal } = this
    const { shardCount, laneCount, retentionDays } = machine.options
    const { paths, scanner } = sharedScanner()
    let frames = 0
    const boot = this.#boot
    const gatherers = Array.from(
      { length: laneCount },
      (_, lane) =>
        new FrameGatherer({
          lane: lane as LaneId,
          journal,
          clock,
          paths,
          // Readers take both.
          compression: boot % 2 === 0 ? 'zstd' : 'none',
          groupedBy: () => (shard) => this.shardMap.get(shard)?.owner,
          nextFrameId: () => `${boot}/${++frames}`,
        }),
    )
    return this.system.spawn<IngestRouterMessage>(
      'ingest-router',
      () =>
        new IngestRouter({
          scanner,
          gatherers,
          shardCount,
          laneOf: (shard) => laneOf(shard, laneCount),
          checkKey: (question) =>
            checkKey(question, { clock, self: this.nodeId, ownerOf: () => this.nodeId, keeperOf: () => keyKeeper }),
          spread,
          turn: () => frames,
          retentionDays,
          stepsOf: () => undefined,
          onPipelined: () => undefined,
          levelFloor: () => 0,
          backlog: () => ({ behindMs: 0, journalBytes: 0 }),
          clock,
        }),
      { mailboxMax: 4096 },
    )
  }

  /** All records of a tenant that match a filter, with their `uid`. */
  async search(tenant: TenantId, text: string): Promise<FoundRecord[]> {
    const ended = this.plans.begin(this.clock.monotonicMs())
    try {
      return await this.#search(tenant, text)
    } finally {
      ended()
    }
  }

  async #search(tenant: TenantId, text: string): Promise<FoundRecord[]> {
    const { filter } = parseQuery(text, { nowMs: this.clock.nowMs() })
    const compiled = compileFilter(filter)
    const range = { fromMs: 0, toMs: Number.MAX_SAFE_INTEGER }
    const { shardCount } = this.machine.options
    const asked = shardsOf(tenant, filter, shardCount, (_, service) => this.spread.slotsEver(tenant, service))
    const stores = asked.flatMap((shard) => this.shards.get(shard)?.store ?? [])
    const plans = await Promise.all(
      stores.map((store) => planSearch(store, { tenant, range, expr: pruneOf(filter), cache: this.cache })),
    )
    const units = plans.flatMap((plan) => plan.units)
    const pace = new SearchPace(this.clock, new AbortController().signal, Number.POSITIVE_INFINITY)
    const query = {
      filter,
      compiled,
      range,
      order: 'desc' as const,
      limit: Number.MAX_SAFE_INTEGER,
      after: undefined,
      countMax: Number.POSITIVE_INFINITY,
      counted: undefined,
    }
    const { rows, count } = await searchRows(units, query, { filter: (directory) => directory.columnNames }, pace)
    if (count !== rows.length) throw new Error(`${rows.length} rows and a count of ${count}`)
    return recordsOf(rows)
  }

  /** The process is killed; the machine lives. */
  kill(): void {
    this.life.end()
    this.machine.journal.crash()
    this.machine.registry.crash()
    this.machine.kv.kill()
  }

  /** The power fails: what was not synced is lost. */
  crash(): void {
    this.life.end()
    this.machine.journal.crash()
    this.machine.registry.crash()
    this.machine.kv.crash()
  }

  /** Stops as node/node.ts does. */
  async stop(remainingMs: number): Promise<void> {
    await this.#controller?.drain(remainingMs)
    await this.system.stop(1000)
    this.life.end()
  }

  /** What its actors are at, for a message. */
  describe(): string {
    const { actors } = this.system.observe()
    const lanes = Array.from({ length: this.machine.options.laneCount }, (_, lane) => {
      const { firstSequence, lastSequence } = laneOfMachine(this.machine, lane as LaneId)
      return `${firstSequence} to ${lastSequence}`
    })
    const states = actors.map(({ name, state, mailboxDepth, unanswered, detail }) => ({
      name,
      state,
      mailboxDepth,
      unanswered,
      ...detail,
    }))
    return `lanes ${lanes.join(', ')}; ${states.map((state) => JSON.stringify(state)).join('\n')}`
  }
}

/** The ref, questions to which fail as `fault` says. */
function faulty<M extends Message>(ref: ActorRef<M>, fault: SimulatedNode['readerFault']): ActorRef<M> {
  return {
    address: ref.address,
    tell: (message) => ref.tell(message),
    offer: (message, options) => ref.offer(message, options),
    async ask(question, options) {
      const found = fault(question.kind)
      if (found?.when === 'before') throw found.error
      const answer = await ref.ask(question, options)
      if (found !== undefined) throw found.error
      return answer
    },
  }
}

function laneOfMachine({ journal }: SimulatedMachine, lane: LaneId) {
  const { frames, lastSequence } = journal.lane(lane)
  return { firstSequence: frames[0]?.position.sequence ?? lastSequence + 1, lastSequence }
}

async function recordsOf(rows: readonly FoundRow[]): Promise<FoundRecord[]> {
  const uids = new Map<SearchUnit, Column | undefined>()
  const records: FoundRecord[] = []
  for (const { key, unit, unitRow } of rows) {
    if (!uids.has(unit)) uids.set(unit, (await unit.open(['uid'])).rows.columns.column('uid'))
    const column = uids.get(unit)
    const uid = column === undefined ? '' : (valueText(column, unitRow) ?? '')
    const id = `${key.shard}/${key.generation}.${key.sequence}.${key.row}`
    records.push({ uid, tenant: unit.tenant, id, tier: unit.tier })
  }
  return records
}

export function memberOf(nodeId: NodeId, boot = 1): Member {
  return {
    nodeId,
    boot,
    version: '0',
    featureLevels: { min: 1, max: 1 },
    weight: 1,
    url: null,
    workers: 1,
    state: 'active',
    startedMs: 0,
    load: NO_LOAD,
    natsServer: null,
    stuck: [],
  }
}

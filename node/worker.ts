import { ClusterReporter } from '../actors/cluster-reporter.ts'
import { FrameGatherer } from '../actors/frame-gatherer.ts'
import type { ShardParts } from '../actors/hosted-shard.ts'
import { HostedShard } from '../actors/hosted-shard.ts'
import { HotServices } from '../actors/hot-services.ts'
import type { IngestRouterMessage } from '../actors/ingest-router.ts'
import { IngestRouter } from '../actors/ingest-router.ts'
import { checkKey } from '../actors/key-check.ts'
import { KeyKeeper } from '../actors/key-keeper.ts'
import { LaneReader } from '../actors/lane-reader.ts'
import type { MembersChanged, MembershipKeeperMessage } from '../actors/messages/cluster.ts'
import type { ThreadMessage } from '../actors/messages/control.ts'
import type { IngestRequest } from '../actors/messages/ingest.ts'
import type { QueryLeafMessage } from '../actors/messages/leaf.ts'
import { QUERY_LEAF_KINDS } from '../actors/messages/leaf.ts'
import type {
  KeyKeeperMessage,
  LaneReaderMessage,
  ShardControllerMessage,
  ShardHostMessage,
} from '../actors/messages/shard.ts'
import { TAIL_FEED_ASKED, TAIL_FEED_TOLD } from '../actors/messages/tail.ts'
import { NodeTopology } from '../actors/node-topology.ts'
import { PublishTurns } from '../actors/publish-turns.ts'
import { QueryCoordinator } from '../actors/query-coordinator.ts'
import { QueryLeaf } from '../actors/query-leaf.ts'
import { ResultCache } from '../actors/result-cache.ts'
import { watchActors } from '../actors/runtime/actor-metrics.ts'
import type { ActorRef } from '../actors/runtime/actor-ref.ts'
import { ActorSystem } from '../actors/runtime/actor-system.ts'
import { NodeLink } from '../actors/runtime/node-link.ts'
import { serveActors } from '../actors/runtime/node-server.ts'
import { RESTART_DEFAULT } from '../actors/runtime/supervisor.ts'
import type { HostedWorker, WorkerSide } from '../actors/runtime/worker-host.ts'
import { hostWorker } from '../actors/runtime/worker-host.ts'
import { ShardHost } from '../actors/shard-host.ts'
import { laneOf, workerOf } from '../actors/shard-places.ts'
import { SpreadTable } from '../actors/spread-table.ts'
import { ThreadKeeper } from '../actors/thread-keeper.ts'
import type { Backend, IngestBackend } from '../api/backend.ts'
import { createServer } from '../api/server.ts'
import { systemClock } from '../base/clock.ts'
import { keepCompiled } from '../base/compile-cache.ts'
import type { LaneId, NodeId, ShardId, TenantId } from '../base/ids.ts'
import { HEARTBEAT_EVERY_MS, PUBLISHED_AT_ONCE } from '../base/limits.ts'
import { createLogger } from '../base/logger.ts'
import { Metrics, renderPrometheus } from '../base/metrics.ts'
import { GROUPED_FRAMES_LEVEL } from '../cluster/grouped-frame.ts'
import { ShardRing } from '../cluster/ring.ts'
import { PathTable } from '../ingest/path-table.ts'
import { Scanner } from '../ingest/scanner.ts'
import { ActivePlans } from '../storage/active-plans.ts'
import { BlockCache } from '../storage/block-cache.ts'
import { HeadBudget } from '../storage/head-budget.ts'
import { lmdbEngine } from '../storage/lmdb-kv.ts'
import { ManifestCache } from '../storage/manifest-cache.ts'
import { SegmentCache } from '../storage/segment-reader.ts'
import type { ShardStore } from '../storage/shard-store.ts'
import { Admission } from './admission.ts'
import { AgentStore } from './agent-store.ts'
import { openWorkerAlerts } from './alert-part.ts'
import type { BackboneShare } from './backbone.ts'
import { joinBackbone } from './backbone.ts'
import type { Settings } from './config.ts'
import { GeoipDatabase } from './geoip-database.ts'
import { KeyStore } from './key-store.ts'
import { laneAlarm, watchLane } from './lane-watch.ts'
import { metricHooks } from './metric-hooks.ts'
import { NodeStatus } from './node-status.ts'
import { openObjectStore } from './object-store.ts'
import { PipelineStore } from './pipeline-store.ts'
import { watchProcess } from './process-metrics.ts'
import type { SocketPorts } from './socket-ports.ts'
import { openSockets } from './sockets.ts'
import { openTails, spawnTailFeed, TAIL_FEED } from './tail-part.ts'
import { MAIN_THREAD, workerName } from './thread-names.ts'
import { openUploads } from './upload-part.ts'
import { WorkerPulse } from './worker-pulse.ts'

/** What a worker thread is started with. */
export interface WorkerSeedData {
  readonly settings: Settings
  readonly version: string
  readonly nodeId: NodeId
  /** Random, new with each start of the node; part of frame ids (D2). */
  readonly boot: string
  /** Number of this worker, from 0. */
  readonly index: number
  /** The port to listen on, as all workers of the node. */
  readonly port: number
  readonly socketPorts: SocketPorts
  readonly backbone: BackboneShare
  readonly status: SharedArrayBuffer
  readonly pulse: SharedArrayBuffer
}

export interface WorkerReady {
  readonly url: string
  readonly port: number
}

/** zstd levels: cheap when a block is cut, denser when blocks are merged and will be read for weeks. */
const CUT_ZSTD_LEVEL = 1
const MERGE_ZSTD_LEVEL = 3

/** A failure of what writes must not be repaired in place: the node ends, and the journal brings back what memory held. */
const FAIL_FAST = { ...RESTART_DEFAULT, budget: 0 }

/** A whole data plane on one thread (T1): listens, parses, appends, owns shards, searches them. */
async function startWorker(side: WorkerSide): Promise<HostedWorker> {
  const seed = side.data as WorkerSeedData
  const { settings, nodeId, index } = seed
  const clock = systemClock
  const logger = createLogger({ level: settings['log.level'], fields: { node: nodeId, thread: side.name } })
  const metrics = new Metrics()
  const hooks = metricHooks(metrics)
  const stopWatching = watchProcess(metrics, side.name, false)
  const status = NodeStatus.share(seed.status)
  const pulse = WorkerPulse.share(seed.pulse)
  const workers = settings.workers
  const laneCount = settings['journal.lanes']
  const shardCount = settings.shards

  const system = new ActorSystem({
    name: side.name,
    clock,
    logger,
    onEscalate: ({ actor, error }) => {
      logger.fatal('an actor failed for good; the node must start anew', { actor, error })
      throw error
    },
  })
  side.connect(system)
  watchActors(system, metrics)

  const onLaneAlarm = laneAlarm(metrics, logger)
  const backbone = await joinBackbone(seed.backbone, {
    settings,
    nodeId,
    thread: side.name,
    clock,
    logger,
    onLaneAlarm,
  })
  const { journal, registry, shardMap, transport } = backbone
  const objects = await openObjectStore(settings, clock, hooks, index)
  const blocks = new BlockCache(settings['limits.blockCacheBytes'], hooks.blockLookup)
  const cache = new SegmentCache(objects, undefined, blocks)
  const agents = await AgentStore.open(registry, clock)
  const keys = await KeyStore.open(registry, clock, (token) => agents.findToken(token))
  const pipelines = await PipelineStore.open({
    registry,
    clock,
    logger: logger.child('pipelines'),
    node: { id: nodeId, region: settings['node.region'] ?? undefined },
    geo: settings['geoip.file'] === null ? undefined : await GeoipDatabase.open(settings['geoip.file'], clock, logger),
  })

  // Storage: the shards of this worker.
  const budget = new HeadBudget(settings['limits.headsBytes'])
  const shards = new Map<ShardId, HostedShard>()
  const unopened = new Map<ShardId, string>()
  const plans = new ActivePlans()
  const engine = lmdbEngine()
  const controller = system.ref<ShardControllerMessage>(`${MAIN_THREAD}/controller`)
  const cutLargestOfWorker = () => {
    let largest: ShardStore | undefined
    for (const { store } of shards.values()) {
      if (store.largestHeadBytes() > (largest?.largestHeadBytes() ?? 0)) largest = store
    }
    largest?.cutLargest()
  }
  const spread = await SpreadTable.open({ registry, clock, logger: logger.child('spread') })
  const hotServices = new HotServices({
    spread,
    isOwner: (shard) => shards.get(shard)?.role === 'owner',
    slotRecords: settings['spread.slotRecords'],
    slotsMax: settings['spread.slotsMax'],
    clock,
    logger: logger.child('hot-services'),
  })
  const tailFeed = spawnTailFeed({ system, shards, plans, clock, logger, metrics })
  const shardParts: ShardParts = {
    system,
    nodeId,
    directory: `${settings['data.dir']}/shards`,
    engine,
    registry,
    objects,
    clock,
    logger,
    budget,
    cutLargestOfWorker,
    plans,
    publishTurns: new PublishTurns(PUBLISHED_AT_ONCE),
    controller,
    retentionDays: settings['retention.days'],
    cutZstdLevel: CUT_ZSTD_LEVEL,
    mergeZstdLevel: MERGE_ZSTD_LEVEL,
    hooks: {
      onCut: hooks.cut,
      onApplied: hooks.applied,
      onRows: (applied) => {
        alerts.windowAlert.onRows(applied)
        tailFeed.current.hear(applied)
      },
      onSections: (shard, journalMs, sections) => hotServices.note(shard, journalMs, sections),
      onPublished: hooks.published,
      onMerged: hooks.merged,
      onDropped: hooks.dropped,
      onFailure: hooks.publishFailed,
      onDeleted: (key) => cache.forget(key),
    },
  }
  system.spawn<ShardHostMessage>(
    'shard-host',
    (context) =>
      new ShardHost({
        clock,
        logger: context.logger,
        budget,
        shards,
        unopened,
        shardMap,
        open: (shard, lane) => HostedShard.open(shardParts, shard, lane),
      }),
    { mailboxMax: 64, overflow: 'wait', restart: FAIL_FAST },
  )
  system.spawn<KeyKeeperMessage>('key-keeper', () => new KeyKeeper({ shards, clock }), {
    mailboxMax: 4096,
    overflow: 'reject',
  })
  const hosts = Array.from({ length: workers }, (_, worker) =>
    system.ref<ShardHostMessage>(`${workerName(worker)}/shard-host`),
  )
  // Other nodes.
  const cluster = settings['cluster.name']
  const link = new NodeLink({ transport, cluster })
  const ring = new ShardRing({ shardCount, standbyCount: settings['replicas.standby'] as 0 | 1 })
  const topology = new NodeTopology({
    self: { nodeId, workers, isActive: true },
    ring,
    link,
    local: (worker, actor) => system.ref(`${workerName(worker)}/${actor}`),
    workerName,
  })
  const behindMs = (shard: ShardId) => status.behindMs(laneOf(shard, laneCount))
  const backtest: QueryCoordinator['backtest'] = (request, signal) => search.backtest(request, signal)
  const counted = { settings, version: seed.version, shards, shardCount, plans, cache, behindMs, clock, backtest }
  const alerts = await openWorkerAlerts({ ...counted, nodeId, registry, shardMap, system, link, logger, metrics })
  system.spawn<MembersChanged>('topology', () => topology, { mailboxMax: 64, overflow: 'dropOldest' })

  for (let lane = 0; lane < laneCount; lane++) {
    if (lane % workers !== index) continue
    const addresses = hosts.map((ref, worker) => ({ ref, isLocal: worker === index }))
    const watched = watchLane(lane as LaneId, { journal, clock, status, tell: hooks.lane })
    system.spawn<LaneReaderMessage>(
      `lane-reader-${lane}`,
      (context) =>
        new LaneReader({
          lane: lane as LaneId,
          journal,
          clock,
          logger: context.logger,
          hosts: addresses,
          hostOf: (shard) => addresses[workerOf(shard, workers)]!,
          onBegin: watched.onBegin,
          onEnd: watched.onEnd,
          onRun: watched.onRun,
        }),
      { mailboxMax: 64, restart: FAIL_FAST },
    )
  }

  // Ingest.
  const paths = new PathTable(Math.floor(clock.random() * 2 ** 32))
  const scanner = new Scanner(paths)
  let frames = 0
  const ownerOf = (shard: ShardId) => shardMap.get(shard)?.owner
  const nextFrameId = () => `${nodeId}/${seed.boot}/${index}/${++frames}`
  const gatherers = Array.from(
    { length: laneCount },
    (_, lane) =>
      new FrameGatherer({
        lane: lane as LaneId,
        journal,
        clock,
        paths,
        compression: backbone.sectionCompression,
        groupedBy: () => (topology.featureLevel < GROUPED_FRAMES_LEVEL ? undefined : ownerOf),
        nextFrameId,
        onFrame: hooks.frame,
        onFailure: hooks.appendFailed,
      }),
  )
  const admission = new Admission(settings['limits.inFlightBytes'], status, metrics.gauge('ingestInFlightBytes'))
  const router = system.spawn<IngestRouterMessage>(
    'ingest-router',
    () =>
      new IngestRouter({
        scanner,
        gatherers,
        shardCount,
        laneOf: (shard) => laneOf(shard, laneCount),
        checkKey: (question) =>
          checkKey(question, {
            clock,
            self: nodeId,
            ownerOf,
            keeperOf: (owner, shard) => topology.ref(owner, workerOf(shard, topology.workersOf(owner)), 'key-keeper'),
          }),
        spread,
        // Workers begin with different slots.
        turn: () => frames + index,
        retentionDays: settings['retention.days'],
        stepsOf: pipelines.stepsOf,
        onPipelined: hooks.pipelined,
        levelFloor: () => admission.levelFloor(),
        backlog: () => status.backlog(),
        clock,
      }),
    { mailboxMax: 4096, overflow: 'reject' },
  )

  // Queries.
  const pages = new ManifestCache(objects)
  const results = new ResultCache(settings['limits.resultCacheBytes'], hooks.resultLookup)
  system.spawn<QueryLeafMessage>(
    'query-leaf',
    () =>
      new QueryLeaf({
        shards,
        unopened,
        plans,
        cache,
        pages,
        results,
        clock,
        behindMs,
        registrySilentMs: () => shardMap.silentMs,
        concurrencyMax: settings['limits.searchConcurrency'],
      }),
    { mailboxMax: 1024, overflow: 'reject' },
  )
  const slotsOf = (tenant: TenantId, service: string) => spread.slotsEver(tenant, service)
  const scatter = { topology, shardMap, workerOf, shardCount, slotsOf, clock }
  const search = new QueryCoordinator({
    ...scatter,
    groupsMax: settings['limits.aggregateGroups'],
    onAnswered: hooks.answered,
  })

  const served = serveActors(system, transport, {
    cluster,
    node: nodeId,
    open: {
      'query-leaf': { asked: QUERY_LEAF_KINDS, told: [] },
      'key-keeper': { asked: ['checkKey'], told: [] },
      [TAIL_FEED]: { asked: TAIL_FEED_ASKED, told: TAIL_FEED_TOLD },
    },
    logger: logger.child('node-server'),
  })

  // The HTTP side.
  const keepers = [MAIN_THREAD, ...Array.from({ length: workers }, (_, worker) => workerName(worker))]
  const ingestBy = async (by: ActorRef<IngestRouterMessage>, request: IngestRequest, signal: AbortSignal) => {
    const startedMs = clock.monotonicMs()
    try {
      const receipt = await by.ask({ kind: 'ingest', request }, { deadlineMs: INGEST_DEADLINE_MS, signal })
      hooks.received(request, receipt, clock.monotonicMs() - startedMs)
      pulse.received(index, receipt.accepted, (request.decoded?.source ?? request.body).length)
      return receipt
    } catch (error) {
      hooks.refused(error)
      throw error
    }
  }
  const ingest: IngestBackend = {
    admit: (bytes) => admission.admit(bytes),
    release: (bytes) => admission.release(bytes),
    ingest: (request, signal) => ingestBy(router, request, signal),
  }
  const routers = Array.from({ length: workers }, (_, worker) =>
    system.ref<IngestRouterMessage>(`${workerName(worker)}/ingest-router`),
  )
  let pieces = 0
  const uploads = openUploads({
    system,
    settings,
    nodeId,
    boot: seed.boot,
    worker: index,
    registry,
    objects,
    ingest: {
      ...ingest,
      mayTake: () => admission.hasAmpleRoom,
      // A job runs on one worker; its pieces are scanned by all, but those that hold more than plain data.
      ingest: (request, signal) =>
        ingestBy(request.decoded === undefined ? routers[pieces++ % workers]! : router, request, signal),
    },
    mayClaim: () => status.notReadyReasons().length === 0,
    clock,
    logger,
    metrics,
  })
  const backend: Backend = {
    uploads,
    cluster: new ClusterReporter({
      name: settings['cluster.name'],
      nodeId,
      shardCount,
      ring,
      shardMap,
      keeper: system.ref<MembershipKeeperMessage>(`${MAIN_THREAD}/membership`),
      controllerOf: (node) =>
        node === nodeId ? controller : link.ref({ node, thread: MAIN_THREAD, actor: 'controller' }),
    }),
    ingest,
    search,
    tails: openTails({ ...scatter, system, shards, plans, logger, metrics }),
    keys,
    agents,
    pipelines,
    alerts: alerts.desk,
    alertChannels: alerts.channels,
    status: {
      notReadyReasons: () => status.notReadyReasons(),
      lacks: () => status.lacks(),
      async metrics() {
        const snapshots = await Promise.all(
          keepers.map((name) =>
            system.ref<ThreadMessage>(`${name}/thread`).ask({ kind: 'takeSnapshot' }, { deadlineMs: 5000 }),
          ),
        )
        return renderPrometheus(snapshots, { node: nodeId })
      },
    },
  }
  metrics.onSnapshot(() => hooks.storage(budget.bytes, blocks.memoryBytes, cache.memoryBytes, results.memoryBytes))
  metrics.onSnapshot(() => hooks.spread(spread.size))
  const server = await createServer(backend, {
    authMode: settings['auth.mode'] === 'keys' ? 'keys' : 'off',
    host: settings['http.host'],
    port: seed.port,
    reusePort: true,
    bodyBytesMax: settings['limits.bodyBytes'],
    inflatedBytesMax: settings['limits.bodyInflatedBytes'],
    uploadBytesMax: settings['uploads.bytesMax'],
    elasticAtRoot: settings['compat.elasticAtRoot'],
    clock,
    logger: logger.child('http'),
    metrics,
    nodeId,
    version: seed.version,
  })
  const sockets = await openSockets(seed.socketPorts, {
    settings,
    nodeId,
    backend,
    clock,
    logger,
    metrics,
  })
  system.spawn<ThreadMessage>(
    'thread',
    () =>
      new ThreadKeeper(
        metrics,
        () => server.drain(),
        (withinMs) => sockets.close(withinMs),
      ),
    { mailboxMax: 64 },
  )
  const { url, port } = await server.listen()
  const beating = clock.every(HEARTBEAT_EVERY_MS, () => pulse.turn(index))

  const ready: WorkerReady = { url, port }
  return {
    ready,
    async stop(drainMs) {
      beating.cancel()
      await sockets.close(0)
      await server.close()
      await system.stop(drainMs)
      spread.close()
      alerts.close()
      served.close()
      await backbone.close()
      await objects.close()
      stopWatching()
    },
  }
}

const INGEST_DEADLINE_MS = 60_000

await hostWorker(startWorker)
keepCompiled()

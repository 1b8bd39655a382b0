import { hostname } from 'node:os'
import { setFlagsFromString } from 'node:v8'
import { homeOfRule } from '../actors/alert-rules.ts'
import { MembershipKeeper } from '../actors/membership-keeper.ts'
import { ALERT_KEEPER_KINDS } from '../actors/messages/alert.ts'
import type { MembershipKeeperMessage } from '../actors/messages/cluster.ts'
import type { ThreadMessage } from '../actors/messages/control.ts'
import type { TailCensusMessage } from '../actors/messages/tail.ts'
import { ActorSystem } from '../actors/runtime/actor-system.ts'
import { serveActors } from '../actors/runtime/node-server.ts'
import { RESTART_DEFAULT } from '../actors/runtime/supervisor.ts'
import { WorkerMesh } from '../actors/runtime/worker-host.ts'
import { FEATURE_LEVEL } from '../actors/shard-ledger.ts'
import { SnapshotKeeper } from '../actors/snapshot-keeper.ts'
import { TailCensus } from '../actors/tail-census.ts'
import { ThreadKeeper } from '../actors/thread-keeper.ts'
import { present } from '../base/assert.ts'
import { systemClock } from '../base/clock.ts'
import { keepCompiled } from '../base/compile-cache.ts'
import { diskError } from '../base/disk-error.ts'
import { asWeirError } from '../base/errors.ts'
import { createLogger } from '../base/logger.ts'
import { Metrics } from '../base/metrics.ts'
import { makeDurableDirectory } from '../base/sync-directory.ts'
import { nextBoot } from '../cluster/boot-number.ts'
import { GROUPED_FRAMES_LEVEL } from '../cluster/grouped-frame.ts'
import { Membership } from '../cluster/membership.ts'
import { adminKey } from './admin-key.ts'
import { startAlertKeeper } from './alert-part.ts'
import { openBackbone } from './backbone.ts'
import { bannerText } from './banner.ts'
import { BucketWatch } from './bucket-watch.ts'
import { startNotifier } from './channels/notify-part.ts'
import { checkNothingPublished } from './cluster-settings.ts'
import type { Settings } from './config.ts'
import type { LoadedConfig } from './config-load.ts'
import { lockDataDirectory } from './data-lock.ts'
import { startDemo } from './demo/demo.ts'
import { EXIT_FAILED, EXIT_OK } from './exit-status.ts'
import { KeyStore } from './key-store.ts'
import { laneAlarm } from './lane-watch.ts'
import { Lifecycle } from './lifecycle.ts'
import { LoadMeter } from './load-meter.ts'
import { nodeIdentity } from './node-identity.ts'
import { NodeStatus } from './node-status.ts'
import { openObjectStore } from './object-store.ts'
import { processCpuMs, watchProcess } from './process-metrics.ts'
import { reservePort } from './reserved-port.ts'
import { startShards } from './shard-part.ts'
import { reserveSocketPorts, type SocketPorts } from './socket-ports.ts'
import { TAIL_CENSUS } from './tail-part.ts'
import { MAIN_THREAD, workerName } from './thread-names.ts'
import type { WorkerReady, WorkerSeedData } from './worker.ts'
import { WorkerPulse } from './worker-pulse.ts'

const WORKER_START_TIMEOUT_MS = 60_000
/** For storing what syslog senders have sent. */
const SOCKETS_CLOSE_MAX_MS = 3000
/** Kept of the drain for closing what is below the shards. */
const CLOSE_RESERVE_MS = 1000
/** For messages that are under way; what does not end by then is sent by another node. */
const NOTIFIER_CLOSE_MAX_MS = 3000
const LAST_SNAPSHOT_MS_MAX = 2000
/** Objects that live for one frame or query stay out of the old generation. */
const YOUNG_GENERATION_MB = 24
/**
 * Collections of a whole heap begin when it has grown to this many MB, and afterwards when it has grown by this share of what was left. V8 begins
 * far lower, and a worker, of whose 30 MB nearly all stays, collected them ten times a second under load, half of all CPU.
 */
const HEAP_FLAGS = ['--initial-old-space-size=96', '--heap-growing-percent=200']

/**
 * Builds the node, in order: what is durable, then the workers, then the shards on them; closes it in the reverse order. Resolves with the
 * exit status when the node has ended.
 */
export async function runNode(config: LoadedConfig, version: string): Promise<number> {
  const { settings } = config
  for (const flag of HEAP_FLAGS) setFlagsFromString(flag)
  const clock = systemClock
  const dataDir = settings['data.dir']
  try {
    makeDurableDirectory(dataDir)
  } catch (error) {
    throw diskError(error, `the data directory ${dataDir} cannot be made`)
  }
  const lock = await lockDataDirectory(dataDir)
  const nodeId = await nodeIdentity(settings, clock)
  const logger = createLogger({ level: settings['log.level'], fields: { node: nodeId, thread: MAIN_THREAD } })
  for (const warning of config.warnings) logger.warn(warning)
  const lifecycle = new Lifecycle({
    clock,
    logger,
    drainTimeoutMs: settings['drain.timeoutMs'],
    exit: (status) => process.exit(status),
  })
  lifecycle.listen(process)
  lifecycle.onStop('data directory', () => lock.release())
  try {
    const metrics = new Metrics()
    const onLaneAlarm = laneAlarm(metrics, logger)
    const objects = await openObjectStore(settings, clock)
    lifecycle.onStop('object store', async () => objects.close())
    const checkAccess = () => objects.checkAccess()
    const bucket = await BucketWatch.begin({ checkAccess, clock, logger: logger.child('bucket') })
    lifecycle.onStop('watch of the bucket', async () => bucket.close())
    const mayCreate = async () => {
      await bucket.needed('the first start of a cluster')
      await checkNothingPublished(objects)
    }
    const backbone = await openBackbone({
      settings,
      nodeId,
      thread: MAIN_THREAD,
      clock,
      logger,
      onLaneAlarm,
      mayCreate,
    })
    lifecycle.onStop('journal and registry', () => backbone.close())
    const { registry } = backbone
    const stopWatching = watchProcess(metrics, MAIN_THREAD, true)
    lifecycle.onStop('process metrics', async () => stopWatching())
    const status = NodeStatus.create(settings['journal.lanes'])
    if (bucket.isAway) {
      status.bucketIsAway(true)
      void bucket.reached.then(() => status.bucketIsAway(false))
    }
    const system = new ActorSystem({
      name: MAIN_THREAD,
      clock,
      logger,
      onEscalate: ({ actor, error }) => {
        logger.fatal('an actor failed for good', { actor, error })
        void lifecycle.stop(EXIT_FAILED, 'an actor failed')
      },
    })
    lifecycle.onStop('actors of the main thread', (deadline) => system.stop(deadline.remainingMs))
    system.spawn<ThreadMessage>('thread', () => new ThreadKeeper(metrics), { mailboxMax: 64 })
    system.spawn<TailCensusMessage>(TAIL_CENSUS, () => new TailCensus(settings['limits.tailsPerTenant']), {
      mailboxMax: 4096,
    })
    const pulse = WorkerPulse.create(settings.workers)
    const meter = new LoadMeter(clock, () => ({ ...pulse.totals(), cpuMs: processCpuMs() }))
    const membership = new Membership({
      cluster: settings['cluster.name'],
      transport: backbone.transport,
      clock,
      logger: logger.child('membership'),
      self: {
        nodeId,
        boot: await nextBoot(registry),
        version,
        featureLevels: { min: FEATURE_LEVEL, max: GROUPED_FRAMES_LEVEL },
        weight: settings['node.weight'],
        workers: settings.workers,
      },
      times: backbone.memberTimes,
      load: () => meter.sample(),
      progress: () => pulse.progress(),
      onMalformed: () => metrics.counter('clusterHeartbeatsMalformed').add(1),
      onDisturbed: () => metrics.counter('clusterDisturbances').add(1),
      natsServer: () => backbone.natsServer(),
      ...(backbone.turbulence === undefined ? {} : { turbulence: backbone.turbulence }),
      onDisplaced: () => {
        logger.fatal('a newer process bears the id of this node; this one ends')
        void lifecycle.stop(EXIT_FAILED, 'another process is this node')
      },
    })
    const keeper = system.spawn<MembershipKeeperMessage>(
      'membership',
      (context) =>
        new MembershipKeeper({
          cluster: settings['cluster.name'],
          nodeId,
          membership,
          transport: backbone.transport,
          clock,
          logger: context.logger,
          ref: (address) => system.ref(address),
          drain: () => void lifecycle.stop(EXIT_OK, 'it was asked to drain'),
        }),
      // Those that follow it are its state.
      { mailboxMax: 1024, restart: { ...RESTART_DEFAULT, budget: 0 } },
    )
    metrics.onSnapshot(() => metrics.gauge('clusterMembers').set(membership.members().length))
    membership.start()
    lifecycle.onStop('membership', async () => membership.leave())

    // Workers, which share the port.
    const mesh = new WorkerMesh(system, clock)
    const boot = Buffer.from(clock.randomBytes(6)).toString('hex')
    const reserved = settings['http.port'] === 0 ? await reservePort(settings['http.host']) : undefined
    const port = reserved?.port ?? settings['http.port']
    const sockets = await reserveSocketPorts(config, logger)
    const start = async (index: number) => {
      const { share, transfer } = backbone.share()
      const data: WorkerSeedData = {
        settings,
        version,
        nodeId,
        boot,
        index,
        port,
        socketPorts: sockets.ports,
        backbone: share,
        status: status.shared,
        pulse: pulse.shared,
      }
      const worker = await mesh.start({
        name: workerName(index),
        url: new URL('./worker-entry.ts', import.meta.url),
        data,
        transfer,
        resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
        startTimeoutMs: WORKER_START_TIMEOUT_MS,
      })
      lifecycle.onStop(worker.name, async (deadline) => {
        await worker.stop(Math.max(0, deadline.remainingMs - CLOSE_RESERVE_MS))
      })
      void worker.exited.then(({ error, expected }) => {
        if (expected) return
        logger.fatal('a worker ended by itself', { worker: worker.name, error: error ?? null })
        void lifecycle.stop(EXIT_FAILED, 'a worker ended')
      })
      return worker.ready as WorkerReady
    }
    const started = await Promise.all(Array.from({ length: settings.workers }, (_, index) => start(index)))
    reserved?.release()
    sockets.release()
    const first = present(started[0], 'a node has workers')

    const workers = Array.from({ length: settings.workers }, (_, i) => workerName(i))
    const controller = startShards({
      settings,
      nodeId,
      backbone,
      system,
      workers,
      clock,
      logger,
      mayStayClosed: () => bucket.isAway,
      onUnopened: (shards) => status.shardsAreUnopened(shards),
    })
    const notifications = await startNotifier({
      settings,
      version,
      nodeId,
      boot,
      registry,
      isMine: (tenant, rule) => backbone.shardMap.get(homeOfRule(tenant, rule, settings.shards))?.owner === nodeId,
      isAlive: (node) => membership.members().some((member) => member.nodeId === node),
      clock,
      logger,
      metrics,
    })
    lifecycle.onStop('notifications', (deadline) =>
      notifications.close(Math.min(NOTIFIER_CLOSE_MAX_MS, deadline.remainingMs / 4)),
    )
    const ownUrl = settings['http.advertise'] ?? advertisedUrl(settings, first.port)
    const alerts = await startAlertKeeper({
      nodeId,
      boot,
      shardCount: settings.shards,
      shardMap: backbone.shardMap,
      registry,
      system,
      submit: (notification) => notifications.notifier.submit(notification),
      linkBase: () => ownUrl,
      rulesDirectory: settings['alerts.rulesDir'],
      clock,
      logger,
      metrics,
    })
    lifecycle.onStop('alerts', async () => alerts.close())
    const served = serveActors(system, backbone.transport, {
      cluster: settings['cluster.name'],
      node: nodeId,
      open: {
        controller: { asked: ['describeNode'], told: [] },
        'alert-keeper': { asked: ALERT_KEEPER_KINDS, told: [] },
      },
      logger: logger.child('node-server'),
    })
    lifecycle.onStop('questions of other nodes', async () => served.close())
    for (const address of [`${MAIN_THREAD}/controller`, ...workers.map((name) => `${name}/topology`)]) {
      keeper.tell({ kind: 'followMembers', address })
    }
    membership.announce({ state: 'active', url: ownUrl })
    lifecycle.onStop('shards', (deadline) => controller.drain(Math.max(0, deadline.remainingMs - CLOSE_RESERVE_MS)))
    lifecycle.onStop('admission', async () => {
      status.beginDraining()
      membership.announce({ state: 'draining' })
      const threads = workers.map((name) => system.ref<ThreadMessage>(`${name}/thread`))
      await Promise.allSettled(threads.map((thread) => thread.ask({ kind: 'stopAdmitting' }, { deadlineMs: 1000 })))
    })
    lifecycle.onStop('sockets', async (deadline) => {
      const withinMs = Math.min(SOCKETS_CLOSE_MAX_MS, deadline.remainingMs / 2)
      const threads = workers.map((name) => system.ref<ThreadMessage>(`${name}/thread`))
      await Promise.allSettled(
        threads.map((thread) => thread.ask({ kind: 'closeSockets', withinMs }, { deadlineMs: withinMs + 1000 })),
      )
    })
    const snapshots = new SnapshotKeeper({
      nodeId,
      registry,
      objects,
      shardMap: backbone.shardMap,
      clock,
      logger: logger.child('snapshots'),
    })
    lifecycle.onStop('snapshots', async () => {
      snapshots.close()
      await Promise.race([snapshots.look(), clock.sleep(LAST_SNAPSHOT_MS_MAX)])
    })
    await controller.ready()
    status.shardsAreOpen()
    // Late: a key that is made and not shown, because something else failed, would lock everybody out.
    const newAdminKey = await adminKey(settings, await KeyStore.open(registry, clock), clock)
    void snapshots.look()
    if (settings.demo) {
      const demo = startDemo(first.url, clock, logger, settings['auth.adminKey'] ?? newAdminKey)
      lifecycle.onStop('demo', async () => demo.stop())
    }
    announce(config, version, first.url, sockets.ports, newAdminKey)
    keepCompiled()
  } catch (error) {
    const { code, message } = asWeirError(error)
    logger.fatal('the node could not start', { code, error })
    process.stderr.write(`weir: ${message} (${code})\n`)
    return lifecycle.stop(EXIT_FAILED, 'the start failed')
  }
  return lifecycle.ended
}

/** Standard output carries this one line for programs; standard error greets people. */
function announce(
  config: LoadedConfig,
  version: string,
  url: string,
  ports: SocketPorts,
  newAdminKey: string | undefined,
): void {
  const { settings } = config
  process.stdout.write(`${JSON.stringify({ event: 'ready', url, ports })}\n`)
  process.stderr.write(
    bannerText({
      version,
      url,
      dataDir: settings['data.dir'],
      authMode: settings['auth.mode'],
      ...(newAdminKey === undefined ? {} : { newAdminKey }),
      demo: settings.demo,
      colour: process.stderr.isTTY === true,
    }),
  )
}

/** Where other nodes and people reach this node: by its address, or by the name of its host when it listens on all addresses. */
function advertisedUrl(settings: Settings, port: number): string {
  const host = settings['http.host']
  const isAny = host === '0.0.0.0' || host === '::'
  const name = isAny ? hostname() : host
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`
}

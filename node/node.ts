import { LaneTrimmer } from '../actors/lane-trimmer.ts'
import { MembershipKeeper } from '../actors/membership-keeper.ts'
import type { MembershipKeeperMessage } from '../actors/messages/cluster.ts'
import type { ThreadMessage } from '../actors/messages/control.ts'
import type { LaneReaderMessage, ShardControllerMessage, ShardHostMessage } from '../actors/messages/shard.ts'
import { ActorSystem } from '../actors/runtime/actor-system.ts'
import { RESTART_DEFAULT } from '../actors/runtime/supervisor.ts'
import { WorkerMesh } from '../actors/runtime/worker-host.ts'
import { ShardController } from '../actors/shard-controller.ts'
import { FEATURE_LEVEL } from '../actors/shard-ledger.ts'
import { ShardMap } from '../actors/shard-map.ts'
import { ThreadKeeper } from '../actors/thread-keeper.ts'
import { systemClock } from '../base/clock.ts'
import { diskError } from '../base/disk-error.ts'
import { asWeirError } from '../base/errors.ts'
import { createLogger } from '../base/logger.ts'
import { Metrics } from '../base/metrics.ts'
import { makeDurableDirectory } from '../base/sync-directory.ts'
import { nextBoot } from '../cluster/boot-number.ts'
import { settleLaneGenerations } from '../cluster/lane-generation.ts'
import { createLmdbJournal, openLmdbJournal } from '../cluster/lmdb-journal.ts'
import { createLmdbRegistry } from '../cluster/lmdb-registry.ts'
import { localTransport } from '../cluster/local-transport.ts'
import { Membership } from '../cluster/membership.ts'
import { ShardRing } from '../cluster/ring.ts'
import { adminKey } from './admin-key.ts'
import { bannerText } from './banner.ts'
import { agreeOnCluster, floorsOf } from './cluster-settings.ts'
import type { LoadedConfig } from './config-load.ts'
import { lockDataDirectory } from './data-lock.ts'
import { startDemo } from './demo/demo.ts'
import { EXIT_FAILED, EXIT_OK } from './exit-status.ts'
import { KeyStore } from './key-store.ts'
import { Lifecycle } from './lifecycle.ts'
import { LoadMeter } from './load-meter.ts'
import { NodeStatus } from './node-status.ts'
import { processCpuMs, watchProcess } from './process-metrics.ts'
import type { WorkerReady, WorkerSeedData } from './worker.ts'
import { workerName } from './worker-name.ts'
import { WorkerPulse } from './worker-pulse.ts'

const WORKER_START_TIMEOUT_MS = 60_000
/** Kept of the drain for closing what is below the shards. */
const CLOSE_RESERVE_MS = 1000
/** Objects that live for one frame or query stay out of the old generation. */
const YOUNG_GENERATION_MB = 24

/**
 * Builds the node, in order: what is durable, then the workers, then the shards on them; closes it in the reverse order. Resolves with the
 * exit status when the node has ended.
 */
export async function runNode(config: LoadedConfig, version: string): Promise<number> {
  const { settings } = config
  const clock = systemClock
  const dataDir = settings['data.dir']
  try {
    makeDurableDirectory(dataDir)
  } catch (error) {
    throw diskError(error, `the data directory ${dataDir} cannot be made`)
  }
  const lock = await lockDataDirectory(dataDir)

  const registry = await createLmdbRegistry({ directory: `${dataDir}/registry` })
  const nodeId = await agreeOnCluster(registry, settings, clock)
  const logger = createLogger({ level: settings['log.level'], fields: { node: nodeId, thread: 'main' } })
  for (const warning of config.warnings) logger.warn(warning)
  const lifecycle = new Lifecycle({
    clock,
    logger,
    drainTimeoutMs: settings['drain.timeoutMs'],
    exit: (status) => process.exit(status),
  })
  lifecycle.listen(process)
  lifecycle.onStop('data directory', () => lock.release())
  lifecycle.onStop('registry', () => registry.close())
  try {
    const journalHost = await createLmdbJournal({
      directory: `${dataDir}/journal`,
      laneCount: settings['journal.lanes'],
      bytesMax: settings['journal.bytesMax'],
      clock,
    })
    lifecycle.onStop('journal', () => journalHost.close())
    for (const { reason, ...alarm } of await settleLaneGenerations(journalHost, registry, await floorsOf(registry))) {
      logger.error(`a lane of the journal was ${reason}: a new generation begins`, alarm)
    }
    const journal = openLmdbJournal(journalHost.share(), clock)
    lifecycle.onStop('journal of the main thread', () => journal.close())
    const metrics = new Metrics()
    const stopWatching = watchProcess(metrics, 'main', true)
    lifecycle.onStop('process metrics', async () => stopWatching())
    const status = NodeStatus.create(settings['journal.lanes'])
    const system = new ActorSystem({
      name: 'main',
      clock,
      logger,
      onEscalate: ({ actor, error }) => {
        logger.fatal('an actor failed for good', { actor, error })
        void lifecycle.stop(EXIT_FAILED, 'an actor failed')
      },
    })
    lifecycle.onStop('actors of the main thread', (deadline) => system.stop(deadline.remainingMs))
    system.spawn<ThreadMessage>('thread', () => new ThreadKeeper(metrics, () => undefined), { mailboxMax: 64 })

    // Membership.
    const pulse = WorkerPulse.create(settings.workers)
    const meter = new LoadMeter(clock, () => ({ ...pulse.totals(), cpuMs: processCpuMs() }))
    const transport = localTransport(clock)
    lifecycle.onStop('transport', () => transport.close())
    const membership = new Membership({
      cluster: settings['cluster.name'],
      transport,
      clock,
      logger: logger.child('membership'),
      self: {
        nodeId,
        boot: await nextBoot(registry),
        version,
        featureLevels: { min: FEATURE_LEVEL, max: FEATURE_LEVEL },
        weight: 1,
        workers: settings.workers,
      },
      // There is nobody else to wait for.
      times: { silenceMs: 0, graceMs: 0, settleMs: 0 },
      load: () => meter.sample(),
      progress: () => pulse.progress(),
      onMalformed: () => metrics.counter('clusterHeartbeatsMalformed').add(1),
      onDisturbed: () => metrics.counter('clusterDisturbances').add(1),
      onDisplaced: () => void lifecycle.stop(EXIT_FAILED, 'another process is this node'),
    })
    system.spawn<MembershipKeeperMessage>(
      'membership',
      (context) =>
        new MembershipKeeper({
          cluster: settings['cluster.name'],
          nodeId,
          membership,
          transport,
          clock,
          logger: context.logger,
          ref: (address) => context.ref(address),
          drain: () => void lifecycle.stop(EXIT_OK, 'it was asked to drain'),
        }),
      { mailboxMax: 1024, restart: { ...RESTART_DEFAULT, budget: 0 } },
    )
    metrics.onSnapshot(() => metrics.gauge('clusterMembers').set(membership.members().length))
    membership.start()
    lifecycle.onStop('membership', async () => membership.leave())

    // Workers: the first one picks the port, the others share it.
    const mesh = new WorkerMesh(system, clock)
    const boot = Buffer.from(clock.randomBytes(6)).toString('hex')
    const start = async (index: number, port: number) => {
      const journalShare = journalHost.share()
      const registryShare = registry.share()
      const data: WorkerSeedData = {
        settings,
        version,
        nodeId,
        boot,
        index,
        port,
        journal: journalShare,
        registry: registryShare,
        status: status.shared,
        pulse: pulse.shared,
      }
      const worker = await mesh.start({
        name: workerName(index),
        url: new URL('./worker.ts', import.meta.url),
        data,
        transfer: [journalShare.port, registryShare.port],
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
    const first = await start(0, settings['http.port'])
    await Promise.all(Array.from({ length: settings.workers - 1 }, (_, i) => start(i + 1, first.port)))

    membership.announce({ state: 'active', url: first.url })

    // Shards.
    const workers = Array.from({ length: settings.workers }, (_, i) => workerName(i))
    const laneCount = settings['journal.lanes']
    const shardMap = await ShardMap.open({
      registry,
      shardCount: settings.shards,
      clock,
      logger: logger.child('shard-map'),
    })
    lifecycle.onStop('shard map', async () => shardMap.close())
    const hosts = workers.map((name) => system.ref<ShardHostMessage>(`${name}/shard-host`))
    const controllerLogger = logger.child('controller')
    const controller = new ShardController({
      nodeId,
      shardCount: settings.shards,
      laneCount,
      journal,
      shardMap,
      ring: new ShardRing({ shardCount: settings.shards, standbyCount: 0 }),
      trimmer: new LaneTrimmer({
        nodeId,
        shardCount: settings.shards,
        laneCount,
        journal,
        shardMap,
        clock,
        logger: controllerLogger,
        relieve: (lane) => {
          for (const host of hosts) host.tell({ kind: 'publishLane', lane })
        },
      }),
      clock,
      logger: controllerLogger,
      hosts,
      laneReaders: Array.from({ length: laneCount }, (_, lane) =>
        system.ref<LaneReaderMessage>(`${workers[lane % workers.length]}/lane-reader-${lane}`),
      ),
    })
    const controllerRef = system.spawn<ShardControllerMessage>('controller', () => controller, {
      mailboxMax: 1024,
      overflow: 'dropNewest',
    })
    controllerRef.tell({
      kind: 'viewChanged',
      view: { isSettled: true, nodes: [{ nodeId, takesShards: true, weight: 1, workers: workers.length }] },
    })
    lifecycle.onStop('shards', (deadline) => controller.drain(Math.max(0, deadline.remainingMs - CLOSE_RESERVE_MS)))
    lifecycle.onStop('admission', async () => {
      status.beginDraining()
      membership.announce({ state: 'draining' })
      const threads = workers.map((name) => system.ref<ThreadMessage>(`${name}/thread`))
      await Promise.allSettled(threads.map((thread) => thread.ask({ kind: 'stopAdmitting' }, { deadlineMs: 1000 })))
    })
    await controller.ready()
    status.shardsAreOpen()
    // Late: a key that is made and not shown, because something else failed, would lock everybody out.
    const newAdminKey = await adminKey(settings, await KeyStore.open(registry, clock), clock)
    if (settings.demo) {
      const demo = startDemo(first.url, clock, logger, settings['auth.adminKey'] ?? newAdminKey)
      lifecycle.onStop('demo', async () => demo.stop())
    }
    announce(config, version, first.url, newAdminKey)
  } catch (error) {
    const { code, message } = asWeirError(error)
    logger.fatal('the node could not start', { code, error })
    process.stderr.write(`weir: ${message} (${code})\n`)
    return lifecycle.stop(EXIT_FAILED, 'the start failed')
  }
  return lifecycle.ended
}

/** Standard output carries this one line for programs; standard error greets people. */
function announce(config: LoadedConfig, version: string, url: string, newAdminKey: string | undefined): void {
  const { settings } = config
  process.stdout.write(`${JSON.stringify({ event: 'ready', url })}\n`)
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

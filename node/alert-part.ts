import { AlertKeeper } from '../actors/alert-keeper.ts'
import { homeOfRule } from '../actors/alert-rules.ts'
import type { AlertKeeperMessage } from '../actors/messages/alert.ts'
import type { ActorRef } from '../actors/runtime/actor-ref.ts'
import type { ActorSystem } from '../actors/runtime/actor-system.ts'
import type { NodeLink } from '../actors/runtime/node-link.ts'
import { RESTART_DEFAULT } from '../actors/runtime/supervisor.ts'
import type { ShardMap } from '../actors/shard-map.ts'
import { WindowAlert, type WindowAlertOptions } from '../actors/window-alert.ts'
import type { AlertNotification } from '../alerts/notify/notification.ts'
import type { AlertChannelBackend } from '../api/backend.ts'
import type { Clock } from '../base/clock.ts'
import type { NodeId } from '../base/ids.ts'
import type { Logger } from '../base/logger.ts'
import type { Metrics } from '../base/metrics.ts'
import type { Registry } from '../cluster/registry.ts'
import { AlertDesk, type AlertDeskOptions, openAlertRules, openAlertSilences } from './alert-desk.ts'
import { AlertRuleFiles } from './alert-rule-files.ts'
import { openChannelDesk } from './channels/notify-part.ts'
import type { Settings } from './config.ts'
import { MAIN_THREAD } from './thread-names.ts'

const KEEPER = 'alert-keeper'

export interface WorkerAlertOptions
  extends Pick<WindowAlertOptions, 'shards' | 'shardCount' | 'plans' | 'cache' | 'behindMs' | 'clock'> {
  readonly settings: Settings
  readonly version: string
  readonly nodeId: NodeId
  readonly registry: Registry
  readonly shardMap: ShardMap
  readonly system: ActorSystem
  readonly link: NodeLink
  readonly backtest: AlertDeskOptions['backtest']
  readonly logger: Logger
  readonly metrics: Metrics
}

export interface WorkerAlerts {
  readonly desk: AlertDesk
  readonly channels: AlertChannelBackend
  readonly windowAlert: WindowAlert
  close(): void
}

/** What a worker does for alerts: counts the rows of its shards, and answers the API. */
export async function openWorkerAlerts(options: WorkerAlertOptions): Promise<WorkerAlerts> {
  const { nodeId, registry, shardMap, shardCount, system, link, clock, metrics } = options
  const logger = options.logger.child('alerts')
  const rules = await openAlertRules({ registry, clock, logger })
  const silences = await openAlertSilences({ registry, clock, logger })
  const channels = await openChannelDesk(options)
  const keeperOf = (node: NodeId): ActorRef<AlertKeeperMessage> =>
    node === nodeId ? system.ref(`${MAIN_THREAD}/${KEEPER}`) : link.ref({ node, thread: MAIN_THREAD, actor: KEEPER })
  const reported = metrics.counter('alertReportBytes')
  const rebuilt = metrics.histogram('alertRebuildSeconds')
  const windowAlert = new WindowAlert({
    ...options,
    rules,
    logger,
    keeperOf,
    onReported: (bytes) => reported.add(bytes),
    onRebuilt: (tookMs) => rebuilt.observe(tookMs / 1000),
  })
  const desk = new AlertDesk({
    rules,
    silences,
    registry,
    clock,
    backtest: options.backtest,
    keeperOf(tenant, rule) {
      const owner = shardMap.get(homeOfRule(tenant, rule, shardCount))?.owner
      return owner === undefined ? undefined : keeperOf(owner)
    },
  })
  return {
    desk,
    channels: channels.desk,
    windowAlert,
    close() {
      windowAlert.close()
      rules.close()
      silences.close()
      channels.close()
    },
  }
}

export interface AlertKeeperParts {
  readonly nodeId: NodeId
  readonly boot: string
  readonly shardCount: number
  readonly shardMap: ShardMap
  readonly registry: Registry
  /** Of the main thread. */
  readonly system: ActorSystem
  readonly submit: (notification: AlertNotification) => Promise<void>
  readonly linkBase: () => string
  /** Of files with rules. */
  readonly rulesDirectory: string | null
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
}

/** Starts the keeper of the rules whose home shards this node owns. */
export async function startAlertKeeper(parts: AlertKeeperParts): Promise<{ close(): void }> {
  const { registry, clock, system, metrics } = parts
  const logger = parts.logger.child('alerts')
  const rules = await openAlertRules({ registry, clock, logger })
  const silences = await openAlertSilences({ registry, clock, logger })
  const files =
    parts.rulesDirectory === null
      ? undefined
      : new AlertRuleFiles({ directory: parts.rulesDirectory, rules, clock, logger })
  void files?.look()
  let keeper: AlertKeeper | undefined
  system.spawn<AlertKeeperMessage>(
    KEEPER,
    () => {
      keeper = new AlertKeeper({
        ...parts,
        logger,
        rules,
        silencesOf: (tenant) => silences.known(tenant),
        onTold: (kind) => metrics.counter('alertTransitions', { kind }).add(1),
      })
      return keeper
    },
    { mailboxMax: 1024, overflow: 'reject', restart: RESTART_DEFAULT },
  )
  metrics.onSnapshot(() => {
    const { rules: kept, lagMs } = keeper?.measures ?? { rules: 0, lagMs: 0 }
    metrics.gauge('alertRulesKept').set(kept)
    metrics.gauge('alertEvaluationLagSeconds').set(lagMs / 1000)
  })
  return {
    close() {
      files?.close()
      rules.close()
      silences.close()
    },
  }
}

import { readFile } from 'node:fs/promises'
import { rootCertificates } from 'node:tls'
import { AlertNotifier } from '../../actors/notifier.ts'
import { DeliveryLedger } from '../../actors/notifier-ledger.ts'
import type { AlertChannel, MailSecurity } from '../../alerts/notify/channel.ts'
import type { Clock } from '../../base/clock.ts'
import { asWeirError, WeirError } from '../../base/errors.ts'
import type { NodeId, TenantId } from '../../base/ids.ts'
import type { Logger } from '../../base/logger.ts'
import type { Metrics } from '../../base/metrics.ts'
import type { Registry } from '../../cluster/registry.ts'
import type { Settings } from '../config.ts'
import { ChannelDesk, openAlertChannels } from './channel-desk.ts'
import { ChannelSender } from './channel-sender.ts'

const PORTS: Readonly<Record<MailSecurity, number>> = { tls: 465, starttls: 587, none: 25 }

interface ChannelParts {
  readonly settings: Settings
  readonly version: string
  readonly registry: Registry
  readonly clock: Clock
  readonly logger: Logger
}

export interface NotifierParts extends ChannelParts {
  readonly nodeId: NodeId
  /** Random, of this start of the node. */
  readonly boot: string
  /** Whether this node owns the home shard of a rule. */
  readonly isMine: (tenant: TenantId, rule: string) => boolean
  /** Whether another node is heard of. */
  readonly isAlive: (node: string) => boolean
  readonly metrics: Metrics
}

export interface NotifierPart {
  readonly notifier: AlertNotifier
  close(withinMs: number): Promise<void>
}

/** Starts to deliver notifications of the rules of this node, on the main thread. */
export async function startNotifier(parts: NotifierParts): Promise<NotifierPart> {
  const { registry, clock, nodeId, metrics } = parts
  const logger = parts.logger.child('notifier')
  const channels = await openAlertChannels({ registry, clock, logger })
  const sender = await channelSender(parts)
  const delivered = metrics.histogram('alertDeliverySeconds')
  const notifier = await AlertNotifier.open({
    ...parts,
    logger,
    node: nodeId,
    ledger: new DeliveryLedger(registry),
    channels: {
      async get(tenant, id) {
        try {
          return (await channels.get(tenant, id)).value
        } catch (error) {
          if (asWeirError(error).code !== 'not_found') throw error
          return undefined
        }
      },
      known(tenant, id) {
        for (const document of channels.known(tenant)) if (document.id === id) return document.value
        return undefined
      },
    },
    send: (channel: AlertChannel, notification, signal) => sender.send(channel, notification, signal),
    onAttempt({ status, createdMs }, result, { type }) {
      const outcome = result.delivered ? 'delivered' : result.reason
      metrics.counter('alertAttempts', { type, outcome }).add(1)
      if (status === 'givenUp') metrics.counter('alertDeliveriesGivenUp', { type }).add(1)
      if (status === 'delivered') delivered.observe(Math.max(0, clock.nowMs() - createdMs) / 1000)
    },
    onWaiting: (count) => metrics.gauge('alertDeliveriesWaiting').set(count),
  })
  return {
    notifier,
    async close(withinMs) {
      await notifier.close(withinMs)
      channels.close()
    },
  }
}

/** What the API of a worker needs of channels. */
export async function openChannelDesk(parts: ChannelParts): Promise<{ desk: ChannelDesk; close(): void }> {
  const { registry, clock, settings } = parts
  const channels = await openAlertChannels({ registry, clock, logger: parts.logger.child('channels') })
  const sender = await channelSender(parts)
  const allowPrivate = settings['alerts.allowPrivateTargets']
  return { desk: new ChannelDesk({ channels, registry, clock, sender, allowPrivate }), close: () => channels.close() }
}

async function channelSender({ settings, version, clock }: ChannelParts): Promise<ChannelSender> {
  const host = settings['alerts.smtpHost']
  const security = settings['alerts.smtpSecurity']
  const [user, password] = [settings['alerts.smtpUser'], settings['alerts.smtpPassword']]
  const server =
    host === null
      ? undefined
      : {
          host,
          port: settings['alerts.smtpPort'] ?? PORTS[security],
          security,
          ...(user === null || password === null ? {} : { user, password }),
        }
  const ca = await certificates(settings['alerts.caFile'])
  return new ChannelSender({
    clock,
    version,
    allowPrivate: settings['alerts.allowPrivateTargets'],
    mail: { server, from: settings['alerts.smtpFrom'] ?? undefined },
    ...(ca === undefined ? {} : { ca }),
  })
}

async function certificates(path: string | null): Promise<readonly string[] | undefined> {
  if (path === null) return undefined
  try {
    return [...rootCertificates, await readFile(path, 'utf8')]
  } catch (error) {
    throw new WeirError('invalid_config', `alerts.caFile ${path} cannot be read`, {}, { cause: error })
  }
}

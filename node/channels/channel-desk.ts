import { DeliveryLedger } from '../../actors/notifier-ledger.ts'
import type { AttemptResult } from '../../alerts/notify/attempt-result.ts'
import { type AlertChannel, shownChannel } from '../../alerts/notify/channel.ts'
import { normaliseChannel } from '../../alerts/notify/channel-definition.ts'
import type { Delivery } from '../../alerts/notify/delivery.ts'
import { testNotification } from '../../alerts/notify/test-notification.ts'
import type { AlertChannelBackend, AlertStored, DeliveryQuery } from '../../api/backend.ts'
import type { Clock } from '../../base/clock.ts'
import { asWeirError, WeirError } from '../../base/errors.ts'
import type { TenantId } from '../../base/ids.ts'
import type { Logger } from '../../base/logger.ts'
import { ALERT_CHANNEL_BYTES_MAX, ALERT_CHANNELS_PER_TENANT_MAX } from '../../base/notify-limits.ts'
import type { Registry } from '../../cluster/registry.ts'
import { AlertDocuments } from '../alert-documents.ts'
import { checkedAddresses, RefusedTarget } from './address-guard.ts'
import type { ChannelSender } from './channel-sender.ts'

export type AlertChannels = AlertDocuments<AlertChannel>
type Shown = Readonly<Record<string, unknown>>

/** Tests that a thread makes at once. */
const TESTS_MAX = 4

export function openAlertChannels(options: {
  readonly registry: Registry
  readonly clock: Clock
  readonly logger: Logger
}): Promise<AlertChannels> {
  return AlertDocuments.open<AlertChannel>({
    ...options,
    prefix: 'alert-channel/',
    noun: 'channel',
    perTenantMax: ALERT_CHANNELS_PER_TENANT_MAX,
    bytesMax: ALERT_CHANNEL_BYTES_MAX,
    check: () => undefined,
  })
}

export interface ChannelDeskOptions {
  readonly channels: AlertChannels
  readonly registry: Registry
  readonly clock: Clock
  readonly sender: ChannelSender
  readonly allowPrivate: boolean
}

/** What the API asks of channels. Their secrets go in, and to nobody but the receivers. */
export class ChannelDesk implements AlertChannelBackend {
  readonly #options: ChannelDeskOptions
  readonly #ledger: DeliveryLedger
  #testing = 0

  constructor(options: ChannelDeskOptions) {
    this.#options = options
    this.#ledger = new DeliveryLedger(options.registry)
  }

  async list(tenant: TenantId): Promise<readonly AlertStored<Shown>[]> {
    return (await this.#options.channels.list(tenant)).map(shown)
  }

  async get(tenant: TenantId, id: string): Promise<AlertStored<Shown>> {
    return shown(await this.#options.channels.get(tenant, id))
  }

  async put(tenant: TenantId, id: string, definition: Shown, expected?: number): Promise<AlertStored<Shown>> {
    const { channels, allowPrivate } = this.#options
    const before = await channels.get(tenant, id).catch((error: unknown) => {
      if (asWeirError(error).code !== 'not_found') throw error
      return undefined
    })
    const channel = normaliseChannel(id, definition, before?.value)
    if (!allowPrivate) await requirePublic(channel)
    // The secrets that are kept are those of this revision.
    return shown(await channels.put(tenant, id, channel, expected ?? before?.revision ?? 0))
  }

  remove(tenant: TenantId, id: string, expected?: number): Promise<void> {
    return this.#options.channels.remove(tenant, id, expected)
  }

  async test(tenant: TenantId, id: string, signal: AbortSignal): Promise<AttemptResult> {
    const { channels, sender, clock } = this.#options
    const { value: channel } = await channels.get(tenant, id)
    if (this.#testing >= TESTS_MAX) throw new WeirError('overloaded', 'Other channels are being tested; try again')
    this.#testing++
    try {
      const firingId = `test-${Buffer.from(clock.randomBytes(8)).toString('hex')}`
      return await sender.send(channel, testNotification(tenant, channel.name, firingId, clock.nowMs()), signal)
    } finally {
      this.#testing--
    }
  }

  async deliveries(
    tenant: TenantId,
    { firingId, channel, status, limit }: DeliveryQuery,
  ): Promise<readonly Delivery[]> {
    const all = await this.#ledger.list(tenant, firingId, () => this.#options.clock.yieldTurn())
    return all
      .filter(
        (one) => (channel === undefined || one.channel === channel) && (status === undefined || one.status === status),
      )
      .slice(0, limit)
  }
}

function shown({ value, ...rest }: AlertStored<AlertChannel>): AlertStored<Shown> {
  return { ...rest, value: shownChannel(value) }
}

/** An address that stands in the definition is refused at once; a name is looked up with each message, as it may point elsewhere then. */
async function requirePublic(channel: AlertChannel): Promise<void> {
  const [path, host] =
    channel.type === 'email' ? ['server.host', channel.server?.host] : ['url', new URL(channel.url).hostname]
  if (host === undefined) return
  const isLocalName = /^(?:.*\.)?localhost\.?$/i.test(host)
  try {
    await checkedAddresses(isLocalName ? '127.0.0.1' : host, false, async () => [])
  } catch (error) {
    if (!(error instanceof RefusedTarget)) throw error
    throw new WeirError('invalid_parameter', `${path} ${error.message}`, { parameter: path! })
  }
}

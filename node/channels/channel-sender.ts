import { lookup } from 'node:dns/promises'
import type { AttemptResult } from '../../alerts/notify/attempt-result.ts'
import { plainText } from '../../alerts/notify/bounded-notification.ts'
import { type AlertChannel, withoutSecrets } from '../../alerts/notify/channel.ts'
import { type ChannelMessage, channelMessage } from '../../alerts/notify/channel-message.ts'
import type { AlertNotification } from '../../alerts/notify/notification.ts'
import type { Clock } from '../../base/clock.ts'
import { asWeirError } from '../../base/errors.ts'
import { ALERT_ATTEMPT_MS } from '../../base/notify-limits.ts'
import type { ResolveHost } from './address-guard.ts'
import { sendHttp } from './http-sender.ts'
import type { MailDefaults } from './smtp-sender.ts'

export interface ChannelSenderOptions {
  readonly clock: Clock
  readonly version: string
  /** Whether messages may go to private addresses. */
  readonly allowPrivate: boolean
  readonly mail: MailDefaults
  /** Certificates (PEM) to trust beside those of the system. */
  readonly ca?: readonly string[]
  /** Where names are looked up; default: as the system does. */
  readonly resolve?: ResolveHost
  readonly timeoutMs?: number
}

/** Hands messages to the outside world: one attempt a call, bounded in time, to addresses that were checked. Keeps nothing. */
export class ChannelSender {
  readonly #options: ChannelSenderOptions

  constructor(options: ChannelSenderOptions) {
    this.#options = options
  }

  /** Never rejects; what went wrong is in the result, without secrets. */
  async send(channel: AlertChannel, notification: AlertNotification, signal: AbortSignal): Promise<AttemptResult> {
    const { clock, version, allowPrivate, mail, ca, resolve = systemLookup } = this.#options
    let message: ChannelMessage
    try {
      message = channelMessage(channel, notification)
    } catch (error) {
      const { code, message: detail } = asWeirError(error)
      const reason = code === 'invalid_parameter' ? 'template' : 'internal'
      return { delivered: false, reason, detail: plainText(detail), isFinal: true, tookMs: 0 }
    }
    const options = {
      clock,
      version,
      allowPrivate,
      resolve,
      ca,
      timeoutMs: this.#options.timeoutMs ?? ALERT_ATTEMPT_MS,
      redact: (text: string) => withoutSecrets(text, channel),
    }
    if (message.kind === 'http') return sendHttp(message, options, signal)
    // Loaded where mail is sent only.
    const { sendMail } = await import('./smtp-sender.ts')
    return sendMail(message, mail, options, signal)
  }
}

/** As getaddrinfo(3): hosts file, DNS. libuv keeps slow lookups from taking more than half of its threads. */
const systemLookup: ResolveHost = async (host) => {
  const found = await lookup(host, { all: true, order: 'verbatim' })
  return found.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }))
}

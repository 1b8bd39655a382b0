import type { AlertChannel, EmailChannel, MailServer, WebhookChannel } from './channel.ts'
import { mailText } from './mail-message.ts'
import type { AlertNotification } from './notification.ts'
import { opsgenieMessage } from './opsgenie-message.ts'
import { pagerdutyMessage } from './pagerduty-message.ts'
import { slackBody } from './slack-message.ts'
import { teamsBody } from './teams-message.ts'
import { renderTemplate } from './template.ts'
import { webhookDocument } from './webhook-document.ts'

/** What is to be handed over for one notification, whole but for what each attempt adds (the time and the signature). */
export type ChannelMessage = HttpMessage | MailMessage

/** A POST. */
export interface HttpMessage {
  readonly kind: 'http'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** Signs the body, under the name `id`. */
  readonly signature?: { readonly id: string; readonly secret: string }
}

export interface MailMessage {
  readonly kind: 'mail'
  readonly server?: MailServer
  readonly from?: string
  readonly to: readonly string[]
  readonly subject: string
  readonly text: string
  readonly html: string
  /** Left of the @ of its Message-ID: the same in every attempt. */
  readonly id: string
  /** That of the message which it follows. */
  readonly follows?: string
  readonly headers: Readonly<Record<string, string>>
}

/** A key of the notification that is the same in every attempt, and another for its resolve. */
function idempotencyKey({ firingId, kind }: AlertNotification): string {
  return `${firingId}.${kind}`
}

/** Throws invalid_parameter where a template makes too much of it. */
export function channelMessage(channel: AlertChannel, notification: AlertNotification): ChannelMessage {
  switch (channel.type) {
    case 'webhook':
      return webhookMessage(channel, notification)
    case 'slack':
      return post(channel.url, slackBody(notification))
    case 'teams':
      return post(channel.url, teamsBody(notification))
    case 'pagerduty':
      return post(channel.url, pagerdutyMessage(channel, notification))
    case 'opsgenie': {
      const { path, body } = opsgenieMessage(notification)
      return post(channel.url + path, body, { authorization: `GenieKey ${channel.apiKey}` })
    }
    case 'email':
      return mailMessage(channel, notification)
  }
}

function webhookMessage(channel: WebhookChannel, notification: AlertNotification): HttpMessage {
  const { url, template, contentType, secret, headers } = channel
  const id = idempotencyKey(notification)
  return {
    kind: 'http',
    url,
    headers: {
      ...headers,
      'content-type': contentType,
      'idempotency-key': id,
      'weir-firing-id': notification.firingId,
    },
    body:
      template === undefined
        ? JSON.stringify(webhookDocument(notification))
        : renderTemplate(template, contentType, notification),
    ...(secret === undefined ? {} : { signature: { id, secret } }),
  }
}

function mailMessage({ to, from, server }: EmailChannel, notification: AlertNotification): MailMessage {
  const { firingId, kind } = notification
  return {
    kind: 'mail',
    ...(server === undefined ? {} : { server }),
    ...(from === undefined ? {} : { from }),
    to,
    ...mailText(notification),
    id: idempotencyKey(notification),
    ...(kind === 'resolved' ? { follows: `${firingId}.fired` } : {}),
    headers: { 'Auto-Submitted': 'auto-generated', 'X-Weir-Firing-ID': firingId },
  }
}

function post(url: string, body: unknown, headers: Readonly<Record<string, string>> = {}): HttpMessage {
  return {
    kind: 'http',
    url,
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  }
}

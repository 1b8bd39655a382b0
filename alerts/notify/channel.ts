/** Where notifications of a tenant go. Secrets are in it: it is shown to people by `shownChannel` only. */
export type AlertChannel =
  | WebhookChannel
  | SlackChannel
  | TeamsChannel
  | PagerdutyChannel
  | OpsgenieChannel
  | EmailChannel

interface ChannelBase {
  readonly id: string
  readonly name: string
  /** False: what is for it is not sent, and says so. */
  readonly enabled: boolean
  /** People are told that it is over, too. */
  readonly sendResolved: boolean
  /** Messages a minute, by one node; the others wait their turn. */
  readonly ratePerMinute: number
  /** Id of the channel that is used when this one fails for good, or for so long. */
  readonly fallback?: string
  readonly fallbackAfterMs: number
}

export interface WebhookChannel extends ChannelBase {
  readonly type: 'webhook'
  readonly url: string
  /** Key of the signature; `whsec_` and base64, or text. */
  readonly secret?: string
  readonly headers: Readonly<Record<string, string>>
  /** Of the body; absent: our own JSON. */
  readonly template?: string
  readonly contentType: string
}

export interface SlackChannel extends ChannelBase {
  readonly type: 'slack'
  /** An incoming webhook; it is a secret as a whole. */
  readonly url: string
}

export interface TeamsChannel extends ChannelBase {
  readonly type: 'teams'
  /** Of a workflow "when a webhook request is received"; its signature makes it a secret. */
  readonly url: string
}

export interface PagerdutyChannel extends ChannelBase {
  readonly type: 'pagerduty'
  readonly url: string
  readonly routingKey: string
}

export interface OpsgenieChannel extends ChannelBase {
  readonly type: 'opsgenie'
  /** Base of the API. */
  readonly url: string
  readonly apiKey: string
}

export type MailSecurity = 'tls' | 'starttls' | 'none'

export interface EmailChannel extends ChannelBase {
  readonly type: 'email'
  readonly to: readonly string[]
  /** Absent: the node's own (`alerts.smtpFrom`). */
  readonly from?: string
  /** Absent: the mail server of the node's settings. */
  readonly server?: MailServer
}

export interface MailServer {
  readonly host: string
  readonly port: number
  readonly security: MailSecurity
  readonly user?: string
  readonly password?: string
}

export type ChannelType = AlertChannel['type']

/** What is shown in place of a secret; sent back, it stands for the one that is kept. */
export const MASK = '********'

/** Texts that nobody may see: in logs, events, answers. */
function secretsOf(channel: AlertChannel): string[] {
  switch (channel.type) {
    case 'webhook':
      return [
        ...(channel.secret === undefined ? [] : [channel.secret]),
        ...Object.values(channel.headers),
        ...new URL(channel.url).searchParams.values(),
      ].filter((secret) => secret !== '')
    case 'slack':
    case 'teams': {
      const { pathname, search } = new URL(channel.url)
      return [channel.url, pathname + search, search, pathname].filter((secret) => secret.length > 1)
    }
    case 'pagerduty':
      return [channel.routingKey]
    case 'opsgenie':
      return [channel.apiKey]
    case 'email':
      return channel.server?.password === undefined ? [] : [channel.server.password]
  }
}

/** `text` without the secrets of the channel, for what receivers answer. */
export function withoutSecrets(text: string, channel: AlertChannel): string {
  let clean = text
  // The longest first: one may be a part of another.
  for (const secret of secretsOf(channel).sort((a, b) => b.length - a.length)) {
    if (secret.length >= 4) clean = clean.replaceAll(secret, MASK)
  }
  return clean
}

/** Its URL without what is secret in it. */
export function shownUrl(type: ChannelType, url: string): string {
  const parsed = new URL(url)
  if (type === 'slack' || type === 'teams') return `${parsed.origin}/${MASK}`
  const query = [...parsed.searchParams.keys()].map((name) => `${encodeURIComponent(name)}=${MASK}`).join('&')
  return parsed.origin + parsed.pathname + (query === '' ? '' : `?${query}`)
}

/** The channel as people see it, in the form in which it is defined; every secret is MASK. */
export function shownChannel(channel: AlertChannel): Record<string, unknown> {
  const { fallbackAfterMs, ...rest } = channel
  const base = { ...rest, fallbackAfter: `${fallbackAfterMs / 1000}s` }
  switch (channel.type) {
    case 'webhook':
      return {
        ...base,
        url: shownUrl(channel.type, channel.url),
        ...(channel.secret === undefined ? {} : { secret: MASK }),
        headers: Object.fromEntries(Object.keys(channel.headers).map((name) => [name, MASK])),
      }
    case 'slack':
    case 'teams':
      return { ...base, url: shownUrl(channel.type, channel.url) }
    case 'pagerduty':
      return { ...base, url: shownUrl(channel.type, channel.url), routingKey: MASK }
    case 'opsgenie':
      return { ...base, url: shownUrl(channel.type, channel.url), apiKey: MASK }
    case 'email': {
      const { server } = channel
      if (server === undefined) return base
      return { ...base, server: { ...server, ...(server.password === undefined ? {} : { password: MASK }) } }
    }
  }
}

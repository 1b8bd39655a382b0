import { WeirError } from '../../base/errors.ts'
import { isTenantName } from '../../base/ids.ts'
import {
  ALERT_CHANNEL_HEADERS_MAX,
  ALERT_CHANNEL_RATE_MAX,
  ALERT_CHANNEL_RECIPIENTS_MAX,
  ALERT_CHANNEL_TEXT_CHARS_MAX,
  ALERT_FALLBACK_AFTER_MS,
  ALERT_TEMPLATE_CHARS_MAX,
  ALERT_URL_CHARS_MAX,
} from '../../base/notify-limits.ts'
import { plainText } from './bounded-notification.ts'
import { type AlertChannel, type ChannelType, MASK, type MailSecurity, type MailServer, shownUrl } from './channel.ts'
import { checkTemplate } from './template.ts'

/** Messages a minute where the channel does not say; below what the vendor takes. */
const RATES: Readonly<Record<ChannelType, number>> = {
  webhook: 600,
  slack: 60,
  teams: 60,
  pagerduty: 120,
  opsgenie: 120,
  email: 60,
}
const COMMON_FIELDS = ['id', 'name', 'type', 'enabled', 'sendResolved', 'ratePerMinute', 'fallback', 'fallbackAfter']
const FIELDS: Readonly<Record<ChannelType, readonly string[]>> = {
  webhook: ['url', 'secret', 'headers', 'template', 'contentType'],
  slack: ['url'],
  teams: ['url'],
  pagerduty: ['url', 'routingKey'],
  opsgenie: ['url', 'apiKey'],
  email: ['to', 'from', 'server'],
}
const SERVER_FIELDS = ['host', 'port', 'security', 'user', 'password']
const PAGERDUTY_URL = 'https://events.pagerduty.com/v2/enqueue'
const OPSGENIE_URL = 'https://api.opsgenie.com'
const PORTS: Readonly<Record<MailSecurity, number>> = { tls: 465, starttls: 587, none: 25 }
/** RFC 9110 token, and field values without control characters. */
const HEADER_NAME = /^[!#$%&'*+.^_`|~\w-]{1,64}$/
const HEADER_VALUE = /^[\t\x20-\x7e]{0,1024}$/
/** Set by us, or by the protocol. */
const OWN_HEADERS =
  /^(?:host|content-length|content-type|transfer-encoding|connection|upgrade|te|trailer|expect|keep-alive|proxy-.*|webhook-.*|weir-.*|idempotency-key)$/i
/** Only plain addresses: quotes, comments and several in one have no use here but harm. */
const MAIL_ADDRESS = /^[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[a-z0-9](?:[a-z0-9-]{0,62})(?:\.[a-z0-9-]{1,63})*$/i
const HOST_NAME =
  /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]*[a-z0-9])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9])?)*\.?$|^[0-9a-f:.]+$/i
const CONTENT_TYPE = /^[\w.+-]{1,64}\/[\w.+-]{1,64}(?:; ?charset=[\w-]{1,32})?$/
const LOOPBACK_HOST = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/

/**
 * The channel that a definition describes, in the shape that `shownChannel` gives. Where it has a MASK, the secret of `before` is kept, unless it would go
 * to another place than before. Throws invalid_parameter with the path of what is wrong.
 */
export function normaliseChannel(id: string, definition: unknown, before?: AlertChannel): AlertChannel {
  if (!isTenantName(id)) {
    throw invalid('id', 'must be 1 to 64 letters, digits, `_`, `.` or `-`, beginning with a letter or digit')
  }
  const given = new Fields('', definition)
  const type = given.choice('type', Object.keys(FIELDS) as ChannelType[])
  given.only([...COMMON_FIELDS, ...FIELDS[type]])
  if (given.has('id') && given.text('id') !== id) throw invalid('id', `must be ${id}, as in the address`)
  const fallback = given.has('fallback') ? given.text('fallback') : undefined
  if (fallback === id) throw invalid('fallback', 'must be another channel')
  const base = {
    id,
    name: given.has('name') ? plainText(given.text('name')) : id,
    enabled: given.flag('enabled', true),
    sendResolved: given.flag('sendResolved', true),
    ratePerMinute: given.integer('ratePerMinute', 1, ALERT_CHANNEL_RATE_MAX, RATES[type]),
    ...(fallback === undefined ? {} : { fallback }),
    fallbackAfterMs: given.duration('fallbackAfter', ALERT_FALLBACK_AFTER_MS),
  }
  const old = before?.type === type ? before : undefined
  switch (type) {
    case 'webhook': {
      const known = old?.type === 'webhook' ? old : undefined
      const url = urlOf(given, undefined, type, known?.url)
      const keep = new KeptSecrets(known === undefined || originOf(known.url) === originOf(url))
      const secret = keep.optional(given, 'secret', known?.secret)
      const headers = headersOf(given, known?.headers ?? {}, keep)
      const template = given.has('template') ? given.text('template', ALERT_TEMPLATE_CHARS_MAX) : undefined
      const contentType = given.has('contentType') ? given.text('contentType') : 'application/json'
      if (!CONTENT_TYPE.test(contentType))
        throw invalid('contentType', 'must be a media type, such as application/json')
      if (template === undefined && contentType !== 'application/json') {
        throw invalid('contentType', 'needs a `template`: the body is JSON without one')
      }
      if (template !== undefined) checkTemplate(template, contentType)
      return {
        ...base,
        type,
        url,
        ...(secret === undefined ? {} : { secret }),
        headers,
        ...(template === undefined ? {} : { template }),
        contentType,
      }
    }
    case 'slack':
    case 'teams':
      return { ...base, type, url: urlOf(given, undefined, type, old?.type === type ? old.url : undefined) }
    case 'pagerduty': {
      const known = old?.type === 'pagerduty' ? old : undefined
      const url = urlOf(given, PAGERDUTY_URL, type, known?.url)
      const keep = new KeptSecrets(known === undefined || originOf(known.url) === originOf(url))
      return { ...base, type, url, routingKey: keep.required(given, 'routingKey', known?.routingKey) }
    }
    case 'opsgenie': {
      const known = old?.type === 'opsgenie' ? old : undefined
      const url = urlOf(given, OPSGENIE_URL, type, known?.url).replace(/\/+$/, '')
      const keep = new KeptSecrets(known === undefined || originOf(known.url) === originOf(url))
      return { ...base, type, url, apiKey: keep.required(given, 'apiKey', known?.apiKey) }
    }
    case 'email': {
      const known = old?.type === 'email' ? old : undefined
      const from = given.has('from') ? mailAddress('from', given.text('from')) : undefined
      const server = given.has('server') ? serverOf(given.object('server', SERVER_FIELDS), known?.server) : undefined
      return {
        ...base,
        type,
        to: given.texts('to', ALERT_CHANNEL_RECIPIENTS_MAX).map((address, i) => mailAddress(`to[${i}]`, address)),
        ...(from === undefined ? {} : { from }),
        ...(server === undefined ? {} : { server }),
      }
    }
  }
}

/** An id made of a name: `Slack: Ops!` becomes `slack-ops`; undefined where nothing is left. */
export function channelIdOf(name: string): string | undefined {
  if (isTenantName(name)) return name
  const id = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
    .slice(0, 64)
  return isTenantName(id) ? id : undefined
}

function urlOf(given: Fields, otherwise: string | undefined, type: ChannelType, before: string | undefined): string {
  if (!given.has('url') && otherwise !== undefined) return otherwise
  const text = given.text('url', ALERT_URL_CHARS_MAX)
  if (text.includes(MASK)) {
    if (before !== undefined && text === shownUrl(type, before)) return before
    throw invalid('url', 'has masked parts that are not those of the present URL; send it whole')
  }
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw invalid('url', 'must be an absolute URL')
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw invalid('url', 'must begin with https:// or http://')
  if (url.username !== '' || url.password !== '') {
    throw invalid('url', 'must have no user and password in it; use `headers`, whose values are not shown')
  }
  if (url.protocol === 'http:' && type !== 'webhook' && !LOOPBACK_HOST.test(url.hostname)) {
    throw invalid('url', 'must begin with https://, as a secret goes with each message')
  }
  url.hash = ''
  return url.href
}

function originOf(url: string): string {
  return new URL(url).origin
}

function headersOf(given: Fields, before: Readonly<Record<string, string>>, keep: KeptSecrets): Record<string, string> {
  if (!given.has('headers')) return {}
  const headers = given.object('headers')
  const names = headers.names
  if (names.length > ALERT_CHANNEL_HEADERS_MAX) throw invalid('headers', `may be ${ALERT_CHANNEL_HEADERS_MAX}`)
  const lowered = new Set(names.map((name) => name.toLowerCase()))
  if (lowered.size < names.length) throw invalid('headers', 'has a name twice')
  return Object.fromEntries(
    names.map((name) => {
      const path = `headers.${name}`
      if (!HEADER_NAME.test(name)) throw invalid('headers', 'has a name that no header field can have')
      if (OWN_HEADERS.test(name)) throw invalid(path, 'is not for channels to set')
      const value = keep.required(headers, name, Object.hasOwn(before, name) ? before[name] : undefined)
      if (!HEADER_VALUE.test(value)) throw invalid(path, 'must be at most 1024 printable ASCII characters')
      return [name, value]
    }),
  )
}

function serverOf(given: Fields, before: MailServer | undefined): MailServer {
  const host = given.text('host').toLowerCase()
  if (!HOST_NAME.test(host)) throw invalid('server.host', 'must be the name or address of a host')
  const security = given.choice('security', ['tls', 'starttls', 'none'] as const, 'starttls')
  const port = given.integer('port', 1, 65_535, PORTS[security])
  const isSame = before?.host === host && before.port === port && before.security === security
  const keep = new KeptSecrets(before === undefined || isSame)
  const user = given.has('user') ? given.text('user') : undefined
  const password = keep.optional(given, 'password', before?.password)
  if ((user === undefined) !== (password === undefined))
    throw invalid('server', 'needs both user and password, or neither')
  if (password !== undefined && security === 'none' && !LOOPBACK_HOST.test(host)) {
    throw invalid('server.security', 'must be tls or starttls where a password is sent')
  }
  return {
    host,
    port,
    security,
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { password }),
  }
}

function mailAddress(path: string, text: string): string {
  if (!MAIL_ADDRESS.test(text)) throw invalid(path, 'must be a mail address alone, such as ops@example.com')
  return text
}

/** Secrets that a mask stands for. Who may not see them may not send them elsewhere either. */
class KeptSecrets {
  readonly #isSamePlace: boolean

  constructor(isSamePlace: boolean) {
    this.#isSamePlace = isSamePlace
  }

  optional(given: Fields, name: string, before: string | undefined): string | undefined {
    return given.has(name) ? this.required(given, name, before) : undefined
  }

  required(given: Fields, name: string, before: string | undefined): string {
    const text = given.text(name)
    if (text !== MASK) return text
    if (before === undefined) throw invalid(given.path(name), 'is masked, and there is none that it could stand for')
    if (!this.#isSamePlace)
      throw invalid(given.path(name), 'must be sent again, as it goes to another place than before')
    return before
  }
}

/** Reads an object of JSON, field by field. */
class Fields {
  readonly #at: string
  readonly #fields: Readonly<Record<string, unknown>>

  constructor(at: string, value: unknown) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw invalid(at === '' ? 'body' : at, 'must be an object')
    }
    this.#at = at
    this.#fields = value as Record<string, unknown>
  }

  get names(): string[] {
    return Object.keys(this.#fields)
  }

  path(name: string): string {
    return this.#at === '' ? name : `${this.#at}.${name}`
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#fields, name) && this.#fields[name] !== null
  }

  only(known: readonly string[]): this {
    const unknown = this.names.find((name) => !known.includes(name))
    if (unknown !== undefined) {
      throw invalid(this.path(plainText(unknown, 64)), `is not known here; there are ${known.join(', ')}`)
    }
    return this
  }

  object(name: string, known?: readonly string[]): Fields {
    const fields = new Fields(this.path(name), this.#fields[name])
    return known === undefined ? fields : fields.only(known)
  }

  text(name: string, charsMax = ALERT_CHANNEL_TEXT_CHARS_MAX): string {
    const value = this.has(name) ? this.#fields[name] : undefined
    if (typeof value !== 'string' || value === '' || value.length > charsMax) {
      throw invalid(this.path(name), `must be text of 1 to ${charsMax} characters`)
    }
    return value
  }

  texts(name: string, countMax: number): string[] {
    const value = this.#fields[name]
    const list = typeof value === 'string' ? [value] : value
    if (
      !Array.isArray(list) ||
      list.length === 0 ||
      list.length > countMax ||
      list.some((one) => typeof one !== 'string')
    ) {
      throw invalid(this.path(name), `must be a list of 1 to ${countMax} texts`)
    }
    return list as string[]
  }

  flag(name: string, otherwise: boolean): boolean {
    if (!this.has(name)) return otherwise
    const value = this.#fields[name]
    if (typeof value !== 'boolean') throw invalid(this.path(name), 'must be true or false')
    return value
  }

  integer(name: string, min: number, max: number, otherwise: number): number {
    if (!this.has(name)) return otherwise
    const value = this.#fields[name]
    if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
      throw invalid(this.path(name), `must be an integer from ${min} to ${max}`)
    }
    return value as number
  }

  choice<T extends string>(name: string, choices: readonly T[], otherwise?: T): T {
    if (!this.has(name) && otherwise !== undefined) return otherwise
    const value = this.#fields[name]
    const found = choices.find((choice) => choice === value)
    if (found === undefined) throw invalid(this.path(name), `must be one of ${choices.join(', ')}`)
    return found
  }

  /** `90s`, `5m`, `1h`, to milliseconds; at most a day. */
  duration(name: string, otherwiseMs: number): number {
    if (!this.has(name)) return otherwiseMs
    const [, count, unit] = /^(\d{1,5})(s|m|h)$/.exec(this.text(name)) ?? []
    const ms = Number(count) * (unit === 's' ? 1000 : unit === 'm' ? 60_000 : 3_600_000)
    if (!(ms <= 86_400_000)) throw invalid(this.path(name), 'must be a duration up to 24h, such as 90s, 5m or 1h')
    return ms
  }
}

function invalid(path: string, problem: string): WeirError {
  return new WeirError('invalid_parameter', `${path} ${problem}`, { parameter: path })
}

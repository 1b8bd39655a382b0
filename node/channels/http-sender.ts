import { type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { LookupFunction } from 'node:net'
import { type AttemptFailure, type AttemptResult, isFinalStatus } from '../../alerts/notify/attempt-result.ts'
import { plainText } from '../../alerts/notify/bounded-notification.ts'
import type { HttpMessage } from '../../alerts/notify/channel-message.ts'
import type { Clock } from '../../base/clock.ts'
import { ALERT_ANSWER_BYTES_MAX, ALERT_RETRY_AFTER_MAX_MS } from '../../base/notify-limits.ts'
import { checkedAddresses, type HostAddress, RefusedTarget, type ResolveHost } from './address-guard.ts'
import { signatureHeaders } from './webhook-signature.ts'

export interface AttemptOptions {
  readonly clock: Clock
  readonly resolve: ResolveHost
  readonly allowPrivate: boolean
  /** For DNS, connection, TLS, request and answer together. */
  readonly timeoutMs: number
  /** Certificates (PEM) to trust beside those of the system. */
  readonly ca: readonly string[] | undefined
  readonly version: string
  /** Takes secrets out of what a receiver says. */
  readonly redact: (text: string) => string
}

/** What an answer that takes the message still has to say is of no use; so long it may end by itself. */
const LINGER_MS = 1000
const DETAIL_CHARS_MAX = 200

/**
 * One POST, to an address that was checked, following nothing (A4). Never rejects: what went wrong is in the result. Of an answer at most 64 KiB are
 * read.
 */
export async function sendHttp(
  message: HttpMessage,
  options: AttemptOptions,
  signal: AbortSignal,
): Promise<AttemptResult> {
  const { clock, timeoutMs } = options
  const startedMs = clock.monotonicMs()
  const ended = new AbortController()
  const timer = clock.after(timeoutMs, () => ended.abort(new AttemptTimeout(timeoutMs)))
  const bounded = AbortSignal.any([signal, ended.signal])
  try {
    const answer = await exchange(message, options, bounded)
    return { ...answer, tookMs: clock.monotonicMs() - startedMs }
  } catch (error) {
    const reason = bounded.aborted ? bounded.reason : error
    return { ...failureOf(reason), tookMs: clock.monotonicMs() - startedMs }
  } finally {
    timer.cancel()
  }
}

class AttemptTimeout extends Error {
  constructor(timeoutMs: number) {
    super(`no answer within ${timeoutMs / 1000} s`)
  }
}

async function exchange(message: HttpMessage, options: AttemptOptions, signal: AbortSignal): Promise<AttemptResult> {
  const { clock, version, ca } = options
  const url = new URL(message.url)
  const addresses = await unlessAborted(checkedAddresses(url.hostname, options.allowPrivate, options.resolve), signal)
  if (addresses.length === 0) throw Object.assign(new Error('the name has no address'), { code: 'ENOTFOUND' })
  const body = Buffer.from(message.body)
  const { signature } = message
  const headers = {
    ...message.headers,
    ...(signature === undefined ? {} : signatureHeaders(signature.id, message.body, signature.secret, clock.nowMs())),
    'user-agent': `Weir/${version}`,
    'content-length': String(body.length),
    accept: 'application/json, text/plain, */*',
  }
  const isTls = url.protocol === 'https:'
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const request = (isTls ? requestHttps : requestHttp)(url, {
      method: 'POST',
      headers,
      // A connection of its own: none is left open to where the name no longer points.
      agent: false,
      lookup: lookupOf(addresses),
      signal,
      ...(isTls ? { rejectUnauthorized: true, ...(ca === undefined ? {} : { ca: [...ca] }) } : {}),
    })
    request.once('response', resolve)
    request.once('error', reject)
    request.end(body)
  })
  const status = response.statusCode ?? 0
  if (status >= 200 && status < 300) {
    // Delivered: the status says so, whatever becomes of the rest.
    const timer = clock.after(LINGER_MS, () => response.destroy())
    await readAnswer(response).catch(() => undefined)
    timer.cancel()
    return { delivered: true, status, tookMs: 0 }
  }
  const answer = options.redact(await readAnswer(response).catch(() => ''))
  return refusal(status, response, answer, clock.nowMs())
}

function refusal(status: number, response: IncomingMessage, answer: string, nowMs: number): AttemptFailure {
  const { location } = response.headers
  const failure = { delivered: false as const, status, tookMs: 0 }
  if (status >= 300 && status < 400) {
    const to = location === undefined ? '' : ` to ${plainText(originOf(location), DETAIL_CHARS_MAX)}`
    return {
      ...failure,
      reason: 'redirect',
      detail: `${status}: redirected${to}; redirects are not followed`,
      isFinal: false,
    }
  }
  const said = plainText(answer.trim(), DETAIL_CHARS_MAX)
  const detail = `${status}${said === '' ? '' : `: ${said}`}`
  const retryAfterMs = retryAfterOf(response.headers['retry-after'], nowMs)
  return {
    ...failure,
    reason: status === 429 ? 'rateLimited' : 'status',
    detail,
    isFinal: isFinalStatus(status),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  }
}

/** Where a redirect leads, without what may be secret in it. */
function originOf(location: string): string {
  return URL.canParse(location) ? new URL(location).origin : 'another path'
}

/** Seconds, or a date (RFC 9110, 10.2.3); at most an hour. */
function retryAfterOf(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined
  const ms = /^\d{1,9}$/.test(header) ? Number(header) * 1000 : Date.parse(header) - nowMs
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), ALERT_RETRY_AFTER_MAX_MS)
}

async function readAnswer(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  let length = 0
  for await (const part of response as AsyncIterable<Buffer>) {
    parts.push(part)
    length += part.length
    if (length >= ALERT_ANSWER_BYTES_MAX) break
  }
  return Buffer.concat(parts).subarray(0, ALERT_ANSWER_BYTES_MAX).toString()
}

/** Answers with what was checked, so that nobody asks a second time. */
export function lookupOf(addresses: readonly HostAddress[]): LookupFunction {
  return (_host, options, callback) => {
    if (options.all === true) callback(null, [...addresses])
    else callback(null, addresses[0]!.address, addresses[0]!.family)
  }
}

/** What an error of the network, of TLS or of the guard says about an attempt. */
export function failureOf(error: unknown): AttemptFailure {
  const failure = { delivered: false as const, isFinal: false, tookMs: 0 }
  if (error instanceof RefusedTarget) {
    return { ...failure, reason: 'refusedTarget', detail: plainText(error.message), isFinal: true }
  }
  if (error instanceof AttemptTimeout) return { ...failure, reason: 'timeout', detail: error.message }
  const { code = '', message = String(error) } = error as { code?: string; message?: string }
  const detail = plainText(message === '' ? code : message)
  if (/^(?:ENOTFOUND|EAI_\w+|EDNS|ENODATA)$/.test(code)) return { ...failure, reason: 'dns', detail }
  // nodemailer puts a code of its own over that of TLS.
  const isTls =
    /TLS|SSL|CERT|SELF_SIGNED|SIGNATURE|EPROTO/.test(code) || /certificate|SSL routines|Hostname\/IP/.test(message)
  if (isTls) return { ...failure, reason: 'tls', detail }
  if (/^(?:ETIMEDOUT|ESOCKETTIMEDOUT|ABORT_ERR)$/.test(code)) return { ...failure, reason: 'timeout', detail }
  return { ...failure, reason: 'connection', detail }
}

/** Rejects with the signal's reason as soon as that aborts. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  const { promise, reject } = Promise.withResolvers<never>()
  const onAbort = () => reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  work.catch(() => undefined)
  try {
    return await Promise.race([work, promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

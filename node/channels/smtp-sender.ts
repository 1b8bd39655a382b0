import { connect, isIP, type Socket } from 'node:net'
import { createTransport, type SMTPTransportOptions } from 'nodemailer'
import type { AttemptFailure, AttemptResult } from '../../alerts/notify/attempt-result.ts'
import { plainText } from '../../alerts/notify/bounded-notification.ts'
import type { MailServer } from '../../alerts/notify/channel.ts'
import type { MailMessage } from '../../alerts/notify/channel-message.ts'
import { checkedAddresses, type HostAddress } from './address-guard.ts'
import { type AttemptOptions, failureOf, lookupOf, unlessAborted } from './http-sender.ts'

/** Where mail goes that names no server of its own: the operator's, who may have it in a private network. */
export interface MailDefaults {
  readonly server: MailServer | undefined
  readonly from: string | undefined
}

/** Commands of a mail server are short. */
const ANSWER_BYTES_MAX = 16 * 1024

/**
 * Hands one mail to a server (RFC 5321), over a connection to an address that was checked. Never rejects. That some recipients were refused is
 * said in the detail of the result, as the others have it.
 */
export async function sendMail(
  message: MailMessage,
  defaults: MailDefaults,
  options: AttemptOptions,
  signal: AbortSignal,
): Promise<AttemptResult> {
  const { clock, timeoutMs } = options
  const startedMs = clock.monotonicMs()
  const took = () => clock.monotonicMs() - startedMs
  const server = message.server ?? defaults.server
  const from = message.from ?? defaults.from
  if (server === undefined)
    return { ...unfit('the channel names no mail server, and alerts.smtpHost is not set'), tookMs: took() }
  if (from === undefined)
    return { ...unfit('the channel has no `from`, and alerts.smtpFrom is not set'), tookMs: took() }
  const ended = new AbortController()
  const timer = clock.after(timeoutMs, () => ended.abort())
  const bounded = AbortSignal.any([signal, ended.signal])
  let socket: Socket | undefined
  try {
    const isOwn = message.server === undefined
    const addresses = await unlessAborted(
      checkedAddresses(server.host, options.allowPrivate || isOwn, options.resolve),
      bounded,
    )
    socket = await unlessAborted(connected(server, addresses), bounded)
    const transport = createTransport(transportOptions(server, socket, options))
    const domain = from.slice(from.indexOf('@') + 1)
    const info = await transport.sendMail({
      from,
      to: [...message.to],
      envelope: { from, to: [...message.to] },
      subject: message.subject,
      text: message.text,
      html: message.html,
      messageId: `<${message.id}@${domain}>`,
      ...(message.follows === undefined
        ? {}
        : { inReplyTo: `<${message.follows}@${domain}>`, references: `<${message.follows}@${domain}>` }),
      headers: { ...message.headers },
      date: new Date(clock.nowMs()),
      disableFileAccess: true,
      disableUrlAccess: true,
      signal: bounded,
    })
    const refused = info.rejected.length
    return {
      delivered: true,
      status: 250,
      ...(refused === 0 ? {} : { detail: `${refused} of ${message.to.length} recipients were refused` }),
      tookMs: took(),
    }
  } catch (error) {
    if (ended.signal.aborted) {
      const detail = `no answer within ${timeoutMs / 1000} s`
      return { delivered: false, reason: 'timeout', detail, isFinal: false, tookMs: took() }
    }
    return { ...smtpFailure(error, options.redact), tookMs: took() }
  } finally {
    timer.cancel()
    socket?.destroy()
  }
}

function transportOptions(
  server: MailServer,
  connection: Socket,
  { timeoutMs, ca }: AttemptOptions,
): SMTPTransportOptions {
  const { host, port, security, user, password } = server
  return {
    host,
    port,
    secure: security === 'tls',
    requireTLS: security === 'starttls',
    ignoreTLS: security === 'none',
    tls: {
      ...(isIP(host) === 0 ? { servername: host } : {}),
      rejectUnauthorized: true,
      ...(ca === undefined ? {} : { ca: [...ca] }),
    },
    ...(user === undefined ? {} : { auth: { user, pass: password ?? '' } }),
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    maxResponseSize: ANSWER_BYTES_MAX,
    connection,
  }
}

async function connected(server: MailServer, addresses: readonly HostAddress[]): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const socket = connect({ host: server.host, port: server.port, lookup: lookupOf(addresses) })
  socket.once('connect', resolve)
  socket.once('error', reject)
  try {
    await promise
    return socket
  } finally {
    socket.off('error', reject)
  }
}

function smtpFailure(error: unknown, redact: (text: string) => string): AttemptFailure {
  const {
    code = '',
    responseCode,
    response = '',
  } = error as { code?: string; responseCode?: number; response?: string }
  if (code === 'ETLS') return { ...failureOf(error), reason: 'tls' }
  if (responseCode === undefined) return failureOf(error)
  return {
    delivered: false,
    reason: responseCode === 421 || responseCode === 450 ? 'rateLimited' : 'rejected',
    detail: plainText(redact(response === '' ? (error as Error).message : response), 200),
    status: responseCode,
    // Credentials are mended; a mail that was refused once and for all (5yz) is not.
    isFinal: responseCode >= 500 && code !== 'EAUTH',
    tookMs: 0,
  }
}

function unfit(detail: string): AttemptFailure {
  return { delivered: false, reason: 'rejected', detail, isFinal: true, tookMs: 0 }
}

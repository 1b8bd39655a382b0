import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { normaliseChannel } from '../../../../alerts/notify/channel-definition.ts'
import type { AlertNotification } from '../../../../alerts/notify/notification.ts'
import { systemClock } from '../../../../base/clock.ts'
import { ChannelSender, type ChannelSenderOptions } from '../../../../node/channels/channel-sender.ts'
import { notificationOf } from '../../../harness/alert-notification.ts'
import { startMailReceiver } from '../../../harness/mail-receiver.ts'
import { testCertificate } from '../../../harness/test-certificate.ts'

const FROM_TO = { type: 'email', from: 'weir@example.com', to: ['ops@example.com', 'duty@example.com'] }

function send(
  server: Record<string, unknown> | undefined,
  options: Partial<ChannelSenderOptions> = {},
  changes: Partial<AlertNotification> = {},
) {
  const channel = normaliseChannel('mail', { ...FROM_TO, ...(server === undefined ? {} : { server }) })
  const mail = { server: undefined, from: undefined }
  const sender = new ChannelSender({ clock: systemClock, version: '1', allowPrivate: true, mail, ...options })
  return sender.send(channel, notificationOf(changes), new AbortController().signal)
}

describe('A mail', () => {
  test('goes to all recipients, as text and HTML, under a stable Message-ID', async (t) => {
    const receiver = await startMailReceiver(t)
    const server = { host: '127.0.0.1', port: receiver.port, security: 'none' }
    const result = await send(server)
    assert.ok(result.delivered, JSON.stringify(result))
    const [mail] = receiver.mails
    assert.equal(mail!.from, 'weir@example.com')
    assert.deepEqual(mail!.to, ['ops@example.com', 'duty@example.com'])
    assert.match(mail!.text, /^Subject: \[P0\] FIRING: Checkout errors \(region=eu-1\)\r$/m)
    assert.match(mail!.text, /^Message-ID: <f1e2d3c4b5a69788\.fired@example\.com>\r$/m)
    assert.match(mail!.text, /^Auto-Submitted: auto-generated\r$/m)
    assert.match(mail!.text, /^X-Weir-Firing-ID: f1e2d3c4b5a69788\r$/m)
    assert.match(mail!.text, /Content-Type: text\/plain/)
    assert.match(mail!.text, /Content-Type: text\/html/)
    assert.match(mail!.text.replaceAll('=\r\n', ''), /card refused: timeout after 3000 ms/)
    await send(server, {}, { kind: 'resolved', resolvedMs: 0 })
    assert.match(receiver.mails[1]!.text, /^In-Reply-To: <f1e2d3c4b5a69788\.fired@example\.com>\r$/m)
    assert.match(receiver.mails[1]!.text, /^Subject: \[P0\] RESOLVED: /m)
  })

  test('has no header field, no recipient and no mark-up that a log line or a name brings', async (t) => {
    const receiver = await startMailReceiver(t)
    const nasty = 'x\r\nBcc: all@example.com\r\n\r\n.\r\nRCPT TO:<all@example.com>\r\n<script>alert(1)</script>'
    const line = { ...notificationOf().samples[0]!, message: nasty }
    const rule = { ...notificationOf().rule, name: nasty, severity: nasty }
    const result = await send(
      { host: '127.0.0.1', port: receiver.port, security: 'none' },
      {},
      { rule, samples: [line] },
    )
    assert.ok(result.delivered)
    assert.deepEqual(receiver.mails[0]!.to, ['ops@example.com', 'duty@example.com'])
    const header = receiver.mails[0]!.text.split('\r\n\r\n')[0]!
    assert.doesNotMatch(header, /^Bcc:/im)
    const html = receiver.mails[0]!.text.split('Content-Type: text/html')[1]!
    assert.match(html, /&#60;script/)
    assert.doesNotMatch(html, /<script/)
    assert.equal(receiver.mails.length, 1)
  })

  test('goes over TLS after STARTTLS, with credentials, where the certificate is good only', async (t) => {
    const tls = testCertificate()
    const receiver = await startMailReceiver(t, tls)
    const server = { host: '127.0.0.1', port: receiver.port, user: 'weir', password: 'hush' }
    const untrusted = await send(server)
    assert.ok(!untrusted.delivered && untrusted.reason === 'tls', JSON.stringify(untrusted))
    assert.equal(receiver.mails.length, 0)
    const result = await send(server, { ca: [tls.certificate] })
    assert.ok(result.delivered, JSON.stringify(result))
    assert.deepEqual([receiver.mails[0]!.overTls, receiver.mails[0]!.login], [true, 'weir hush'])
  })

  test('does not go in the clear where STARTTLS is wanted and not offered', async (t) => {
    const receiver = await startMailReceiver(t)
    const result = await send({ host: '127.0.0.1', port: receiver.port, user: 'weir', password: 'hush' })
    assert.ok(!result.delivered && result.reason === 'tls', JSON.stringify(result))
    assert.equal(receiver.mails.length, 0)
  })

  test('goes by the mail server of the node, which may be private, where the channel names none', async (t) => {
    const receiver = await startMailReceiver(t)
    const server = { host: '127.0.0.1', port: receiver.port, security: 'none' as const }
    const result = await send(undefined, { allowPrivate: false, mail: { server, from: undefined } })
    assert.ok(result.delivered)
    const without = await send(undefined)
    assert.ok(!without.delivered && without.isFinal)
    assert.match(without.detail, /alerts\.smtpHost/)
  })

  test('does not go to a private server that a channel names', async (t) => {
    const receiver = await startMailReceiver(t)
    const server = { host: '127.0.0.1', port: receiver.port, security: 'none' }
    const result = await send(server, { allowPrivate: false })
    assert.ok(!result.delivered && result.reason === 'refusedTarget')
  })
})

describe('A mail server that refuses', () => {
  for (const [command, answer, reason, isFinal] of [
    ['MAIL', '451 try later', 'rejected', false],
    ['MAIL', '421 too busy', 'rateLimited', false],
    ['RCPT', '550 no such user', 'rejected', true],
    ['DATA', '554 no', 'rejected', true],
    ['.', '452 full', 'rejected', false],
  ] as const) {
    test(`${command}: ${answer}`, async (t) => {
      const receiver = await startMailReceiver(t)
      receiver.answers.set(command, answer)
      const result = await send({ host: '127.0.0.1', port: receiver.port, security: 'none' })
      assert.ok(!result.delivered, JSON.stringify(result))
      assert.deepEqual([result.reason, result.isFinal, result.status], [reason, isFinal, Number(answer.slice(0, 3))])
    })
  }
  for (const command of ['greeting', 'EHLO', '.']) {
    test(`silence at ${command}`, async (t) => {
      const receiver = await startMailReceiver(t)
      receiver.answers.set(command, undefined)
      const server = { host: '127.0.0.1', port: receiver.port, security: 'none' }
      const result = await send(server, { timeoutMs: 200 })
      assert.ok(!result.delivered && result.reason === 'timeout', JSON.stringify(result))
    })
  }
})

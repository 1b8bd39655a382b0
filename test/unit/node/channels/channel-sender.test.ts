import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { describe, type TestContext, test } from 'node:test'
import { normaliseChannel } from '../../../../alerts/notify/channel-definition.ts'
import { systemClock } from '../../../../base/clock.ts'
import { ALERT_ANSWER_BYTES_MAX } from '../../../../base/notify-limits.ts'
import { ChannelSender, type ChannelSenderOptions } from '../../../../node/channels/channel-sender.ts'
import { notificationOf } from '../../../harness/alert-notification.ts'
import { testCertificate } from '../../../harness/test-certificate.ts'
import { startWebhookReceiver } from '../../../harness/webhook-receiver.ts'

function senderOf(options: Partial<ChannelSenderOptions> = {}): ChannelSender {
  const mail = { server: undefined, from: undefined }
  return new ChannelSender({ clock: systemClock, version: '1.2.3', allowPrivate: true, mail, ...options })
}

function send(definition: Record<string, unknown>, options: Partial<ChannelSenderOptions> = {}, changes = {}) {
  const channel = normaliseChannel('ops', definition)
  return senderOf(options).send(channel, notificationOf(changes), new AbortController().signal)
}

/** Sends to a receiver that answers with `status`. */
async function answered(t: TestContext, status: number, headers: Record<string, string> = {}, body = 'no') {
  const receiver = await startWebhookReceiver(t)
  receiver.answer = (response) => response.writeHead(status, headers).end(body)
  return send({ type: 'webhook', url: `${receiver.url}/hook`, headers: { 'x-token': 'hush-hush' } })
}

describe('A webhook', () => {
  test('is a POST of JSON, signed by the scheme of Standard Webhooks, with the firing id as its key', async (t) => {
    const receiver = await startWebhookReceiver(t)
    const secret = `whsec_${Buffer.from('a key of some bytes').toString('base64')}`
    const headers = { Authorization: 'Bearer abc' }
    const result = await send({ type: 'webhook', url: `${receiver.url}/hook?a=b`, secret, headers })
    assert.deepEqual([result.delivered, result.status], [true, 200])
    const [request] = receiver.requests
    assert.equal(request!.method, 'POST')
    assert.equal(request!.path, '/hook?a=b')
    assert.equal(request!.headers['content-type'], 'application/json')
    assert.equal(request!.headers['user-agent'], 'Weir/1.2.3')
    assert.equal(request!.headers.authorization, 'Bearer abc')
    assert.equal(request!.headers['idempotency-key'], 'f1e2d3c4b5a69788.fired')
    assert.equal(request!.headers['weir-firing-id'], 'f1e2d3c4b5a69788')
    const { 'webhook-id': id, 'webhook-timestamp': seconds, 'webhook-signature': signature } = request!.headers
    assert.equal(id, 'f1e2d3c4b5a69788.fired')
    assert.ok(Math.abs(Number(seconds) - systemClock.nowMs() / 1000) < 60)
    const digest = createHmac('sha256', 'a key of some bytes')
      .update(`${id}.${seconds}.${request!.body}`)
      .digest('base64')
    assert.equal(signature, `v1,${digest}`)
    const body = JSON.parse(request!.body)
    assert.equal(body.firingId, 'f1e2d3c4b5a69788')
    assert.equal(body.kind, 'fired')
    assert.equal(body.rule.name, 'Checkout errors')
    assert.deepEqual(body.group, { region: 'eu-1' })
    assert.equal(body.value, 132)
    assert.deepEqual(body.window, { from: '2026-03-01T10:00:00.000Z', to: '2026-03-01T10:05:00.000Z' })
    assert.equal(body.samples[0].message, 'card refused: timeout after 3000 ms')
    assert.match(body.links.search, /^https:/)
    assert.match(body.links.runbook, /runbooks/)
  })

  test('has the body that its template makes', async (t) => {
    const receiver = await startWebhookReceiver(t)
    const template =
      '{"what":"{{title}}","lines":[{{#each samples}}"{{this.message}}"{{#if last}}{{else}},{{/if}}{{/each}}]}'
    const line = { ...notificationOf().samples[0]!, message: 'say "no"\\\n' }
    await send({ type: 'webhook', url: receiver.url, template }, {}, { samples: [line, line] })
    assert.deepEqual(JSON.parse(receiver.requests[0]!.body), {
      what: '[P0] FIRING: Checkout errors (region=eu-1)',
      lines: ['say "no"\\\n', 'say "no"\\\n'],
    })
  })
})

describe('What the receiver answers decides', () => {
  for (const status of [500, 502, 503, 404, 401, 403, 408]) {
    test(`${status} may pass`, async (t) => {
      const result = await answered(t, status)
      assert.ok(!result.delivered)
      assert.deepEqual([result.reason, result.status, result.isFinal], ['status', status, false])
    })
  }
  for (const status of [400, 410, 413, 422]) {
    test(`${status} is final`, async (t) => {
      const result = await answered(t, status)
      assert.ok(!result.delivered)
      assert.deepEqual([result.reason, result.isFinal], ['status', true])
    })
  }

  test('429 says when to come back, in seconds or by a date, within bounds', async (t) => {
    const result = await answered(t, 429, { 'retry-after': '7' })
    assert.ok(!result.delivered)
    assert.deepEqual([result.reason, result.retryAfterMs, result.isFinal], ['rateLimited', 7000, false])
    const dated = await answered(t, 429, { 'retry-after': new Date(systemClock.nowMs() + 30_000).toUTCString() })
    assert.ok(!dated.delivered && dated.retryAfterMs! > 20_000 && dated.retryAfterMs! <= 30_000)
    const long = await answered(t, 429, { 'retry-after': '99999999' })
    assert.ok(!long.delivered && long.retryAfterMs === 3_600_000)
    const odd = await answered(t, 429, { 'retry-after': 'soon' })
    assert.ok(!odd.delivered && odd.retryAfterMs === undefined)
  })

  test('a redirect is not followed, wherever it leads', async (t) => {
    const receiver = await startWebhookReceiver(t)
    receiver.answer = (response) => response.writeHead(307, { location: `${receiver.url}/again?token=secret` }).end()
    const result = await send({ type: 'webhook', url: receiver.url })
    assert.ok(!result.delivered)
    assert.deepEqual([result.reason, result.isFinal, receiver.requests.length], ['redirect', false, 1])
    assert.match(result.detail, /redirects are not followed/)
    assert.doesNotMatch(result.detail, /secret/)
  })

  test('secrets that it echoes are not told', async (t) => {
    const result = await answered(t, 500, {}, `bad token hush-hush\r\nsecond line ${'x'.repeat(1000)}`)
    assert.ok(!result.delivered)
    assert.match(result.detail, /^500: bad token \*{8} second line x+…$/)
    assert.ok(result.detail.length < 250)
  })

  test('of an endless answer 64 KiB are read', async (t) => {
    const receiver = await startWebhookReceiver(t)
    let written = 0
    receiver.answer = (response) => {
      response.writeHead(500)
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(16_384))) written += 16_384
      }
      response.on('drain', more)
      more()
    }
    const result = await send({ type: 'webhook', url: receiver.url })
    assert.ok(!result.delivered && result.status === 500)
    assert.ok(written < ALERT_ANSWER_BYTES_MAX * 200)
  })

  test('taken is taken, though the answer never ends', async (t) => {
    const receiver = await startWebhookReceiver(t)
    receiver.answer = (response) => void response.writeHead(200).write('so')
    assert.ok((await send({ type: 'webhook', url: receiver.url })).delivered)
  })
})

describe('What keeps a message from arriving is told', () => {
  test('silence', async (t) => {
    const receiver = await startWebhookReceiver(t)
    receiver.answer = () => undefined
    const result = await send({ type: 'webhook', url: receiver.url }, { timeoutMs: 200 })
    assert.ok(!result.delivered)
    assert.deepEqual([result.reason, result.detail, result.isFinal], ['timeout', 'no answer within 0.2 s', false])
  })

  test('a name server that does not answer', async () => {
    const resolve = () => new Promise<never>(() => undefined)
    const result = await send({ type: 'webhook', url: 'https://hooks.example.com' }, { timeoutMs: 100, resolve })
    assert.ok(!result.delivered && result.reason === 'timeout')
  })

  test('nobody there, and no such name', async (t) => {
    const receiver = await startWebhookReceiver(t)
    const port = Number(new URL(receiver.url).port)
    const refused = await send({ type: 'webhook', url: `http://127.0.0.1:${port === 1 ? 2 : 1}` })
    assert.ok(!refused.delivered && refused.reason === 'connection')
    const resolve = () => Promise.reject(Object.assign(new Error('getaddrinfo ENOTFOUND x'), { code: 'ENOTFOUND' }))
    const unknown = await send({ type: 'webhook', url: 'https://x.example' }, { resolve })
    assert.ok(!unknown.delivered && unknown.reason === 'dns' && !unknown.isFinal)
  })

  test('a certificate that nobody vouches for; one that is vouched for is taken', async (t) => {
    const tls = testCertificate()
    const receiver = await startWebhookReceiver(t, tls)
    const result = await send({ type: 'webhook', url: receiver.url })
    assert.ok(!result.delivered)
    assert.deepEqual([result.reason, result.isFinal], ['tls', false])
    assert.equal(receiver.requests.length, 0)
    assert.ok((await send({ type: 'webhook', url: receiver.url }, { ca: [tls.certificate] })).delivered)
    // Of another name.
    const resolve = async () => [{ address: '127.0.0.1', family: 4 as const }]
    const url = receiver.url.replace('127.0.0.1', 'hooks.example.com')
    const misnamed = await send({ type: 'webhook', url }, { ca: [tls.certificate], resolve })
    assert.ok(!misnamed.delivered && misnamed.reason === 'tls', JSON.stringify(misnamed))
  })

  test('plain HTTP where TLS is expected', async (t) => {
    const receiver = await startWebhookReceiver(t)
    const result = await send({ type: 'webhook', url: receiver.url.replace('http:', 'https:') })
    assert.ok(!result.delivered && result.reason === 'tls', JSON.stringify(result))
  })
})

describe('Private targets are refused', () => {
  const refused = [
    'http://127.0.0.1:9',
    'http://[::1]:9',
    'http://2130706433:9',
    'http://0x7f.1:9',
    'http://169.254.169.254',
    'http://[::ffff:10.0.0.1]',
  ]
  for (const url of refused) {
    test(url, async () => {
      const result = await send({ type: 'webhook', url }, { allowPrivate: false })
      assert.ok(!result.delivered)
      assert.deepEqual([result.reason, result.isFinal], ['refusedTarget', true])
    })
  }

  test('addresses of a name too, all of them, and metadata services always', async () => {
    const send2 = (addresses: string[], allowPrivate: boolean) =>
      send(
        { type: 'webhook', url: 'http://hooks.example.com' },
        {
          allowPrivate,
          resolve: async () => addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
        },
      )
    for (const addresses of [['10.0.0.1'], ['93.184.216.34', '192.168.0.1'], ['fd12::1'], ['64:ff9b::7f00:1']]) {
      const result = await send2(addresses, false)
      assert.ok(!result.delivered && result.reason === 'refusedTarget', addresses.join())
    }
    for (const address of [
      '169.254.169.254',
      'fd00:ec2::254',
      '::ffff:169.254.169.254',
      '224.0.0.1',
      'ff02::1',
      '0.0.0.0',
    ]) {
      const result = await send2([address], true)
      assert.ok(!result.delivered && result.reason === 'refusedTarget', address)
    }
  })

  test('a name is asked once: what it answers later changes nothing', async (t) => {
    const receiver = await startWebhookReceiver(t)
    let asked = 0
    const resolve = async () => {
      asked++
      return [{ address: asked === 1 ? '127.0.0.1' : '127.0.0.2', family: 4 as const }]
    }
    const url = receiver.url.replace('127.0.0.1', 'rebind.example.com')
    assert.ok((await send({ type: 'webhook', url }, { resolve })).delivered)
    assert.equal(asked, 1)
    assert.equal(receiver.requests[0]!.headers.host, new URL(url).host)
  })
})

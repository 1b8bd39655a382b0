import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MASK, shownChannel, withoutSecrets } from '../../../../alerts/notify/channel.ts'
import { channelIdOf, normaliseChannel } from '../../../../alerts/notify/channel-definition.ts'

const WEBHOOK = {
  type: 'webhook',
  url: 'https://hooks.example.com/a?token=t0ken',
  secret: 'whsec_aaaa',
  headers: { 'X-Key': 'k3y-value' },
}

function refused(definition: unknown, path: string): void {
  assert.throws(() => normaliseChannel('ops', definition), { code: 'invalid_parameter', details: { parameter: path } })
}

describe('A definition', () => {
  test('gets defaults', () => {
    assert.deepEqual(normaliseChannel('ops', { type: 'pagerduty', routingKey: 'R' }), {
      id: 'ops',
      name: 'ops',
      type: 'pagerduty',
      enabled: true,
      sendResolved: true,
      ratePerMinute: 120,
      fallbackAfterMs: 300_000,
      url: 'https://events.pagerduty.com/v2/enqueue',
      routingKey: 'R',
    })
  })

  const wrong: readonly (readonly [string, unknown, string])[] = [
    ['no object', [], 'body'],
    ['no type', { url: 'https://x' }, 'type'],
    ['an unknown type', { type: 'pager' }, 'type'],
    ['an unknown member', { type: 'slack', url: 'https://x/y', chanel: 'x' }, 'chanel'],
    ['a member of another type', { type: 'slack', url: 'https://x/y', secret: 'x' }, 'secret'],
    ['no URL', { type: 'webhook' }, 'url'],
    ['a URL that is none', { type: 'webhook', url: 'example.com' }, 'url'],
    ['another scheme', { type: 'webhook', url: 'file:///etc/passwd' }, 'url'],
    ['credentials in the URL', { type: 'webhook', url: 'https://user:pass@example.com' }, 'url'],
    ['a secret in the clear', { type: 'slack', url: 'http://hooks.slack.com/services/x' }, 'url'],
    ['a header field within another', { ...WEBHOOK, headers: { A: 'b\r\nC: d' } }, 'headers.A'],
    ['a name of a header field that is none', { ...WEBHOOK, headers: { 'A\r\nB': 'c' } }, 'headers'],
    ['a header field of the protocol', { ...WEBHOOK, headers: { Host: 'other' } }, 'headers.Host'],
    ['a header field of ours', { ...WEBHOOK, headers: { 'webhook-signature': 'v1,x' } }, 'headers.webhook-signature'],
    ['a header field twice', { ...WEBHOOK, headers: { a: '1', A: '2' } }, 'headers'],
    ['a fallback on itself', { ...WEBHOOK, fallback: 'ops' }, 'fallback'],
    ['an endless fallback', { ...WEBHOOK, fallbackAfter: '99h' }, 'fallbackAfter'],
    ['a rate of nothing', { ...WEBHOOK, ratePerMinute: 0 }, 'ratePerMinute'],
    ['a body that is no JSON', { ...WEBHOOK, template: '{"a":{{title}}}' }, 'template'],
    ['another type of body without a template', { ...WEBHOOK, contentType: 'text/plain' }, 'contentType'],
    [
      'a type with a header field in it',
      { ...WEBHOOK, template: 'x', contentType: 'text/plain\r\nX: y' },
      'contentType',
    ],
    ['several addresses in one', { type: 'email', to: ['a@example.com, b@example.com'] }, 'to[0]'],
    ['a header field in an address', { type: 'email', to: ['a@example.com\r\nBcc: b@example.com'] }, 'to[0]'],
    ['nobody', { type: 'email', to: [] }, 'to'],
    ['a user without a password', { type: 'email', to: ['a@b.c'], server: { host: 'mail', user: 'x' } }, 'server'],
    [
      'a password in the clear',
      { type: 'email', to: ['a@b.c'], server: { host: 'mail', security: 'none', user: 'x', password: 'y' } },
      'server.security',
    ],
    ['a host that is none', { type: 'email', to: ['a@b.c'], server: { host: 'a b' } }, 'server.host'],
    ['a mask for nothing', { type: 'opsgenie', apiKey: MASK }, 'apiKey'],
    ['a URL with a mask for nothing', { type: 'slack', url: `https://hooks.slack.com/${MASK}` }, 'url'],
  ]
  for (const [what, definition, path] of wrong) test(`is refused with ${what}`, () => refused(definition, path))
})

describe('Secrets', () => {
  const channels = [
    normaliseChannel('a', WEBHOOK),
    normaliseChannel('b', { type: 'slack', url: 'https://hooks.slack.com/services/T0/B0/s3cret' }),
    normaliseChannel('c', { type: 'teams', url: 'https://prod.example.com/workflows/1?sig=s3cret' }),
    normaliseChannel('d', { type: 'pagerduty', routingKey: 's3cret' }),
    normaliseChannel('e', { type: 'opsgenie', apiKey: 's3cret' }),
    normaliseChannel('f', { type: 'email', to: 'a@b.c', server: { host: 'mail', user: 'u', password: 's3cret' } }),
  ]
  for (const channel of channels) {
    test(`of ${channel.type} are not shown, and what is shown stands for them`, () => {
      const shown = shownChannel(channel)
      assert.doesNotMatch(JSON.stringify(shown), /s3cret|t0ken|k3y-value|whsec_/)
      assert.deepEqual(normaliseChannel(channel.id, JSON.parse(JSON.stringify(shown)), channel), channel)
    })

    test(`of ${channel.type} are taken out of what a receiver says`, () => {
      const said = 'unknown s3cret t0ken k3y-value whsec_aaaa /services/T0/B0/s3cret'
      const values = JSON.stringify(channel)
      const clean = withoutSecrets(said, channel)
      for (const secret of ['s3cret', 't0ken', 'k3y-value', 'whsec_aaaa']) {
        if (values.includes(`"${secret}"`)) assert.ok(!clean.includes(secret), `${channel.type}: ${clean}`)
      }
    })
  }

  test('do not go to another place without being sent again', () => {
    const [webhook, , , pagerduty, , email] = channels
    const moved = { ...shownChannel(webhook!), url: 'https://evil.example.com/' }
    assert.throws(() => normaliseChannel('a', moved, webhook), { details: { parameter: 'secret' } })
    const withoutSecret = { ...moved, secret: 'new' }
    assert.throws(() => normaliseChannel('a', withoutSecret, webhook), { details: { parameter: 'headers.X-Key' } })
    const sentAgain = normaliseChannel('a', { ...withoutSecret, headers: { 'X-Key': 'new' } }, webhook)
    assert.equal(sentAgain.type === 'webhook' && sentAgain.url, 'https://evil.example.com/')
    const movedDuty = { ...shownChannel(pagerduty!), url: 'https://evil.example.com/' }
    assert.throws(() => normaliseChannel('d', movedDuty, pagerduty), { details: { parameter: 'routingKey' } })
    const server = { host: 'evil.example.com', user: 'u', password: MASK }
    assert.throws(() => normaliseChannel('f', { type: 'email', to: 'a@b.c', server }, email), {
      details: { parameter: 'server.password' },
    })
  })

  test('that are left out are no more', () => {
    const { secret: _, ...rest } = shownChannel(channels[0]!)
    const changed = normaliseChannel('a', rest, channels[0])
    assert.equal('secret' in changed, false)
  })
})

test('an id is made of a name', () => {
  assert.equal(channelIdOf('slack-ops'), 'slack-ops')
  assert.equal(channelIdOf('Slack: Ops!'), 'slack-ops')
  assert.equal(channelIdOf('通知'), undefined)
})

import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { normaliseChannel } from '../../../../alerts/notify/channel-definition.ts'
import type { AlertNotification } from '../../../../alerts/notify/notification.ts'
import { systemClock } from '../../../../base/clock.ts'
import { ChannelSender } from '../../../../node/channels/channel-sender.ts'
import { notificationOf } from '../../../harness/alert-notification.ts'
import { startWebhookReceiver } from '../../../harness/webhook-receiver.ts'

const LINE = notificationOf().samples[0]!
/** What a sender of logs may write to deceive readers of alerts. */
const HOSTILE =
  '```\n<!channel> *bold* <https://evil.example|click> [click](https://evil.example) @here &amp; </pre><script>'
const HOSTILE_CHANGES: Partial<AlertNotification> = {
  samples: Array.from({ length: 5 }, () => ({ ...LINE, message: HOSTILE.repeat(18) })),
  group: { region: HOSTILE },
}

/** Sends through a channel of `definition`, at which the vendor answers as documented; returns what it got. */
async function delivered(
  t: TestContext,
  definition: Record<string, unknown>,
  changes: Partial<AlertNotification> = {},
  path = '',
) {
  const receiver = await startWebhookReceiver(t)
  receiver.answer = (response) => response.writeHead(202).end('{"status":"success"}')
  const channel = normaliseChannel('ops', { ...definition, url: receiver.url + path })
  const mail = { server: undefined, from: undefined }
  const sender = new ChannelSender({ clock: systemClock, version: '1', allowPrivate: true, mail })
  const result = await sender.send(channel, notificationOf(changes), new AbortController().signal)
  assert.ok(result.delivered, JSON.stringify(result))
  const [request] = receiver.requests
  assert.equal(request!.method, 'POST')
  assert.equal(request!.headers['content-type'], 'application/json')
  return { ...request!, json: JSON.parse(request!.body) }
}

describe('Slack', () => {
  test('gets blocks: a header, facts, lines, links', async (t) => {
    const { json, path } = await delivered(t, { type: 'slack' }, {}, '/services/T0/B0/xyz')
    assert.equal(path, '/services/T0/B0/xyz')
    assert.equal(json.text, '[P0] FIRING: Checkout errors (region=eu-1)')
    const [header, rich] = json.blocks
    assert.deepEqual(header, {
      type: 'header',
      text: { type: 'plain_text', text: '[P0] FIRING: Checkout errors (region=eu-1)', emoji: false },
    })
    assert.equal(rich.type, 'rich_text')
    const [facts, lines, links] = rich.elements
    const said = facts.elements.map(({ text }: { text: string }) => text).join('')
    assert.match(
      said,
      /Condition: count > 100 in 5m\nValue: 132\nWindow: 2026-03-01 10:00:00 UTC to 2026-03-01 10:05:00 UTC\n/,
    )
    assert.deepEqual(lines, {
      type: 'rich_text_preformatted',
      elements: [
        { type: 'text', text: '2026-03-01T10:04:59.123Z ERROR checkout web-1 card refused: timeout after 3000 ms' },
      ],
    })
    assert.deepEqual(
      links.elements.filter(({ type }: { type: string }) => type === 'link').map(({ text }: { text: string }) => text),
      ['Search', 'Rule', 'Runbook'],
    )
  })

  test('gets what logs say as text only, within its limits', async (t) => {
    const { json, body } = await delivered(t, { type: 'slack' }, HOSTILE_CHANGES)
    assert.doesNotMatch(json.text, /[<>]/)
    assert.doesNotMatch(body, /"mrkdwn"/)
    assert.ok(json.blocks[0].text.text.length <= 150)
    assert.ok(Buffer.byteLength(body) < 40_000)
    const urls = JSON.stringify(json).match(/"url":"[^"]+"/g)
    assert.ok(urls!.every((url) => !url.includes('evil')))
  })
})

describe('PagerDuty', () => {
  const definition = { type: 'pagerduty', routingKey: 'R0123456789abcdef0123456789abcde' }

  test('gets a trigger with the firing id as dedup key', async (t) => {
    const { json } = await delivered(t, definition, {}, '/v2/enqueue')
    assert.equal(json.routing_key, definition.routingKey)
    assert.equal(json.event_action, 'trigger')
    assert.equal(json.dedup_key, 'f1e2d3c4b5a69788')
    const { payload } = json
    assert.equal(payload.summary, '[P0] FIRING: Checkout errors (region=eu-1)')
    assert.equal(payload.source, 'web-1')
    assert.equal(payload.severity, 'critical')
    assert.equal(payload.timestamp, '2026-03-01T10:05:00.250Z')
    assert.equal(payload.component, 'checkout')
    assert.equal(payload.group, 'region=eu-1')
    assert.equal(payload.custom_details.lines.length, 1)
    assert.deepEqual(json.links[0].text, 'Search')
  })

  test('gets a resolve of the same key', async (t) => {
    const { json } = await delivered(t, definition, { kind: 'resolved', resolvedMs: 1 })
    assert.deepEqual(json, {
      routing_key: definition.routingKey,
      dedup_key: 'f1e2d3c4b5a69788',
      event_action: 'resolve',
    })
  })

  test('gets no more than it takes', async (t) => {
    const { json, body } = await delivered(t, definition, HOSTILE_CHANGES)
    assert.ok(json.payload.summary.length <= 1024)
    assert.ok(Buffer.byteLength(body) < 512 * 1024)
  })
})

describe('Opsgenie', () => {
  test('gets an alert under the firing id', async (t) => {
    const { json, path, headers } = await delivered(t, { type: 'opsgenie', apiKey: 'eb243592' })
    assert.equal(path, '/v2/alerts')
    assert.equal(headers.authorization, 'GenieKey eb243592')
    assert.equal(json.message, '[P0] FIRING: Checkout errors (region=eu-1)')
    assert.equal(json.alias, 'f1e2d3c4b5a69788')
    assert.equal(json.priority, 'P1')
    assert.deepEqual(json.tags, ['team:payments'])
    assert.match(json.description, /Value: 132\n.*card refused/s)
  })

  test('is told to close it', async (t) => {
    const { json, path } = await delivered(t, { type: 'opsgenie', apiKey: 'k' }, { kind: 'resolved' })
    assert.equal(path, '/v2/alerts/f1e2d3c4b5a69788/close?identifierType=alias')
    assert.deepEqual(Object.keys(json), ['source', 'note'])
  })

  test('gets no more than it takes', async (t) => {
    const { json } = await delivered(t, { type: 'opsgenie', apiKey: 'k' }, HOSTILE_CHANGES)
    assert.ok(json.message.length <= 130)
    assert.ok(json.description.length <= 15_000)
  })
})

describe('Microsoft Teams', () => {
  test('gets an adaptive card', async (t) => {
    const { json } = await delivered(t, { type: 'teams' }, {}, '/workflows/1?sig=abc')
    assert.equal(json.type, 'message')
    const [{ contentType, content }] = json.attachments
    assert.equal(contentType, 'application/vnd.microsoft.card.adaptive')
    assert.equal(content.type, 'AdaptiveCard')
    assert.equal(content.body[0].inlines[0].text, '[P0] FIRING: Checkout errors (region=eu-1)')
    assert.deepEqual(content.actions[0], {
      type: 'Action.OpenUrl',
      title: 'Search',
      url: notificationOf().links.search,
    })
  })

  test('gets what logs say in runs that know no mark-up, within its limit', async (t) => {
    const { json, body } = await delivered(t, { type: 'teams' }, HOSTILE_CHANGES)
    for (const block of json.attachments[0].content.body) assert.equal(block.type, 'RichTextBlock')
    assert.ok(Buffer.byteLength(body) < 28 * 1024, `${Buffer.byteLength(body)}`)
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { EventClient } from '../harness/event-client.ts'
import { shareNode } from '../harness/shared-node.ts'
import { waitUntil } from '../harness/weir-client.ts'

const { node, client: clientWith } = await shareNode()
const STREAM = '/v1/logs/tail'

describe('a live tail as server-sent events', () => {
  it('shows the newest records and those that come, and goes on where the client says it was', async () => {
    const headers = { 'x-scope-orgid': 'events' }
    const client = clientWith(headers)
    const send = (from: number, to: number) =>
      client.ingest(
        Array.from({ length: to - from }, (_, i) => ({
          uid: String(from + i),
          kind: (from + i) % 2 === 0 ? 'even' : 'odd',
        })),
      )
    await send(0, 10)
    await client.found(10)
    const path = `${STREAM}?query=kind:even&last=3`
    const first = await EventClient.open(node.url, path, headers)
    assert.equal(first.status, 200)
    assert.equal(first.headers['content-type'], 'text/event-stream')
    assert.equal(first.headers['cache-control'], 'no-store')
    await first.hasLogs(3)
    await send(10, 20)
    await first.hasLogs(8)
    await waitUntil(
      () => first.messages.at(-1)?.type === 'log' && first.lastEventId !== first.messages[0]!.cursor,
      () => 'an id comes behind the records',
    )
    first.close()
    await send(20, 40)
    const again = await EventClient.open(node.url, path, { ...headers, 'last-event-id': first.lastEventId })
    await again.hasLogs(10)
    await send(40, 42)
    await again.hasLogs(11)
    assert.deepEqual(
      [...first.uids.slice(3), ...again.uids].map(Number).toSorted((a, b) => a - b),
      [10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40],
    )
    again.close()
  })

  it('keeps one record in one event, also where its JSON has line breaks of its own', async () => {
    const headers = { 'x-scope-orgid': 'breaks' }
    const client = clientWith(headers)
    const stream = await EventClient.open(node.url, `${STREAM}?last=0`, headers)
    const body = '[{"uid":"a","list":[1,\n2,\r\n{"b":\n3}],"message":"two\\nlines"}]'
    assert.equal((await client.ingestText(body, { 'content-type': 'application/json' })).status, 200)
    await stream.hasLogs(1)
    const log = stream.messages.at(-1)!.log ?? stream.messages.find(({ type }) => type === 'log')!.log
    assert.deepEqual([log.metadata?.list ?? log.list, log.message], [[1, 2, { b: 3 }], 'two\nlines'])
    stream.close()
  })

  it('refuses what it cannot begin with as any request', async () => {
    const bad: [string, Record<string, string>, number, RegExp][] = [
      ['?query=level:(', {}, 400, /invalid_query/],
      ['?query=*%20|%20stats%20count()', {}, 400, /no pipes/],
      ['?limit=5', {}, 400, /`limit` is for polls/],
      ['?wait=5s', {}, 400, /`wait` is for polls/],
      ['?last=-1', {}, 400, /`last` must be/],
      ['?nonsense=1', {}, 400, /`nonsense`/],
      ['', { 'last-event-id': 'nonsense' }, 400, /cursor/],
      ['', { 'x-scope-orgid': '../..' }, 400, /X-Scope-OrgID/],
    ]
    for (const [query, headers, status, text] of bad) {
      const answer = await EventClient.open(node.url, STREAM + query, headers)
      await waitUntil(
        () => answer.hasEnded,
        () => `${query} is answered`,
      )
      assert.equal(answer.status, status, answer.text)
      assert.match(answer.text, text)
    }
    const poll = await clientWith().get(STREAM, { last: 5 })
    assert.match(poll.text, /`last` is for live tails/)
  })
})

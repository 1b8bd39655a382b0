import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import { TAIL_CLIENT_BYTES_MAX, TAIL_STALLED_MAX_MS } from '../../base/limits.ts'
import { EventClient } from '../harness/event-client.ts'
import { NodeProcess } from '../harness/node-process.ts'
import { shareNode } from '../harness/shared-node.ts'
import { TailSocketClient } from '../harness/tail-client.ts'
import { waitUntil } from '../harness/weir-client.ts'

const ADMIN = `weir_${'a'.repeat(43)}`
const { node, client: clientWith } = await shareNode({
  'auth.mode': 'keys',
  'auth.adminKey': ADMIN,
  'limits.tailsPerTenant': 3,
})
const admin = clientWith({ authorization: `Bearer ${ADMIN}` })

async function keyOf(tenant: string, ...roles: string[]): Promise<string> {
  const answer = await admin.http.post('/v1/keys', { name: 'test', tenant, roles })
  assert.equal(answer.status, 201, answer.text)
  return answer.json().key
}

const protocols = (key: string, ...more: string[]) => ({ protocols: ['weir.tail.v1', `weir.key.${key}`, ...more] })

/** The status of a handshake, as a raw client sees it, and what follows. */
async function handshake(headers: readonly string[], path = '/v1/logs/tail'): Promise<string> {
  const socket = await rawTail(headers, path)
  let text = ''
  socket.on('data', (bytes) => {
    text += bytes.toString('latin1')
  })
  await waitUntil(
    () => text.includes('\r\n\r\n') && (text.startsWith('HTTP/1.1 101') || socket.readableEnded || text.includes('}')),
    () => `the handshake is answered: ${text}`,
  )
  socket.destroy()
  return text
}

function rawTail(headers: readonly string[], path = '/v1/logs/tail'): Promise<Socket> {
  const fields = [
    `GET ${path} HTTP/1.1`,
    `host: 127.0.0.1:${node.port}`,
    'connection: Upgrade',
    'upgrade: websocket',
    'sec-websocket-version: 13',
    'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==',
    ...headers,
  ]
  return new Promise((resolve, reject) => {
    const socket = connect(node.port, '127.0.0.1', () => {
      socket.write(`${fields.join('\r\n')}\r\n\r\n`)
      resolve(socket)
    })
    socket.on('error', reject)
  })
}

/** A text message of a client, masked with zeros. */
function frameOf(message: unknown): Buffer {
  const text = Buffer.from(JSON.stringify(message))
  assert.ok(text.length < 126)
  return Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), text])
}

describe('clients of live tails', () => {
  it('say who they are in header fields, or as browsers do in subprotocols, and see what is theirs', async () => {
    const [key, other, writer] = await Promise.all([
      keyOf('acme', 'read'),
      keyOf('globex', 'read'),
      keyOf('acme', 'ingest'),
    ])
    const byHeader = await TailSocketClient.subscribe(
      node.url,
      { last: 0 },
      { headers: { authorization: `Bearer ${key}` } },
    )
    const byProtocol = await TailSocketClient.subscribe(node.url, { last: 0 }, protocols(key))
    const byAdmin = await TailSocketClient.subscribe(node.url, { last: 0 }, protocols(ADMIN, 'weir.tenant.acme'))
    const foreign = await TailSocketClient.subscribe(node.url, { last: 0 }, protocols(other))
    // The key is never sent back.
    assert.equal(byProtocol.protocol, 'weir.tail.v1')
    const ingest = clientWith({ authorization: `Bearer ${writer}` })
    await ingest.ingest([{ uid: 'a' }, { uid: 'b' }])
    for (const tail of [byHeader, byProtocol, byAdmin]) {
      await tail.hasLogs(2)
      assert.deepEqual(tail.uids.toSorted(), ['a', 'b'])
    }
    const globex = clientWith({ authorization: `Bearer ${await keyOf('globex', 'ingest')}` })
    await globex.ingest([{ uid: 'c' }])
    await foreign.hasLogs(1)
    assert.deepEqual(foreign.uids, ['c'])
    assert.equal(byAdmin.logs.length, 2)
    for (const tail of [byHeader, byProtocol, byAdmin, foreign]) tail.close()
  })

  it('are refused as requests are: without a key, with a wrong one, with the wrong role, and pages that have no key of their own', async () => {
    const [key, writer] = await Promise.all([keyOf('refused', 'read'), keyOf('refused', 'ingest')])
    const cases: [string[], RegExp][] = [
      [[], /^HTTP\/1.1 401 .*unauthenticated/s],
      [['authorization: Bearer weir_nonsense'], /^HTTP\/1.1 401/],
      [[`sec-websocket-protocol: weir.tail.v1, weir.key.weir_nonsense`], /^HTTP\/1.1 401/],
      [[`sec-websocket-protocol: weir.key.${key}`], /^HTTP\/1.1 400 .*weir\.tail\.v1/s],
      [[`authorization: Bearer ${writer}`], /^HTTP\/1.1 403 .*role read/s],
      [[`authorization: Bearer ${key}`, 'x-scope-orgid: acme'], /^HTTP\/1.1 403/],
      [[`sec-websocket-protocol: weir.tail.v1, weir.key.${key}, weir.tenant.acme`], /^HTTP\/1.1 403/],
      [['origin: https://evil.example', 'cookie: anything=1'], /^HTTP\/1.1 403 .*another origin/s],
      [[`authorization: Bearer ${key}`, 'origin: https://evil.example'], /^HTTP\/1.1 101/],
    ]
    for (const [headers, expected] of cases) assert.match(await handshake(headers), expected, headers.join())
    assert.match(
      await handshake([`authorization: Bearer ${key}`], '/v1/logs/tail?query=x'),
      /^HTTP\/1.1 400 .*subscribe/s,
    )
    assert.match(await handshake([`authorization: Bearer ${key}`], '/v1/logs/search'), /^HTTP\/1.1 200/)
    assert.match(await handshake([`authorization: Bearer ${key}`, 'sec-websocket-version: 99']), /^HTTP\/1.1 400/)
    const events = await EventClient.open(node.url, '/v1/logs/tail')
    assert.equal(events.status, 401)
    const foreignEvents = await EventClient.open(node.url, '/v1/logs/tail', { authorization: `Bearer ${writer}` })
    assert.equal(foreignEvents.status, 403)
  })

  it('are no more of one tenant than may be, in both forms together; who leaves makes room', async () => {
    const key = await keyOf('many', 'read')
    const headers = { authorization: `Bearer ${key}` }
    const tails = [
      await TailSocketClient.subscribe(node.url, { last: 0 }, { headers }),
      await TailSocketClient.open(node.url, { headers }),
    ]
    const events = await EventClient.open(node.url, '/v1/logs/tail', headers)
    assert.equal(events.status, 200)
    assert.match(await handshake([`authorization: Bearer ${key}`]), /^HTTP\/1.1 429 .*retry-after.*too_many_tails/s)
    assert.equal((await EventClient.open(node.url, '/v1/logs/tail', headers)).status, 429)
    const others = await TailSocketClient.open(node.url, protocols(await keyOf('few', 'read')))
    others.close()
    events.close()
    await waitUntil(
      async () => (await handshake([`authorization: Bearer ${key}`])).startsWith('HTTP/1.1 101'),
      () => 'one that has left makes room',
    )
    for (const tail of tails) tail.close()
  })

  it('that send rubbish are cut off, and nobody else', async () => {
    const key = await keyOf('rubbish', 'read', 'ingest')
    const headers = { authorization: `Bearer ${key}` }
    const good = await TailSocketClient.subscribe(node.url, { last: 0 }, { headers })
    const bad: Buffer[] = [
      Buffer.from([0x81, 0x05, 1, 2, 3, 4, 5]), // not masked
      Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), // no such frame
      Buffer.from([0x82, 0x81, 0, 0, 0, 0, 1]), // binary
      Buffer.concat([Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0])]), // a gigabyte
      Buffer.concat(Array.from({ length: 100 }, () => frameOf({ subscribe: {} }))),
    ]
    for (const bytes of bad) {
      const socket = await rawTail([`authorization: Bearer ${key}`])
      socket.write(bytes)
      await new Promise<void>((resolve) => {
        socket.once('close', () => resolve())
        socket.resume()
      })
    }
    await clientWith(headers).ingest([{ uid: 'z' }])
    await good.hasLogs(1)
    good.close()
    await waitUntil(
      async () => /weir_tail_filters(\{[^}]*\})? 0\n/.test((await admin.get('/metrics')).text),
      () => 'nothing is followed for who is gone, whatever it had asked for',
    )
  })

  it('that do not read lose counted records, hold nobody up, and are cut off with a notice', async () => {
    const key = await keyOf('slow', 'read', 'ingest')
    const headers = { authorization: `Bearer ${key}` }
    const client = clientWith(headers)
    const reader = await TailSocketClient.subscribe(node.url, { last: 0 }, { headers })
    const slow = await rawTail([`authorization: Bearer ${key}`])
    slow.write(frameOf({ subscribe: { last: 0 } }))
    const subscribed = await new Promise<string>((resolve) => {
      let text = ''
      const onData = (bytes: Buffer) => {
        text += bytes.toString('latin1')
        if (!text.includes('subscribed')) return
        slow.off('data', onData)
        slow.pause()
        resolve(text)
      }
      slow.on('data', onData)
    })
    assert.match(subscribed, /^HTTP\/1.1 101/)
    const filler = 'x'.repeat(2000)
    let sent = 0
    const before = node.memory().anonymous
    const send = async () => {
      await client.ingest(Array.from({ length: 500 }, () => ({ uid: String(sent++), filler })))
      await reader.hasLogs(sent)
    }
    // More than the kernel's buffers and ours hold.
    while (sent * filler.length < 12 * TAIL_CLIENT_BYTES_MAX) await send()
    assert.ok(node.memory().anonymous - before < 256 * 1024 * 1024)
    const startedMs = performance.now()
    let text = ''
    const metrics = async () => (await admin.get('/metrics')).text
    await waitUntil(
      async () => /weir_tails_cut_off_total\{[^}]*\} 1/.test(await metrics()),
      () => 'who does not read is cut off',
      TAIL_STALLED_MAX_MS + 10_000,
    )
    // It comes back within the moment that it is given.
    slow.on('data', (bytes: Buffer) => {
      text += bytes.toString('latin1')
    })
    slow.resume()
    await waitUntil(
      () => slow.closed,
      () => 'the connection is closed',
    )
    assert.ok(performance.now() - startedMs > TAIL_STALLED_MAX_MS / 2)
    const shown = text.match(/"type":"log"/g)?.length ?? 0
    const dropped = [...text.matchAll(/"type":"dropped","count":(\d+)/g)].reduce(
      (sum, [, count]) => sum + Number(count),
      0,
    )
    assert.ok(dropped > 0)
    assert.equal(shown + dropped, sent)
    assert.match(text, /"code":"client_too_slow".*"final":true,"cursor":"/)
    assert.equal(reader.of('dropped').length, 0)
    reader.close()
  })

  it('that ask much and read nothing are not read from either', async () => {
    const key = await keyOf('deaf', 'read')
    const deaf = await rawTail([`authorization: Bearer ${key}`])
    deaf.pause()
    const before = node.memory().anonymous
    deaf.write(Buffer.concat(Array.from({ length: 400_000 }, () => frameOf(1))))
    deaf.write(Buffer.alloc(6 * 400_000, Buffer.from([0x89, 0x80, 0, 0, 0, 0])))
    await waitUntil(
      async () => /weir_tails_cut_off_total\{[^}]*\} 2/.test((await admin.get('/metrics')).text),
      () => 'who does not read is cut off',
      TAIL_STALLED_MAX_MS + 10_000,
    )
    assert.ok(node.memory().anonymous - before < 64 * 1024 * 1024)
    assert.ok(deaf.writableLength > 0)
    deaf.destroy()
  })
})

it('a node that drains tells its tails where to go on', async () => {
  const draining = await NodeProcess.start({ workers: 2 })
  const socket = await TailSocketClient.subscribe(draining.url, {})
  const events = await EventClient.open(draining.url, '/v1/logs/tail')
  const idle = await TailSocketClient.open(draining.url)
  const status = draining.stop()
  assert.equal(await socket.closed(), 1012)
  assert.equal(await idle.closed(), 1012)
  for (const notice of [socket.messages.at(-1)!, events.messages.at(-1)!]) {
    assert.deepEqual([notice.type, notice.code, notice.final], ['error', 'draining', true])
    assert.equal(typeof notice.cursor, 'string')
  }
  assert.equal(await status, 0)
})

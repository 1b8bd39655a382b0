import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { pack, Unpackr } from 'msgpackr'
import { BodyPool } from '../../../../api/body-pool.ts'
import { DecodedIngest } from '../../../../api/decoded-ingest.ts'
import { ForwardListener, type ForwardListenerOptions } from '../../../../api/sockets/forward-listener.ts'
import { type Clock, systemClock } from '../../../../base/clock.ts'
import { WeirError } from '../../../../base/errors.ts'
import type { TenantId } from '../../../../base/ids.ts'
import { silentLogger } from '../../../../base/logger.ts'
import { MemoryBackend } from '../../../harness/memory-backend.ts'
import { waitUntil } from '../../../harness/weir-client.ts'

const TIME_S = 1_795_000_000

async function listening(t: TestContext, options: Partial<ForwardListenerOptions> = {}) {
  const backend = new MemoryBackend(() => systemClock.nowMs())
  const pool = new BodyPool()
  const decodedIngest = new DecodedIngest({ backend: backend.ingest, pool, clock: systemClock, linesBytesMax: 1e7 })
  const listener = new ForwardListener(backend.ingest, decodedIngest, {
    host: '127.0.0.1',
    port: 0,
    reusePort: false,
    tenant: 'acme' as TenantId,
    sharedKey: undefined,
    nodeId: 'n1',
    messageBytesMax: 1e6,
    inflatedBytesMax: 1e7,
    clock: systemClock,
    logger: silentLogger,
    ...options,
  })
  const port = await listener.listen()
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  t.after(async () => {
    socket.destroy()
    await listener.close(AbortSignal.abort())
  })
  const stored = () =>
    backend.ingested.flatMap(({ body, decoded }) =>
      Buffer.from(body)
        .toString()
        .trim()
        .split('\n')
        .map((line, i) => decoded!.refusalOf(i)?.code ?? (JSON.parse(line) as Record<string, unknown>)),
    )
  return { backend, listener, socket, stored, answers: answersOf(socket) }
}

function answersOf(socket: Socket): unknown[] {
  const answers: unknown[] = []
  socket.on('data', (chunk: Buffer) =>
    answers.push(...(new Unpackr({ useRecords: false }).unpackMultiple(chunk) ?? [])),
  )
  return answers
}

/** An event time, [0xd7 0x00 seconds nanoseconds]. */
function event(nanoseconds: number, record: Buffer): Buffer {
  const time = Buffer.alloc(10)
  time.writeUInt16BE(0xd700)
  time.writeUInt32BE(TIME_S, 2)
  time.writeUInt32BE(nanoseconds, 6)
  return Buffer.concat([Buffer.from([0x92]), time, record])
}

test('events come in all four modes, whole or byte by byte', async (t) => {
  for (const chunkBytes of [1_000_000, 1]) {
    const { socket, stored, answers } = await listening(t)
    const entries = Buffer.concat([
      event(5, pack({ message: 'c', n: { m: [1, null, true] } })),
      event(6, pack({ message: 'd' })),
    ])
    const stream = Buffer.concat([
      pack(['app.a', TIME_S, { message: 'a' }]),
      pack([
        'app.b',
        [
          [TIME_S, { message: 'b' }],
          [TIME_S, 5],
        ],
        { size: 2 },
      ]),
      pack(['app.c', entries, { chunk: 'c1' }]),
      pack(['app.d', gzipSync(entries), { compressed: 'gzip', chunk: 'c2' }]),
    ])
    for (let p = 0; p < stream.length; p += chunkBytes) socket.write(stream.subarray(p, p + chunkBytes))
    await waitUntil(
      () => answers.length === 2,
      () => `both chunks are answered, not ${JSON.stringify(answers)}`,
    )
    assert.deepEqual(answers, [{ ack: 'c1' }, { ack: 'c2' }])
    const time = Number(BigInt(TIME_S) * 1_000_000_000n + 5n)
    const c = { timestamp: time, message: 'c', n: { m: [1, null, true] } }
    assert.deepEqual(stored(), [
      { tag: 'app.a', job: 'app.a', timestamp: TIME_S, message: 'a' },
      { tag: 'app.b', job: 'app.b', timestamp: TIME_S, message: 'b' },
      'invalid_record',
      { tag: 'app.c', job: 'app.c', ...c },
      { tag: 'app.c', job: 'app.c', timestamp: time, message: 'd' },
      { tag: 'app.d', job: 'app.d', ...c },
      { tag: 'app.d', job: 'app.d', timestamp: time, message: 'd' },
    ])
  }
})

test('a chunk is answered only once it is stored, under its own key', async (t) => {
  const { socket, backend, answers } = await listening(t)
  let refusals = 0
  backend.before = () => {
    if (refusals < 3) assert.deepEqual(answers, [])
    if (++refusals < 3) throw new WeirError('overloaded', 'full')
  }
  for (const tag of ['a', 'a', 'b']) socket.write(pack([tag, [[TIME_S, { message: 'x' }]], { chunk: 'once' }]))
  await waitUntil(
    () => answers.length === 3,
    () => 'the chunks are answered',
  )
  const [first, again, ofOtherTag] = backend.ingested.map(({ idempotencyKey }) => idempotencyKey)
  assert.ok(first !== undefined && first === again, `${first} ${again}`)
  assert.notEqual(ofOtherTag, first)
})

test('with a shared key only who knows it may write', async (t) => {
  for (const key of ['secret', 'guess']) {
    const { socket, backend, answers } = await listening(t, { sharedKey: 'secret' })
    await waitUntil(
      () => answers.length === 1,
      () => 'the node says HELO',
    )
    const [, { nonce }] = answers[0] as [string, { nonce: Buffer }]
    const digest = (name: string) =>
      createHash('sha512').update('salt').update(name).update(nonce).update(key).digest('hex')
    socket.write(pack(['PING', 'client', 'salt', digest('client'), '', '']))
    socket.write(pack(['a', TIME_S, { message: 'x' }]))
    await waitUntil(
      () => answers.length === 2,
      () => 'the node says PONG',
    )
    const pong = answers[1] as unknown[]
    if (key === 'secret') {
      assert.deepEqual(pong, ['PONG', true, '', 'n1', digest('n1')])
      await waitUntil(
        () => backend.ingested.length === 1,
        () => 'the event is stored',
      )
    } else {
      assert.deepEqual(pong.slice(0, 3), ['PONG', false, 'shared_key mismatch'])
      await waitUntil(
        () => socket.closed,
        () => 'the connection is closed',
      )
      assert.equal(backend.ingested.length, 0)
    }
  }
})

test('what is no message of the protocol closes the connection, and does no harm', async (t) => {
  for (const bytes of ['GET / HTTP/1.1\r\n\r\n', '\xc1', '\x93\xa1a\x01', '\xdd\xff\xff\xff\xff']) {
    const { socket, backend } = await listening(t)
    socket.end(Buffer.from(bytes, 'latin1'))
    await once(socket, 'close')
    assert.equal(backend.ingested.length, 0)
    await waitUntil(
      () => backend.inFlightBytes === 0,
      () => 'all bytes are given back',
    )
  }
})

test('a stream in zstd is read, and one in a form that is not known closes the connection unanswered', async (t) => {
  const { socket, stored, answers } = await listening(t)
  const entries = event(5, pack({ message: 'z' }))
  socket.write(pack(['a', zstdCompressSync(entries), { compressed: 'zstd', chunk: 'c1' }]))
  await waitUntil(
    () => answers.length === 1,
    () => 'the chunk is answered',
  )
  socket.write(pack(['a', entries, { compressed: 'lzma', chunk: 'c2' }]))
  await once(socket, 'close')
  assert.deepEqual(answers, [{ ack: 'c1' }])
  assert.equal(stored().length, 1)
})

test('what a connection holds is admitted once', async (t) => {
  const { socket, backend, answers } = await listening(t)
  const message = pack(['a', [[TIME_S, { message: 'x'.repeat(200_000) }]], { chunk: 'c' }])
  backend.inFlightBytesMax = Math.floor(message.length * 2.9)
  socket.write(message)
  await waitUntil(
    () => answers.length === 1,
    () => 'the chunk is answered',
  )
  await waitUntil(
    () => backend.inFlightBytes <= 1,
    () => 'the bytes are given back',
  )
})

test('a client that reads no answers is not read from', async (t) => {
  const { socket, backend, answers } = await listening(t)
  const chunks = 80
  socket.pause()
  for (let i = 0; i < chunks; i++)
    socket.write(pack(['a', [[TIME_S, { message: 'x' }]], { chunk: 'c'.repeat(500_000) }]))
  let count = 0
  let sinceMs = systemClock.monotonicMs()
  await waitUntil(
    () => {
      if (count !== backend.ingested.length) sinceMs = systemClock.monotonicMs()
      count = backend.ingested.length
      return count > 0 && systemClock.monotonicMs() - sinceMs > 500
    },
    () => 'no more is stored',
  )
  assert.ok(count < chunks, `${count} are stored`)
  assert.equal(answers.length, 0)
  socket.removeAllListeners('data')
  let bytes = 0
  socket.on('data', (chunk: Buffer) => {
    bytes += chunk.length
  })
  socket.resume()
  await waitUntil(
    () => bytes > chunks * 500_000,
    () => `all answers come, not ${bytes} bytes`,
  )
})

test('who does not say that they know the key is closed after a minute', async (t) => {
  let nowMs = 0
  let sweep = () => {}
  const clock: Clock = {
    ...systemClock,
    monotonicMs: () => nowMs,
    every(_ms, run) {
      sweep = run
      return { cancel: () => undefined }
    },
  }
  const { socket, answers } = await listening(t, { sharedKey: 'secret', clock })
  await waitUntil(
    () => answers.length === 1,
    () => 'the node says HELO',
  )
  nowMs = 61_000
  sweep()
  await once(socket, 'close')
})

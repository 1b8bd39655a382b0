import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { BodyPool } from '../../../../api/body-pool.ts'
import { DecodedIngest } from '../../../../api/decoded-ingest.ts'
import { SyslogListener, type SyslogListenerOptions } from '../../../../api/sockets/syslog-listener.ts'
import { SyslogQueue } from '../../../../api/sockets/syslog-queue.ts'
import { systemClock } from '../../../../base/clock.ts'
import { WeirError } from '../../../../base/errors.ts'
import type { TenantId } from '../../../../base/ids.ts'
import { silentLogger } from '../../../../base/logger.ts'
import { MemoryBackend } from '../../../harness/memory-backend.ts'
import { testCertificate } from '../../../harness/test-certificate.ts'
import { waitUntil } from '../../../harness/weir-client.ts'

const HOST = '127.0.0.1'

async function listening(t: TestContext, options: Partial<SyslogListenerOptions> = {}) {
  const backend = new MemoryBackend(() => systemClock.nowMs())
  const decodedIngest = new DecodedIngest({
    backend: backend.ingest,
    pool: new BodyPool(),
    clock: systemClock,
    linesBytesMax: 64 * 1024 * 1024,
  })
  const counts = { open: 0, lost: 0, refused: [] as string[], codes: new Set<string>() }
  const listener = new SyslogListener(backend.ingest, decodedIngest, {
    host: HOST,
    port: 0,
    tlsPort: 0,
    reusePort: false,
    tenant: 'acme' as TenantId,
    messageBytesMax: 64 * 1024,
    clock: systemClock,
    logger: silentLogger,
    hooks: {
      connections: (open) => {
        counts.open = open
      },
      lost: (messages, code) => {
        counts.lost += messages
        counts.codes.add(code)
      },
      refused: (reason) => counts.refused.push(reason),
    },
    ...options,
  })
  const ports = await listener.listen()
  t.after(() => listener.close(AbortSignal.abort()))
  return { backend, listener, counts, ...ports, messages: () => messagesOf(backend) }
}

interface Stored {
  readonly host: string
  readonly message: string
}

function messagesOf(backend: MemoryBackend): Stored[] {
  return backend.ingested.flatMap(({ body, tenant, protocol, decoded }) => {
    assert.deepEqual([tenant, protocol], ['acme', 'syslog'])
    const lines = Buffer.from(body).toString().trim().split('\n')
    return lines.flatMap((line, i) => (decoded!.refusalOf(i) === undefined ? [JSON.parse(line) as Stored] : []))
  })
}

async function connected(t: TestContext, port: number): Promise<Socket> {
  const socket = connect(port, HOST)
  t.after(() => socket.destroy())
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}

function numbers(count: number): string[] {
  return Array.from({ length: count }, (_, i) => String(i))
}

test('messages come by TCP, UDP and TLS', async (t) => {
  const { certificate, key } = testCertificate()
  const { port, tlsPort, backend, messages } = await listening(t, { tls: { certificate, key } })
  const tcp = await connected(t, port)
  tcp.write('<13>1 - - a - - - one\n21 <13>1 - - a - - - 2\n3<13>last')
  tcp.end()
  const udp = createSocket('udp4')
  t.after(() => udp.close())
  udp.send('<13>1 - - a - - - by udp\n', port, HOST)
  const tls = connectTls({ host: HOST, port: tlsPort, rejectUnauthorized: false })
  tls.end('<13>1 - - a - - - by tls\n')
  await waitUntil(
    () => messages().length === 5,
    () => `5 messages are stored, not ${JSON.stringify(messages())}`,
  )
  assert.deepEqual(
    messages()
      .map(({ message }) => message)
      .sort(),
    ['2\n3', 'by tls', 'by udp', 'last', 'one'],
  )
  for (const { host } of messages()) assert.equal(host, HOST)
  assert.equal(backend.inFlightBytes, 0)
})

test('a sender that is too fast waits, and while the node refuses nothing is lost or stored twice', async (t) => {
  const { port, backend, counts, messages } = await listening(t)
  let refusals = 0
  backend.before = () => {
    if (++refusals % 3 !== 0) throw new WeirError('overloaded', 'full')
  }
  const filling = 'x'.repeat(1000)
  const sent = numbers(6000)
  const tcp = await connected(t, port)
  for (const uid of sent) if (!tcp.write(`<13>1 - - a - - - ${uid} ${filling}\n`)) await once(tcp, 'drain')
  await waitUntil(
    () => messages().length >= sent.length,
    () => `all are stored, not ${messages().length}`,
  )
  assert.deepEqual(
    messages().map(({ message }) => message.split(' ')[0]),
    sent,
  )
  assert.equal(counts.lost, 0)
  // A batch of at most half a MiB and a chunk, and its lines.
  assert.ok(backend.inFlightBytesMost < 2 * 1024 * 1024, `${backend.inFlightBytesMost}`)
  assert.equal(backend.inFlightBytes, 0)
})

test('what senders had sent is stored when the listener closes', async (t) => {
  const { port, listener, messages, counts } = await listening(t)
  const sent = numbers(20_000)
  const tcp = await connected(t, port)
  await new Promise((resolve) => tcp.write(sent.map((uid) => `<13>1 - - a - - - ${uid}\n`).join(''), resolve))
  await listener.close(new AbortController().signal)
  assert.deepEqual(
    messages().map(({ message }) => message),
    sent,
  )
  assert.equal(counts.lost, 0)
  assert.equal(counts.open, 0)
})

test('what cannot be stored in time is counted', async (t) => {
  const { port, listener, backend, counts } = await listening(t)
  backend.before = () => {
    throw new WeirError('journal_full', 'full')
  }
  const tcp = await connected(t, port)
  tcp.write('<13>a\n<13>b\n')
  await waitUntil(
    () => backend.inFlightBytesMost > 0,
    () => 'a batch is tried',
  )
  const late = new AbortController()
  const closed = listener.close(late.signal)
  late.abort()
  await closed
  assert.equal(counts.lost, 2)
  assert.deepEqual([...counts.codes], ['journal_full'])
  assert.equal(backend.inFlightBytes, 0)
})

test('messages by UDP that come faster than they are stored are lost and counted', async (t) => {
  const { port, backend, counts, messages } = await listening(t)
  const gate = Promise.withResolvers<void>()
  backend.before = () => gate.promise
  const udp = createSocket('udp4')
  t.after(() => udp.close())
  const message = Buffer.from(`<13>1 - - a - - - ${'x'.repeat(60_000)}`)
  let sent = 0
  await waitUntil(
    async () => {
      await new Promise((resolve) => udp.send(message, port, HOST, resolve))
      sent++
      return counts.lost >= 3
    },
    () => `messages are lost, of ${sent}`,
  )
  gate.resolve()
  await waitUntil(
    () => messages().length > 60,
    () => `what was gathered is stored, not ${messages().length}`,
  )
  assert.deepEqual([...counts.codes], ['overloaded'])
  assert.ok(backend.inFlightBytesMost < 24 * 1024 * 1024, `${backend.inFlightBytesMost}`)
})

test('a connection whose message does not go on is closed, an idle one is not', async (t) => {
  let nowMs = 0
  let sweep = () => {}
  const clock = {
    ...systemClock,
    monotonicMs: () => nowMs,
    every: (_periodMs: number, run: () => void) => {
      sweep = run
      return { cancel() {} }
    },
  }
  const { port, counts, messages } = await listening(t, { clock })
  const idle = await connected(t, port)
  const slow = await connected(t, port)
  idle.write('<13>whole\n')
  slow.write('<13>half')
  await waitUntil(
    () => messages().length === 1 && slow.bytesWritten === 8 && counts.open === 2,
    () => 'both have sent',
  )
  await waitUntil(
    () => {
      nowMs += 61_000
      sweep()
      return counts.refused.length > 0
    },
    () => 'the slow one is closed',
  )
  await once(slow, 'close')
  assert.deepEqual(counts.refused, ['idle'])
  assert.equal(idle.closed, false)
  nowMs += 3_600_001
  sweep()
  await once(idle, 'close')
})

test('random bytes do no harm', async (t) => {
  const { port, messages, counts } = await listening(t)
  const tcp = await connected(t, port)
  const noise = Buffer.from(systemClock.randomBytes(60_000))
  for (let i = 0; i < 20; i++) if (!tcp.write(noise)) await once(tcp, 'drain')
  const udp = createSocket('udp4')
  t.after(() => udp.close())
  for (let p = 0; p < noise.length; p += 500) udp.send(noise.subarray(p, p + 500), port, HOST)
  tcp.end('\n<13>still here\n')
  await waitUntil(
    () => messages().some(({ message }) => message === 'still here'),
    () => 'a good message is taken after the noise',
  )
  assert.equal(counts.lost, 0)
})

test('a queue is full of few bytes too, where they are many messages', async () => {
  const backend = new MemoryBackend(() => systemClock.nowMs())
  const queue = new SyslogQueue({
    tenant: 'acme' as TenantId,
    backend: backend.ingest,
    decodedIngest: new DecodedIngest({
      backend: backend.ingest,
      pool: new BodyPool(),
      clock: systemClock,
      linesBytesMax: 64 * 1024 * 1024,
    }),
    bytesMax: 4 * 1024 * 1024,
    clock: systemClock,
    logger: silentLogger,
    onLost: (_, code) => assert.fail(code),
    onRoom: () => undefined,
  })
  const message = Buffer.from('x')
  let added = 0
  for (; !queue.isFull && added < 1_000_000; added++) queue.add(message, 0, 1, '192.0.2.1', false)
  assert.ok(added <= 100_000, String(added))
  await queue.flush(new AbortController().signal)
  assert.equal(messagesOf(backend).length, added)
})

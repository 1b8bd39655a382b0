import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { hashKey } from '../../../../api/auth.ts'
import { BodyPool } from '../../../../api/body-pool.ts'
import { DecodedIngest } from '../../../../api/decoded-ingest.ts'
import { OtlpGrpcListener, type OtlpGrpcListenerOptions } from '../../../../api/sockets/otlp-grpc-listener.ts'
import { systemClock } from '../../../../base/clock.ts'
import { WeirError } from '../../../../base/errors.ts'
import type { TenantId } from '../../../../base/ids.ts'
import { silentLogger } from '../../../../base/logger.ts'
import { MemoryBackend } from '../../../harness/memory-backend.ts'
import { bytesField, fixed64Field } from '../../../harness/protobuf-writer.ts'
import { testCertificate } from '../../../harness/test-certificate.ts'
import { waitUntil } from '../../../harness/weir-client.ts'

const HOST = '127.0.0.1'
const EXPORT = '/opentelemetry.proto.collector.logs.v1.LogsService/Export'
const MIB = 1024 * 1024

function exportOf(messages: readonly string[], isBad: (i: number) => boolean = () => false): Buffer {
  const records = messages.map((message, i) =>
    bytesField(
      2,
      fixed64Field(1, isBad(i) ? 5n : BigInt(Date.now()) * 1_000_000n),
      bytesField(5, bytesField(1, message)),
    ),
  )
  return bytesField(1, bytesField(2, ...records))
}

async function listening(t: TestContext, options: Partial<OtlpGrpcListenerOptions> = {}) {
  const backend = new MemoryBackend(() => systemClock.nowMs())
  const pool = new BodyPool()
  const decodedIngest = new DecodedIngest({
    backend: backend.ingest,
    pool,
    clock: systemClock,
    linesBytesMax: 64 * MIB,
  })
  const listener = new OtlpGrpcListener(backend, decodedIngest, {
    host: HOST,
    port: 0,
    reusePort: false,
    authMode: 'off',
    messageBytesMax: MIB,
    inflatedBytesMax: 4 * MIB,
    pool,
    clock: systemClock,
    logger: silentLogger,
    ...options,
  })
  const { port } = await listener.listen()
  t.after(() => listener.close(AbortSignal.abort()))
  const client = new Client(`${HOST}:${port}`, credentials.createInsecure(), { 'grpc.enable_retries': 0 })
  t.after(() => client.close())
  return { backend, listener, port, client }
}

interface Answer {
  readonly code: number
  readonly details: string
  readonly metadata: Metadata
  readonly bytes: Buffer
}

/** One call; its outcome, whatever it is. */
function call(
  client: Client,
  message: Buffer,
  { headers = {}, path = EXPORT }: { readonly headers?: Readonly<Record<string, string>>; readonly path?: string } = {},
): Promise<Answer> {
  const metadata = new Metadata()
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value)
  const same = (bytes: Buffer) => bytes
  return new Promise((resolve) => {
    const deadline = new Date(Date.now() + 20_000)
    client.makeUnaryRequest(path, same, same, message, metadata, { deadline }, (error: ServiceError | null, bytes) => {
      const { code, details, metadata: trailers } = error ?? { code: status.OK, details: '', metadata: new Metadata() }
      resolve({ code, details, metadata: trailers, bytes: bytes ?? Buffer.alloc(0) })
    })
  })
}

test('records are stored, bad ones are counted, and an empty export is one', async (t) => {
  const { backend, client } = await listening(t)
  const messages = Array.from({ length: 300 }, (_, i) => `message ${i}`)
  const answer = await call(
    client,
    exportOf(messages, (i) => i % 100 === 50),
    { headers: { 'x-scope-orgid': 'acme' } },
  )
  assert.equal(answer.code, status.OK, answer.details)
  assert.equal(answer.bytes[answer.bytes.indexOf(0x08) + 1], 3)
  assert.match(answer.bytes.toString(), /3 refused and kept as dead letters; the first, 50: /)
  assert.deepEqual([backend.ingested[0]?.tenant, backend.ingested[0]?.protocol], ['acme', 'otlp'])
  const empty = await call(client, Buffer.alloc(0))
  assert.deepEqual([empty.code, empty.bytes.length], [status.OK, 0])
  assert.equal(backend.inFlightBytes, 0)
})

test('messages come in gzip, deflate and zstd, in pieces, and over TLS', async (t) => {
  const { backend, port } = await listening(t)
  const session = connectHttp2(`http://${HOST}:${port}`)
  t.after(() => session.destroy())
  const message = exportOf(['x'.repeat(200_000)])
  for (const [encoding, compress] of [
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['zstd', zstdCompressSync],
  ] as const) {
    const sent = compress(message)
    const stream = session.request({
      ':method': 'POST',
      ':path': EXPORT,
      'content-type': 'application/grpc+proto',
      'grpc-encoding': encoding,
    })
    const prefix = Buffer.alloc(5, 1)
    prefix.writeUInt32BE(sent.length, 1)
    for (const byte of prefix) stream.write(Buffer.of(byte))
    stream.write(sent.subarray(0, 7))
    stream.end(sent.subarray(7))
    const [trailers] = await Promise.all([once(stream, 'trailers'), once(stream.resume(), 'end')])
    assert.equal((trailers as [Record<string, string>])[0]['grpc-status'], '0', encoding)
  }
  assert.equal(backend.ingested.length, 3)
  const { certificate, key } = testCertificate()
  const secure = await listening(t, { tls: { certificate, key } })
  const tls = new Client(`${HOST}:${secure.port}`, credentials.createSsl(Buffer.from(certificate)))
  t.after(() => tls.close())
  assert.equal((await call(tls, exportOf(['secret']))).code, status.OK)
  assert.equal(secure.backend.ingested.length, 1)
})

test('what may succeed later is answered so that exporters send it again, and stored once', async (t) => {
  const { backend, client } = await listening(t)
  for (const [code, expected] of [
    ['overloaded', status.RESOURCE_EXHAUSTED],
    ['draining', status.UNAVAILABLE],
    ['journal_full', status.UNAVAILABLE],
  ] as const) {
    backend.before = () => Promise.reject(new WeirError(code, 'not now, ünd %'))
    const answer = await call(client, exportOf(['again']))
    assert.equal(answer.code, expected)
    assert.match(answer.details, /not now, ünd %/)
    assert.match(String(answer.metadata.get('grpc-retry-pushback-ms')[0]), /^[1-9]\d*$/)
    const details = answer.metadata.get('grpc-status-details-bin')[0] as Buffer
    assert.ok(details.includes('type.googleapis.com/google.rpc.RetryInfo'))
    assert.equal(backend.ingested.length, 0)
    assert.equal(backend.inFlightBytes, 0)
  }
  backend.before = () => undefined
  assert.equal((await call(client, exportOf(['again']))).code, status.OK)
  assert.equal(backend.ingested.length, 1)
})

test('what can never succeed is answered so that exporters give up', async (t) => {
  const { backend, client, port } = await listening(t, { authMode: 'keys' })
  for (const role of ['read', 'ingest'] as const) {
    await backend.keys.create({ name: role, tenant: 'acme' as TenantId, roles: [role] }, hashKey(`weir_${role}`))
  }
  const message = exportOf(['x'])
  const codeOf = async (sent: Buffer, headers: Readonly<Record<string, string>>, path?: string) =>
    (await call(client, sent, { headers, ...(path === undefined ? {} : { path }) })).code
  const may = { authorization: 'Bearer weir_ingest' }
  assert.equal(await codeOf(message, {}), status.UNAUTHENTICATED)
  assert.equal(await codeOf(message, { 'x-api-key': 'weir_wrong' }), status.UNAUTHENTICATED)
  assert.equal(await codeOf(message, { 'x-api-key': 'weir_read' }), status.PERMISSION_DENIED)
  assert.equal(await codeOf(message, { ...may, 'x-scope-orgid': 'other' }), status.PERMISSION_DENIED)
  assert.equal(
    await codeOf(message, may, '/opentelemetry.proto.collector.trace.v1.TraceService/Export'),
    status.UNIMPLEMENTED,
  )
  assert.equal(await codeOf(Buffer.from([0x0a, 0x7f]), may), status.INVALID_ARGUMENT)
  assert.equal(await codeOf(Buffer.alloc(2 * MIB), may), status.INVALID_ARGUMENT)
  assert.equal(backend.ingested.length, 0)
  assert.equal(await codeOf(message, { 'x-api-key': 'weir_ingest' }), status.OK)
  assert.equal(backend.ingested[0]?.tenant, 'acme')

  const session = connectHttp2(`http://${HOST}:${port}`)
  t.after(() => session.destroy())
  const raw = async (headers: Readonly<Record<string, string>>, body: Buffer) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': EXPORT,
      'content-type': 'application/grpc',
      ...may,
      ...headers,
    })
    const answered = once(stream, 'response')
    stream.on('error', () => undefined)
    stream.end(body)
    const [answer] = (await answered) as [Record<string, string>]
    stream.destroy()
    return answer['grpc-status'] ?? answer[':status']
  }
  const framed = (flag: number, length: number, rest: Buffer) =>
    Buffer.concat([Buffer.from([flag, 0, length >> 16, (length >> 8) & 255, length & 255]), rest])
  assert.equal(await raw({ 'content-type': 'application/json' }, Buffer.from('{}')), 415)
  assert.equal(await raw({}, Buffer.alloc(0)), '3')
  assert.equal(await raw({}, framed(0, 9, Buffer.alloc(3))), '3', 'cut off')
  assert.equal(await raw({}, Buffer.concat([framed(0, 0, Buffer.alloc(0)), framed(0, 0, Buffer.alloc(0))])), '3', 'two')
  assert.equal(await raw({}, framed(1, 2, Buffer.alloc(2))), '3', 'compressed, and nobody says how')
  assert.equal(await raw({ 'grpc-encoding': 'snappy' }, framed(1, 2, Buffer.alloc(2))), '12')
  const bomb = gzipSync(Buffer.alloc(50 * MIB))
  assert.equal(await raw({ 'grpc-encoding': 'gzip' }, framed(1, bomb.length, bomb)), '3', 'a bomb')
  assert.equal(await raw({ 'grpc-encoding': 'gzip' }, framed(1, 9, Buffer.alloc(9, 7))), '3', 'no gzip')
  assert.equal(backend.inFlightBytes, 0)
  const socket = connect(port, HOST)
  socket.on('error', () => undefined)
  socket.end('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  await once(socket.resume(), 'close')
  assert.equal(await codeOf(message, may), status.OK, 'it goes on')
})

test('a call that has begun is answered while the listener closes, and a new one goes elsewhere', async (t) => {
  const { backend, client, listener } = await listening(t)
  const held = Promise.withResolvers<void>()
  backend.before = () => held.promise
  const begun = call(client, exportOf(['begun']))
  await waitUntil(
    () => backend.inFlightBytes > 0,
    () => 'the call has begun',
  )
  const closed = listener.close(new AbortController().signal)
  held.resolve()
  assert.equal((await begun).code, status.OK)
  await closed
  assert.equal(backend.ingested.length, 1)
  assert.equal((await call(client, exportOf(['later']))).code, status.UNAVAILABLE)
})

test('a connection that never begins its handshake does not hold up the end', async (t) => {
  const { certificate, key } = testCertificate()
  const { listener, port } = await listening(t, { tls: { certificate, key } })
  const silent = connect(port, HOST)
  t.after(() => silent.destroy())
  await once(silent, 'connect')
  silent.on('error', () => undefined)
  const startedMs = systemClock.monotonicMs()
  await listener.close(AbortSignal.abort())
  assert.ok(systemClock.monotonicMs() - startedMs < 5000)
})

test('a client that goes away leaves nothing behind', async (t) => {
  const { backend, port, client } = await listening(t)
  const session = connectHttp2(`http://${HOST}:${port}`)
  session.on('error', () => undefined)
  const stream = session.request({ ':method': 'POST', ':path': EXPORT, 'content-type': 'application/grpc' })
  stream.on('error', () => undefined)
  stream.write(Buffer.alloc(100_000))
  await waitUntil(
    () => backend.inFlightBytes > 0,
    () => 'a part of the message is there',
  )
  session.destroy()
  await waitUntil(
    () => backend.inFlightBytes === 0,
    () => 'its bytes are given back',
  )
  assert.equal((await call(client, exportOf(['next']))).code, status.OK)
})

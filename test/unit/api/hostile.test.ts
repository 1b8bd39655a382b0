import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { constants, deflateRawSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { type Clock, systemClock } from '../../../base/clock.ts'
import { exchangeBytes } from '../../harness/http-client.ts'
import { startTestServer } from '../../harness/test-server.ts'

const INGEST = '/v1/logs/ingest'
const MIB = 1024 * 1024

/** The system's clock with timers a hundred times as fast, for bounds of many seconds. */
const hastyClock: Clock = {
  ...systemClock,
  after: (delayMs, run) => systemClock.after(delayMs / 100, run),
  every: (periodMs, run) => systemClock.every(periodMs / 100, run),
}

/** Resolves once `isTrue`; a deadline of the test runner ends it otherwise. */
async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await systemClock.yieldTurn()
}

test('a zip bomb of 10 GB is given up at the limit, whatever it is packed with', async (t) => {
  const { client, backend } = await startTestServer(t, { bodyBytesMax: 16 * MIB, inflatedBytesMax: 8 * MIB })
  const zeros = Buffer.alloc(16 * MIB)
  const repeat = (piece: Buffer, times: number) => Buffer.concat(Array.from({ length: times }, () => piece))
  const bombs: [string, Buffer][] = [
    ['gzip', repeat(gzipSync(zeros), 640)],
    ['zstd', repeat(zstdCompressSync(zeros), 640)],
    ['deflate', repeat(deflateRawSync(zeros, { finishFlush: constants.Z_FULL_FLUSH }), 640)],
  ]
  for (const [encoding, body] of bombs) {
    const answer = await client.send(INGEST, { method: 'POST', headers: { 'content-encoding': encoding }, body })
    assert.equal(answer.status, 413, `${encoding}: ${answer.text}`)
    assert.equal(answer.json().code, 'body_too_large')
    assert.equal(backend.inFlightBytes, 0)
  }
  assert.ok(backend.inFlightBytesMost < 32 * MIB, `${backend.inFlightBytesMost} bytes were admitted`)
  assert.equal(backend.ingested.length, 0)
})

test('a body of ever more tiny frames is given up', async (t) => {
  const { client } = await startTestServer(t)
  const body = Buffer.concat(Array.from({ length: 2000 }, () => zstdCompressSync('{}\n')))
  const answer = await client.send(INGEST, { method: 'POST', headers: { 'content-encoding': 'zstd' }, body })
  assert.equal(answer.status, 400)
  assert.equal(answer.json().code, 'invalid_body')
})

test('a zstd frame may not choose how much memory its decoder takes', async (t) => {
  const { client } = await startTestServer(t, { inflatedBytesMax: 512 * MIB })
  const params = { [constants.ZSTD_c_windowLog]: 27, [constants.ZSTD_c_contentSizeFlag]: 0 }
  const body = zstdCompressSync(Buffer.alloc(130 * MIB), { params })
  const answer = await client.send(INGEST, { method: 'POST', headers: { 'content-encoding': 'zstd' }, body })
  assert.equal(answer.status, 400)
  assert.match(answer.json().detail, /memory/)
})

test('a body over the limit is refused by its announced length, and cut where it announced none', async (t) => {
  const { client, backend } = await startTestServer(t)
  const announced = await client.send(INGEST, { method: 'POST', body: Buffer.alloc(3 * MIB, ' ') })
  assert.equal(announced.status, 413)
  assert.equal(backend.inFlightBytesMost, 0)

  let sent = 0
  async function* endless() {
    for (;;) {
      sent++
      yield Buffer.alloc(64 * 1024, ' ')
      await systemClock.yieldTurn()
    }
  }
  const chunked = await client.send(INGEST, { method: 'POST', body: endless() })
  assert.equal(chunked.status, 413)
  assert.equal(chunked.headers.connection, 'close')
  assert.equal(backend.inFlightBytes, 0)
  assert.ok(backend.inFlightBytesMost <= 2 * MIB)
  assert.ok(sent < 2000, `${sent} chunks were taken`)
})

test('a refusal is read by a client that waits for leave to send', async (t) => {
  const { port } = await startTestServer(t)
  const head = `POST ${INGEST} HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\n`
  const refused = await exchangeBytes(port, `${head}content-length: 99999999\r\n\r\n`)
  assert.match(refused, /^HTTP\/1\.1 413 /)
  const taken = await new Promise<string>((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () =>
      socket.write(`${head}content-length: 2\r\nconnection: close\r\n\r\n`),
    )
    let text = ''
    socket.on('data', (data) => {
      text += data
      if (text === 'HTTP/1.1 100 Continue\r\n\r\n') socket.write('{}')
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(text))
  })
  assert.match(taken, /100 Continue\r\n\r\nHTTP\/1\.1 200 OK/)
})

test('a body that stands still is given up, and its bytes are released', async (t) => {
  const { port, backend } = await startTestServer(t, { clock: hastyClock })
  const head = `POST ${INGEST} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000\r\n\r\n{"message":`
  const answer = await exchangeBytes(port, head)
  assert.match(answer, /^HTTP\/1\.1 408 /)
  assert.match(answer, /"code":"request_timeout"/)
  assert.equal(backend.inFlightBytes, 0)
})

test('an upload that its client gives up releases its bytes', async (t) => {
  const { port, backend } = await startTestServer(t)
  for (const head of ['content-length: 500000', 'transfer-encoding: chunked']) {
    const socket = connect(port, '127.0.0.1', () => {
      const chunk = head.includes('chunked') ? 'a\r\n0123456789\r\n' : '0123456789'
      socket.write(`POST ${INGEST} HTTP/1.1\r\nhost: localhost\r\n${head}\r\n\r\n${chunk}`)
    })
    await until(() => backend.inFlightBytes > 0)
    socket.destroy()
    await until(() => backend.inFlightBytes === 0)
  }
  assert.equal(backend.ingested.length, 0)
})

test('a client that goes away while its records are stored fires the signal, and its bytes are released', async (t) => {
  const { client, backend } = await startTestServer(t)
  const began = Promise.withResolvers<AbortSignal>()
  backend.before = (signal) =>
    new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason))
      began.resolve(signal)
    })
  const leaving = new AbortController()
  const answer = client.send(INGEST, { method: 'POST', body: '{}', signal: leaving.signal })
  const signal = await began.promise
  assert.ok(backend.inFlightBytes > 0)
  leaving.abort()
  await assert.rejects(answer)
  await until(() => signal.aborted && backend.inFlightBytes === 0)
  assert.equal(signal.reason.code, 'cancelled')
})

test('bytes that are no request get a problem and no more', async (t) => {
  const { port, client } = await startTestServer(t)
  const host = 'host: localhost\r\n'
  const requests: [string, number][] = [
    ['GARBAGE\r\n\r\n', 400],
    ['\u0016\u0003\u0001\u0000', 400],
    [`GET /healthz HTTP/1.1\r\n${host}bad header: x\r\n\r\n`, 400],
    [`GET /healthz HTTP/1.1\r\n${host}x: ${'y'.repeat(70_000)}\r\n\r\n`, 431],
    [`POST ${INGEST} HTTP/1.1\r\n${host}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
    [`POST ${INGEST} HTTP/1.1\r\n${host}content-length: -1\r\n\r\n`, 400],
    [`POST ${INGEST} HTTP/1.1\r\n${host}transfer-encoding: chunked\r\n\r\nZZ\r\n`, 400],
  ]
  for (const [bytes, status] of requests) {
    const answer = await exchangeBytes(port, bytes)
    assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `), JSON.stringify(bytes.slice(0, 60)))
    assert.match(answer, /application\/problem\+json/)
  }
  assert.equal((await client.get('/healthz')).status, 200)
})

test('what a client writes never becomes a header or leaves the interface by its path', async (t) => {
  const { client, port } = await startTestServer(t)
  for (const path of [
    '/v1/logs/%0d%0aset-cookie:x',
    '/v1/logs/search?order=%0d%0aset-cookie:%20x',
    '/%0d%0aset-cookie:x',
  ]) {
    const answer = await client.get(path)
    assert.ok(answer.status >= 400)
    assert.equal(answer.headers['set-cookie'], undefined)
  }
  for (const path of [
    '/../../etc/passwd',
    '/v1/../../../etc/passwd',
    '/docs/%2e%2e/%2e%2e/etc/passwd',
    '//etc/passwd',
    '/docs/errors/../../x',
  ]) {
    const answer = await exchangeBytes(port, `GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`)
    assert.match(answer, /^HTTP\/1\.1 404 /, path)
  }
  const badPath = await exchangeBytes(port, 'GET /v1/logs/%zz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n')
  assert.match(badPath, /^HTTP\/1\.1 400 .*"code":"malformed_request"/s)
})

test('without authentication, pages of other origins and foreign names are refused', async (t) => {
  const { client, port } = await startTestServer(t)
  const own = `http://127.0.0.1:${port}`
  const tries: [Record<string, string>, number][] = [
    [{ origin: own }, 200],
    [{ origin: 'http://evil.example' }, 403],
    [{ origin: 'null' }, 403],
    [{ host: `localhost:${port}` }, 200],
    [{ host: `[::1]:${port}` }, 200],
    [{ host: 'evil.example' }, 403],
    [{ host: 'evil.example', origin: 'http://evil.example', 'sec-fetch-site': 'same-origin' }, 403],
  ]
  for (const [headers, status] of tries) {
    const answer = await client.send(INGEST, { method: 'POST', headers, body: '{}' })
    assert.equal(answer.status, status, JSON.stringify(headers))
  }
})

test('an error nobody expected is a 500 that tells nothing of our insides', async (t) => {
  const { client, backend } = await startTestServer(t)
  backend.before = () => {
    throw new TypeError('secret of /srv/weir/actors/query.ts')
  }
  for (const answer of [await client.post(INGEST, {}), await client.get('/v1/logs/search')]) {
    assert.equal(answer.status, 500)
    assert.equal(answer.json().code, 'internal')
    assert.doesNotMatch(answer.text, /secret|srv|at /)
  }
})

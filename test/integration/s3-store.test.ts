import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls'
import { systemClock } from '../../base/clock.ts'
import { WeirError } from '../../base/errors.ts'
import { Prng } from '../../base/prng.ts'
import { openS3ObjectStore, type S3ObjectStore, type S3Options } from '../../storage/object-store/s3.ts'
import type { S3Attempt } from '../../storage/object-store/s3-requests.ts'
import { HttpProxy, type ProxyAnswer, s3ErrorBody } from '../harness/http-proxy.ts'
import { S3Server, s3OptionsAt } from '../harness/s3-server.ts'
import { TcpProxy } from '../harness/tcp-proxy.ts'
import { testCertificate } from '../harness/test-certificate.ts'
import { waitUntil } from '../harness/weir-client.ts'

const MIB = 1024 * 1024
/** Patient enough for this machine under load, short enough for a test. */
const LIMITS = { partBytes: 5 * MIB, silenceMs: 5000, retryFirstMs: 20, retryMaxMs: 400, openMs: 1000 }

let server: S3Server
let buckets = 0
before(async () => {
  server = await S3Server.start()
})
after(() => server.remove())

/** A store at `endpoint` in a bucket of its own, closed with the test, and the attempts of its requests. */
async function openAt(
  t: { after(run: () => void): void },
  endpoint: string,
  options: Partial<S3Options> = {},
): Promise<{ store: S3ObjectStore; attempts: S3Attempt[] }> {
  const attempts: S3Attempt[] = []
  const store = await openS3ObjectStore({
    ...s3OptionsAt(endpoint, `bucket-${++buckets}`),
    clock: systemClock,
    limits: LIMITS,
    onAttempt: (attempt) => attempts.push(attempt),
    ...options,
  })
  t.after(() => store.close())
  attempts.length = 0
  return { store, attempts }
}

async function tcpProxy(t: { after(run: () => void): void }): Promise<{ proxy: TcpProxy; endpoint: string }> {
  const proxy = await TcpProxy.start(server.port)
  t.after(() => proxy.close())
  return { proxy, endpoint: `http://127.0.0.1:${proxy.port}` }
}

async function httpProxy(t: { after(run: () => void): void }): Promise<HttpProxy> {
  const proxy = await HttpProxy.start(server.port)
  t.after(() => proxy.close())
  return proxy
}

/** Bytes that do not repeat. */
function object(byteLength: number, seed: string): Uint8Array {
  const prng = new Prng(seed)
  const words = new Uint32Array(Math.ceil(byteLength / 4)).map(() => Math.floor(prng.random() * 2 ** 32))
  return new Uint8Array(words.buffer).subarray(0, byteLength)
}

function unavailable(kind: string, reason?: RegExp) {
  return (error: unknown) => {
    ok(error instanceof WeirError, String(error))
    equal(error.code, 'storage_unavailable')
    equal(error.details.kind, kind, error.message)
    if (reason !== undefined) ok(reason.test(error.message), error.message)
    return true
  }
}

const outcomes = (attempts: readonly S3Attempt[], operation: string) =>
  attempts.filter((attempt) => attempt.operation === operation).map(({ outcome }) => outcome)

describe('large objects', () => {
  test('an object of many parts comes back whole and in ranges across them', async (t) => {
    const { store, attempts } = await openAt(t, server.endpoint)
    const bytes = object(17 * MIB + 3, 'parts')
    await store.put('large', bytes)
    equal(outcomes(attempts, 'putPart').length, 4)
    equal(await store.size('large'), bytes.length)
    ok(Buffer.from(await store.get('large')).equals(bytes))
    const across = await store.read('large', { offset: 5 * MIB - 10, length: 20 })
    deepEqual(across, { bytes: bytes.slice(5 * MIB - 10, 5 * MIB + 10), objectBytes: bytes.length })
    equal((await store.read('large', { offset: -100 })).objectBytes, bytes.length)
    equal(server.openUploads, 0)
  })

  test('a store that goes away in the middle of a multipart put, for less than the attempts last, costs nothing', async (t) => {
    const { proxy, endpoint } = await tcpProxy(t)
    const { store, attempts } = await openAt(t, endpoint, { limits: { ...LIMITS, attemptsMax: 20 } })
    const bytes = object(16 * MIB, 'outage')
    const threshold = proxy.bytesSent + 7 * MIB
    proxy.onBytes = () => {
      if (proxy.bytesSent < threshold) return
      proxy.onBytes = () => {}
      proxy.breakDown()
      systemClock.after(200, () => {
        proxy.weather = { kind: 'pass' }
      })
    }
    await store.put('large', bytes)
    ok(outcomes(attempts, 'putPart').includes('transient'), 'the outage was felt')
    ok(Buffer.from(await store.get('large')).equals(bytes))
  })

  test('a multipart put that fails for good is given up, so that its parts do not stay', async (t) => {
    const proxy = await httpProxy(t)
    const { store, attempts } = await openAt(t, proxy.endpoint)
    proxy.answer = (method, url) =>
      method === 'PUT' && url.includes('partNumber=2') ? { status: 503, body: s3ErrorBody('SlowDown') } : undefined
    await rejects(store.put('large', object(12 * MIB, 'given up')), unavailable('transient', /SlowDown/))
    deepEqual(outcomes(attempts, 'abortParts'), ['ok'])
    equal(server.openUploads, 0)
    equal(await store.size('large'), undefined)
  })

  test('when the answer that completes an upload gets lost, the object is there and the put has succeeded', async (t) => {
    const proxy = await httpProxy(t)
    const { store, attempts } = await openAt(t, proxy.endpoint)
    let lost = 0
    proxy.answer = (method, url): ProxyAnswer | undefined =>
      method === 'POST' && url.includes('uploadId=') && lost++ === 0
        ? { status: 500, body: s3ErrorBody('InternalError'), afterServer: true }
        : undefined
    const bytes = object(6 * MIB, 'lost answer')
    await store.put('large', bytes)
    deepEqual(outcomes(attempts, 'completeParts'), ['transient', 'noUpload'])
    ok(Buffer.from(await store.get('large')).equals(bytes))
  })
})

describe('a store in trouble', () => {
  test('SlowDown is answered by patience, with waits that grow', async (t) => {
    const proxy = await httpProxy(t)
    const { store, attempts } = await openAt(t, proxy.endpoint, {
      limits: { ...LIMITS, retryFirstMs: 100, retryMaxMs: 200 },
    })
    await store.put('k', new Uint8Array([1, 2]))
    let refusals = 3
    proxy.answer = () => (refusals-- > 0 ? { status: 503, body: s3ErrorBody('SlowDown') } : undefined)
    const startedMs = systemClock.monotonicMs()
    deepEqual(await store.get('k'), new Uint8Array([1, 2]))
    deepEqual(outcomes(attempts, 'get'), ['transient', 'transient', 'transient', 'ok'])
    ok(systemClock.monotonicMs() - startedMs >= 50 + 100 + 100, 'half of each wait is certain')
  })

  test('what stays unavailable is an error that says so, after the attempts that there are', async (t) => {
    const proxy = await httpProxy(t)
    const { store, attempts } = await openAt(t, proxy.endpoint)
    proxy.answer = () => ({ status: 503, body: s3ErrorBody('SlowDown') })
    await rejects(store.get('k'), unavailable('transient', /SlowDown/))
    await rejects(store.put('k', new Uint8Array(1)), unavailable('transient'))
    await rejects(store.size('k'), unavailable('transient'))
    await rejects(store.delete('k'), unavailable('transient'))
    await rejects(Array.fromAsync(store.list('')), unavailable('transient'))
    for (const operation of ['get', 'put', 'size', 'delete', 'list']) equal(outcomes(attempts, operation).length, 5)
  })

  test('a refusal for good is not tried again', async (t) => {
    const proxy = await httpProxy(t)
    const { store, attempts } = await openAt(t, proxy.endpoint)
    const refusals = [
      [403, 'AccessDenied', 'credentials'],
      [403, 'InvalidAccessKeyId', 'credentials'],
      [404, 'NoSuchBucket', 'bucket'],
      [301, 'PermanentRedirect', 'region'],
      [400, 'InvalidRequest', 'refused'],
    ] as const
    for (const [status, code, kind] of refusals) {
      proxy.answer = () => ({ status, body: s3ErrorBody(code) })
      await rejects(store.get('k'), unavailable(kind, new RegExp(code)))
    }
    deepEqual(
      outcomes(attempts, 'get'),
      refusals.map(([, , kind]) => kind),
    )
  })

  test('slow answers are waited for', async (t) => {
    const { proxy, endpoint } = await tcpProxy(t)
    const { store, attempts } = await openAt(t, endpoint)
    await store.put('k', object(300_000, 'slow'))
    proxy.weather = { kind: 'delay', delayMs: 150 }
    ok(Buffer.from(await store.get('k')).equals(object(300_000, 'slow')))
    deepEqual(outcomes(attempts, 'get'), ['ok'])
  })

  test('a store that says nothing is given up after a while, and asked again', async (t) => {
    const { proxy, endpoint } = await tcpProxy(t)
    const { store, attempts } = await openAt(t, endpoint, { limits: { ...LIMITS, silenceMs: 200, attemptsMax: 2 } })
    await store.put('k', new Uint8Array([1]))
    proxy.weather = { kind: 'blackhole' }
    await rejects(store.get('k'), unavailable('transient', /timeout/))
    await rejects(store.put('k', new Uint8Array([1])), unavailable('transient', /timeout/))
    deepEqual(outcomes(attempts, 'get'), ['transient', 'transient'])
    proxy.weather = { kind: 'pass' }
    proxy.resetAll()
    deepEqual(await store.get('k'), new Uint8Array([1]))
  })

  test('a server that was stopped for a while, or killed and started anew, is found again', async (t) => {
    const { store } = await openAt(t, server.endpoint, { limits: { ...LIMITS, attemptsMax: 10 } })
    await store.put('k', new Uint8Array([7]))
    server.pause()
    const duringPause = store.get('k')
    systemClock.after(300, () => server.resume())
    deepEqual(await duringPause, new Uint8Array([7]))
    await server.kill()
    const duringOutage = store.get('k')
    await server.restart()
    deepEqual(await duringOutage, new Uint8Array([7]))
  })

  test('an answer that breaks off is read again; none is taken for whole', async (t) => {
    const { proxy, endpoint } = await tcpProxy(t)
    const { store, attempts } = await openAt(t, endpoint)
    const bytes = object(4 * MIB, 'broken off')
    await store.put('k', bytes)
    const threshold = proxy.bytesAnswered + MIB
    proxy.onBytes = () => {
      if (proxy.bytesAnswered < threshold) return
      proxy.onBytes = () => {}
      proxy.resetAll()
    }
    ok(Buffer.from(await store.get('k')).equals(bytes))
    deepEqual(outcomes(attempts, 'get'), ['transient', 'ok'])
  })

  test('who waits for a connection is not given up for that', async (t) => {
    const { proxy, endpoint } = await tcpProxy(t)
    const { store, attempts } = await openAt(t, endpoint, { limits: { ...LIMITS, silenceMs: 1000, requestsMax: 2 } })
    await store.put('k', new Uint8Array([1]))
    proxy.weather = { kind: 'delay', delayMs: 100 }
    await Promise.all(Array.from({ length: 20 }, () => store.get('k')))
    deepEqual(new Set(outcomes(attempts, 'get')), new Set(['ok']))
  })

  test('connections are bounded and used again', async (t) => {
    const { proxy, endpoint } = await tcpProxy(t)
    const { store } = await openAt(t, endpoint, { limits: { ...LIMITS, requestsMax: 4 } })
    await store.put('k', object(1000, 'bounded'))
    await Promise.all(Array.from({ length: 100 }, () => store.get('k')))
    ok(proxy.connectionsAtOnce <= 4, `${proxy.connectionsAtOnce} connections at once`)
    ok(proxy.connections < 50, `${proxy.connections} connections`)
  })

  test('more keys than a page holds are listed', async (t) => {
    const { store } = await openAt(t, server.endpoint)
    const keys = Array.from({ length: 1100 }, (_, i) => `many/${String(i).padStart(4, '0')}`)
    await Promise.all(keys.map((key) => store.put(key, new Uint8Array(0))))
    deepEqual(await Array.fromAsync(store.list('many/')), keys)
  })
})

describe('opening', () => {
  test('says what is wrong: no server, no bucket, credentials, no right to write', async (t) => {
    const { proxy, endpoint } = await tcpProxy(t)
    proxy.breakDown()
    await rejects(openAt(t, endpoint), unavailable('transient', new RegExp(`bucket bucket-\\d+ at ${endpoint}: .*`)))
    await rejects(
      openAt(t, server.endpoint, { createBucket: false }),
      unavailable('bucket', /does not exist; make it, or set s3\.createBucket/),
    )
    const http = await httpProxy(t)
    http.answer = () => ({ status: 403 })
    await rejects(openAt(t, http.endpoint), unavailable('credentials', /refuses the credentials/))
    http.answer = (method, url) =>
      method === 'PUT' && url.includes('access-check') ? { status: 403, body: s3ErrorBody('AccessDenied') } : undefined
    await rejects(openAt(t, http.endpoint), unavailable('credentials', /AccessDenied/))
  })

  test('waits for a server that is still starting', async (t) => {
    const { proxy, endpoint } = await tcpProxy(t)
    proxy.breakDown()
    const opening = openAt(t, endpoint, { limits: { ...LIMITS, attemptsMax: 2, openMs: 30_000 } })
    await waitUntil(
      () => proxy.connections >= 5,
      () => 'it has asked five times',
    )
    proxy.weather = { kind: 'pass' }
    await opening
  })

  test('several that make the same bucket all have it; nothing is left of the check', async (t) => {
    const bucket = 'shared'
    const stores = await Promise.all([1, 2, 3].map(() => openAt(t, server.endpoint, { bucket })))
    await stores[0]!.store.put('k', new Uint8Array([1]))
    for (const { store } of stores) deepEqual(await Array.fromAsync(store.list('')), ['k'])
  })

  test('TLS: a certificate must be trusted, and may be by a file of one’s own', async (t) => {
    const { certificate, key } = testCertificate()
    const tls = await startTls(certificate, key)
    t.after(() => tls.close())
    const endpoint = `https://127.0.0.1:${(tls.address() as { port: number }).port}`
    await rejects(openAt(t, endpoint), unavailable('tls', /not trusted/))
    const { store } = await openAt(t, endpoint, { ca: certificate })
    await store.put('k', object(100_000, 'tls'))
    ok(Buffer.from(await store.get('k')).equals(object(100_000, 'tls')))
  })
})

function startTls(cert: string, key: string): Promise<TlsServer> {
  const tls = createTlsServer({ cert, key }, (client) => {
    const onward = connect(server.port, '127.0.0.1')
    client.on('error', () => onward.destroy()).pipe(onward)
    onward.on('error', () => client.destroy()).pipe(client)
  })
  tls.on('tlsClientError', () => undefined)
  return new Promise((resolve) => tls.listen(0, '127.0.0.1', () => resolve(tls)))
}

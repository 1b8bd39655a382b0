import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { after, before, describe, type TestContext, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { systemClock } from '../../../base/clock.ts'
import { WeirError } from '../../../base/errors.ts'
import { TRANSPORT_HELD_BYTES_MAX, TRANSPORT_TRANSFERS_MAX, TRANSPORT_WINDOW_BYTES } from '../../../base/limits.ts'
import { silentLogger } from '../../../base/logger.ts'
import { Prng } from '../../../base/prng.ts'
import { NatsConnection, type NatsEvent } from '../../../cluster/nats-connection.ts'
import { type NatsTransport, openNatsTransport } from '../../../cluster/nats-transport.ts'
import { NatsServers } from '../../harness/nats-server.ts'
import { TcpProxy } from '../../harness/tcp-proxy.ts'

const LONG = { deadlineMs: 30_000 }
const WAIT_MS = 20_000
const MB = 2 ** 20
const NONE = new Uint8Array()
const IDLE = { asked: 0, answering: 0, subscriptions: 0, receiving: 0, heldBytes: 0, addresses: 0 }

interface Peer {
  readonly connection: NatsConnection
  readonly transport: NatsTransport
}

async function open(t: TestContext, url: string): Promise<Peer> {
  const connection = await NatsConnection.open({ servers: [url], name: 'test' }, systemClock)
  const transport = await openNatsTransport({ connection, clock: systemClock, logger: silentLogger })
  t.after(async () => {
    await transport.close()
    await connection.close()
  })
  return { connection, transport }
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const untilMs = systemClock.monotonicMs() + WAIT_MS
  while (!(await holds())) {
    if (systemClock.monotonicMs() > untilMs) throw new Error(`not in time: ${what}`)
    await systemClock.sleep(5)
  }
}

/** Resolves once a question of `from` reaches `subject`. */
const reachable = ({ transport }: Peer, subject: string) =>
  until(`${subject} is reached`, () =>
    transport.request(subject, NONE, { deadlineMs: 5000 }).then(
      () => true,
      () => false,
    ),
  )

/** Nothing is left of what was asked and answered. */
async function assertIdle(...peers: readonly Peer[]): Promise<void> {
  const states = () => peers.map(({ transport }) => ({ ...transport.observe(), subscriptions: 0 }))
  const idle = peers.map(() => IDLE)
  await until('all is over', () => isDeepStrictEqual(states(), idle)).catch(() => {})
  deepEqual(states(), idle)
}

const next = ({ connection }: Peer, kind: NatsEvent['kind']): Promise<void> =>
  new Promise((resolve) => {
    const end = connection.onEvent((event) => {
      if (event.kind !== kind) return
      end()
      resolve()
    })
  })

const sized = (bytes: number): Uint8Array => new TextEncoder().encode(`${bytes}`)
const sizeOf = (payload: Uint8Array): number => Number(new TextDecoder().decode(payload))

/** Prime, so that no piece is like another. */
const BLOCK = Uint8Array.from({ length: 8191 }, (_, i) => (i * i) >> 7)

function pattern(bytes: number): Uint8Array {
  return new Uint8Array(Buffer.alloc(bytes, BLOCK))
}

describe('one server', () => {
  let servers: NatsServers
  before(async () => {
    servers = await NatsServers.start(1)
  })
  after(() => servers.stop())

  /** Two peers, of which the second answers to `fill` with as many bytes as it is asked for. */
  async function pair(t: TestContext): Promise<readonly [Peer, Peer]> {
    const [a, b] = [await open(t, servers.urls[0]!), await open(t, servers.urls[0]!)]
    b.transport.subscribe('fill', async (payload) => pattern(sizeOf(payload)))
    await reachable(a, 'fill')
    return [a, b]
  }

  test('answers of 10 MB, more at once than may be under way', async (t) => {
    const [a, b] = await pair(t)
    const large = pattern(10 * MB)
    b.transport.subscribe('large', async () => large)
    await b.connection.client.flush()
    const expected = Buffer.from(large)
    const asked = Array.from({ length: TRANSPORT_TRANSFERS_MAX + 4 }, async () => {
      ok(expected.equals(await a.transport.request('large', NONE, LONG)))
    })
    await Promise.all(asked)
    await assertIdle(a, b)
  })

  test('more large answers than may be held are refused; the others arrive', async (t) => {
    const [a, b] = await pair(t)
    const bytes = 48 * MB
    const count = TRANSPORT_HELD_BYTES_MAX / bytes + 1
    const results = await Promise.allSettled(
      Array.from({ length: Math.ceil(count) }, () => a.transport.request('fill', sized(bytes), LONG)),
    )
    for (const result of results) {
      if (result.status === 'fulfilled') equal(result.value.length, bytes)
      else equal(result.reason.code, 'overloaded')
    }
    ok(results.some(({ status }) => status === 'fulfilled'))
    await assertIdle(a, b)
  })

  test('a question given up between pieces leaves nothing, on either side; so does an answer', async (t) => {
    const [a, b] = await pair(t)
    let asked = 0
    b.transport.subscribe('take', async () => {
      asked++
      return NONE
    })
    await reachable(a, 'take')
    for (const [subject, payload] of [
      ['take', new Uint8Array(40 * MB)],
      ['fill', sized(40 * MB)],
    ] as const) {
      const giveUp = new AbortController()
      const request = a.transport.request(subject, payload, { ...LONG, signal: giveUp.signal })
      const receiver = subject === 'take' ? b : a
      const refused = rejects(request, { message: 'enough' })
      await until('pieces come', () => receiver.transport.observe().receiving > 0)
      giveUp.abort(new Error('enough'))
      await refused
      await assertIdle(a, b)
    }
    equal(asked, 1)
  })

  test('of two who could take a large question, one gets it', async (t) => {
    const [a, b] = await pair(t)
    const c = await open(t, servers.urls[0]!)
    const taken: number[] = []
    for (const peer of [b, c]) {
      peer.transport.subscribe('take', async (payload) => {
        taken.push(payload.length)
        return NONE
      })
      await peer.connection.client.flush()
    }
    await a.transport.request('take', new Uint8Array(3 * MB), LONG)
    await assertIdle(a, b, c)
    deepEqual(taken, [3 * MB])
  })

  test('a request to many that is left early ends the work of the others', async (t) => {
    const [a, b] = await pair(t)
    let stopped = 0
    b.transport.subscribe('many', async () => sized(1))
    b.transport.subscribe('many', (_payload, signal) => {
      signal.addEventListener('abort', () => stopped++)
      return new Promise(() => {})
    })
    await b.connection.client.flush()
    for await (const answer of a.transport.requestMany('many', NONE, { ...LONG, expected: 2 })) {
      equal(sizeOf(answer), 1)
      break
    }
    await assertIdle(a, b)
    equal(stopped, 1)
  })

  test('deadlines that pass between pieces leave nothing', async (t) => {
    const [a, b] = await pair(t)
    for (const deadlineMs of [1, 3, 10, 20]) {
      const question = a.transport.request('fill', new Uint8Array(20 * MB), { deadlineMs })
      const answer = a.transport.request('fill', sized(40 * MB), { deadlineMs })
      await Promise.allSettled([question, answer])
    }
    await assertIdle(a, b)
  })

  test('who answers is gone: the question fails within seconds', async (t) => {
    const [a, b] = await pair(t)
    let wasAsked = false
    b.transport.subscribe('silent', () => {
      wasAsked = true
      return new Promise(() => {})
    })
    await b.connection.client.flush()
    const startMs = systemClock.monotonicMs()
    const failed = rejects(a.transport.request('silent', NONE, LONG), {
      code: 'shard_unavailable',
      message: /works on/,
    })
    await until('it is asked', () => wasAsked)
    await b.connection.client.close()
    await failed
    ok(systemClock.monotonicMs() - startMs < 10_000)
    await assertIdle(a)
  })

  test('work that takes long is waited for', async (t) => {
    const [a, b] = await pair(t)
    b.transport.subscribe('slow', async (_payload, signal) => {
      await systemClock.sleep(6000, signal)
      return sized(1)
    })
    await b.connection.client.flush()
    equal(sizeOf(await a.transport.request('slow', NONE, LONG)), 1)
    await assertIdle(a, b)
  })

  test('who asks is gone: the work ends within seconds, and what was held for it is freed', async (t) => {
    const [, b] = await pair(t)
    let stopped = 0
    b.transport.subscribe('silent', (_payload, signal) => {
      signal.addEventListener('abort', () => stopped++)
      return new Promise(() => {})
    })
    await b.connection.client.flush()
    const gone = await NatsConnection.open({ servers: servers.urls, name: 'gone' }, systemClock)
    const transport = await openNatsTransport({ connection: gone, clock: systemClock, logger: silentLogger })
    const requests = [
      transport.request('silent', NONE, LONG),
      transport.request('fill', sized(40 * MB), LONG),
      transport.request('fill', new Uint8Array(40 * MB), LONG),
    ]
    const settled = Promise.allSettled(requests)
    await until('all is under way', () => b.transport.observe().answering === 3)
    await gone.client.close()
    await assertIdle(b)
    equal(stopped, 1)
    await transport.close()
    await settled
  })

  test('the end of a subscription does not end what was taken, and it can be cancelled', async (t) => {
    const [a, b] = await pair(t)
    const asked: AbortSignal[] = []
    const end = b.transport.subscribe('slow', async (payload, signal) => {
      asked.push(signal)
      await systemClock.sleep(sizeOf(payload), signal)
      return payload
    })
    await b.connection.client.flush()
    const giveUp = new AbortController()
    const slow = a.transport.request('slow', sized(5000), LONG)
    const unwanted = a.transport.request('slow', sized(60_000), { deadlineMs: 60_000, signal: giveUp.signal })
    const refused = rejects(unwanted, { message: 'enough' })
    await until('both are asked', () => asked.length === 2)
    end()
    giveUp.abort(new Error('enough'))
    await refused
    equal(sizeOf(await slow), 5000)
    await assertIdle(a, b)
  })

  test('a closed transport says so to those who wait for its answers', async (t) => {
    const [a, b] = await pair(t)
    b.transport.subscribe('silent', () => new Promise(() => {}))
    await b.connection.client.flush()
    const failed = rejects(a.transport.request('silent', NONE, LONG), { code: 'draining' })
    await until('it is asked', () => b.transport.observe().answering === 1)
    await b.transport.close()
    await failed
    deepEqual(b.transport.observe(), IDLE)
    await assertIdle(a)
  })

  test('bytes that are no messages change nothing', async (t) => {
    const [a, b] = await pair(t)
    const prng = new Prng('noise')
    const inboxes: string[] = []
    const spy = await NatsConnection.open({ servers: servers.urls, name: 'spy' }, systemClock)
    t.after(() => spy.close())
    spy.client.subscribe('_INBOX.>', { callback: (_error, { subject }) => void inboxes.push(subject) })
    await spy.client.flush()
    const long = a.transport.request('fill', sized(8 * MB), LONG)
    for (let i = 0; i < 2000; i++) {
      const noise = Uint8Array.from({ length: prng.below(40) }, () => prng.below(256))
      if (i % 2 === 0) noise.set([1, prng.below(9), 0, 0, 0, 0, 0, 0].slice(0, noise.length))
      const to = i % 3 === 0 ? 'fill' : (inboxes[prng.below(Math.max(1, inboxes.length))] ?? 'fill')
      spy.client.publish(to, noise, i % 5 === 0 ? { reply: '_INBOX.nobody.1' } : {})
      if (i % 100 === 0) await spy.client.flush()
    }
    await long.catch(() => {}) // noise may have hit it
    equal((await a.transport.request('fill', sized(5), LONG)).length, 5)
    await assertIdle(a, b)
  })

  test('a hundred random questions at once, of which some are large, fail or are given up', async (t) => {
    const [a, b] = await pair(t)
    b.transport.subscribe('any', async (payload, signal) => {
      const prng = new Prng(`answer ${payload.length}`)
      await systemClock.sleep(prng.below(20), signal)
      if (prng.chance(0.2)) throw new WeirError('conflict', 'no', { bytes: payload.length })
      return pattern(payload.length * 2)
    })
    await b.connection.client.flush()
    const prng = new Prng('questions')
    const asked = Array.from({ length: 100 }, async () => {
      const bytes = prng.chance(0.3) ? prng.below(2 * MB) : prng.below(3000)
      const signal = prng.chance(0.2) ? AbortSignal.timeout(prng.below(100)) : undefined
      const options = { deadlineMs: prng.chance(0.2) ? prng.below(100) : 30_000, ...(signal && { signal }) }
      try {
        const answer = await a.transport.request('any', pattern(bytes), options)
        ok(Buffer.from(answer).equals(pattern(bytes * 2)))
      } catch (error) {
        if (error instanceof WeirError) {
          ok(['conflict', 'deadline_exceeded'].includes(error.code), error.code)
          if (error.code === 'conflict') equal(error.details.bytes, bytes)
        } else ok(signal?.aborted)
      }
    })
    await Promise.all(asked)
    await assertIdle(a, b)
  })

  describe('a connection that is lost with', () => {
    const SOON_MS = 1500

    async function behindProxy(t: TestContext): Promise<{ a: Peer; b: Peer; proxy: TcpProxy; asked: () => number }> {
      const proxy = await TcpProxy.start(Number(new URL(`nats://${servers.urls[0]!.replace(/^.*\/\//, '')}`).port))
      t.after(() => proxy.close())
      const [a, b] = [await open(t, `127.0.0.1:${proxy.port}`), await open(t, servers.urls[0]!)]
      let asked = 0
      b.transport.subscribe('count', async (payload) => {
        asked++
        return payload
      })
      await reachable(a, 'count')
      asked = 0
      return { a, b, proxy, asked: () => asked }
    }

    test('a question: it is asked again at once, and answered', async (t) => {
      const { a, b, proxy, asked } = await behindProxy(t)
      proxy.weather = { kind: 'blackhole' }
      const sent = proxy.bytesSent
      const startMs = systemClock.monotonicMs()
      const answer = a.transport.request('count', sized(7), LONG)
      await until('it is on its way', () => proxy.bytesSent > sent)
      proxy.weather = { kind: 'pass' }
      proxy.resetAll()
      equal(sizeOf(await answer), 7)
      ok(systemClock.monotonicMs() - startMs < SOON_MS)
      equal(asked(), 1)
      await assertIdle(a, b)
    })

    test('an answer: it is not handled twice, and the loss is told at once', async (t) => {
      const { a, b, proxy } = await behindProxy(t)
      let handled = 0
      b.transport.subscribe('once', async () => {
        handled++
        proxy.weather = { kind: 'blackhole' }
        return NONE
      })
      await b.connection.client.flush()
      const failed = rejects(a.transport.request('once', NONE, LONG), {
        code: 'shard_unavailable',
        message: /was lost/,
      })
      await until('it is handled', () => handled === 1 && b.transport.observe().answering === 0)
      const startMs = systemClock.monotonicMs()
      proxy.weather = { kind: 'pass' }
      proxy.resetAll()
      await failed
      ok(systemClock.monotonicMs() - startMs < SOON_MS)
      equal(handled, 1)
      await assertIdle(a, b)
    })

    test('work under way: it goes on, once, and its answer arrives', async (t) => {
      const { a, b, proxy } = await behindProxy(t)
      const done = Promise.withResolvers<void>()
      let handled = 0
      b.transport.subscribe('long', async () => {
        handled++
        await done.promise
        return sized(5)
      })
      await b.connection.client.flush()
      const answer = a.transport.request('long', NONE, LONG)
      await until('it is asked', () => handled === 1)
      const back = next(a, 'reconnected')
      proxy.resetAll()
      await back
      await a.connection.client.flush()
      done.resolve()
      equal(sizeOf(await answer), 5)
      equal(handled, 1)
      await assertIdle(a, b)
    })
  })

  test('a peer that reads nothing gets no more than its window', async (t) => {
    const proxy = await TcpProxy.start(Number(new URL(servers.urls[0]!).port))
    t.after(() => proxy.close())
    const [, b] = await pair(t)
    const a = await open(t, `nats://127.0.0.1:${proxy.port}`)
    await reachable(a, 'fill')
    const request = rejects(a.transport.request('fill', sized(64 * MB), { deadlineMs: 20_000 }))
    await until('it begins', () => a.transport.observe().receiving === 1)
    proxy.weather = { kind: 'blackhole' }
    const before = proxy.bytesAnswered
    await request
    ok(proxy.bytesAnswered - before < 2 * TRANSPORT_WINDOW_BYTES)
    await assertIdle(a, b)
    proxy.weather = { kind: 'pass' }
  })
})

describe('three servers, of which one dies', () => {
  let servers: NatsServers
  before(async () => {
    servers = await NatsServers.start(3)
  })
  after(() => servers.stop())

  async function apart(t: TestContext): Promise<readonly [Peer, Peer]> {
    const [a, b] = [await open(t, servers.urls[0]!), await open(t, servers.urls[1]!)]
    b.transport.subscribe('fill', async (payload) => pattern(sizeOf(payload)))
    b.transport.subscribe('slow', async (payload, signal) => {
      await systemClock.sleep(sizeOf(payload), signal)
      return payload
    })
    await reachable(a, 'fill')
    await reachable(a, 'slow')
    return [a, b]
  }

  for (const [i, whose] of ['of who asks', 'of who answers'].entries()) {
    test(`the server ${whose}: work goes on, its answer arrives, and so do new questions`, async (t) => {
      const [a, b] = await apart(t)
      const mover = i === 0 ? a : b
      const slow = a.transport.request('slow', sized(2500), LONG)
      await until('it is asked', () => b.transport.observe().answering === 1)
      const back = next(mover, 'reconnected')
      await servers.kill(i)
      await back
      equal(sizeOf(await slow), 2500)
      await reachable(a, 'fill')
      await assertIdle(a, b)
      await servers.restart(i)
    })

    test(`the server ${whose}, between pieces: a clear error within seconds`, async (t) => {
      const [a, b] = await apart(t)
      const startMs = systemClock.monotonicMs()
      const failed = rejects(a.transport.request('fill', sized(90 * MB), LONG), { code: 'shard_unavailable' })
      await until('pieces come', () => a.transport.observe().receiving === 1)
      await servers.kill(i)
      await failed
      ok(systemClock.monotonicMs() - startMs < 10_000)
      await reachable(a, 'fill')
      await assertIdle(a, b)
      await servers.restart(i)
    })
  }

  test('a server that hangs: what was asked through it fails within seconds, and another is found', async (t) => {
    const [a, b] = await apart(t)
    const moved = next(a, 'reconnected')
    const startMs = systemClock.monotonicMs()
    servers.pause(0)
    t.after(() => servers.resume(0))
    const askOn = async (): Promise<never> => {
      for (;;) await a.transport.request('fill', sized(1), LONG)
    }
    await rejects(askOn(), { code: 'shard_unavailable' })
    ok(systemClock.monotonicMs() - startMs < 10_000)
    await moved
    await reachable(a, 'fill')
    await assertIdle(a, b)
    servers.resume(0)
    await servers.ready()
  })

  test('a question while there is no connection waits for it; a publication is lost', async (t) => {
    const [a, b] = await apart(t)
    const lost = next(a, 'disconnected')
    await servers.kill(0)
    await lost
    a.transport.publish('fill', sized(1))
    equal((await a.transport.request('fill', sized(3), LONG)).length, 3)
    await assertIdle(a, b)
    await servers.restart(0)
  })
})

test('no server for long: questions say so, and all is well when it is back', async (t) => {
  const servers = await NatsServers.start(1)
  t.after(() => servers.stop())
  const [a, b] = [await open(t, servers.urls[0]!), await open(t, servers.urls[0]!)]
  b.transport.subscribe('fill', async (payload) => pattern(sizeOf(payload)))
  await reachable(a, 'fill')
  const lost = [next(a, 'disconnected'), next(b, 'disconnected')]
  await servers.kill(0)
  await Promise.all(lost)
  await rejects(a.transport.request('fill', NONE, LONG), { code: 'shard_unavailable', message: /no connection/ })
  const answers: Uint8Array[] = []
  for await (const answer of a.transport.requestMany('fill', NONE, { ...LONG, expected: 1 })) answers.push(answer)
  deepEqual(answers, [])
  await assertIdle(a, b)
  await servers.restart(0)
  await reachable(a, 'fill')
  await assertIdle(a, b)
})

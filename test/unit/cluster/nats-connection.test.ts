import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { systemClock } from '../../../base/clock.ts'
import { NatsConnection, type NatsEvent, type NatsOptions } from '../../../cluster/nats-connection.ts'
import { NatsServers, type NatsServersOptions } from '../../harness/nats-server.ts'

const DEADLINE_MS = 20_000

async function serve(t: TestContext, count: number, options: NatsServersOptions = {}): Promise<NatsServers> {
  const servers = await NatsServers.start(count, options)
  t.after(() => servers.stop())
  return servers
}

async function open(t: TestContext, options: Partial<NatsOptions> & { readonly servers: readonly string[] }) {
  const connection = await NatsConnection.open({ name: 'test', connectMsMax: 2000, ...options }, systemClock)
  t.after(() => connection.close())
  return connection
}

/** The next event of a kind, and how long it took. */
function next(connection: NatsConnection, kind: NatsEvent['kind']): Promise<{ event: NatsEvent; tookMs: number }> {
  const startMs = systemClock.monotonicMs()
  return new Promise((resolve, reject) => {
    const end = connection.onEvent((event) => {
      if (event.kind !== kind) return
      end()
      late.cancel()
      resolve({ event, tookMs: systemClock.monotonicMs() - startMs })
    })
    const late = systemClock.after(DEADLINE_MS, () => reject(new Error(`no event ${kind} in time`)))
  })
}

test('a server that dies is left at once for another of the cluster', async (t) => {
  const servers = await serve(t, 3)
  const connection = await open(t, { servers: [servers.urls[0]!] })
  ok(servers.urls[0]!.endsWith(connection.server))
  const back = next(connection, 'reconnected')
  const lost = next(connection, 'disconnected')
  await servers.kill(0)
  ok((await lost).tookMs < 1000)
  ok((await back).tookMs < 3000)
  ok(connection.isConnected)
  ok(!servers.urls[0]!.endsWith(connection.server), 'the cluster told of its other servers')
  await connection.client.flush()
})

test('C1: a server that hangs is left within 3 s, also while much is to be written', async (t) => {
  const servers = await serve(t, 3)
  const connection = await open(t, { servers: [servers.urls[0]!] })
  servers.pause(0)
  t.after(() => servers.resume(0))
  for (let i = 0; i < 64; i++) connection.client.publish('x', new Uint8Array(2 ** 20))
  const back = next(connection, 'reconnected')
  const { tookMs } = await next(connection, 'disconnected')
  ok(tookMs < 3000, `left after ${tookMs} ms`)
  await back
  await connection.client.flush()
})

test('servers that come and go are told of', async (t) => {
  const servers = await serve(t, 3)
  const connection = await open(t, { servers: [servers.urls[0]!] })
  const changed = next(connection, 'serversChanged')
  await servers.kill(2)
  const address = servers.urls[2]!.replace('nats://', '')
  deepEqual((await changed).event, { kind: 'serversChanged', added: [], deleted: [address] })
})

test('a connection that is lost for long comes back when the server does', async (t) => {
  const servers = await serve(t, 1)
  const connection = await open(t, { servers: servers.urls })
  const lost = next(connection, 'disconnected')
  await servers.kill(0)
  await lost
  equal(connection.isConnected, false)
  const back = next(connection, 'reconnected')
  await servers.restart(0)
  await back
  equal(connection.isConnected, true)
})

test('J4: a server that takes too small messages is refused', async (t) => {
  const servers = await serve(t, 1, { maxPayload: '1MB' })
  await rejects(open(t, { servers: servers.urls }), { code: 'invalid_config', message: /max_payload .* 1048576/ })
})

test('names, passwords and tokens are sent; wrong ones are refused at once', async (t) => {
  const servers = await serve(t, 1, { config: 'authorization { users: [{ user: "a b", password: "p@ss" }] }' })
  const [address] = servers.urls.map((url) => url.replace('nats://', ''))
  await open(t, { servers: servers.urls, user: 'a b', password: 'p@ss' })
  await open(t, { servers: [`nats://a%20b:p%40ss@${address}`] })
  await rejects(open(t, { servers: servers.urls, user: 'a b', password: 'x' }), { code: 'invalid_config' })
  await rejects(open(t, { servers: servers.urls }), { code: 'invalid_config' })
  const others = await serve(t, 1, { config: 'authorization { token: "t" }' })
  await open(t, { servers: others.urls, token: 't' })
  await rejects(open(t, { servers: others.urls, token: 'u' }), { code: 'invalid_config' })
})

test('an nkey is read from its file', async (t) => {
  const seed = 'SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY'
  const user = 'UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4'
  const servers = await serve(t, 1, { config: `authorization { users: [{ nkey: ${user} }] }` })
  const nkeyFile = join(servers.directory, 'seed')
  writeFileSync(nkeyFile, `# a comment\n${seed}\n`)
  await open(t, { servers: servers.urls, nkeyFile })
  await rejects(open(t, { servers: servers.urls, nkeyFile: `${nkeyFile}2` }), { code: 'invalid_config' })
})

test('servers that do not answer are named', async () => {
  const options = { servers: ['nats://me:secret@127.0.0.1:1', '127.0.0.1:2'], name: 'test', connectMsMax: 500 }
  await rejects(NatsConnection.open(options, systemClock), {
    code: 'storage_unavailable',
    details: { servers: '127.0.0.1:1, 127.0.0.1:2' },
  })
})

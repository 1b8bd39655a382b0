import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { systemClock } from '../../base/clock.ts'
import { WeirError } from '../../base/errors.ts'
import { createLogger, type Logger, silentLogger } from '../../base/logger.ts'
import { NatsConnection } from '../../cluster/nats-connection.ts'
import { openNatsRegistry } from '../../cluster/nats-registry.ts'
import type { Registry } from '../../cluster/registry.ts'
import { NatsServers } from '../harness/nats-server.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : new TextDecoder().decode(value)

const DEADLINE_MS = 60_000

async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = systemClock.monotonicMs() + DEADLINE_MS
  while (!(await isTrue())) {
    assert.ok(systemClock.monotonicMs() < deadlineMs, `in time: ${isTrue}`)
    await systemClock.sleep(5)
  }
}

/** What a call gives once the registry can be reached; other errors are the caller's. */
async function answered<T>(call: () => Promise<T>): Promise<T> {
  const deadlineMs = systemClock.monotonicMs() + DEADLINE_MS
  for (;;) {
    try {
      return await call()
    } catch (error) {
      const isOut = error instanceof WeirError && error.code === 'storage_unavailable'
      if (!isOut || systemClock.monotonicMs() > deadlineMs) throw error
    }
  }
}

/** What one watch has told, held to its promise: per key, in order of revision. */
class Witness {
  readonly values = new Map<string, string | undefined>()
  readonly revisions = new Map<string, number>()

  static async of(registry: Registry, prefix: string): Promise<Witness> {
    const witness = new Witness()
    await registry.watch(prefix, ({ key, value, revision }) => witness.#hear(key, value, revision))
    return witness
  }

  #hear(key: string, value: Uint8Array | undefined, revision: number): void {
    assert.ok(revision > (this.revisions.get(key) ?? 0), `${key} goes forward`)
    this.values.set(key, text(value))
    this.revisions.set(key, revision)
  }
}

interface OpenOptions {
  readonly server?: number
  readonly waitMs?: number
  readonly logger?: Logger
}

/** Servers for the tests of a suite; what a test opens is closed after it. */
function cluster(count: number) {
  let servers: NatsServers
  let names = 0
  let opened: { close(): Promise<void> }[] = []
  before(async () => {
    servers = await NatsServers.start(count)
  })
  after(() => servers.stop())
  afterEach(async () => {
    for (const one of opened.reverse()) await one.close()
    opened = []
    for (let i = 0; i < count; i++) servers.resume(i)
    await Promise.all(Array.from({ length: count }, (_, i) => i).map((i) => isDown(i) && servers.begin(i)))
    await servers.ready()
  })
  const isDown = (i: number): boolean => {
    try {
      return servers.pid(i) === 0
    } catch {
      return true
    }
  }
  return {
    get servers() {
      return servers
    },
    name: () => `crash-${++names}`,
    async open(name: string, { server, waitMs, logger = silentLogger }: OpenOptions = {}) {
      // Tried first; the others are known from the cluster.
      const first = server === undefined ? servers.urls : [servers.urls[server]!]
      const connection = await NatsConnection.open({ servers: first, name: 'crash' }, systemClock)
      opened.push(connection)
      const registry = await openNatsRegistry({
        connection,
        cluster: name,
        replicas: count,
        clock: systemClock,
        logger,
        ...(waitMs === undefined ? {} : { waitMs }),
      })
      opened.push(registry)
      return { registry, connection }
    },
    /** Number of the server that leads the stream of the bucket. */
    async leader(connection: NatsConnection, name: string): Promise<number> {
      let found = -1
      await until(async () => {
        const answer = await connection.client.request(`$JS.API.STREAM.INFO.KV_weir-${name}`).catch(() => undefined)
        found = servers.names.indexOf(answer?.json<{ cluster?: { leader?: string } }>().cluster?.leader ?? '')
        return found >= 0
      })
      return found
    },
  }
}

describe('Registry on three servers of JetStream', () => {
  const lab = cluster(3)

  it('C2: the leader dies in the stream of writes: each is made once, and the watches miss no last value', async () => {
    const name = lab.name()
    const one = await lab.open(name, { server: 0 })
    const two = await lab.open(name, { server: 1 })
    const three = await lab.open(name, { server: 2 })
    const witnesses = await Promise.all([one, two, three].map(({ registry }) => Witness.of(registry, 'n/')))
    const leader = await lab.leader(one.connection, name)
    const last = new Map<string, { value: string; revision: number }>()
    let longestMs = 0
    let isOver = false
    const write = async ({ registry }: { registry: Registry }, key: string): Promise<void> => {
      let revision = 0
      for (let i = 1; !isOver; i++) {
        const startMs = systemClock.monotonicMs()
        // Whoever else wrote it, or a write made twice, would make this a conflict.
        revision = await registry.put(key, bytes(`${i}`), revision)
        longestMs = Math.max(longestMs, systemClock.monotonicMs() - startMs)
        last.set(key, { value: `${i}`, revision })
      }
    }
    const writers = [write(one, 'n/1'), write(two, 'n/2'), write(three, 'n/3')]
    await until(() => [...last.values()].every(({ value }) => Number(value) >= 20) && last.size === 3)
    const before = new Map([...last].map(([key, { value }]) => [key, Number(value)]))
    await lab.servers.kill(leader)
    await until(() => [...last].every(([key, { value }]) => Number(value) >= before.get(key)! + 20))
    isOver = true
    await Promise.all(writers)
    for (const [key, { value, revision }] of last) {
      assert.deepEqual(await one.registry.get(key), { key, value: bytes(value), revision })
    }
    for (const witness of witnesses) {
      await until(() => [...last].every(([key, { value }]) => witness.values.get(key) === value))
    }
    assert.ok(longestMs < 15_000, `the longest write took ${longestMs} ms`)
  })

  it('servers are restarted one after another under writes: nothing is lost, and the watches go on', async () => {
    const name = lab.name()
    const nodes = await Promise.all([0, 1, 2].map((server) => lab.open(name, { server })))
    const witnesses = await Promise.all(nodes.map(({ registry }) => Witness.of(registry, '')))
    let revision = 0
    let count = 0
    let isOver = false
    const writing = (async () => {
      for (; !isOver; count++) revision = await nodes[count % 3]!.registry.put('n', bytes(`${count}`), revision)
    })()
    for (let i = 0; i < 3; i++) {
      await lab.servers.restart(i)
      const next = count + 10
      await until(() => count >= next)
    }
    isOver = true
    await writing
    for (const witness of witnesses) await until(() => witness.values.get('n') === `${count - 1}`)
    assert.deepEqual(await nodes[0]!.registry.list(''), [{ key: 'n', value: bytes(`${count - 1}`), revision }])
  })

  it('a write that no majority answers is refused in time, and read out once there is one', async () => {
    const name = lab.name()
    const node = await lab.open(name, { server: 0, waitMs: 2000 })
    const other = await lab.open(name)
    const first = await node.registry.put('k', bytes('1'), 0)
    const witness = await Witness.of(node.registry, '')
    await lab.servers.kill(1)
    await lab.servers.kill(2)
    const startMs = systemClock.monotonicMs()
    await assert.rejects(node.registry.put('k', bytes('2'), first), (error: WeirError) => {
      assert.ok(error instanceof WeirError && error.code === 'storage_unavailable' && error.retryable)
      return true
    })
    assert.ok(systemClock.monotonicMs() - startMs < 4000)
    // A leader without followers is soon not believed any more.
    for (const call of [() => node.registry.list(''), () => node.registry.get('other')]) {
      await until(() =>
        call().then(
          () => false,
          (error: WeirError) => error.code === 'storage_unavailable',
        ),
      )
    }
    await Promise.all([lab.servers.begin(1), lab.servers.begin(2)])
    await lab.servers.ready()
    const known = await answered(() => node.registry.get('k'))
    // Nobody else wrote, so it was made in the end; what get tells is what stays.
    assert.equal(text(known?.value), '2')
    const next = await other.registry.put('k', bytes('3'), known!.revision)
    await until(() => witness.values.get('k') === '3' && witness.revisions.get('k') === next)
  })

  it('a leader that hangs with a write in its hands cannot make it after it was settled', async () => {
    const name = lab.name()
    const setup = await lab.open(name)
    const first = await setup.registry.put('k', bytes('1'), 0)
    const leader = await lab.leader(setup.connection, name)
    const node = await lab.open(name, { server: leader, waitMs: 500 })
    lab.servers.pause(leader)
    await assert.rejects(node.registry.put('k', bytes('lost'), first), { code: 'storage_unavailable' })
    // Another takes the key while the write is under way.
    const other = await lab.open(name, { server: (leader + 1) % 3 })
    const second = await other.registry.put('k', bytes('2'), first)
    lab.servers.resume(leader)
    assert.deepEqual(await answered(() => node.registry.get('k')), { key: 'k', value: bytes('2'), revision: second })
    await lab.servers.ready()
    const third = await answered(() => node.registry.put('k', bytes('3'), second))
    assert.equal(third, (await other.registry.get('k'))?.revision)
  })
})

describe('Registry on one server of JetStream', () => {
  const lab = cluster(1)

  it('a write whose answer is lost is found to be made', async () => {
    const name = lab.name()
    const node = await lab.open(name, { waitMs: 300 })
    const other = await lab.open(name)
    const first = await node.registry.put('k', bytes('1'), 0)
    lab.servers.pause(0)
    await assert.rejects(node.registry.put('k', bytes('2'), first), { code: 'storage_unavailable' })
    lab.servers.resume(0)
    const known = await answered(() => node.registry.get('k'))
    assert.equal(text(known?.value), '2')
    assert.deepEqual(await other.registry.get('k'), known)
    const isMadeOnce = known!.revision === first + 1
    assert.ok(isMadeOnce, `revision ${known!.revision} after ${first}`)
  })

  it('a stream that was replaced by another is noticed: what it does not have is gone', async () => {
    const name = lab.name()
    const logged: string[] = []
    const logger = createLogger({ level: 'error', write: (line) => logged.push(line) })
    const node = await lab.open(name, { logger })
    await node.registry.put('stays', bytes('1'), 0)
    for (let i = 0, revision = 0; i < 5; i++) revision = await node.registry.put('goes', bytes(`${i}`), revision)
    const seen = new Map<string, string | undefined>()
    await node.registry.watch('', ({ key, value }) => seen.set(key, text(value)))
    await node.connection.client.request(`$JS.API.STREAM.DELETE.KV_weir-${name}`)
    await assert.rejects(node.registry.list(''), { code: 'storage_unavailable' })
    const other = await lab.open(name)
    await other.registry.put('stays', bytes('2'), 0)
    await until(() => seen.get('stays') === '2' && seen.has('goes') && seen.get('goes') === undefined)
    assert.deepEqual(
      (await node.registry.list('')).map(({ key }) => key),
      ['stays'],
    )
    assert.match(logged.join(), /was replaced/)
  })

  it('a bucket that is set up otherwise is refused, with the setting', async () => {
    const name = lab.name()
    const { connection } = await lab.open(lab.name())
    const config = {
      name: `KV_weir-${name}`,
      subjects: [`$KV.weir-${name}.>`],
      max_msgs_per_subject: 5,
      num_replicas: 1,
    }
    await connection.client.request(`$JS.API.STREAM.CREATE.${config.name}`, JSON.stringify(config))
    await assert.rejects(lab.open(name), {
      code: 'invalid_config',
      details: { stream: config.name, setting: 'max_msgs_per_subject' },
    })
  })
})

import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { AlertNotifier } from '../../../actors/notifier.ts'
import { DeliveryLedger } from '../../../actors/notifier-ledger.ts'
import type { AttemptFailure, AttemptResult } from '../../../alerts/notify/attempt-result.ts'
import type { AlertChannel } from '../../../alerts/notify/channel.ts'
import { normaliseChannel } from '../../../alerts/notify/channel-definition.ts'
import type { Delivery } from '../../../alerts/notify/delivery.ts'
import type { AlertNotification } from '../../../alerts/notify/notification.ts'
import { WeirError } from '../../../base/errors.ts'
import { TENANT_DEFAULT } from '../../../base/ids.ts'
import { silentLogger } from '../../../base/logger.ts'
import {
  ALERT_ATTEMPTS_MAX,
  ALERT_CLAIM_ALIVE_MS,
  ALERT_CLAIM_MS,
  ALERT_DELIVERIES_KEPT,
  ALERT_WAITING_PER_CHANNEL_MAX,
} from '../../../base/notify-limits.ts'
import { notificationOf } from '../../harness/alert-notification.ts'
import { SimulatedClock } from '../../harness/simulated-clock.ts'
import { SimulatedRegistry } from '../../harness/simulated-registry.ts'

const TAKEN: AttemptResult = { delivered: true, status: 200, tookMs: 1 }
const HOUR_MS = 3_600_000

function failed(changes: Partial<AttemptFailure> = {}): AttemptFailure {
  return { delivered: false, reason: 'status', detail: '500', status: 500, isFinal: false, tookMs: 1, ...changes }
}

interface Sent {
  readonly node: string
  readonly channel: string
  readonly id: string
  readonly atMs: number
}

/** Nodes that deliver through one registry on one clock. What a channel does with a message is `answer`'s to say. */
class World {
  readonly clock: SimulatedClock
  readonly registry = new SimulatedRegistry()
  readonly channels = new Map<string, AlertChannel>()
  readonly sent: Sent[] = []
  readonly outcomes: Delivery[] = []
  readonly alive = new Set<string>()
  owner = 'a'
  answer: (sent: Sent, notification: AlertNotification) => AttemptResult | Promise<AttemptResult> = () => TAKEN

  constructor(seed: string) {
    this.clock = new SimulatedClock(seed)
  }

  channel(id: string, definition: Record<string, unknown> = {}): void {
    this.channels.set(id, normaliseChannel(id, { type: 'webhook', url: 'https://example.com/', ...definition }))
  }

  async start(node: string, boot = `${node}1`): Promise<AlertNotifier> {
    this.alive.add(node)
    const ledger = new DeliveryLedger(this.registry.connect())
    return this.clock.run(
      AlertNotifier.open({
        ledger,
        channels: {
          get: async (_tenant, id) => this.channels.get(id),
          known: (_tenant, id) => this.channels.get(id),
        },
        send: async (channel, notification) => {
          const id = `${notification.firingId}.${notification.kind}`
          const sent = { node, channel: channel.id, id, atMs: this.clock.monotonicMs() }
          this.sent.push(sent)
          return this.answer(sent, notification)
        },
        isMine: () => this.owner === node,
        isAlive: (other) => this.alive.has(other),
        node,
        boot,
        clock: this.clock,
        logger: silentLogger,
        onAttempt: (delivery) => this.outcomes.push(delivery),
      }),
    )
  }

  deliveries(): Promise<Delivery[]> {
    return this.clock.run(new DeliveryLedger(this.registry.connect()).list(TENANT_DEFAULT))
  }

  async delivery(channel: string, kind = 'fired'): Promise<Delivery> {
    const found = (await this.deliveries()).find((one) => one.channel === channel && one.kind === kind)
    assert.ok(found, `a delivery to ${channel}`)
    return found
  }
}

async function worldOf(t: TestContext, ...channels: string[]) {
  const world = new World(t.name)
  for (const id of channels) world.channel(id)
  const notifier = await world.start('a')
  const submit = (changes: Partial<AlertNotification> = {}) =>
    world.clock.run(notifier.submit(notificationOf({ channels, ...changes })))
  return { world, notifier, submit, advance: (ms: number) => world.clock.advance(ms) }
}

const never = () => new Promise<never>(() => undefined)

describe('A firing', () => {
  test('is in the registry before submit resolves, and told each channel once, however often it is submitted', async (t) => {
    const { world, submit, advance } = await worldOf(t, 'ops', 'duty')
    world.answer = never
    await submit()
    assert.equal((await world.deliveries()).length, 2)
    world.answer = () => TAKEN
    const second = await worldOf(t, 'ops', 'duty')
    await second.submit()
    await second.advance(1000)
    await second.submit()
    await second.advance(1000)
    assert.deepEqual(second.world.sent.map(({ channel, id }) => [channel, id]).sort(), [
      ['duty', 'f1e2d3c4b5a69788.fired'],
      ['ops', 'f1e2d3c4b5a69788.fired'],
    ])
    await advance(0)
    const delivery = await second.world.delivery('ops')
    assert.deepEqual([delivery.status, delivery.attempts, delivery.notification], ['delivered', 1, null])
    assert.deepEqual(delivery.log[0]!.outcome, 'delivered')
  })

  test('is not submitted while the registry is away', async (t) => {
    const { world, notifier } = await worldOf(t, 'ops')
    const away = new WeirError('storage_unavailable', 'away')
    world.registry.fault = () => ({ when: 'before', error: away })
    await assert.rejects(world.clock.run(notifier.submit(notificationOf({ channels: ['ops'] }))), {
      code: 'storage_unavailable',
    })
  })

  test('is over for people after it began, also where that takes long', async (t) => {
    const { world, submit, advance } = await worldOf(t, 'ops')
    let failures = 5
    world.answer = ({ id }) => (id.endsWith('fired') && failures-- > 0 ? failed() : TAKEN)
    await submit()
    await advance(100)
    await submit({ kind: 'resolved', resolvedMs: 0 })
    await advance(120_000)
    assert.deepEqual(
      world.sent.map(({ id }) => id.split('.')[1]),
      ['fired', 'fired', 'fired', 'fired', 'fired', 'fired', 'resolved'],
    )
  })

  test('says so where the channel is missing, switched off, or does not want to hear that it is over', async (t) => {
    const { world, notifier, advance } = await worldOf(t)
    world.channel('off', { enabled: false })
    world.channel('calm', { sendResolved: false })
    const channels = ['none', 'off', 'calm']
    await world.clock.run(notifier.submit(notificationOf({ channels })))
    await world.clock.run(notifier.submit(notificationOf({ channels, kind: 'resolved' })))
    await advance(1000)
    assert.deepEqual(
      world.sent.map(({ channel, id }) => [channel, id.split('.')[1]]),
      [['calm', 'fired']],
    )
    assert.deepEqual((await world.delivery('none')).log[0]!.outcome, 'channelMissing')
    assert.deepEqual((await world.delivery('off')).log[0]!.outcome, 'channelDisabled')
  })
})

describe('A channel that fails', () => {
  test('is tried again, ever more seldom, until it takes the message', async (t) => {
    const { world, submit, advance } = await worldOf(t, 'ops')
    let count = 0
    world.answer = () => (++count < 7 ? failed() : TAKEN)
    await submit()
    await advance(200_000)
    const gaps = world.sent.map(({ atMs }, i) => atMs - (world.sent[i - 1]?.atMs ?? atMs)).slice(1)
    assert.equal(gaps.length, 6)
    for (const [i, gap] of gaps.entries()) {
      assert.ok(gap >= 500 * 2 ** i && gap <= Math.max(1000 * 2 ** i, 64_000) + 500, `${i}: ${gap}`)
    }
    const delivery = await world.delivery('ops')
    assert.deepEqual([delivery.status, delivery.attempts, delivery.log.length], ['delivered', 7, 5])
    assert.equal(world.outcomes.length, 7)
  })

  test('is given up after so many attempts, and after a day', async (t) => {
    const { world, submit, advance } = await worldOf(t, 'ops')
    world.answer = () => failed()
    await submit()
    await advance(60_000)
    world.clock.jumpWall(25 * HOUR_MS)
    await advance(5000)
    const delivery = await world.delivery('ops')
    assert.deepEqual([delivery.status, delivery.log.at(-1)!.outcome], ['givenUp', 'timeout'])
    assert.ok(delivery.attempts < ALERT_ATTEMPTS_MAX)
  })

  test('for good is not tried again', async (t) => {
    const { world, submit, advance } = await worldOf(t, 'ops')
    world.answer = () => failed({ status: 400, isFinal: true })
    await submit()
    await advance(60_000)
    assert.equal(world.sent.length, 1)
    assert.equal((await world.delivery('ops')).status, 'givenUp')
  })

  test('asks for a pause, and gets it for all its messages', async (t) => {
    const { world, submit, advance } = await worldOf(t, 'ops')
    world.channel('ops', { ratePerMinute: 6000 })
    world.answer = ({ atMs }) => (atMs < 20_000 ? failed({ reason: 'rateLimited', retryAfterMs: 30_000 }) : TAKEN)
    await submit()
    await advance(100)
    await submit({ firingId: 'second' })
    await advance(29_000)
    assert.equal(world.sent.length, 1)
    await advance(5000)
    assert.deepEqual(
      world.sent
        .map(({ id }) => id)
        .sort()
        .slice(0, 2),
      ['f1e2d3c4b5a69788.fired', 'f1e2d3c4b5a69788.fired'],
    )
    assert.equal(world.sent.length, 3)
  })

  test('is told by its fallback too after a while, and that it is over as well', async (t) => {
    const { world, submit, advance } = await worldOf(t, 'ops')
    world.channel('ops', { fallback: 'duty', fallbackAfter: '1m' })
    world.channel('duty')
    let isDown = true
    world.answer = ({ channel }) => (channel === 'ops' && isDown ? failed() : TAKEN)
    await submit()
    await advance(55_000)
    assert.ok(world.sent.every(({ channel }) => channel === 'ops'))
    await advance(10_000)
    assert.deepEqual(
      world.sent.filter(({ channel }) => channel === 'duty').map(({ id }) => id),
      ['f1e2d3c4b5a69788.fired'],
    )
    assert.equal((await world.delivery('ops')).fellBackTo, 'duty')
    assert.equal((await world.delivery('duty')).fallbackOf, 'ops')
    isDown = false
    await advance(120_000)
    assert.equal((await world.delivery('ops')).status, 'delivered')
    await submit({ kind: 'resolved', resolvedMs: 0 })
    await advance(5000)
    assert.deepEqual(
      world.sent
        .filter(({ id }) => id.endsWith('resolved'))
        .map(({ channel }) => channel)
        .sort(),
      ['duty', 'ops'],
    )
  })

  test('for good is told by its fallback at once; two that fall back on one another end', async (t) => {
    const { world, submit, advance } = await worldOf(t, 'ops')
    world.channel('ops', { fallback: 'duty' })
    world.channel('duty', { fallback: 'ops' })
    world.answer = () => failed({ reason: 'refusedTarget', isFinal: true })
    await submit()
    await advance(10_000)
    assert.deepEqual(
      world.sent.map(({ channel }) => channel),
      ['ops', 'duty'],
    )
    for (const delivery of await world.deliveries()) assert.equal(delivery.status, 'givenUp')
  })

  test('delays no other: it hangs with a backlog, and the others are told at once', async (t) => {
    const { world, notifier, advance } = await worldOf(t, 'ops')
    const broken = Array.from({ length: 30 }, (_, i) => `broken-${i}`)
    for (const id of broken) world.channel(id)
    world.answer = async ({ channel }) => {
      if (channel === 'ops') return TAKEN
      await world.clock.sleep(10_000)
      return failed({ reason: 'timeout', status: 504 })
    }
    for (let i = 0; i < 5; i++) {
      for (let j = 0; j < 30; j += 10) {
        const channels = broken.slice(j, j + 10)
        await world.clock.run(notifier.submit(notificationOf({ firingId: `f${i}`, channels })))
      }
    }
    // The first round of attempts hangs; from then on each broken channel is probed by one.
    await advance(60_000)
    const begin = world.clock.monotonicMs()
    await world.clock.run(notifier.submit(notificationOf({ firingId: 'good', channels: ['ops'] })))
    await advance(1000)
    const good = world.sent.find(({ channel }) => channel === 'ops')
    assert.ok(good !== undefined && good.atMs - begin < 500, JSON.stringify(good))
  })

  test('gets its backlog soon after it works again', async (t) => {
    const { world, submit, advance } = await worldOf(t, 'ops')
    world.channel('ops', { ratePerMinute: 6000 })
    let isDown = true
    world.answer = () => (isDown ? failed() : TAKEN)
    for (let i = 0; i < 50; i++) await submit({ firingId: `f${i}` })
    await advance(600_000)
    const attempts = world.sent.length
    assert.ok(attempts < 100, `${attempts} attempts in ten minutes`)
    isDown = false
    await advance(61_000)
    assert.ok((await world.deliveries()).every(({ status }) => status === 'delivered'))
  })
})

describe('The rate', () => {
  test("is kept: a minute's messages at once, the others one by one", async (t) => {
    const { world, submit, advance } = await worldOf(t, 'ops')
    world.channel('ops', { ratePerMinute: 60 })
    for (let i = 0; i < 90; i++) await submit({ firingId: `f${i}` })
    await advance(2000)
    assert.ok(world.sent.length >= 60 && world.sent.length <= 63, `${world.sent.length}`)
    await advance(30_000)
    assert.equal(world.sent.length, 90)
    assert.equal(new Set(world.sent.map(({ id }) => id)).size, 90)
  })

  test('leaves a bounded backlog: what is too much is given up, visibly, for the fallback', async (t) => {
    const { world, submit } = await worldOf(t, 'ops')
    world.channel('ops', { fallback: 'duty' })
    world.channel('duty', { fallback: 'ops' })
    world.answer = never
    for (let i = 0; i <= ALERT_WAITING_PER_CHANNEL_MAX; i++) await submit({ firingId: `f${i}` })
    const last = (await world.deliveries()).filter(({ firingId }) => firingId === `f${ALERT_WAITING_PER_CHANNEL_MAX}`)
    assert.deepEqual(last.map(({ channel, status, log }) => [channel, status, log[0]?.outcome]).sort(), [
      ['duty', 'waiting', undefined],
      ['ops', 'givenUp', 'tooManyWaiting'],
    ])
  })
})

describe('A node that dies', () => {
  test('between sending and writing it down leaves it to be sent again, under the same id, after its claim', async (t) => {
    const { world, submit, advance } = await worldOf(t, 'ops')
    const successor = await world.start('b')
    world.answer = ({ node }) => (node === 'a' ? never() : TAKEN)
    await submit()
    await advance(100)
    assert.equal(world.sent.length, 1)
    world.alive.delete('a')
    world.owner = 'b'
    await advance(ALERT_CLAIM_MS - 1000)
    assert.equal(world.sent.length, 1, 'the dead may still be sending')
    await advance(2000)
    assert.deepEqual(
      world.sent.map(({ node, id }) => [node, id]),
      [
        ['a', 'f1e2d3c4b5a69788.fired'],
        ['b', 'f1e2d3c4b5a69788.fired'],
      ],
    )
    assert.equal((await world.delivery('ops')).status, 'delivered')
    await world.clock.run(successor.close(1000))
  })

  test('before it sent anything has it sent by the next at once', async (t) => {
    const { world, advance } = await worldOf(t, 'ops')
    world.owner = 'c'
    const b = await world.start('b')
    await world.clock.run(b.submit(notificationOf({ channels: ['ops'] })))
    await advance(1000)
    assert.equal(world.sent.length, 0)
    world.owner = 'a'
    await advance(500)
    assert.deepEqual(
      world.sent.map(({ node }) => node),
      ['a'],
    )
  })

  test('and starts anew sends at once what it had claimed', async (t) => {
    const { world, notifier, submit, advance } = await worldOf(t, 'ops')
    world.answer = never
    await submit()
    await advance(100)
    await world.clock.run(Promise.race([notifier.close(0), world.clock.sleep(1)]))
    world.answer = () => TAKEN
    await world.start('a', 'a2')
    await advance(500)
    assert.deepEqual(
      world.sent.map(({ node }) => node),
      ['a', 'a'],
    )
  })

  test('is not taken for dead while it is heard of', async (t) => {
    const { world, submit, advance } = await worldOf(t, 'ops')
    await world.start('b')
    world.answer = ({ node }) => (node === 'a' ? never() : TAKEN)
    await submit()
    await advance(100)
    world.owner = 'b'
    await advance(ALERT_CLAIM_ALIVE_MS - 2000)
    assert.equal(world.sent.length, 1)
    await advance(3000)
    assert.equal(world.sent.length, 2)
  })
})

describe('A registry that is away', () => {
  test('between sending and writing it down has nothing sent twice', async (t) => {
    const { world, submit, advance } = await worldOf(t, 'ops')
    const away = new WeirError('storage_unavailable', 'away')
    world.answer = async () => {
      world.registry.fault = () => ({ when: 'before', error: away })
      return TAKEN
    }
    await submit()
    await advance(60_000)
    assert.equal(world.sent.length, 1)
    world.registry.fault = () => undefined
    await advance(5000)
    assert.equal(world.sent.length, 1)
    assert.equal((await world.delivery('ops')).status, 'delivered')
  })

  test('and loses its answers has nothing sent twice, nor left', async (t) => {
    const { world, submit, advance } = await worldOf(t, 'ops')
    const lost = new WeirError('storage_unavailable', 'the answer was lost')
    let writes = 0
    world.registry.fault = (operation) =>
      operation === 'put' && ++writes % 2 === 0 ? { when: 'after', error: lost } : undefined
    for (let i = 0; i < 10; i++) {
      const firingId = `f${i}`
      await submit({ firingId }).catch(() => submit({ firingId }))
    }
    await advance(30_000)
    assert.deepEqual(world.sent.map(({ id }) => id).sort(), Array.from({ length: 10 }, (_, i) => `f${i}.fired`).sort())
    assert.ok((await world.deliveries()).every(({ status }) => status === 'delivered'))
  })
})

test('of settled deliveries the last are kept', async (t) => {
  const { world, submit, advance } = await worldOf(t, 'ops')
  world.channel('ops', { ratePerMinute: 6000 })
  for (let i = 0; i < ALERT_DELIVERIES_KEPT + 20; i++) {
    await submit({ firingId: `f${i}` })
    if (i % 100 === 0) await advance(1000)
  }
  await advance(180_000)
  const kept = await world.deliveries()
  assert.equal(kept.length, ALERT_DELIVERIES_KEPT)
  assert.ok(kept.every(({ status }) => status === 'delivered'))
  world.clock.jumpWall(31 * 24 * HOUR_MS)
  await advance(61_000)
  assert.equal((await world.deliveries()).length, 0)
})

test('any interleaving of two owners, faults of the registry and failures delivers every firing, and twice only what a death leaves open', async () => {
  for (let seed = 0; seed < 25; seed++) {
    const world = new World(`interleaving ${seed}`)
    for (const id of ['x', 'y']) world.channel(id, { ratePerMinute: 6000 })
    const nodes = [await world.start('a'), await world.start('b')]
    const lost = new WeirError('storage_unavailable', 'lost')
    let isCalm = false
    world.registry.fault = (operation) => {
      if (isCalm || operation === 'watch' || world.clock.random() > 0.1) return undefined
      return { when: world.clock.random() < 0.5 ? 'before' : 'after', error: lost }
    }
    const taken = new Map<string, number>()
    world.answer = async ({ channel, id }) => {
      await world.clock.sleep(world.clock.random() * 3000)
      if (!isCalm && world.clock.random() < 0.3) return failed()
      taken.set(`${channel} ${id}`, (taken.get(`${channel} ${id}`) ?? 0) + 1)
      return TAKEN
    }
    for (let i = 0; i < 20; i++) {
      if (world.clock.random() < 0.3) world.owner = world.owner === 'a' ? 'b' : 'a'
      const by = nodes[world.owner === 'a' ? 0 : 1]!
      const notification = notificationOf({ firingId: `f${i}`, channels: ['x', 'y'] })
      for (let tries = 0; tries < 20; tries++) {
        const isDone = await world.clock.run(
          by.submit(notification).then(
            () => true,
            () => false,
          ),
        )
        if (isDone) break
      }
      await world.clock.advance(world.clock.random() * 2000)
    }
    isCalm = true
    await world.clock.advance(300_000)
    const expected = Array.from({ length: 20 }, (_, i) => [`x f${i}.fired`, `y f${i}.fired`]).flat()
    assert.deepEqual([...taken.keys()].sort(), expected.sort(), `seed ${seed}`)
    // Nobody died: each was taken once.
    assert.deepEqual(
      [...taken].filter(([, count]) => count !== 1),
      [],
      `seed ${seed}`,
    )
    for (const node of nodes) await world.clock.run(node.close(100))
  }
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Clock } from '../../../base/clock.ts'
import type { NodeId } from '../../../base/ids.ts'
import {
  DISTURBANCE_GRACE_MS,
  HEARTBEAT_EVERY_MS,
  SETTLE_MS,
  SILENCE_MAX_MS,
  WORKER_STUCK_MS,
} from '../../../base/limits.ts'
import { silentLogger } from '../../../base/logger.ts'
import { localTransport } from '../../../cluster/local-transport.ts'
import { Membership, type MembershipOptions, type MembersView, takersOf } from '../../../cluster/membership.ts'
import { heartbeatSubject } from '../../../cluster/subjects.ts'
import { SimulatedClock } from '../../harness/simulated-clock.ts'
import { SimulatedNetwork } from '../../harness/simulated-transport.ts'

const CLUSTER = 'test'
const SUBJECT = heartbeatSubject(CLUSTER)
/** Silence is looked at between heartbeats. */
const LOOK_MS = HEARTBEAT_EVERY_MS

/** A cluster in memory; every node has the same clock unless it is given its own. */
class Cluster {
  readonly clock: SimulatedClock
  readonly network: SimulatedNetwork
  readonly nodes = new Map<string, Membership>()
  readonly displaced: string[] = []
  #boots = 0

  constructor(seed: string | number = 1) {
    this.clock = new SimulatedClock(seed)
    this.network = new SimulatedNetwork({ clock: this.clock, seed })
  }

  start(name: string, more: Partial<MembershipOptions> = {}): Membership {
    const boot = ++this.#boots
    const membership = new Membership({
      cluster: CLUSTER,
      transport: this.network.join(name),
      clock: this.clock,
      logger: silentLogger,
      self: { nodeId: name as NodeId, boot, version: '1', featureLevels: { min: 1, max: 1 }, weight: 1, workers: 2 },
      onDisplaced: (newer) => this.displaced.push(`${name} ${boot} by ${newer}`),
      ...more,
    })
    this.nodes.set(name, membership)
    membership.start()
    return membership
  }

  async startAll(names: readonly string[]): Promise<Membership[]> {
    const started = names.map((name) => this.start(name))
    await this.clock.advance(SETTLE_MS + SILENCE_MAX_MS)
    return started
  }

  /** Nothing that the node sends arrives anywhere, and nothing arrives at it, its own messages included. */
  cutOff(name: string): void {
    this.network.partition([name], [...this.nodes.keys()])
  }
}

function names(membership: Membership): string {
  return membership
    .members()
    .map(({ nodeId }) => nodeId)
    .join(' ')
}

/** The same time read by another clock: its wall and its monotonic clock are off. */
function skewed(clock: Clock, wallMs: number, monotonicMs: number): Clock {
  return {
    nowMs: () => clock.nowMs() + wallMs,
    monotonicMs: () => clock.monotonicMs() + monotonicMs,
    after: (delayMs, run) => clock.after(delayMs, run),
    every: (periodMs, run) => clock.every(periodMs, run),
    sleep: (delayMs, signal) => clock.sleep(delayMs, signal),
    yieldTurn: () => clock.yieldTurn(),
    randomBytes: (count) => clock.randomBytes(count),
    random: () => clock.random(),
  }
}

describe('membership (C1)', () => {
  it('hears everybody before it says that its view is settled', async () => {
    const cluster = new Cluster()
    await cluster.startAll(['b', 'a'])
    const late = cluster.start('c')
    assert.equal(late.view().settled, false)
    await cluster.clock.advance(SETTLE_MS - 1)
    assert.equal(late.view().settled, false)
    await cluster.clock.advance(HEARTBEAT_EVERY_MS)
    assert.equal(late.view().settled, true)
    assert.equal(late.view().absentAreDead, false, 'an owner that it never heard may only be slow')
    for (const node of cluster.nodes.values()) assert.equal(names(node), 'a b c')
    await cluster.clock.advance(SILENCE_MAX_MS)
    assert.equal(late.view().absentAreDead, true)
    assert.equal(late.isDead('never-heard' as NodeId), true)
  })

  it('takes a node for dead after the silence, not before', async () => {
    const cluster = new Cluster()
    const [a, b, c] = await cluster.startAll(['a', 'b', 'c'])
    c!.stop()
    await cluster.clock.advance(SILENCE_MAX_MS - HEARTBEAT_EVERY_MS - 1)
    assert.equal(names(a!), 'a b c')
    assert.equal(a!.isDead('c' as NodeId), false)
    await cluster.clock.advance(HEARTBEAT_EVERY_MS + LOOK_MS + 1)
    for (const node of [a!, b!]) {
      assert.equal(names(node), 'a b')
      assert.equal(node.isDead('c' as NodeId), true)
      assert.equal(node.isDead('a' as NodeId), false)
    }
  })

  it('lets a node go at once that says goodbye, and late heartbeats do not bring it back', async () => {
    const cluster = new Cluster()
    const [a, b, c] = await cluster.startAll(['a', 'b', 'c'])
    cluster.network.delayMsMax = 900
    await cluster.clock.advance(5000)
    c!.leave()
    await cluster.clock.advance(1000)
    for (const node of [a!, b!]) {
      assert.equal(names(node), 'a b')
      assert.equal(node.isDead('c' as NodeId), true)
    }
    await cluster.clock.advance(10_000)
    assert.equal(names(a!), 'a b')
    cluster.start('c')
    await cluster.clock.advance(1500)
    assert.equal(names(a!), 'a b c', 'the next start of it is another matter')
  })

  it('judges nobody while it does not hear itself, and gives everybody time afterwards', async () => {
    const cluster = new Cluster()
    const [a, b, c] = await cluster.startAll(['a', 'b', 'c'])
    cluster.cutOff('a')
    await cluster.clock.advance(30_000)
    assert.equal(names(b!), 'b c', 'the others hear each other and miss it')
    assert.equal(names(a!), 'a b c')
    assert.equal(a!.view().absentAreDead, false)
    assert.equal(a!.isDead('gone-before' as NodeId), false)
    c!.stop()
    await cluster.clock.advance(5000)
    cluster.network.heal()
    await cluster.clock.advance(DISTURBANCE_GRACE_MS - LOOK_MS)
    assert.equal(names(a!), 'a b c', 'it may still be on its way back')
    await cluster.clock.advance(2 * HEARTBEAT_EVERY_MS + LOOK_MS)
    assert.equal(names(a!), 'a b')
    assert.equal(a!.view().absentAreDead, true)
  })

  it('buries nobody when the whole messaging is gone for long', async () => {
    const cluster = new Cluster()
    const started = await cluster.startAll(['a', 'b', 'c', 'd'])
    const changes: MembersView[] = []
    for (const node of started) node.onChange((view) => changes.push(view))
    cluster.network.partition(['a', 'b', 'c', 'd'], ['a', 'b', 'c', 'd'])
    await cluster.clock.advance(60_000)
    cluster.network.heal()
    await cluster.clock.advance(20_000)
    for (const node of started) assert.equal(names(node), 'a b c d')
    assert.ok(changes.length > 0, 'they say when they can judge')
    assert.ok(changes.every(({ members }) => members.length === 4))
  })

  it('lets the silence of others begin anew when the messaging is disturbed', async () => {
    const cluster = new Cluster()
    let disturb: (reason: string) => void = () => assert.fail('nobody listens')
    let ended = 0
    const a = cluster.start('a', {
      turbulence: (onDisturbed) => {
        disturb = onDisturbed
        return () => ended++
      },
    })
    const b = cluster.start('b')
    await cluster.clock.advance(10_000)
    b.stop()
    await cluster.clock.advance(SILENCE_MAX_MS - 2 * HEARTBEAT_EVERY_MS)
    disturb('reconnected')
    assert.equal(a.view().absentAreDead, false)
    await cluster.clock.advance(DISTURBANCE_GRACE_MS - 1)
    assert.equal(names(a), 'a b')
    await cluster.clock.advance(LOOK_MS + 1)
    assert.equal(names(a), 'a')
    assert.equal(a.view().absentAreDead, true)
    a.stop()
    assert.equal(ended, 1)
  })

  it('is not shaken by messages that are lost, late and out of order', async () => {
    for (let seed = 0; seed < 20; seed++) {
      const cluster = new Cluster(seed)
      cluster.network.delayMsMax = 800
      cluster.network.dropProbability = 0.05
      const started = await cluster.startAll(['a', 'b', 'c'])
      await cluster.clock.advance(5000)
      const seen: string[] = []
      for (const node of started) node.onChange(({ members }) => seen.push(members.map((m) => m.nodeId).join(' ')))
      await cluster.clock.advance(60_000)
      assert.ok(
        seen.every((members) => members === 'a b c'),
        `seed ${seed}: ${seen.join(', ')}`,
      )
    }
  })

  it('does not care for clocks that differ or jump', async () => {
    const cluster = new Cluster()
    const hour = 3_600_000
    const a = cluster.start('a', { clock: skewed(cluster.clock, -hour, 5e9) })
    const b = cluster.start('b', { clock: skewed(cluster.clock, 365 * 24 * hour, -7e6) })
    const c = cluster.start('c')
    for (let i = 0; i < 20; i++) {
      await cluster.clock.advance(700)
      cluster.clock.jumpWall(i % 2 === 0 ? hour : -2 * hour)
    }
    for (const node of [a, b, c]) {
      assert.equal(names(node), 'a b c')
      assert.equal(node.view().absentAreDead, true)
    }
    c.stop()
    await cluster.clock.advance(SILENCE_MAX_MS + LOOK_MS)
    assert.equal(names(a), 'a b')
    assert.equal(names(b), 'a b')
  })

  it('lets the newer of two processes of one name live, and tells the older', async () => {
    const cluster = new Cluster()
    const a = cluster.start('a')
    const older = cluster.start('b')
    await cluster.clock.advance(10_000)
    const newer = cluster.start('b')
    await cluster.clock.advance(5000)
    assert.deepEqual(cluster.displaced, ['b 2 by 3'], 'once')
    const bootOf = (node: Membership) => node.members().find(({ nodeId }) => nodeId === 'b')?.boot
    assert.equal(bootOf(a), 3)
    assert.equal(bootOf(newer), 3)
    for (const node of [a, newer]) {
      assert.equal(node.isDead('b' as NodeId, 2), true)
      assert.equal(node.isDead('b' as NodeId, 3), false)
      assert.equal(node.isDead('b' as NodeId), false)
    }
    assert.equal(older.view().absentAreDead, false, 'it is in no position to judge')
  })

  it('tells an older process that was paused as soon as it goes on', async () => {
    const cluster = new Cluster()
    cluster.start('a')
    cluster.start('b')
    await cluster.clock.advance(5000)
    cluster.cutOff('b')
    await cluster.clock.advance(20_000)
    const old = cluster.nodes.get('b')!
    cluster.network.heal()
    // The newer one is heard before the older has said anything.
    cluster.start('b')
    await cluster.clock.advance(HEARTBEAT_EVERY_MS)
    assert.deepEqual(cluster.displaced, ['b 2 by 3'])
    old.stop()
  })

  it('counts heartbeats that it cannot read, and goes on', async () => {
    const cluster = new Cluster()
    let counted = 0
    const a = cluster.start('a', { onMalformed: () => counted++ })
    const stranger = cluster.network.join('stranger')
    for (const payload of [new Uint8Array(), new Uint8Array(20_000), new TextEncoder().encode('{"nodeId":1}')]) {
      stranger.publish(SUBJECT, payload)
    }
    await cluster.clock.advance(SETTLE_MS + LOOK_MS)
    assert.equal(a.malformed, 3)
    assert.equal(counted, 3)
    assert.equal(names(a), 'a')
    assert.equal(a.view().settled, true)
  })

  it('tells of changes that others act on, and of those alone', async () => {
    const cluster = new Cluster()
    let records = 0
    const a = cluster.start('a')
    const b = cluster.start('b', { load: () => ({ recordsPerSecond: ++records, bytesPerSecond: 0, cpuCores: 0 }) })
    await cluster.clock.advance(10_000)
    const views: MembersView[] = []
    const end = a.onChange((view) => views.push(view))
    const other = () => a.members().find(({ nodeId }) => nodeId === 'b')!
    const before = other().load.recordsPerSecond
    await cluster.clock.advance(5000)
    assert.equal(views.length, 0)
    assert.ok(other().load.recordsPerSecond > before, 'the load is kept up to date without')
    b.announce({ state: 'active', url: 'http://b:9347' })
    await cluster.clock.advance(1)
    assert.equal(views.length, 1)
    assert.equal(other().url, 'http://b:9347')
    b.announce({ state: 'draining' })
    await cluster.clock.advance(1)
    assert.deepEqual(
      views.map(({ members }) => members.find(({ nodeId }) => nodeId === 'b')!.state),
      ['active', 'draining'],
    )
    assert.ok(views[1]!.revision > views[0]!.revision)
    end()
    b.leave()
    await cluster.clock.advance(1)
    assert.equal(views.length, 2)
  })

  it('has shards placed on the nodes that are neither starting nor draining', async () => {
    const cluster = new Cluster()
    const [a, b] = await cluster.startAll(['a', 'b', 'c'])
    assert.deepEqual(takersOf(a!.members()), [])
    a!.announce({ state: 'active', weight: 2 })
    b!.announce({ state: 'draining' })
    await cluster.clock.advance(1)
    for (const node of cluster.nodes.values()) assert.deepEqual(takersOf(node.members()), [{ id: 'a', weight: 2 }])
  })

  it('says which of its workers are stuck', async () => {
    const cluster = new Cluster()
    const a = cluster.start('a')
    const turns = { stands: 0, turns: 0 }
    let isStanding = false
    cluster.start('b', {
      progress: () => [
        { worker: 'worker-0', turns: isStanding ? turns.stands : ++turns.stands },
        { worker: 'worker-1', turns: ++turns.turns },
      ],
    })
    const stuck = () => a.members().find(({ nodeId }) => nodeId === 'b')?.stuck
    await cluster.clock.advance(20_000)
    assert.deepEqual(stuck(), [])
    isStanding = true
    await cluster.clock.advance(WORKER_STUCK_MS - HEARTBEAT_EVERY_MS)
    assert.deepEqual(stuck(), [])
    await cluster.clock.advance(2 * HEARTBEAT_EVERY_MS)
    assert.deepEqual(stuck(), ['worker-0'])
    isStanding = false
    await cluster.clock.advance(2 * HEARTBEAT_EVERY_MS)
    assert.deepEqual(stuck(), [])
  })

  it('is settled at once where it is alone, by the same rules', async () => {
    const clock = new SimulatedClock(1)
    const alone = new Membership({
      cluster: CLUSTER,
      transport: localTransport(clock),
      clock,
      logger: silentLogger,
      self: { nodeId: 'a' as NodeId, boot: 1, version: '1', featureLevels: { min: 1, max: 1 }, weight: 1, workers: 2 },
      times: { silenceMs: 0, graceMs: 0, settleMs: 0 },
      onDisplaced: () => assert.fail('there is no other'),
    })
    const views: MembersView[] = []
    alone.onChange((view) => views.push(view))
    alone.start()
    await clock.advance(0)
    assert.deepEqual(
      views.map(({ settled, absentAreDead, members }) => [settled, absentAreDead, members.length]),
      [[true, true, 1]],
    )
    await clock.advance(60_000)
    assert.equal(views.length, 1)
    alone.leave()
  })
})

import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { MessageChannel } from 'node:worker_threads'
import { MembershipKeeper } from '../../../actors/membership-keeper.ts'
import type { MembersChanged, MembershipKeeperMessage } from '../../../actors/messages/cluster.ts'
import type { Actor } from '../../../actors/runtime/actor.ts'
import type { ActorRef } from '../../../actors/runtime/actor-ref.ts'
import { ActorSystem } from '../../../actors/runtime/actor-system.ts'
import { systemClock } from '../../../base/clock.ts'
import type { NodeId } from '../../../base/ids.ts'
import { silentLogger } from '../../../base/logger.ts'
import { Membership } from '../../../cluster/membership.ts'
import type { Transport } from '../../../cluster/transport.ts'
import { SimulatedClock } from '../../harness/simulated-clock.ts'
import { SimulatedNetwork } from '../../harness/simulated-transport.ts'
import { waitUntil } from '../../harness/weir-client.ts'

const ASK = { deadlineMs: 60_000 }

class Follower implements Actor<MembersChanged> {
  readonly seen: MembersChanged[] = []

  handle(message: MembersChanged): void {
    this.seen.push(message)
  }

  get last(): string {
    return (
      this.seen
        .at(-1)
        ?.members.map(({ nodeId, state }) => `${nodeId} ${state}`)
        .join(', ') ?? ''
    )
  }
}

interface TestNode {
  readonly system: ActorSystem
  readonly membership: Membership
  readonly keeper: ActorRef<MembershipKeeperMessage>
  readonly drained: string[]
}

let boots = 0

function startNode(t: TestContext, name: string, transport: Transport, clock = systemClock): TestNode {
  const drained: string[] = []
  const system = new ActorSystem({
    name: `main-${name}`,
    clock: systemClock,
    logger: silentLogger,
    onEscalate: ({ error }) => assert.fail(error),
  })
  const membership = new Membership({
    cluster: 'test',
    transport,
    clock,
    logger: silentLogger,
    self: {
      nodeId: name as NodeId,
      boot: ++boots,
      version: '1',
      featureLevels: { min: 1, max: 1 },
      weight: 1,
      workers: 1,
    },
    onDisplaced: () => assert.fail('it is the only one of its name'),
  })
  const keeper = system.spawn<MembershipKeeperMessage>(
    'membership',
    (context) =>
      new MembershipKeeper({
        cluster: 'test',
        nodeId: name as NodeId,
        membership,
        transport,
        clock,
        logger: silentLogger,
        ref: (address) => context.ref(address),
        drain: () => drained.push(name),
      }),
    { mailboxMax: 64 },
  )
  membership.start()
  t.after(async () => {
    membership.stop()
    await system.stop(1000)
  })
  return { system, membership, keeper, drained }
}

describe('the membership keeper', () => {
  it('tells its followers at once, after each change, and again when nothing changes', async (t) => {
    const clock = new SimulatedClock(1)
    const network = new SimulatedNetwork({ clock })
    const a = startNode(t, 'a', network.join('a'), clock)
    const follower = new Follower()
    const { address } = a.system.spawn<MembersChanged>('follower', () => follower, { mailboxMax: 64 })
    a.keeper.tell({ kind: 'followMembers', address })
    await clock.advance(0)
    assert.equal(follower.last, 'a joining')
    const b = startNode(t, 'b', network.join('b'), clock)
    b.membership.announce({ state: 'active' })
    await clock.advance(1)
    await waitUntil(
      () => follower.last === 'a joining, b active',
      () => 'both are known',
    )
    await clock.advance(10_000)
    await waitUntil(
      () => follower.seen.at(-1)!.settled,
      () => 'the view is settled',
    )
    const told = follower.seen.length
    await clock.advance(10_000)
    await waitUntil(
      () => follower.seen.length === told + 2,
      () => 'it is told again',
    )
    assert.equal(follower.seen.at(-1)!.revision, follower.seen.at(-2)!.revision)
    a.keeper.tell({ kind: 'unfollowMembers', address })
    b.membership.leave()
    await clock.advance(10_000)
    assert.equal(follower.seen.length, told + 2)
    const view = await a.keeper.ask({ kind: 'snapshot' }, ASK)
    assert.deepEqual(
      view.members.map(({ nodeId }) => nodeId),
      ['a'],
    )
  })

  it('reaches followers on other threads, and does without those that have gone', async (t) => {
    const network = new SimulatedNetwork({ clock: systemClock })
    const a = startNode(t, 'a', network.join('a'))
    const worker = new ActorSystem({
      name: 'worker-0',
      clock: systemClock,
      logger: silentLogger,
      onEscalate: ({ error }) => assert.fail(error),
    })
    const { port1, port2 } = new MessageChannel()
    a.system.attach('worker-0', port1)
    worker.attach('main-a', port2)
    t.after(() => worker.stop(1000))
    const follower = new Follower()
    const { address } = worker.spawn<MembersChanged>('follower', () => follower, { mailboxMax: 64 })
    const keeper = worker.ref<MembershipKeeperMessage>('main-a/membership')
    keeper.tell({ kind: 'followMembers', address: 'worker-1/nobody' })
    keeper.tell({ kind: 'followMembers', address })
    await waitUntil(
      () => follower.last === 'a joining',
      () => 'the follower is told',
    )
    a.membership.announce({ state: 'active', url: 'http://localhost:1' })
    await waitUntil(
      () => follower.last === 'a active',
      () => 'the change arrives',
    )
  })

  it('has a node drain, this one or another, but not the last that takes shards', async (t) => {
    const clock = new SimulatedClock(1)
    const network = new SimulatedNetwork({ clock })
    const nodes = ['a', 'b', 'c.d'].map((name) => startNode(t, name, network.join(name), clock))
    await clock.advance(2000)
    const [a, b, c] = nodes as [TestNode, TestNode, TestNode]
    const drain = (nodeId: string) => clock.run(a.keeper.ask({ kind: 'drainNode', nodeId: nodeId as NodeId }, ASK))
    await assert.rejects(drain('a'), { code: 'no_other_node' })
    for (const { membership } of nodes) membership.announce({ state: 'active' })
    await clock.advance(1)
    await assert.rejects(drain('nobody'), { code: 'not_found' })
    await drain('c.d')
    assert.deepEqual([a.drained, b.drained, c.drained], [[], [], ['c.d']])
    c.membership.announce({ state: 'draining' })
    await clock.advance(1)
    network.partition(['a'], ['b'])
    await assert.rejects(drain('b'), { code: 'deadline_exceeded' })
    network.heal()
    await clock.advance(1000)
    await drain('a')
    assert.deepEqual(a.drained, ['a'])
    a.membership.announce({ state: 'draining' })
    await clock.advance(1)
    await assert.rejects(drain('b'), { code: 'no_other_node' })
    assert.deepEqual(b.drained, [])
  })
})

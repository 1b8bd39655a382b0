import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { HostedShard } from '../../../actors/hosted-shard.ts'
import { WeirError } from '../../../base/errors.ts'
import type { LaneId, NodeId, ShardId } from '../../../base/ids.ts'
import { DurableNode } from '../../harness/durable-node.ts'
import { memberOf, SimulatedMachine, SimulatedNode } from '../../harness/simulated-node.ts'

const LANE = 0 as LaneId
const OTHER = 'node-2' as NodeId
const ALONE = { revision: 1, members: [memberOf('node-1' as NodeId)], settled: true, absentAreDead: true }

function rolesAndReading({ role, isCaughtUp }: HostedShard): [string, boolean] {
  return [role, isCaughtUp]
}

describe('the journal', () => {
  it('J5: is trimmed up to the lowest floor of its shards and no further', async () => {
    const durable = await DurableNode.start({ shardCount: 4 })
    const { journal } = durable.machine
    await durable.send(['a'], 'api')
    await durable.send(['b'], 'mail')
    const shards = [...durable.node.shards.values()]
    for (const { publisher } of shards.slice(1)) {
      await durable.machine.clock.run(publisher!.ask({ kind: 'publish', everything: true }, { deadlineMs: 1000 }))
    }
    await durable.pass(5000)
    assert.equal(journal.lane(LANE).frames.length, 2, 'one shard has published nothing')
    await durable.publish()
    await durable.pass(5000)
    assert.equal(journal.lane(LANE).frames.length, 0)
  })

  it('is trimmed later when it could not be at once', async () => {
    const durable = await DurableNode.start()
    const error = new WeirError('storage_unavailable', 'full')
    durable.machine.journal.fault = (call) => (call === 'trim' ? { when: 'before', error } : undefined)
    await durable.send(['a'])
    await durable.publish()
    await durable.pass(5000)
    assert.equal(durable.machine.journal.lane(LANE).frames.length, 1)
    durable.machine.journal.fault = () => undefined
    await durable.pass(5000)
    assert.equal(durable.machine.journal.lane(LANE).frames.length, 0)
  })

  it('is asked by one look at a time, however long it does not answer', async () => {
    const durable = await DurableNode.start()
    const { journal } = durable.machine
    const answered = Promise.withResolvers<void>()
    let asked = 0
    journal.pause = async (call) => {
      if (call !== 'state') return
      asked++
      await answered.promise
    }
    await durable.pass(20_000)
    assert.equal(asked, 2, 'where shards belong, and whether the lane fills up')
    journal.pause = async () => undefined
    answered.resolve()
    await durable.send(['a'])
    await durable.publish()
    await durable.pass(5000)
    assert.equal(journal.lane(LANE).frames.length, 0)
  })

  it('J3: that began anew and has no frame yet holds no shard back once what was read of the lost one is published', async () => {
    const durable = await DurableNode.start({ shardCount: 2 })
    const { journal } = durable.machine
    await durable.send(['a'])
    durable.node.kill()
    journal.recreate(LANE)
    await durable.restart()
    await durable.send(['b'])
    await durable.publish()
    durable.node.kill()
    journal.recreate(LANE)
    await durable.restart()
    await durable.pass(5000)
    const floors = [...durable.node.shards.values()].map(({ store }) => store.published.floor)
    assert.deepEqual(floors, Array(2).fill({ generation: 3, sequence: 0 }))
    await durable.send(['c'])
    await durable.publish()
    assert.deepEqual(await durable.found(), ['b', 'c'])
  })

  it('J3: that was restored and has no newer frame yet holds no shard back once what was read of the lost one is published', async () => {
    const durable = await DurableNode.start({ shardCount: 2 })
    const { journal } = durable.machine
    await durable.send(['a'])
    await durable.send(['b'])
    await durable.publish()
    await durable.send(['c'])
    await durable.send(['lost'])
    durable.node.kill()
    journal.restore(LANE, 3)
    await durable.restart()
    await durable.pass(5000)
    const floors = [...durable.node.shards.values()].map(({ store }) => store.published.floor)
    assert.deepEqual(floors, Array(2).fill({ generation: 2, sequence: 3 }))
    await durable.send(['d'])
    await durable.publish()
    assert.deepEqual(await durable.found(), ['a', 'b', 'c', 'd'])
  })

  it('that fills up is relieved long before a row is due to be published', async () => {
    const durable = await DurableNode.start({ journalBytesMax: 20_000 })
    const uids: string[] = []
    for (let i = 0; i < 60; i++) {
      const uid = `r${String(i).padStart(2, '0')}`
      uids.push(uid)
      await durable.send([uid, `${uid}x`])
      uids.push(`${uid}x`)
      await durable.pass(500)
    }
    assert.ok(durable.machine.journal.lane(LANE).bytes < 20_000)
    assert.deepEqual(await durable.found(), uids)
  })

  it('that is full refuses, and takes again once a shard that held it back has published', async () => {
    const durable = await DurableNode.start({ journalBytesMax: 5000 })
    const error = new WeirError('storage_unavailable', 'the bucket does not answer')
    durable.machine.objects.fault = (operation) => (operation === 'put' ? { kind: 'before', error } : undefined)
    const kept: string[] = []
    await assert.rejects(
      async () => {
        for (let i = 0; i < 100; i++) {
          await durable.send([`r${i}`])
          kept.push(`r${i}`)
          await durable.pass(1000)
        }
      },
      { code: 'journal_full' },
    )
    assert.ok(durable.heard(/error: the journal fills up; this shard holds back its trimming/))
    durable.machine.objects.fault = () => undefined
    await durable.pass(10_000)
    await durable.send(['last'])
    await durable.pass(100)
    assert.deepEqual(await durable.found(), [...kept, 'last'].sort())
  })
})

describe('a key that came before a restart', () => {
  it('is refused with other records as soon as the journal is replayed, and not taken before', async () => {
    const durable = await DurableNode.start({ answerMsMax: 20 })
    await durable.send(['a'], 'api', 'key')
    durable.node.kill()
    await durable.restart()
    const outcomes = new Set<string>()
    for (let i = 0; i < 50 && !outcomes.has('idempotency_conflict'); i++) {
      await durable.send(['b'], 'api', 'key').then(
        () => outcomes.add('taken'),
        (error: WeirError) => outcomes.add(error.code),
      )
      await durable.pass(10)
    }
    assert.ok(!outcomes.has('taken'), [...outcomes].join())
    assert.ok(outcomes.has('idempotency_conflict'))
  })
})

describe('a request with a key', () => {
  it('D3: waits for the home of its key while that is being opened, and is told of the key', async () => {
    const durable = await DurableNode.start({ shardCount: 1 })
    const { machine } = durable
    await durable.send(['a'], 'api', 'key')
    await durable.publish()
    durable.node.kill()
    const isBack = Promise.withResolvers<void>()
    machine.objects.pauseGet = () => isBack.promise
    durable.node = new SimulatedNode(machine, { isBucketAway: true })
    await machine.clock.run(durable.node.start())
    assert.equal(durable.node.shards.size, 0)
    let outcome = 'none'
    const sent = durable.send(['b'], 'api', 'key').then(
      () => 'taken',
      (error: WeirError) => error.code,
    )
    void sent.then((code) => {
      outcome = code
    })
    await durable.pass(4000)
    assert.equal(outcome, 'none')
    isBack.resolve()
    await durable.pass(3000)
    assert.equal(outcome, 'idempotency_conflict')
  })

  it('is refused where the home of its key does not open in time', async () => {
    const durable = await DurableNode.start({ shardCount: 1 })
    const { machine } = durable
    await durable.publish()
    await durable.send(['a'], 'api')
    await durable.publish()
    durable.node.kill()
    machine.objects.pauseGet = () => new Promise(() => undefined)
    durable.node = new SimulatedNode(machine, { isBucketAway: true })
    await machine.clock.run(durable.node.start())
    const refused = assert.rejects(durable.send(['b'], 'api', 'key'), { code: 'shard_unavailable' })
    await durable.pass(15_000)
    await refused
  })
})

describe('a publisher that is held up', () => {
  it('comes to tidy up all the same: each kind of work waits for it once', async () => {
    const durable = await DurableNode.start({ shardCount: 1, journalBytesMax: 10_000 })
    const { machine } = durable
    for (let i = 0; i < 3; i++) {
      await durable.send([`r${i}`])
      await durable.publish()
    }
    const isBack = Promise.withResolvers<void>()
    machine.objects.pausePut = () => isBack.promise
    for (let i = 0; machine.journal.lane(LANE).bytes < 6000; i++) await durable.send([`s${i}`])
    await durable.pass(150_000)
    const mailbox = () => durable.node.system.observe().actors.find(({ name }) => name === 'segment-publisher-0')!
    assert.equal(mailbox().dropped, 0)
    assert.ok(mailbox().mailboxDepth > 1)
    isBack.resolve()
    await durable.pass(5000)
    assert.equal(mailbox().mailboxDepth, 0)
    assert.equal(mailbox().dropped, 0)
  })
})

describe('a node that starts without its bucket', () => {
  it('is not ready before it has tried to open what it is to own', async () => {
    const machine = new SimulatedMachine({ seed: 1, shardCount: 4 })
    const error = new WeirError('storage_unavailable', 'NATS does not answer')
    machine.journal.fault = (call) => (call === 'state' ? { when: 'before', error } : undefined)
    const node = new SimulatedNode(machine, { isBucketAway: true })
    let isReady = false
    const started = node.start().then(() => {
      isReady = true
    })
    await machine.clock.advance(10_000)
    assert.equal(isReady, false)
    machine.journal.fault = () => undefined
    await machine.clock.run(started)
    assert.equal(node.shards.size, 4)
  })

  it('Q2: calls a shard that was long in opening caught up only with what was sent meanwhile', async () => {
    const durable = await DurableNode.start({ shardCount: 1 })
    const { machine } = durable
    await durable.send(['a'])
    await durable.publish()
    durable.node.kill()
    const isBack = Promise.withResolvers<void>()
    machine.objects.pauseGet = () => isBack.promise
    durable.node = new SimulatedNode(machine, { isBucketAway: true })
    await machine.clock.run(durable.node.start())
    await durable.pass(10_000)
    assert.equal(durable.node.shards.size, 0)
    await durable.send(['b'])
    await durable.send(['c'])
    isBack.resolve()
    await durable.pass(3000)
    assert.equal(durable.node.shards.get(0 as ShardId)?.caughtUpAt, machine.journal.lane(LANE).lastSequence)
    assert.deepEqual(await durable.found(), ['a', 'b', 'c'])
  })
})

describe('a shard that is opened', () => {
  for (const when of ['before', 'after'] as const) {
    it(`is read and owned in the end where the reader of its lane failed ${when} it took the shard in`, async () => {
      const machine = new SimulatedMachine({ seed: 1, shardCount: 4 })
      const node = new SimulatedNode(machine)
      let failures = 3
      const error = new WeirError('mailbox_full', 'the reader has as many messages waiting as it may')
      node.readerFault = (kind) => (kind === 'addShards' && failures-- > 0 ? { when, error } : undefined)
      void node.start()
      await machine.clock.advance(10_000)
      assert.ok(failures < 0)
      assert.deepEqual([...node.shards.values()].map(rolesAndReading), Array(4).fill(['owner', true]))
      assert.match(node.describe(), /"shards":4,"behind":0/)
    })
  }

  it('is closed again although its lane was never read for it', async () => {
    const machine = new SimulatedMachine({ seed: 1, shardCount: 4 })
    const node = new SimulatedNode(machine)
    const error = new WeirError('mailbox_full', 'the reader has as many messages waiting as it may')
    node.readerFault = (kind) => (kind === 'addShards' ? { when: 'before', error } : undefined)
    void node.start()
    await machine.clock.advance(5000)
    assert.equal(node.shards.size, 4)
    assert.ok([...node.shards.values()].every(({ role }) => role === 'follower'))
    node.seeMembers({ ...ALONE, revision: 2, members: [memberOf(node.nodeId), memberOf(OTHER)] })
    await machine.clock.advance(5000)
    assert.ok(node.shards.size < 4)
  })
})

describe('a shard whose claim hangs', () => {
  it('does not keep this node from taking others over', async () => {
    const machine = new SimulatedMachine({ seed: 1, shardCount: 8 })
    const node = new SimulatedNode(machine)
    const isBack = Promise.withResolvers<void>()
    let hanging: string | undefined
    let isNext = false
    machine.registry.fault = (operation, key) => {
      if (operation === 'put' && key.startsWith('shard/')) hanging ??= key
      isNext = operation === 'put' && key === hanging
      return undefined
    }
    machine.registry.pause = () => (isNext ? isBack.promise : Promise.resolve())
    node.seeMembers({ ...ALONE, members: [memberOf(node.nodeId), memberOf(OTHER)] })
    void node.start()
    await machine.clock.advance(1000)
    const before = node.shards.size
    assert.ok(hanging !== undefined && before < 8)
    node.seeMembers({ ...ALONE, revision: 2 })
    await machine.clock.advance(8000)
    const owned = [...node.shards.values()].filter(({ role }) => role === 'owner')
    assert.equal(owned.length, 7)
    isBack.resolve()
    await machine.clock.advance(2000)
    assert.ok([...node.shards.values()].every(({ role }) => role === 'owner'))
  })
})

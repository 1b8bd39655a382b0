import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { WeirError } from '../../../base/errors.ts'
import type { LaneId, ShardId } from '../../../base/ids.ts'
import { DurableNode } from '../../harness/durable-node.ts'
import { SimulatedMachine, SimulatedNode } from '../../harness/simulated-node.ts'

const LANE = 0 as LaneId

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

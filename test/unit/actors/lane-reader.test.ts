import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { WeirError } from '../../../base/errors.ts'
import type { LaneId } from '../../../base/ids.ts'
import { DurableNode } from '../../harness/durable-node.ts'

const LANE = 0 as LaneId
const refused = () => new WeirError('storage_unavailable', 'the disk refuses')

describe('the reader of a lane', () => {
  it('tries a run that failed again although no further frame comes', async () => {
    const durable = await DurableNode.start()
    let failures = 3
    durable.machine.kv.fault = (call) =>
      call === 'open' && failures-- > 0 ? { when: 'before', error: refused() } : undefined
    await durable.send(['a'])
    await durable.pass(2000)
    assert.ok(failures <= 0)
    assert.deepEqual(await durable.found(), ['a'])
  })

  it('goes on where it was when the journal fails', async () => {
    const durable = await DurableNode.start()
    await durable.send(['a'])
    durable.machine.journal.fault = (call) => (call === 'next' ? { when: 'before', error: refused() } : undefined)
    await durable.send(['b'])
    await durable.pass(3000)
    durable.machine.journal.fault = () => undefined
    await durable.pass(1000)
    assert.deepEqual(await durable.found(), ['a', 'b'])
  })

  it('passes over a damaged frame, loudly, and reads on', async () => {
    const durable = await DurableNode.start()
    durable.machine.journal.fault = (call) => (call === 'next' ? { when: 'before', error: refused() } : undefined)
    await durable.send(['a'])
    durable.machine.journal.lane(LANE).frames[0]!.frame[30]! ^= 0xff
    await durable.send(['b'])
    durable.machine.journal.fault = () => undefined
    await durable.pass(1000)
    assert.deepEqual(await durable.found(), ['b'])
    assert.ok(durable.heard(/a frame of the journal is damaged/))
  })

  it('passes over a damaged group of sections, loudly, and reads on', async () => {
    const durable = await DurableNode.start()
    // Of two nodes one after the other on the same machine, the second compresses.
    durable.node.kill()
    await durable.restart()
    durable.machine.journal.fault = (call) => (call === 'next' ? { when: 'before', error: refused() } : undefined)
    await durable.send(Array.from({ length: 200 }, (_, i) => `a${i}`))
    const { frame } = durable.machine.journal.lane(LANE).frames[0]!
    assert.deepEqual([frame[4], frame[20]], [2, 1])
    frame.fill(0xff, frame.length - 400, frame.length - 300)
    await durable.send(['b'])
    durable.machine.journal.fault = () => undefined
    await durable.pass(1000)
    assert.deepEqual(await durable.found(), ['b'])
    assert.ok(durable.heard(/error: (sections of )?a frame of the journal (are|is) damaged|error: a section/))
  })

  it('says so when frames are missing', async () => {
    const durable = await DurableNode.start()
    await durable.send(['a'])
    await durable.publish()
    await durable.send(['b'])
    await durable.send(['c'])
    durable.node.kill()
    // As if the journal had been trimmed too far: frame 2 is gone.
    durable.machine.journal.lane(LANE).frames.shift()
    durable.machine.journal.trim(LANE, 2)
    durable.machine.loseDisk()
    await durable.restart()
    await durable.pass(1000)
    assert.deepEqual(await durable.found(), ['a', 'c'])
    await durable.publish()
    assert.ok(durable.heard(/error: frames were gone from the journal/))
  })

  it('reads two lanes side by side', async () => {
    const durable = await DurableNode.start({ shardCount: 4, laneCount: 2 })
    const services = ['api', 'auth', 'cart', 'mail', 'stock', 'pay']
    for (const service of services) await durable.send([service], service)
    await durable.pass(100)
    assert.deepEqual(await durable.found(), [...services].sort())
    assert.ok(durable.machine.journal.lane(1 as LaneId).lastSequence > 0)
  })
})

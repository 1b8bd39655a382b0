import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { pack } from 'msgpackr'
import { WeirError } from '../../../base/errors.ts'
import type { NodeId } from '../../../base/ids.ts'
import { decodeHeartbeat, encodeHeartbeat, type Heartbeat } from '../../../cluster/heartbeat.ts'
import { drainSubject, heartbeatSubject } from '../../../cluster/subjects.ts'

const name = fc.string({ minLength: 1, maxLength: 60, unit: 'grapheme' }).filter((text) => text.isWellFormed())
const figure = fc.double({ min: 0, max: 1e12, noNaN: true }).map((value) => value + 0)
const count = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
const PLAIN = { noNullPrototype: true }
const member = fc.record(
  {
    nodeId: name.map((text) => text as NodeId),
    boot: count,
    version: name,
    featureLevels: fc.tuple(count, count).map(([a, b]) => ({ min: Math.min(a, b), max: Math.max(a, b) })),
    weight: fc.double({ min: 0.01, max: 16, noNaN: true }),
    url: fc.option(name),
    workers: fc.integer({ min: 0, max: 256 }),
    state: fc.constantFrom('joining' as const, 'active' as const, 'draining' as const),
    startedMs: fc.integer({ min: 0, max: 8.64e15 }),
    load: fc.record({ recordsPerSecond: figure, bytesPerSecond: figure, cpuCores: figure }, PLAIN),
    natsServer: fc.option(name),
    stuck: fc.array(name, { maxLength: 10 }),
  },
  PLAIN,
)
const heartbeat: fc.Arbitrary<Heartbeat> = fc.record({ member, beat: count, isGoodbye: fc.boolean() }, PLAIN)

const EXAMPLE: Heartbeat = {
  member: {
    nodeId: 'node-1' as NodeId,
    boot: 12,
    version: '1.0.0',
    featureLevels: { min: 1, max: 2 },
    weight: 1,
    url: 'http://10.0.0.1:9347',
    workers: 4,
    state: 'active',
    startedMs: 1_790_000_000_000,
    load: { recordsPerSecond: 1234, bytesPerSecond: 567_890, cpuCores: 1.5 },
    natsServer: '10.0.0.9:4222',
    stuck: [],
  },
  beat: 99,
  isGoodbye: false,
}

describe('a heartbeat on the wire', () => {
  it('says to others what it said', () => {
    fc.assert(fc.property(heartbeat, (value) => assert.deepEqual(decodeHeartbeat(encodeHeartbeat(value)), value)))
    assert.ok(encodeHeartbeat(EXAMPLE).length < 400)
  })

  it('may say more one day: what is not known is passed over, and a new state is a node that lives', () => {
    const { member, ...rest } = EXAMPLE
    const future = pack({
      ...member,
      ...rest,
      format: 2,
      state: 'resting',
      zone: { name: 'b' },
      load: { ...member.load, disk: 1 },
    })
    assert.deepEqual(decodeHeartbeat(future), EXAMPLE)
  })

  it('need say no more than who it is', () => {
    const least = pack({ format: 1, nodeId: 'a', boot: 1, beat: 1, weight: 1, featureLevels: { min: 1, max: 1 } })
    const { member } = decodeHeartbeat(least)
    assert.deepEqual([member.state, member.url, member.stuck, member.load.cpuCores], ['active', null, [], 0])
  })

  it('is refused in an orderly way when it is none', () => {
    const isRefusal = (error: unknown) => error instanceof WeirError && error.code === 'corrupt_data'
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        try {
          decodeHeartbeat(bytes)
        } catch (error) {
          assert.ok(isRefusal(error), String(error))
        }
      }),
    )
    const { member, ...rest } = EXAMPLE
    const wrong: Record<string, unknown>[] = [
      { nodeId: '' },
      { nodeId: 'x'.repeat(1000) },
      { nodeId: 7 },
      { boot: -1 },
      { boot: 1.5 },
      { beat: 'one' },
      { weight: 0 },
      { weight: Number.NaN },
      { weight: 1000 },
      { featureLevels: { min: 2, max: 1 } },
      { featureLevels: null },
    ]
    for (const fields of wrong) {
      assert.throws(() => decodeHeartbeat(pack({ ...member, ...rest, ...fields })), isRefusal, JSON.stringify(fields))
    }
    assert.throws(() => decodeHeartbeat(pack({ ...member, ...rest, padding: 'x'.repeat(20_000) })), isRefusal)
    assert.throws(() => decodeHeartbeat(pack([1, 2])), isRefusal)
  })
})

describe('subjects', () => {
  it('keep names apart from their own separators and wildcards', () => {
    const tokens = (subject: string) => subject.split('.').length
    fc.assert(
      fc.property(name, (text) => {
        assert.match(drainSubject('weir', text as NodeId), /^weir\.weir\.node\.[\w%-]+\.drain$/)
        assert.equal(tokens(heartbeatSubject(text)), 3)
      }),
    )
    assert.notEqual(drainSubject('a', 'x.y' as NodeId), drainSubject('a', 'x%2Ey' as NodeId))
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { NodeId } from '../../../base/ids.ts'
import { DEPARTED_KEEP_MS, MEMBERS_MAX } from '../../../base/limits.ts'
import { type Heartbeat, NO_LOAD } from '../../../cluster/heartbeat.ts'
import { MemberTable } from '../../../cluster/member-table.ts'

const TIMES = { silenceMs: 3000, graceMs: 5000, settleMs: 1500 }
const SELF = { nodeId: 'self' as NodeId, boot: 1 }

function heartbeat(nodeId: string, beat: number, more: { boot?: number; isGoodbye?: boolean } = {}): Heartbeat {
  return {
    member: {
      nodeId: nodeId as NodeId,
      boot: more.boot ?? 1,
      version: '1',
      featureLevels: { min: 1, max: 1 },
      weight: 1,
      url: null,
      workers: 1,
      state: 'active',
      startedMs: 0,
      load: NO_LOAD,
      natsServer: null,
      stuck: [],
    },
    beat,
    isGoodbye: more.isGoodbye ?? false,
  }
}

/** A table that has heard itself and `peers` for ten seconds, up to `nowMs`. */
function settledTable(peers: readonly string[]): { table: MemberTable; nowMs: number; beat: number } {
  const table = new MemberTable(SELF, TIMES, 0)
  let beat = 0
  for (let nowMs = 0; nowMs <= 10_000; nowMs += 500) {
    beat++
    for (const name of ['self', ...peers]) table.hear(heartbeat(name, beat), nowMs)
    table.advance(nowMs)
  }
  return { table, nowMs: 10_000, beat }
}

function idsOf(table: MemberTable): string {
  return table
    .peers()
    .map(({ nodeId }) => nodeId)
    .sort()
    .join(' ')
}

describe('the table of members (C1)', () => {
  it('buries nobody when the observer itself was paused, in whatever order it finds what came meanwhile', () => {
    const arrivals = ['look', 'look', 'self', 'self', 'a', 'b', 'c'] as const
    fc.assert(
      fc.property(
        fc.shuffledSubarray([...arrivals], { minLength: arrivals.length }),
        fc.integer({ min: 3000, max: 600_000 }),
        (order, pauseMs) => {
          const { table, nowMs, beat } = settledTable(['a', 'b', 'c'])
          const thenMs = nowMs + pauseMs
          for (const [i, what] of order.entries()) {
            if (what === 'look') assert.deepEqual(table.advance(thenMs), [])
            else table.hear(heartbeat(what, beat + 1 + i), thenMs)
          }
          assert.equal(idsOf(table), 'a b c')
          assert.equal(table.absentAreDead, false)
        },
      ),
    )
  })

  it('takes nobody for dead that it heard less than the silence ago, whatever is lost', () => {
    const events = fc.array(
      fc.record({ gapMs: fc.integer({ min: 1, max: 1200 }), who: fc.constantFrom('self', 'a', 'b', 'disturbance') }),
      { maxLength: 100 },
    )
    fc.assert(
      fc.property(events, (sequence) => {
        const { table, nowMs, beat } = settledTable(['a', 'b'])
        const heardMs = new Map([
          ['a', nowMs],
          ['b', nowMs],
        ])
        let disturbedMs = Number.NEGATIVE_INFINITY
        let [now, next] = [nowMs, beat]
        for (const { gapMs, who } of sequence) {
          now += gapMs
          next++
          if (who === 'disturbance') {
            table.disturb(now)
            disturbedMs = now
          } else {
            table.hear(heartbeat(who, next), now)
            if (who !== 'self') heardMs.set(who, now)
          }
          for (const { nodeId } of table.advance(now)) {
            const heard = heardMs.get(nodeId)!
            assert.ok(now - heard >= TIMES.silenceMs)
            if (disturbedMs >= heard) assert.ok(now - disturbedMs >= TIMES.graceMs)
          }
        }
      }),
    )
  })

  it('is not settled before it has heard itself, however long that takes', () => {
    const table = new MemberTable(SELF, TIMES, 0)
    for (let nowMs = 0; nowMs < 60_000; nowMs += 250) {
      table.hear(heartbeat('a', nowMs + 1), nowMs)
      table.advance(nowMs)
    }
    assert.equal(table.isSettled, false)
    assert.equal(table.isDead('b' as NodeId), false)
    table.hear(heartbeat('self', 1), 60_000)
    assert.equal(table.isSettled, false)
    table.hear(heartbeat('self', 2), 61_000)
    table.hear(heartbeat('self', 3), 61_600)
    assert.equal(table.isSettled, true)
    assert.equal(table.absentAreDead, false)
    for (let nowMs = 62_000; nowMs <= 65_000; nowMs += 500) table.hear(heartbeat('self', nowMs), nowMs)
    assert.equal(table.absentAreDead, true)
  })

  it('takes a new start of a node for the node, and its former process for dead', () => {
    const { table, nowMs, beat } = settledTable(['a'])
    const before = table.revision
    assert.equal(table.hear(heartbeat('a', 1, { boot: 7 }), nowMs), 'came')
    assert.ok(table.revision > before, 'others must know: what it had in memory is gone')
    assert.equal(table.hear(heartbeat('a', beat + 1), nowMs), 'nothing')
    assert.equal(table.isDead('a' as NodeId, 1), true)
    assert.equal(table.isDead('a' as NodeId, 7), false)
    assert.equal(table.isDead('a' as NodeId), false)
  })

  it('forgets goodbyes when nothing of them can be under way any more', () => {
    const { table, nowMs, beat } = settledTable(['a'])
    assert.equal(table.hear(heartbeat('a', beat + 1, { isGoodbye: true }), nowMs), 'left')
    assert.equal(table.hear(heartbeat('a', beat + 2), nowMs + 1000), 'nothing')
    table.disturb(nowMs + 1000)
    assert.equal(table.isDead('a' as NodeId), true, 'it said so itself')
    table.advance(nowMs + DEPARTED_KEEP_MS + 1)
    assert.equal(table.hear(heartbeat('a', beat + 3), nowMs + DEPARTED_KEEP_MS + 1), 'came')
  })

  it('is bounded, whoever makes up names', () => {
    const { table, nowMs } = settledTable([])
    for (let i = 0; i < MEMBERS_MAX + 100; i++) table.hear(heartbeat(`made-up-${i}`, 1), nowMs)
    assert.equal(table.peers().length, MEMBERS_MAX - 1)
  })
})

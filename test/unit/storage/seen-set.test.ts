import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { IDEMPOTENCY_KEEP_MS } from '../../../base/limits.ts'
import { compactSeen } from '../../../storage/seen-pages.ts'
import { type ChunkVerdict, SeenSet } from '../../../storage/seen-set.ts'
import { at, chunkOf } from '../../harness/shard-fixture.ts'

const HOUR_MS = 3_600_000

describe('the seen-set', () => {
  it('takes a chunk once and calls it a repeat when it comes again, in the same frame too', () => {
    const seen = new SeenSet()
    assert.equal(seen.decide(chunkOf('k', 0, 2), at(1), 0), 'take')
    assert.equal(seen.decide(chunkOf('k', 2, 4), at(1), 0), 'repeat')
    assert.equal(seen.decide(chunkOf('k', 0, 2), at(2), 1), 'repeat')
    assert.equal(seen.decide(chunkOf('k', 0, 2, 'body', 1), at(2), 1), 'take')
  })

  it('calls another body under a known key a conflict', () => {
    const seen = new SeenSet()
    seen.decide(chunkOf('k', 0, 1, 'one'), at(1), 0)
    assert.equal(seen.decide(chunkOf('k', 0, 1, 'other'), at(2), HOUR_MS), 'conflict')
    assert.equal(seen.bodyHashOf('k', HOUR_MS), 'one')
  })

  it('forgets a key after 24 hours of the journal', () => {
    const seen = new SeenSet()
    seen.decide(chunkOf('k', 0, 1, 'one'), at(1), 0)
    assert.equal(seen.decide(chunkOf('k', 0, 1, 'one'), at(2), IDEMPOTENCY_KEEP_MS - 1), 'repeat')
    assert.equal(seen.decide(chunkOf('k', 0, 1, 'other'), at(3), IDEMPOTENCY_KEEP_MS), 'take')
    assert.equal(seen.decide(chunkOf('k', 0, 1, 'one'), at(4), IDEMPOTENCY_KEEP_MS), 'conflict')
  })

  it('knows a key that was published long ago when the journal goes on at its old time', () => {
    const seen = new SeenSet()
    seen.decide(chunkOf('k', 0, 1), at(1), 0)
    const later = new SeenSet()
    later.load(seen.publishable(at(1)))
    // The node was down for days: its clock says so, the journal does not.
    assert.equal(later.decide(chunkOf('k', 0, 1), at(2), HOUR_MS), 'repeat')
  })

  it('holds no more keys than it may, dropping the oldest', () => {
    const seen = new SeenSet(3)
    for (let i = 0; i < 5; i++) seen.decide(chunkOf(`k${i}`, 0, 1), at(i + 1), i)
    assert.equal(seen.size, 3)
    assert.equal(seen.decide(chunkOf('k4', 0, 1), at(6), 6), 'repeat')
    assert.equal(seen.decide(chunkOf('k0', 0, 1), at(6), 6), 'take')
  })

  it('hands out what is at or below the floor and not published, oldest first', () => {
    const seen = new SeenSet()
    for (let i = 1; i <= 4; i++) seen.decide(chunkOf(`k${i}`, 0, 1), at(i), i)
    const keys = (floor: number) => seen.publishable(at(floor)).map(([key]) => key)
    assert.deepEqual(keys(2), ['k1', 'k2'])
    seen.published(at(2))
    assert.deepEqual(keys(2), [])
    assert.deepEqual(keys(4), ['k3', 'k4'])
  })
})

interface Arrival {
  readonly key: string
  readonly body: string
  readonly chunk: number
  readonly afterMs: number
}

const arrivals = fc.array(
  fc.record<Arrival>({
    key: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
    body: fc.constantFrom('x', 'x', 'y'),
    chunk: fc.nat(2),
    afterMs: fc.constantFrom(0, 1, HOUR_MS, 13 * HOUR_MS),
  }),
  { maxLength: 40 },
)

/** Two arrivals a frame, so that frames hold several chunks. */
const sequenceOf = (index: number) => 1 + Math.floor(index / 2)

function decideAll(seen: SeenSet, list: readonly Arrival[], from: number): ChunkVerdict[] {
  let nowMs = list.slice(0, from).reduce((sum, { afterMs }) => sum + afterMs, 0)
  return list.slice(from).map(({ key, body, chunk, afterMs }, i) => {
    nowMs += afterMs
    return seen.decide(chunkOf(key, 0, 1, body, chunk), at(sequenceOf(from + i)), nowMs)
  })
}

describe('D3: a replay from any floor', () => {
  it('decides as the first time, from pages as they were written or joined', () => {
    fc.assert(
      fc.property(arrivals, fc.array(fc.nat(20), { maxLength: 4 }), fc.boolean(), (list, floors, isJoined) => {
        const first = new SeenSet(3)
        const verdicts = decideAll(first, list, 0)
        const pages = floors
          .sort((a, b) => a - b)
          .map((floor) => {
            const page = first.publishable(at(floor))
            first.published(at(floor))
            return page
          })
        const floor = floors.at(-1) ?? 0
        const replayFrom = Math.min(list.length, 2 * floor)
        const again = new SeenSet(3)
        again.load(isJoined ? compactSeen(pages.flat()) : pages.flat())
        assert.deepEqual(decideAll(again, list, replayFrom), verdicts.slice(replayFrom))
      }),
      { numRuns: 500 },
    )
  })
})

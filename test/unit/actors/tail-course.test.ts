import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import type { LiveRow } from '../../../actors/messages/tail.ts'
import { TAIL_ROW_LAST } from '../../../actors/search-cursor.ts'
import { TailCourse } from '../../../actors/tail-course.ts'
import type { Position, ShardId } from '../../../base/ids.ts'
import { TAIL_HELD_BYTES_MAX } from '../../../base/limits.ts'

const SHARD = 3 as ShardId
const at = (sequence: number): Position => ({ generation: 1, sequence })
const placeAt = (sequence: number, row = TAIL_ROW_LAST) => ({ shard: SHARD, generation: 1, sequence, row })

function rowAt(sequence: number, row: number, bytes = 1): LiveRow {
  const key = { timeMs: 0, timeNs: 0, shard: SHARD, generation: 1, sequence, row }
  return { key, json: 'x'.repeat(bytes), follows: [] }
}

/** What a shard has, and a feed of it whose answers may be lost. */
class Shard {
  readonly rows: LiveRow[] = []
  /** Of the journal; every frame has two rows. */
  applied = 0
  #given = 0
  heard: Position | undefined

  apply(frames: number, bytes: number): void {
    for (let i = 0; i < frames; i++) {
      this.applied++
      for (const row of [0, 1]) this.rows.push(rowAt(this.applied, row, bytes))
    }
  }

  beginSession(): Position {
    this.#given = this.applied
    this.heard = undefined
    return at(this.applied)
  }

  /** The rows of one answer. */
  answer(): LiveRow[] {
    const rows = this.rows.filter(({ key }) => key.sequence > this.#given)
    this.#given = this.applied
    this.heard = at(this.applied)
    return rows
  }

  heardOf(): Position | undefined {
    return this.heard
  }
}

const step = fc.oneof(
  fc.record({ kind: fc.constant('apply' as const), frames: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ kind: fc.constantFrom('answer' as const, 'lose' as const, 'route' as const, 'began' as const) }),
  fc.record({ kind: fc.constant('catchUp' as const), rows: fc.integer({ min: 1, max: 20 }) }),
  fc.record({ kind: fc.constant('restart' as const) }),
)

it('takes every row once and in order, whoever gives it and whatever is lost', () => {
  const bytes = fc.constantFrom(10, TAIL_HELD_BYTES_MAX / 6)
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), bytes, fc.nat({ max: 5 }), (steps, rowBytes, before) => {
      const shard = new Shard()
      shard.apply(before, rowBytes)
      let course = new TailCourse([SHARD])
      const taken: LiveRow[] = []
      let follow = 0
      let begin: Position | undefined
      course.moveTo(new Map([[SHARD, placeAt(before)]]))
      for (const next of [...steps, { kind: 'route' as const }, { kind: 'began' as const }]) {
        switch (next.kind) {
          case 'apply':
            shard.apply(next.frames, rowBytes)
            break
          case 'route':
            course.route(SHARD, ++follow, shard)
            begin = shard.beginSession()
            break
          case 'began':
            // It may come behind rows of its session.
            if (begin !== undefined) taken.push(...course.began(SHARD, follow, begin))
            break
          case 'answer':
            for (const row of shard.answer()) if (course.hear(follow, row)) taken.push(row)
            course.heard()
            break
          case 'lose':
            course.unroute(SHARD)
            begin = undefined
            break
          case 'catchUp': {
            const place = course.behind().get(SHARD)
            if (place === undefined) break
            const isBehind = ({ key }: LiveRow) =>
              key.sequence > place.sequence || (key.sequence === place.sequence && key.row > place.row)
            const rest = shard.rows.filter(isBehind)
            const some = rest.slice(0, next.rows)
            taken.push(...some)
            const last = some[some.length - 1]?.key
            const reached = some.length === rest.length ? placeAt(shard.applied) : placeAt(last!.sequence, last!.row)
            taken.push(...course.moveTo(new Map([[SHARD, reached]])))
            break
          }
          case 'restart': {
            // Another tail goes on from the cursor of this one.
            const places = course.places()
            course = new TailCourse([SHARD])
            course.moveTo(places)
            begin = undefined
          }
        }
      }
      const place = course.behind().get(SHARD)
      if (place !== undefined) {
        const rest = shard.rows.filter(
          ({ key }) => key.sequence > place.sequence || (key.sequence === place.sequence && key.row > place.row),
        )
        taken.push(...rest, ...course.moveTo(new Map([[SHARD, placeAt(shard.applied)]])))
      }
      for (const row of shard.answer()) if (course.hear(follow, row)) taken.push(row)
      const wanted = shard.rows.filter(({ key }) => key.sequence > before)
      assert.deepEqual(
        taken.map(({ key }) => [key.sequence, key.row]),
        wanted.map(({ key }) => [key.sequence, key.row]),
      )
      assert.deepEqual(course.places().get(SHARD), placeAt(shard.applied))
    }),
    { numRuns: 2000 },
  )
})

it('passes over rows of a follow that is no more, and of shards that it has not', () => {
  const course = new TailCourse([SHARD])
  course.moveTo(new Map([[SHARD, placeAt(0)]]))
  const source = { heardOf: () => undefined }
  course.route(SHARD, 1, source)
  course.began(SHARD, 1, at(0))
  course.route(SHARD, 2, source)
  assert.deepEqual(course.began(SHARD, 1, at(0)), [])
  assert.equal(course.hear(1, rowAt(1, 0)), false)
  course.began(SHARD, 2, at(0))
  assert.equal(course.hear(2, rowAt(1, 0)), true)
  assert.equal(course.hear(2, rowAt(1, 0)), false)
  const other = { ...rowAt(1, 0), key: { ...rowAt(1, 0).key, shard: 5 as ShardId } }
  assert.equal(course.hear(2, other), false)
})

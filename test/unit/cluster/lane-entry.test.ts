import { deepEqual, equal, throws } from 'node:assert/strict'
import { test } from 'node:test'
import type { LaneId } from '../../../base/ids.ts'
import {
  decodeLaneEntry,
  encodeLaneEntry,
  generationAt,
  laneEntryKey,
  readFrom,
  recreated,
  restored,
} from '../../../cluster/lane-entry.ts'

const FIRST = { creationId: 'a', createdMs: 1, generation: 1, lastSequence: 100, lastTime: '5' }

test('J3: a restored stream keeps its old frames in their generations, and begins a new one where it differs', () => {
  const second = restored(FIRST, 91)
  equal(second.generation, 2)
  deepEqual(
    [1, 90, 91, 500].map((sequence) => generationAt(second, sequence)),
    [1, 1, 2, 2],
  )
  const third = restored(second, 120)
  deepEqual(
    [90, 91, 119, 120].map((sequence) => generationAt(third, sequence)),
    [1, 2, 2, 3],
  )
  deepEqual(
    [90, 95, 96].map((sequence) => generationAt(restored(third, 95), sequence)),
    [1, 4, 4],
  )
  deepEqual(
    [1, 2].map((sequence) => generationAt(restored(third, 1), sequence)),
    [4, 4],
  )
})

test('J3: who has read too far goes back to where the streams part, who has not goes on', () => {
  const third = restored(restored(FIRST, 91), 120)
  deepEqual(
    [85, 90, 91, 100].map((sequence) => readFrom(third, sequence, 1)),
    [85, 90, 90, 90],
  )
  deepEqual(
    [100, 119, 130].map((sequence) => readFrom(third, sequence, 2)),
    [100, 119, 119],
  )
  equal(readFrom(third, 130, 3), 130)
})

test('J3: another stream is read from its beginning', () => {
  const other = recreated(restored(FIRST, 91), { creationId: 'b', createdMs: 2 })
  equal(other.generation, 3)
  deepEqual([readFrom(other, 85, 1), readFrom(other, 95, 2), readFrom(other, 7, 3)], [0, 0, 7])
  equal(generationAt(other, 1), 3)
})

test('entries survive their encoding; what is none is refused', () => {
  const key = laneEntryKey(7 as LaneId)
  equal(key, 'lane/7')
  const entry = restored(FIRST, 91)
  deepEqual(decodeLaneEntry({ key, value: encodeLaneEntry(entry) }), entry)
  for (const text of ['', '{', 'null', '{}', '[1]']) {
    throws(() => decodeLaneEntry({ key, value: new TextEncoder().encode(text) }), { code: 'corrupt_data' })
  }
})

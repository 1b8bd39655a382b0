import { deepEqual, equal } from 'node:assert/strict'
import { test } from 'node:test'
import { type ByteRange, cutRange, cutTail, rangeHeader } from '../../../../storage/object-store/byte-range.ts'

const OBJECT = new Uint8Array([0, 1, 2, 3, 4, 5, 6, 7])

test('a range is asked for as HTTP writes it', () => {
  equal(rangeHeader(undefined), undefined)
  equal(rangeHeader({ offset: 0 }), undefined)
  equal(rangeHeader({ offset: 2 }), 'bytes=2-')
  equal(rangeHeader({ offset: 0, length: 1 }), 'bytes=0-0')
  equal(rangeHeader({ offset: 2, length: 3 }), 'bytes=2-4')
  equal(rangeHeader({ offset: -3 }), 'bytes=-3')
  equal(rangeHeader({ offset: -3, length: 2 }), 'bytes=-3')
})

test('a whole object is cut at its ends', () => {
  const cases: [ByteRange | undefined, number[]][] = [
    [undefined, [0, 1, 2, 3, 4, 5, 6, 7]],
    [{ offset: 6, length: 9 }, [6, 7]],
    [{ offset: -3, length: 2 }, [5, 6]],
    [{ offset: -100, length: 2 }, [0, 1]],
    [{ offset: 100 }, []],
  ]
  for (const [range, wanted] of cases) deepEqual([...cutRange(OBJECT, range)], wanted)
})

test('of a tail the wanted length is kept, from its beginning', () => {
  deepEqual([...cutTail(OBJECT, { offset: -8, length: 2 })], [0, 1])
  deepEqual([...cutTail(OBJECT, { offset: -8 })], [...OBJECT])
})

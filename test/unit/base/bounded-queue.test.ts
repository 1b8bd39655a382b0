import { deepEqual, equal } from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BoundedQueue } from '../../../base/bounded-queue.ts'

test('a queue does what an array with a length limit does', () => {
  const actions = fc.array(fc.oneof(fc.record({ push: fc.integer() }), fc.constant('shift'), fc.constant('drain')), {
    maxLength: 200,
  })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), actions, (max, list) => {
      const queue = new BoundedQueue<number>(max)
      const model: number[] = []
      for (const action of list) {
        if (typeof action === 'object') {
          equal(queue.push(action.push), model.length < max)
          if (model.length < max) model.push(action.push)
        } else if (action === 'shift') equal(queue.shift(), model.shift())
        else deepEqual(queue.drain(), model.splice(0))
        equal(queue.length, model.length)
        equal(queue.isFull, model.length === max)
      }
      deepEqual(queue.drain(), model)
    }),
  )
})

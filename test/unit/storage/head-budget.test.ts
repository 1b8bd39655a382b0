import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { HeadBudget } from '../../../storage/head-budget.ts'

const never = new AbortController().signal

describe('the budget of heads', () => {
  it('asks for a cut by what still takes rows, not by what waits for the disk', () => {
    const budget = new HeadBudget(100)
    budget.take(101)
    assert.equal(budget.isOver, true)
    budget.freeze(101)
    assert.equal(budget.isOver, false)
    assert.equal(budget.bytes, 101)
  })

  it('has room below twice its limit, and wakes all who wait when there is some again', async () => {
    const budget = new HeadBudget(100)
    budget.take(200)
    budget.freeze(200)
    let woken = 0
    const waiting = [1, 2].map(() => budget.room(never).then(() => woken++))
    await Promise.resolve()
    assert.equal(woken, 0)
    budget.release(1)
    await Promise.all(waiting)
    assert.equal(woken, 2)
  })

  it('lets go of who no longer wants to wait', async () => {
    const budget = new HeadBudget(1)
    budget.take(2)
    const stop = new AbortController()
    const waiting = budget.room(stop.signal)
    stop.abort(new Error('enough'))
    await assert.rejects(waiting, /enough/)
  })

  it('is not given back more than was taken', () => {
    const budget = new HeadBudget(1)
    budget.take(1)
    assert.throws(() => budget.freeze(2), /frozen that were taken/)
    assert.throws(() => new HeadBudget(1).release(1), /released that were frozen/)
  })

  it('has one block made at a time, in order, whatever becomes of the one before', async () => {
    const budget = new HeadBudget(100)
    const log: string[] = []
    const encode = (name: string, fails = false) =>
      budget.inTurn(async () => {
        log.push(`${name} begins`)
        await Promise.resolve()
        log.push(`${name} ends`)
        if (fails) throw new Error(name)
        return name
      })
    const results = await Promise.allSettled([encode('a'), encode('b', true), encode('c')])
    assert.deepEqual(log, ['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends'])
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    )
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ActivePlans } from '../../../storage/active-plans.ts'

describe('the plans under way', () => {
  it('name the oldest of them', () => {
    const plans = new ActivePlans()
    assert.equal(plans.oldestMs(7), 7)
    const ended = plans.begin(3)
    plans.begin(5)
    assert.equal(plans.oldestMs(7), 3)
    ended()
    assert.equal(plans.oldestMs(7), 5)
  })

  it('hold up an action as long as one of them lasts, and not for those that begin later', () => {
    const plans = new ActivePlans()
    const done: string[] = []
    plans.whenOver(() => done.push('none'))
    assert.deepEqual(done, ['none'])
    const [first, second] = [plans.begin(1), plans.begin(2)]
    plans.whenOver(() => done.push('two'))
    const third = plans.begin(3)
    plans.whenOver(() => done.push('three'))
    first()
    assert.deepEqual(done, ['none'])
    second()
    assert.deepEqual(done, ['none', 'two'])
    third()
    assert.deepEqual(done, ['none', 'two', 'three'])
  })
})

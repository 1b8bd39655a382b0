import assert from 'node:assert/strict'
import { it } from 'node:test'
import { PublishTurns } from '../../../actors/publish-turns.ts'

it('turns are taken so many at once, in the order of asking, also after one that fails', async () => {
  const turns = new PublishTurns(2)
  const begun: number[] = []
  const works = [0, 1, 2, 3, 4].map(() => Promise.withResolvers<number>())
  const outcomes = works.map(({ promise }, i) =>
    turns.run(() => {
      begun.push(i)
      return promise
    }),
  )
  const settled = async (i: number) => {
    await outcomes[i]!.catch(() => undefined)
    await new Promise((resolve) => setImmediate(resolve))
    return [...begun]
  }
  assert.deepEqual(begun, [0, 1])
  works[1]!.reject(new Error('no'))
  assert.deepEqual(await settled(1), [0, 1, 2])
  works[0]!.resolve(7)
  assert.deepEqual(await settled(0), [0, 1, 2, 3])
  works[3]!.resolve(7)
  works[2]!.resolve(7)
  assert.deepEqual(await settled(3), [0, 1, 2, 3, 4])
  works[4]!.resolve(7)
  await assert.rejects(outcomes[1]!, { message: 'no' })
  assert.deepEqual(await Promise.all([0, 2, 3, 4].map((i) => outcomes[i])), [7, 7, 7, 7])
  assert.equal(await turns.run(() => Promise.resolve(8)), 8)
})

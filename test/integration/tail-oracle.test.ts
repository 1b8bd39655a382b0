import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseQuery } from '../../query/parser.ts'
import { ClusterWorld } from '../harness/cluster-world.ts'
import { LiveFollower } from '../harness/live-follower.ts'
import { matches } from '../harness/oracle.ts'

const WORLDS = 4
const ROUNDS = 12
const QUERIES = ['*', 'service:a* OR level:ERROR', 'NOT level:INFO']

for (let number = 0; number < WORLDS; number++) {
  test(`live tails of three nodes show every matching record once, whatever happens to the nodes, world ${number}`, async () => {
    const world = new ClusterWorld(3000 + number)
    const { clock, random } = world
    await clock.run(world.open())
    const followers = QUERIES.map((query) => new LiveFollower(world, random.fork(query), query))
    await clock.run(Promise.all(followers.map((follower) => follower.begin())))
    let isOver = false
    const following = followers.map(async (follower) => {
      while (!isOver) await follower.step()
    })
    const rounds = async () => {
      for (let round = 0; round < ROUNDS; round++) {
        const isBusy = round % 3 === 2
        const stirring = async () => {
          for (let i = 0; i < 6; i++) await world.stir(!isBusy)
        }
        if (!isBusy) await world.send()
        await Promise.all([stirring(), isBusy ? world.send() : world.disturb(), clock.sleep(random.below(2000))])
      }
      await clock.sleep(15_000)
      isOver = true
    }
    await clock.run(Promise.all([...following, rounds()]))
    for (const [i, follower] of followers.entries()) {
      const { filter } = parseQuery(QUERIES[i]!, { nowMs: clock.nowMs() })
      const wanted = world.sent.filter(({ record }) => matches(filter, record)).map(({ uid }) => uid)
      for (let step = 0; step < 200 && follower.uids.length < wanted.length; step++) await clock.run(follower.step())
      assert.deepEqual(
        follower.uids.toSorted((a, b) => a - b),
        wanted,
      )
    }
    assert.ok(world.kills > 0 && followers.every(({ starts }) => starts > 1))
    for (const { node } of world.cluster.members.values()) assert.equal(node.fatal, undefined)
  })
}

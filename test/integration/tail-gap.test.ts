import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { NodeId } from '../../base/ids.ts'
import { ClusterWorld } from '../harness/cluster-world.ts'
import { TailFollower } from '../harness/tail-follower.ts'

it('a tail that begins while shards have no owner misses nothing of what comes after', async () => {
  const world = new ClusterWorld(2000)
  const { clock } = world
  await clock.run(world.open())
  const follower = new TailFollower(world, world.random.fork('tail'))
  world.kill('b' as NodeId, false)
  await clock.run(follower.poll())
  assert.ok(follower.missingAtFirst > 0, 'the first poll found shards without an owner')
  for (let i = 0; i < 5; i++) await clock.run(world.send())
  await clock.run(clock.sleep(10_000))
  for (let i = 0; i < 100 && follower.uids.length < world.sent.length; i++) await clock.run(follower.poll())
  follower.check()
})

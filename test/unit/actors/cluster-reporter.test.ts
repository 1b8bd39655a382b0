import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ClusterFacts, describeCluster } from '../../../actors/cluster-reporter.ts'
import type { HeldShard } from '../../../actors/messages/shard.ts'
import type { LaneId, NodeId, ShardId } from '../../../base/ids.ts'
import { type Member, type MemberState, NO_LOAD } from '../../../cluster/heartbeat.ts'
import { takersOf } from '../../../cluster/membership.ts'
import { ShardRing } from '../../../cluster/ring.ts'
import type { ShardEntry } from '../../../storage/manifest.ts'

const SHARDS = 12

function memberOf(name: string, state: MemberState = 'active'): Member {
  return {
    nodeId: name as NodeId,
    boot: 1,
    version: '1.0.0',
    featureLevels: { min: 1, max: 1 },
    weight: 1,
    url: `http://${name}:9347`,
    workers: 2,
    state,
    startedMs: 1,
    load: NO_LOAD,
    natsServer: null,
    stuck: [],
  }
}

function entryOf(owner: string, sequence: number): ShardEntry {
  const floor = { generation: 1, sequence }
  return { owner: owner as NodeId, epoch: 3, generation: 1, floor, manifestObject: '', featureLevel: 1 }
}

function heldOf(shard: number, isOwner: boolean): HeldShard {
  const position = { generation: 1, sequence: 9 }
  return {
    shard: shard as ShardId,
    lane: 0 as LaneId,
    role: isOwner ? 'owner' : 'follower',
    epoch: isOwner ? 3 : 0,
    isOutdated: false,
    applied: position,
    isCaughtUp: isOwner,
    floor: position,
    rowsPerFrame: 2.5,
    appliedMs: 1,
    lag: { records: 5, ms: 20 },
  }
}

function factsOf(members: readonly Member[], ownerOf: (shard: number) => string | undefined): ClusterFacts {
  const ring = new ShardRing({ shardCount: SHARDS, standbyCount: 1 })
  return {
    name: 'test',
    nodeId: 'a' as NodeId,
    view: { revision: 1, members, settled: true, absentAreDead: true },
    entries: Array.from({ length: SHARDS }, (_, shard) => {
      const owner = ownerOf(shard)
      return owner === undefined ? undefined : entryOf(owner, shard)
    }),
    wanted: ring.place(takersOf(members)),
    held: new Map([
      ['a' as NodeId, Array.from({ length: SHARDS }, (_, shard) => heldOf(shard, ownerOf(shard) === 'a'))],
    ]),
  }
}

test('a cluster at rest: every shard where the ring wants it, its shares counted', () => {
  const members = [memberOf('a'), memberOf('b'), memberOf('c')]
  const wanted = factsOf(members, () => 'a').wanted
  const status = describeCluster(factsOf(members, (shard) => wanted[shard]!.owner))
  assert.deepEqual(status.moves, [])
  assert.equal(
    status.nodes.reduce((sum, { shards }) => sum + shards, 0),
    SHARDS,
  )
  assert.equal(
    status.nodes.reduce((sum, { standbys }) => sum + standbys, 0),
    SHARDS,
  )
  for (const { shard, owner, standby, lagRecords, lagMs, floor, epoch } of status.shards) {
    assert.equal(owner, wanted[shard]!.owner)
    assert.equal(standby, wanted[shard]!.standby)
    assert.deepEqual([lagRecords, lagMs], owner === 'a' ? [5, 20] : [null, null])
    assert.deepEqual([epoch, floor], [3, { generation: 1, sequence: shard }])
  }
})

test('a node that is not heard is named with the shards that it owned, and where they go', () => {
  const status = describeCluster(factsOf([memberOf('a'), memberOf('b')], (shard) => (shard < 4 ? 'gone' : 'a')))
  const gone = status.nodes.find(({ id }) => id === 'gone')!
  assert.deepEqual([gone.state, gone.shards, gone.url, gone.version], ['silent', 4, null, null])
  const from = status.moves.filter((move) => move.from === 'gone')
  assert.deepEqual(
    from.map(({ shard }) => shard),
    [0, 1, 2, 3],
  )
  assert.ok(status.moves.every(({ to }) => to !== 'gone'))
  for (const { to, state, lagRecords, lagMs } of from) {
    const isKnown = to === 'a'
    assert.deepEqual([state, lagRecords, lagMs], isKnown ? ['catchingUp', 5, 20] : ['unknown', null, null])
  }
  assert.ok(status.shards.every(({ owner, standby }) => owner !== standby))
})

test('a node that drains is a member whose shards move away', () => {
  const members = [memberOf('a'), memberOf('b'), memberOf('c', 'draining')]
  const status = describeCluster(factsOf(members, () => 'c'))
  assert.equal(status.moves.length, SHARDS)
  assert.equal(status.nodes.find(({ id }) => id === 'c')!.state, 'draining')
  assert.ok(status.shards.every(({ standby }) => standby === 'a' || standby === 'b'))
})

test('a shard that nobody has taken says so', () => {
  const { shards, moves } = describeCluster(factsOf([memberOf('a')], () => undefined))
  assert.deepEqual(shards[0], {
    shard: 0 as ShardId,
    owner: null,
    standby: null,
    epoch: 0,
    lagRecords: null,
    lagMs: null,
    floor: null,
  })
  assert.deepEqual(moves[0], { shard: 0, from: null, to: 'a', state: 'catchingUp', lagRecords: 5, lagMs: 20 })
  assert.deepEqual(describeCluster(factsOf([memberOf('a', 'joining')], () => undefined)).moves, [])
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ShardState } from '../../../actors/messages/shard.ts'
import type { OwnershipView } from '../../../actors/ownership-plan.ts'
import { planOwnership } from '../../../actors/ownership-plan.ts'
import type { LaneId, NodeId, ShardId } from '../../../base/ids.ts'
import type { ShardEntry } from '../../../storage/manifest.ts'

const [SELF, OTHER] = ['self', 'other'] as [NodeId, NodeId]
const SHARD = 0 as ShardId
const LANE = { generation: 1, firstSequence: 1, lastSequence: 100 }

function entryOf(owner: NodeId, floor = { generation: 1, sequence: 50 }): ShardEntry {
  return { owner, epoch: 3, generation: floor.generation, floor, manifestObject: 'page', featureLevel: 1 }
}

function follower(change: Partial<ShardState> = {}): ShardState {
  const applied = { generation: 1, sequence: 100 }
  const floor = { generation: 1, sequence: 50 }
  const known = { shard: SHARD, lane: 0 as LaneId, role: 'follower' as const, epoch: 0, isOutdated: false }
  return { ...known, applied, floor, isCaughtUp: true, rowsPerFrame: null, appliedMs: null, ...change }
}

/** What `self`, who is to have the only shard, does when `other` is its owner. */
function planned(state: ShardState | undefined, change: Partial<OwnershipView> = {}) {
  return planOwnership({
    self: SELF,
    nodes: [SELF, OTHER].map((nodeId) => ({ nodeId, takesShards: true })),
    absentAreDead: true,
    isStable: true,
    wanted: [{ owner: SELF, standby: null }],
    entryOf: () => entryOf(OTHER),
    held: new Map(state === undefined ? [] : [[SHARD, state]]),
    lanes: [LANE],
    laneOf: () => 0 as LaneId,
    ...change,
  })
}

const nothing = { open: [], claim: [], close: [] }

describe('a node that is to have a shard', () => {
  it('C2: opens it, and claims it of a live owner only once it has caught up', () => {
    assert.deepEqual(planned(undefined), { ...nothing, open: [SHARD] })
    assert.deepEqual(planned(follower({ isCaughtUp: false })), nothing)
    assert.deepEqual(planned(follower({ applied: { generation: 1, sequence: 20 } })), nothing)
    assert.deepEqual(planned(follower()), { ...nothing, claim: [SHARD] })
    assert.deepEqual(planned(follower(), { isStable: false }), nothing)
  })

  it('C1: claims it at once of an owner who is dead, but not where a silence says nothing', () => {
    const alone = { nodes: [{ nodeId: SELF, takesShards: true }], isStable: false }
    assert.deepEqual(planned(follower({ isCaughtUp: false }), alone), { ...nothing, claim: [SHARD] })
    assert.deepEqual(planned(follower({ isCaughtUp: false }), { ...alone, absentAreDead: false }), nothing)
  })

  it('J5: begins anew when the journal was trimmed beyond what it has read', () => {
    const behind = follower({ applied: { generation: 1, sequence: 20 } })
    const lanes = [{ ...LANE, firstSequence: 22 }]
    assert.deepEqual(planned(behind, { lanes }), { ...nothing, close: [SHARD] })
  })

  it('J3: begins anew when it may know other keys than the owner', () => {
    assert.deepEqual(planned(follower({ isOutdated: true })), { ...nothing, close: [SHARD] })
    assert.deepEqual(planned(follower({ isOutdated: true }), { entryOf: () => entryOf(SELF) }), {
      ...nothing,
      close: [SHARD],
    })
  })

  it('J3: waits until the owner has published what only it has read of a journal that was lost', () => {
    const lanes = [{ generation: 2, firstSequence: 1, lastSequence: 7 }]
    const applied = { generation: 2, sequence: 7 }
    const opened = follower({ applied })
    assert.deepEqual(planned(opened, { lanes }), nothing)
    const entry = () => entryOf(OTHER, { generation: 2, sequence: 0 })
    assert.deepEqual(planned(opened, { lanes, entryOf: entry }), { ...nothing, claim: [SHARD] })
  })
})

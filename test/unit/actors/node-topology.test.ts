import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NodeTopology } from '../../../actors/node-topology.ts'
import { NodeLink } from '../../../actors/runtime/node-link.ts'
import { systemClock } from '../../../base/clock.ts'
import type { NodeId } from '../../../base/ids.ts'
import { localTransport } from '../../../cluster/local-transport.ts'
import { ShardRing } from '../../../cluster/ring.ts'
import { memberOf } from '../../harness/simulated-node.ts'

const [A, B] = ['a', 'b'] as NodeId[] as [NodeId, NodeId]

test('C9: the feature level is the highest that every member has, once everybody has been heard', () => {
  const topology = new NodeTopology({
    self: { nodeId: A, workers: 1, isActive: true },
    ring: new ShardRing({ shardCount: 4, standbyCount: 0 }),
    link: new NodeLink({ transport: localTransport(systemClock), cluster: 'test' }),
    local: () => assert.fail('nobody is spoken to'),
    workerName: (worker) => `worker-${worker}`,
  })
  let revision = 0
  const hear = (settled: boolean, ...levels: readonly number[]) => {
    const members = levels.map((max, i) => ({ ...memberOf([A, B][i]!), featureLevels: { min: 1, max } }))
    topology.handle({ kind: 'membersChanged', revision: ++revision, members, settled, absentAreDead: settled })
    return topology.featureLevel
  }
  assert.equal(topology.featureLevel, 1)
  assert.equal(hear(false, 2, 2), 1)
  assert.equal(hear(true, 2, 2), 2)
  assert.equal(hear(true, 2, 1), 1)
  assert.equal(hear(true, 3, 2), 2)
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type Placement, type RingNode, rendezvous, ShardRing } from '../../../cluster/ring.ts'

const nodeId = fc.oneof(fc.string({ minLength: 1 }), fc.constantFrom('__proto__', '7', '10.0.0.1:9347', 'node-a'))
const weight = fc.double({ min: 0.1, max: 16, noNaN: true })
const cluster = fc.uniqueArray(fc.record({ id: nodeId, weight }), {
  minLength: 1,
  maxLength: 12,
  selector: ({ id }) => id,
})
const shardCount = fc.integer({ min: 1, max: 128 })

function place(nodes: readonly RingNode[], shards: number, standbyCount: 0 | 1 = 1): readonly Placement[] {
  return new ShardRing({ shardCount: shards, standbyCount }).place(nodes)
}

function equals(count: number, name = 'node'): RingNode[] {
  return Array.from({ length: count }, (_, i) => ({ id: `${name}-${i}`, weight: 1 }))
}

function bound(nodes: readonly RingNode[], node: RingNode, shards: number): number {
  const total = nodes.reduce((sum, other) => sum + other.weight, 0)
  return Math.ceil((1.1 * shards * node.weight) / total)
}

function due(nodes: readonly RingNode[], node: RingNode, shards: number): number {
  const total = nodes.reduce((sum, other) => sum + other.weight, 0)
  return Math.floor((0.9 * shards * node.weight) / total)
}

function shareOf(placements: readonly Placement[], role: 'owner' | 'standby', id: string): number {
  return placements.filter((placement) => placement[role] === id).length
}

describe('the ring of shards (C6)', () => {
  it('gives no node more shards than its bound and none less than its due, and every shard an owner', () => {
    fc.assert(
      fc.property(cluster, shardCount, (nodes, shards) => {
        const placements = place(nodes, shards)
        assert.equal(placements.length, shards)
        for (const node of nodes) {
          const share = shareOf(placements, 'owner', node.id)
          assert.ok(share <= bound(nodes, node, shards))
          assert.ok(share >= due(nodes, node, shards))
        }
        const ids = new Set(nodes.map(({ id }) => id))
        assert.ok(placements.every(({ owner }) => ids.has(owner)))
      }),
    )
  })

  it('gives each shard a standby that is not its owner as soon as there are two nodes', () => {
    fc.assert(
      fc.property(cluster, shardCount, (nodes, shards) => {
        const ids = new Set(nodes.map(({ id }) => id))
        for (const { owner, standby } of place(nodes, shards)) {
          assert.notEqual(standby, owner)
          assert.equal(standby !== null && ids.has(standby), nodes.length > 1)
        }
      }),
    )
  })

  it('lets a node follow more than its bound only where none of the others has room', () => {
    fc.assert(
      fc.property(cluster, shardCount, (nodes, shards) => {
        const followed = new Map(nodes.map(({ id }) => [id, 0]))
        const isFull = (node: RingNode) => followed.get(node.id)! >= bound(nodes, node, shards)
        for (const { owner, standby } of place(nodes, shards)) {
          const node = nodes.find(({ id }) => id === standby)
          if (node === undefined) continue
          if (isFull(node)) assert.ok(nodes.every((other) => other.id === owner || isFull(other)))
          followed.set(node.id, followed.get(node.id)! + 1)
        }
      }),
    )
  })

  it('keeps the standbys of equal nodes even', () => {
    for (const count of [2, 3, 4, 5, 8]) {
      const nodes = equals(count)
      const placements = place(nodes, 64)
      for (const node of nodes) {
        assert.ok(shareOf(placements, 'standby', node.id) <= bound(nodes, node, 64) + 1, `${count} nodes`)
      }
    }
  })

  it('answers alike whatever the order of the nodes', () => {
    fc.assert(
      fc.property(
        cluster.chain((nodes) => fc.tuple(fc.constant(nodes), fc.shuffledSubarray(nodes, { minLength: nodes.length }))),
        shardCount,
        ([nodes, shuffled], shards) => assert.deepEqual(place(nodes, shards), place(shuffled, shards)),
      ),
    )
  })

  it('gives all shards to a node that is alone', () => {
    assert.ok(place(equals(1), 32).every(({ owner, standby }) => owner === 'node-0' && standby === null))
    assert.deepEqual(place([], 32), [])
  })

  it('names no standby when there are to be none', () => {
    assert.ok(place(equals(3), 32, 0).every(({ standby }) => standby === null))
  })

  it('shares by weight', () => {
    const nodes = [
      { id: 'large', weight: 3 },
      { id: 'small', weight: 1 },
    ]
    const placements = place(nodes, 64)
    assert.ok(shareOf(placements, 'owner', 'large') >= 64 - bound(nodes, nodes[1]!, 64))
    assert.ok(shareOf(placements, 'owner', 'small') >= 64 - bound(nodes, nodes[0]!, 64))
  })

  it('moves at most twice what must move when a node joins or leaves, and far less on average', () => {
    const ratios: number[] = []
    for (const count of [1, 2, 3, 4, 5]) {
      for (let seed = 0; seed < 20; seed++) {
        const nodes = equals(count + 1, `cluster-${seed}`)
        const without = place(nodes.slice(0, count), 64)
        const withAll = place(nodes, 64)
        const moved = without.filter(({ owner }, shard) => owner !== withAll[shard]!.owner).length
        const least = shareOf(withAll, 'owner', nodes[count]!.id)
        ratios.push(moved / least)
      }
    }
    assert.ok(Math.max(...ratios) <= 2, `worst ${Math.max(...ratios)}`)
    const mean = ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length
    assert.ok(mean <= 1.15, `mean ${mean}`)
  })

  it('hands most shards of a node that leaves to their standbys', () => {
    let lost = 0
    let taken = 0
    for (let seed = 0; seed < 20; seed++) {
      const nodes = equals(5, `cluster-${seed}`)
      const before = place(nodes, 64)
      const after = place(nodes.slice(1), 64)
      for (const [shard, { owner, standby }] of before.entries()) {
        if (owner !== nodes[0]!.id) continue
        lost++
        if (after[shard]!.owner === standby) taken++
      }
    }
    assert.ok(taken / lost >= 0.8, `${taken} of ${lost}`)
  })

  it('stays as it is: nodes of different builds must agree', () => {
    const owners = place(equals(3), 16).map(({ owner, standby }) => `${owner.at(-1)}${standby?.at(-1)}`)
    assert.equal(owners.join(' '), '21 20 02 10 10 21 01 21 02 02 20 21 02 10 02 12')
  })

  it('answers from memory while the nodes are the same', () => {
    const ring = new ShardRing({ shardCount: 64, standbyCount: 1 })
    const first = ring.place(equals(4))
    assert.equal(ring.place(equals(4).reverse()), first)
    assert.notEqual(ring.place(equals(3)), first)
  })
})

describe('rendezvous hashing', () => {
  const keys = Array.from({ length: 3000 }, (_, i) => `segments/${i % 32}/${i}`)

  it('names the same node whatever their order', () => {
    fc.assert(
      fc.property(fc.string(), fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1 }), (key, nodes) => {
        assert.equal(rendezvous(key, nodes), rendezvous(key, [...nodes].reverse()))
      }),
    )
  })

  it('spreads keys evenly', () => {
    const nodes = equals(5).map(({ id }) => id)
    for (const node of nodes) {
      const share = keys.filter((key) => rendezvous(key, nodes) === node).length / keys.length
      assert.ok(Math.abs(share - 0.2) < 0.03, `${node}: ${share}`)
    }
  })

  it('moves only the keys of the node that leaves', () => {
    const nodes = equals(5).map(({ id }) => id)
    for (const key of keys) {
      const before = rendezvous(key, nodes)
      if (before !== 'node-2')
        assert.equal(
          rendezvous(
            key,
            nodes.filter((id) => id !== 'node-2'),
          ),
          before,
        )
    }
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { claimShard, publishedOf, readShardEntry, ShardLedger } from '../../../actors/shard-ledger.ts'
import type { NodeId, Position } from '../../../base/ids.ts'
import type { ManifestPage } from '../../../storage/manifest.ts'
import type { ShardStore } from '../../../storage/shard-store.ts'
import { MemoryObjectStore } from '../../harness/memory-object-store.ts'
import { at, NOON_MS, SHARD, ShardFixture, sectionOf } from '../../harness/shard-fixture.ts'
import { SimulatedRegistry } from '../../harness/simulated-registry.ts'

const [FIRST, SECOND] = ['n1', 'n2'] as NodeId[] as [NodeId, NodeId]

/** Nodes that each have read the same three frames, and share a registry and objects. */
class Nodes {
  readonly registry = new SimulatedRegistry()
  readonly objects = new MemoryObjectStore()

  async store(): Promise<ShardStore> {
    const store = await new ShardFixture().open()
    for (const sequence of [1, 2, 3]) await store.applyFrame(at(sequence), NOON_MS, [sectionOf([`u${sequence}`])])
    return store
  }

  async claim(node: NodeId, store: ShardStore): Promise<ShardLedger> {
    const registry = this.registry.connect()
    const claimed = await claimShard(SHARD, node, 1, registry, await readShardEntry(SHARD, registry))
    return new ShardLedger({ store, claimed, registry, objects: this.objects, clock: new ShardFixture().clock })
  }

  /** As a node does that hears of it by its watch. */
  async follow(store: ShardStore): Promise<void> {
    const known = await readShardEntry(SHARD, this.registry.connect())
    await store.follow(await publishedOf(known!.entry, this.objects))
  }

  /** Holds back the answer to the next write until what this gives is called; it resolves when the write is made. */
  async heldBack(write: () => Promise<void>): Promise<() => Promise<void>> {
    const made = Promise.withResolvers<void>()
    const answer = Promise.withResolvers<void>()
    this.registry.pauseAnswer = async (operation) => {
      if (operation !== 'put') return
      this.registry.pauseAnswer = undefined
      made.resolve()
      await answer.promise
    }
    const writing = write()
    await made.promise
    return async () => {
      answer.resolve()
      await writing
    }
  }
}

/** One that differs from the page it follows. */
function pageAfter(store: ShardStore, through: number): ManifestPage {
  const { page } = store.published
  const publishedThrough = [{ day: 0, tenant: 'acme', ...at(through) }] as unknown as ManifestPage['publishedThrough']
  return { ...page, publishedThrough }
}

describe('a commit of an owner that was replaced before the answer came', () => {
  for (const [what, floor] of [
    ['further on', at(3)],
    ['where it was', at(1)],
  ] as [string, Position][]) {
    it(`C5: does not take its store back behind what the next owner has published, with its floor ${what}`, async () => {
      const nodes = new Nodes()
      const store = await nodes.store()
      const ledger = await nodes.claim(FIRST, store)
      const answer = await nodes.heldBack(() => ledger.commit({ page: pageAfter(store, 1), floor: at(1) }))

      const successor = await nodes.store()
      await nodes.follow(successor)
      const next = await nodes.claim(SECOND, successor)
      await next.commit({ page: pageAfter(successor, 2), floor })
      await nodes.follow(store)
      await answer()

      assert.equal(store.published.key, next.entry.manifestObject)
      assert.deepEqual(store.published.floor, floor)
      await assert.rejects(ledger.commit({ page: store.published.page, floor }), { code: 'epoch_fenced' })
      assert.equal(store.published.key, next.entry.manifestObject)
    })
  }
})

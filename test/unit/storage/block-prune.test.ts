import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { systemClock } from '../../../base/clock.ts'
import type { ColumnSource } from '../../../base/columns.ts'
import type { PruneExpr } from '../../../query/prune.ts'
import type { EncodedBlock } from '../../../storage/block.ts'
import { type BlockIndex, LocalBlockIndex } from '../../../storage/block-index.ts'
import { pruneBlocks } from '../../../storage/block-prune.ts'
import { openBlock } from '../../../storage/block-reader.ts'
import { mergeSegments } from '../../../storage/segment-merge.ts'
import { readSegment } from '../../../storage/segment-reader.ts'
import { SegmentWriter } from '../../../storage/segment-writer.ts'
import { MemoryObjectStore } from '../../harness/memory-object-store.ts'
import { sourceOf } from './arbitrary-table.ts'
import { encodeTable, holds, IDENTITY, TENANT, tablesWithFilters, withShapes } from './segment-fixture.ts'

/** S5: no block with a match is ruled out; what is ruled out in vain is counted, not asserted. */
async function assertSuperset(filters: readonly PruneExpr[], index: BlockIndex, sources: readonly ColumnSource[]) {
  assert.equal(index.summaries.length, sources.length)
  for (const filter of filters) {
    const { candidates } = await pruneBlocks(filter, index)
    assert.equal(candidates.length, sources.length)
    for (const [number, source] of sources.entries()) {
      if (holds(filter, source)) assert.ok(candidates.has(number), `block ${number} holds ${JSON.stringify(filter)}`)
    }
  }
}

async function encodeAll(models: Parameters<typeof encodeTable>[0][], shapes: boolean): Promise<EncodedBlock[]> {
  const blocks: EncodedBlock[] = []
  for (const [i, model] of models.entries()) {
    const block = await encodeTable(model, i + 1)
    // Every third block has too many words to list.
    const words = i % 3 === 2 ? null : block.words
    blocks.push({ ...(shapes ? withShapes(block, sourceOf(model)) : block), words })
  }
  return blocks
}

const reader = (block: EncodedBlock) => openBlock(block.bytes)

describe('pruning blocks', () => {
  it('keeps every block with a match: local blocks, with and without shapes, with filters read back', async () => {
    await fc.assert(
      fc.asyncProperty(
        tablesWithFilters({ tablesMax: 5, rowsMax: 12 }),
        fc.boolean(),
        async ({ models, filters }, shapes) => {
          const blocks = await encodeAll([...models], shapes)
          const byId = new Map(blocks.map((block) => [block.summary.blockId, block.bloom]))
          const inMemory = new LocalBlockIndex()
          const readBack = new LocalBlockIndex({ loadBloom: ({ blockId }) => byId.get(blockId), bloomBytesMax: 200 })
          for (const block of blocks) {
            inMemory.add(block)
            readBack.add(block)
          }
          await assertSuperset(filters, inMemory, blocks.map(reader))
          await assertSuperset(filters, readBack, blocks.map(reader))
          // Every other block goes, and comes back behind the others.
          for (const [i, block] of blocks.entries()) if (i % 2 === 0) inMemory.remove(block.summary.blockId)
          const left = blocks.filter((_, i) => i % 2 === 1)
          await assertSuperset(filters, inMemory, left.map(reader))
          const back = blocks.filter((_, i) => i % 2 === 0)
          for (const block of back) inMemory.add(block)
          await assertSuperset(filters, inMemory, [...left, ...back].map(reader))
        },
      ),
      { numRuns: 60 },
    )
  })

  it('keeps every block with a match: a segment, and what merges make of it', async () => {
    await fc.assert(
      fc.asyncProperty(
        tablesWithFilters({ tablesMax: 6, rowsMax: 12 }),
        fc.boolean(),
        async ({ models, filters }, shapes) => {
          const store = new MemoryObjectStore()
          const metas = []
          const blocks = await encodeAll([...models], shapes)
          for (const some of [blocks.slice(0, 3), blocks.slice(3)]) {
            if (some.length === 0) continue
            const writer = new SegmentWriter(IDENTITY, 0)
            for (const block of some) writer.add(block)
            const { meta, bytes } = await writer.finish()
            await store.put(meta.key, bytes)
            metas.push(meta)
            const segment = await readSegment(store, meta)
            const sources = await Promise.all(
              segment.index.summaries.map((_, number) => segment.openBlock(number, null)),
            )
            await assertSuperset(filters, segment.index, sources)
          }
          if (metas.length < 2) return
          const identity = { ...IDENTITY, mergeLevel: 1 }
          const merged = await mergeSegments(store, metas, identity, { zstdLevel: 3, clock: systemClock })
          for (const meta of merged) {
            const segment = await readSegment(store, meta)
            const sources = await Promise.all(
              segment.index.summaries.map((_, number) => segment.openBlock(number, null)),
            )
            await assertSuperset(filters, segment.index, sources)
          }
        },
      ),
      { numRuns: 50 },
    )
  })

  it('rules out what filters can rule out, and says which filter did', async () => {
    const index = new LocalBlockIndex()
    const texts = ['payment accepted', 'payment refused', 'disk full']
    for (const [i, text] of texts.entries()) {
      const cells = [{ type: 1, text }]
      const columns = [
        { name: 'message', kind: 'bytes' as const, cells },
        { name: 'service', kind: 'dictionary' as const, cells: [{ type: 1, text: `s${i}` }] },
        { name: 'ms', kind: 'integer' as const, cells: [{ type: 2, text: String(i * 100) }] },
      ]
      const model = { timeMs: [1_795_000_000_000 + i], timeNs: [0], columns }
      index.add(withShapes(await encodeTable(model, i + 1), sourceOf(model)))
    }
    const kept = async (expr: PruneExpr) => [...(await pruneBlocks(expr, index)).candidates]
    assert.deepEqual(await kept({ kind: 'token', token: 'payment' }), [0, 1])
    assert.deepEqual(await kept({ kind: 'token', token: 's2' }), [2])
    assert.deepEqual(await kept({ kind: 'tokenPrefix', prefix: 'refu' }), [1])
    assert.deepEqual(await kept({ kind: 'fuzzyToken', token: 'paymnet', distance: 1 }), [0, 1])
    assert.deepEqual(await kept({ kind: 'value', field: 'service', value: 's1' }), [1])
    assert.deepEqual(await kept({ kind: 'range', field: 'ms', min: 150, max: 1e9 }), [2])
    assert.deepEqual(await kept({ kind: 'exists', field: 'nothing' }), [])
    assert.deepEqual(index.suggest('refusd', 3), ['refused'])

    const and: PruneExpr = {
      kind: 'and',
      of: [
        { kind: 'token', token: 'payment' },
        { kind: 'exists', field: 'ms' },
      ],
    }
    const within = index.within(TENANT, 1_795_000_000_001, 1_795_000_000_003)
    const result = await pruneBlocks(and, index, within)
    assert.deepEqual([...result.candidates], [1])
    assert.deepEqual(
      result.filters.map(({ filter, asked, kept }) => [filter.kind, asked, kept]),
      [
        ['exists', 2, 2],
        ['token', 2, 1],
      ],
    )
    assert.equal(index.within('other' as typeof TENANT, 0, Infinity).count(), 0)
  })

  it('answers a local question before anything else can run', async () => {
    const index = new LocalBlockIndex()
    const model = {
      timeMs: [0],
      timeNs: [0],
      columns: [{ name: 'm', kind: 'bytes' as const, cells: [{ type: 1, text: 'a bc' }] }],
    }
    const first = await encodeTable(model, 1)
    index.add(first)
    const asked = pruneBlocks({ kind: 'or', of: [{ kind: 'token', token: 'bc' }, { kind: 'any' }] }, index)
    index.remove(first.summary.blockId)
    index.add(await encodeTable(model, 2))
    const { candidates, summaries } = await asked
    assert.deepEqual(
      [...candidates].map((number) => summaries[number]?.blockId),
      [first.summary.blockId],
    )
  })
})

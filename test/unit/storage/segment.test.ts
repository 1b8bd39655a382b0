import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { systemClock } from '../../../base/clock.ts'
import { WeirError } from '../../../base/errors.ts'
import { DAY_MS, type DayNumber, type TenantId } from '../../../base/ids.ts'
import type { BlockSummary, EncodedBlock } from '../../../storage/block.ts'
import { openBlock } from '../../../storage/block-reader.ts'
import { Pace } from '../../../storage/pace.ts'
import type { SegmentMeta } from '../../../storage/segment.ts'
import { unsliceBlooms } from '../../../storage/segment-blooms.ts'
import { TAIL_BYTES } from '../../../storage/segment-footer.ts'
import { openSegment, readSegment, SegmentCache, type SegmentReader } from '../../../storage/segment-reader.ts'
import { readWords } from '../../../storage/segment-terms.ts'
import { SegmentWriter } from '../../../storage/segment-writer.ts'
import { columnSourceOf, flatRecord } from '../../harness/column-source.ts'
import { MemoryObjectStore } from '../../harness/memory-object-store.ts'
import { rowsOf, sourceOf, tableModels } from './arbitrary-table.ts'
import { DAY, encodeSource, encodeTable, IDENTITY, TENANT, withShapes } from './segment-fixture.ts'

const pace = new Pace(systemClock)
const isCorrupt = (error: unknown) => error instanceof WeirError && error.code === 'corrupt_data'

async function sealed(blocks: readonly EncodedBlock[], store: MemoryObjectStore, createdMs = 0): Promise<SegmentMeta> {
  const writer = new SegmentWriter(IDENTITY, createdMs)
  for (const block of blocks) writer.add(block)
  const { meta, bytes } = await writer.finish()
  await store.put(meta.key, bytes)
  return meta
}

/** Everything that a segment says, each part checked by its checksum. */
async function contentOf(segment: SegmentReader): Promise<unknown> {
  const { directory, terms, blooms } = segment
  const sizes = Uint8Array.from(directory.blocks, (block) => block.bloomLog2Bits)
  return {
    summaries: segment.index.summaries,
    rows: await Promise.all(directory.blocks.map(async (_, number) => rowsOf(await segment.openBlock(number, null)))),
    words: await readWords(directory, terms, pace),
    blooms: await unsliceBlooms(await blooms.read(0, blooms.dataLength), sizes, pace),
  }
}

const manyBlocks = fc
  .array(fc.tuple(tableModels({ rowsMax: 8 }), fc.constantFrom('acme', 'beta', 'ünlike'), fc.boolean()), {
    minLength: 1,
    maxLength: 40,
  })
  .map((tables) => async () => {
    const blocks: EncodedBlock[] = []
    for (const [i, [model, tenant, shapes]] of tables.entries()) {
      const block = await encodeTable(model, i + 1, tenant as TenantId)
      blocks.push(shapes ? withShapes(block, sourceOf(model)) : { ...block, words: i % 5 === 4 ? null : block.words })
    }
    return blocks
  })

describe('a segment', () => {
  it('gives back the blocks, words and filters that were put in, whatever the order', async () => {
    await fc.assert(
      fc.asyncProperty(manyBlocks, fc.infiniteStream(fc.nat()), async (make, shuffle) => {
        const blocks = await make()
        const store = new MemoryObjectStore()
        const meta = await sealed(blocks, store)
        const again = await sealed(
          [...blocks].sort(() => (shuffle.next().value % 2) - 0.5),
          store,
        )
        assert.equal(again.key, meta.key, 'its content does not depend on the order of adding')
        const segment = await readSegment(store, meta)
        const byId = new Map(blocks.map((block) => [block.summary.blockId + block.summary.tenant, block]))
        const inOrder = segment.index.summaries.map(({ blockId, tenant }) => byId.get(blockId + tenant)!)
        assert.equal(new Set(inOrder).size, blocks.length)
        assert.deepEqual(await contentOf(segment), {
          summaries: inOrder.map((block) => withSortedDimensions(block.summary)),
          rows: inOrder.map((block) => rowsOf(openBlock(block.bytes))),
          words: inOrder.map((block) => block.words && [...block.words].sort(byCodePoint)),
          blooms: inOrder.map((block) => block.bloom),
        })
        assert.equal(
          meta.rowCount,
          blocks.reduce((rows, block) => rows + block.summary.rowCount, 0),
        )
        assert.equal(meta.minMs, Math.min(...blocks.map((block) => block.summary.minMs)))
        assert.deepEqual(meta.tenants, [...new Set(blocks.map((block) => block.summary.tenant))].sort())
      }),
      { numRuns: 25 },
    )
  })

  it('opens some columns of a block with few reads', async () => {
    const model = fc.sample(tableModels({ rowsMax: 60 }), { numRuns: 1, seed: 7 })[0]!
    const store = new MemoryObjectStore()
    const block = await encodeTable(model, 1)
    const segment = await readSegment(store, await sealed([block], store))
    const whole = openBlock(block.bytes)
    for (const name of whole.columnNames) {
      store.gets = 0
      const reader = await segment.openBlock(0, [name, 'not there'])
      assert.deepEqual(reader.column(name), whole.column(name))
      assert.deepEqual(reader.timeMs, whole.timeMs)
      assert.equal(reader.column('not there'), undefined)
      assert.ok(store.gets <= 5, `${store.gets} reads`)
    }
  })

  it('can be read whatever services senders have made up', async () => {
    const store = new MemoryObjectStore()
    const long = 'x'.repeat(5000)
    const services = ['shop', long, 'ü'.repeat(100_000)]
    const records = services.map((service) => flatRecord(DAY * DAY_MS, { service, host: 'web-1' }))
    const block = await encodeSource(columnSourceOf(records), 1)
    assert.deepEqual(block.summary.dimensions, { host: ['web-1'] })
    // As blocks of older writers say it.
    const dimensions = { host: ['web-1'], service: services }
    for (const one of [block, { ...block, summary: { ...block.summary, dimensions } }]) {
      const segment = await readSegment(store, await sealed([one], store))
      assert.deepEqual(segment.index.summaries[0]?.dimensions, { host: ['web-1'] })
      assert.equal((await segment.index.withValue('service', long)).count(), 1)
      assert.equal((await segment.index.withValue('host', 'web-2')).count(), 0)
    }
  })

  it('says corrupt_data, or what was put in, when any byte is wrong', async () => {
    const models = fc.sample(tableModels({ rowsMax: 10 }), { numRuns: 3, seed: 3 })
    const store = new MemoryObjectStore()
    const blocks = await Promise.all(models.map((model, i) => encodeTable(model, i + 1)))
    const meta = await sealed(blocks, store)
    const good = store.objects.get(meta.key)!
    const expected = await contentOf(await readSegment(store, meta))
    let refused = 0
    for (let at = 0; at < good.length; at++) {
      const bad = good.slice()
      bad[at]! ^= 1 << (at & 7)
      store.objects.set(meta.key, bad)
      try {
        assert.deepEqual(await contentOf(await readSegment(store, meta)), expected, `byte ${at}`)
      } catch (error) {
        assert.ok(isCorrupt(error), `byte ${at}: ${error}`)
        refused++
      }
    }
    assert.ok(refused > good.length * 0.99, `${refused} of ${good.length} wrong bytes were noticed`)
  })

  it('says corrupt_data when it is truncated or another object', async () => {
    const store = new MemoryObjectStore()
    const [a, b] = fc.sample(tableModels({ rowsMax: 10 }), { numRuns: 2, seed: 4 })
    const meta = await sealed([await encodeTable(a!, 1)], store)
    const other = await sealed([await encodeTable(b!, 2)], store)
    const good = store.objects.get(meta.key)!
    for (let length = 0; length < good.length; length += 7) {
      store.objects.set(meta.key, good.slice(0, length))
      await assert.rejects(readSegment(store, meta), isCorrupt, `${length} bytes`)
    }
    store.objects.set(meta.key, store.objects.get(other.key)!)
    await assert.rejects(readSegment(store, meta), isCorrupt)
    store.objects.delete(meta.key)
    await assert.rejects(readSegment(store, meta), (error) => error instanceof WeirError && error.code === 'not_found')
    // An answer that is cut short by the store is no shorter segment.
    store.objects.set(meta.key, good)
    store.fault = () => ({ kind: 'truncate', length: 100 })
    await assert.rejects(readSegment(store, meta), isCorrupt)
  })

  it('is of one day, class and generation', async () => {
    const [model] = fc.sample(tableModels({ rowsMax: 4 }), { numRuns: 1, seed: 5 })
    const writer = new SegmentWriter(IDENTITY, 0)
    writer.add(await encodeTable(model!, 1))
    const otherDay = await encodeTable(model!, 2, TENANT, (DAY + 1) as DayNumber)
    assert.throws(() => writer.add(otherDay), /one day/)
  })

  it('opens by one read, by two when its directory is wider than the tail', async () => {
    const names = Array.from({ length: 900 }, (_, i) => `field.${i}.${(i * 2654435761) >>> 0}`)
    const cells = [{ type: 2, text: '1' }]
    const wide = {
      timeMs: [DAY * 86_400_000],
      timeNs: [0],
      columns: names.map((name) => ({ name, kind: 'integer' as const, cells })),
    }
    const store = new MemoryObjectStore()
    const narrow = await sealed([await encodeTable({ ...wide, columns: wide.columns.slice(0, 3) }, 1)], store)
    store.gets = 0
    await readSegment(store, narrow)
    assert.equal(store.gets, 1)
    const blocks: EncodedBlock[] = []
    const one = await encodeTable(wide, 1)
    // Random-looking names do not compress, so that the directory outgrows the tail.
    for (let i = 0; i < 120; i++) {
      const columnNames = names.map((name) => `${name}${Math.imul(i + 1, 0x9e3779b1).toString(36)}`)
      blocks.push({ ...one, summary: { ...one.summary, blockId: `b${i}`, columnNames } })
    }
    const meta = await sealed(blocks, store)
    store.gets = 0
    const segment = await readSegment(store, meta)
    assert.equal(store.gets, 2)
    assert.ok(store.bytesRead > TAIL_BYTES)
    assert.deepEqual(
      segment.index.summaries.map(({ blockId }) => blockId).sort(),
      blocks.map((b) => b.summary.blockId).sort(),
    )
  })
})

describe('the cache of open segments', () => {
  it('is bounded by bytes, opens each once, and does not remember failures', async () => {
    const store = new MemoryObjectStore()
    const models = fc.sample(tableModels({ rowsMax: 4 }), { numRuns: 12, seed: 6 })
    const metas: SegmentMeta[] = []
    for (const [i, model] of models.entries()) metas.push(await sealed([await encodeTable(model, i + 1)], store))
    const one = (await readSegment(store, metas[0]!)).memoryBytes
    const cache = new SegmentCache(store, one * 4)
    store.gets = 0
    const [a, b] = await Promise.all([cache.open(metas[0]!), openSegment(store, metas[0]!, cache)])
    assert.equal(a, b)
    assert.equal(store.gets, 1)
    for (const meta of metas) await cache.open(meta)
    assert.ok(cache.memoryBytes <= one * 5 && cache.size < metas.length)
    store.gets = 0
    await cache.open(metas.at(-1)!)
    assert.equal(store.gets, 0, 'the last one is still open')
    cache.forget(metas.at(-1)!.key)
    store.fault = () => ({ kind: 'before', error: new WeirError('storage_unavailable', 'gone') })
    await assert.rejects(cache.open(metas.at(-1)!))
    store.fault = () => undefined
    assert.equal((await cache.open(metas.at(-1)!)).meta, metas.at(-1))
  })
})

/** The order of distinct values means nothing. */
function withSortedDimensions(summary: BlockSummary): BlockSummary {
  const dimensions = Object.entries(summary.dimensions).map(([name, values]) => [name, [...values].sort()])
  return { ...summary, dimensions: Object.fromEntries(dimensions) }
}

function byCodePoint(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { systemClock } from '../../base/clock.ts'
import type { Column, ColumnSource } from '../../base/columns.ts'
import { VALUE_NUMBER, VALUE_STRING } from '../../base/columns.ts'
import type { ShardId, TenantId } from '../../base/ids.ts'
import { dayOf } from '../../base/ids.ts'
import { BLOCK_ROWS_MAX } from '../../base/limits.ts'
import type { EncodedBlock } from '../../storage/block.ts'
import { encodeBlock } from '../../storage/block-codec.ts'
import { LocalBlockIndex } from '../../storage/block-index.ts'
import { openDirectoryObjectStore } from '../../storage/object-store/directory.ts'
import type { ObjectStore } from '../../storage/object-store/object-store.ts'
import type { SegmentMeta } from '../../storage/segment.ts'
import { mergeSegments } from '../../storage/segment-merge.ts'
import { readSegment, SegmentCache } from '../../storage/segment-reader.ts'
import { SegmentWriter } from '../../storage/segment-writer.ts'
import { TableSource } from '../../storage/table-source.ts'
import { TextIndex } from '../../storage/text-index.ts'
import { Vocabulary } from '../../storage/vocabulary.ts'
import { Dataset } from '../dataset.ts'

/** What finding blocks costs: the object store, the index of local blocks, segments and merges. `node bench/micro/index.ts`; 15 s. */
const BLOCKS = 16
const START_MS = Date.UTC(2026, 10, 21, 10)
const TENANT = 'default' as TenantId
const IDENTITY = { tenant: TENANT, day: dayOf(START_MS), retentionClass: 0, generation: 1 }

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

function report(label: string, value: number, unit: string): void {
  console.log(`  ${label.padEnd(58)} ${value.toFixed(value < 10 ? 2 : 1).padStart(9)} ${unit}`)
}

/** Microseconds a call, the best of five rounds. */
async function timed(calls: number, run: (i: number) => unknown): Promise<number> {
  let best = Infinity
  for (let round = 0; round < 5; round++) {
    const from = performance.now()
    for (let i = 0; i < calls; i++) {
      const result = run(i)
      if (result instanceof Promise) await result
    }
    best = Math.min(best, ((performance.now() - from) * 1000) / calls)
  }
  return best
}

function sourceOf(lines: string): ColumnSource {
  const records = lines.trimEnd().split('\n').map(flat)
  const names = new Set(records.flatMap((record) => [...record.keys()]))
  names.delete('timestamp')
  const times = records.map((record, i) => Date.parse(record.get('timestamp') ?? '') || START_MS + i)
  const columns = new Map<string, Column>()
  for (const name of names) {
    const encoded = records.map((record) => Buffer.from(record.get(name) ?? ''))
    const offsets = new Uint32Array(records.length + 1)
    for (const [i, text] of encoded.entries()) offsets[i + 1] = offsets[i]! + text.length
    const types = Uint8Array.from(records, (record) => {
      const text = record.get(name)
      if (text === undefined) return 0
      return text !== '' && String(Number(text)) === text ? VALUE_NUMBER : VALUE_STRING
    })
    columns.set(name, { kind: 'bytes', name, types, offsets, bytes: new Uint8Array(Buffer.concat(encoded)) })
  }
  return new TableSource(Float64Array.from(times), new Uint32Array(records.length), columns)
}

function flat(line: string): Map<string, string> {
  const fields = new Map<string, string>()
  const walk = (value: unknown, path: string) => {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      for (const [key, inner] of Object.entries(value)) walk(inner, path === '' ? key : `${path}.${key}`)
    } else fields.set(path, typeof value === 'string' ? value : JSON.stringify(value))
  }
  walk(JSON.parse(line), '')
  return fields
}

async function benchStore(store: ObjectStore): Promise<void> {
  console.log('object store in a directory (page cache warm)')
  await store.put('bench/object', new Uint8Array(32 << 20).fill(7))
  for (const length of [64, 4096, 65_536, 262_144]) {
    const at = (i: number) => ({ offset: (i * 7919 * 4096) % (30 << 20), length })
    report(`get ${length} bytes`, await timed(200, (i) => store.get('bench/object', at(i))), 'µs')
  }
  const small = new Uint8Array(4096)
  report('put 4 KiB, durable', await timed(10, (i) => store.put(`bench/${i}`, small)), 'µs')
}

async function benchText(): Promise<void> {
  const lists = Array.from({ length: 64 }, (_, list) =>
    Array.from({ length: 200 }, (_, i) => word((i * (i + list * 7)) % 5000)),
  ).map((words) => [...new Set(words)].sort())
  for (const count of [1000, 10_000, 100_000]) {
    console.log(`FlexSearch over ${count} blocks of 200 words`)
    collectGarbage()
    const before = process.memoryUsage().heapUsed
    const index = new TextIndex()
    const from = performance.now()
    for (let block = 0; block < count; block++) index.add(block, lists[block % lists.length]!)
    report('add', ((performance.now() - from) * 1000) / count, 'µs a block')
    collectGarbage()
    report('heap', (process.memoryUsage().heapUsed - before) / count / 1024, 'KiB a block')
    const all = lists[0]!
    report('blocks with a word', await timed(500, (i) => index.blocksWith(all[i % all.length]!)), 'µs')
    const vocabularyFrom = performance.now()
    const vocabulary = new Vocabulary(index.words())
    report(`vocabulary of ${vocabulary.size} words`, performance.now() - vocabularyFrom, 'ms')
    report('words with a prefix', await timed(200, (i) => vocabulary.withPrefix(word(i * 31).slice(0, 3))), 'µs')
    report('words within distance 2', await timed(50, (i) => vocabulary.near(word(i * 31), 2)), 'µs')
    const removeFrom = performance.now()
    const removed = Math.min(count / 2, 5000)
    for (let block = 0; block < removed; block++) index.remove(block)
    report('remove', ((performance.now() - removeFrom) * 1000) / removed, 'µs a block')
  }
}

function word(n: number): string {
  let rest = Math.imul(n + 1, 0x9e3779b1) >>> 0
  let text = ''
  for (let i = 0; i < 7; i++) {
    text += String.fromCharCode(97 + (rest % 26))
    rest = Math.floor(rest / 26)
  }
  return text
}

async function benchLocal(blocks: readonly EncodedBlock[], ids: readonly string[]): Promise<void> {
  for (const count of [1000, 10_000]) {
    console.log(`local index of ${count} blocks`)
    const index = new LocalBlockIndex()
    const from = performance.now()
    for (let i = 0; i < count; i++) {
      const block = blocks[i % blocks.length]!
      index.add({ ...block, summary: { ...block.summary, blockId: `b${i}` } })
    }
    report('add', ((performance.now() - from) * 1000) / count, 'µs a block')
    report('token that is a word', await timed(20, () => index.withToken('payment')), 'µs')
    report('token that is an id', await timed(20, (i) => index.withToken(ids[i % ids.length]!)), 'µs')
    report('value of a field', await timed(20, () => index.withValue('service', 'checkout')), 'µs')
    report('range of a number', await timed(20, () => index.withRange('metadata.durationMs', 1e9, 2e9)), 'µs')
  }
}

async function benchSegment(
  store: ObjectStore,
  blocks: readonly EncodedBlock[],
  ids: readonly string[],
): Promise<void> {
  const many = Array.from({ length: 8 }, (_, i) =>
    blocks.map((block) => ({ ...block, summary: { ...block.summary, blockId: `${block.summary.blockId}${i}` } })),
  ).flat()
  const rows = many.reduce((sum, block) => sum + block.summary.rowCount, 0)
  console.log(`a segment of ${many.length} blocks, ${rows} rows`)
  const writer = new SegmentWriter({ shard: 0 as ShardId, epoch: 1, mergeLevel: 0 }, 0)
  for (const block of many) writer.add(block)
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const from = performance.now()
  const { meta, bytes } = await writer.finish()
  const tookMs = performance.now() - from
  delay.disable()
  report('finish', (tookMs * 1000) / rows, 'µs a row')
  report('longest slice of it', delay.max / 1e6, 'ms')
  await store.put(meta.key, bytes)
  report('open', await timed(50, () => readSegment(store, meta)), 'µs')
  const segment = await readSegment(store, meta)
  report('memory of an open segment', segment.memoryBytes / 1024, 'KiB')
  report('blocks', many.reduce((sum, block) => sum + block.bytes.length, 0) / rows, 'bytes a row')
  report('bloom filters', segment.blooms.dataLength / rows, 'bytes a row')
  report('terms', segment.terms.dataLength / rows, 'bytes a row')
  report('whole', bytes.length / rows, 'bytes a row')
  const { index } = segment
  report('token that is a word', await timed(100, () => index.withToken('payment')), 'µs')
  report('token that is an id', await timed(100, (i) => index.withToken(ids[i % ids.length]!)), 'µs')
  report('token that is nowhere', await timed(100, (i) => index.withToken(`f00${i}`)), 'µs')
  report('prefix', await timed(50, () => index.withTokenPrefix('paym')), 'µs')
  report('misspelled word', await timed(20, () => index.withFuzzyToken('paymnet', 1)), 'µs')
  report(
    'block: time, level, message',
    await timed(50, (i) => segment.openBlock(i % many.length, ['level', 'message'])),
    'µs',
  )
  const cache = new SegmentCache(store)
  report('open from the cache', await timed(1000, () => cache.open(meta)), 'µs')
}

async function benchMerge(
  store: ObjectStore,
  sources: readonly ColumnSource[],
  blocks: readonly EncodedBlock[],
): Promise<void> {
  const small: SegmentMeta[] = []
  for (const [i, source] of sources.slice(0, 8).entries()) {
    const writer = new SegmentWriter({ shard: 0 as ShardId, epoch: 1, mergeLevel: 0 }, 0)
    for (const part of slices(source, 1024)) {
      const place = {
        source: part,
        rows: null,
        sequence: i * 100 + writer.blockCount + 1,
        rowBase: 0,
        receivedMs: START_MS,
      }
      writer.add(await encodeBlock([place], IDENTITY, { zstdLevel: 1, clock: systemClock }))
    }
    const { meta, bytes } = await writer.finish()
    await store.put(meta.key, bytes)
    small.push(meta)
  }
  const full: SegmentMeta[] = []
  for (const block of blocks) {
    const writer = new SegmentWriter({ shard: 0 as ShardId, epoch: 1, mergeLevel: 0 }, 0)
    writer.add(block)
    const { meta, bytes } = await writer.finish()
    await store.put(meta.key, bytes)
    full.push(meta)
  }
  for (const [what, inputs] of [
    ['blocks of 1,024 rows', small],
    ['full blocks', full],
  ] as const) {
    const rows = inputs.reduce((sum, meta) => sum + meta.rowCount, 0)
    const before = inputs.reduce((sum, meta) => sum + meta.byteLength, 0) / rows
    for (const zstdLevel of [3, 6]) {
      console.log(`merge of ${inputs.length} segments of ${what}, zstd level ${zstdLevel}`)
      const delay = monitorEventLoopDelay({ resolution: 1 })
      delay.enable()
      const cpu = process.cpuUsage()
      const identity = { shard: 0 as ShardId, epoch: zstdLevel, mergeLevel: 1 }
      const merged = await mergeSegments(store, inputs, identity, { zstdLevel, clock: systemClock })
      const { user, system } = process.cpuUsage(cpu)
      delay.disable()
      report('CPU, all threads', (user + system) / rows, 'µs a row')
      report('longest slice', delay.max / 1e6, 'ms')
      report('before', before, 'bytes a row')
      report('after', merged.reduce((sum, meta) => sum + meta.byteLength, 0) / rows, 'bytes a row')
    }
  }
}

function* slices(source: ColumnSource, size: number): Generator<ColumnSource> {
  for (let from = 0; from < source.rowCount; from += size) {
    const to = Math.min(from + size, source.rowCount)
    const columns = new Map<string, Column>()
    for (const name of source.columnNames) {
      const column = source.column(name)
      if (column?.kind !== 'bytes') continue
      const start = column.offsets[from]!
      const offsets = column.offsets.slice(from, to + 1).map((offset) => offset - start)
      const bytes = column.bytes.slice(start, column.offsets[to])
      columns.set(name, { kind: 'bytes', name, types: column.types.slice(from, to), offsets, bytes })
    }
    yield new TableSource(source.timeMs.slice(from, to), source.timeNs.slice(from, to), columns)
  }
}

const directory = await mkdtemp(join(tmpdir(), 'weir-bench-'))
const store = await openDirectoryObjectStore(directory, systemClock)
try {
  await benchStore(store)
  await benchText()
  const dataset = new Dataset({ startMs: START_MS })
  const sources = Array.from({ length: BLOCKS }, () => sourceOf(dataset.lines(BLOCK_ROWS_MAX)))
  const blocks: EncodedBlock[] = []
  for (const [i, source] of sources.entries()) {
    const part = { source, rows: null, sequence: i + 1, rowBase: 0, receivedMs: START_MS }
    blocks.push(await encodeBlock([part], IDENTITY, { zstdLevel: 1, clock: systemClock }))
  }
  const traces = sources[0]!.column('traceId')
  const ids =
    traces?.kind === 'bytes'
      ? Array.from({ length: 20 }, (_, i) =>
          Buffer.from(traces.bytes.subarray(traces.offsets[i * 50], traces.offsets[i * 50 + 1])).toString(),
        )
      : ['0123456789abcdef']
  await benchLocal(blocks, ids)
  await benchSegment(store, blocks, ids)
  await benchMerge(store, sources, blocks)
} finally {
  store.close()
  await rm(directory, { recursive: true })
}

import { systemClock } from '../../base/clock.ts'
import type { BytesColumn, Column, ColumnSource, DictionaryColumn, IntegerColumn } from '../../base/columns.ts'
import { VALUE_STRING } from '../../base/columns.ts'
import type { DayNumber, TenantId } from '../../base/ids.ts'
import { dayOf } from '../../base/ids.ts'
import { BLOCK_ROWS_MAX } from '../../base/limits.ts'
import { compressNow } from '../../base/zstd.ts'
import { COLUMN_SEQUENCE } from '../../storage/block.ts'
import type { BlockPart } from '../../storage/block-codec.ts'
import { encodeBlock, mergeBlocks } from '../../storage/block-codec.ts'
import { openBlock } from '../../storage/block-reader.ts'
import { encodeColumn } from '../../storage/column-codecs.ts'
import { concatColumns } from '../../storage/column-gather.ts'
import { decodeSection, encodeSection } from '../../storage/section-codec.ts'
import { TableSource } from '../../storage/table-source.ts'
import { TokenCollector } from '../../storage/token-collector.ts'

/**
 * What the codecs cost a record: `node bench/micro/codec.ts [rows of a section]`. Records have 11 fields and 351 bytes as JSON; ids come from
 * the system's random generator (a weak one would make zstd look better than it is). CPU of all threads, best of several rounds.
 */
const RECORDS = 65_536
const SECTION_ROWS = Number(process.argv[2] ?? 512)
const ROUNDS = Number(process.argv[3] ?? 6)

const SERVICES = ['checkout', 'catalog', 'payments', 'shipping', 'accounts', 'search', 'gateway', 'mailer']
const LEVELS = ['INFO', 'INFO', 'INFO', 'INFO', 'INFO', 'INFO', 'DEBUG', 'DEBUG', 'WARN', 'ERROR']
const REGIONS = ['eu-central-1', 'eu-west-1', 'us-east-1']
const TEMPLATES = [
  (n: () => number) => `GET /api/v1/orders/${n() % 100_000} completed with status 200 in ${n() % 900} ms`,
  (n: () => number) => `payment ${n() % 1_000_000} authorised by provider, amount ${n() % 50_000} cents`,
  (n: () => number) => `cache miss for key product:${n() % 20_000}, loading from database replica ${n() % 4}`,
  (n: () => number) => `user session refreshed, expires in ${n() % 3600} seconds`,
  (n: () => number) => `connection to upstream inventory service timed out after ${n() % 5000} ms, retry ${n() % 5}`,
  (n: () => number) => `published event OrderShipped to partition ${n() % 64} at offset ${n() % 10_000_000}`,
  (n: () => number) => `slow query: SELECT * FROM items WHERE id = ${n() % 100_000} took ${n() % 2000} ms`,
]

interface Row {
  timeMs: number
  text: Record<string, string>
  number: Record<string, number>
}

function generate(count: number): Row[] {
  const words = new Uint32Array(8192)
  let used = words.length
  const random = (): number => {
    if (used === words.length) {
      for (let i = 0; i < words.length; i += 4096) crypto.getRandomValues(words.subarray(i, i + 4096))
      used = 0
    }
    return words[used++]!
  }
  const hex = (digits: number): string => {
    let text = ''
    while (text.length < digits) text += random().toString(16).padStart(8, '0')
    return text.slice(0, digits)
  }
  let timeMs = Date.UTC(2026, 10, 21, 10)
  return Array.from({ length: count }, () => {
    timeMs += random() % 3 === 0 ? 1 : 0
    return {
      timeMs: timeMs,
      text: {
        level: LEVELS[random() % LEVELS.length]!,
        service: SERVICES[random() % SERVICES.length]!,
        host: `node-${random() % 40}.cluster.internal`,
        message: TEMPLATES[random() % TEMPLATES.length]!(random),
        traceId: hex(32),
        spanId: hex(16),
        'metadata.userId': `user_${random() % 100_000}`,
        'metadata.region': REGIONS[random() % REGIONS.length]!,
      },
      number: {
        'metadata.durationMs': random() % 3000,
        'metadata.status': [200, 200, 200, 201, 404, 500][random() % 6]!,
      },
    }
  })
}

function section(rows: readonly Row[]): ColumnSource {
  const columns = new Map<string, Column>()
  for (const name of Object.keys(rows[0]!.text))
    columns.set(
      name,
      textColumn(
        name,
        rows.map((row) => row.text[name]!),
      ),
    )
  for (const name of Object.keys(rows[0]!.number)) {
    const values = Float64Array.from(rows, (row) => row.number[name]!)
    columns.set(name, { kind: 'integer', name, values } satisfies IntegerColumn)
  }
  return new TableSource(
    Float64Array.from(rows, (row) => row.timeMs),
    new Uint32Array(rows.length),
    columns,
  )
}

function textColumn(name: string, texts: readonly string[]): Column {
  const distinct = [...new Set(texts)]
  if (distinct.length <= 64) {
    const codes = Uint8Array.from(texts, (text) => distinct.indexOf(text) + 1)
    const { offsets, bytes } = joined(distinct)
    const types = new Uint8Array(distinct.length).fill(VALUE_STRING)
    return { kind: 'dictionary', name, codes, types, offsets, bytes } satisfies DictionaryColumn
  }
  const types = new Uint8Array(texts.length).fill(VALUE_STRING)
  return { kind: 'bytes', name, types, ...joined(texts) } satisfies BytesColumn
}

function joined(texts: readonly string[]): { offsets: Uint32Array; bytes: Uint8Array } {
  const bytes = new TextEncoder().encode(texts.join(''))
  const offsets = new Uint32Array(texts.length + 1)
  for (let i = 0; i < texts.length; i++) offsets[i + 1] = offsets[i]! + new TextEncoder().encode(texts[i]!).length
  return { offsets, bytes }
}

/** Microseconds of CPU, all threads, that a record takes; the best of ROUNDS. */
async function measure(label: string, run: () => void | Promise<void>): Promise<void> {
  let best = Infinity
  let wall = Infinity
  for (let round = 0; round < ROUNDS; round++) {
    const from = process.cpuUsage()
    const fromMs = performance.now()
    await run()
    wall = Math.min(wall, ((performance.now() - fromMs) * 1000) / RECORDS)
    const { user, system } = process.cpuUsage(from)
    best = Math.min(best, (user + system) / RECORDS)
  }
  console.log(`${label.padEnd(44)} ${best.toFixed(3)} µs CPU  ${wall.toFixed(3)} µs wall`)
}

const rows = generate(RECORDS)
const json = rows.map((row) =>
  JSON.stringify({ timestamp: new Date(row.timeMs).toISOString(), ...row.text, ...row.number }),
)
console.log(
  `${RECORDS} records, ${(json.join('\n').length / RECORDS).toFixed(0)} bytes as JSON, sections of ${SECTION_ROWS} rows`,
)
const sources: ColumnSource[] = []
for (let from = 0; from < RECORDS; from += SECTION_ROWS) sources.push(section(rows.slice(from, from + SECTION_ROWS)))
const tenant = 'default' as TenantId
const meta = { tenant, receivedMs: rows[0]!.timeMs, keyed: [] }
const sections = sources.map((source) => encodeSection(source, meta, { compression: 'none' }))
const sectionBytes = sections.reduce((sum, bytes) => sum + bytes.length, 0)
console.log(`section: ${(sectionBytes / RECORDS).toFixed(1)} bytes a record`)

await measure('section encode', () => {
  for (const source of sources) encodeSection(source, meta, { compression: 'none' })
})
await measure('section decode', () => {
  for (const bytes of sections) decodeSection(bytes)
})

const decoded = sections.map((bytes) => decodeSection(bytes).source)
const parts = decoded.map(
  (source, i): BlockPart => ({ source, rows: null, sequence: i + 1, rowBase: 0, receivedMs: meta.receivedMs }),
)
const partsPerBlock = BLOCK_ROWS_MAX / SECTION_ROWS
const heads: BlockPart[][] = []
for (let from = 0; from < parts.length; from += partsPerBlock) heads.push(parts.slice(from, from + partsPerBlock))
const identity = { tenant, day: dayOf(rows[0]!.timeMs) as DayNumber, retentionClass: 0, generation: 1 }
const options = { zstdLevel: 1, clock: systemClock }

const blocks = await Promise.all(heads.map((head) => encodeBlock(head, identity, options)))
const blockBytes = blocks.reduce((sum, block) => sum + block.bytes.length, 0) / RECORDS
const bloomBytes = blocks.reduce((sum, block) => sum + block.bloom.length, 0) / RECORDS
console.log(
  `block: ${blockBytes.toFixed(1)} + bloom ${bloomBytes.toFixed(1)} bytes a record, ${blocks[0]!.words?.length} words`,
)

await measure('cut: encodeBlock', async () => {
  for (const head of heads) await encodeBlock(head, identity, options)
})
const shuffled = heads.map((head) => [...head.slice(1), head[0]!])
await measure('cut of rows out of order', async () => {
  for (const head of shuffled) await encodeBlock(head, identity, options)
})
const names = decoded[0]!.columnNames
const joinedColumns = heads.map((head) =>
  names.map((name) =>
    concatColumns(
      name,
      head.map(({ source }) => ({ column: source.column(name), rowCount: source.rowCount })),
      BLOCK_ROWS_MAX,
    ),
  ),
)
await measure('  of it joining columns', () => {
  for (const head of heads)
    for (const name of names)
      concatColumns(
        name,
        head.map(({ source }) => ({ column: source.column(name), rowCount: source.rowCount })),
        BLOCK_ROWS_MAX,
      )
})
const collector = new TokenCollector()
await measure('  of it tokens', () => {
  for (const columns of joinedColumns) {
    collector.reset()
    for (const column of columns) collector.addColumn(column, BLOCK_ROWS_MAX)
  }
})
await measure('  of it encoding columns', () => {
  for (const columns of joinedColumns) for (const column of columns) encodeColumn(column, BLOCK_ROWS_MAX)
})
for (const [i, name] of names.entries()) {
  const column = joinedColumns[0]![i]!
  const { encoding, pieces } = encodeColumn(column, BLOCK_ROWS_MAX)
  const size = pieces.reduce(
    (sum, { bytes, random }) => sum + (random ? bytes.length : compressNow(bytes, 1).length),
    0,
  )
  console.log(`    ${name.padEnd(22)} ${encoding.kind.padEnd(11)} ${(size / BLOCK_ROWS_MAX).toFixed(2)} bytes a record`)
}
await measure('open a block, all columns', () => {
  for (const { bytes } of blocks) {
    const reader = openBlock(bytes)
    for (const name of reader.columnNames) reader.column(name)
  }
})
await measure('open a block, time and service', () => {
  for (const { bytes } of blocks) {
    const reader = openBlock(bytes)
    if (
      reader.timeMs.length === 0 ||
      reader.column('service') === undefined ||
      reader.column(COLUMN_SEQUENCE) === undefined
    )
      throw new Error('a column is missing')
  }
})
for (const zstdLevel of [3, 6]) {
  const merged = await mergeBlocks(
    blocks.map(({ bytes }) => openBlock(bytes)),
    identity,
    { zstdLevel, mergeLevel: 1, clock: systemClock },
  )
  const bytes = merged.reduce((sum, block) => sum + block.bytes.length, 0) / RECORDS
  console.log(`merged at level ${zstdLevel}: ${bytes.toFixed(1)} bytes a record`)
  await measure(`merge at level ${zstdLevel}`, async () => {
    await mergeBlocks(
      blocks.map(({ bytes }) => openBlock(bytes)),
      identity,
      { zstdLevel, mergeLevel: 1, clock: systemClock },
    )
  })
}

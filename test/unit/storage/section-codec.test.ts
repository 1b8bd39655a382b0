import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { checksum } from '../../../base/checksum.ts'
import type { Column } from '../../../base/columns.ts'
import { VALUE_NUMBER } from '../../../base/columns.ts'
import { WeirError } from '../../../base/errors.ts'
import type { TenantId } from '../../../base/ids.ts'
import type { SectionMeta } from '../../../storage/section-codec.ts'
import { decodeSection, encodeSection } from '../../../storage/section-codec.ts'
import { TableSource } from '../../../storage/table-source.ts'
import { rowsOf, sourceOf, tableModels } from './arbitrary-table.ts'

const META: SectionMeta = { tenant: 'default' as TenantId, receivedMs: 1_795_000_000_000, keyed: [] }
const KEYED = { keyHash: 'ab'.repeat(16), bodyHash: 'cd'.repeat(32), chunk: 1, chunks: 0, rowFrom: 0, rowTo: 1 }

test('a decoded section is what was encoded, compressed or not, wherever its values lay', () => {
  fc.assert(
    fc.property(
      tableModels(),
      fc.constantFrom('none' as const, 'zstd' as const),
      fc.nat({ max: 3 }),
      (model, compression, shift) => {
        const source = sourceOf(model, shift)
        const meta = { ...META, keyed: [KEYED] }
        const decoded = decodeSection(encodeSection(source, meta, { compression }))
        assert.deepEqual(decoded.meta, meta)
        assert.deepEqual(rowsOf(decoded.source), rowsOf(source))
        assert.deepEqual(decoded.source.columnNames, source.columnNames)
      },
    ),
    { numRuns: 200 },
  )
})

test('a section may lie anywhere in a buffer', () => {
  fc.assert(
    fc.property(tableModels(), fc.nat({ max: 9 }), (model, offset) => {
      const source = sourceOf(model)
      const section = encodeSection(source, META, { compression: 'none' })
      const buffer = new Uint8Array(section.length + 20).fill(0xff)
      buffer.set(section, offset)
      const decoded = decodeSection(buffer.subarray(offset, offset + section.length))
      assert.deepEqual(rowsOf(decoded.source), rowsOf(source))
    }),
    { numRuns: 50 },
  )
})

test('an aligned uncompressed section is decoded without copying its values', () => {
  const section = encodeSection(wideSource(64), META, { compression: 'none' })
  const column = decodeSection(section).source.column('n')
  assert(column?.kind === 'integer')
  assert.equal(column.values.buffer, section.buffer)
})

test('changed bytes never give another answer: corrupt_data or the same rows', () => {
  fc.assert(
    fc.property(
      tableModels({ rowsMax: 20 }),
      fc.constantFrom('none' as const, 'zstd' as const),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      (model, compression, at, flip) => {
        const section = encodeSection(sourceOf(model), META, { compression })
        section[at % section.length]! ^= flip
        assert.throws(() => decodeSection(section), isCorrupt)
      },
    ),
    { numRuns: 300 },
  )
})

test('hostile bytes under a valid checksum are corrupt_data or a well-formed section, never a crash', () => {
  fc.assert(
    fc.property(
      tableModels({ rowsMax: 20 }),
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 }),
      (model, changes) => {
        const section = encodeSection(sourceOf(model), META, { compression: 'none' })
        for (const [at, byte] of changes) section[8 + (at % (section.length - 8))] = byte
        new DataView(section.buffer).setUint32(4, checksum(section.subarray(8)), true)
        readAll(section)
      },
    ),
    { numRuns: 500 },
  )
})

test('a truncated section is corrupt_data', () => {
  const section = encodeSection(wideSource(8), META, { compression: 'none' })
  for (let length = 0; length < section.length; length++)
    assert.throws(() => decodeSection(section.subarray(0, length)), isCorrupt)
})

test('a thousand fields that one row each has take room for one row each', () => {
  const rowCount = 8000
  const columns = new Map<string, Column>()
  for (let i = 0; i < 1000; i++) {
    const values = new Float64Array(rowCount).fill(Number.NaN)
    values[i] = i
    columns.set(`field${i}`, { kind: 'integer', name: `field${i}`, values })
  }
  const source = new TableSource(new Float64Array(rowCount), new Uint32Array(rowCount), columns)
  const section = encodeSection(source, META, { compression: 'none' })
  assert(section.length < 200_000, `${section.length} bytes`)
  const decoded = decodeSection(section).source
  assert.deepEqual(decoded.columnNames, source.columnNames)
  for (const i of [0, 1, 500, 999]) assert.deepEqual(decoded.column(`field${i}`), source.column(`field${i}`))
})

function wideSource(rowCount: number): TableSource {
  const values = Float64Array.from({ length: rowCount }, (_, row) => row)
  const types = new Uint8Array(rowCount).fill(VALUE_NUMBER)
  const offsets = Uint32Array.from({ length: rowCount + 1 }, (_, row) => row)
  const columns = new Map<string, Column>([
    ['n', { kind: 'integer', name: 'n', values }],
    ['t', { kind: 'bytes', name: 't', types, offsets, bytes: new Uint8Array(rowCount).fill(0x31) }],
  ])
  return new TableSource(new Float64Array(rowCount), new Uint32Array(rowCount), columns)
}

function readAll(section: Uint8Array): void {
  try {
    rowsOf(decodeSection(section).source)
  } catch (error) {
    if (!isCorrupt(error)) throw error
  }
}

function isCorrupt(error: unknown): boolean {
  return error instanceof WeirError && error.code === 'corrupt_data'
}

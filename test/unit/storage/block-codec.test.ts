import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CHARS_ANY } from '../../../base/char-mask.ts'
import { checksum } from '../../../base/checksum.ts'
import { systemClock } from '../../../base/clock.ts'
import type { Column, ColumnSource } from '../../../base/columns.ts'
import { VALUE_ABSENT, VALUE_STRING, valueText, valueType } from '../../../base/columns.ts'
import { WeirError } from '../../../base/errors.ts'
import { tokenHash } from '../../../base/hash.ts'
import type { DayNumber, TenantId } from '../../../base/ids.ts'
import { BLOCK_COLUMNS_MAX } from '../../../base/limits.ts'
import { isWord, tokensOfText } from '../../../base/tokenizer.ts'
import type { EncodedBlock } from '../../../storage/block.ts'
import { COLUMN_RECEIVED, COLUMN_ROW, COLUMN_SEQUENCE } from '../../../storage/block.ts'
import type { BlockPart } from '../../../storage/block-codec.ts'
import { concatParts, encodeBlock, mergeBlocks, selectRows } from '../../../storage/block-codec.ts'
import { BLOCK_PREFIX_BYTES, blockHeaderLength, readBlockHeader } from '../../../storage/block-header.ts'
import { columnRanges, openBlock, openBlockFromRanges } from '../../../storage/block-reader.ts'
import { bloomMayContain, bloomTermsOfValue } from '../../../storage/bloom.ts'
import { decodeColumn, encodeColumn } from '../../../storage/column-codecs.ts'
import { TableSource } from '../../../storage/table-source.ts'
import type { TableModel } from './arbitrary-table.ts'
import { columnOfCells, rowsOf, sourceOf, tableModels } from './arbitrary-table.ts'

const IDENTITY = { tenant: 'default' as TenantId, day: 20_778 as DayNumber, retentionClass: 3, generation: 7 }
const OPTIONS = { zstdLevel: 1, clock: systemClock }
const OWN = [COLUMN_SEQUENCE, COLUMN_ROW, COLUMN_RECEIVED]

function partsOf(models: readonly TableModel[]): BlockPart[] {
  return models.map((model, i) => ({
    source: sourceOf(model, i % 3),
    rows: null,
    sequence: 100 + i,
    rowBase: i * 5,
    receivedMs: 1_795_000_000_000 + i,
  }))
}

/** What the rows of `parts` must be in a block: ordered by time, ties by arrival, with their positions. */
function expectedRows(parts: readonly BlockPart[]): string[] {
  const rows = parts.flatMap((part) =>
    rowsOf(part.source).map((text, i) => ({
      text,
      timeMs: part.source.timeMs[i]!,
      timeNs: part.source.timeNs[i]!,
      place: [part.sequence, part.rowBase + (part.rows?.[i] ?? i), part.receivedMs],
    })),
  )
  rows.sort((a, b) => a.timeMs - b.timeMs || a.timeNs - b.timeNs)
  return rows.map((row) => `${row.text} ${row.place.join(' ')}`)
}

function foundRows(source: ColumnSource): string[] {
  const texts = rowsOf(selectWithout(source, OWN))
  const places = OWN.map((name) => source.column(name)!)
  return texts.map((text, row) => `${text} ${places.map((column) => valueText(column, row)).join(' ')}`)
}

function selectWithout(source: ColumnSource, names: readonly string[]): ColumnSource {
  const columns = new Map<string, Column>()
  for (const name of source.columnNames) if (!names.includes(name)) columns.set(name, source.column(name)!)
  return new TableSource(source.timeMs, source.timeNs, columns)
}

test('a block holds the rows of its parts, ordered by time, ties by arrival, each with its position and receipt', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(tableModels({ rowsMax: 40 }), { minLength: 1, maxLength: 5 }), async (models) => {
      const parts = partsOf(models)
      const { bytes, summary } = await encodeBlock(parts, IDENTITY, OPTIONS)
      const reader = openBlock(bytes)
      assert.deepEqual(foundRows(reader), expectedRows(parts))
      assert.deepEqual(summary.columnNames, reader.columnNames)
      assert.equal(summary.rowCount, reader.rowCount)
      assert.equal(summary.minMs, reader.timeMs[0])
      assert.equal(summary.maxMs, reader.timeMs[reader.rowCount - 1])
      assert.equal(summary.firstSequence, 100)
      assert.equal(summary.lastSequence, 99 + models.length)
      assert.equal(summary.byteLength, bytes.length)
    }),
    { numRuns: 200 },
  )
})

test('S5: the filters of a block hold every token and every value of its rows', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(tableModels({ rowsMax: 30 }), { minLength: 1, maxLength: 3 }), async (models) => {
      const parts = partsOf(models)
      const block = await encodeBlock(parts, IDENTITY, OPTIONS)
      for (const { source } of parts) assertFiltersHold(block, source)
    }),
    { numRuns: 150 },
  )
})

function assertFiltersHold({ bloom, words, summary }: EncodedBlock, source: ColumnSource): void {
  for (const name of source.columnNames) {
    if (name.startsWith('\\@')) continue
    const column = source.column(name)!
    for (let row = 0; row < source.rowCount; row++) {
      if (valueType(column, row) === VALUE_ABSENT) continue
      const text = valueText(column, row)!
      for (const token of tokensOfText(text)) {
        assert(bloomMayContain(bloom, tokenHash(token)), `token ${token} of ${name}`)
        if (words !== null && isWord(token)) assert(words.includes(token), `word ${token} of ${name}`)
      }
      for (const hash of bloomTermsOfValue(name, text)) assert(bloomMayContain(bloom, hash), `value ${text} of ${name}`)
      const bounds = summary.numbers[name]
      if (bounds !== undefined)
        assert(Number(text) >= bounds[0] && Number(text) <= bounds[1], `${text} within ${bounds}`)
      const dimension = summary.dimensions[name]
      if (dimension !== undefined) assert(dimension.includes(text), `${text} among ${dimension}`)
    }
  }
}

test('any columns can be read by the ranges that hold them, and no more than those', async () => {
  await fc.assert(
    fc.asyncProperty(tableModels(), fc.nat(), async (model, pick) => {
      const { bytes } = await encodeBlock(partsOf([model]), IDENTITY, OPTIONS)
      const header = readBlockHeader(bytes.subarray(0, blockHeaderLength(bytes)))
      const whole = openBlock(bytes)
      const name = whole.columnNames[pick % whole.columnNames.length]!
      const ranges = columnRanges(header, [name]).map(({ start, end }) => ({ start, bytes: bytes.slice(start, end) }))
      const reader = openBlockFromRanges(header, ranges)
      assert.deepEqual(reader.timeMs, whole.timeMs)
      assert.deepEqual(reader.timeNs, whole.timeNs)
      const [found, expected] = [reader.column(name)!, whole.column(name)!]
      for (let row = 0; row < reader.rowCount; row++) assert.equal(valueText(found, row), valueText(expected, row))
    }),
    { numRuns: 50 },
  )
})

test('changed bytes of a block never give another answer: corrupt_data or the same rows', async () => {
  await fc.assert(
    fc.asyncProperty(
      tableModels({ rowsMax: 20 }),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      async (model, at, flip) => {
        const { bytes } = await encodeBlock(partsOf([model]), IDENTITY, OPTIONS)
        bytes[at % bytes.length]! ^= flip
        assert.throws(() => foundRows(openBlock(bytes)), isCorrupt)
      },
    ),
    { numRuns: 300 },
  )
})

test('hostile headers under a valid checksum give corrupt_data or a well-formed block, never a crash', async () => {
  await fc.assert(
    fc.asyncProperty(
      tableModels({ rowsMax: 20 }),
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 }),
      async (model, changes) => {
        const { bytes } = await encodeBlock(partsOf([model]), IDENTITY, OPTIONS)
        const checked = blockHeaderLength(bytes) - 4
        for (const [at, byte] of changes) bytes[BLOCK_PREFIX_BYTES + (at % (checked - BLOCK_PREFIX_BYTES))] = byte
        new DataView(bytes.buffer).setUint32(checked, checksum(bytes.subarray(0, checked)), true)
        readAll(bytes)
      },
    ),
    { numRuns: 500 },
  )
})

test('hostile pieces of a column give corrupt_data or a well-formed column, never a crash', async () => {
  await fc.assert(
    fc.property(
      tableModels({ rowsMax: 20 }),
      fc.nat(),
      fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 4 }),
      (model, pick, replacements) => {
        for (const { name, kind, cells } of model.columns) {
          const { encoding, pieces } = encodeColumn(columnOfCells(name, kind, cells), cells.length)
          const bytes = pieces.map((piece) => new Uint8Array(piece.bytes))
          for (const [i, replacement] of replacements.entries()) {
            const piece = bytes[(pick + i) % Math.max(1, bytes.length)]
            if (piece === undefined) continue
            if (replacement.length % 2 === 0) bytes[(pick + i) % bytes.length] = replacement
            else piece.set(replacement.subarray(0, piece.length))
          }
          try {
            const column = decodeColumn({ name, encoding, pieces: [], chars: CHARS_ANY }, bytes, cells.length)
            for (let row = 0; row < cells.length; row++) valueText(column, row)
          } catch (error) {
            if (!isCorrupt(error)) throw error
          }
        }
      },
    ),
    { numRuns: 500 },
  )
})

test('merged blocks hold the same rows in order, with their own positions, cut at rowsMax', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(tableModels({ rowsMax: 30 }), { minLength: 2, maxLength: 5 }),
      fc.integer({ min: 1, max: 50 }),
      async (models, rowsMax) => {
        const parts = partsOf(models)
        const blocks = []
        // Later parts first: merging must not depend on the order of its inputs.
        for (const part of parts) blocks.unshift(await encodeBlock([part], IDENTITY, OPTIONS))
        const readers = blocks.map(({ bytes }) => openBlock(bytes))
        const merged = await mergeBlocks(readers, IDENTITY, { ...OPTIONS, zstdLevel: 3, mergeLevel: 1, rowsMax })
        assert.deepEqual(
          merged.flatMap(({ bytes }) => foundRows(openBlock(bytes))),
          expectedRows(parts),
        )
        const ids = new Set([...blocks, ...merged].map(({ summary }) => summary.blockId))
        assert.equal(ids.size, blocks.length + merged.length)
        for (const { summary } of merged) assert(summary.rowCount <= rowsMax)
      },
    ),
    { numRuns: 60 },
  )
})

test('joined parts make the same block as the parts themselves', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(tableModels({ rowsMax: 20 }), { minLength: 2, maxLength: 4 }), async (models) => {
      const parts = partsOf(models)
      const block = await encodeBlock([concatParts(parts.slice(0, 2)), ...parts.slice(2)], IDENTITY, OPTIONS)
      assert.deepEqual(foundRows(openBlock(block.bytes)), expectedRows(parts))
    }),
    { numRuns: 60 },
  )
})

test('selected rows keep their values and, by their numbers, their positions', async () => {
  await fc.assert(
    fc.asyncProperty(tableModels(), fc.array(fc.nat(), { minLength: 1, maxLength: 20 }), async (model, picks) => {
      const source = sourceOf(model)
      const rows = Uint32Array.from(new Set(picks.map((pick) => pick % source.rowCount))).sort()
      const selected = selectRows(source, rows)
      assert.deepEqual(
        rowsOf(selected),
        Array.from(rows, (row) => rowsOf(source)[row]!),
      )
      const part = { source: selected, rows, sequence: 5, rowBase: 1000, receivedMs: 9 }
      const { bytes } = await encodeBlock([part], IDENTITY, OPTIONS)
      assert.deepEqual(foundRows(openBlock(bytes)), expectedRows([part]))
    }),
    { numRuns: 60 },
  )
})

test('columns of more than 255 distinct values, and values of a quarter of a megabyte, come back', async () => {
  const texts = Array.from({ length: 3000 }, (_, row) =>
    row === 1500 ? 'y'.repeat(256 * 1024) : `value number ${row}`,
  )
  const { bytes } = await encodeBlock([textPart('message', texts)], IDENTITY, OPTIONS)
  const column = openBlock(bytes).column('message')!
  assert.deepEqual(
    texts.map((_, row) => valueText(column, row)),
    texts,
  )
})

test('identifiers are stored at half their length', async () => {
  const ids = Array.from({ length: 4096 }, () => crypto.randomUUID())
  const { bytes } = await encodeBlock([textPart('id', ids)], IDENTITY, OPTIONS)
  assert(bytes.length < 4096 * 17.5, `${bytes.length / 4096} bytes each`)
  const column = openBlock(bytes).column('id')!
  assert.deepEqual(
    ids.map((_, row) => valueText(column, row)),
    ids,
  )
})

test('S4: fields beyond the column limit move to one overflow column and are still found by token and value', async () => {
  const columns = new Map<string, Column>()
  const count = BLOCK_COLUMNS_MAX + 200
  for (let i = 0; i < count; i++) columns.set(`f${i}`, textColumn(`f${i}`, [`token${i} "quoted\n${i}"`, `${i}`]))
  const source = new TableSource(Float64Array.of(1, 2), new Uint32Array(2), columns)
  const block = await encodeBlock([{ source, rows: null, sequence: 1, rowBase: 0, receivedMs: 1 }], IDENTITY, OPTIONS)
  const reader = openBlock(block.bytes)
  assert.equal(reader.columnNames.length, BLOCK_COLUMNS_MAX)
  const overflow: Record<string, string> = JSON.parse(valueText(reader.column('\\@more')!, 0)!)
  for (let i = 0; i < count; i++) {
    const text = `token${i} "quoted\n${i}"`
    const column = reader.column(`f${i}`)
    assert.equal(column === undefined ? overflow[`f${i}`] : valueText(column, 0), text)
    assert(tokensOfText(text).every((token) => bloomMayContain(block.bloom, tokenHash(token))))
    assert(bloomTermsOfValue(`f${i}`, text).every((hash) => bloomMayContain(block.bloom, hash)))
  }
})

function textPart(name: string, texts: readonly string[]): BlockPart {
  const times = Float64Array.from(texts, (_, row) => row)
  const source = new TableSource(times, new Uint32Array(texts.length), new Map([[name, textColumn(name, texts)]]))
  return { source, rows: null, sequence: 1, rowBase: 0, receivedMs: 1 }
}

function textColumn(name: string, texts: readonly string[]): Column {
  const pieces = texts.map((text) => new TextEncoder().encode(text))
  const offsets = new Uint32Array(texts.length + 1)
  for (let i = 0; i < pieces.length; i++) offsets[i + 1] = offsets[i]! + pieces[i]!.length
  const bytes = new Uint8Array(offsets[texts.length]!)
  for (let i = 0; i < pieces.length; i++) bytes.set(pieces[i]!, offsets[i])
  return { kind: 'bytes', name, types: new Uint8Array(texts.length).fill(VALUE_STRING), offsets, bytes }
}

function readAll(bytes: Uint8Array): void {
  try {
    rowsOf(openBlock(bytes))
  } catch (error) {
    if (!isCorrupt(error)) throw error
  }
}

function isCorrupt(error: unknown): boolean {
  return error instanceof WeirError && error.code === 'corrupt_data'
}

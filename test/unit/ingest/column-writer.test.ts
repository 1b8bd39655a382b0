import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { COLUMN_OVERFLOW, VALUE_NUMBER, VALUE_STRING, type ValueType } from '../../../base/columns.ts'
import { BLOCK_COLUMNS_MAX, DICTIONARY_VALUES_MAX, RECORD_FIELDS_MAX } from '../../../base/limits.ts'
import { ColumnWriter } from '../../../ingest/column-writer.ts'
import { HASH_MULTIPLIER, PATH_ROOT, PathTable } from '../../../ingest/path-table.ts'
import { bytesOf, newScanner, readRows, type Scanned, scan, text } from './harness.ts'

function read(writer: ColumnWriter): Pick<Scanned, 'rows' | 'times'> {
  const into = { rows: [], times: [] }
  readRows(writer.finish(), into)
  return into
}

test('columns give back the cells that were written, in dictionaries and beyond, over many frames', () => {
  const cell = fc.record({
    path: fc.constantFrom('a', 'b.c', 'd\\.e', '\\@src.message'),
    type: fc.constantFrom(VALUE_STRING, VALUE_NUMBER),
    // Few values make dictionaries, many do not.
    value: fc.oneof(
      fc.nat(5).map(String),
      fc.nat(100_000).map((n) => 'v'.repeat(n % 300) + n),
    ),
  })
  const row = fc.array(cell, { maxLength: 4 })
  const frame = fc.tuple(fc.array(row, { maxLength: 30 }), fc.integer({ min: 1, max: 40 }))
  fc.assert(
    fc.property(fc.array(frame, { minLength: 1, maxLength: 6 }), (frames) => {
      const writer = new ColumnWriter(new PathTable(1))
      for (const [rows, repeat] of frames) {
        const wanted: Map<string, [number, string]>[] = []
        for (let round = 0; round < repeat; round++) {
          rows.forEach((cells, i) => {
            writer.beginRow(i, round)
            const fields = new Map<string, [number, string]>()
            for (const { path, type, value } of cells) {
              const varied = repeat > 20 ? `${value}-${round}` : value
              assert.ok(writer.addString(path, type as ValueType, varied))
              fields.set(path, [type, varied])
            }
            if (round % 3 === 2) return
            writer.commitRow()
            wanted.push(fields)
          })
        }
        const { rows: found } = read(writer)
        assert.equal(writer.rowCount, wanted.length)
        assert.deepEqual(found, wanted)
        writer.reset()
      }
    }),
    { numRuns: 150 },
  )
})

test('a column is a dictionary up to 255 values, bytes from then on, and that is remembered', () => {
  const writer = new ColumnWriter(new PathTable(1))
  const fill = (distinct: number): string => {
    for (let i = 0; i < distinct * 3; i++) {
      writer.beginRow(0, 0)
      writer.addString('a', VALUE_STRING, `value ${i % distinct}`)
      writer.commitRow()
    }
    const column = writer.finish().column('a')!
    const { rows } = read(writer)
    assert.deepEqual(
      rows.map((row) => text(row, 'a')),
      rows.map((_, i) => `value ${i % distinct}`),
    )
    writer.reset()
    return column.kind
  }
  assert.equal(fill(DICTIONARY_VALUES_MAX), 'dictionary')
  assert.equal(fill(DICTIONARY_VALUES_MAX + 1), 'bytes')
  assert.equal(fill(3), 'bytes')
  const later = Array.from({ length: 40 }, () => fill(3))
  assert.ok(later.includes('dictionary'), 'a dictionary is tried again some time')
})

test('the same text as another type is another value', () => {
  const { rows } = scan('{"a":"5"}\n{"a":5}\n{"a":"true"}\n{"a":true}\n{"a":""}\n{"a":null}\n{"a":"[]"}\n{"a":[]}')
  assert.deepEqual(
    rows.map((row) => row.get('a')),
    [
      [1, '5'],
      [2, '5'],
      [1, 'true'],
      [3, 'true'],
      [1, ''],
      [4, ''],
      [1, '[]'],
      [5, '[]'],
    ],
  )
})

test('fields beyond the column limit share the overflow column; known fields never do', () => {
  const lines: string[] = []
  for (let i = 0; i < 8; i++) {
    const fields = Array.from(
      { length: 200 },
      (_, k) => `"f${i * 200 + k}":${k % 2 === 0 ? `"\\"\\u0001${k}"` : 'null'}`,
    )
    lines.push(`{${fields.join(',')}}`)
  }
  lines.push('{"message":"m","hostname":"h","level":"warning","a.b":[1, 2],"x":{"y":-1.0},"z":true}')
  const { rows, rejections } = scan(lines.join('\n'))
  assert.deepEqual(rejections, [])
  const names = new Set(rows.flatMap((row) => [...row.keys()]))
  assert.ok(names.size <= BLOCK_COLUMNS_MAX && names.size > BLOCK_COLUMNS_MAX - 40)
  rows.slice(0, 8).forEach((row, i) => {
    const more = JSON.parse(text(row, COLUMN_OVERFLOW) ?? '{}')
    for (let k = 0; k < 200; k++) {
      const name = `f${i * 200 + k}`
      if (k % 2 === 0) assert.equal(text(row, name) ?? more[name], `"\u0001${k}`)
      else assert.ok(row.get(name)?.[0] === 4 || more[name] === null)
    }
  })
  assert.deepEqual(rows[8]!.get(COLUMN_OVERFLOW), [5, '{"a\\\\.b":[1, 2],"x.y":-1.0,"z":true}'])
  assert.deepEqual(
    ['message', 'host', '\\@src.host', 'level', '\\@level'].map((name) => text(rows[8], name)),
    ['m', 'h', 'hostname', 'WARN', 'warning'],
  )
})

test('senders that make up keys leave the memory of paths bounded, and their rows right', () => {
  const { paths, scanner } = newScanner()
  for (let batch = 0; batch < 6; batch++) {
    const lines = Array.from({ length: 40 }, (_, i) => {
      const fields = Array.from({ length: 120 }, (_, k) => `"k${batch}_${i}_${k}":{"v":${k}}`)
      return `{"n":${i},${fields.join(',')}}`
    })
    const { rows } = scan(lines.join('\n'), {}, { paths, scanner })
    rows.forEach((row, i) => {
      const more = JSON.parse(text(row, COLUMN_OVERFLOW) ?? '{}')
      assert.equal(text(row, 'n'), String(i))
      for (let k = 0; k < 120; k++) {
        const name = `k${batch}_${i}_${k}.v`
        assert.equal(Number(text(row, name) ?? more[name]), k)
      }
    })
    assert.ok(paths.count <= 16_384)
  }
})

test('keys whose hashes collide stay apart', () => {
  const paths = new PathTable(99)
  const seed = paths.seedOf(PATH_ROOT)
  const byHash = new Map<number, string[]>()
  const hashOf = (name: string): number => {
    let hash = seed
    for (const byte of bytesOf(name)) hash = Math.imul(hash ^ byte, HASH_MULTIPLIER)
    return hash
  }
  // Among so many names some share all 32 bits of their hash.
  for (let i = 0; i < 300_000; i++) {
    const name = (i.toString(36) + Math.imul(i, 0x9e3779b1).toString(36)).replace('-', 'z')
    const hash = hashOf(name)
    const list = byHash.get(hash)
    if (list === undefined) byHash.set(hash, [name])
    else list.push(name)
  }
  const colliding = [...byHash.values()].filter((names) => names.length > 1)
  assert.ok(colliding.length > 0, 'the search found collisions')
  const numbers = colliding.map((names) =>
    names.map((name) => paths.child(PATH_ROOT, bytesOf(name), 0, name.length, hashOf(name))),
  )
  for (const group of numbers) assert.equal(new Set(group).size, group.length)
  // The worst case: every key has the hash of every other.
  const crowd = Array.from({ length: 500 }, (_, i) => `c${i}`)
  const crowded = crowd.map((name) => paths.child(PATH_ROOT, bytesOf(name), 0, name.length, 42))
  assert.equal(new Set(crowded).size, crowd.length)
  assert.deepEqual(
    crowd.map((name) => paths.child(PATH_ROOT, bytesOf(name), 0, name.length, 42)),
    crowded,
  )
  assert.deepEqual(
    crowded.map((path) => paths.name(path)),
    crowd,
  )
})

test('a record that is refused leaves no trace in the columns', () => {
  const good = '{"n":1,"a":{"b":"x"}}'
  const bad = ['{"new1":1,"n":2', '{"new2":"\\u00zz"}', '{"new3":1,"ts":"never"}', '{"new4":"y","a":{"c":[1,2}}']
  const { rows } = scan([good, ...bad, good].join('\n'))
  assert.deepEqual(rows[0], rows[1])
  assert.equal(rows.length, 2)
  assert.deepEqual([...rows[0]!.keys()].sort(), ['a.b', 'level', 'n', 'service'])
})

test('decoders are told when a row is full or a path too long', () => {
  const writer = new ColumnWriter(new PathTable(1))
  writer.beginRow(0, 0)
  assert.equal(writer.addString('p'.repeat(5000), VALUE_STRING, 'x'), false)
  for (let i = 0; i < RECORD_FIELDS_MAX; i++) assert.equal(writer.addString(`f${i}`, VALUE_STRING, 'x'), true)
  assert.equal(writer.addString('one more', VALUE_STRING, 'x'), false)
  writer.commitRow()
  assert.equal(writer.finish().columnNames.length, RECORD_FIELDS_MAX)
})

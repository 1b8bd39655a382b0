import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  CHUNK_BYTES_MAX,
  CHUNK_ROWS_MAX,
  NESTING_DEPTH_MAX,
  PATH_BYTES_MAX,
  RECORD_BYTES_MAX,
  RECORD_FIELDS_MAX,
  VALUE_BYTES_MAX,
} from '../../../base/limits.ts'
import { ColumnWriter } from '../../../ingest/column-writer.ts'
import { bytesOf, NOW_MS, newScanner, scan, text } from './harness.ts'

const numbers = (scanned: ReturnType<typeof scan>): (string | undefined)[] => scanned.rows.map((row) => text(row, 'n'))
const codes = (scanned: ReturnType<typeof scan>): unknown[] =>
  scanned.rejections.map(({ index, code }) => [index, code])

test('bodies without a record are rejected as such', () => {
  for (const format of ['json', 'ndjson'] as const)
    for (const body of ['', ' \r\n\t\n', '\ufeff']) assert.deepEqual(codes(scan(body, { format })), [[0, 'empty_body']])
  assert.deepEqual(codes(scan('[]', { format: 'json' })), [[0, 'empty_body']])
  assert.deepEqual(codes(scan('{"logs":[ ]}', { format: 'json' })), [[0, 'empty_body']])
  assert.equal(scan('\ufeff{"n":1}').rows.length, 1)
})

test('records that are JSON but no object are rejected alone', () => {
  const values = ['1', '"x"', 'null', 'true', '[{"n":9}]', '-0.5e3', '[]']
  const lines = scan(`{"n":1}\n${values.join('\n')}\n{"n":2}`)
  assert.deepEqual(
    codes(lines),
    values.map((_, i) => [i + 1, 'not_an_object']),
  )
  assert.deepEqual(numbers(lines), ['1', '2'])
  const array = scan(`[{"n":1},${values.join(', ')},{"n":2}]`, { format: 'json' })
  assert.deepEqual(
    codes(array),
    values.map((_, i) => [i + 1, 'not_an_object']),
  )
  assert.deepEqual(numbers(array), ['1', '2'])
  assert.deepEqual(codes(scan('42', { format: 'json' })), [[0, 'not_an_object']])
})

test('a damaged element of an array is rejected alone where its structure shows its end', () => {
  const scanned = scan('[{"n":1},{"n":01},{"n":2},{"x":{"y":[1,]}},nope,{"n":3},{"n":"\\q}"},{"n":4}]', {
    format: 'json',
  })
  assert.deepEqual(numbers(scanned), ['1', '2', '3', '4'])
  assert.deepEqual(
    codes(scanned),
    [1, 3, 4, 6].map((index) => [index, 'invalid_json']),
  )
  assert.deepEqual(
    scanned.rejections.map(({ start, end }) => end - start),
    [8, 16, 4, 11],
  )
  const open = scan('[{"n":1},{"n":"2},{"n":3}]', { format: 'json' })
  assert.deepEqual([numbers(open), codes(open)], [['1'], [[1, 'invalid_json']]])
  assert.deepEqual([open.rejections[0]!.start, open.rejections[0]!.end], [9, 26])
})

test('documents that do not end as they should keep their whole records and reject the rest as one', () => {
  for (const [body, accepted, code] of [
    ['[{"n":1}', 1, 'invalid_json'],
    ['[{"n":1},', 1, 'invalid_json'],
    ['[{"n":1},]', 1, 'invalid_json'],
    ['[{"n":1} {"n":2}]', 1, 'invalid_json'],
    ['[{"n":1}]]', 1, 'invalid_json'],
    ['[{"n":1}] x', 1, 'invalid_json'],
    ['[', 0, 'invalid_json'],
    ['{"logs":[{"n":1}', 1, 'invalid_json'],
    ['{"logs":[{"n":1}]', 1, 'invalid_json'],
    ['{"logs":[{"n":1}],"more":1}', 1, 'invalid_envelope'],
    ['{"logs":[{"n":1}]]', 1, 'invalid_json'],
    ['{"n":1}{"n":2', 1, 'invalid_json'],
    ['{"n":1', 0, 'invalid_json'],
    ['{"n":1} garbage', 1, 'invalid_json'],
  ] as const) {
    const scanned = scan(body, { format: 'json' })
    assert.equal(scanned.rows.length, accepted, body)
    assert.deepEqual(codes(scanned), [[accepted, code]], body)
  }
  assert.equal(text(scan('{"logs":{"n":1}}', { format: 'json' }).rows[0], 'logs.n'), '1')
})

test('records one after the other go on at the next line when one is damaged', () => {
  const body = '{"n":1}\n{"n":\n2}{"n":3}\n{"n":"4}\n{"n":5}\nnope\n{"n":6}'
  const scanned = scan(body, { format: 'json' })
  assert.deepEqual(numbers(scanned), ['1', '2', '3', '5', '6'])
  assert.deepEqual(codes(scanned), [
    [3, 'invalid_json'],
    [5, 'invalid_json'],
  ])
})

test('lines are numbered, blank ones too, and raw ranges are theirs', () => {
  const body = '\n{"n":1}\r\n \n{"n":\r\n{"n":2}\n\n {"a" 1} \n'
  const { rejections } = scan(body)
  assert.deepEqual(
    rejections.map(({ index, line, start, end }) => [index, line, body.slice(start, end)]),
    [
      [1, 4, '{"n":'],
      [3, 7, '{"a" 1}'],
    ],
  )
})

test('every bound holds, and one below it passes', () => {
  const nested = (depth: number): string => `${'{"a":'.repeat(depth - 1)}{"b":1}${'}'.repeat(depth - 1)}`
  const arrays = (depth: number): string => `{"a":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`
  const fields = (count: number): string => `{${Array.from({ length: count }, (_, i) => `"f${i}":${i}`).join(',')}}`
  const valued = (length: number): string => `{"a":"${'x'.repeat(length)}"}`
  const pathed = (length: number): string => `{"${'p'.repeat(length)}":1}`
  const sized = (length: number): string => {
    const filler = Array.from({ length: 8 }, (_, i) => `"f${i}":"${'y'.repeat(length > 1e6 ? 131_000 : 10)}"`).join(',')
    return `{${filler},"last":"${'z'.repeat(length - filler.length - 12)}"}`
  }
  for (const [make, max, code] of [
    [nested, NESTING_DEPTH_MAX, 'nesting_too_deep'],
    [arrays, NESTING_DEPTH_MAX, 'nesting_too_deep'],
    [fields, RECORD_FIELDS_MAX, 'too_many_fields'],
    [valued, VALUE_BYTES_MAX, 'value_too_large'],
    [pathed, PATH_BYTES_MAX, 'path_too_long'],
    [sized, RECORD_BYTES_MAX, 'record_too_large'],
  ] as const) {
    if (make === sized) assert.equal(sized(max).length, max)
    for (const format of ['ndjson', 'json'] as const) {
      const lines = ['{"n":1}', make(max), make(max + 1), '{"n":2}']
      const scanned = scan(format === 'json' ? `[${lines}]` : lines.join('\n'), { format })
      assert.deepEqual(codes(scanned), [[2, code]])
      assert.equal(scanned.rows.length, 3)
    }
  }
})

test('monstrous records are rejected in bounded steps, and what stands beside them is kept', () => {
  const monsters = [
    `{"a":${'['.repeat(10_000)}`,
    `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`,
    `{${Array.from({ length: 100_000 }, (_, i) => `"k${i}":${i}`).join(',')}}`,
    `{"a":"${'x'.repeat(5 * RECORD_BYTES_MAX)}"}`,
    `{"a":[${'1,'.repeat(2 * RECORD_BYTES_MAX)}1]}`,
  ]
  for (const monster of monsters) {
    const scanned = scan(`{"n":1}\n${monster}\n{"n":2}\n`)
    assert.deepEqual(numbers(scanned), ['1', '2'])
    assert.equal(scanned.rejections.length, 1)
    assert.deepEqual([scanned.rejections[0]!.start, scanned.rejections[0]!.end], [8, 8 + monster.length])
    for (const { start, end } of scanned.chunks) assert.ok(end - start <= 2 * CHUNK_BYTES_MAX + RECORD_BYTES_MAX)
  }
  for (const monster of monsters.slice(1)) {
    const scanned = scan(`[{"n":1},${monster},{"n":2}]`, { format: 'json' })
    assert.deepEqual([numbers(scanned), scanned.rejections.length], [['1', '2'], 1])
  }
})

/** Records of many sizes, with characters of one to four bytes, that meet every boundary. */
function bodyOf(records: number, size: (i: number) => number): string[] {
  return Array.from({ length: records }, (_, i) => {
    const pad = ['x', 'é', '好', '𝒳'][i % 4]!.repeat(size(i))
    return `{"n":${i},"s":"s${i % 5}","pad":"${pad}"}`
  })
}

test('windows and chunks cut nothing, whatever stands on their edges, and a second scan is cut alike', () => {
  for (const size of [(i: number) => (i * 37) % 700, (i: number) => (i % 9 === 0 ? 60_000 : 100), () => 3]) {
    const lines = bodyOf(size(1) === 3 ? 9_500 : 2_400, size)
    for (const [body, format] of [
      [lines.join('\n'), 'ndjson'],
      [lines.join('\r\n\r\n'), 'ndjson'],
      [`[${lines.join(',')}]`, 'json'],
      [`{"logs":[${lines.join(' ,\n')}]}`, 'json'],
      [lines.join(''), 'json'],
    ] as const) {
      const scanned = scan(body, { format })
      assert.deepEqual(scanned.rejections, [])
      assert.deepEqual(
        numbers(scanned),
        lines.map((_, i) => String(i)),
      )
      scanned.rows.forEach((row, i) => {
        assert.equal(text(row, 'pad'), JSON.parse(lines[i]!).pad)
      })
      assert.deepEqual(scan(body, { format, receivedMs: NOW_MS + 5 }).chunks, scanned.chunks)
      let at = 0
      for (const chunk of scanned.chunks) {
        assert.equal(chunk.start, at)
        assert.ok(chunk.accepted <= CHUNK_ROWS_MAX)
        at = chunk.end
      }
      assert.equal(at, bytesOf(body).length)
    }
  }
})

test('requests take turns between chunks without mixing', () => {
  const { paths, scanner } = newScanner()
  const bodies = ['a', 'b'].map((name) =>
    bytesOf(
      bodyOf(20_000, () => 30)
        .join('\n')
        .replaceAll('"s"', `"${name}"`),
    ),
  )
  const options = { format: 'ndjson', receivedMs: NOW_MS, oldestMs: 0, newestMs: NOW_MS } as const
  const cursors = bodies.map((body, i) => scanner.open(body, { ...options, messageField: i === 0 ? 'a' : 'n' }))
  const writers = cursors.map(() => new ColumnWriter(paths))
  while (cursors.some((cursor) => !cursor.isDone))
    cursors.forEach((cursor, i) => {
      if (!cursor.isDone)
        scanner.scanChunk(
          cursor,
          () => writers[i]!,
          () => assert.fail('a record was refused'),
        )
    })
  assert.deepEqual(
    writers.map((writer) => writer.rowCount),
    [20_000, 20_000],
  )
  assert.deepEqual(
    writers.map((writer) => [...writer.finish().columnNames].sort()),
    [
      ['\\@src.message', 'level', 'message', 'n', 'pad', 'service'],
      ['\\@src.message', 'b', 'level', 'message', 'pad', 'service'],
    ],
  )
})

test('a service is asked for once a chunk, also when there are very many', () => {
  const few = scan(Array.from({ length: 5000 }, (_, i) => `{"service":"s${i % 40}"}`).join('\n'))
  assert.deepEqual(
    few.services,
    Array.from({ length: 40 }, (_, i) => `s${i}`),
  )
  const many = scan(Array.from({ length: 5000 }, (_, i) => `{"service":"s${i}"}`).join('\n'))
  assert.equal(many.services.length, 5000)
  assert.deepEqual(
    many.rows.map((row) => text(row, 'service')),
    many.services,
  )
})

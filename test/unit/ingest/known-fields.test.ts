import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KNOWN_NAMES } from '../../../ingest/known-fields.ts'
import { LEVEL_WARN } from '../../../ingest/level.ts'
import { NOW_MS, scan, text } from './harness.ts'

function one(record: unknown, options = {}): Map<string, [number, string]> {
  const { rows, rejections } = scan(JSON.stringify(record), options)
  assert.deepEqual(rejections, [])
  return rows[0]!
}

/** The record that has `value` at a canonical path. */
function at(path: string, value: unknown): Record<string, unknown> {
  if (path.includes('\\.')) return { [path.replace('\\.', '.')]: value }
  const [first, second] = path.split('.')
  return second === undefined ? { [path]: value } : { [first!]: { [second]: value } }
}

const VALUES = ['2026-11-21T07:00:00Z', 'WARN', 'shop', 'hello', 'web-1', 'abc', 'def']

test('each name of a known field leads to its column, and the name is kept', () => {
  KNOWN_NAMES.forEach((names, field) => {
    names.forEach((name, rank) => {
      const row = one(at(name, name === 'severity_number' ? 13 : VALUES[field]))
      if (field > 0) assert.equal(text(row, names[0]!), VALUES[field], name)
      assert.equal(text(row, `\\@src.${names[0]}`), rank === 0 ? undefined : name)
      if (rank > 0) assert.equal(row.has(name), false, name)
    })
  })
})

test('the first listed name wins, wherever it stands; the others stay where they were sent', () => {
  const row = one({
    body: 'c',
    app: 'x',
    msg: 'b',
    log: 'a',
    'service.name': 'flat',
    service: { name: 'nested', v: 1 },
  })
  assert.deepEqual([text(row, 'message'), text(row, '\\@src.message')], ['b', 'msg'])
  assert.deepEqual([text(row, 'log'), text(row, 'body')], ['a', 'c'])
  assert.deepEqual([text(row, 'service'), text(row, '\\@src.service')], ['nested', 'service.name'])
  assert.deepEqual([text(row, 'service\\.name'), text(row, 'app'), text(row, 'service.v')], ['flat', 'x', '1'])
})

test('an object under a known name is flattened; null and arrays under an alias are left where they are', () => {
  const row = one({
    message: { text: 'x' },
    host: null,
    hostname: 'h',
    msg: ['m'],
    log: null,
    body: 'found',
    tags: { a: 1 },
  })
  assert.deepEqual(
    [text(row, 'message.text'), text(row, 'message'), text(row, '\\@src.message')],
    ['x', 'found', 'body'],
  )
  assert.deepEqual([row.get('host'), text(row, 'hostname')], [[4, ''], 'h'])
  assert.deepEqual(
    [row.get('msg'), row.get('log'), row.get('tags.a')],
    [
      [5, '["m"]'],
      [4, ''],
      [2, '1'],
    ],
  )
  assert.deepEqual(one({ tags: ['a', 'b'] }).get('tags'), [5, '["a","b"]'])
})

test('what is missing is filled in', () => {
  const { rows, times } = scan('{}')
  assert.deepEqual(times, [[NOW_MS, 0]])
  assert.deepEqual(
    [...rows[0]!],
    [
      ['level', [1, 'INFO']],
      ['service', [1, 'unknown']],
    ],
  )
  const row = one({ a: 1 }, { serviceDefault: 'mine', hostDefault: 'here' })
  assert.deepEqual([text(row, 'service'), text(row, 'host')], ['mine', 'here'])
  const own = one({ service: 'its', hostname: 'there' }, { serviceDefault: 'mine', hostDefault: 'here' })
  assert.deepEqual([text(own, 'service'), text(own, 'host')], ['its', 'there'])
})

test('the level is normalised and its text kept where it differs', () => {
  const level = (record: unknown): unknown[] => {
    const row = one(record)
    return [text(row, 'level'), row.get('\\@level')]
  }
  assert.deepEqual(level({ level: 'ERROR' }), ['ERROR', undefined])
  assert.deepEqual(level({ level: 'warning' }), ['WARN', [1, 'warning']])
  assert.deepEqual(level({ level: 30 }), ['INFO', [2, '30']])
  assert.deepEqual(level({ severity: '3' }), ['ERROR', [1, '3']])
  assert.deepEqual(level({ severity_number: 17 }), ['ERROR', [2, '17']])
  assert.deepEqual(level({ severity_number: 17, severity_text: 'DEBUG' }), ['DEBUG', undefined])
  assert.deepEqual(level({ level: 'odd', message: 'ERROR: x' }), ['ERROR', [1, 'odd']])
  assert.deepEqual(level({ level: null }), ['INFO', [4, '']])
  assert.deepEqual(level({ msg: '2026-11-21 [warn] disk' }), ['WARN', undefined])
  assert.deepEqual(level({ message: 'no errors were found' }), ['INFO', undefined])
})

test('names that answers use for facts of ours return under metadata', () => {
  const row = one({ id: 7, ingestedAt: 'x', timestamp: null, metadata: { a: 1 } })
  assert.deepEqual(
    [text(row, 'metadata.id'), text(row, 'metadata.ingestedAt'), text(row, 'metadata.a')],
    ['7', 'x', '1'],
  )
  assert.deepEqual([row.get('metadata.timestamp'), row.has('id'), row.has('timestamp')], [[4, ''], false, false])
  assert.deepEqual([...one({ id: 1 }).keys()].sort(), ['level', 'metadata.id', 'service'])
  const taken = one({ id: 7, metadata: { id: 8, _id: { b: 9 } } })
  assert.deepEqual(
    [text(taken, 'metadata.__id'), text(taken, 'metadata.id'), text(taken, 'metadata._id.b')],
    ['7', '8', '9'],
  )
  const scalar = one({ id: 7, metadata: 'm' })
  assert.deepEqual([text(scalar, '_id'), text(scalar, 'metadata')], ['7', 'm'])
})

test('a request may choose where timestamp and message are found', () => {
  const options = { timeField: 'at.time', messageField: 'detail' }
  const record = { at: { time: 1790000000 }, timestamp: '2026-11-21T07:00:00Z', detail: 'd', message: 'm', msg: 'n' }
  const { rows, times } = scan(JSON.stringify(record), options)
  assert.deepEqual(times, [[1_790_000_000_000, 0]])
  assert.deepEqual(
    [text(rows[0], 'message'), text(rows[0], '\\@src.message'), text(rows[0], 'metadata.message')],
    ['d', 'detail', 'm'],
  )
  assert.deepEqual(
    [text(rows[0], '\\@src.timestamp'), text(rows[0], 'metadata.timestamp')],
    ['at.time', '2026-11-21T07:00:00Z'],
  )
  const flat = scan('{"at.time":1790000001}', options)
  assert.deepEqual([flat.times, text(flat.rows[0], '\\@src.timestamp')], [[[1_790_000_001_000, 0]], 'at\\.time'])
  // It holds for that request only, and other names still serve where the chosen one is missing.
  assert.equal(text(one({ detail: 'd', message: 'm' }), 'message'), 'm')
  assert.equal(text(one({ msg: 'n' }, options), 'message'), 'n')
  assert.throws(() => scan('{}', { messageField: 'x'.repeat(2000) }), { code: 'invalid_parameter' })
})

test('times that are malformed or out of range reject their record', () => {
  const body = [
    '{"ts":"yesterday"}',
    '{"time":"1969-12-31T23:59:59Z"}',
    '{"ts":"2026-11-21T07:00:00Z"}',
    '{"ts":"0000-01-01T00:00:00Z"}',
    '{"ts":"9999-12-31T23:59:59Z"}',
  ]
  const { rejections, rows } = scan(body.join('\n'), { oldestMs: 0, newestMs: NOW_MS + 1 })
  assert.deepEqual(
    rejections.map(({ index, code }) => [index, code]),
    [
      [0, 'invalid_timestamp'],
      [1, 'timestamp_out_of_range'],
      [3, 'timestamp_out_of_range'],
      [4, 'timestamp_out_of_range'],
    ],
  )
  assert.equal(rows.length, 1)
})

test('under pressure rows below the floor are refused as overloaded', () => {
  const { rows, rejections } = scan('{"level":"debug"}\n{"level":"WARN"}\n{}\n{"level":"FATAL"}', {
    levelFloor: LEVEL_WARN,
  })
  assert.deepEqual(
    rows.map((row) => text(row, 'level')),
    ['WARN', 'FATAL'],
  )
  assert.deepEqual(
    rejections.map(({ index, code }) => [index, code]),
    [
      [0, 'overloaded'],
      [2, 'overloaded'],
    ],
  )
})

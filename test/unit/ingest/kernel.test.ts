import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { ColumnWriter } from '../../../ingest/column-writer.ts'
import { KERNEL_SOURCE_SHA256 } from '../../../ingest/kernel/kernel-code.ts'
import { KERNEL_PARTS } from '../../../ingest/kernel/kernel-parts.ts'
import { detectLevel, LEVEL_NAMES } from '../../../ingest/level.ts'
import { PathTable } from '../../../ingest/path-table.ts'
import { Scanner } from '../../../ingest/scanner.ts'
import { bytesOf, NOW_MS, newScanner, scan } from './harness.ts'

test('the compiled kernel is that of its source', () => {
  const folder = join(import.meta.dirname, '../../../ingest/kernel')
  const source = KERNEL_PARTS.map((part) => readFileSync(join(folder, part), 'utf8')).join('\n')
  const hash = createHash('sha256').update(source).digest('hex')
  assert.equal(hash, KERNEL_SOURCE_SHA256, 'run: node ingest/kernel/build.ts')
})

const word = fc.constantFrom(
  'a',
  'checkout',
  'x'.repeat(15),
  'y'.repeat(16),
  'z'.repeat(17),
  'é好𝒳',
  '',
  'w'.repeat(300),
  '7',
)
const text = fc.oneof(
  word,
  fc.string({ maxLength: 60 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.constantFrom('a "quoted" word', 'line\nline', 'tab\t\\ \u0001', 'ERROR: it broke', '[warn] careful', 'plain'),
)
const time = fc.oneof(
  fc.constantFrom(
    '2026-11-21T07:00:00Z',
    '2026-11-21T07:00:00.123Z',
    '2026-11-20 23:59:59,5',
    '2026-11-21T07:00:00.123456789Z',
    '2026-11-21T09:00:00+02:00',
    '2026-11-21t07:00:00z',
    '2026-02-30T00:00:00Z',
    '2026-11-21T07:00:0',
    '2026-11-21T07:00:00.Z',
    '2026-11-21T25:00:00Z',
    '1999-01-01T00:00:00Z',
    '2026-11-21T07:00:60Z',
  ),
  fc.constantFrom(
    1_790_000_000,
    1_790_000_000_123,
    1_790_000_000_123_456,
    1_790_000_000.25,
    12,
    -5,
    '1790000000',
    1_790_000_000_123_456_800,
    '1790000000123456789',
    '179000000012345678',
    '9223372036854775807',
    '9223372036854775808',
    '9999999999999999999',
    '10000000000000000000',
    '0001790000000123456',
    null,
    true,
    'never',
  ),
)
const level = fc.constantFrom(
  'INFO',
  'ERROR',
  'warn',
  'Debug',
  'fatal',
  'trace',
  30,
  3,
  '40',
  'odd',
  '',
  null,
  ['x'],
  'information',
  17.5,
)
const field = fc.oneof(
  text,
  fc.integer(),
  fc.double(),
  fc.boolean(),
  fc.constant(null),
  fc.array(fc.oneof(text, fc.integer()), { maxLength: 3 }),
  fc.constant([[1], { a: 2 }]),
  fc.constant({}),
)
const member: fc.Arbitrary<[string, unknown]> = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(fc.constantFrom('timestamp', 'time', '@timestamp', 'ts'), time) },
  { weight: 3, arbitrary: fc.tuple(fc.constantFrom('level', 'severity', 'lvl', 'severity_number'), level) },
  {
    weight: 3,
    arbitrary: fc.tuple(fc.constantFrom('service', 'app', 'source', 'service.name'), fc.oneof(word, field)),
  },
  { weight: 3, arbitrary: fc.tuple(fc.constantFrom('message', 'msg', 'log', 'body'), fc.oneof(text, field)) },
  {
    weight: 5,
    arbitrary: fc.tuple(
      fc.constantFrom('a', 'bb', 'ccc', 'status', 'latency_ms', 'a.b', 'k'.repeat(40), 'ké', 'traceId', 'hostname'),
      field,
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(
      fc.constantFrom('metadata', 'service', 'tags', 'o'),
      fc.dictionary(fc.constantFrom('id', 'name', 'x', 'y'), field, { maxKeys: 3 }),
    ),
  },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom('id', 'ingestedAt'), field) },
)
/** Lines as they are met: most of them well, some with equal keys, white space or damage. */
const line = fc.tuple(fc.array(member, { maxLength: 9 }), fc.nat(60), fc.nat()).map(([members, spelling, at]) => {
  const space = spelling % 7 === 0 ? ' ' : ''
  const raw = `{${space}${members.map(([key, value]) => `${JSON.stringify(key)}${space}:${space}${JSON.stringify(value)}`).join(`${space},`)}${space}}`
  // Some senders escape all that is not ASCII.
  const json =
    spelling % 3 === 0
      ? raw.replace(/[\u0080-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
      : raw
  if (spelling === 1) return json.slice(0, at % json.length)
  if (spelling === 2) return json.slice(0, at % json.length) + json.slice((at % json.length) + 1)
  if (spelling === 3) return `${json}${json}`
  if (spelling === 4) return ` ${json}\r`
  if (spelling === 5) return ''
  return json
})

test('with the kernel and without it rows, times, refusals and chunks are the same', () => {
  const paths = [new PathTable(3), new PathTable(3)]
  const scanners = [new Scanner(paths[0]!), new Scanner(paths[1]!, { usesKernel: false })]
  fc.assert(
    fc.property(
      fc.array(line, { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 1, max: 30 }),
      fc.constantFrom('ndjson', 'array', 'objects'),
      fc.record({
        levelFloor: fc.constantFrom(0, 3),
        hostDefault: fc.constantFrom(undefined, 'h'),
        messageField: fc.constantFrom(undefined, undefined, 'a'),
      }),
      (lines, repeat, form, { levelFloor, hostDefault, messageField }) => {
        const many = Array.from({ length: repeat }, () => lines).flat()
        const body =
          form === 'array'
            ? `[${many.filter((one) => one !== '').join(' ,\n')}]`
            : many.join(form === 'ndjson' ? '\n' : '')
        const options = {
          format: form === 'ndjson' ? 'ndjson' : 'json',
          oldestMs: NOW_MS - 1e11,
          levelFloor,
          ...(hostDefault === undefined ? {} : { hostDefault }),
          ...(messageField === undefined ? {} : { messageField }),
        } as const
        const [withKernel, without] = scanners.map((scanner, i) => scan(body, options, { paths: paths[i]!, scanner }))
        assert.deepEqual(withKernel!.rejections, without!.rejections)
        assert.deepEqual(withKernel!.times, without!.times)
        assert.deepEqual(withKernel!.chunks, without!.chunks)
        assert.deepEqual(withKernel!.services, without!.services)
        const sorted = (rows: Map<string, unknown>[]): unknown =>
          rows.map((row) => [...row].sort(([a], [b]) => (a < b ? -1 : 1)))
        assert.deepEqual(sorted(withKernel!.rows), sorted(without!.rows))
      },
    ),
    { numRuns: 1500 },
  )
  assert.ok(scanners[0]!.takenByKernel > 5_000, `the kernel took ${scanners[0]!.takenByKernel}`)
  assert.equal(scanners[1]!.takenByKernel, 0)
})

test('the kernel reads the same level off a message', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      'ERROR',
      'warn',
      'Info',
      'debug',
      'trace',
      'FATAL',
      'critical',
      'emergency',
      'EMERGENCY',
      'err',
      'ERR',
      'panic',
      'notice',
      'severe',
      'alert',
    ),
    fc.constantFrom(
      ' ',
      ':',
      '[',
      ']',
      '<',
      '>',
      '(',
      ')',
      '=',
      '"',
      'level=',
      'severity: ',
      '_',
      '1',
      'é',
      '\n',
      'x',
      'y'.repeat(20),
      ' '.repeat(40),
    ),
    fc.string({ maxLength: 6 }),
  )
  const message = fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join(''))
  const paths = new PathTable(3)
  const scanner = new Scanner(paths)
  fc.assert(
    fc.property(fc.array(message, { minLength: 3, maxLength: 3 }), (messages) => {
      const { rows } = scan(
        messages.map((one) => `${JSON.stringify({ message: one })}\n`).join(''),
        {},
        { paths, scanner },
      )
      rows.forEach((row, i) => {
        const bytes = bytesOf(messages[i]!)
        const level = detectLevel(bytes, 0, bytes.length)
        assert.equal(row.get('level')![1], LEVEL_NAMES[level] ?? 'INFO', messages[i])
      })
    }),
    { numRuns: 3000 },
  )
})

test('ordinary records go through the kernel, all but the first few', () => {
  const { paths, scanner } = newScanner()
  const writer = new ColumnWriter(paths)
  const lines = Array.from(
    { length: 2000 },
    (_, i) =>
      `{"timestamp":"2026-11-21T07:00:00.${100 + (i % 900)}Z","severity":"${i % 3 ? 'info' : 'ERROR'}","app":"s${i % 4}","msg":"n \\"${i}\\"","tags":["a","b"],"metadata":{"user":${i}}}`,
  )
  const cursor = scanner.open(bytesOf(lines.join('\n')), {
    format: 'ndjson',
    receivedMs: NOW_MS,
    oldestMs: 0,
    newestMs: NOW_MS * 2,
  })
  scanner.scanChunk(
    cursor,
    () => writer,
    () => assert.fail('a record was refused'),
  )
  assert.equal(writer.rowCount, 2000)
  assert.ok(scanner.takenByKernel > 1950, `${scanner.takenByKernel} of 2000`)
})

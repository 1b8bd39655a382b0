import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { exchangeBytes } from '../harness/http-client.ts'
import { shareNode } from '../harness/shared-node.ts'
import { type Found, type WeirClient, waitUntil } from '../harness/weir-client.ts'

const MIB = 1024 * 1024
const shared = await shareNode()
const GOOD = '{"message":"a good record"}'

/** Posts a bad line between two good ones; gives the reject, and checks that the good ones are found. */
async function amongGood(client: WeirClient, line: string | Buffer): Promise<Found | undefined> {
  const before = (await client.search({ query: '"a good record"', from: 0, total: 'exact' })).total
  const body = Buffer.concat([Buffer.from(`${GOOD}\n`), Buffer.from(line), Buffer.from(`\n${GOOD}\n`)])
  const answer = await client.ingestText(body)
  assert.equal(answer.status, 200, answer.text.slice(0, 500))
  const { accepted, errors } = answer.json()
  await client.found(before + 2, { query: '"a good record"' })
  assert.equal(accepted, errors.length === 0 ? 3 : 2)
  if (errors.length > 0) assert.equal(errors[0].index, 1)
  return errors[0]
}

test('records that cannot be taken are refused by their own reason, beside good ones', async () => {
  const client = shared.tenant()
  const deep = (depth: number) => `{"a":${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}}`
  const many = (count: number) => `{${Array.from({ length: count }, (_, i) => `"f${i}":${i}`).join(',')}}`
  const rejected: [string, string | Buffer, string][] = [
    ['1 MiB line', `{"message":"${'x'.repeat(MIB)}"}`, 'record_too_large|value_too_large'],
    ['long value', `{"message":"${'x'.repeat(257 * 1024)}"}`, 'value_too_large'],
    ['100,000 fields', many(100_000), 'record_too_large|too_many_fields'],
    ['257 fields', many(257), 'too_many_fields'],
    ['depth 10,000', deep(10_000), 'nesting_too_deep'],
    ['depth 10,000 of arrays', `{"a":${'['.repeat(10_000)}${']'.repeat(10_000)}}`, 'nesting_too_deep'],
    ['depth 10,000, cut off', `{"a":${'['.repeat(10_000)}`, 'nesting_too_deep|invalid_json'],
    ['invalid UTF-8', Buffer.from('7b226d223a22c3287d', 'hex'), 'invalid_utf8|invalid_json'],
    ['overlong UTF-8', Buffer.from('7b226d223a22c080227d', 'hex'), 'invalid_utf8'],
    ['UTF-8 surrogate', Buffer.from('7b226d223a22eda080227d', 'hex'), 'invalid_utf8'],
    ['NaN', '{"n":NaN}', 'invalid_json'],
    ['Infinity', '{"n":-Infinity}', 'invalid_json'],
    ['hexadecimal', '{"n":0x10}', 'invalid_json'],
    ['leading zero', '{"n":007}', 'invalid_json'],
    ['control character', '{"m":"\u0001"}', 'invalid_json'],
    ['comment', '{"m":1/*x*/}', 'invalid_json'],
    ['trailing comma', '{"m":1,}', 'invalid_json'],
    ['two values', '{"m":1}{"m":2', 'invalid_json'],
    ['year 0', '{"timestamp":"0000-01-01T00:00:00Z"}', 'timestamp_out_of_range'],
    ['year 9999', '{"timestamp":"9999-12-31T23:59:59.999999999Z"}', 'timestamp_out_of_range'],
    ['negative epoch', '{"timestamp":-1}', 'timestamp_out_of_range'],
    ['huge epoch', '{"timestamp":1e308}', 'timestamp_out_of_range|invalid_timestamp'],
    ['endless epoch', `{"timestamp":${'9'.repeat(500)}}`, 'timestamp_out_of_range|invalid_timestamp'],
    ['30 February', '{"timestamp":"2026-02-30T00:00:00Z"}', 'invalid_timestamp'],
    ['long path', `{"${'k'.repeat(2000)}":1}`, 'path_too_long'],
  ]
  for (const [name, line, code] of rejected) {
    const reject = await amongGood(client, line)
    assert.match(String(reject?.code), new RegExp(`^(?:${code})$`), name)
  }
})

test('records that look odd are taken as they are', async () => {
  const client = shared.tenant()
  const odd: [string, (record: Found) => void][] = [
    ['{"k":"lone","m":"\\ud800"}', ({ m }) => assert.ok(typeof m === 'string' && m.length >= 1)],
    ['{"k":"pair","m":"\\ud83d\\ude00"}', ({ m }) => assert.equal(m, '😀')],
    [
      '{"k":"proto","__proto__":{"admin":true},"constructor":{"prototype":{"x":1}}}',
      (r) => {
        assert.deepEqual(Object.getOwnPropertyDescriptor(r, '__proto__')?.value, { admin: true })
        assert.deepEqual(r.constructor, { prototype: { x: 1 } })
      },
    ],
    ['{"k":"dup","a":1,"a":{"b":2},"a":3}', ({ a }) => assert.equal(a, 3)],
    ['{"k":"nul","m":"a\\u0000b"}', ({ m }) => assert.equal(m, 'a\u0000b')],
    ['{"k":"crlf","m":"a\\r\\nSet-Cookie: x=1"}', ({ m }) => assert.equal(m, 'a\r\nSet-Cookie: x=1')],
    ['{"k":"deep","a":{"b":{"c":{"d":{"e":{"f":{"g":1}}}}}}}', ({ a }) => assert.equal(a.b.c.d.e.f.g, 1)],
    ['{"k":"sql","m":"\'; DROP TABLE logs; --"}', ({ m }) => assert.equal(m, "'; DROP TABLE logs; --")],
    ['{"k":"internal","\\\\@seq":1,"@level":"x","\\\\@level":2}', (r) => assert.equal(r['\\@seq'], 1)],
  ]
  for (const [line] of odd) assert.equal(await amongGood(client, line), undefined, line)
  for (const [line, check] of odd) {
    const { k } = JSON.parse(line) as { k: string }
    const [record] = await client.found(1, { query: `k:${k}` })
    check(record!)
  }
  const big = await client.ingestText('{"k":"big","n":9007199254740993}')
  assert.equal(big.status, 200)
  await client.found(1, { query: 'k:big n:9007199254740993' })
  assert.match((await client.get('/v1/logs/search', { query: 'k:big' })).text, /"n":9007199254740993[,}]/)
})

test('keys whose hashes collide, and ever new keys, cost no more than others', async () => {
  const client = shared.tenant()
  // Collide under 31-multiplier hashes, at every length.
  const pairs = ['Aa', 'BB']
  let keys = ['']
  for (let i = 0; i < 11; i++) keys = keys.flatMap((key) => pairs.map((pair) => key + pair))
  const lines: string[] = []
  for (let i = 0; i < keys.length; i += 128) {
    lines.push(
      `{${keys
        .slice(i, i + 128)
        .map((key) => `"${key}":1`)
        .join(',')}}`,
    )
  }
  for (let i = 0; i < 400; i++) lines.push(`{${Array.from({ length: 200 }, (_, n) => `"new_${i}_${n}":1`).join(',')}}`)
  const startedMs = performance.now()
  const answer = await client.ingestText(lines.join('\n'))
  assert.deepEqual(answer.json(), { accepted: lines.length, rejected: 0, errors: [] })
  assert.ok(performance.now() - startedMs < 10_000)
  await client.found(lines.length)
  await client.found(1, { query: 'new_399_199:1' })
  await client.found(1, { query: `${keys.at(-1)}:1` })
})

test('bombs and broken compression are refused, and what is good still comes in', async () => {
  const client = shared.tenant()
  const zeros = gzipSync(Buffer.alloc(16 * MIB, 0x20))
  const bomb = Buffer.concat(Array.from({ length: 640 }, () => zeros))
  assert.ok(bomb.length < 12 * MIB)
  const truncated = gzipSync(`${GOOD}\n`.repeat(1000)).subarray(0, 60)
  const alone = await client.ingestText(bomb, { 'content-encoding': 'gzip' })
  assert.equal(alone.status, 413, alone.text)
  const answers = await Promise.all([
    client.ingestText(truncated, { 'content-encoding': 'gzip' }),
    client.ingestText('no gzip at all', { 'content-encoding': 'gzip' }),
    client.ingestText('no zstd at all', { 'content-encoding': 'zstd' }),
    client.ingestText('no deflate', { 'content-encoding': 'deflate' }),
  ])
  assert.deepEqual(
    answers.map(({ status }) => status),
    [400, 400, 400, 400],
  )
  for (const answer of answers) assert.match(answer.headers['content-type']!, /problem\+json/)
  // Bombs at once share the budget of bytes: each is refused for itself or for the others.
  const many = await Promise.all(
    Array.from({ length: 4 }, () => client.ingestText(bomb, { 'content-encoding': 'gzip' })),
  )
  for (const { status } of many) assert.ok(status === 413 || status === 429, `${status}`)
  await client.ingest([{ message: 'after the bombs' }])
  await client.found(1)
})

test('expressions that backtrack elsewhere are answered in time, endless ones refused', async () => {
  const client = shared.tenant()
  const line = JSON.stringify({ message: `${'a'.repeat(30_000)}!` })
  await client.ingestText([line, line, line].join('\n'))
  await client.found(3)
  const patterns = [
    '/(a+)+$/',
    '/(a|aa)+$/',
    '/(.*a){20}$/',
    '/(a*)*b/',
    '/^(([a-z])+.)+[A-Z]([a-z])+$/',
    '/(?:a?){50}a{50}/',
  ]
  for (const pattern of patterns) {
    const startedMs = performance.now()
    const answer = await client.get('/v1/logs/search', { query: pattern })
    assert.ok(answer.status === 200 || answer.status === 400, `${pattern}: ${answer.text.slice(0, 300)}`)
    assert.ok(performance.now() - startedMs < 3000, pattern)
  }
  for (const pattern of ['/(a{1000}){1000}/', '/(?=a)b/', '/(a)\\1/', '/[/', `/${'('.repeat(3000)}/`]) {
    const answer = await client.get('/v1/logs/search', { query: pattern })
    assert.equal(answer.status, 400, pattern.slice(0, 30))
    assert.equal(answer.json().code, 'invalid_query')
  }
})

test('queries beyond every bound are refused at once', async () => {
  const client = shared.tenant()
  const queries = [
    'a '.repeat(5000),
    `${'('.repeat(2000)}a${')'.repeat(2000)}`,
    `${'NOT '.repeat(3000)}a`,
    Array.from({ length: 1500 }, (_, i) => `f${i}:1`).join(' OR '),
    `* ${'| where a = 1 '.repeat(600)}`,
  ]
  for (const query of queries) {
    const answer = await client.http.post('/v1/logs/search', { query })
    assert.equal(answer.status, 400, `${query.slice(0, 40)}: ${answer.text.slice(0, 200)}`)
  }
  const tooLong = await client.http.post('/v1/logs/search', { query: `"${'x'.repeat(20_000)}"` })
  assert.equal(tooLong.status, 400)
  const huge = await client.http.post('/v1/logs/search', { query: 'x'.repeat(2 * MIB) })
  assert.equal(huge.status, 413)
})

test('ids, names and headers are data, never paths or code', async () => {
  const client = shared.tenant()
  const paths = [
    '/v1/logs/..%2f..%2fetc%2fpasswd',
    '/v1/logs/%2e%2e/%2e%2e/keys',
    '/v1/logs/%00',
    '/v1/logs/..\\..\\x/context',
    `/v1/logs/${'a'.repeat(5000)}`,
    '/v1/traces/..%2f..%2f..%2fetc%2fpasswd',
    '/..%2f..%2fetc/passwd',
    '//etc/passwd',
  ]
  for (const path of paths) {
    const answer = await client.get(path)
    assert.ok([400, 404].includes(answer.status), `${path}: ${answer.status}`)
    assert.doesNotMatch(answer.text, /root:|node_modules|\/work\/|at .*\.ts/)
  }
  const values = await client.get(`/v1/fields/${encodeURIComponent('../../__proto__')}/values`)
  assert.deepEqual(values.json().values, [])
  for (const tenant of ['../other', 'a/b', 'a\u0000b', 'x!dead', '.hidden', 'a'.repeat(65)]) {
    let status: number
    try {
      status = (await shared.client({ 'x-scope-orgid': tenant }).get('/v1/logs/search')).status
    } catch {
      continue // The client itself refuses to send such a header.
    }
    assert.equal(status, 400, tenant)
  }
  const { port } = shared.node
  const smuggled = await exchangeBytes(
    port,
    'POST /v1/logs/ingest HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n',
  )
  assert.match(smuggled, /^HTTP\/1\.1 400 /)
  const injected = await exchangeBytes(
    port,
    'GET /v1/logs/search?x=%0d%0aSet-Cookie:%20a=b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
  )
  assert.match(injected, /^HTTP\/1\.1 400 /)
  assert.doesNotMatch(injected, /^set-cookie/im)
  assert.match(await exchangeBytes(port, '\u0016\u0003\u0001rubbish\r\n\r\n'), /^HTTP\/1\.1 400 /)
  const long = await exchangeBytes(port, `GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: ${'x'.repeat(100_000)}\r\n\r\n`)
  assert.match(long, /^HTTP\/1\.1 431 /)
})

test('slow and aborted uploads hold nothing up and leave nothing behind', async () => {
  const client = shared.tenant()
  const { port } = shared.node
  const head = (length: number) =>
    `POST /v1/logs/ingest HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nContent-Length: ${length}\r\n`
  // Bodies that announce much and send little, headers that never end.
  const slow = Array.from({ length: 200 }, (_, i) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => undefined)
    socket.write(i % 2 === 0 ? `${head(60 * MIB)}\r\n${GOOD}` : head(10))
    return socket
  })
  const half = Array.from({ length: 20 }, () => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => undefined)
    socket.write(`${head(2 * MIB)}\r\n${`${GOOD}\n`.repeat(20_000)}`)
    return socket
  })
  const startedMs = performance.now()
  for (let i = 0; i < 20; i++) await client.ingest([{ message: 'between them' }])
  assert.ok(performance.now() - startedMs < 5000, 'others are served')
  await client.found(20)
  for (const socket of [...slow, ...half]) socket.destroy()
  await waitUntil(
    async () => /^weir_ingest_in_flight_bytes\S* 0$/m.test(await inFlight()),
    () => 'nothing of the aborted requests is in flight',
  )
  assert.equal((await shared.client().search({ query: '"a good record"', from: 0, total: 'exact' })).total, 0)
})

async function inFlight(): Promise<string> {
  const { text } = await shared.client().get('/metrics')
  const lines = text.split('\n').filter((line) => line.startsWith('weir_ingest_in_flight_bytes'))
  assert.ok(lines.length > 0, text.slice(0, 500))
  const sum = lines.reduce((total, line) => total + Number(line.split(' ').at(-1)), 0)
  return `weir_ingest_in_flight_bytes ${sum}`
}

test('a flood beyond the budget of bytes is refused with 429 and a time to wait', async () => {
  const client = shared.tenant()
  const line = `${JSON.stringify({ level: 'ERROR', message: 'x'.repeat(1000) })}\n`
  const body = Buffer.from(line.repeat(30_000))
  const answers = await Promise.all(Array.from({ length: 24 }, () => client.ingestText(body)))
  const statuses = new Set(answers.map(({ status }) => status))
  for (const status of statuses) assert.ok(status === 200 || status === 429, [...statuses].join())
  for (const answer of answers) {
    if (answer.status === 429) assert.ok(Number(answer.headers['retry-after']) >= 1)
    else assert.equal(answer.json().accepted, 30_000)
  }
  const taken = answers.filter(({ status }) => status === 200).length
  assert.ok(taken > 0)
  await client.found(taken * 30_000, { limit: 1 })
})

test('through all of this the memory of the node stayed bounded, and nothing surprised it', () => {
  const { peak } = shared.node.memory()
  assert.ok(peak < RSS_MAX, `the node held ${Math.round(peak / MIB)} MiB at its peak`)
  assert.doesNotMatch(shared.node.stderr, /"level":"(?:ERROR|FATAL)","timestamp"/)
})

/** Its own size, the bytes in flight on each worker with what is made of them, and heads waiting for a slow disk. */
const RSS_MAX = 1400 * MIB

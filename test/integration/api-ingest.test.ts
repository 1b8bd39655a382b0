import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { shareNode } from '../harness/shared-node.ts'
import { type Found, waitUntil } from '../harness/weir-client.ts'

const shared = await shareNode()
const INGEST = '/v1/logs/ingest'

/** A record without what the node adds. */
function sent({ id, ingestedAt, ...rest }: Found): Found {
  assert.match(id, /^[0-9a-f]{42}$/)
  assert.match(ingestedAt, /^\d{4}-\d\d-\d\dT/)
  return rest
}

test('one record, an array, an envelope and lines are taken alike', async () => {
  const client = shared.tenant()
  const now = new Date().toISOString()
  const record = (n: number) => ({ timestamp: now, level: 'INFO', service: 'shop', message: `record ${n}` })
  const bodies: [string, string, number][] = [
    ['application/json', JSON.stringify(record(0)), 1],
    ['application/json', JSON.stringify([record(1), record(2)]), 2],
    ['application/json', JSON.stringify({ logs: [record(3), record(4)] }), 2],
    ['application/x-ndjson', `${JSON.stringify(record(5))}\n\n${JSON.stringify(record(6))}\n`, 2],
    ['application/stream+json', `${JSON.stringify(record(7))}\r\n${JSON.stringify(record(8))}`, 2],
  ]
  for (const [type, body, accepted] of bodies) {
    const answer = await client.http.send(INGEST, { method: 'POST', headers: { 'content-type': type }, body })
    assert.equal(answer.status, 200, answer.text)
    assert.deepEqual(answer.json(), { accepted, rejected: 0, errors: [] })
  }
  const messages = (await client.found(9)).map(({ message }) => message).sort()
  assert.deepEqual(
    messages,
    Array.from({ length: 9 }, (_, n) => `record ${n}`),
  )
})

test('gzip, zstd and deflate of both kinds are inflated', async () => {
  const client = shared.tenant()
  const encodings: [string, (body: Buffer) => Buffer][] = [
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
    ['deflate', deflateSync],
    ['deflate', deflateRawSync],
    ['identity', (body) => body],
  ]
  for (const [i, [encoding, compress]] of encodings.entries()) {
    const body = compress(Buffer.from(JSON.stringify({ message: `packed ${i}` })))
    const answer = await client.ingestText(body, { 'content-encoding': encoding })
    assert.equal(answer.status, 200, `${encoding}: ${answer.text}`)
  }
  await client.found(encodings.length, { query: 'packed' })
  const unknown = await client.ingestText('{}', { 'content-encoding': 'br' })
  assert.equal(unknown.status, 415)
})

test('known fields are found under every name that senders have for them', async () => {
  const client = shared.tenant()
  const aliases: Readonly<Record<string, readonly unknown[]>> = {
    level: ['level', 'severity', 'severity_text', 'loglevel', 'lvl'].map((name) => ({ [name]: 'error' })),
    service: [
      ...['service', 'source', 'service.name', 'service_name', 'app', 'app_name', 'job'].map((n) => ({ [n]: 'pay' })),
      { service: { name: 'pay' } },
    ],
    message: ['message', 'msg', 'log', '_msg', 'body'].map((name) => ({ [name]: 'paid' })),
    host: [...['host', 'hostname', 'host.name'].map((name) => ({ [name]: 'h1' })), { host: { name: 'h1' } }],
    traceId: [
      ...['traceId', 'trace_id', 'trace.id', 'correlationId', 'correlation_id', 'requestId'].map((n) => ({
        [n]: 't1',
      })),
      { trace: { id: 't1' } },
    ],
  }
  const wanted: Readonly<Record<string, string>> = {
    level: 'ERROR',
    service: 'pay',
    message: 'paid',
    host: 'h1',
    traceId: 't1',
  }
  for (const [field, records] of Object.entries(aliases)) {
    await client.ingest(records.map((record) => ({ ...(record as object), kind: field })))
    const found = await client.found(records.length, { query: `kind:${field}` })
    for (const record of found) assert.equal(record[field], wanted[field], `${field} of ${JSON.stringify(record)}`)
    assert.equal(
      (await client.found(records.length, { query: `kind:${field} ${field}:${wanted[field]}` })).length > 0,
      true,
    )
  }
})

test('timestamps of every form are read to the nanosecond', async () => {
  const client = shared.tenant()
  const ms = Math.floor(Date.now() / 1000) * 1000 + 123
  const iso = new Date(ms).toISOString()
  const day = iso.slice(0, 10)
  const clock = iso.slice(11, 19)
  const forms: [unknown, string][] = [
    [iso, iso],
    [`${day}T${clock}.123456789Z`, `${day}T${clock}.123456789Z`],
    [`${day} ${clock},5`, `${day}T${clock}.500Z`],
    [`${day}T${clock}Z`, `${day}T${clock}.000Z`],
    [shifted(ms, 120).replace('Z', '+02:00'), iso],
    [shifted(ms, -330).replace('Z', '-0530'), iso],
    [ms, iso],
    [ms / 1000, iso],
    [`${ms}`, iso],
    [Math.floor(ms / 1000), `${day}T${clock}.000Z`],
    [ms * 1000, iso],
    [raw(`${ms}456789`), `${day}T${clock}.123456789Z`],
    [raw(`${Math.floor(ms / 1000)}.123456789`), `${day}T${clock}.123456789Z`],
  ]
  const lines = forms.map(
    ([form], i) => `{"n":${i},"timestamp":${form instanceof Raw ? form.text : JSON.stringify(form)}}`,
  )
  const answer = await client.ingestText(lines.join('\n'))
  assert.deepEqual(answer.json(), { accepted: forms.length, rejected: 0, errors: [] })
  const found = await client.found(forms.length)
  for (const [i, [form, wanted]] of forms.entries()) {
    const record = found.find(({ n }) => n === i)
    assert.equal(record?.timestamp, wanted, `form ${form instanceof Raw ? form.text : form}`)
  }
  for (const name of ['timestamp', '@timestamp', 'time', 'ts', '_time', 'date']) {
    await client.ingest([{ alias: name, [name]: iso }])
    const [record] = await client.found(1, { query: `alias:${name}` })
    assert.equal(record?.timestamp, iso, name)
  }
})

class Raw {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}
const raw = (text: string) => new Raw(text)

/** The local time of `ms` so many minutes east. */
function shifted(ms: number, minutes: number): string {
  return new Date(ms + minutes * 60_000).toISOString()
}

test('a record without a time, level or service is given them', async () => {
  const client = shared.tenant()
  const before = Date.now()
  await client.ingest([{ message: 'plain' }, { message: '[error] it broke' }, { message: 'x', level: 'odd' }])
  const found = await client.found(3)
  for (const record of found) {
    assert.equal(record.service, 'unknown')
    const at = Date.parse(record.timestamp)
    assert.ok(at >= before && at <= Date.now() + 1, record.timestamp)
  }
  const levelOf = (message: string) => found.find((record) => record.message === message)?.level
  assert.equal(levelOf('plain'), 'INFO')
  assert.equal(levelOf('[error] it broke'), 'ERROR')
})

test('levels of every scale are normalised', async () => {
  const client = shared.tenant()
  const levels: [object, string][] = [
    [{ level: 'warning' }, 'WARN'],
    [{ level: 'Err' }, 'ERROR'],
    [{ level: 'critical' }, 'FATAL'],
    [{ level: 'notice' }, 'INFO'],
    [{ level: 'verbose' }, 'TRACE'],
    [{ level: 10 }, 'TRACE'],
    [{ level: 30 }, 'INFO'],
    [{ level: 60 }, 'FATAL'],
    [{ level: 3 }, 'ERROR'],
    [{ level: 7 }, 'DEBUG'],
    [{ severity_number: 9 }, 'INFO'],
    [{ severity_number: 21 }, 'FATAL'],
  ]
  await client.ingest(levels.map(([level], n) => ({ n, ...level })))
  const found = await client.found(levels.length)
  for (const [n, [level, wanted]] of levels.entries()) {
    assert.equal(found.find((record) => record.n === n)?.level, wanted, JSON.stringify(level))
  }
  assert.equal((await client.found(1, { level: 'warning' })).length, 1)
  assert.equal((await client.found(2, { query: 'level:err' })).length, 2)
})

test('the record comes back: types, number texts, nesting, empty values, odd keys (S8)', async () => {
  const client = shared.tenant()
  const timestamp = new Date().toISOString()
  const lines = [
    '{"a":null,"b":"","c":{},"d":[],"e":"5","f":5,"g":5.0,"h":1e3,"i":-0,"j":true}',
    '{"big":9007199254740993,"long":123456789012345678901234567890,"tiny":1e-400,"pi":3.14159265358979323846264338327950288}',
    '{"nested":{"deep":{"er":[1,{"x":null},"2"]},"k":{}},"a.b":1,"a":{"b":2}}',
    '{"metadata":{"userId":"u_1","n":1},"tags":["x","y"]}',
    '{"tags":{"env":"prod","n":1},"unicode":"\\u00e9 \\ud83d\\ude00 \\u0000 \\" \\\\ \\/"}',
    '{"__proto__":{"polluted":true},"constructor":"c","toString":1,"hasOwnProperty":null}',
    '{"":"empty key","\\u0000":"nul","é":1,"x y":2,"*":3,"\\\\":4}',
    '{"dup":1,"dup":2,"o":{"p":1},"o":{"q":2}}',
  ]
  const shown = lines.map(
    (line, n) => `{"n":${n},"timestamp":"${timestamp}","level":"WARN","service":"s8",${line.slice(1)}`,
  )
  const answer = await client.ingestText(shown.join('\n'))
  assert.deepEqual(answer.json(), { accepted: lines.length, rejected: 0, errors: [] })
  await client.found(lines.length)
  for (const [n, line] of shown.entries()) {
    const text = (await client.get('/v1/logs/search', { query: `n:${n}` })).text
    const record = /\{"logs":\[(.*)\],"total"/s.exec(text)?.[1]
    assert.ok(record !== undefined, text)
    // The last of duplicate keys wins; texts of numbers are compared as texts.
    assert.deepEqual(sent(numbersAsTexts(record)), numbersAsTexts(line), `record ${n}: ${record}`)
  }
})

/** Parsed, with every number as the text it had; own keys only, `__proto__` included. */
function numbersAsTexts(json: string): Found {
  return JSON.parse(json, (_key, value, context?: { source?: string }) =>
    typeof value === 'number' ? `number ${context?.source}` : value,
  )
}

test("a sender's id and ingestedAt return under metadata", async () => {
  const client = shared.tenant()
  await client.ingest([{ id: 'mine', ingestedAt: 'then', metadata: { k: 1 } }])
  const [record] = await client.found(1)
  assert.deepEqual(record?.metadata, { id: 'mine', ingestedAt: 'then', k: 1 })
  await client.found(1, { query: 'metadata.id:mine' })
})

test('mapping parameters name the fields to take', async () => {
  const client = shared.tenant()
  const when = new Date(Date.now() - 60_000).toISOString()
  const answer = await client.ingestText(
    JSON.stringify({ when, text: 'mapped', message: 'other' }),
    {},
    { time_field: 'when', message_field: 'text', service: 'fallback', host: 'h9' },
  )
  assert.equal(answer.status, 200, answer.text)
  const [record] = await client.found(1)
  assert.equal(record?.timestamp, when)
  assert.equal(record?.service, 'fallback')
  assert.equal(record?.host, 'h9')
  assert.equal(record?.message, 'mapped')
})

test('good records are kept beside bad ones, which are named and kept as dead letters', async () => {
  const client = shared.tenant()
  const old = new Date(Date.now() - 90 * 86_400_000).toISOString()
  const ahead = new Date(Date.now() + 3 * 86_400_000).toISOString()
  const lines: [string | Buffer, string | undefined][] = [
    ['{"message":"good one"}', undefined],
    ['{"message":', 'invalid_json'],
    ['[1]', 'not_an_object'],
    ['"text"', 'not_an_object'],
    [`{"timestamp":"${old}"}`, 'timestamp_out_of_range'],
    [`{"timestamp":"${ahead}"}`, 'timestamp_out_of_range'],
    ['{"timestamp":"yesterday"}', 'invalid_timestamp'],
    [Buffer.from([0x7b, 0x22, 0x6d, 0x22, 0x3a, 0x22, 0xff, 0xfe, 0x22, 0x7d]), 'invalid_utf8'],
    [`{"message":"${'x'.repeat(300 * 1024)}"}`, 'value_too_large'],
    [`{"a":${'['.repeat(40)}${']'.repeat(40)}}`, 'nesting_too_deep'],
    ['{"message":"good two"}', undefined],
  ]
  const body = Buffer.concat(lines.flatMap(([line]) => [Buffer.from(line), Buffer.from('\n')]))
  const answer = await client.ingestText(body)
  assert.equal(answer.status, 200, answer.text)
  const { accepted, rejected, errors } = answer.json()
  const bad = lines.flatMap(([, code], index) => (code === undefined ? [] : [{ index, code }]))
  assert.equal(accepted, 2)
  assert.equal(rejected, bad.length)
  assert.deepEqual(
    errors.map(({ index, code }: { index: number; code: string }) => ({ index, code })),
    bad,
  )
  for (const { reason } of errors) assert.match(reason, /\w+ \w+/)
  await client.found(2, { query: 'good' })
  await client.found(2)

  let letters: Found[] = []
  await waitUntil(
    async () => {
      letters = (await client.json('/v1/dead-letters')).deadLetters
      return letters.length === bad.length
    },
    () => `${bad.length} dead letters are listed, not ${letters.length}`,
  )
  assert.deepEqual(letters.map(({ code }) => code).sort(), bad.map(({ code }) => code).sort())
  for (const letter of letters) {
    assert.equal(letter.protocol, 'http')
    assert.ok(letter.reason.length > 0)
    const bytes = Buffer.from(letter.raw, letter.encoding)
    const wanted = lines
      .filter(([, code]) => code === letter.code)
      .map(([line]) => Buffer.from(line).subarray(0, 64 * 1024))
    assert.ok(
      wanted.some((line) => line.equals(bytes)),
      `${letter.code}: ${letter.raw.slice(0, 100)}`,
    )
    assert.ok(errors.some(({ code, reason }: Found) => code === letter.code && reason === letter.reason))
  }
  assert.equal(letters.find(({ code }) => code === 'invalid_utf8')?.encoding, 'base64')

  const pages: Found[] = []
  let cursor: string | null = null
  do {
    const page = await client.json('/v1/dead-letters', { limit: 4, ...(cursor === null ? {} : { cursor }) })
    pages.push(...page.deadLetters)
    cursor = page.nextCursor
  } while (cursor !== null)
  assert.deepEqual(
    pages.map(({ id }) => id),
    letters.map(({ id }) => id),
  )
})

test('a request of which nothing is accepted is answered 400 with the reasons', async () => {
  const client = shared.tenant()
  const answer = await client.ingestText('nonsense\n{"a":')
  assert.equal(answer.status, 400)
  const problem = answer.json()
  assert.equal(problem.code, 'nothing_accepted')
  assert.equal(problem.accepted, 0)
  assert.equal(problem.rejected, 2)
  assert.deepEqual(
    problem.errors.map(({ index }: Found) => index),
    [0, 1],
  )
  for (const body of ['', ' \n \n', '[]', '{"logs":[]}']) {
    const empty = await client.http.send(INGEST, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    })
    assert.equal(empty.status, 400, `${JSON.stringify(body)}: ${empty.text}`)
  }
})

test('a request with an idempotency key is stored once, however often it comes', async () => {
  const client = shared.tenant()
  const body = Array.from({ length: 20_000 }, (_, n) => `{"n":${n},"service":"s${n % 7}"}`).join('\n')
  const headers = { 'idempotency-key': 'batch-1' }
  for (let i = 0; i < 3; i++) {
    const answer = await client.ingestText(body, headers)
    assert.equal(answer.status, 200, answer.text)
    assert.equal(answer.json().accepted, 20_000)
  }
  // The next request is applied after all of them.
  await client.ingest([{ message: 'marker' }])
  await client.found(1, { query: 'marker' })
  await client.found(20_001)
  const again = await client.ingestText(body, headers)
  assert.deepEqual([again.json().accepted, again.headers['idempotent-replayed']], [20_000, 'true'])
  const other = await client.ingestText('{"n":-1}', headers)
  assert.equal(other.status, 422, other.text)
  assert.equal(other.json().code, 'idempotency_conflict')
  const otherTenant = await shared.tenant().ingestText('{"n":-1}', headers)
  assert.equal(otherTenant.status, 200, 'keys are scoped by tenant')
})

test('of many requests at once with one key one is stored', async () => {
  const client = shared.tenant()
  for (let round = 0; round < 5; round++) {
    const body = Array.from({ length: 50 }, (_, n) => `{"n":${n},"round":${round},"service":"s${n % 5}"}`).join('\n')
    const headers = { 'idempotency-key': `round-${round}` }
    const answers = await Promise.all(Array.from({ length: 12 }, () => client.ingestText(body, headers)))
    for (const answer of answers) assert.equal(answer.status, 200, answer.text)
  }
  await client.ingest([{ message: 'marker' }])
  await client.found(1, { query: 'marker' })
  await client.found(251)
})

test('of two bodies at once with one key one is stored and the other refused', async () => {
  const client = shared.tenant()
  let stored = 0
  for (let round = 0; round < 10; round++) {
    const headers = { 'idempotency-key': `contested ${round}` }
    const answers = await Promise.all(
      Array.from({ length: 6 }, (_, n) => client.ingestText(`{"round":${round},"body":${n}}`, headers)),
    )
    const statuses = answers.map(({ status }) => status).sort()
    assert.deepEqual(statuses, [200, 422, 422, 422, 422, 422], `round ${round}`)
    stored++
  }
  await client.ingest([{ message: 'marker' }])
  await client.found(1, { query: 'marker' })
  await client.found(stored + 1)
})

test('lines of plain text are messages, once for a key', async () => {
  const client = shared.tenant()
  const text = { 'content-type': 'text/plain; charset=utf-8', 'idempotency-key': 'lines' }
  const body = Buffer.concat([
    Buffer.from('[WARN] first\r\n\n{"not":"parsed"}\n'),
    Buffer.from([0xff, 0x0a]),
    Buffer.from('last'),
  ])
  for (let time = 0; time < 2; time++) {
    const answer = await client.http.send(`${INGEST}?service=shop&host=h1`, { method: 'POST', headers: text, body })
    assert.equal(answer.status, 200, answer.text)
    assert.deepEqual([answer.json().accepted, answer.json().rejected], [3, 1])
  }
  const found = await client.found(3)
  assert.deepEqual(found.map(({ message }) => message).sort(), ['[WARN] first', 'last', '{"not":"parsed"}'])
  for (const record of found) assert.deepEqual([record.service, record.host], ['shop', 'h1'])
  assert.equal(found.find(({ message }) => message.endsWith('first'))?.level, 'WARN')
  const empty = await client.http.send(INGEST, {
    method: 'POST',
    headers: { 'content-type': 'text/plain' },
    body: '\n\r\n',
  })
  assert.equal(empty.status, 400)
})

test('malformed keys, parameters and types are refused by name', async () => {
  const client = shared.tenant()
  for (const key of ['', 'x'.repeat(257), '\u00e9', 'a\tb']) {
    const answer = await client.ingestText('{}', { 'idempotency-key': key })
    assert.equal(answer.status, 400, JSON.stringify(key))
  }
  const unknown = await client.ingestText('{}', {}, { nonsense: 1 })
  assert.equal(unknown.status, 400)
  assert.equal(unknown.json().parameter, 'nonsense')
  const twice = await client.http.send(`${INGEST}?service=a&service=b`, { method: 'POST', body: '{}' })
  assert.equal(twice.status, 400)
  assert.equal(twice.json().parameter, 'service')
})

import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { exchangeBytes } from '../harness/http-client.ts'
import { shareNode } from '../harness/shared-node.ts'
import { endedJob, formOf, ndjson, uploadForm } from '../harness/upload-client.ts'
import { type WeirClient, waitUntil } from '../harness/weir-client.ts'

const MIB = 1024 * 1024
const directory = mkdtempSync(join(tmpdir(), 'weir-upload-'))
const { node, tenant } = await shareNode({
  'data.dir': directory,
  'uploads.bytesMax': 64 * MIB,
  'uploads.inflatedBytesMax': 100 * MIB,
  'uploads.jobsMax': 3,
})
after(() => rmSync(directory, { recursive: true, force: true }))

const COUNT = 20_000

/** Parts of uploads that lie on the disk. */
function uploadParts(): string[] {
  try {
    const entries = readdirSync(join(directory, 'objects/v1/uploads'), { recursive: true, withFileTypes: true })
    return entries.filter((entry) => entry.name.endsWith('.part')).map((entry) => join(entry.parentPath, entry.name))
  } catch {
    return []
  }
}

function post(client: WeirClient, path: string, body: string | Uint8Array, headers: Record<string, string> = {}) {
  return client.http.send(path, { method: 'POST', headers, body })
}

async function uploadRaw(
  client: WeirClient,
  query: string,
  body: string | Uint8Array,
  type = 'application/octet-stream',
) {
  const answer = await post(client, `/v1/logs/upload?${query}`, body, { 'content-type': type })
  assert.equal(answer.status, 202, answer.text)
  return endedJob(client, answer.json().jobId)
}

test('a file of NDJSON is answered with a job that ends with exact counts, each record once', async () => {
  const client = tenant()
  const answer = await post(client, '/v1/logs/upload?service=batch', ndjson(0, COUNT), {
    'content-type': 'application/x-ndjson',
  })
  assert.equal(answer.status, 202, answer.text)
  const { jobId, state, bytesTotal } = answer.json()
  assert.equal(answer.headers.location, `/v1/jobs/${jobId}`)
  assert.equal(state, 'waiting')
  assert.equal(bytesTotal, ndjson(0, COUNT).length)
  const job = await endedJob(client, jobId)
  assert.deepEqual(
    [job.state, job.records, job.accepted, job.rejected, job.bytes, job.failure],
    ['done', COUNT, COUNT, 0, bytesTotal, null],
  )
  await client.found(COUNT, { query: 'service:batch', limit: 1 })
  const uids = await client.uids()
  assert.equal(new Set(uids).size, COUNT)
  assert.equal(uids.length, COUNT)
})

const halves = (bytes: Buffer, compress: (half: Buffer) => Buffer) =>
  Buffer.concat([compress(bytes.subarray(0, 100_000)), compress(bytes.subarray(100_000))])

for (const [name, compress] of [
  ['gzip', gzipSync],
  ['zstd', zstdCompressSync],
  ['gzip in members', (bytes: Buffer) => halves(bytes, gzipSync)],
  ['zstd in frames', (bytes: Buffer) => halves(bytes, zstdCompressSync)],
] as const) {
  test(`files of a form, compressed with ${name}, are one job`, async () => {
    const client = tenant()
    const jobId = await uploadForm(client, [
      { name: 'a.ndjson.gz', bytes: compress(ndjson(0, COUNT)) },
      { name: 'b.ndjson', bytes: ndjson(COUNT, 100) },
    ])
    const job = await endedJob(client, jobId)
    assert.deepEqual([job.state, job.accepted, job.rejected], ['done', COUNT + 100, 0], JSON.stringify(job))
    assert.deepEqual(
      job.files.map((file: { name: string }) => file.name),
      ['a.ndjson.gz', 'b.ndjson'],
    )
    await client.found(COUNT + 100, { limit: 1 })
    assert.equal(new Set(await client.uids()).size, COUNT + 100)
  })
}

test('every format comes back as it was sent, with its number of records', async () => {
  const records = Array.from({ length: 50 }, (_, i) => ({
    service: 'f',
    message: `line ${i}, "said"`,
    uid: `u${i}`,
    ms: i / 2,
  }))
  const rows = records.map((r) => `${r.service};"${r.message.replaceAll('"', '""')}";${r.uid};${r.ms}\r\n`).join('')
  const files: Record<string, string> = {
    'a.json': JSON.stringify(records),
    'b.json': JSON.stringify({ logs: records }),
    'c.json': records.map((record) => JSON.stringify(record, null, 2)).join('\n'),
    'd.csv': `service;message;uid;ms\r\n${rows}`,
  }
  for (const [name, text] of Object.entries(files)) {
    for (const bytes of [Buffer.from(text), gzipSync(text), zstdCompressSync(text)]) {
      const client = tenant()
      const job = await endedJob(client, await uploadForm(client, [{ name, bytes }]))
      assert.deepEqual([job.state, job.accepted, job.rejected], ['done', 50, 0], `${name}: ${JSON.stringify(job)}`)
      const found = await client.found(50)
      const seen = found.map(({ service, message, uid, ms }) => ({ service, message, uid, ms }))
      const byUid = (a: { uid: string }, b: { uid: string }) => (a.uid < b.uid ? -1 : 1)
      assert.deepEqual(seen.sort(byUid), [...records].sort(byUid), name)
    }
  }
})

test('lines of text are messages, with what the request says of them', async () => {
  const client = tenant()
  const job = await uploadRaw(
    client,
    'name=app.log&service=app&host=h1',
    '[10:00] start\r\n\r\nERROR failed\n',
    'text/plain',
  )
  assert.deepEqual([job.state, job.records], ['done', 2])
  const found = await client.found(2)
  assert.deepEqual(new Set(found.map(({ message }) => message)), new Set(['[10:00] start', 'ERROR failed']))
  assert.ok(found.every(({ service, host }) => service === 'app' && host === 'h1'))
  assert.ok(found.some(({ level }) => level === 'ERROR'))
})

test('parameters may be fields of the form, and name the time and the message', async () => {
  const client = tenant()
  const at = new Date(Date.now() - 3_600_000).toISOString()
  const fields = { time_field: 'when', message_field: 'what', service: 'named', format: 'csv' }
  const jobId = await uploadForm(client, [{ name: 'x', bytes: Buffer.from(`when,what\n${at},hello\n`) }], fields)
  assert.equal((await endedJob(client, jobId)).accepted, 1)
  const [record] = await client.found(1)
  assert.deepEqual(
    [record!.timestamp.slice(0, 23), record!.message, record!.service],
    [at.slice(0, 23), 'hello', 'named'],
  )
  const { body, type } = formOf([{ name: 'x', bytes: Buffer.from('{}') }], { service: 'a' })
  const twice = await post(client, '/v1/logs/upload?service=b', body, { 'content-type': type })
  assert.equal(twice.status, 400)
  assert.equal(twice.json().code, 'invalid_parameter')
})

test('rejects are counted exactly and listed page by page, with their place in their file', async () => {
  const client = tenant()
  const lines = (count: number) =>
    Array.from({ length: count }, (_, i) => (i % 4 === 3 ? `{"bad":${i}` : `{"message":"m${i}"}`))
  const files = [4000, 2000].map((count, i) => ({ name: `${i}.ndjson`, bytes: Buffer.from(lines(count).join('\n')) }))
  const jobId = await uploadForm(client, files)
  const job = await endedJob(client, jobId)
  assert.deepEqual([job.state, job.accepted, job.rejected, job.records], ['done', 4500, 1500, 6000])
  assert.equal(job.errors.length, 10)
  assert.deepEqual([job.errors[0].file, job.errors[0].index, job.errors[0].code], [0, 3, 'invalid_json'])
  const listed: { file: number; index: number }[] = []
  let cursor: string | null = null
  do {
    const page = await client.json(`/v1/jobs/${jobId}/rejects`, { limit: 400, ...(cursor === null ? {} : { cursor }) })
    assert.equal(page.rejected, 1500)
    listed.push(...page.rejects)
    cursor = page.nextCursor
  } while (cursor !== null)
  const expected = [4000, 2000].flatMap((count, file) =>
    Array.from({ length: count / 4 }, (_, i) => ({ file, index: 4 * i + 3 })),
  )
  assert.deepEqual(
    listed.map(({ file, index }) => ({ file, index })),
    expected,
  )
  const letters = async () => (await client.json('/v1/dead-letters', { limit: 1000 })).deadLetters
  await waitUntil(
    async () => (await letters()).length === 1000,
    () => 'the dead letters are found',
  )
  assert.equal((await letters())[0].protocol, 'upload')
})

test('a record that is too long is refused alone, whatever its format', async () => {
  const long = 'x'.repeat(3 * MIB)
  const files = {
    'a.ndjson': `{"message":"a"}\n{"message":"${long}"}\n{"message":"b"}\n`,
    'b.json': JSON.stringify([{ message: 'a' }, { message: long }, { message: 'b' }]),
    'c.csv': `message,n\na,1\n"${long}",2\nb,3\n`,
    'd.txt': `a\n${long}\nb\n`,
  }
  for (const [name, text] of Object.entries(files)) {
    const client = tenant()
    const job = await endedJob(client, await uploadForm(client, [{ name, bytes: Buffer.from(text) }]))
    assert.deepEqual([job.state, job.accepted, job.rejected], ['done', 2, 1], `${name} ${JSON.stringify(job)}`)
    assert.deepEqual([job.errors[0].index, job.errors[0].code], [1, 'record_too_large'], name)
  }
})

test('jobs of another tenant do not exist', async () => {
  const client = tenant()
  const other = tenant()
  const job = await uploadRaw(client, 'service=x', '{"message":"mine"}')
  for (const path of [`/v1/jobs/${job.jobId}`, `/v1/jobs/${job.jobId}/rejects`, '/v1/jobs/none', '/v1/jobs/..%2fx']) {
    assert.equal((await other.get(path)).status, 404, path)
  }
  assert.equal((await other.http.send(`/v1/jobs/${job.jobId}`, { method: 'DELETE' })).status, 404)
  assert.deepEqual((await other.json('/v1/jobs')).jobs, [])
  assert.deepEqual(
    (await client.json('/v1/jobs')).jobs.map(({ jobId }: { jobId: string }) => jobId),
    [job.jobId],
  )
})

test('a cancelled job ends, keeps what it has stored, and leaves no part behind', async () => {
  const client = tenant()
  const bytes = ndjson(0, 300_000)
  const jobId = await uploadForm(client, [{ name: 'a.ndjson', bytes }])
  await waitUntil(
    async () => (await client.json(`/v1/jobs/${jobId}`)).state === 'running',
    () => 'it runs',
  )
  const answer = await client.http.send(`/v1/jobs/${jobId}`, { method: 'DELETE' })
  assert.equal(answer.status, 200)
  assert.equal(answer.json().state, 'cancelled')
  await waitUntil(
    () => uploadParts().length === 0,
    () => `nothing is left: ${uploadParts().length}`,
  )
  const again = await client.http.send(`/v1/jobs/${jobId}`, { method: 'DELETE' })
  assert.deepEqual([again.status, again.json().state], [200, 'cancelled'])
  assert.equal((await client.json(`/v1/jobs/${jobId}`)).state, 'cancelled')
  const next = await uploadRaw(client, 'service=after', '{"message":"goes on"}')
  assert.equal(next.state, 'done')
})

test('what cannot be read fails its job with the reason', async () => {
  const zeros = gzipSync(Buffer.alloc(150 * MIB))
  const packed = gzipSync(ndjson(0, COUNT))
  const cases: [string, Buffer, RegExp][] = [
    ['cut off gzip', packed.subarray(0, packed.length - 50_000), /gzip data of the file cannot be read/],
    [
      'damaged gzip',
      Buffer.concat([packed.subarray(0, 5000), Buffer.alloc(5000, 0xff), packed.subarray(10_000)]),
      /gzip/,
    ],
    ['cut off zstd', zstdCompressSync(ndjson(0, COUNT)).subarray(0, 20_000), /zstd data of the file cannot be read/],
    ['gzip and rubbish', Buffer.concat([gzipSync('{"a":1}\n'), Buffer.from('rubbish')]), /incorrect header check/],
    ['a bomb', zeros, /inflated/],
    ['UTF-16', Buffer.from('\ufeff{"a":1}', 'utf16le'), /UTF-16/],
  ]
  for (const [what, bytes, reason] of cases) {
    const job = await uploadRaw(tenant(), 'service=x', bytes, 'application/json')
    assert.equal(job.state, 'failed', `${what}: ${JSON.stringify(job)}`)
    assert.match(job.failure.reason, reason, what)
    assert.equal(job.records, job.accepted + job.rejected)
  }
  await waitUntil(
    () => uploadParts().length === 0,
    () => `nothing is left: ${uploadParts().length}`,
  )
})

test('what is no upload is refused and leaves nothing', async () => {
  const client = tenant()
  const { body, type } = formOf([{ name: '../../../etc/passwd', bytes: Buffer.from('{"message":"x"}') }])
  const cases: [number, string, string | Uint8Array, Record<string, string>][] = [
    [400, '', '', { 'content-type': 'application/x-ndjson' }],
    [400, '', body, { 'content-type': 'multipart/form-data' }],
    [400, '', body, { 'content-type': 'multipart/form-data; boundary=other' }],
    [400, '', body.subarray(0, body.length - 30), { 'content-type': type }],
    [400, '', formOf([{ name: 'empty', bytes: Buffer.alloc(0) }]).body, { 'content-type': type }],
    [400, '', formOf([], { service: 'x' }).body, { 'content-type': type }],
    [
      400,
      '',
      formOf(Array.from({ length: 101 }, () => ({ name: 'a', bytes: Buffer.from('{}') }))).body,
      { 'content-type': type },
    ],
    [400, '?format=xml', '{}', {}],
    [400, '?wrong=1', '{}', {}],
    [415, '', '{}', { 'content-encoding': 'deflate' }],
    [415, '', body, { 'content-type': type, 'content-encoding': 'gzip' }],
    [413, '', Buffer.alloc(65 * MIB, 0x20), {}],
  ]
  for (const [status, query, bytes, headers] of cases) {
    const answer = await post(client, `/v1/logs/upload${query}`, bytes, headers)
    assert.equal(answer.status, status, `${JSON.stringify(headers)} ${answer.text}`)
  }
  assert.deepEqual((await client.json('/v1/jobs')).jobs, [])
  assert.deepEqual(uploadParts(), [])
  const job = await endedJob(
    client,
    await uploadForm(client, [{ name: '../../../etc/passwd\u0007', bytes: Buffer.from('{"message":"x"}') }]),
  )
  assert.deepEqual([job.state, job.files[0].name], ['done', 'passwd'])
})

test('a chunked body beyond the limit is cut off, and too many uploads of a tenant are refused', async () => {
  const client = tenant()
  async function* endless() {
    for (;;) yield Buffer.alloc(MIB, 0x20)
  }
  const answer = await client.http.send('/v1/logs/upload', { method: 'POST', body: endless() })
  assert.equal(answer.status, 413)
  const slow = Array.from({ length: 3 }, () => slowUpload(node.port, 'busy'))
  const busy = node.url
  const count = async () => (await client.http.get('/v1/jobs', { 'x-scope-orgid': 'busy' })).json().jobs.length
  await waitUntil(
    async () => (await count()) === 3,
    () => `three uploads come to ${busy}`,
  )
  const refused = await client.http.send('/v1/logs/upload', {
    method: 'POST',
    headers: { 'x-scope-orgid': 'busy' },
    body: '{}',
  })
  assert.deepEqual(
    [refused.status, refused.json().code, refused.headers['retry-after'] !== undefined],
    [429, 'too_many_uploads', true],
  )
  for (const socket of slow) socket.destroy()
  await waitUntil(
    async () => (await count()) === 0,
    () => 'they are gone',
  )
  await waitUntil(
    () => uploadParts().length === 0,
    () => `nothing is left: ${uploadParts().length}`,
  )
})

/** Sends a beginning, of more than a part, and no end. */
function slowUpload(port: number, orgId: string) {
  const socket = connect(port, '127.0.0.1', () => {
    socket.write(
      `POST /v1/logs/upload HTTP/1.1\r\nhost: localhost\r\nx-scope-orgid: ${orgId}\r\ncontent-length: 60000000\r\n\r\n`,
    )
    socket.write(Buffer.alloc(5 * MIB, 0x20))
  })
  socket.on('error', () => undefined)
  return socket
}

test('a secret is nowhere on the disk in the clear while its upload waits to come in', async () => {
  const secret = 'hunter2-hunter2-hunter2'
  const socket = connect(node.port, '127.0.0.1', () => {
    socket.write(
      'POST /v1/logs/upload HTTP/1.1\r\nhost: localhost\r\nx-scope-orgid: sealed\r\ncontent-length: 60000000\r\n\r\n',
    )
    socket.write(Buffer.from(`{"message":"password=${secret}"}\n`.repeat(120_000)))
  })
  socket.on('error', () => undefined)
  await waitUntil(
    () => uploadParts().length > 0,
    () => 'a part is there',
  )
  for (const file of uploadParts()) assert.ok(!readFileSync(file).includes(secret.slice(0, 12)))
  socket.destroy()
  await waitUntil(
    () => uploadParts().length === 0,
    () => `nothing is left: ${uploadParts().length}`,
  )
})

test('a refusal comes before the body where the client waits for it', async () => {
  const head = 'POST /v1/logs/upload HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\n'
  assert.match(await exchangeBytes(node.port, `${head}content-length: 99999999999\r\n\r\n`), /^HTTP\/1\.1 413 /)
})

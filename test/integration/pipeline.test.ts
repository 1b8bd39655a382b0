import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NodeProcess } from '../harness/node-process.ts'
import { shareNode } from '../harness/shared-node.ts'
import { WeirClient, waitUntil } from '../harness/weir-client.ts'

// One worker: what it has taken is in force on it at once.
const shared = await shareNode({ workers: 1 })
const JSON_HEADERS = { 'content-type': 'application/json' }

async function put(client: WeirClient, id: string, definition: object, headers: Record<string, string> = {}) {
  return client.http.send(`/v1/pipelines/${id}`, {
    method: 'PUT',
    headers: { ...JSON_HEADERS, ...headers },
    body: JSON.stringify(definition),
  })
}

async function inForce(client: WeirClient, id: string, steps: readonly object[], more: object = {}): Promise<void> {
  const answer = await put(client, id, { ...more, steps })
  assert.ok(answer.status === 200 || answer.status === 201, answer.text)
}

test('a pipeline changes records of its services, numbers keep their text, and the rest passes as it came', async () => {
  const client = shared.tenant()
  await inForce(
    client,
    'web',
    [
      { type: 'rename', fields: { usr: 'user.name' } },
      { type: 'set', fields: { env: 'prod' }, if: 'level:error' },
      { type: 'remove', fields: ['debug'] },
    ],
    { services: ['web*'] },
  )
  await client.ingestText(
    '{"uid":"1","service":"web-1","level":"err","usr":"u","big":9007199254740993,"debug":1,"metadata":{"x":1.50}}\n' +
      '{"uid":"2","app":"web-2","usr":"u"}\n{"uid":"3","service":"db","usr":"u","debug":1}\n',
  )
  const [one, two, three] = (await client.found(3)).sort((a, b) => a.uid - b.uid)
  const { text } = await client.get('/v1/logs/search', { query: 'uid:1', from: 0 })
  assert.match(text, /9007199254740993/)
  assert.match(text, /1\.50/)
  assert.deepEqual([one!.user, one!.env, one!.debug], [{ name: 'u' }, 'prod', undefined])
  assert.deepEqual([two!.user, two!.env, two!.service], [{ name: 'u' }, undefined, 'web-2'])
  assert.deepEqual([three!.usr, three!.debug], ['u', 1])
})

test('what a step drops counts as accepted, what it fails on is a dead letter that names the version, indexes mean what was sent', async () => {
  const client = shared.tenant()
  await inForce(client, 'p', [{ type: 'drop', if: 'path:"/healthz"' }])
  await inForce(client, 'p', [
    { type: 'drop', if: 'path:"/healthz"' },
    { type: 'convert', fields: { n: 'number' } },
  ])
  const body = [
    '{"uid":"a","path":"/healthz"}',
    '{"uid":"b","n":"12"}',
    'not json',
    '{"uid":"c","n":"many"}',
    '{"uid":"d","path":"/healthz"}',
    '{"uid":"e","timestamp":"yesterday"}',
    '{"uid":"f","n":1}',
  ].join('\n')
  const answer = await client.ingestText(body)
  assert.equal(answer.status, 200, answer.text)
  const { accepted, rejected, errors } = answer.json()
  assert.deepEqual([accepted, rejected], [4, 3])
  assert.deepEqual(
    errors.map(({ index, code }: { index: number; code: string }) => [index, code]),
    [
      [2, 'invalid_json'],
      [3, 'pipeline_failed'],
      [5, 'invalid_timestamp'],
    ],
  )
  assert.deepEqual((await client.found(2)).map(({ uid, n }) => [uid, n]).sort(), [
    ['b', 12],
    ['f', 1],
  ])
  await waitUntil(
    async () => (await client.json('/v1/dead-letters')).deadLetters.length === 3,
    () => 'three dead letters',
  )
  const { deadLetters } = await client.json('/v1/dead-letters', { code: 'pipeline_failed' })
  assert.equal(deadLetters[0].raw, '{"uid":"c","n":"many"}')
  assert.deepEqual([deadLetters[0].pipeline, deadLetters[0].pipelineVersion], ['p', 2])
  assert.match(deadLetters[0].reason, /pipeline p version 2, step 1 \(convert\)/)
})

test('definitions are versioned, changed under a condition, and refused with the place of the mistake', async () => {
  const client = shared.tenant()
  const made = await put(client, 'a', { steps: [] })
  assert.deepEqual([made.status, made.headers.etag, made.json().version], [201, '"1"', 1])
  const changed = await put(client, 'a', { description: 'second', steps: [{ type: 'drop' }] }, { 'if-match': '"1"' })
  assert.deepEqual([changed.status, changed.json().version], [200, 2])
  assert.equal((await put(client, 'a', { steps: [] }, { 'if-match': '"1"' })).status, 409)
  assert.equal((await put(client, 'b', { steps: [] }, { 'if-match': '"1"' })).status, 409)
  assert.equal((await put(client, 'b', { steps: [] }, { 'if-match': '"0"' })).status, 201)
  const { versions } = await client.json('/v1/pipelines/a/versions')
  assert.deepEqual(
    versions.map(({ version }: { version: number }) => version),
    [2, 1],
  )
  assert.deepEqual(
    (await client.json('/v1/pipelines')).pipelines.map(({ id }: { id: string }) => id),
    ['a', 'b'],
  )
  for (const [definition, parameter] of [
    [{ steps: [{ type: 'nothing' }] }, 'steps/0/type'],
    [{ steps: [{ type: 'filter', keep: 'level:(' }] }, 'steps/0/keep'],
    [{ steps: [{ type: 'drop', if: 'a:1 | stats count()' }] }, 'steps/0/if'],
    [{ steps: [], stepz: 1 }, 'stepz'],
  ] as const) {
    const refused = await put(client, 'c', definition)
    assert.deepEqual([refused.status, refused.json().parameter], [400, parameter], refused.text)
  }
  assert.equal((await client.get('/v1/pipelines/c')).status, 404)
  assert.equal((await client.http.send('/v1/pipelines/a', { method: 'DELETE' })).status, 204)
  assert.equal((await client.get('/v1/pipelines/a')).status, 404)
  // Its number goes on: a dead letter names one definition only.
  assert.equal((await put(client, 'a', { steps: [] })).json().version, 3)
  const other = shared.tenant()
  assert.deepEqual((await other.json('/v1/pipelines')).pipelines, [])
})

test('a dry run shows every record before and after every step, and stores nothing', async () => {
  const client = shared.tenant()
  const answer = await client.http.send('/v1/pipelines/dry-run', {
    method: 'POST',
    headers: JSON_HEADERS,
    body: JSON.stringify({
      definition: {
        steps: [
          { type: 'rename', fields: { a: 'b' } },
          { type: 'filter', drop: 'b:2' },
          { type: 'convert', fields: { b: 'number' } },
        ],
      },
      records: [{ a: '1' }, { a: 2 }, { a: 'x' }],
    }),
  })
  assert.equal(answer.status, 200, answer.text)
  const { records } = answer.json()
  assert.deepEqual(
    records.map(({ outcome, after }: { outcome: string; after: unknown }) => [outcome, after]),
    [
      ['kept', { b: 1 }],
      ['dropped', undefined],
      ['deadLetter', undefined],
    ],
  )
  assert.deepEqual(
    records[0].steps.map(({ before, after, outcome }: Record<string, unknown>) => [outcome, before, after]),
    [
      ['next', { a: '1' }, { b: '1' }],
      ['next', { b: '1' }, { b: '1' }],
      ['next', { b: '1' }, { b: 1 }],
    ],
  )
  assert.match(records[2].steps[2].reason, /does not convert/)
  assert.equal((await client.search({ query: '*', from: 0 })).total, 0)
})

test('records are routed to other services and tenants, with the same answer', async () => {
  const client = shared.client({ 'x-scope-orgid': 'from-tenant' })
  const target = shared.client({ 'x-scope-orgid': 'to-tenant' })
  await inForce(client, 'r', [
    { type: 'route', service: 'audit', if: 'kind:audit' },
    { type: 'route', tenant: 'to-tenant', if: 'kind:secret' },
  ])
  await client.ingest([{ uid: '1', kind: 'audit' }, { uid: '2', kind: 'secret' }, { uid: '3' }])
  assert.deepEqual((await client.found(2)).map(({ uid, service }) => [uid, service]).sort(), [
    ['1', 'audit'],
    ['3', 'unknown'],
  ])
  assert.equal((await target.found(1))[0]!.uid, '2')
})

test('a pipeline changes while records flow: each record passes one version, none is lost', async () => {
  const client = shared.tenant()
  let sent = 0
  for (let round = 0; round < 20; round++) {
    const changing = put(client, 'p', { steps: [{ type: 'set', fields: { v: round } }] })
    const batch = Array.from({ length: 50 }, () => ({ uid: String(sent++), v: 'none' }))
    await client.ingest(batch)
    assert.ok((await changing).status < 300)
  }
  const found = await client.found(sent)
  assert.equal(new Set(found.map(({ uid }) => uid)).size, sent)
})

test('bodies of JSON over several lines pass as lines do', async () => {
  const client = shared.tenant()
  await inForce(client, 'p', [{ type: 'set', fields: { seen: true } }])
  const body = '{"logs":[\n{"uid":"1",\n "nested":{\n"a":[1,\n2]}},\n 5,\n{"uid":"2"}]}'
  const answer = await client.ingestText(body, JSON_HEADERS)
  assert.deepEqual(
    answer.json().errors.map(({ index }: { index: number }) => index),
    [1],
    answer.text,
  )
  const [one, two] = (await client.found(2)).sort((a, b) => a.uid - b.uid)
  assert.deepEqual([one!.nested, one!.seen, two!.seen], [{ a: [1, 2] }, true, true])
})

test('a retry with a key stores nothing twice, and drops count each time', async () => {
  const client = shared.tenant()
  await inForce(client, 'p', [
    { type: 'drop', if: 'n:3' },
    { type: 'convert', fields: { n: 'integer' } },
  ])
  const body = Array.from({ length: 20_000 }, (_, i) => `{"uid":"${i}","n":"${i % 7 === 0 ? 'x' : i % 5}"}`).join('\n')
  const answers = []
  for (let i = 0; i < 2; i++) {
    const { status, json } = await client.ingestText(body, { 'idempotency-key': 'key-1' })
    assert.equal(status, 200)
    const { accepted, rejected } = json()
    answers.push([accepted, rejected])
  }
  assert.deepEqual(answers[0], [20_000 - 2858, 2858])
  assert.deepEqual(answers[1], answers[0])
  const kept = Array.from({ length: 20_000 }, (_, i) => i).filter((i) => i % 7 !== 0 && i % 5 !== 3)
  await waitUntil(
    async () => (await client.search({ query: '*', from: 0, total: 'exact', limit: 1 })).total === kept.length,
    () => `${kept.length} records are found`,
  )
})

test('hostile records pass or are refused, and pipelines of a thousand steps hold nobody up', async () => {
  const client = shared.tenant()
  const steps = Array.from({ length: 999 }, (_, i) => ({ type: 'set', fields: { [`f${i % 100}`]: i } }))
  await inForce(client, 'long', [...steps, { type: 'mask', patterns: ['(a|b|ab)*c', 'x{1,500}y{1,500}'] }])
  assert.equal((await put(client, 'long', { steps: [...steps, ...steps] })).status, 400)
  const bodies = [
    '{"__proto__":{"x":"ac"},"constructor":"c","toString":"t","a":1,"a":"2"}',
    `{"deep":${'{"a":'.repeat(14)}1${'}'.repeat(14)}}`,
    `{"deep":${'['.repeat(5000)}${']'.repeat(5000)}}`,
    `{"m":"${'ab'.repeat(100_000)}"}`,
    `{${Array.from({ length: 256 }, (_, i) => `"k${i}":${i}`).join(',')}}`,
    Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
    '{"\\ud800":"\\udc00 \\u0000"}',
  ]
  const slow = client.ingestText(Array.from({ length: 500 }, (_, i) => `{"uid":"${i}"}`).join('\n'))
  const other = shared.tenant()
  await other.ingest([{ uid: 'other' }])
  for (const body of bodies) {
    const { status } = await client.ingestText(body)
    assert.ok(status === 200 || status === 400, String(status))
  }
  assert.deepEqual((await slow).json(), { accepted: 500, rejected: 0, errors: [] })
  assert.equal((await client.get('/readyz')).status, 200)
})

test('every worker has a change within a second', async () => {
  const node = await NodeProcess.start({ workers: 2 })
  const client = new WeirClient(node.url)
  try {
    await inForce(client, 'p', [{ type: 'convert', fields: { n: 'number' } }])
    const startedMs = performance.now()
    // The kernel spreads connections over the workers.
    const refusals = async () => {
      const clients = Array.from({ length: 16 }, () => new WeirClient(node.url))
      const answers = await Promise.all(clients.map((one) => one.ingestText('{"n":"x"}')))
      for (const one of clients) one.close()
      return answers.filter(({ status }) => status === 400).length
    }
    await waitUntil(
      async () => (await refusals()) === 16,
      () => 'all workers have the pipeline',
    )
    assert.ok(performance.now() - startedMs < 1000)
  } finally {
    client.close()
    await node.kill()
  }
})

test('what a pipeline drops is not counted as stored', async () => {
  const client = shared.tenant()
  await inForce(client, 'p', [{ type: 'drop', if: 'path:"/healthz"' }])
  const stored = async () => {
    const { text } = await client.get('/metrics')
    return Number(/^weir_ingest_records_accepted_total\{[^}]*protocol="hec"[^}]*\} (\d+)$/m.exec(text)?.[1] ?? 0)
  }
  const before = await stored()
  const body = Buffer.from('{"event":{"path":"/healthz"}}{"event":{"path":"/a"}}{"event":{"path":"/healthz"}}')
  const answer = await client.http.send('/services/collector/event', { method: 'POST', body })
  assert.equal(answer.status, 200, answer.text)
  await waitUntil(
    async () => (await stored()) - before === 1,
    () => 'one record is counted',
  )
})

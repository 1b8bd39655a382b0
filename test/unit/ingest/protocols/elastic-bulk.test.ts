import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BulkItems, decodeElasticBulk } from '../../../../ingest/protocols/elastic-bulk.ts'
import { decoded, recordsOf } from './harness.ts'

function bulk(text: string | Buffer, index?: string) {
  const items = new BulkItems()
  const body = decoded(Buffer.from(text), (source, into) => decodeElasticBulk(source, into, items, index))
  return { items, body, records: recordsOf(body) }
}

test('documents are records beside the index and the id of their action', () => {
  const text = Buffer.from(
    [
      '{"create":{"_index":"logs-shop.web-prod"}}',
      '{"message":"a"}',
      '{"index":{"_index":"logs-shop.web-prod","_id":"x\\"1"}}',
      ' { "message" : "b", "_index":"own" } ',
      '{ "create" : { } }\r',
      '{}\r',
      '',
      '{"index":{"_id":7}}',
      '{ }',
    ].join('\n'),
  )
  const { records, items, body } = bulk(text, 'plain-2026.11.21')
  assert.deepEqual(records.slice(2), [
    { _index: 'plain-2026.11.21', job: 'plain' },
    { _index: 'plain-2026.11.21', job: 'plain', _id: '7' },
  ])
  assert.deepEqual(records[0], { _index: 'logs-shop.web-prod', message: 'a' })
  assert.equal(body.serviceDefault, 'shop.web')
  assert.equal(Buffer.from(body.sourceOf(0)).toString(), '{"message":"a"}')
  assert.equal(items.idOf(text, 1)?.toString(), '"x\\"1"')
  assert.equal(items.target(items.targetOf(1)).action, 'index')
})

test('a document that begins with white space is taken like any other', () => {
  assert.deepEqual(bulk('{"index":{}}\n \t{"a":1}\n', 'i').records, [{ _index: 'i', a: 1 }])
})

test('services come from the names of indices', () => {
  const services: [string, string][] = [
    ['logs-nginx.access-default', 'nginx.access'],
    ['logs-a-b-c', 'logs-a-b-c'],
    ['logstash-2026.11.21', 'logstash'],
    ['app_2026-11', 'app'],
    ['2026.11.21', '2026.11.21'],
    ['filebeat-9.0.0', 'filebeat-9.0.0'],
  ]
  for (const [index, service] of services) {
    assert.equal(bulk('{"create":{}}\n{}', index).body.serviceDefault, service, index)
  }
})

test('updates, deletions and empty documents are refused one by one', () => {
  const { records, items, body } = bulk(
    '{"delete":{"_id":"1"}}\n{"update":{"_id":"2"}}\n{"doc":{}}\n{"create":{}}\n\n{"create":{}}\n{"a":1}\n',
    'i',
  )
  assert.deepEqual(records, ['unsupported_action', 'unsupported_action', 'invalid_json', { _index: 'i', a: 1 }])
  assert.equal(items.count, 4)
  assert.equal(Buffer.from(body.sourceOf(0)).toString(), '{"delete":{"_id":"1"}}')
})

test('what cannot be read as actions and documents is refused as a whole', () => {
  for (const body of [
    '',
    '\n\n',
    'nonsense\n{}\n',
    '[]\n{}\n',
    '{}\n{}\n',
    '{"create":5}\n{}\n',
    '{"make":{}}\n{}\n',
    '{"create":{},"index":{}}\n{}\n',
    '{"create":{}}',
    '{"create":{}}\n',
    '{"create":{"_index":5}}\n{}\n',
    '{"create":{"_index":""}}\n{}\n',
    `{"create":{"_index":"${'i'.repeat(300)}"}}\n{}\n`,
  ]) {
    assert.throws(() => bulk(body, 'i'), { code: 'invalid_body' }, JSON.stringify(body))
  }
  assert.throws(() => bulk('{"create":{}}\n{}\n'), { code: 'invalid_body' })
  const many = Array.from({ length: 10_001 }, (_, i) => `{"create":{"_index":"i${i}"}}\n{}`).join('\n')
  assert.throws(() => bulk(many), { code: 'invalid_body' })
})

test('whatever forms action lines take in turn, each document gets its own index and id', () => {
  const name = fc.constantFrom('a', 'b', '_id', 'x"y', 'ü\u0001', '}', '1')
  const about = fc.record({ _index: name, _id: fc.option(name, { nil: undefined }), routing: fc.option(name) })
  const action = fc.tuple(fc.constantFrom('create', 'index'), about, fc.constantFrom('', ' ', 'reversed', 'doubled'))
  fc.assert(
    fc.property(fc.array(action, { minLength: 1, maxLength: 12 }), (actions) => {
      const text = actions.map(([kind, about, form], i) => {
        const members: [string, unknown][] = Object.entries(about).filter(([, value]) => value !== undefined)
        if (form === 'reversed') members.reverse()
        if (form === 'doubled') members.unshift(...members.map(([key]): [string, unknown] => [key, 'first']))
        const json = members.map(([key, value]) => `"${key}":${form === ' ' ? ' ' : ''}${JSON.stringify(value)}`)
        return `{"${kind}":{${json.join(',')}}}\n{"n":${i}}\n`
      })
      const source = Buffer.from(text.join(''))
      const { records, items } = bulk(source)
      assert.deepEqual(
        (records as Record<string, unknown>[]).map(({ _index, _id, n }) => ({ _index, _id, n })),
        actions.map(([, { _index, _id }], n) => ({ _index, _id, n })),
      )
      actions.forEach(([kind, { _index, _id }], item) => {
        const target = items.target(items.targetOf(item))
        assert.deepEqual([target.action, target.index], [kind, _index])
        const id = items.idOf(source, item)
        assert.equal(id === undefined ? undefined : JSON.parse(id.toString()), _id)
      })
    }),
    { numRuns: 1000 },
  )
})

test('actions in another form than the shortest cost no search of the whole request', () => {
  const document = `{"message":"${'x'.repeat(4000)}"}\n`
  for (const action of ['{ "create" : { "_id" : "7" } }', '{"create":{"_id":7}}']) {
    const text = Buffer.from(`${action}\n${document}`.repeat(6000))
    const before = process.cpuUsage()
    const { body } = bulk(text, 'i')
    assert.equal(body.count, 6000)
    assert.ok(process.cpuUsage(before).user < 3_000_000, action)
  }
})

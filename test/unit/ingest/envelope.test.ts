import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WeirError } from '../../../base/errors.ts'
import { takeEnvelope } from '../../../ingest/envelope.ts'

async function take(text: string) {
  let pauses = 0
  const taken = await takeEnvelope(Buffer.from(text), async () => {
    pauses++
  })
  return taken === undefined ? undefined : { ...taken, logs: taken.logs.toString(), pauses }
}

test('an envelope is taken apart wherever its credential stands', async () => {
  const logs = '[{"message":"a \\"token\\": ]}"}, [1], "x"]'
  const members = ['"clientId" : "c\\u0031"', '"token":"weir_a\\\\b"', `"logs": ${logs} `]
  for (const order of [
    [0, 1, 2],
    [2, 1, 0],
    [0, 2, 1],
    [1, 2, 0],
  ]) {
    const text = ` {\n${order.map((i) => members[i]).join(' ,')} } \n`
    assert.deepEqual(await take(text), { clientId: 'c1', token: 'weir_a\\b', logs, pauses: 0 }, text)
  }
  assert.deepEqual(await take('{"token":"t","logs":[]}'), { clientId: undefined, token: 't', logs: '[]', pauses: 0 })
})

test('a long array lets others have the thread', async () => {
  const logs = `[${Array.from({ length: 300_000 }, (_, n) => `{"n":${n}}`).join(',')}]`
  const taken = await take(`{"logs":${logs},"token":"t"}`)
  assert.equal(taken?.logs, logs)
  assert.ok(taken.pauses >= 3)
})

test('other bodies are left as they are', async () => {
  for (const text of [
    '',
    ' ',
    '[]',
    '[{"token":"t"}]',
    '{}',
    '{"logs":[{"token":"t"}]}',
    '{"message":"m","token":"t","logs":[]}',
    '{"message":"m","token":"t","logs":["a"]}',
    '{"message":"m","token":"t"}{"token":"u","logs":[{}]}',
    '{"message":"m","token":17,"logs":[{}]}',
    '{"message":"m","logs":[{}]}',
    '{"message":"m","token":"t"',
    `{"message":"${'x'.repeat(100_000)}","token":"t"}`,
    '{"logs":[{"a":1}',
    '{"logs":[],"more":1}',
    '{"logs"',
    '{"lo',
    '{"logs":[]',
    '{"logs":[}',
  ]) {
    assert.equal(await take(text), undefined, text)
  }
})

test('one with a credential that is not as it should be is refused as a whole, without a word of the credential', async () => {
  for (const text of [
    '{"token":"secret","logs":[{"a":1}',
    '{"token":"secret","logs":[]',
    '{"token":"secret"}',
    '{"token":"secret","logs":{}}',
    '{"token":"secret","logs":[],"logs":[]}',
    '{"token":"secret","logs":[],"more":1}',
    '{"logs":[],"more":1,"token":"secret"}',
    '{"source":"x","token":"secret","logs":[{"a":1}]}',
    '{"source":"x","logs":[{"a":1}],"token":"secret"}',
    '{"source":"x","clientId":"secret","logs": [ {"a":1}',
    `{"source":"${'x'.repeat(100_000)}","token":"secret","logs":[{"a":1}]}`,
    '{"token":"secret","logs":[]} x',
    '{"token":"secret","logs":[]}{"a":1}',
    '{"token":"secret',
    '{"token":17,"logs":[]}',
    '{"clientId":{"a":"secret"},"logs":[]}',
    `{"token":"secret${'x'.repeat(10_000)}","logs":[]}`,
    '{"token":"secret" "logs":[]}',
    '{"token":"secret",}',
  ]) {
    await assert.rejects(take(text), (error) => {
      assert.ok(error instanceof WeirError && error.code === 'invalid_body', text)
      return !error.message.includes('secret')
    })
  }
})

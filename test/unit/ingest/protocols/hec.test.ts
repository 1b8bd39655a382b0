import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RECORD_BYTES_MAX } from '../../../../base/limits.ts'
import { decodeHecEvents } from '../../../../ingest/protocols/hec.ts'
import { decoded, recordsOf } from './harness.ts'

function hec(text: string | Buffer) {
  const body = decoded(Buffer.from(text), decodeHecEvents)
  const sources = Array.from({ length: body.count }, (_, i) => Buffer.from(body.sourceOf(i)).toString())
  return { records: recordsOf(body), sources, reasons: sources.map((_, i) => body.refusalOf(i)?.reason) }
}

test('envelopes come one after the other, on lines, in arrays', () => {
  const a = { message: 'a' }
  for (const text of [
    '{"event":"a"}{"event":"a"}',
    ' {"event":"a"} \r\n{"event":"a"}\n',
    '[{"event":"a"},{"event":"a"}]',
    '[{"event":"a"}]\n[ {"event":"a"} ]',
    '{\n "event" : {\n "message" : "a" } }\n{"event":{"message":"a"}}',
  ]) {
    assert.deepEqual(hec(text).records, [a, a], text)
  }
  assert.deepEqual(hec(' \n [ ] ').records, [])
})

test('the event wins over what its envelope says, and brackets in strings are text', () => {
  const text =
    '{"fields":{"host":"f","x":1},"host":"e","event":{"host":"own","m":"}]{\\"\\\\"},"time":1.5,"source":null}'
  assert.deepEqual(hec(text).records, [{ host: 'own', x: 1, m: '}]{"\\', _time: 1.5 }])
  assert.deepEqual(
    hec('{"sourcetype":"t","event":{}}{"source":"s","sourcetype":"t","fields":{},"event":"e"}').records,
    [
      { sourcetype: 't', job: 't' },
      { source: 's', sourcetype: 't', message: 'e' },
    ],
  )
})

test('what is no event is refused alone, with its bytes', () => {
  const good = '{"event":"ok"}'
  for (const [bad, reason] of [
    ['{"host":"h"}', /missing/],
    ['{"event":null}', /missing/],
    ['{"event":""}', /blank/],
    ['{"event":"x","fields":[1]}', /fields/],
    ['{"event":"x" "fields":{}', /is a JSON object/],
    ['{"event"}', /is a JSON object/],
    ['{event:1}', /is a JSON object/],
    ['{"event":}', /is a JSON object/],
    ['nonsense }{', /is a JSON object/],
    [`{"event":"${'x'.repeat(2 * RECORD_BYTES_MAX)}"}`, /longer/],
  ] as const) {
    const text = `${good}\n${bad}${bad.includes('{}') ? '}' : ''}\n${good}`
    const { records, reasons, sources } = hec(text)
    assert.deepEqual(records.at(0), { message: 'ok' }, bad.slice(0, 50))
    assert.deepEqual(records.at(-1), { message: 'ok' }, bad.slice(0, 50))
    assert.equal(records.length, 3, bad.slice(0, 50))
    assert.match(reasons[1]!, reason)
    assert.ok(sources[1]!.startsWith(bad.slice(0, 50)))
  }
  assert.deepEqual(hec(`[1,"a",${good}]`).records, ['invalid_record', 'invalid_record', { message: 'ok' }])
})

test('an envelope that never ends is refused with all that follows', () => {
  for (const tail of [
    '{"event":"a',
    '{"event":{"a":[1',
    `{"event":"${'x'.repeat(3 * RECORD_BYTES_MAX)}`,
    '{"event":"a\\',
  ]) {
    const { records, sources } = hec(`{"event":"ok"}${tail}`)
    assert.deepEqual(records, [{ message: 'ok' }, 'invalid_record'])
    assert.equal(sources[1]!, tail)
  }
})

test('arrays without an end cost what they are long', () => {
  const text = Buffer.from(`[${'[\n{"event":"a"}'.repeat(100_000)}`)
  const before = process.cpuUsage()
  const body = decoded(text, decodeHecEvents)
  assert.equal(body.count, 200_000)
  assert.ok(process.cpuUsage(before).user < 3_000_000)
})

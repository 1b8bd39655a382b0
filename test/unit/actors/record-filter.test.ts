import assert from 'node:assert/strict'
import { test } from 'node:test'
import { recordFilter } from '../../../actors/record-filter.ts'
import type { WeirError } from '../../../base/errors.ts'
import { PipelineRecord, type RecordDefaults } from '../../../ingest/pipeline/pipeline-record.ts'

const NOW_MS = Date.UTC(2026, 10, 21, 12)

function matches(filter: string, value: unknown, defaults: RecordDefaults = { receivedMs: NOW_MS }): boolean {
  const source = Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
  const record = new PipelineRecord()
  record.load(source, 0, source.length, 0, defaults)
  return recordFilter(filter, 'steps/0/if', NOW_MS).matches(record)
}

test('a record on its way in matches as it would once it is stored', () => {
  const record = {
    msg: 'Payment gateway timeout after 4100ms',
    severity: 'warning',
    app: 'checkout',
    hostname: 'web-1',
    status: 503,
    ok: false,
    gone: null,
    user: { name: 'Ada', tags: ['a', 'b'] },
    'flat.key': 'x',
    '@timestamp': '2026-11-21T11:30:00.5Z',
  }
  for (const filter of [
    '*',
    'timeout',
    '"gateway timeout"',
    'pay*',
    '/\\d+ms/',
    'level:WARN',
    'level:warning',
    'service:checkout',
    'app:checkout',
    'host:web-*',
    'message:payment',
    'status:503',
    'status:>500 AND status:<=503',
    'ok:false',
    'gone:null',
    'user.name:Ada',
    '_exists_:user',
    '_exists_:gone',
    'flat\\.key:x',
    'NOT level:error',
    'timestamp:>now-1h',
    'user.tags:*',
  ]) {
    assert.equal(matches(filter, record), true, filter)
  }
  for (const filter of [
    'level:error',
    'service:web',
    'status:>503',
    '_exists_:absent',
    'timeoutt',
    'timestamp:<now-1h',
    'user:Ada',
  ]) {
    assert.equal(matches(filter, record), false, filter)
  }
})

test('what a record does not say is what would be stored', () => {
  assert.equal(matches('level:ERROR', { message: 'ERROR: it broke' }), true)
  assert.equal(matches('level:INFO', {}), true)
  assert.equal(matches('service:unknown', {}), true)
  assert.equal(matches('service:cron', {}, { receivedMs: NOW_MS, serviceDefault: 'cron' }), true)
  assert.equal(matches('host:h1', {}, { receivedMs: NOW_MS, hostDefault: 'h1' }), true)
  assert.equal(matches('level:ERROR', { level: 50, service: 'x' }), matches('level:ERROR', { level: '50' }))
  assert.equal(matches('message:x', { text: 'x y' }, { receivedMs: NOW_MS, messageKeys: ['text'] }), true)
})

test('a filter that is none is refused with its place', () => {
  for (const text of ['level:(', 'a:1 | stats count()', '/(/']) {
    assert.throws(
      () => recordFilter(text, 'steps/3/keep', NOW_MS),
      (error: WeirError) => error.code === 'invalid_parameter' && error.details.parameter === 'steps/3/keep',
    )
  }
})

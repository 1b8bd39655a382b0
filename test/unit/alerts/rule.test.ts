import assert from 'node:assert/strict'
import { test } from 'node:test'
import { conditionText } from '../../../alerts/condition.ts'
import { type AlertRule, normaliseRule } from '../../../alerts/rule.ts'
import { WeirError } from '../../../base/errors.ts'
import { TENANT_DEFAULT } from '../../../base/ids.ts'
import { printFilter } from '../../../query/print.ts'

const RULE = {
  name: 'errors of checkout',
  query: 'timeout',
  condition: { count: '>100', window: '5m' },
  severity: 'P1',
}

function ruleOf(more: Record<string, unknown> = {}, condition: Record<string, unknown> = RULE.condition): AlertRule {
  return normaliseRule(TENANT_DEFAULT, 'r1', 1, { ...RULE, condition, ...more }, 0)
}

function refusalOf(definition: unknown): { parameter: unknown; message: string } {
  try {
    normaliseRule(TENANT_DEFAULT, 'r1', 1, definition, 0)
  } catch (error) {
    assert(error instanceof WeirError, String(error))
    assert.equal(error.code, 'invalid_parameter')
    return { parameter: error.details.parameter, message: error.message }
  }
  return assert.fail(`accepted ${JSON.stringify(definition)}`)
}

test('a rule of every kind is read', () => {
  const rule = ruleOf({
    service: ['web', 'api'],
    level: 'warning',
    cooldown: '10m',
    for: '1m',
    channels: ['slack-ops'],
  })
  assert.equal(printFilter(rule.filter), '(service:web OR service:api) AND level:WARN AND timeout')
  assert.equal(rule.cooldownMs, 600_000)
  assert.equal(rule.forMs, 60_000)
  const texts: [Record<string, unknown>, string][] = [
    [{ count: '> 100', window: '5m' }, 'count > 100 in 5m'],
    [{ rate: '>=60/m', window: '90s', type: 'tumbling' }, 'rate >= 1 in 1m30s (tumbling)'],
    [{ distinct: '>3', field: 'userId', window: '1h' }, 'distinct(userId) > 3 in 1h'],
    [
      { p95: '>500', field: 'metadata.ms', window: '24h', groupBy: ['source', 'host'] },
      'p95(metadata.ms) > 500 in 1d by service, host',
    ],
    [{ 'p99.9': '<1e3', field: 'ms', window: '10s' }, 'p99.9(ms) < 1000 in 10s'],
    [{ absence: true, window: '10m' }, 'no records in 10m'],
    [{ count: true, change: '>50%', window: '10m' }, 'change of count > 50% in 10m'],
    [{ sum: '>10', field: 'n', change: '<-5', window: '10m' }, 'sum(n) > 10 and change of sum(n) < -5 in 10m'],
    [{ count: '>5%', ratio: { query: '*' }, window: '5m' }, 'count / count of (*) > 0.05 in 5m'],
    [{ avg: '=0', field: 'n', window: '10s' }, 'avg(n) == 0 in 10s'],
  ]
  for (const [condition, text] of texts) assert.equal(conditionText(ruleOf({}, condition).condition), text)
  assert.equal(
    ruleOf({ record: { metric: 'errors' }, severity: undefined }, { count: true, window: '1m' }).severity,
    'P2',
  )
})

test('what is wrong with a rule is named by its path', () => {
  const wrong: [string, unknown][] = [
    ['rule', null],
    ['rule', []],
    ['name', { ...RULE, name: ' ' }],
    ['nam', { ...RULE, nam: 'x' }],
    ['query', { ...RULE, query: '(a' }],
    ['query', { ...RULE, query: 'a | limit 5' }],
    ['query', { ...RULE, query: 'timestamp:>now-5m' }],
    ['query', { ...RULE, query: 5 }],
    ['service/1', { ...RULE, service: ['a', 5] }],
    ['severity', { ...RULE, severity: 'P9' }],
    ['severity', { ...RULE, severity: undefined }],
    ['channels/0', { ...RULE, channels: ['a b'] }],
    ['labels/team', { ...RULE, labels: { team: 5 } }],
    ['labels', { ...RULE, labels: ['a'] }],
    ['runbook', { ...RULE, runbook: 'javascript:alert(1)' }],
    ['record/metric', { ...RULE, record: { metric: '1a' } }],
    ['for', { ...RULE, for: '2d' }],
    ['cooldown', { ...RULE, cooldown: 'soon' }],
    ['enabled', { ...RULE, enabled: 'yes' }],
    ['condition', { ...RULE, condition: undefined }],
    ['condition', { ...RULE, condition: 'count > 5' }],
    ...(
      [
        ['window', { count: '>1' }],
        ['window', { count: '>1', window: '5s' }],
        ['window', { count: '>1', window: '25h' }],
        ['count', { window: '5m' }],
        ['count', { count: '100', window: '5m' }],
        ['rate', { count: '>1', window: '5m', rate: '>1' }],
        ['count', { count: true, window: '5m' }],
        ['count', { count: '>5%', window: '5m' }],
        ['count', { count: '>5/s', window: '5m' }],
        ['field', { p95: '>1', window: '5m' }],
        ['field', { p95: '>1', field: '@timestamp', window: '5m' }],
        ['field', { count: '>1', field: 'n', window: '5m' }],
        ['change', { count: true, change: 5, window: '5m' }],
        ['absence', { absence: true, count: '>1', window: '5m' }],
        ['ratio/query', { count: '>1', ratio: {}, window: '5m' }],
        ['ratio/query', { count: '>1', ratio: { query: 'a AND' }, window: '5m' }],
        ['ratio/x', { count: '>1', ratio: { query: '*', x: 1 }, window: '5m' }],
        ['type', { count: '>1', type: 'hopping', window: '5m' }],
        ['groupBy', { count: '>1', groupBy: ['timestamp'], window: '5m' }],
        ['groupBy', { count: '>1', groupBy: ['a', 'b', 'c', 'd', 'e', 'f'], window: '5m' }],
        ['allowedLateness', { count: '>1', window: '5m', allowedLateness: '2h' }],
        ['windw', { count: '>1', window: '5m', windw: '5m' }],
      ] as [string, unknown][]
    ).map(([path, condition]): [string, unknown] => [`condition/${path}`, { ...RULE, condition }]),
  ]
  for (const [path, definition] of wrong) {
    const { parameter, message } = refusalOf(definition)
    assert.equal(parameter, path, `${JSON.stringify(definition)}: ${message}`)
  }
})

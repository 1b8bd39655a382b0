import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pipe } from '../../../query/ast.ts'
import { parseQuery } from '../../../query/parser.ts'

function pipesOf(text: string): readonly Omit<Pipe, 'span'>[] {
  return parseQuery(text, { nowMs: 0 }).pipes.map(({ span: _, ...pipe }) => pipe)
}

const COUNT = { name: 'count', field: null, quantile: null, as: 'count' }
const by = (field: string, as = field) => ({ kind: 'field', field, as })

const PIPES: readonly (readonly [string, unknown])[] = [
  ['stats count()', { kind: 'stats', metrics: [COUNT], by: [] }],
  [
    'stats count() as n, p95(latency_ms), p99.9(metadata.t) by (service, bucket(5m))',
    {
      kind: 'stats',
      metrics: [
        { ...COUNT, as: 'n' },
        { name: 'quantile', field: 'latency_ms', quantile: 0.95, as: 'p95_latency_ms' },
        { name: 'quantile', field: 'metadata.t', quantile: 0.999, as: 'p99.9_metadata.t' },
      ],
      by: [by('service'), { kind: 'bucket', widthMs: 300_000, as: 'bucket' }],
    },
  ],
  ['stats count() by service', { kind: 'stats', metrics: [COUNT], by: [by('service')] }],
  // An alias groups by its field, under the name that was written.
  [
    'stats count() by source, lvl as l',
    { kind: 'stats', metrics: [COUNT], by: [by('service', 'source'), by('level', 'l')] },
  ],
  ['stats count() by bucket', { kind: 'stats', metrics: [COUNT], by: [by('bucket')] }],
  [
    'stats uniq(user) as u',
    { kind: 'stats', metrics: [{ name: 'uniq', field: 'user', quantile: null, as: 'u' }], by: [] },
  ],
  ['where x > 10', { kind: 'where', condition: { kind: 'compare', field: 'x', operator: '>', value: 10 } }],
  [
    'where level == error',
    { kind: 'where', condition: { kind: 'compare', field: 'level', operator: '=', value: 'ERROR' } },
  ],
  ['where ok = true', { kind: 'where', condition: { kind: 'compare', field: 'ok', operator: '=', value: true } }],
  ['where x != null', { kind: 'where', condition: { kind: 'compare', field: 'x', operator: '!=', value: null } }],
  [
    'where a = 1 or b = "x y" and not (c <= -2.5)',
    {
      kind: 'where',
      condition: {
        kind: 'or',
        of: [
          { kind: 'compare', field: 'a', operator: '=', value: 1 },
          {
            kind: 'and',
            of: [
              { kind: 'compare', field: 'b', operator: '=', value: 'x y' },
              { kind: 'not', of: { kind: 'compare', field: 'c', operator: '<=', value: -2.5 } },
            ],
          },
        ],
      },
    },
  ],
  [
    'sort count desc, svc asc,x',
    {
      kind: 'sort',
      keys: [
        { field: 'count', descending: true },
        { field: 'svc', descending: false },
        { field: 'x', descending: false },
      ],
    },
  ],
  ['limit 20', { kind: 'limit', count: 20 }],
  ['fields timestamp, msg , tags.env', { kind: 'fields', fields: ['timestamp', 'message', 'tags.env'] }],
  ['dedup user', { kind: 'dedup', fields: ['user'] }],
  ['top 10 user, service', { kind: 'top', count: 10, fields: ['user', 'service'] }],
  ['rate 1m', { kind: 'rate', widthMs: 60_000 }],
  ['rate 1h30m', { kind: 'rate', widthMs: 5_400_000 }],
  [
    'parse "user=<user> bytes=<n>"',
    { kind: 'parse', from: 'message', literals: ['user=', ' bytes=', ''], captures: ['user', 'n'] },
  ],
  [
    'parse "\\<<a>|<_> 1 < 2 <> \\"" from stack',
    { kind: 'parse', from: 'stack', literals: ['<', '|', ' 1 < 2 ', ' "'], captures: ['a', null, null] },
  ],
]

for (const [text, wanted] of PIPES) {
  test(`the pipe ${text} is understood`, () => assert.deepEqual(pipesOf(`* | ${text}`), [wanted]))
}

test('pipes follow one another, and each knows its place in the text', () => {
  const text = 'x | stats count() by source | where source != a and count > 10 | sort count desc | limit 5 '
  const { pipes } = parseQuery(text, { nowMs: 0 })
  assert.deepEqual(
    pipes.map(({ span }) => text.slice(span.start, span.end)),
    ['stats count() by source', 'where source != a and count > 10', 'sort count desc', 'limit 5'],
  )
})

test('a name that parse captures hides the alias of that name', () => {
  const [, fields, stats] = pipesOf('* | parse "log=<log>" | fields log | stats count() by log, msg')
  assert.deepEqual(fields, { kind: 'fields', fields: ['log'] })
  assert.deepEqual(stats, { kind: 'stats', metrics: [COUNT], by: [by('log'), by('message', 'msg')] })
})

test('top and rate make tables whose columns are known', () => {
  for (const text of ['top 5 source | sort count desc', 'rate 1m | where rate > 0.5 | sort bucket'])
    pipesOf(`* | ${text}`)
  assert.throws(() => pipesOf('* | rate 1m | sort count'), /Its columns are bucket, rate/)
})

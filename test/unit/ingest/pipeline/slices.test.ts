import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VALUE_BYTES_MAX } from '../../../../base/limits.ts'
import { compilePipeline } from '../../../../ingest/pipeline/compile.ts'
import { PipelineRun, StepList } from '../../../../ingest/pipeline/pipeline-run.ts'
import { cpuMs, sliceMaxMs } from '../../../harness/slices.ts'
import { environment } from './harness.ts'

const long = (piece: string): string =>
  piece.repeat(Math.ceil(VALUE_BYTES_MAX / piece.length)).slice(0, VALUE_BYTES_MAX)

const STEPS: readonly (readonly [step: { readonly type: string }, texts: readonly string[]])[] = [
  [{ type: 'logfmt' }, ['"', '"" ', 'a="b" ', 'a=1 ', '\\', '"a",']],
  [{ type: 'keyValue' }, ['a ', 'a="b" ', '=', '"']],
  [{ type: 'json' }, ['{"a":', '[', '"']],
  [{ type: 'csv', columns: ['a'], ignoreRest: true } as { type: string }, ['"a",', '"', 'a,']],
  [
    { type: 'grok', pattern: '%{COMBINEDAPACHELOG}' } as { type: string },
    ['1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 200 1 ', 'a ', '"', '1.'],
  ],
  [
    { type: 'grok', patterns: ['%{IP:ip} %{WORD:w} %{GREEDYDATA:rest}!', '%{LOGLEVEL:l} %{DATA:c}: %{NUMBER:n}$'] } as {
      type: string
    },
    ['1.2.3.4 ', '1 ', 'INFO a: ', '::'],
  ],
  [{ type: 'regex', pattern: '(?<user>\\w+) logged in' } as { type: string }, ['a', 'a logged ', 'logged in']],
  [
    { type: 'regex', patterns: ['(?<a>a+)b', '(?<x>.*)=(?<y>.*)z', '(?<k>\\S+)\\s+(?<v>\\d+)$'] } as { type: string },
    ['a', 'a=z', 'a 1 ', 'é '],
  ],
  [
    { type: 'mask', detectors: ['passwords', 'tokens', 'emails', 'cards', 'nationalIds', 'ipAddresses'] } as {
      type: string
    },
    [
      ...[
        '1 ',
        '4 ',
        '4111 1111 1111 1111 ',
        '123-45-6789 ',
        '\\',
        '%25',
        '@',
        'a@b.co ',
        '1::2 ',
        '1.2.3.4 ',
        '://a',
        '://u:p@h ',
      ],
      ...['password=', '{"password":"x"},', 'eyJaaaaa.', 'bearer abcdefgh1', '-----BEGIN PRIVATE KEY-----'],
      '"password":"a\\nb", card 4111 1111 1111 1111 mail a@b.co bearer abcdefgh1234 http://u:p@h ',
    ],
  ],
  [
    { type: 'mask', patterns: ['secret-\\d+', 'a+b', '[0-9a-f]{8,64}'] } as { type: string },
    ['a', 'secret-', '0', 'ab ', '\\'],
  ],
]

test('no step holds the thread for long, whatever the longest value is', () => {
  const maxMs = sliceMaxMs()
  for (const [step, pieces] of STEPS) {
    const list = new StepList([compilePipeline('p', 1, { steps: [step] }, environment)])
    for (const piece of pieces) {
      const line = Buffer.from(JSON.stringify({ service: 's', message: long(piece) }))
      let bestMs = Number.POSITIVE_INFINITY
      for (let attempt = 0; attempt < 8 && bestMs > maxMs; attempt++) {
        const run = new PipelineRun(list, { kept: () => {}, dropped: () => {}, failed: () => {} })
        const record = run.take()
        record.load(line, 0, line.length, 0, { receivedMs: 1_790_000_000_000 })
        const tookMs = cpuMs(() => {
          run.pass(record)
          run.advance(() => false)
        })
        bestMs = Math.min(bestMs, tookMs)
      }
      assert.ok(
        bestMs <= maxMs,
        `${JSON.stringify(step)} on ${piece}: ${bestMs.toFixed(1)} ms, not ${maxMs.toFixed(1)}`,
      )
    }
  }
})

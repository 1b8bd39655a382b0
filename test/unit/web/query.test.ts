import { deepEqual, equal, ok } from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { csvText } from '../../../web/src/csv.ts'
import { logSegments } from '../../../web/src/log-text.ts'
import { AGENT_SNIPPETS, agentSnippet } from '../../../web/src/pages/search/agent-snippets.ts'
import { completionPlace, completionsAt } from '../../../web/src/query-completion.ts'
import {
  conditionOf,
  fieldName,
  filterOf,
  makesTable,
  matcherOf,
  queryTokens,
  withCondition,
} from '../../../web/src/query-syntax.ts'
import { spansOf } from '../../../web/src/trace-spans.ts'

test('tokens of any text are in order, within it, and leave out white space only', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string({ unit: 'binary', maxLength: 60 }), fc.stringMatching(/^[a-z":|()\\/[\] ]{0,40}$/)),
      (text) => {
        let at = 0
        for (const { from, to } of queryTokens(text)) {
          ok(from >= at && to > from && to <= text.length)
          equal(text.slice(at, from).trim(), '')
          at = to
        }
        equal(text.slice(at).trim(), '')
      },
    ),
  )
})

test('conditions are added before the pipes, around what OR joins', () => {
  equal(withCondition('', 'a:b'), 'a:b')
  equal(withCondition('* | top 5 service', 'a:b'), 'a:b | top 5 service')
  equal(withCondition('x OR y', '-a:b'), '(x OR y) -a:b')
  equal(withCondition('"x OR y"', 'a:b'), '"x OR y" a:b')
  equal(conditionOf('service', 'a "b" \\c'), 'service:"a \\"b\\" \\\\c"')
  equal(conditionOf('message', 'done'), 'message:="done"')
  deepEqual(
    [conditionOf('a', null), conditionOf('a', 5), conditionOf('a', true), conditionOf('a', {})],
    ['a:null', 'a:5', 'a:true', undefined],
  )
  equal(fieldName(['a.b', 'c d']), 'a\\.b.c\\ d')
  equal(filterOf('a:"x|y" | stats count()'), 'a:"x|y"')
  deepEqual(['a | stats count()', 'a | sort x', 'a || b', '"| stats"'].map(makesTable), [true, false, false, false])
})

test('what is looked for is marked, what is excluded or asked of other fields is not', () => {
  const marked = (query: string, text: string) =>
    logSegments(text, matcherOf(query), 1000)
      .filter(({ classes }) => classes === 'match')
      .map((part) => part.text)
  deepEqual(marked('timeout level:ERROR -gateway', 'Gateway Timeout ERROR'), ['Timeout'])
  deepEqual(marked('"gateway timeout"', 'a Gateway: timeout'), ['Gateway: timeout'])
  deepEqual(marked('pay* message:card', 'payment by card, repay'), ['payment', 'card'])
  deepEqual(marked('/after \\d+ms/', 'after 41ms'), ['after 41ms'])
  equal(matcherOf('/(a+)+$/'), null)
  equal(matcherOf('*'), null)
})

test('terminal sequences become classes or nothing, other controls their names', () => {
  const segments = logSegments('\u001b[1;31mA\u001b[0mB\u001b[2J\u0000\u202e\u001b]0;t\u0007C', null, 100)
  deepEqual(segments, [
    { text: 'A', classes: 'ansi-31 ansi-bold' },
    { text: 'B', classes: '' },
    { text: '\u2400', classes: 'control' },
    { text: 'U+202E', classes: 'control' },
    { text: 'C', classes: '' },
  ])
  fc.assert(
    fc.property(
      fc.string({
        unit: fc.constantFrom('\u001b', '[', ']', '3', '1', ';', 'm', '\u0007', 'x', '\u202e', '\ud800'),
        maxLength: 40,
      }),
      (text) => {
        for (const part of logSegments(text, null, 30))
          ok([...part.text].every((char) => char >= ' ' && char !== '\u202e'))
      },
    ),
  )
})

test('completion knows where it stands', () => {
  const known = {
    fields: [
      { name: 'service', type: 'text', count: 2 },
      { name: 'status', type: 'number', count: 1 },
    ],
    values: [{ value: 'check out', count: 3 }],
  }
  const offered = (text: string) => {
    const place = completionPlace(text, text.length)
    return place === undefined ? undefined : completionsAt(place, known).map(({ insert }) => insert)
  }
  deepEqual(offered('s'), ['service:', 'status:'])
  deepEqual(offered('level:ERROR serv'), ['service:'])
  deepEqual(offered('service:'), ['"check out" '])
  deepEqual(offered('service:che'), ['"check out" '])
  deepEqual(offered('a | st'), ['stats '])
  deepEqual(offered('a | stats c'), ['count()'])
  deepEqual(offered('a | stats count() by ser'), ['service'])
  equal(offered('"serv'), undefined)
})

test('cells that a spreadsheet would run are text', () => {
  equal(csvText([['=1+1', '-5', 'a"b', 'x\ny']]), `'=1+1,-5,"a""b","x\ny"\r\n`)
})

test('the first lines that can be copied are those of the pages of agents', () => {
  ok(AGENT_SNIPPETS.filter(({ page }) => page !== undefined).length >= 6)
  for (const { page, text } of AGENT_SNIPPETS) {
    if (page === undefined) continue
    const shown = readFileSync(new URL(`../../../docs/agents/${page}.md`, import.meta.url), 'utf8')
    ok(shown.includes(text), page)
  }
  const place = { hostname: 'logs.example', port: '9000', protocol: 'http:' }
  for (const { name, text } of AGENT_SNIPPETS) ok(agentSnippet(text, place).includes('logs.example'), name)
})

test('spans of a trace are a tree, whatever their parents say', () => {
  const log = (spanId: string | undefined, parentSpanId: string | undefined, atMs: number) => ({
    id: String(atMs),
    timestamp: new Date(atMs).toISOString(),
    level: 'INFO',
    service: 's',
    ingestedAt: '',
    ...(spanId === undefined ? {} : { spanId }),
    ...(parentSpanId === undefined ? {} : { parentSpanId }),
  })
  const shape = (logs: Parameters<typeof spansOf>[0]) => spansOf(logs).map(({ id, depth }) => `${id} ${depth}`)
  deepEqual(shape([log('b', 'a', 2), log('a', undefined, 1), log('c', 'a', 3), log('d', 'b', 2)]), [
    'a 0',
    'b 1',
    'd 2',
    'c 1',
  ])
  deepEqual(shape([log('x', 'y', 1), log('y', 'x', 2), log(undefined, undefined, 3)]).length, 3)
  equal(spansOf([log('a', undefined, 1), log('b', 'a', 9)])[0]!.endMs, 9)
})

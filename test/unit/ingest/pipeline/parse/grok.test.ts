import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RECORD_BYTES_MAX } from '../../../../../base/limits.ts'
import { GrokError, GrokPattern, grokParser } from '../../../../../ingest/pipeline/parse/grok.ts'
import { GROK_PATTERNS } from '../../../../../ingest/pipeline/parse/grok-patterns.ts'
import { parsed } from '../../../../harness/parsed-object.ts'

function grok(pattern: string | readonly string[], text: string, custom: Readonly<Record<string, string>> = {}) {
  const patterns = typeof pattern === 'string' ? [pattern] : pattern
  const definitions = new Map(Object.entries(custom))
  return parsed(
    grokParser(
      patterns.map((one) => new GrokPattern(one, definitions)),
      false,
    ),
    text,
  )
}

test('an access log is taken apart', () => {
  const line =
    '203.0.113.7 - ada [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif?x=1 HTTP/1.0" 200 2326 "http://www.example.com/start.html" "Mozilla/4.08 [en] (Win98; I ;Nav)"'
  assert.deepEqual(grok('%{COMBINEDAPACHELOG}', line), {
    clientip: '203.0.113.7',
    ident: '-',
    auth: 'ada',
    timestamp: '10/Oct/2000:13:55:36 -0700',
    verb: 'GET',
    request: '/apache_pb.gif?x=1',
    httpversion: '1.0',
    response: 200,
    bytes: 2326,
    referrer: 'http://www.example.com/start.html',
    agent: 'Mozilla/4.08 [en] (Win98; I ;Nav)',
  })
  assert.deepEqual(grok('%{COMMONAPACHELOG}', '2001:db8::17 - - [10/Oct/2000:13:55:36 +0000] "\\x16\\x03" 400 -'), {
    clientip: '2001:db8::17',
    ident: '-',
    auth: '-',
    timestamp: '10/Oct/2000:13:55:36 +0000',
    rawrequest: '\\x16\\x03',
    response: 400,
  })
})

test('a syslog line is taken apart', () => {
  assert.deepEqual(
    grok('%{SYSLOGBASE} %{GREEDYDATA:message}', 'Nov  1 22:14:15 web-1.example.com sshd[4721]: Failed password'),
    {
      timestamp: 'Nov  1 22:14:15',
      logsource: 'web-1.example.com',
      program: 'sshd',
      pid: 4721,
      message: 'Failed password',
    },
  )
})

const EXAMPLES: Readonly<Record<string, readonly [taken: readonly string[], refused: readonly string[]]>> = {
  USERNAME: [['a.b-c_9'], ['a b', '']],
  INT: [
    ['42', '-7', '+1'],
    ['4.2', 'x'],
  ],
  NUMBER: [
    ['42', '-4.25', '.5'],
    ['1e', 'x'],
  ],
  BASE16NUM: [['0xDEADbeef', 'ff'], ['0xg']],
  POSINT: [['42'], ['0', '-1']],
  NONNEGINT: [['0', '42'], ['-1']],
  WORD: [['word_1'], ['two words']],
  NOTSPACE: [['a-b/c'], ['a b']],
  QUOTEDSTRING: [
    ['"a \\" b"', "'x'", '""'],
    ['"a', 'a'],
  ],
  UUID: [['123e4567-e89b-12d3-a456-426614174000'], ['123e4567-e89b-12d3-a456']],
  MAC: [['00:1B:44:11:3a:b7', '00-1B-44-11-3A-B7', '001B.4411.3AB7'], ['00:1B:44:11:3a']],
  IPV4: [
    ['0.0.0.0', '255.255.255.255', '10.1.2.3'],
    ['256.1.1.1', '1.2.3', '1.2.3.4.'],
  ],
  IPV6: [
    [
      '::1',
      '::',
      '2001:db8::ff00:42:8329',
      '1:2:3:4:5:6:7:8',
      '::ffff:10.0.0.1',
      'fe80::1%eth0',
      '1:2:3:4:5:6:1.2.3.4',
    ],
    ['1:2', ':::', 'g::1'],
  ],
  IP: [['10.0.0.1', '::1'], ['host']],
  HOSTNAME: [
    ['web-1', 'a.b.example.com', 'x.'],
    ['-x', 'a..b', 'a_b'],
  ],
  IPORHOST: [['10.0.0.1', 'web-1', '10.0.0.1.example.com'], ['']],
  HOSTPORT: [['web-1:8080', '10.0.0.1:1'], ['web-1']],
  UNIXPATH: [['/var/log/x.log', '/'], ['var']],
  WINPATH: [['C:\\Program Files\\x', '\\\\host\\share'], ['/x']],
  PATH: [['/x/y', 'C:\\x'], ['x']],
  URIPROTO: [['https', 'git+ssh'], ['1x']],
  URIPATHPARAM: [['/a/b?c=d&e', '/'], ['a']],
  URI: [['https://ada:x@example.com:8443/a/b?c=d', 'ftp://host'], ['//host']],
  EMAILADDRESS: [['ada.l+x@example.com'], ['ada@', '@x']],
  MONTH: [['Jan', 'september', 'May'], ['Foo']],
  MONTHNUM: [
    ['01', '12', '7'],
    ['13', '0'],
  ],
  MONTHDAY: [['01', '31', '7'], ['32']],
  DAY: [['Mon', 'Tuesday'], ['Xyz']],
  YEAR: [['2026', '26'], ['202']],
  TIME: [
    ['22:14:15', '7:05', '23:59:60.123'],
    ['24:00:00', '22'],
  ],
  TIMESTAMP_ISO8601: [
    ['2026-11-21T22:14:15.123Z', '2026-11-21 22:14', '2026-11-21 22:14:15,123 +01:00', '2026-11-21T22:14:15+0100'],
    ['2026-13-01T00:00:00'],
  ],
  SYSLOGTIMESTAMP: [['Nov 21 22:14:15', 'Nov  1 02:14:15'], ['2026-11-21']],
  HTTPDATE: [['10/Oct/2000:13:55:36 -0700'], ['10-Oct-2000']],
  DATE_US: [['11/21/2026'], ['21/11/2026']],
  DATE_EU: [['21.11.2026'], ['2026']],
  LOGLEVEL: [['ERROR', 'Warning', 'info', 'crit'], ['loud']],
  JAVACLASS: [['com.example.Foo$Bar'], ['1x']],
  JAVASTACKTRACEPART: [['  at com.example.Foo.bar(Foo.java:42)'], ['at x']],
  TZ: [['UTC', 'PST'], ['XX']],
  DATESTAMP_RFC2822: [['Sat, 21 Nov 2026 22:14:15 +0100'], ['Sat']],
}

for (const [name, [taken, refused]] of Object.entries(EXAMPLES)) {
  test(`%{${name}} takes what it names`, () => {
    const pattern = `^%{${name}:it}$`
    for (const text of taken) assert.equal((grok(pattern, text) as Record<string, unknown>).it, text, text)
    for (const text of refused) assert.equal(grok(pattern, text), 'no pattern matches', text)
  })
}

test('every standard pattern compiles', () => {
  for (const name of Object.keys(GROK_PATTERNS)) assert.ok(new GrokPattern(`%{${name}:it}`, new Map()))
})

test('types turn values into numbers that JSON can hold; what is none stays text', () => {
  assert.deepEqual(grok('%{INT:a:int} %{NUMBER:b:float} %{WORD:c:int} %{WORD:d:float}', '+007 -.50 x e5'), {
    a: 7,
    b: -0.5,
    c: 'x',
    d: 'e5',
  })
})

test('patterns are tried in order; names of fields may be paths; own patterns come before the standard ones', () => {
  assert.deepEqual(grok(['^%{INT:n}$', '^%{WORD:[http][verb]} %{ID:order.id}$'], 'GET o-42', { ID: 'o-%{INT}' }), {
    'http.verb': 'GET',
    'order.id': 'o-42',
  })
  assert.deepEqual(grok('%{WORD:w}', 'x', { WORD: '[a-w]+|x+' }), { w: 'x' })
  assert.deepEqual(grok('(?<rest>.*)', 'a b'), { rest: 'a b' })
  assert.deepEqual(grok('^(?:a%{INT:n}|b%{INT:n})$', 'b7'), { n: '7' })
})

test('a pattern that cannot be is refused', () => {
  for (const [pattern, custom, says] of [
    ['%{NOPE:x}', {}, /no pattern NOPE/],
    ['%{__proto__:x}', {}, /no pattern __proto__/],
    ['%{A:x}', { A: '%{B}', B: '%{A}' }, /part of itself: A > B > A/],
    ['%{A:x}', { A: '%{A}' }, /part of itself/],
    ['%{INT:x:hex}', {}, /no type hex/],
    ['%{INT}', {}, /names no field/],
    ['%{INT:x}(', {}, /not closed/],
    ['(?=%{INT:x})', {}, /Look-around/],
    [
      '%{P9:x}',
      Object.fromEntries(
        Array.from({ length: 10 }, (_, i) => [`P${i}`, i === 0 ? 'x'.repeat(100) : `%{P${i - 1}}`.repeat(10)]),
      ),
      /too long/,
    ],
  ] as const)
    assert.throws(
      () => grok(pattern, '', custom),
      (error) => error instanceof GrokError && says.test(error.message),
      pattern,
    )
})

test('no pattern takes long on a line that it nearly matches', () => {
  const started = process.cpuUsage()
  for (const text of [
    '1'.repeat(RECORD_BYTES_MAX),
    'a.'.repeat(RECORD_BYTES_MAX / 2),
    '"'.repeat(RECORD_BYTES_MAX),
    ' '.repeat(RECORD_BYTES_MAX),
  ]) {
    for (const pattern of [
      '%{COMBINEDAPACHELOG}',
      '%{SYSLOGLINE}',
      '%{DATA:a} %{DATA:b} %{DATA:c} %{INT:d}x',
      '%{URI:u}',
      '%{JAVASTACKTRACEPART}',
    ])
      assert.equal(typeof grok(pattern, text), 'string', pattern)
  }
  assert.ok(process.cpuUsage(started).user < 10_000_000)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeSyslog } from '../../../../ingest/protocols/syslog.ts'
import { SyslogBatch } from '../../../../ingest/protocols/syslog-batch.ts'
import { decoded, recordsOf } from './harness.ts'

const NOW_MS = Date.UTC(2026, 10, 21, 12)
const SENDER = '192.0.2.7'

function batchOf(messages: readonly (string | Buffer)[]): SyslogBatch {
  const batch = new SyslogBatch(16)
  for (const message of messages) {
    const bytes = Buffer.from(message as string)
    batch.add(bytes, 0, bytes.length, SENDER, false)
  }
  return batch
}

function records(...messages: (string | Buffer)[]) {
  const batch = batchOf(messages)
  return recordsOf(decoded(Buffer.from(batch.bytes()), (source, into) => decodeSyslog(source, into, batch, NOW_MS)))
}

/** Without what all have. */
function record(message: string | Buffer): Record<string, unknown> {
  const [only] = records(message) as Record<string, unknown>[]
  if (typeof only !== 'object') return only as never
  const { timestamp, ...rest } = only
  if (typeof timestamp !== 'number') return only
  return { at: new Date(timestamp / 1000).toISOString(), ...rest }
}

test('a message of RFC 5424 has its header as fields, structured data nested', () => {
  assert.deepEqual(
    record(
      '<165>1 2026-11-21T10:14:15.003000Z mymachine.example.com evntslog 8710 ID47 ' +
        '[exampleSDID@32473 iut="3" eventSource="Appl\\"i\\]c\\\\a\\tion" eventID="1011"][origin ip="10.0.0.1" ip="10.0.0.2"] \ufeffAn entry "ü"',
    ),
    {
      timestamp: '2026-11-21T10:14:15.003000Z',
      level: 'notice',
      facility: 'local4',
      host: 'mymachine.example.com',
      service: 'evntslog',
      procid: '8710',
      msgid: 'ID47',
      structuredData: {
        'exampleSDID@32473': { iut: '3', eventSource: 'Appl"i]c\\a\\tion', eventID: '1011' },
        origin: { ip: ['10.0.0.1', '10.0.0.2'] },
      },
      message: 'An entry "ü"',
    },
  )
})

test('what a message of RFC 5424 does not say is left out, and its sender is the host', () => {
  assert.deepEqual(records('<34>1 - - - - - -', '<34>1 - - - - - - x', '<0>1 - h a p m [x@1] y'), [
    { level: 'crit', facility: 'auth', host: SENDER, message: '' },
    { level: 'crit', facility: 'auth', host: SENDER, message: 'x' },
    {
      level: 'emerg',
      facility: 'kern',
      host: 'h',
      service: 'a',
      procid: 'p',
      msgid: 'm',
      structuredData: { 'x@1': {} },
      message: 'y',
    },
  ])
})

test('structured data that is broken is text', () => {
  for (const data of ['[', '[]', '[a b]', '[a b=c]', '[a b="c]', '[a b="c"', '[a b="c"x="d"]', '[a b="c\\"']) {
    assert.equal(record(`<13>1 - h a - - ${data} text`).message, `${data} text`, data)
  }
  const many = Array.from({ length: 300 }, (_, i) => `p${i}="x"`).join(' ')
  assert.equal(record(`<13>1 - h a - - [a ${many}] text`).message, `[a ${many}] text`)
})

test('messages of RFC 3164, and what is met beside it', () => {
  const user = { level: 'notice', facility: 'user' }
  const at = '2026-11-21T10:00:01.000Z'
  const forms: [string, Record<string, unknown>][] = [
    [
      '<13>Nov 21 10:00:01 web1 sshd[42]: Accepted',
      { at, ...user, host: 'web1', service: 'sshd', procid: '42', message: 'Accepted' },
    ],
    [
      '<13>Nov  1 10:00:01 web1 su: no',
      { at: '2026-11-01T10:00:01.000Z', ...user, host: 'web1', service: 'su', message: 'no' },
    ],
    [
      '<13>Nov 21 10:00:01 web1 postfix/smtpd[1]: a: b',
      { at, ...user, host: 'web1', service: 'postfix/smtpd', procid: '1', message: 'a: b' },
    ],
    ['<13>Nov 21 10:00:01 web1 no tag here', { at, ...user, host: 'web1', message: 'no tag here' }],
    // Without a host, as libc and `logger` write it.
    ['<13>Nov 21 10:00:01 root: hello', { at, ...user, host: SENDER, service: 'root', message: 'hello' }],
    ['<13>Nov 21 10:00:01 app[7]: hello', { at, ...user, host: SENDER, service: 'app', procid: '7', message: 'hello' }],
    // Times of other forms.
    [
      '<13>2026-11-21T10:00:01.5+01:00 web1 app: x',
      { timestamp: '2026-11-21T10:00:01.5+01:00', ...user, host: 'web1', service: 'app', message: 'x' },
    ],
    [
      '<13>2026-11-21 10:00:01 web1 app: x',
      { timestamp: '2026-11-21 10:00:01', ...user, host: 'web1', service: 'app', message: 'x' },
    ],
    ['<13>Nov 21 2026 10:00:01 fw1 app: x', { at, ...user, host: 'fw1', service: 'app', message: 'x' }],
    ['<13>Nov 21 10:00:01 2026 fw1 app: x', { at, ...user, host: 'fw1', service: 'app', message: 'x' }],
    [
      '<13>Nov 21 10:00:01.250 web1 app: x',
      { at: '2026-11-21T10:00:01.250Z', ...user, host: 'web1', service: 'app', message: 'x' },
    ],
    // The year is the one in which the time is nearest to now.
    [
      '<13>Dec 31 23:59:59 web1 app: x',
      { at: '2026-12-31T23:59:59.000Z', ...user, host: 'web1', service: 'app', message: 'x' },
    ],
    [
      '<13>Jun  1 00:00:00 web1 app: x',
      { at: '2026-06-01T00:00:00.000Z', ...user, host: 'web1', service: 'app', message: 'x' },
    ],
    [
      '<13>May  1 00:00:00 web1 app: x',
      { at: '2027-05-01T00:00:00.000Z', ...user, host: 'web1', service: 'app', message: 'x' },
    ],
    // Cisco.
    [
      '<189>29: *Nov 21 10:00:01.483 UTC: %SYS-5-CONFIG_I: Configured from console',
      {
        at: '2026-11-21T10:00:01.483Z',
        level: 'notice',
        facility: 'local7',
        host: SENDER,
        msgid: 'SYS-5-CONFIG_I',
        message: '%SYS-5-CONFIG_I: Configured from console',
      },
    ],
    [
      '<187>31: router1: Nov 21 10:00:01.483: %LINK-3-UPDOWN: down',
      {
        at: '2026-11-21T10:00:01.483Z',
        level: 'err',
        facility: 'local7',
        host: 'router1',
        msgid: 'LINK-3-UPDOWN',
        message: '%LINK-3-UPDOWN: down',
      },
    ],
    [
      '<166>Nov 21 2026 10:00:01: %ASA-6-302013: Built',
      { at, level: 'info', facility: 'local4', host: SENDER, msgid: 'ASA-6-302013', message: '%ASA-6-302013: Built' },
    ],
    // Without a time.
    ['<13>app[7]: hello', { ...user, host: SENDER, service: 'app', procid: '7', message: 'hello' }],
    ['<13>hello world', { ...user, host: SENDER, message: 'hello world' }],
    ['<13>', { ...user, host: SENDER, message: '' }],
    ['<13>Feb 30 10:00:01 web1 app: x', { ...user, host: SENDER, message: 'Feb 30 10:00:01 web1 app: x' }],
    // A version, and then no header of RFC 5424.
    ['<13>1 potato, 2 potatoes', { ...user, host: SENDER, message: '1 potato, 2 potatoes' }],
    ['<13>1 yesterday h a p m - text', { ...user, host: SENDER, message: '1 yesterday h a p m - text' }],
    // Without a priority, or one that there is not.
    ['plain text', { host: SENDER, message: 'plain text' }],
    ['<192>x', { host: SENDER, message: '<192>x' }],
    ['Nov 21 10:00:01 web1 app: x', { at, host: 'web1', service: 'app', message: 'x' }],
  ]
  for (const [message, expected] of forms) assert.deepEqual(record(message), expected, message)
})

test('the end of a line is no part of the message, newlines within are', () => {
  assert.equal(record('<13>1 - - - - - - a\nb\r\n\0').message, 'a\nb')
})

test('text of another encoding is taken for Latin-1; bytes without a priority that are no text are refused', () => {
  assert.equal(record(Buffer.from('<13>app: gr\xfc\xdfe', 'latin1')).message, 'grüße')
  for (const bytes of [Buffer.from([0x16, 0x03, 0x01, 0x02]), Buffer.from('gr\xfc\xdfe', 'latin1'), Buffer.from('')]) {
    assert.equal(record(bytes) as unknown, 'invalid_record')
  }
})

test('a message that was cut is refused, the others of its batch are taken', () => {
  const batch = batchOf(['<13>a'])
  batch.add(Buffer.from('<13>bbb'), 0, 7, SENDER, true)
  const body = decoded(Buffer.from(batch.bytes()), (source, into) => decodeSyslog(source, into, batch, NOW_MS))
  assert.deepEqual(recordsOf(body)[1], 'record_too_large')
  assert.equal(Buffer.from(body.sourceOf(1)).toString(), '<13>bbb')
})

test('any bytes are a record or a refusal, never a failure', () => {
  const seeds = [
    '<165>1 2026-11-21T10:14:15Z h a p m [x@1 a="b"] text',
    '<13>Nov 21 10:00:01 web1 sshd[42]: Accepted',
    '<187>31: r: Nov 21 10:00:01.4 UTC: %A-3-B: x',
  ]
  let state = 7
  const random = (below: number) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
    return (state >>> 8) % below
  }
  for (let i = 0; i < 3000; i++) {
    const bytes = Buffer.from(seeds[i % seeds.length]!)
    for (let changes = random(4); changes >= 0; changes--) bytes[random(bytes.length)] = random(256)
    assert.equal(records(bytes.subarray(0, random(bytes.length + 1))).length, 1)
  }
})

test('a message ends where it ends, whatever the next begins with', () => {
  for (const next of [':x', '[]x', ' x', '.5 x']) {
    const [first] = records('<13>hello', next) as Record<string, unknown>[]
    assert.deepEqual(first, { level: 'notice', facility: 'user', host: SENDER, message: 'hello' }, next)
  }
})

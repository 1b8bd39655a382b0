import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeJournald } from '../../../../ingest/protocols/journald.ts'
import { decoded, recordsOf } from './harness.ts'

function binary(name: string, value: Buffer | string): Buffer {
  const bytes = Buffer.from(value)
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(bytes.length))
  return Buffer.concat([Buffer.from(`${name}\n`), length, bytes, Buffer.from('\n')])
}

function journald(...parts: readonly (Buffer | string)[]) {
  const body = decoded(Buffer.concat(parts.map((part) => Buffer.from(part))), decodeJournald)
  return { body, records: recordsOf(body) }
}

test('entries are records, text and binary fields alike', () => {
  const { records, body } = journald(
    '\n__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=1700000000000001\nPRIORITY=3\n_HOSTNAME=h\nEMPTY=\n',
    binary('MESSAGE', 'two\n\nlines'),
    '\n\n',
    'MESSAGE=b=c "d"\n',
    binary('RAW', Buffer.from([0xff, 0x41, 0x0a])),
  )
  assert.deepEqual(records, [
    {
      __CURSOR: 's=1;i=2',
      timestamp: '1700000000000001',
      level: '3',
      host: 'h',
      EMPTY: '',
      message: 'two\n\nlines',
    },
    { message: 'b=c "d"', RAW: '\ufffdA\n' },
  ])
  assert.ok(Buffer.from(body.sourceOf(1)).toString('latin1').startsWith('MESSAGE=b=c'))
  assert.deepEqual(journald('').records, [])
})

test('the service is the unit, else the identifier', () => {
  const services: [string, string | undefined][] = [
    ['_SYSTEMD_UNIT=shop.service\nSYSLOG_IDENTIFIER=node\n', 'shop'],
    ['SYSLOG_IDENTIFIER=kernel\n_COMM=x\n', 'kernel'],
    ['_SYSTEMD_UNIT=session-1.scope\n_COMM=bash\n', 'bash'],
    ['_SYSTEMD_UNIT=session-1.scope\n', 'session-1.scope'],
    ['_SYSTEMD_UNIT=.service\n', '.service'],
    ['A=b\n', undefined],
  ]
  for (const [entry, service] of services) {
    assert.equal((journald(entry).records[0] as { service?: string }).service, service, entry)
  }
})

test('a field without an end, a name or its length makes the whole unreadable', () => {
  for (const part of [
    'MESSAGE=a',
    '=a\n',
    `${'N'.repeat(65)}=a\n`,
    'MESSAGE\n',
    'MESSAGE\n\x05\0\0\0\0\0\0\0abc\n',
    'MESSAGE\n\x02\0\0\0\0\0\0\0abc\n',
    'MESSAGE\n\xff\xff\xff\xff\xff\xff\xff\xffabc\n',
  ]) {
    assert.throws(() => journald('A=b\n\n', Buffer.from(part, 'latin1')), { code: 'invalid_body' }, part)
  }
})

test('an entry of more fields than a record may have is refused alone', () => {
  const { records } = journald('A=b\n\n', 'A=b\n'.repeat(300), '\nA=b\n')
  assert.deepEqual(records, [{ A: 'b' }, 'too_many_fields', { A: 'b' }])
})

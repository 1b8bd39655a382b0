import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { WeirError } from '../../../../base/errors.ts'
import { IpTable, ipAddress } from '../../../../ingest/pipeline/enrich/ip-address.ts'
import { CsvTableError, csvTable } from '../../../../ingest/pipeline/parse/csv-table.ts'
import { environment, runSteps } from './harness.ts'

test('a time in any of the formats becomes the time of the record, to the nanosecond', () => {
  const step = {
    type: 'timestamp',
    field: 'when',
    formats: ['yyyy-MM-dd HH:mm:ss,SSS', 'epochNanos'],
    timezone: 'Europe/Berlin',
  }
  assert.deepEqual(runSteps([step], [{ when: ' 2026-07-01 12:00:00,5 ' }]), [
    '{"when":" 2026-07-01 12:00:00,5 ","timestamp":"2026-07-01T10:00:00.500Z"}',
  ])
  assert.deepEqual(runSteps([{ ...step, removeField: true }], ['{"when":1790000000000000001,"time":5}']), [
    '{"time":"2026-09-21T14:13:20.000000001Z"}',
  ])
  assert.deepEqual(runSteps([{ type: 'timestamp' }], [{ ts: '2026-07-01 12:00:00' }]), [
    '{"ts":"2026-07-01T12:00:00.000Z"}',
  ])
  assert.deepEqual(runSteps([step], [{ when: 'yesterday' }, {}]), [
    'failed in 0: it is a time of none of the formats',
    'failed in 0: there is no text in the field',
  ])
})

test('a level is found by the map, by the names that are understood, or is the default', () => {
  const step = { type: 'level', field: 'sev', map: { Loud: 'warn', '99': 'FATAL' } }
  const level = (record: unknown, more: object = {}) => runSteps([{ ...step, ...more }], [record])[0]
  assert.equal(level({ sev: 'LOUD ' }), '{"sev":"LOUD ","level":"WARN"}')
  assert.equal(level({ sev: 99 }), '{"sev":99,"level":"FATAL"}')
  assert.equal(level({ sev: 'err', severity: 'x' }), '{"sev":"err","severity":"ERROR"}')
  assert.equal(level({ sev: 'what' }), 'failed in 0: no level goes by that name')
  assert.equal(level({}, { default: 'info' }), '{"level":"INFO"}')
})

test('labels and facts of the node go to the tags', () => {
  const step = { type: 'addLabels', labels: { team: 'web' }, nodeRegion: 'region', nodeId: 'node' }
  assert.deepEqual(runSteps([step], [{ tags: { team: 'x', a: 1 } }]), [
    '{"tags":{"team":"web","a":1,"region":"eu","node":"n1"}}',
  ])
  assert.deepEqual(runSteps([{ ...step, overwrite: false, target: 'l' }], [{ l: { team: 'x' } }]), [
    '{"l":{"team":"x","region":"eu","node":"n1"}}',
  ])
  const env = { ...environment, node: { id: 'n1', region: undefined } }
  assert.deepEqual(runSteps([step], [{}], { env }), ['{"tags":{"team":"web","node":"n1"}}'])
})

test('rows are looked up by key or by network, the narrowest first', () => {
  const table = {
    '10.0.0.0/8': { site: 'hq', n: 1.5 },
    '10.1.0.0/16': { site: 'lab' },
    '2001:db8::/32': { site: 'v6' },
    '0.0.0.0/0': { site: 'net' },
  }
  const step = { type: 'lookup', field: 'ip', by: 'cidr', table, target: 'where' }
  const where = (ip: unknown) => runSteps([step], [{ ip }])[0]
  assert.equal(where('10.2.0.1'), '{"ip":"10.2.0.1","where":{"site":"hq","n":1.5}}')
  assert.equal(where('10.1.255.255'), '{"ip":"10.1.255.255","where":{"site":"lab"}}')
  assert.equal(where('::ffff:10.1.0.1'), '{"ip":"::ffff:10.1.0.1","where":{"site":"lab"}}')
  assert.equal(where('2001:DB8:1::5'), '{"ip":"2001:DB8:1::5","where":{"site":"v6"}}')
  assert.equal(where('1.1.1.1'), '{"ip":"1.1.1.1","where":{"site":"net"}}')
  assert.equal(where('2002::1'), '{"ip":"2002::1"}')
  assert.equal(where('no address'), '{"ip":"no address"}')
  const csv = 'code,name,"owner"\r\nE1,"disk, full",ops\nE2,,dev\n'
  const byKey = { type: 'lookup', field: 'code', csv, ignoreCase: true, required: true }
  assert.deepEqual(runSteps([byKey], [{ code: 'e1' }, { code: 'E2' }, { code: '__proto__' }, {}]), [
    '{"code":"e1","name":"disk, full","owner":"ops"}',
    '{"code":"E2","owner":"dev"}',
    '{"code":"__proto__"}',
    '{}',
  ])
  assert.deepEqual(runSteps([{ ...byKey, onError: 'deadLetter', default: { owner: 'nobody' } }], [{ code: 'E9' }]), [
    '{"code":"E9","owner":"nobody"}',
  ])
  assert.deepEqual(runSteps([{ ...byKey, onError: 'deadLetter' }], [{ code: 'E9' }]), [
    'failed in 0: the table has no such key',
  ])
})

test('a user agent is taken apart as far as it is known', () => {
  const agent =
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1'
  assert.deepEqual(
    runSteps(
      [
        { type: 'userAgent', field: 'ua' },
        { type: 'remove', fields: ['ua'] },
      ],
      [{ ua: agent }],
    ),
    [
      '{"client":{"name":"Mobile Safari","version":"18.1","os":"iOS","osVersion":"18.1","device":"mobile","deviceVendor":"Apple","deviceModel":"iPhone"}}',
    ],
  )
  for (const ua of ['', '\ud800', '(', 'x'.repeat(1_000_000), 'android build/'.repeat(50_000), null, 5])
    assert.equal(runSteps([{ type: 'userAgent', field: 'ua' }], [{ ua }]).length, 1)
})

test('addresses are what node:net takes for addresses, and a network holds what shares its prefix', () => {
  assert.deepEqual(ipAddress('1.2.3.4'), { bits: 32, value: 0x01020304 })
  assert.deepEqual(ipAddress('::1'), { bits: 128, value: 1n })
  assert.deepEqual(ipAddress('fe80::1:2%eth0'), { bits: 128, value: 0xfe800000000000000000000000010002n })
  assert.deepEqual(ipAddress('1:2:3:4:5:6:1.2.3.4'), { bits: 128, value: 0x00010002000300040005000601020304n })
  assert.equal(ipAddress('1.2.3'), undefined)
  assert.equal(ipAddress('1'.repeat(100_000)), undefined)
  fc.assert(
    fc.property(
      fc.ipV6(),
      fc.integer({ min: 0, max: 128 }),
      fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }),
      (text, prefix, other) => {
        const address = ipAddress(text)!
        if (address.bits === 32) return
        const table = new IpTable<string>()
        assert.ok(table.add(`${text}/${prefix}`, 'in'))
        const written = other.toString(16).padStart(32, '0').match(/.{4}/g)!.join(':')
        if (ipAddress(written)!.bits === 32) return
        const rest = BigInt(128 - prefix)
        assert.equal(table.find(written), other >> rest === address.value >> rest ? 'in' : undefined)
        assert.equal(table.find(text), 'in')
      },
    ),
  )
})

test('a table is read back as it was written', () => {
  assert.deepEqual(csvTable('a,b\n\n1,"x\n""y"\r\n2,\n', ',', 10), [
    ['a', 'b'],
    ['1', 'x\n"y'],
    ['2', ''],
  ])
  for (const text of ['a,"b', 'a,"b"c\n', 'a\nb\nc\nd'])
    assert.throws(() => csvTable(text, ',', 3), CsvTableError, text)
  const cell = fc.string({ unit: fc.constantFrom('a', 'é', ',', '"', '\n', '\r', ' '), maxLength: 5 })
  fc.assert(
    fc.property(fc.array(fc.array(cell, { minLength: 2, maxLength: 4 }), { maxLength: 5 }), (rows) => {
      const text = rows.map((row) => row.map((one) => `"${one.replaceAll('"', '""')}"`).join(',')).join('\n')
      assert.deepEqual(csvTable(text, ',', 10), rows)
    }),
  )
})

test('a definition that cannot be is refused with its place', () => {
  for (const [step, place] of [
    [{ type: 'timestamp', formats: ['rfc3339', 'yyyy'] }, 'steps/0/formats/1'],
    [{ type: 'timestamp', timezone: 'Mars/Base' }, 'steps/0/timezone'],
    [{ type: 'level', map: { a: 'LOUD' } }, 'steps/0/map/a'],
    [{ type: 'level', default: 5 }, 'steps/0/default'],
    [{ type: 'addLabels' }, 'steps/0/labels'],
    [{ type: 'addLabels', labels: { a: 1 } }, 'steps/0/labels/a'],
    [{ type: 'lookup', table: { a: {} } }, 'steps/0/field'],
    [{ type: 'lookup', field: 'a' }, 'steps/0/table'],
    [{ type: 'lookup', field: 'a', table: { a: 'x' } }, 'steps/0/table/a'],
    [{ type: 'lookup', field: 'a', by: 'cidr', table: { '10.0.0.0/33': {} } }, 'steps/0/table/10.0.0.0/33'],
    [{ type: 'lookup', field: 'a', csv: 'a,b\n"', table: {} }, 'steps/0/csv'],
    [{ type: 'lookup', field: 'a', csv: 'a,b\n"' }, 'steps/0/csv'],
    [{ type: 'lookup', field: 'a', csv: 'a,b\n1,2', keyColumn: 'c' }, 'steps/0/keyColumn'],
    [{ type: 'sample', rate: 2 }, 'steps/0/rate'],
    [{ type: 'sample', rate: 1, levels: { ERROR: 0 } }, 'steps/0/levels/ERROR'],
    [{ type: 'dedup', windowSeconds: 0 }, 'steps/0/windowSeconds'],
  ] as const)
    assert.throws(
      () => runSteps([step], []),
      (error) => error instanceof WeirError && error.details.parameter === place,
      JSON.stringify(step),
    )
})

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { NodeProcess } from '../harness/node-process.ts'
import { shareNode } from '../harness/shared-node.ts'
import { WeirClient, waitUntil } from '../harness/weir-client.ts'

const shared = await shareNode({ 'syslog.port': 0 })
const weir = shared.client()
const { syslog } = shared.node.ports
const run = promisify(execFile)

/** logger(1) of util-linux, to the node. */
async function logger(...args: string[]): Promise<void> {
  await run('logger', ['-n', '127.0.0.1', '-P', String(syslog), ...args])
}

async function send(port: number, text: string): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.end(text)
  // The node closes when it has read all.
  await once(socket.resume(), 'close')
}

test('logger sends by TCP and UDP, in both formats and framings', async () => {
  const ways = [
    ['-T', '--rfc5424'],
    ['-T', '--rfc5424', '--octet-count'],
    ['-T', '--rfc3164'],
    ['-T', '--rfc3164', '--octet-count'],
    ['-d', '--rfc5424'],
    ['-d', '--rfc3164'],
  ]
  for (const [i, way] of ways.entries()) {
    const service = `logger-${i}`
    await logger(...way, '-t', service, '-p', 'local3.err', '--id=77', 'disk "a" is fülled: 93 %')
    const [record] = await weir.found(1, { service })
    assert.equal(record?.message, 'disk "a" is fülled: 93 %')
    assert.equal(record?.level, 'ERROR')
    assert.equal(record?.facility, 'local3')
    assert.equal(record?.procid, '77')
    const agoMs = Date.now() - Date.parse(record?.timestamp)
    // RFC 3164 has the local time of the sender, without its zone.
    if (way.includes('--rfc5424')) assert.ok(Math.abs(agoMs) < 60_000, `${agoMs}`)
  }
})

test('structured data is found by its fields', async () => {
  const data = ['--sd-id', 'shop@32473', '--sd-param', 'order="o-17"', '--sd-param', 'sum="9.50"']
  await logger('-T', '--rfc5424', '-t', 'shop', '--msgid', 'ORDER', ...data, 'placed')
  const [record] = await weir.found(1, { service: 'shop', query: 'placed' })
  assert.deepEqual(record?.structuredData['shop@32473'], { order: 'o-17', sum: '9.50' })
  assert.equal(record?.msgid, 'ORDER')
})

test('of 100 messages 3 bad ones become dead letters, the others are found in order', async () => {
  const lines = Array.from({ length: 100 }, (_, i) => {
    const time = i % 40 === 7 ? '1999-01-01T00:00:00Z' : new Date(Date.now() - 60_000 + i).toISOString()
    return `<12>1 ${time} web1 hundred - - - message ${i}`
  })
  await send(syslog, `${lines.join('\n')}\n`)
  const found = await weir.found(97, { service: 'hundred' })
  const bad = [7, 47, 87]
  assert.deepEqual(
    found.map(({ message }) => message),
    lines.flatMap((_, i) => (bad.includes(i) ? [] : [`message ${i}`])),
  )
  assert.ok(found.every(({ level, host }) => level === 'WARN' && host === 'web1'))
  await waitUntil(
    async () => {
      const { deadLetters } = await weir.json('/v1/dead-letters')
      const raws = (deadLetters as { protocol: string; raw: string }[]).flatMap(({ protocol, raw }) =>
        protocol === 'syslog' ? [raw] : [],
      )
      return bad.every((i) => raws.includes(lines[i]!))
    },
    () => 'the bad ones are dead letters as they came',
  )
})

test('what was read is stored when the node ends, and only the tenant that is named gets it', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'weir-syslog-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const settings = {
    'data.dir': directory,
    'auth.mode': 'keys',
    'auth.adminKey': 'weir_admin_of_this_test',
    'syslog.port': 0,
    'syslog.tenant': 'devices',
    workers: 2,
  }
  const first = await NodeProcess.start(settings)
  t.after(() => first.kill())
  const count = 20_000
  const time = new Date().toISOString()
  const text = Array.from({ length: count }, (_, i) => `<14>1 ${time} h drained - - - m${i}\n`).join('')
  await send(first.ports.syslog, text)
  assert.equal(await first.stop(), 0)
  const second = await NodeProcess.start(settings)
  t.after(() => second.kill())
  for (const [tenant, total] of [
    ['devices', count],
    ['default', 0],
  ] as const) {
    const client = new WeirClient(second.url, {
      authorization: 'Bearer weir_admin_of_this_test',
      'x-scope-orgid': tenant,
    })
    const found = await client.found(total, { service: 'drained', limit: 1, total: 'exact' })
    assert.equal(found.length, Math.min(1, total))
    client.close()
  }
})

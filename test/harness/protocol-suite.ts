import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { hashKey } from '../../api/auth.ts'
import type { Role } from '../../api/backend.ts'
import { WeirError } from '../../base/errors.ts'
import type { TenantId } from '../../base/ids.ts'
import { Prng } from '../../base/prng.ts'
import { HttpClient } from './http-client.ts'
import { NodeProcess } from './node-process.ts'
import { shareNode } from './shared-node.ts'
import { startTestServer } from './test-server.ts'
import { type Found, WeirClient, waitUntil } from './weir-client.ts'

const KIB = 1024
const MIB = 1024 * KIB
const RECORDS = 100
/** Of the hundred; the last among them. */
const BAD = [7, 50, 99]

/** A record that a protocol's encoder makes what it needs of. */
export interface SuiteRecord {
  /** Unique; must come back in the field `uid`, or in the message where the protocol has no fields. */
  readonly uid: string
  readonly message: string
  readonly timeMs: number
  /** Encoded so that the node must refuse it, alone. */
  readonly isBad: boolean
}

/** Where to send, and what to send along. */
export interface SuiteTarget {
  readonly url: string
  /** Tenant or credential, where the protocol has header fields. */
  readonly headers: Readonly<Record<string, string>>
}

export interface SuiteAnswer {
  /** `taken`: stored as far as it says; `again`: nothing stored, the client tries later; `denied`: wrong credential; `malformed`: as a whole. */
  readonly outcome: 'taken' | 'again' | 'denied' | 'malformed'
  /** How many records the answer says were refused; and which, where it does. */
  readonly rejected: number
  readonly indexes?: readonly number[]
  readonly status: number
}

/** Bodies that every protocol over HTTP is sent. */
const HOSTILE = ['empty', 'cut off', 'random', 'huge', 'deep', 'not UTF-8', 'broken gzip', 'gzip bomb'] as const
type HostileName = (typeof HOSTILE)[number]

export interface ProtocolUnderTest {
  /** As dead letters name it. */
  readonly protocol: string
  send(target: SuiteTarget, records: readonly SuiteRecord[], how: { readonly gzip: boolean }): Promise<SuiteAnswer>
  /** The header fields by which its clients send a key. */
  credential(key: string): Readonly<Record<string, string>>
  /** The bytes that a dead letter of this record holds. */
  sourceOf(record: SuiteRecord): Buffer
  /** For hostile bodies: its path and header fields, its records as a body, and the statuses of bodies that are not answered 400. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  encode(records: readonly SuiteRecord[]): Buffer
  readonly hostile?: Partial<Record<HostileName, readonly number[]>>
}

/** What every protocol over HTTP keeps, as tests of the file that calls it. To be awaited at the top of the file. */
export async function protocolSuite(name: string, protocol: ProtocolUnderTest): Promise<void> {
  const shared = await shareNode()
  const { url } = shared.node
  let tenants = 0
  const newTenant = () => {
    const headers = { 'x-scope-orgid': `${protocol.protocol}-${++tenants}` }
    return { client: shared.client(headers), target: { url, headers } }
  }

  test(`${name}: 3 bad of 100 records are reported and kept with their bytes, 97 are stored`, async () => {
    const { client, target } = newTenant()
    const records = someRecords('partly', BAD)
    const answer = await protocol.send(target, records, { gzip: false })
    assert.equal(answer.outcome === 'denied' || answer.outcome === 'again', false, JSON.stringify(answer))
    assert.equal(answer.rejected, BAD.length)
    if (answer.indexes !== undefined) assert.deepEqual(answer.indexes, BAD)
    const good = records.filter(({ isBad }) => !isBad)
    await foundExactly(client, good)
    let letters: Found[] = []
    await waitUntil(
      async () => {
        letters = (await client.json('/v1/dead-letters')).deadLetters
        return letters.length >= BAD.length
      },
      () => `${BAD.length} dead letters are listed, not ${letters.length}`,
    )
    const kept = letters.map(({ raw, encoding }) => Buffer.from(raw, encoding).toString('hex')).sort()
    const sent = BAD.map((index) => protocol.sourceOf(records[index]!).toString('hex')).sort()
    assert.deepEqual(kept, sent)
    for (const letter of letters) {
      assert.equal(letter.protocol, protocol.protocol)
      assert.match(letter.reason, /\w+ \w+/)
    }
  })

  test(`${name}: gzip is taken`, async () => {
    const { client, target } = newTenant()
    const records = someRecords('packed', [])
    const answer = await protocol.send(target, records, { gzip: true })
    assert.equal(answer.outcome, 'taken')
    assert.equal(answer.rejected, 0)
    await foundExactly(client, records)
  })

  test(`${name}: a node that drains or cannot write refuses all, and the retry brings each record once`, async (t) => {
    const { client, target } = newTenant()
    const records = someRecords('retried', [])
    const broken = await startTestServer(t)
    broken.backend.before = () => Promise.reject(new WeirError('journal_full', 'The journal is full'))
    const unwritten = await protocol.send({ ...target, url: broken.url }, records, { gzip: false })
    assert.equal(unwritten.outcome, 'again', JSON.stringify(unwritten))
    const draining = await startTestServer(t)
    draining.server.drain()
    const refused = await protocol.send({ ...target, url: draining.url }, records, { gzip: false })
    assert.equal(refused.outcome, 'again', JSON.stringify(refused))
    for (const { backend } of [broken, draining]) {
      assert.equal(backend.ingested.length, 0)
      assert.equal(backend.inFlightBytes, 0)
    }
    const retried = await protocol.send(target, records, { gzip: false })
    assert.equal(retried.outcome, 'taken')
    await foundExactly(client, records)
  })

  test(`${name}: a node that is full refuses before it stores anything, and the retry brings each record once`, async (t) => {
    const node = await NodeProcess.start({
      workers: 1,
      shards: 4,
      'limits.bodyBytes': MIB,
      'limits.inFlightBytes': MIB,
      'log.level': 'fatal',
    })
    const client = new WeirClient(node.url)
    t.after(async () => {
      client.close()
      await node.kill()
    })
    const holder = connect(node.port, '127.0.0.1')
    holder.on('error', () => undefined)
    t.after(() => holder.destroy())
    holder.write(`POST /v1/logs/ingest HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: ${MIB}\r\n\r\n`)
    holder.write(Buffer.alloc(950 * KIB, 0x20))
    await waitUntil(
      async () =>
        Number(/^weir_ingest_in_flight_bytes\S* (\d+)/m.exec((await client.get('/metrics')).text)?.[1]) > 900 * KIB,
      () => 'another request fills the node',
    )
    const records = someRecords('full', [], 1500)
    const target = { url: node.url, headers: {} }
    const refused = await protocol.send(target, records, { gzip: false })
    assert.equal(refused.outcome, 'again', JSON.stringify(refused))
    holder.destroy()
    let retried: SuiteAnswer = refused
    await waitUntil(
      async () => {
        retried = await protocol.send(target, records, { gzip: false })
        return retried.outcome !== 'again'
      },
      () => 'there is room again',
    )
    assert.equal(retried.outcome, 'taken')
    await foundExactly(client, records)
  })

  test(`${name}: no key, a wrong one and one without the role are denied`, async (t) => {
    const server = await startTestServer(t, { authMode: 'keys' })
    const records = someRecords('denied', [])
    for (const role of ['read', 'ingest'] satisfies Role[]) {
      const record = { name: role, tenant: 'acme' as TenantId, roles: [role] }
      await server.backend.keys.create(record, hashKey(`weir_${role}`))
    }
    for (const headers of [{}, protocol.credential('weir_wrong'), protocol.credential('weir_read')]) {
      const answer = await protocol.send({ url: server.url, headers }, records, { gzip: false })
      assert.equal(answer.outcome, 'denied', JSON.stringify(answer))
      assert.ok([401, 403].includes(answer.status), String(answer.status))
    }
    assert.equal(server.backend.ingested.length, 0)
    const sender = { url: server.url, headers: protocol.credential('weir_ingest') }
    assert.equal((await protocol.send(sender, records, { gzip: false })).outcome, 'taken')
    assert.equal(server.backend.ingested[0]?.tenant, 'acme')
  })

  for (const hostile of HOSTILE) {
    test(`${name}: a body that is ${hostile} is answered, and the node goes on`, async () => {
      const { client, target } = newTenant()
      const http = new HttpClient(url, target.headers)
      try {
        const { body, headers } = hostileBody(hostile, protocol)
        const answer = await http.send(protocol.path, {
          method: 'POST',
          headers: { ...protocol.headers, ...headers },
          body,
        })
        assert.ok(
          (protocol.hostile?.[hostile] ?? [400]).includes(answer.status),
          `${answer.status} ${answer.text.slice(0, 300)}`,
        )
        const records = someRecords(`after-${hostile.replaceAll(' ', '-')}`, [])
        assert.equal((await protocol.send(target, records, { gzip: false })).outcome, 'taken')
        for (const { uid } of [records[0]!, records[99]!]) await client.found(1, { query: `"${uid}"` })
      } finally {
        http.close()
      }
    })
  }
}

/** A hundred records of the last minutes, in order. */
function someRecords(name: string, bad: readonly number[], messageChars = 40): SuiteRecord[] {
  const prng = new Prng(name)
  const startMs = Date.now() - 120_000
  return Array.from({ length: RECORDS }, (_, i) => {
    const uid = `${name}-${i}`
    return { uid, message: `${uid} ${prng.hex(messageChars)}`, timeMs: startMs + i * 1000, isBad: bad.includes(i) }
  })
}

/** These records and no others are found, each once, in order. */
async function foundExactly(client: WeirClient, records: readonly SuiteRecord[]): Promise<void> {
  const found = await client.found(records.length)
  assert.deepEqual(
    found.map((record) => record.uid ?? /\S+/.exec(record.message)?.[0]),
    records.map(({ uid }) => uid),
  )
  for (const [i, record] of found.entries()) {
    assert.equal(record.message, records[i]!.message)
    assert.equal(Date.parse(record.timestamp), records[i]!.timeMs)
  }
}

function hostileBody(
  name: HostileName,
  protocol: ProtocolUnderTest,
): { readonly body: Buffer; readonly headers?: Readonly<Record<string, string>> } {
  const whole = protocol.encode(someRecords('hostile', []))
  const gzip = { 'content-encoding': 'gzip' }
  switch (name) {
    case 'empty':
      return { body: Buffer.alloc(0) }
    case 'cut off':
      return { body: whole.subarray(0, Math.floor(whole.length / 2) - 3) }
    case 'random':
      return { body: Buffer.from(new Prng('random').hex(200 * KIB), 'hex') }
    case 'huge':
      return { body: Buffer.alloc(65 * MIB, 0x78) }
    case 'deep':
      return { body: Buffer.from(`${'{"a":['.repeat(200_000)}${']}'.repeat(200_000)}`) }
    case 'not UTF-8':
      return { body: Buffer.concat([Buffer.from([0xff, 0xfe, 0xc0, 0x80, 0x0a]), whole]) }
    case 'broken gzip':
      return { body: gzipSync(whole).subarray(0, -20), headers: gzip }
    case 'gzip bomb':
      return { body: gzipSync(Buffer.alloc(300 * MIB)), headers: gzip }
  }
}

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { compressSync } from 'snappy'
import { Prng } from '../../base/prng.ts'
import { NodeProcess } from '../harness/node-process.ts'
import { bytesField, fixed64Field, varintField } from '../harness/protobuf-writer.ts'
import { endedJob, uploadForm } from '../harness/upload-client.ts'
import { WeirClient, waitUntil } from '../harness/weir-client.ts'

/** A secret, and a text that has it. */
interface Secret {
  readonly text: string
  readonly secret: string
}

const SECRETS = 200
const LETTERS = 'ghjkmnpqrstuvwxyzGHJKMNPQRSTUVWXYZ23456789'
const MARKER = 'zuverlaessig-findbar'
const PUBLISH_MAX_MS = 150_000

const prng = new Prng(20261121)
const some = (count: number, chars = LETTERS) =>
  Array.from({ length: count }, () => chars[prng.below(chars.length)]!).join('')
const digits = (count: number) => some(count, '0123456789')

function card(): string {
  const start = `4${digits(14)}`
  for (let check = 0; ; check++) {
    const number = start + check
    const sum = [...number].reduceRight((total, digit, i) => {
      const value = Number(digit) * ((number.length - i) % 2 === 0 ? 2 : 1)
      return total + (value > 9 ? value - 9 : value)
    }, 0)
    if (sum % 10 === 0) return number
  }
}

const KINDS: readonly (() => Secret)[] = [
  () => of(some(14), (secret) => `login password=${secret} done`),
  () => of(some(14), (secret) => `{"user":"u","api_key":"${secret}"}`),
  () => of(`${some(8)}.${some(16)}`, (secret) => `Authorization: Bearer ${secret}`),
  () => of(`ghp_${some(36, 'ghjkmnpqrstuvwxyz234567')}`, (secret) => `pushed with ${secret} today`),
  () => of(`AKIA${some(16, 'GHJKMNPQRSTUVWXYZ234567')}`, (secret) => `key ${secret}.`),
  () => of(`eyJ${some(20)}.${some(30)}.${some(20)}`, (secret) => `session ${secret};`),
  () => of(`${some(10)}@${some(8).toLowerCase()}.example`, (secret) => `mail to ${secret}!`),
  () => of(card(), (secret) => `paid with ${secret} today`),
  () => of(`07${prng.between(1, 9)}-${prng.between(11, 99)}-${prng.between(1001, 9999)}`, (secret) => `ssn ${secret}`),
  () => of(some(12), (secret) => `GET https://user:${secret}@db.example/x`),
]

function of(secret: string, text: (secret: string) => string): Secret {
  return { secret, text: text(secret) }
}

const CORPUS = Array.from({ length: SECRETS }, (_, i) => KINDS[i % KINDS.length]!())

const OLD_MS = Date.UTC(1999, 0, 1)
const escaped = (text: string) => [...text].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')

/** Records as JSON text, with the secret in every position; those with a `timestamp` are refused. */
function jsonRecords({ text, secret }: Secret, i: number): string[] {
  const m = MARKER
  const old = `"timestamp":${OLD_MS}`
  const t = JSON.stringify(text)
  const all = [
    `{"message":${JSON.stringify(`${m} ${text}`)}}`,
    `{"message":"${m}","a":{"b":{"c":${t}}},"list":[1,{"x":[${t}]}],"tags":{"k":${t}}}`,
    `{"message":"${m}",${t}:1,"n":{${t}:"v"}}`,
    `{"message":"${escaped(text)}","\\u0061":"${escaped(text)}"}`,
    `{"message":"${m}","password":"${secret}","db":{"client_secret":{"v":"${secret}"}}}`,
    `{"message":"${m}","host":${t},"service":${JSON.stringify(text.slice(0, 200))},"level":${t},"traceId":${t}}`,
    `{"message":${t},${old}}`,
    `{"message":"${escaped(text)}",${old},"\\u0070assword":"${escaped(secret)}"}`,
    `{"message":${t},"broken":`,
    `{"message":"${escaped(text)}","broken":`,
    `{"password":"${secret}","broken":`,
    JSON.stringify({
      message: JSON.stringify({ inner: JSON.stringify({ text, password: secret }) }),
      timestamp: OLD_MS,
    }),
    `{"message":"${encodeURIComponent(text)}",${old}}`,
  ]
  // Too large: cut within the secret, too.
  if (i % 40 === 0) all.push(`{"message":${t},"big":"${'x'.repeat(300 * 1024)}"}`)
  if (i % 40 === 1)
    all.push(`{"pad":"${'x '.repeat(32 * 1024 - 10 - (i % 7))}","message":${t},"big":"${'x'.repeat(300 * 1024)}"}`)
  return all
}

const string = (value: string) => bytesField(1, value)
const attribute = (key: string, value: string) => bytesField(6, bytesField(1, key), bytesField(2, string(value)))
const timesOf = (): readonly number[] => [Date.now() - 1000, OLD_MS]

/** By protocol: how the corpus is sent, each secret in messages, in fields, beside a name; stored, and refused for its time. */
const SENDERS: Readonly<Record<string, (client: WeirClient, node: NodeProcess) => Promise<void>>> = {
  async http(client) {
    const lines = CORPUS.flatMap(jsonRecords).join('\n')
    const answer = await client.ingestText(lines)
    assert.equal(answer.status, 200, answer.text.slice(0, 500))
    for (const { text } of CORPUS.slice(0, 20)) {
      await client.ingestText(
        '{"message":"by default"}\n{"timestamp":1,"message":"x"}',
        {},
        { service: text, host: text },
      )
      await client.ingestText(`{"message":"keyed"}`, { 'idempotency-key': text })
    }
  },
  async array(client) {
    const records = CORPUS.map(
      ({ text, secret }, i) =>
        `{"message":${JSON.stringify(text)},\n"password":"${secret}"${i % 2 === 0 ? `,"timestamp":${OLD_MS}` : ''}}`,
    )
    await client.ingestText(`{"logs":[${records.join(',\n')}, 5]}`, { 'content-type': 'application/json' })
  },
  async text(client) {
    await client.ingestText(CORPUS.map(({ text }) => `${MARKER} ${text}`).join('\n'), { 'content-type': 'text/plain' })
  },
  async elastic(client) {
    const lines = CORPUS.flatMap(({ text, secret }) => [
      `{"create":{"_index":"logs-a-b","_id":${JSON.stringify(text.slice(0, 100))}}}`,
      JSON.stringify({ '@timestamp': new Date().toISOString(), message: text, secret_key: secret }),
      '{"create":{"_index":"i"}}',
      JSON.stringify({ '@timestamp': 'never', message: text, password: secret }),
      '{"create":{"_index":"i"}}',
      `{"message":${JSON.stringify(text)},`,
    ])
    await post(client, '/elastic/_bulk', 'application/x-ndjson', `${lines.join('\n')}\n`)
  },
  async hec(client) {
    const events = CORPUS.flatMap(({ text, secret }) => [
      JSON.stringify({ event: text, host: text, source: text, fields: { password: secret } }),
      JSON.stringify({ event: { message: text, api_key: secret }, time: 'never' }),
      JSON.stringify({ fields: { message: text, api_key: secret } }),
    ])
    await post(client, '/services/collector/event', 'application/json', events.join(''))
    await post(
      client,
      '/services/collector/raw?channel=FE0ECFAD-13D5-401B-847D-77833BD77131',
      'text/plain',
      CORPUS.map(({ text }) => text).join('\n'),
    )
  },
  async datadog(client) {
    const records = CORPUS.flatMap(({ text, secret }) =>
      timesOf().map((timestamp) => ({
        message: text,
        timestamp,
        ddtags: `env:prod,password:${secret}`,
        hostname: text,
        token: secret,
      })),
    )
    await post(client, '/api/v2/logs', 'application/json', JSON.stringify(records))
  },
  async loki(client) {
    const values = CORPUS.flatMap(({ text, secret }) =>
      timesOf().map((ms) => [`${ms}000000`, text, { password: secret, m: text }]),
    )
    const bad = CORPUS.map(({ text, secret }) => ['soon', text, { password: secret }])
    await post(
      client,
      '/loki/api/v1/push',
      'application/json',
      JSON.stringify({ streams: [{ stream: { app: 'a', note: CORPUS[0]!.text }, values: [...values, ...bad] }] }),
    )
    const entries = CORPUS.flatMap(({ text, secret }) =>
      [...timesOf(), 5].map((ms) =>
        bytesField(
          2,
          bytesField(1, varintField(1, Math.floor(ms / 1000))),
          bytesField(2, text),
          bytesField(3, bytesField(1, 'password'), bytesField(2, secret)),
        ),
      ),
    )
    await post(
      client,
      '/loki/api/v1/push',
      'application/x-protobuf',
      compressSync(bytesField(1, bytesField(1, '{app="b"}'), ...entries)),
    )
  },
  async otlp(client) {
    const resource = [
      { key: 'service.name', value: { stringValue: 'otel' } },
      { key: 'note', value: { stringValue: CORPUS[1]!.text } },
    ]
    const logRecords = CORPUS.flatMap(({ text, secret }) =>
      [...timesOf(), 'never'].map((ms) => ({
        timeUnixNano: `${ms}000000`,
        body: { stringValue: text },
        attributes: [
          { key: 'password', value: { stringValue: secret } },
          { key: 'm', value: { stringValue: text } },
        ],
      })),
    )
    const body = JSON.stringify({ resourceLogs: [{ resource: { attributes: resource }, scopeLogs: [{ logRecords }] }] })
    await post(client, '/v1/logs', 'application/json', body)
    const records = CORPUS.flatMap(({ text, secret }) =>
      [BigInt(Date.now()) * 1_000_000n, BigInt(OLD_MS) * 1_000_000n, 5n].map((time) =>
        bytesField(
          2,
          fixed64Field(1, time),
          bytesField(5, string(text)),
          attribute('password', secret),
          attribute('m', text),
        ),
      ),
    )
    await post(client, '/v1/logs', 'application/x-protobuf', bytesField(1, bytesField(2, ...records)))
  },
  async journald(client) {
    const entries = CORPUS.flatMap(({ text, secret }) =>
      timesOf().map(
        (ms) => `__REALTIME_TIMESTAMP=${ms}000\n_HOSTNAME=${text}\nPASSWORD=${secret}\nMESSAGE=${text}\n\n`,
      ),
    )
    await post(client, '/journald/upload', 'application/vnd.fdo.journal', entries.join(''))
  },
  async syslog(_, node) {
    const lines = CORPUS.flatMap(({ text, secret }) => [
      `<11>1 ${new Date().toISOString()} h app - - [x@1 password="${secret}"] ${text}\n`,
      `<11>1 ${new Date(OLD_MS).toISOString()} h app - - [x@1 password="${secret}"] ${text}\n`,
      `<11>Oct 11 22:14:15 h app: ${text}\n`,
      `<99999>1 ${text}\n`,
    ])
    await sendTo(node.ports.syslog, Buffer.from(lines.join('')))
  },
  async forward(_, node) {
    const messages = CORPUS.flatMap(({ text, secret }) =>
      timesOf().map((ms) => forwardMessage(ms, { message: text, password: secret })),
    )
    await sendTo(node.ports.forward, Buffer.concat(messages))
  },
  async upload(client) {
    const bytes = Buffer.from(
      `${CORPUS.flatMap(jsonRecords)
        .filter((line) => line.length < 100_000)
        .join('\n')}\n`,
    )
    await endedJob(client, await uploadForm(client, [{ name: 'a.ndjson', bytes }]))
  },
}

async function post(client: WeirClient, path: string, type: string, body: string | Buffer): Promise<void> {
  const answer = await client.http.send(path, { method: 'POST', headers: { 'content-type': type }, body })
  assert.ok(answer.status < 500, `${path}: ${answer.status} ${answer.text.slice(0, 300)}`)
}

async function sendTo(port: number, bytes: Buffer): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.end(bytes)
  await once(socket.resume(), 'close')
}

/** Message mode of Fluentd's forward protocol: ["tag", time, {…}] in msgpack. */
function forwardMessage(ms: number, record: Readonly<Record<string, string>>): Buffer {
  const text = (value: string) => Buffer.concat([Buffer.of(0xd9, Buffer.byteLength(value)), Buffer.from(value)])
  const time = Buffer.alloc(5, 0xce)
  time.writeUInt32BE(Math.floor(ms / 1000), 1)
  const entries = Object.entries(record)
  return Buffer.concat([
    Buffer.of(0x93),
    text('tag'),
    time,
    Buffer.of(0x80 + entries.length),
    ...entries.flat().map(text),
  ])
}

interface Seen {
  /** Secrets that a file, or what is compressed in it, holds. */
  readonly leaks: string[]
  /** Files in which the marker stands, compressed or not. */
  readonly marked: string[]
}

/** Looks into every file below, over raw bytes and over what the zstd and gzip frames in them hold. */
async function lookInto(directory: string): Promise<Seen> {
  const seen: Seen = { leaks: [], marked: [] }
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    const path = join(directory, name)
    if (!statSync(path).isFile()) continue
    const bytes = readFileSync(path)
    look(bytes, name, seen)
    for (const [magic, unpack] of [
      [Buffer.of(0x28, 0xb5, 0x2f, 0xfd), createZstdDecompress],
      [Buffer.of(0x1f, 0x8b, 0x08), createGunzip],
    ] as const) {
      for (let at = bytes.indexOf(magic); at >= 0; at = bytes.indexOf(magic, at + 1)) {
        look(await inflated(unpack(), bytes.subarray(at, at + 2 * 1024 * 1024)), `${name} at ${at}`, seen)
      }
    }
  }
  return seen
}

function look(bytes: Buffer, name: string, seen: Seen): void {
  if (bytes.includes(MARKER)) seen.marked.push(name)
  for (const { secret } of CORPUS) {
    const at = bytes.indexOf(secret)
    if (at >= 0)
      seen.leaks.push(
        `${secret} in ${name}: ${bytes.toString('latin1', Math.max(0, at - 60), at + secret.length + 10)}`,
      )
  }
}

/** What the frame at the begin of the bytes holds, as far as it goes; what follows it is no frame. */
function inflated(unpack: NodeJS.ReadWriteStream, bytes: Buffer): Promise<Buffer> {
  return new Promise((resolve) => {
    const parts: Buffer[] = []
    const done = () => resolve(Buffer.concat(parts))
    unpack.on('data', (part: Buffer) => parts.push(part))
    unpack.on('end', done)
    unpack.on('error', done)
    unpack.end(bytes)
  })
}

test(`none of ${SECRETS} secrets, in any position and by any protocol, reaches a disk`, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'weir-masking-'))
  const log = join(directory, 'node.log')
  const data = join(directory, 'data')
  const node = await NodeProcess.start(
    { 'data.dir': data, workers: 1, 'syslog.port': 0, 'forward.port': 0, 'log.level': 'trace' },
    { errorsFile: log },
  )
  const client = new WeirClient(node.url)
  t.after(async () => {
    client.close()
    await node.kill()
    rmSync(directory, { recursive: true, force: true })
  })
  const made = await client.http.send('/v1/pipelines/mask', {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ steps: [{ type: 'mask', memberNames: true }] }),
  })
  assert.equal(made.status, 201, made.text)
  for (const [protocol, send] of Object.entries(SENDERS)) {
    await send(client, node)
    const { leaks } = await lookInto(data)
    assert.deepEqual(leaks.slice(0, 3), [], `${leaks.length} after ${protocol}`)
  }
  const inJournal = await lookInto(join(data, 'journal'))
  assert.ok(inJournal.marked.length > 0, 'what is in the journal can be seen')
  const letters = await client.json('/v1/dead-letters', { limit: 1000 })
  assert.ok(letters.deadLetters.length > 900)
  assert.match(JSON.stringify(letters.deadLetters), /\*\*\*\*/)

  await waitUntil(
    async () => /^weir_storage_segments_published_total\S* [1-9]/m.test((await client.get('/metrics')).text),
    () => 'segments are published',
    PUBLISH_MAX_MS,
  )
  assert.ok((await lookInto(join(data, 'objects'))).marked.length > 0, 'what is in segments can be seen')
  assert.equal(await node.stop(), 0)
  const { leaks } = await lookInto(directory)
  assert.deepEqual(leaks.slice(0, 3), [], `${leaks.length} in the end`)
})

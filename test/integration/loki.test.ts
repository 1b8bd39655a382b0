import { gzipSync } from 'node:zlib'
import { compressSync } from 'snappy'
import { HttpClient } from '../harness/http-client.ts'
import { bytesField, varintField } from '../harness/protobuf-writer.ts'
import { protocolSuite, type SuiteAnswer, type SuiteRecord, type SuiteTarget } from '../harness/protocol-suite.ts'

const PATH = '/loki/api/v1/push'
const PROTOBUF = { 'content-type': 'application/x-protobuf' }
const JSON_TYPE = { 'content-type': 'application/json' }

/** An EntryAdapter, without its tag. */
function entryOf({ uid, message, timeMs, isBad }: SuiteRecord): Buffer {
  const seconds = isBad ? 5 : Math.floor(timeMs / 1000)
  return Buffer.concat([
    bytesField(1, varintField(1, seconds), varintField(2, (timeMs % 1000) * 1e6)),
    bytesField(2, message),
    bytesField(3, bytesField(1, 'uid'), bytesField(2, uid)),
  ])
}

function pushRequest(records: readonly SuiteRecord[]): Buffer {
  const stream = [
    bytesField(1, '{app="shop", level="warn"}'),
    ...records.map((record) => bytesField(2, entryOf(record))),
  ]
  return compressSync(bytesField(1, ...stream))
}

function jsonEntryOf({ uid, message, timeMs, isBad }: SuiteRecord): Buffer {
  return Buffer.from(JSON.stringify([isBad ? 'not a time' : `${timeMs}000000`, message, { uid }]))
}

function jsonPush(records: readonly SuiteRecord[]): Buffer {
  const values = records.map((record) => jsonEntryOf(record).toString()).join(', ')
  return Buffer.from(`{"streams": [{"stream": {"app": "shop"}, "values": [${values}]}]}`)
}

async function send(
  { url, headers }: SuiteTarget,
  body: Buffer,
  type: Readonly<Record<string, string>>,
  gzip: boolean,
): Promise<SuiteAnswer> {
  const http = new HttpClient(url, headers)
  try {
    const { status, text } = await http.send(PATH, {
      method: 'POST',
      headers: { ...type, ...(gzip ? { 'content-encoding': 'gzip' } : {}) },
      body: gzip ? gzipSync(body) : body,
    })
    if (status === 204) return { outcome: 'taken', rejected: 0, status }
    if (status === 429 || status === 503) return { outcome: 'again', rejected: 0, status }
    if (status === 401 || status === 403) return { outcome: 'denied', rejected: 0, status }
    const ignored = /^total ignored: (\d+) out of \d+$/m.exec(text)?.[1]
    if (ignored === undefined) return { outcome: 'malformed', rejected: 0, status }
    const indexes = [...text.matchAll(/^entry (\d+) ignored, reason: '.+',$/gm)].map((match) => Number(match[1]))
    return { outcome: 'taken', rejected: Number(ignored), indexes, status }
  } finally {
    http.close()
  }
}

const loki = {
  protocol: 'loki',
  path: PATH,
  credential: (key: string) => ({ authorization: `Basic ${Buffer.from(`any:${key}`).toString('base64')}` }),
}

await protocolSuite('loki push, protobuf', {
  ...loki,
  headers: PROTOBUF,
  encode: pushRequest,
  sourceOf: entryOf,
  // "not UTF-8" declares a length of gigabytes.
  hostile: { huge: [413], 'gzip bomb': [413], 'not UTF-8': [413] },
  send: (target, records, { gzip }) => send(target, pushRequest(records), PROTOBUF, gzip),
})

await protocolSuite('loki push, JSON', {
  ...loki,
  headers: JSON_TYPE,
  encode: jsonPush,
  sourceOf: jsonEntryOf,
  hostile: { huge: [413], 'gzip bomb': [413] },
  send: (target, records, { gzip }) => send(target, jsonPush(records), JSON_TYPE, gzip),
})

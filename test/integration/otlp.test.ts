import { gzipSync } from 'node:zlib'
import { HttpClient } from '../harness/http-client.ts'
import { bytesField, fixed64Field, varintField } from '../harness/protobuf-writer.ts'
import { protocolSuite, type SuiteAnswer, type SuiteRecord, type SuiteTarget } from '../harness/protocol-suite.ts'

const PROTOBUF = { 'content-type': 'application/x-protobuf' }
const JSON_TYPE = { 'content-type': 'application/json' }

/** A LogRecord, without its tag. */
function recordOf({ uid, message, timeMs, isBad }: SuiteRecord): Buffer {
  return Buffer.concat([
    fixed64Field(1, isBad ? 5n : BigInt(timeMs) * 1_000_000n),
    varintField(2, 13),
    bytesField(5, bytesField(1, message)),
    bytesField(6, bytesField(1, 'uid'), bytesField(2, bytesField(1, uid))),
  ])
}

function exportOf(records: readonly SuiteRecord[]): Buffer {
  const resource = bytesField(1, bytesField(1, bytesField(1, 'service.name'), bytesField(2, bytesField(1, 'shop'))))
  return bytesField(1, resource, bytesField(2, ...records.map((record) => bytesField(2, recordOf(record)))))
}

function jsonRecordOf({ uid, message, timeMs, isBad }: SuiteRecord): Buffer {
  return Buffer.from(
    JSON.stringify({
      timeUnixNano: isBad ? 'not a time' : `${timeMs}000000`,
      severityNumber: 13,
      body: { stringValue: message },
      attributes: [{ key: 'uid', value: { stringValue: uid } }],
    }),
  )
}

function jsonExportOf(records: readonly SuiteRecord[]): Buffer {
  const logRecords = records.map((record) => jsonRecordOf(record).toString()).join(', ')
  return Buffer.from(`{"resourceLogs": [{"scopeLogs": [{"logRecords": [${logRecords}]}]}]}`)
}

/** Of `{"partialSuccess":{"rejectedLogRecords":"3"}}`, or of the same in protobuf, for counts below 128. */
function rejectedOf(body: Buffer, isJson: boolean): number {
  if (isJson) return Number(JSON.parse(body.toString()).partialSuccess?.rejectedLogRecords ?? 0)
  return body.length === 0 ? 0 : body[body.indexOf(0x08) + 1]!
}

async function send(
  { url, headers }: SuiteTarget,
  path: string,
  body: Buffer,
  type: { readonly 'content-type': string },
  gzip: boolean,
): Promise<SuiteAnswer> {
  const http = new HttpClient(url, headers)
  try {
    const answer = await http.send(path, {
      method: 'POST',
      headers: { ...type, ...(gzip ? { 'content-encoding': 'gzip' } : {}) },
      body: gzip ? gzipSync(body) : body,
    })
    const { status } = answer
    if (!String(answer.headers['content-type']).startsWith(type['content-type']))
      throw new Error('the answer is of another type')
    if (status === 200) {
      const rejected = rejectedOf(Buffer.from(answer.text), type === JSON_TYPE)
      return { outcome: 'taken', rejected, status }
    }
    const outcome = [429, 502, 503, 504].includes(status)
      ? 'again'
      : status === 401 || status === 403
        ? 'denied'
        : 'malformed'
    return { outcome, rejected: 0, status }
  } finally {
    http.close()
  }
}

const otlp = {
  protocol: 'otlp',
  credential: (key: string) => ({ authorization: `Bearer ${key}` }),
}

await protocolSuite('OTLP, protobuf', {
  ...otlp,
  path: '/v1/logs',
  headers: PROTOBUF,
  encode: exportOf,
  sourceOf: recordOf,
  // No field at all is a message too.
  hostile: { empty: [200], huge: [413], 'gzip bomb': [413] },
  send: (target, records, { gzip }) => send(target, '/v1/logs', exportOf(records), PROTOBUF, gzip),
})

await protocolSuite('OTLP, JSON', {
  ...otlp,
  path: '/otlp/v1/logs',
  headers: JSON_TYPE,
  encode: jsonExportOf,
  sourceOf: jsonRecordOf,
  // Members of later versions are passed over, whatever they are.
  hostile: { deep: [200], huge: [413], 'gzip bomb': [413] },
  send: (target, records, { gzip }) => send(target, '/otlp/v1/logs', jsonExportOf(records), JSON_TYPE, gzip),
})

import { deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { compressSync } from 'snappy'
import type { Prng } from '../../base/prng.ts'
import { bytesField, fixed64Field, varintField } from '../harness/protobuf-writer.ts'

/** What a record of a real request says. */
export interface FuzzRecord {
  readonly uid: string
  readonly service: string
  readonly message: string
  readonly timeMs: number
}

/** A door to be fuzzed: how real records are sent by it. */
export interface FuzzTarget {
  readonly name: string
  readonly door:
    | HttpDoor
    | { readonly kind: 'tcp' | 'udp'; readonly port: 'syslog' | 'forward' }
    | { readonly kind: 'grpc' }
  encode(records: readonly FuzzRecord[]): Buffer
  /** What every body stands in; mutations are within. */
  frame?(body: Buffer): Buffer
  /** What a body is wrapped in once it is mutated; it is sent as it is where absent. */
  wrap?(body: Buffer, prng: Prng): Wrapped
}

interface HttpDoor {
  readonly kind: 'http'
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
}

interface Wrapped {
  readonly body: Buffer
  readonly headers?: Readonly<Record<string, string>>
}

const JSON_TYPE = { 'content-type': 'application/json' }
const NDJSON_TYPE = { 'content-type': 'application/x-ndjson' }
const PROTOBUF_TYPE = { 'content-type': 'application/x-protobuf' }

export const FUZZ_TARGETS: readonly FuzzTarget[] = [
  http('ndjson', '/v1/logs/ingest', NDJSON_TYPE, (records) =>
    Buffer.from(records.map((one) => `${jsonOf(one)}\n`).join('')),
  ),
  http('json', '/v1/logs/ingest', JSON_TYPE, (records) => Buffer.from(`{"logs":[${records.map(jsonOf).join(', ')}]}`)),
  http('json-credentials', '/v1/logs/ingest', JSON_TYPE, (records) =>
    Buffer.from(`{"clientId":"c","logs":[${records.map(jsonOf).join()}],"token":"t"}`),
  ),
  http('text', '/v1/logs/ingest?service=text', { 'content-type': 'text/plain' }, (records) =>
    Buffer.from(records.map(({ message }) => `${message}\r\n`).join('')),
  ),
  http('elastic', '/elastic/_bulk', NDJSON_TYPE, (records) =>
    Buffer.from(records.map((one) => `{"create":{"_index":"logs-a-b","_id":"${one.uid}"}}\n${jsonOf(one)}\n`).join('')),
  ),
  http('loki-json', '/loki/api/v1/push', JSON_TYPE, (records) =>
    Buffer.from(
      JSON.stringify({
        streams: records.map(({ uid, service, message, timeMs }) => ({
          stream: { service, env: 'x' },
          values: [[`${timeMs}000000`, message, { uid }]],
        })),
      }),
    ),
  ),
  {
    ...http('loki-protobuf', '/loki/api/v1/push', PROTOBUF_TYPE, lokiPush),
    frame: compressSync,
  },
  {
    ...http('loki-snappy', '/loki/api/v1/push', PROTOBUF_TYPE, (records) => compressSync(lokiPush(records))),
    wrap: (body) => ({ body }),
  },
  http('otlp-protobuf', '/v1/logs', PROTOBUF_TYPE, otlpExport),
  http('otlp-json', '/otlp/v1/logs', JSON_TYPE, otlpJson),
  { name: 'otlp-grpc', door: { kind: 'grpc' }, encode: otlpExport },
  http('hec', '/services/collector/event', {}, (records) =>
    Buffer.from(
      records
        .map(({ uid, service, message, timeMs }) =>
          JSON.stringify({
            time: timeMs / 1000,
            source: service,
            host: 'h',
            fields: { a: [1] },
            event: { uid, message },
          }),
        )
        .join(''),
    ),
  ),
  http('hec-raw', '/services/collector/raw?sourcetype=x', {}, (records) =>
    Buffer.from(records.map(({ message }) => `${message}\n`).join('')),
  ),
  http('datadog', '/api/v2/logs?ddtags=env:a', JSON_TYPE, (records) =>
    Buffer.from(
      JSON.stringify(
        records.map(({ uid, service, message, timeMs }) => ({
          ...{ uid, service, message, timestamp: timeMs, ddtags: 'a:b,c', status: 'warn', ddsource: 's' },
        })),
      ),
    ),
  ),
  http('journald', '/journald/upload', { 'content-type': 'application/vnd.fdo.journal' }, journal),
  {
    name: 'syslog-tcp',
    door: { kind: 'tcp', port: 'syslog' },
    encode: (records) => Buffer.from(records.map(syslogOf).join('')),
  },
  {
    name: 'syslog-counted',
    door: { kind: 'tcp', port: 'syslog' },
    encode: (records) =>
      Buffer.from(
        records
          .map(syslogOf)
          .map((text) => `${Buffer.byteLength(text) - 1} ${text.slice(0, -1)}`)
          .join(''),
      ),
  },
  { name: 'syslog-udp', door: { kind: 'udp', port: 'syslog' }, encode: ([record]) => Buffer.from(syslogOf(record!)) },
  { name: 'forward', door: { kind: 'tcp', port: 'forward' }, encode: forward },
]

function http(
  name: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  encode: FuzzTarget['encode'],
): FuzzTarget {
  return { name, door: { kind: 'http', path, headers }, encode, wrap: compressed }
}

/** As it is mostly; else in one of the codings, whole or not. */
function compressed(body: Buffer, prng: Prng): Wrapped {
  if (prng.chance(0.7)) return { body }
  const [coding, compress] = prng.pick([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['zstd', zstdCompressSync],
  ] as const)
  const whole = compress(body)
  if (prng.chance(0.3)) whole[prng.below(whole.length)] = prng.below(256)
  return {
    body: prng.chance(0.1) ? whole.subarray(0, prng.below(whole.length)) : whole,
    headers: { 'content-encoding': coding },
  }
}

function jsonOf({ uid, service, message, timeMs }: FuzzRecord): string {
  const record = { uid, service, message, timestamp: new Date(timeMs).toISOString(), level: 'warn' }
  return JSON.stringify({ ...record, n: 1.5, deep: { list: [1, null, { a: 'b' }], 'x.y': true } })
}

function lokiPush(records: readonly FuzzRecord[]): Buffer {
  return Buffer.concat(
    records.map(({ uid, service, message, timeMs }) => {
      const time = bytesField(1, varintField(1, Math.floor(timeMs / 1000)), varintField(2, (timeMs % 1000) * 1e6))
      const metadata = bytesField(3, bytesField(1, 'uid'), bytesField(2, uid))
      return bytesField(
        1,
        bytesField(1, `{service="${service}", env="x"}`),
        bytesField(2, time, bytesField(2, message), metadata),
      )
    }),
  )
}

function otlpExport(records: readonly FuzzRecord[]): Buffer {
  const pair = (field: number, key: string, value: string) =>
    bytesField(field, bytesField(1, key), bytesField(2, bytesField(1, value)))
  return Buffer.concat(
    records.map(({ uid, service, message, timeMs }) => {
      const list = bytesField(6, bytesField(1, 'list'), bytesField(2, bytesField(5, bytesField(1, varintField(3, 7)))))
      const head = [
        fixed64Field(1, BigInt(timeMs) * 1_000_000n),
        varintField(2, 13),
        bytesField(5, bytesField(1, message)),
      ]
      const record = bytesField(2, ...head, pair(6, 'uid', uid), list, bytesField(9, Buffer.alloc(16, 7)))
      return bytesField(
        1,
        bytesField(1, pair(1, 'service.name', service)),
        bytesField(2, bytesField(1, bytesField(1, 's')), record),
      )
    }),
  )
}

function otlpJson(records: readonly FuzzRecord[]): Buffer {
  const resourceLogs = records.map(({ uid, service, message, timeMs }) => ({
    resource: { attributes: [{ key: 'service.name', value: { stringValue: service } }] },
    scopeLogs: [
      {
        scope: { name: 's' },
        logRecords: [
          {
            timeUnixNano: `${timeMs}000000`,
            severityNumber: 13,
            body: { stringValue: message },
            attributes: [
              { key: 'uid', value: { stringValue: uid } },
              { key: 'list', value: { arrayValue: { values: [{ intValue: '7' }, { kvlistValue: { values: [] } }] } } },
            ],
          },
        ],
      },
    ],
  }))
  return Buffer.from(JSON.stringify({ resourceLogs }))
}

function journal(records: readonly FuzzRecord[]): Buffer {
  return Buffer.concat(
    records.map(({ uid, service, message, timeMs }) => {
      const length = Buffer.alloc(8)
      length.writeBigUInt64LE(BigInt(Buffer.byteLength(message)))
      const head = `__CURSOR=${uid}\n__REALTIME_TIMESTAMP=${timeMs}000\n_SYSTEMD_UNIT=${service}.service\nuid=${uid}\nMESSAGE\n`
      return Buffer.concat([Buffer.from(head), length, Buffer.from(`${message}\n\n`)])
    }),
  )
}

function syslogOf({ uid, service, message, timeMs }: FuzzRecord): string {
  return `<12>1 ${new Date(timeMs).toISOString()} host ${service} 77 ID [d@1 uid="${uid}" b="\\"]"] ${message}\n`
}

/** Messages `[tag, seconds, {…}, {"chunk": uid}]`. */
function forward(records: readonly FuzzRecord[]): Buffer {
  const text = (value: string) => {
    const bytes = Buffer.from(value)
    return Buffer.concat([Buffer.of(0xda, bytes.length >> 8, bytes.length & 0xff), bytes])
  }
  return Buffer.concat(
    records.map(({ uid, service, message, timeMs }) => {
      const time = Buffer.alloc(5, 0xce)
      time.writeUInt32BE(Math.floor(timeMs / 1000), 1)
      const event = ['uid', uid, 'message', message].map(text)
      const options = [Buffer.of(0x81), text('chunk'), text(uid)]
      return Buffer.concat([Buffer.of(0x94), text(service), time, Buffer.of(0x82), ...event, ...options])
    }),
  )
}

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compressSync } from 'snappy'
import { NodeProcess } from '../test/harness/node-process.ts'
import { bytesField, fixed64Field, varintField } from '../test/harness/protobuf-writer.ts'
import { Client } from './client.ts'
import { type IngestTarget, postAll, waitUntilSearchable } from './ingest.ts'
import type { Row } from './measure.ts'

/** A protocol whose CPU a record is held to a budget: how the records of a body of NDJSON are sent by it. */
interface BenchProtocol extends IngestTarget {
  readonly name: string
  /** In yardsticks of the same records as NDJSON. */
  readonly budgetRatio: number
  encode(ndjson: Buffer): Buffer
}

const PROTOBUF = { 'content-type': 'application/x-protobuf' }

const PROTOCOLS: readonly BenchProtocol[] = [
  {
    name: 'Elasticsearch bulk',
    budgetRatio: 1.4,
    path: '/elastic/_bulk',
    headers: { 'content-type': 'application/x-ndjson' },
    encode: (ndjson) =>
      Buffer.from(
        linesOf(ndjson)
          .map((line) => `{"create":{"_index":"logs-shop-default"}}\n${line}\n`)
          .join(''),
      ),
    accepted(answer) {
      const { errors, items } = JSON.parse(answer.toString()) as { errors: boolean; items: readonly unknown[] }
      if (errors) throw new Error('a document was refused')
      return items.length
    },
  },
  {
    name: 'Loki push, protobuf',
    budgetRatio: 1.4,
    path: '/loki/api/v1/push',
    headers: PROTOBUF,
    encode: (ndjson) => counted(compressSync(lokiPush(recordsOf(ndjson))), ndjson),
    accepted: (_answer, body) => COUNTS.get(body)!,
  },
  {
    name: 'OTLP, protobuf',
    budgetRatio: 2,
    path: '/v1/logs',
    headers: PROTOBUF,
    encode: (ndjson) => counted(otlpExport(recordsOf(ndjson)), ndjson),
    accepted(answer, body) {
      if (answer.length > 0) throw new Error('a record was refused')
      return COUNTS.get(body)!
    },
  },
]

/** Records of bodies whose answer does not say how many it stored. */
const COUNTS = new WeakMap<Buffer, number>()

function counted(body: Buffer, ndjson: Buffer): Buffer {
  COUNTS.set(body, linesOf(ndjson).length)
  return body
}

interface DatasetRecord {
  readonly timestamp: string
  readonly level: string
  readonly service: string
  readonly message: string
  readonly traceId: string
  readonly spanId: string
  /** Of texts and numbers. */
  readonly others: readonly (readonly [string, string | number])[]
}

function recordsOf(ndjson: Buffer): DatasetRecord[] {
  return linesOf(ndjson).map((line) => {
    const { timestamp, level, service, message, traceId, spanId, metadata, ...rest } = JSON.parse(line)
    const others = [...Object.entries(rest), ...Object.entries(metadata)] as DatasetRecord['others']
    return { timestamp, level, service, message, traceId, spanId, others }
  })
}

function byService(records: readonly DatasetRecord[]): Iterable<[string, DatasetRecord[]]> {
  return Map.groupBy(records, ({ service }) => service)
}

/** A stream a service; what else a record has is structured metadata. */
function lokiPush(records: readonly DatasetRecord[]): Buffer {
  const pair = (name: string, value: string | number) =>
    bytesField(3, bytesField(1, name), bytesField(2, String(value)))
  const streams = [...byService(records)].map(([service, own]) => {
    const entries = own.map(({ timestamp, level, message, traceId, spanId, others }) => {
      const timeMs = Date.parse(timestamp)
      const time = bytesField(1, varintField(1, Math.floor(timeMs / 1000)), varintField(2, (timeMs % 1000) * 1e6))
      const ids = [pair('level', level), pair('traceId', traceId), pair('spanId', spanId)]
      return bytesField(2, time, bytesField(2, message), ...ids, ...others.map(([name, value]) => pair(name, value)))
    })
    return bytesField(1, bytesField(1, `{service="${service}"}`), ...entries)
  })
  return Buffer.concat(streams)
}

/** A resource a service. */
function otlpExport(records: readonly DatasetRecord[]): Buffer {
  const attribute = (field: number, name: string, value: string | number) => {
    const any = typeof value === 'string' ? bytesField(1, value) : varintField(3, value)
    return bytesField(field, bytesField(1, name), bytesField(2, any))
  }
  const resources = [...byService(records)].map(([service, own]) => {
    const logRecords = own.map(({ timestamp, level, message, traceId, spanId, others }) =>
      bytesField(
        2,
        fixed64Field(1, BigInt(Date.parse(timestamp)) * 1_000_000n),
        bytesField(3, level),
        bytesField(5, bytesField(1, message)),
        ...others.map(([name, value]) => attribute(6, name, value)),
        bytesField(9, Buffer.from(traceId, 'hex')),
        bytesField(10, Buffer.from(spanId, 'hex')),
      ),
    )
    return bytesField(1, bytesField(1, attribute(1, 'service.name', service)), bytesField(2, ...logRecords))
  })
  return Buffer.concat(resources)
}

function linesOf(ndjson: Buffer): string[] {
  return ndjson
    .toString()
    .split('\n')
    .filter((line) => line !== '')
}

/** CPU of each protocol, from HTTP until the records can be found, on a node that has compiled its code. */
export async function protocolRows(
  warmUp: readonly Buffer[],
  bodies: readonly Buffer[],
  yardstick: number,
): Promise<Row[]> {
  const rows: Row[] = []
  for (const protocol of PROTOCOLS) {
    const directory = mkdtempSync(join(tmpdir(), 'weir-bench-'))
    const node = await NodeProcess.start({ 'data.dir': directory }, { showErrors: true })
    const client = new Client(node.url, 16)
    try {
      const { records: before } = await postAll(client, warmUp.map(protocol.encode), protocol)
      await waitUntilSearchable(client, before)
      const encoded = bodies.map(protocol.encode)
      const cpuBefore = node.cpuMicroseconds()
      const { records } = await postAll(client, encoded, protocol)
      await waitUntilSearchable(client, before + records)
      const cpu = (node.cpuMicroseconds() - cpuBefore) / records
      rows.push({
        name: `ingest CPU, ${protocol.name}`,
        value: cpu,
        unit: 'µs/record',
        ratio: cpu / yardstick,
        budget: protocol.budgetRatio * yardstick,
        budgetText: `${protocol.budgetRatio} Y`,
      })
    } finally {
      client.close()
      await node.stop()
      rmSync(directory, { recursive: true, force: true })
    }
  }
  return rows
}

import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compressSync } from 'snappy'
import { NodeProcess } from '../test/harness/node-process.ts'
import { bytesField, fixed64Field, varintField } from '../test/harness/protobuf-writer.ts'
import { Client } from './client.ts'
import { type IngestTarget, OWN_DOOR, postAll, waitUntilSearchable } from './ingest.ts'
import type { Row } from './measure.ts'

/** A protocol whose CPU a record is held to a budget: how the records of a body of NDJSON are sent by it. */
export interface BenchProtocol {
  readonly name: string
  /** In yardsticks of the same records as NDJSON; none where it is only told. */
  readonly budgetRatio?: number
  encode(ndjson: Buffer): Buffer
  /** Where it is posted; undefined for syslog, which is sent over TCP. */
  readonly target?: IngestTarget
}

const CONNECTIONS = 6
const PROTOBUF = { 'content-type': 'application/x-protobuf' }

export const PROTOCOLS: readonly BenchProtocol[] = [
  // The same bodies, in the same way: what the others cost beside it is the cost of the protocol.
  { name: 'NDJSON beside other protocols', encode: (ndjson) => ndjson, target: OWN_DOOR },
  {
    name: 'Elasticsearch bulk',
    budgetRatio: 1.4,
    encode: (ndjson) =>
      Buffer.from(
        linesOf(ndjson)
          .map((line) => `{"create":{"_index":"logs-shop-default"}}\n${line}\n`)
          .join(''),
      ),
    target: {
      path: '/elastic/_bulk',
      headers: { 'content-type': 'application/x-ndjson' },
      accepted(answer) {
        const { errors, items } = JSON.parse(answer.toString()) as { errors: boolean; items: readonly unknown[] }
        if (errors) throw new Error('a document was refused')
        return items.length
      },
    },
  },
  {
    name: 'Loki push, protobuf',
    budgetRatio: 1.4,
    encode: (ndjson) => counted(compressSync(lokiPush(recordsOf(ndjson))), ndjson),
    target: { path: '/loki/api/v1/push', headers: PROTOBUF, accepted: (_answer, body) => COUNTS.get(body)! },
  },
  {
    name: 'OTLP, protobuf',
    budgetRatio: 2,
    encode: (ndjson) => counted(otlpExport(recordsOf(ndjson)), ndjson),
    target: {
      path: '/v1/logs',
      headers: PROTOBUF,
      accepted(answer, body) {
        if (answer.length > 0) throw new Error('a record was refused')
        return COUNTS.get(body)!
      },
    },
  },
  {
    name: 'syslog over TCP',
    budgetRatio: 1.2,
    encode: (ndjson) => counted(syslogMessages(recordsOf(ndjson)), ndjson),
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

const SYSLOG_SEVERITY: Readonly<Record<string, number>> = { DEBUG: 7, INFO: 6, WARN: 4, ERROR: 3 }

/** RFC 5424, a line each; what is no part of the header is structured data. */
function syslogMessages(records: readonly DatasetRecord[]): Buffer {
  const messages = records.map(({ timestamp, level, service, message, traceId, spanId, others }) => {
    const host = others.find(([name]) => name === 'host')?.[1]
    const pairs = [['traceId', traceId], ['spanId', spanId], ...others.filter(([name]) => name !== 'host')]
    const parameters = pairs.map(([name, value]) => ` ${name}="${value}"`).join('')
    return `<${16 * 8 + SYSLOG_SEVERITY[level]!}>1 ${timestamp} ${host} ${service} 4711 - [app@32473${parameters}] ${message}\n`
  })
  return Buffer.from(messages.join(''))
}

/** Sends bodies over a few connections, as fast as they are read. */
async function sendSyslog(port: number, bodies: readonly Buffer[]): Promise<number> {
  let next = 0
  const send = async () => {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    for (let body = bodies[next++]; body !== undefined; body = bodies[next++]) {
      if (!socket.write(body)) await once(socket, 'drain')
    }
    socket.end()
    await once(socket, 'close')
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, send))
  return bodies.reduce((sum, body) => sum + COUNTS.get(body)!, 0)
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
    const node = await NodeProcess.start({ 'data.dir': directory, 'syslog.port': 0 }, { showErrors: true })
    const client = new Client(node.url, 16)
    const send = async (encoded: readonly Buffer[]) =>
      protocol.target === undefined
        ? await sendSyslog(node.ports.syslog, encoded)
        : (await postAll(client, encoded, protocol.target)).records
    try {
      const before = await send(warmUp.map(protocol.encode))
      await waitUntilSearchable(client, before)
      const encoded = bodies.map(protocol.encode)
      const cpuBefore = node.cpuMicroseconds()
      const records = await send(encoded)
      await waitUntilSearchable(client, before + records)
      const cpu = (node.cpuMicroseconds() - cpuBefore) / records
      rows.push({
        name: `ingest CPU, ${protocol.name}`,
        value: cpu,
        unit: 'µs/record',
        ratio: cpu / yardstick,
        ...(protocol.budgetRatio === undefined
          ? {}
          : { budget: protocol.budgetRatio * yardstick, budgetText: `${protocol.budgetRatio} Y` }),
      })
    } finally {
      client.close()
      await node.stop()
      rmSync(directory, { recursive: true, force: true })
    }
  }
  return rows
}

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NodeProcess } from '../test/harness/node-process.ts'
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
]

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

import { parseArgs } from 'node:util'
import { BodyPool } from '../../api/body-pool.ts'
import { ColumnWriter } from '../../ingest/column-writer.ts'
import { PathTable } from '../../ingest/path-table.ts'
import { DecodedBody, type Decoding } from '../../ingest/protocols/decoded-body.ts'
import { BulkItems, decodeElasticBulk } from '../../ingest/protocols/elastic-bulk.ts'
import { decodeLokiProtobuf } from '../../ingest/protocols/loki-push.ts'
import { decodeOtlpProtobuf } from '../../ingest/protocols/otlp-protobuf.ts'
import { inflateSnappy, snappyLength } from '../../ingest/protocols/snappy.ts'
import { decodeSyslog } from '../../ingest/protocols/syslog.ts'
import { SyslogBatch } from '../../ingest/protocols/syslog-batch.ts'
import { SyslogFramer } from '../../ingest/protocols/syslog-framing.ts'
import { Scanner } from '../../ingest/scanner.ts'
import { Dataset } from '../dataset.ts'
import { PROTOCOLS } from '../protocols.ts'
import { measureYardstick } from '../yardstick.ts'

/**
 * CPU a record of each protocol of `npm run bench` on one core: decoded to lines (inflated and framed too, where that is part of it), and the lines scanned into
 * columns; beside the same records as NDJSON.
 *
 *     node bench/micro/protocols.ts [--only syslog] [--rounds 15]
 */
const { values } = parseArgs({
  options: { only: { type: 'string', default: '' }, rounds: { type: 'string', default: '15' } },
})
const ROUNDS = Number(values.rounds)
const BODIES = 10
const RECORDS_PER_BODY = 3000
const RECORDS = BODIES * RECORDS_PER_BODY
const SPAN_MS = 3_300_000
const READ_BYTES = 64 * 1024

const startMs = Date.now() - SPAN_MS
const dataset = new Dataset({ startMs, perMs: RECORDS / SPAN_MS })
const ndjson = Array.from({ length: BODIES }, () => Buffer.from(dataset.lines(RECORDS_PER_BODY)))
const pool = new BodyPool()
const room = {
  acquire: (bytes: number) => pool.acquire(bytes),
  release: (buffer: Buffer) => pool.release(buffer),
}
const batch = new SyslogBatch(READ_BYTES)

/** How a body becomes lines; NDJSON is not decoded. */
const DECODERS: Readonly<Record<string, (body: Buffer) => DecodedBody>> = {
  'Elasticsearch bulk': (body) =>
    decoded(body, (source, into) => decodeElasticBulk(source, into, new BulkItems(), undefined)),
  'Loki push, protobuf': (body) => {
    const room = pool.acquire(snappyLength(body))
    const inflated = room.subarray(0, snappyLength(body))
    for (const _ of inflateSnappy(body, inflated));
    const into = decoded(inflated, decodeLokiProtobuf)
    pool.release(room)
    return into
  },
  'OTLP, protobuf': (body) => decoded(body, decodeOtlpProtobuf),
  'syslog over TCP': (body) => {
    batch.clear()
    const framer = new SyslogFramer(READ_BYTES, (bytes, start, end, isCut) =>
      batch.add(bytes, start, end, '127.0.0.1', isCut),
    )
    for (let at = 0; at < body.length; at += READ_BYTES) framer.feed(body.subarray(at, at + READ_BYTES))
    framer.end()
    return decoded(batch.bytes(), (source, into) => decodeSyslog(source, into, batch, startMs))
  },
}

function decoded(source: Buffer, decode: (source: Buffer, into: DecodedBody) => Decoding): DecodedBody {
  const into = new DecodedBody(source, room, Math.ceil(source.length * 1.25))
  for (const _ of decode(source, into));
  return into
}

/** Median CPU of `work` on all records, µs a record. */
function measure(work: () => void): number {
  const times: number[] = []
  for (let round = 0; round < ROUNDS + 2; round++) {
    const before = process.cpuUsage()
    work()
    const { user, system } = process.cpuUsage(before)
    if (round >= 2) times.push((user + system) / RECORDS)
  }
  return times.sort((a, b) => a - b)[times.length >> 1]!
}

const yardstick = measureYardstick(Buffer.concat(ndjson))
console.log(`yardstick ${yardstick.toFixed(2)} µs`)
for (const { name, encode } of PROTOCOLS) {
  if (!name.includes(values.only)) continue
  const decode = DECODERS[name]
  const bodies = ndjson.map(encode)
  const decodeAll = () => {
    if (decode !== undefined) for (const body of bodies) decode(body).json.release()
  }
  const decoding = decode === undefined ? 0 : measure(decodeAll)
  const lines = decode === undefined ? bodies : bodies.map((body) => Buffer.from(decode(body).json.bytes()))
  const paths = new PathTable(12345)
  const scanner = new Scanner(paths)
  const writer = new ColumnWriter(paths)
  let rows = 0
  const scanning = measure(() => {
    for (const body of lines) {
      const scan = scanner.open(body, { format: 'ndjson', receivedMs: startMs, oldestMs: 0, newestMs: startMs * 2 })
      while (!scan.isDone) {
        scanner.scanChunk(
          scan,
          () => writer,
          ({ reason }) => {
            throw new Error(reason)
          },
        )
        rows += writer.rowCount
        writer.finish()
        writer.reset()
      }
    }
  })
  const parts = [decoding, scanning, decoding + scanning].map((us) => us.toFixed(2).padStart(6))
  const share = ((100 * scanner.takenByKernel) / rows).toFixed(0)
  console.log(
    `${name.padEnd(30)} decode ${parts[0]} µs  scan ${parts[1]} µs (${share} % by the kernel)  together ${parts[2]} µs  ${((decoding + scanning) / yardstick).toFixed(2)} Y`,
  )
}

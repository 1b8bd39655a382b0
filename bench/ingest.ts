import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Client } from './client.ts'
import { quantile } from './client.ts'
import { LiveBodies } from './live-bodies.ts'

const NDJSON = { 'content-type': 'application/x-ndjson' }

/** Where records are posted, and how the answer tells how many were stored. */
export interface IngestTarget {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  accepted(answer: Buffer, body: Buffer): number
}

export const OWN_DOOR: IngestTarget = {
  path: '/v1/logs/ingest',
  headers: NDJSON,
  accepted: (answer) => (JSON.parse(answer.toString()) as { accepted: number }).accepted,
}

/** Wide enough for all generated data, late records included. */
export const EVERYTHING = { from: 'now-30d', to: 'now+1d' }
const SENDERS = 6
const WAIT_MAX_MS = 120_000

/** Posts the bodies over a few connections, as fast as receipts come. Throws unless every record is accepted. */
export async function postAll(
  client: Client,
  bodies: readonly Buffer[],
  { path, headers, accepted } = OWN_DOOR,
): Promise<{ readonly records: number; readonly perSecond: number }> {
  let next = 0
  let records = 0
  const startedMs = performance.now()
  const send = async () => {
    for (;;) {
      const body = bodies[next++]
      if (body === undefined) return
      for (;;) {
        const answer = await client.post(path, body, headers)
        if (answer.status === 429 || answer.status === 503) {
          await new Promise((resolve) => setTimeout(resolve, 50))
          continue
        }
        if (answer.status >= 300)
          throw new Error(`ingest answered ${answer.status}: ${answer.body.toString().slice(0, 300)}`)
        records += accepted(answer.body, body)
        break
      }
    }
  }
  await Promise.all(Array.from({ length: SENDERS }, send))
  return { records, perSecond: records / ((performance.now() - startedMs) / 1000) }
}

/** Waits until a search counts at least `records`. */
export async function waitUntilSearchable(client: Client, records: number): Promise<void> {
  const endMs = performance.now() + WAIT_MAX_MS
  for (;;) {
    const parameters = { query: '*', limit: '1', total: 'exact', ...EVERYTHING }
    const { total } = await client.getJson<{ total: number }>('/v1/logs/search', parameters)
    if (total >= records) return
    if (performance.now() > endMs) throw new Error(`only ${total} of ${records} records became searchable`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

const REST_LOOK_MS = 500
/** Of one core. */
const REST_SHARE_MAX = 0.05

/** Waits until the node has made its blocks and does nothing any more; returns the CPU that it has used by then, µs. */
export async function cpuAtRest(node: { cpuMicroseconds(): number }): Promise<number> {
  const endMs = performance.now() + WAIT_MAX_MS
  for (let before = node.cpuMicroseconds(); ; ) {
    await new Promise((resolve) => setTimeout(resolve, REST_LOOK_MS))
    const now = node.cpuMicroseconds()
    if (now - before < REST_SHARE_MAX * REST_LOOK_MS * 1000) return now
    if (performance.now() > endMs) throw new Error('the node does not come to rest')
    before = now
  }
}

/** p95 in ms of receipts of 100-record requests, paced to `perSecond` records a second for a few seconds. */
export async function receiptLatency(client: Client, perSecond: number): Promise<number> {
  const recordsEach = 100
  const bodies = new LiveBodies(40, recordsEach, 3)
  const gapMs = (1000 * recordsEach) / perSecond
  const requests = Math.ceil(5000 / gapMs)
  const times: number[] = []
  const pending: Promise<unknown>[] = []
  const startedMs = performance.now()
  for (let i = 0; i < requests; i++) {
    const waitMs = startedMs + i * gapMs - performance.now()
    if (waitMs > 1) await new Promise((resolve) => setTimeout(resolve, waitMs))
    pending.push(client.post('/v1/logs/ingest', bodies.body(i, 1000), NDJSON).then((answer) => times.push(answer.ms)))
  }
  await Promise.all(pending)
  return quantile(times, 0.95)
}

/** p99 in ms from the receipt of a single record until a search finds it. */
export async function searchableAfter(client: Client): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < 100; i++) {
    const word = `needle_${i}_${process.pid}`
    await client.post('/v1/logs/ingest', JSON.stringify({ service: 'bench', message: `found ${word}` }), {
      'content-type': 'application/json',
    })
    const startedMs = performance.now()
    for (;;) {
      const { logs } = await client.getJson<{ logs: unknown[] }>('/v1/logs/search', { query: word, ...EVERYTHING })
      if (logs.length === 1) break
    }
    times.push(performance.now() - startedMs)
  }
  return quantile(times, 0.99)
}

/** Bytes of all files below a directory. */
export function bytesBelow(directory: string): number {
  let bytes = 0
  for (const entry of readdirSync(directory, { withFileTypes: true, recursive: true })) {
    if (entry.isFile()) bytes += statSync(join(entry.parentPath, entry.name)).size
  }
  return bytes
}

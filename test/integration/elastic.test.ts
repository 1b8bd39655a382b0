import { gzipSync } from 'node:zlib'
import { HttpClient } from '../harness/http-client.ts'
import { protocolSuite, type SuiteAnswer, type SuiteRecord } from '../harness/protocol-suite.ts'

const NDJSON = { 'content-type': 'application/x-ndjson' }

function documentOf({ uid, message, timeMs, isBad }: SuiteRecord): Buffer {
  const timestamp = isBad ? 'not a time' : new Date(timeMs).toISOString()
  return Buffer.from(JSON.stringify({ '@timestamp': timestamp, uid, message, log: { level: 'warn' } }))
}

function bulkBody(records: readonly SuiteRecord[]): Buffer {
  return Buffer.concat(
    records.flatMap((record) => [
      Buffer.from('{"create":{"_index":"logs-shop-default"}}\n'),
      documentOf(record),
      Buffer.from('\n'),
    ]),
  )
}

await protocolSuite('elastic bulk', {
  protocol: 'elastic',
  path: '/elastic/_bulk',
  headers: NDJSON,
  encode: bulkBody,
  sourceOf: documentOf,
  credential: (key) => ({ authorization: `ApiKey ${Buffer.from(`id:${key}`).toString('base64')}` }),
  hostile: { huge: [413], 'gzip bomb': [413] },
  async send({ url, headers }, records, { gzip }): Promise<SuiteAnswer> {
    const http = new HttpClient(url, headers)
    try {
      const body = bulkBody(records)
      const { status, json } = await http.send('/elastic/_bulk', {
        method: 'POST',
        headers: { ...NDJSON, ...(gzip ? { 'content-encoding': 'gzip' } : {}) },
        body: gzip ? gzipSync(body) : body,
      })
      if (status !== 200) {
        const outcome =
          status === 429 || status === 503 ? 'again' : status === 401 || status === 403 ? 'denied' : 'malformed'
        return { outcome, rejected: 0, status }
      }
      const { items } = json() as { items: { create: { status: number } }[] }
      const indexes = items.flatMap(({ create }, index) => (create.status === 201 ? [] : [index]))
      return { outcome: 'taken', rejected: indexes.length, indexes, status }
    } finally {
      http.close()
    }
  },
})

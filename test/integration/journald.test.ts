import { gzipSync } from 'node:zlib'
import { HttpClient } from '../harness/http-client.ts'
import { protocolSuite, type SuiteAnswer, type SuiteRecord } from '../harness/protocol-suite.ts'

const UPLOAD = '/journald/upload'
const EXPORT = { 'content-type': 'application/vnd.fdo.journal' }

/** Every other message is a binary field. */
function entryOf({ uid, message, timeMs, isBad }: SuiteRecord): Buffer {
  const time = isBad ? 'not a time' : `${timeMs}000`
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(message)))
  const isBinary = timeMs % 2000 < 1000
  return Buffer.concat([
    Buffer.from(`__CURSOR=s=1;i=${uid}\n__REALTIME_TIMESTAMP=${time}\nPRIORITY=4\n_HOSTNAME=h1\nUID=${uid}\n`),
    isBinary ? Buffer.concat([Buffer.from('MESSAGE\n'), length]) : Buffer.from('MESSAGE='),
    Buffer.from(`${message}\n_SYSTEMD_UNIT=shop.service\n`),
  ])
}

function entries(records: readonly SuiteRecord[]): Buffer {
  return Buffer.concat(records.flatMap((record) => [entryOf(record), Buffer.from('\n')]))
}

await protocolSuite('journald', {
  protocol: 'journald',
  path: UPLOAD,
  headers: EXPORT,
  encode: entries,
  sourceOf: entryOf,
  credential: (key) => ({ authorization: `Basic ${Buffer.from(`any:${key}`).toString('base64')}` }),
  hostile: { huge: [413], 'gzip bomb': [413], empty: [200] },
  async send({ url, headers }, records, { gzip }): Promise<SuiteAnswer> {
    const http = new HttpClient(url, headers)
    try {
      const body = entries(records)
      const { status, text } = await http.send(UPLOAD, {
        method: 'POST',
        headers: { ...EXPORT, ...(gzip ? { 'content-encoding': 'gzip' } : {}) },
        body: gzip ? gzipSync(body) : chunked(body),
      })
      if (status === 200) {
        return { outcome: 'taken', rejected: Number(/, (\d+) were refused/.exec(text)?.[1] ?? 0), status }
      }
      if (status === 503) return { outcome: 'again', rejected: 0, status }
      return { outcome: status === 401 || status === 403 ? 'denied' : 'malformed', rejected: 0, status }
    } finally {
      http.close()
    }
  },
})

/** As systemd-journal-upload sends: in chunks, of no announced length. */
async function* chunked(body: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < body.length; at += 16_000) yield body.subarray(at, at + 16_000)
}

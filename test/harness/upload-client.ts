import assert from 'node:assert/strict'
import { type WeirClient, waitUntil } from './weir-client.ts'

export interface FormFile {
  readonly name: string
  readonly bytes: Uint8Array
  readonly type?: string
}

/** Records with a `uid` each, from number `from` on, as NDJSON. */
export function ndjson(from: number, count: number): Buffer {
  const lines = Array.from({ length: count }, (_, i) => {
    const uid = from + i
    return `${JSON.stringify({ uid: `u${uid}`, service: 'batch', level: 'INFO', message: `Order ${uid} was sent to its customer` })}\n`
  })
  return Buffer.from(lines.join(''))
}

/** Posts files as a form, which must be taken; resolves with the id of the job. */
export async function uploadForm(
  client: WeirClient,
  files: readonly FormFile[],
  fields: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { body, type } = formOf(files, fields)
  const answer = await client.http.send('/v1/logs/upload', { method: 'POST', headers: { 'content-type': type }, body })
  assert.equal(answer.status, 202, answer.text)
  return answer.json().jobId
}

export function formOf(
  files: readonly FormFile[],
  fields: Readonly<Record<string, string>> = {},
): { readonly body: Buffer; readonly type: string } {
  const boundary = 'boundary-of-parts'
  const parts: Buffer[] = []
  for (const [name, value] of Object.entries(fields)) {
    parts.push(Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`))
  }
  for (const { name, bytes, type = 'application/octet-stream' } of files) {
    const head = `Content-Disposition: form-data; name="file"; filename="${name}"\r\nContent-Type: ${type}`
    parts.push(Buffer.from(`--${boundary}\r\n${head}\r\n\r\n`), Buffer.from(bytes), Buffer.from('\r\n'))
  }
  parts.push(Buffer.from(`--${boundary}--\r\n`))
  return { body: Buffer.concat(parts), type: `multipart/form-data; boundary=${boundary}` }
}

/** Waits until the job has ended; gives it. */
// biome-ignore lint/suspicious/noExplicitAny: answers have any shape
export async function endedJob(client: WeirClient, jobId: string, withinMs = 60_000): Promise<any> {
  // biome-ignore lint/suspicious/noExplicitAny: answers have any shape
  let job: any
  await waitUntil(
    async () => {
      job = await client.json(`/v1/jobs/${jobId}`)
      return ['done', 'failed', 'cancelled'].includes(job.state)
    },
    () => `the job has ended: ${JSON.stringify(job)}`,
    withinMs,
  )
  return job
}

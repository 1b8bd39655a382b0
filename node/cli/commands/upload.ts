import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { Readable } from 'node:stream'
import type { Job } from '../../../api/contract/uploads.ts'
import { EXIT_OK } from '../../exit-status.ts'
import type { Call } from '../command.ts'
import { CommandFailure } from '../failures.ts'
import { followJob } from '../job-follower.ts'
import type { NodeRequest } from '../node-client.ts'
import { ProgressBar, secondsText } from '../progress.ts'
import type { UPLOAD_OPTIONS } from '../send-commands.ts'

/** The node may sync much at the end of an upload. */
const SILENCE_MS_MAX = 300_000
const FILES_MAX = 100

/** `weir upload` */
export async function run(call: Call<typeof UPLOAD_OPTIONS>): Promise<number> {
  const { words, options, clock, terminal, node } = call
  if (words.length > FILES_MAX) throw new CommandFailure(`an upload has ${FILES_MAX} files at most`)
  const bar = new ProgressBar(terminal, clock)
  const isStdin = words.length === 0 || (words.length === 1 && words[0] === '-')
  const beginMs = clock.monotonicMs()
  const request = isStdin ? fileBody(call, bar) : await formBody(call, bar)
  const job = await node().json<Job>('/v1/logs/upload', {
    ...request,
    method: 'POST',
    parameters: {
      format: options.format,
      service: options.service,
      host: options.host,
      time_field: options['time-field'],
      message_field: options['message-field'],
      ...request.parameters,
    },
    silenceMsMax: SILENCE_MS_MAX,
  })
  bar.end()
  terminal.tell(`job ${job.jobId}, received in ${secondsText(clock.monotonicMs() - beginMs)}`)
  if (!options.detach) return followJob(call, job.jobId)
  await terminal.write(`${job.jobId}\n`)
  return EXIT_OK
}

/** Standard input, as the body itself. */
function fileBody({ options, stdin }: Call<typeof UPLOAD_OPTIONS>, bar: ProgressBar): NodeRequest {
  let done = 0
  async function* content() {
    for await (const chunk of stdin()) {
      done += (chunk as Buffer).length
      bar.show({ done, total: undefined })
      yield chunk as Buffer
    }
  }
  return {
    parameters: { name: options.name },
    headers: { 'content-type': 'application/octet-stream' },
    body: Readable.from(content(), { objectMode: false }),
  }
}

/** A form (RFC 7578) with the files, whose length is known before. Throws CommandFailure. */
async function formBody({ words, clock }: Call<typeof UPLOAD_OPTIONS>, bar: ProgressBar): Promise<NodeRequest> {
  const boundary = `weir-${Buffer.from(clock.randomBytes(18)).toString('hex')}`
  const files = await Promise.all(words.map((path) => fileOf(path, boundary)))
  const end = Buffer.from(`--${boundary}--\r\n`)
  const total = files.reduce((sum, { head, bytes }) => sum + head.length + bytes + 2, end.length)
  async function* content() {
    let done = 0
    for (const { path, head, bytes } of files) {
      yield head
      done += head.length
      let left = bytes
      if (bytes > 0) {
        // A file that grows meanwhile is sent as it was.
        for await (const chunk of createReadStream(path, { end: bytes - 1, highWaterMark: 256 * 1024 })) {
          left -= (chunk as Buffer).length
          done += (chunk as Buffer).length
          bar.show({ done, total })
          yield chunk as Buffer
        }
      }
      if (left > 0) throw new CommandFailure(`${path} became shorter while it was sent`)
      yield Buffer.from('\r\n')
    }
    yield end
  }
  return {
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}`, 'content-length': total },
    body: Readable.from(content(), { objectMode: false }),
  }
}

async function fileOf(path: string, boundary: string) {
  try {
    const status = await stat(path)
    if (!status.isFile()) throw new CommandFailure(`${path} is no file`)
    const name = basename(path).replace(/["\\\r\n]/g, '_')
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${name}"\r\nContent-Type: application/octet-stream\r\n\r\n`
    return { path, head: Buffer.from(head), bytes: status.size }
  } catch (cause) {
    if (cause instanceof CommandFailure) throw cause
    throw new CommandFailure(`${path} cannot be read: ${(cause as Error).message}`, undefined, { cause })
  }
}

import type { FastifyReply, FastifyRequest } from 'fastify'
import type { JobStatus, UploadOptions } from '../../actors/messages/upload.ts'
import { present } from '../../base/assert.ts'
import { WeirError } from '../../base/errors.ts'
import { bodyEncoding } from '../body-format.ts'
import { announcedLength, bodyChunks } from '../body-reader.ts'
import { clientSignal } from '../client-signal.ts'
import { NoParameters } from '../contract/records.ts'
import {
  cancelJob,
  getJob,
  JobRejectsParameters,
  listJobRejects,
  listJobs,
  REJECTS_DEFAULT,
  UploadParameters,
  uploadLogs,
} from '../contract/uploads.ts'
import { continueBody } from '../expect-continue.ts'
import { JSON_CONTENT_TYPE } from '../json-parts.ts'
import { isMultipart, readMultipart } from '../multipart.ts'
import { ParameterReader, parameterError } from '../parameters.ts'
import type { Route } from '../route.ts'
import type { ServerContext } from '../server-options.ts'

const FIELD_NAMES: ReadonlySet<string> = new Set(Object.keys(UploadParameters.properties))

/** POST /v1/logs/upload and what tells of its jobs. */
export function uploadRoutes({ backend, options, bodyWatch, drainSignal }: ServerContext): Route[] {
  const { uploads } = backend
  const parameters = new ParameterReader(UploadParameters)
  const noParameters = new ParameterReader(NoParameters)
  const rejectsParameters = new ParameterReader(JobRejectsParameters)

  async function upload(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = present(request.access, 'access of an upload')
    const { raw } = request
    const said = parameters.ofQuery(request)
    const isForm = isMultipart(raw.headers['content-type'])
    checkEncoding(raw.headers['content-encoding'], isForm)
    announcedLength(raw, options.uploadBytesMax)
    if (drainSignal.aborted) throw drainSignal.reason
    const sink = await uploads.begin(tenant)
    try {
      const stop = AbortSignal.any([drainSignal, clientSignal(reply)])
      continueBody(raw, reply.raw)
      const chunks = bodyChunks(raw, bodyWatch, stop)
      let all = said
      if (isForm) {
        const fields = await readMultipart(raw.headers, chunks, sink, FIELD_NAMES)
        all = parameters.ofFields(said, fields)
      } else {
        sink.beginFile(said.name ?? '', raw.headers['content-type'] ?? '')
        for await (const chunk of chunks) await sink.write(chunk)
      }
      const job = await sink.finish(optionsOf(all))
      reply.code(202).header('location', `/v1/jobs/${job.id}`)
      return sendJson(reply, jobAnswer(job))
    } catch (error) {
      await sink.abort()
      throw error
    }
  }

  async function list(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = present(request.access, 'access of jobs')
    noParameters.ofQuery(request)
    return sendJson(reply, { jobs: (await uploads.list(tenant)).map(jobAnswer) })
  }

  async function get(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = present(request.access, 'access of jobs')
    noParameters.ofQuery(request)
    return sendJson(reply, jobAnswer(await uploads.status(tenant, idOf(request))))
  }

  async function rejects(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = present(request.access, 'access of jobs')
    const { limit = REJECTS_DEFAULT, cursor = '0' } = rejectsParameters.ofQuery(request)
    if (!/^\d{1,9}$/.test(cursor)) throw parameterError('cursor', 'is not one of ours')
    const offset = Number(cursor)
    const answer = await uploads.rejects(tenant, idOf(request), { offset, limit })
    const next = offset + answer.rejects.length
    return sendJson(reply, {
      rejects: answer.rejects,
      rejected: answer.rejected,
      nextCursor: next < answer.listed && answer.rejects.length > 0 ? String(next) : null,
    })
  }

  async function cancel(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = present(request.access, 'access of jobs')
    noParameters.ofQuery(request)
    return sendJson(reply, jobAnswer(await uploads.cancel(tenant, idOf(request))))
  }

  return [
    { endpoint: uploadLogs, handler: upload, readsBody: true },
    { endpoint: listJobs, handler: list },
    { endpoint: getJob, handler: get },
    { endpoint: listJobRejects, handler: rejects },
    { endpoint: cancelJob, handler: cancel },
  ]
}

/** Files are inflated by what they are; a body that is compressed as a whole is a compressed file. Throws unsupported_media_type. */
function checkEncoding(contentEncoding: string | undefined, isForm: boolean): void {
  const encoding = bodyEncoding(contentEncoding)
  if (encoding === 'deflate') throw new WeirError('unsupported_media_type', 'Files are compressed by gzip or zstd')
  if (isForm && encoding !== 'identity') {
    throw new WeirError('unsupported_media_type', 'A form is sent as it is; compress the files in it')
  }
}

function optionsOf({ format, time_field, message_field, service, host }: UploadParameters): UploadOptions {
  return {
    ...(format ? { format } : {}),
    ...(time_field ? { timeField: time_field } : {}),
    ...(message_field ? { messageField: message_field } : {}),
    ...(service ? { serviceDefault: service } : {}),
    ...(host ? { hostDefault: host } : {}),
  }
}

function idOf(request: FastifyRequest): string {
  return (request.params as { readonly id: string }).id
}

function sendJson(reply: FastifyReply, value: unknown): FastifyReply {
  reply.header('content-type', JSON_CONTENT_TYPE)
  return reply.send(JSON.stringify(value))
}

function jobAnswer(job: JobStatus) {
  const { id, state, createdMs, startedMs, endedMs, files, bytesTotal, progress, failure } = job
  return {
    jobId: id,
    state,
    createdAt: timeText(createdMs),
    startedAt: startedMs === null ? null : timeText(startedMs),
    endedAt: endedMs === null ? null : timeText(endedMs),
    files: files.map(({ name, bytes }) => ({ name, bytes })),
    bytes: progress.bytes,
    bytesTotal,
    records: progress.records,
    accepted: progress.accepted,
    rejected: progress.rejected,
    recordsPerSecond: job.recordsPerSecond,
    etaSeconds: job.etaSeconds,
    errors: job.firstRejects,
    failure,
  }
}

function timeText(timeMs: number): string {
  return new Date(timeMs).toISOString()
}

import Type, { type Static } from 'typebox'
import { UPLOAD_REJECTS_LISTED_MAX, UPLOAD_REJECTS_PAGE } from '../../base/limits.ts'
import { JSON_TYPE, NameText, NDJSON_TYPE } from './common.ts'
import type { Endpoint } from './endpoint.ts'
import { NoParameters } from './records.ts'

const GROUP = 'Upload jobs'

export const UploadParameters = Type.Object(
  {
    format: Type.Optional(
      Type.Enum(['ndjson', 'json', 'csv', 'text'], {
        description: 'Of every file; else each file is looked at: what it begins with, then its name.',
      }),
    ),
    name: Type.Optional(NameText('Name of the file, where the body is the file itself.')),
    time_field: Type.Optional(NameText('Field to take as the timestamp.')),
    message_field: Type.Optional(NameText('Field to take as the message.')),
    service: Type.Optional(NameText('Service of records that name none.')),
    host: Type.Optional(NameText('Host of records that name none.')),
  },
  { additionalProperties: false },
)
export type UploadParameters = Static<typeof UploadParameters>

const Reject = Type.Object(
  {
    file: Type.Integer({ description: 'Number of the file in the upload, from 0.' }),
    index: Type.Integer({ description: 'Number of the record in the file, from 0.' }),
    code: Type.String(),
    reason: Type.String(),
  },
  { title: 'UploadReject' },
)

const Job = Type.Object(
  {
    jobId: Type.String(),
    state: Type.Enum(['uploading', 'waiting', 'running', 'done', 'failed', 'cancelled']),
    createdAt: Type.String(),
    startedAt: Type.Union([Type.String(), Type.Null()]),
    endedAt: Type.Union([Type.String(), Type.Null()]),
    files: Type.Array(Type.Object({ name: Type.String(), bytes: Type.Integer() })),
    bytes: Type.Integer({
      description: 'Of the files as sent, that have been ingested; while it uploads, that have come in.',
    }),
    bytesTotal: Type.Integer(),
    records: Type.Integer({ description: 'Accepted and rejected ones.' }),
    accepted: Type.Integer({ description: 'Records that are durable.' }),
    rejected: Type.Integer({ description: 'Records that are not; kept in the dead letters where they could be read.' }),
    recordsPerSecond: Type.Integer(),
    etaSeconds: Type.Union([Type.Integer(), Type.Null()]),
    errors: Type.Array(Reject, { description: 'The first rejects; more at `/v1/jobs/{id}/rejects`.' }),
    failure: Type.Union([Type.Object({ code: Type.String(), reason: Type.String() }), Type.Null()]),
  },
  { title: 'Job' },
)
export type Job = Static<typeof Job>

export const uploadLogs: Endpoint = {
  id: 'uploadLogs',
  method: 'POST',
  path: '/v1/logs/upload',
  group: GROUP,
  summary: 'Store the records of files of any size',
  description:
    'Answers once all bytes are durable, sealed; a job then ingests them, on whichever node, and goes on where it stood when that node dies: every record is ' +
    'stored once. Files may be compressed (gzip, zstd); what they are is told by their bytes.',
  role: 'ingest',
  query: UploadParameters,
  body: {
    description:
      'A form with files, in which the parameters may stand as fields too; or one file as it is: records as NDJSON, as JSON (an array, `{"logs":[…]}`, one ' +
      'object after the other), CSV with a header row, or lines of text.',
    content: {
      'multipart/form-data': null,
      [NDJSON_TYPE]: null,
      [JSON_TYPE]: null,
      'text/csv': null,
      'text/plain': null,
      'application/gzip': null,
      'application/zstd': null,
      'application/octet-stream': null,
    },
  },
  responses: {
    202: { description: 'The bytes are durable; `Location` names the job.', content: { [JSON_TYPE]: Job } },
    400: { description: 'The body is empty or not the form that it says to be; nothing is kept of it.' },
    413: { description: 'The upload is larger than `uploads.bytesMax`.' },
    415: { description: 'The encoding of the body is not supported.' },
    429: { description: 'As many uploads are under way or waiting as may be; try again after Retry-After.' },
    503: { description: 'The node drains, or the object store refuses; try again after Retry-After.' },
  },
}

const JobList = Type.Object({ jobs: Type.Array(Job) }, { title: 'JobList' })

export const listJobs: Endpoint = {
  id: 'listJobs',
  method: 'GET',
  path: '/v1/jobs',
  group: GROUP,
  summary: 'List the upload jobs of the tenant, newest first',
  role: 'ingest',
  query: NoParameters,
  responses: {
    200: { description: 'Those that go on, and those that ended lately.', content: { [JSON_TYPE]: JobList } },
  },
}

const JobPath = Type.Object({ id: NameText('Id of the job.') })

export const getJob: Endpoint = {
  id: 'getJob',
  method: 'GET',
  path: '/v1/jobs/{id}',
  group: GROUP,
  summary: 'How far an upload job is',
  role: 'ingest',
  pathParameters: JobPath,
  query: NoParameters,
  responses: {
    200: { description: 'The job.', content: { [JSON_TYPE]: Job } },
    404: { description: 'The tenant has no such job.' },
  },
}

export const REJECTS_DEFAULT = 100

export const JobRejectsParameters = Type.Object(
  {
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: UPLOAD_REJECTS_PAGE, default: REJECTS_DEFAULT })),
    cursor: Type.Optional(Type.String({ maxLength: 20, description: '`nextCursor` of the page before.' })),
  },
  { additionalProperties: false },
)
export type JobRejectsParameters = Static<typeof JobRejectsParameters>

export const listJobRejects: Endpoint = {
  id: 'listJobRejects',
  method: 'GET',
  path: '/v1/jobs/{id}/rejects',
  group: GROUP,
  summary: 'Records of an upload that were rejected',
  description: `In the order of the files; the first ${UPLOAD_REJECTS_LISTED_MAX} are listed, \`rejected\` counts them all. Their bytes are in the dead letters.`,
  role: 'ingest',
  pathParameters: JobPath,
  query: JobRejectsParameters,
  responses: {
    200: {
      description: 'A page of them.',
      content: {
        [JSON_TYPE]: Type.Object(
          {
            rejects: Type.Array(Reject),
            rejected: Type.Integer(),
            nextCursor: Type.Union([Type.String(), Type.Null()]),
          },
          { title: 'JobRejects' },
        ),
      },
    },
    404: { description: 'The tenant has no such job.' },
  },
}

export const cancelJob: Endpoint = {
  id: 'cancelJob',
  method: 'DELETE',
  path: '/v1/jobs/{id}',
  group: GROUP,
  summary: 'Cancel an upload job',
  description: 'What it has ingested stays; the rest of its bytes is deleted. A job that has ended stays as it is.',
  role: 'ingest',
  pathParameters: JobPath,
  query: NoParameters,
  responses: {
    200: { description: 'The job, ended.', content: { [JSON_TYPE]: Job } },
    404: { description: 'The tenant has no such job.' },
  },
}

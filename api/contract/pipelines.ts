import Type, { type Static } from 'typebox'
import { PIPELINE_SAMPLES_MAX } from '../../base/limits.ts'
import { JSON_TYPE } from './common.ts'
import type { Endpoint } from './endpoint.ts'
import { NoParameters } from './records.ts'

const group = 'Pipelines'
const pathParameters = Type.Object({
  id: Type.String({
    minLength: 1,
    maxLength: 64,
    description:
      'Letters, digits, `_`, `.` and `-`. Records pass the pipelines of a tenant in the order of these names.',
  }),
})

const Definition = Type.Unsafe<Record<string, unknown>>({
  type: 'object',
  title: 'PipelineDefinition',
  description:
    '`steps`: objects with a `type`, perhaps `if` (a filter of the query language) and `onError` (`continue`, `drop`, `deadLetter`), and the parameters of the type. ' +
    '`services`: names or globs; absent, all of the tenant. `description`: for people. See docs/pipeline.md.',
  properties: {
    description: { type: 'string' },
    services: { type: 'array', items: { type: 'string' } },
    steps: { type: 'array', items: { type: 'object' } },
  },
  required: ['steps'],
  examples: [
    {
      services: ['checkout', 'web-*'],
      steps: [
        { type: 'mask' },
        { type: 'rename', fields: { usr: 'user.name' } },
        { type: 'filter', drop: 'level:debug' },
      ],
    },
  ],
})

const Pipeline = Type.Object(
  { id: Type.String(), version: Type.Integer(), updatedAt: Type.String(), definition: Definition },
  { title: 'Pipeline' },
)
export type Pipeline = Static<typeof Pipeline>
const answer = { [JSON_TYPE]: Pipeline }

const IfMatch = Type.Object({
  'If-Match': Type.Optional(
    Type.String({
      description: 'The version that is to be changed, as in `ETag`; `"0"` when there must be none. Else 409.',
    }),
  ),
})

const DryRecordSchema = Type.Object(
  {
    outcome: Type.Enum(['kept', 'routed', 'dropped', 'deadLetter', 'merged']),
    tenant: Type.Optional(Type.String()),
    reason: Type.Optional(Type.String()),
    before: Type.Unknown(),
    after: Type.Optional(Type.Unknown()),
    steps: Type.Array(
      Type.Object({
        pipeline: Type.String(),
        step: Type.Integer(),
        type: Type.String(),
        outcome: Type.Enum(['next', 'drop', 'hold', 'failed']),
        reason: Type.Optional(Type.String()),
        before: Type.Unknown(),
        after: Type.Unknown(),
      }),
    ),
  },
  { title: 'DryRunRecord' },
)
export type DryRunRecord = Static<typeof DryRecordSchema>

export const DryRunBody = Type.Object(
  {
    id: Type.Optional(Type.String({ minLength: 1, maxLength: 64, description: 'A pipeline that is stored.' })),
    definition: Type.Optional(Definition),
    records: Type.Array(Type.Unsafe<Record<string, unknown>>({ type: 'object' }), {
      minItems: 1,
      maxItems: PIPELINE_SAMPLES_MAX,
      description: 'They pass as the records of one request.',
    }),
  },
  { additionalProperties: false, title: 'DryRun' },
)
export type DryRunBody = Static<typeof DryRunBody>

export const listPipelines: Endpoint = {
  id: 'listPipelines',
  method: 'GET',
  path: '/v1/pipelines',
  group,
  summary: 'List the pipelines of the tenant',
  description: 'In the order in which records pass them.',
  role: 'admin',
  query: NoParameters,
  responses: {
    200: {
      description: 'All pipelines.',
      content: { [JSON_TYPE]: Type.Object({ pipelines: Type.Array(Pipeline) }, { title: 'PipelineList' }) },
    },
  },
}

export const getPipeline: Endpoint = {
  id: 'getPipeline',
  method: 'GET',
  path: '/v1/pipelines/{id}',
  group,
  summary: 'A pipeline',
  role: 'admin',
  pathParameters,
  query: NoParameters,
  responses: {
    200: { description: 'As it is in force.', content: answer },
    404: { description: 'There is no such pipeline.' },
  },
}

export const putPipeline: Endpoint = {
  id: 'putPipeline',
  method: 'PUT',
  path: '/v1/pipelines/{id}',
  group,
  summary: 'Make or change a pipeline',
  description:
    'In force on every node within a second. Each change is a new version, which dead letters of its steps name. What is not understood is refused, with its path.',
  role: 'admin',
  pathParameters,
  query: NoParameters,
  headers: IfMatch,
  body: { description: 'The definition.', content: { [JSON_TYPE]: Definition } },
  responses: {
    200: { description: 'Changed.', content: answer },
    201: { description: 'Made.', content: answer },
    409: { description: 'It has another version than `If-Match` says.' },
  },
}

export const deletePipeline: Endpoint = {
  id: 'deletePipeline',
  method: 'DELETE',
  path: '/v1/pipelines/{id}',
  group,
  summary: 'Delete a pipeline',
  role: 'admin',
  pathParameters,
  query: NoParameters,
  headers: IfMatch,
  responses: { 204: { description: 'Deleted.' }, 404: { description: 'There is no such pipeline.' } },
}

export const listPipelineVersions: Endpoint = {
  id: 'listPipelineVersions',
  method: 'GET',
  path: '/v1/pipelines/{id}/versions',
  group,
  summary: 'Versions of a pipeline',
  role: 'admin',
  pathParameters,
  query: NoParameters,
  responses: {
    200: {
      description: 'The newest first; the last fifty are kept.',
      content: { [JSON_TYPE]: Type.Object({ versions: Type.Array(Pipeline) }, { title: 'PipelineVersions' }) },
    },
    404: { description: 'There is no such pipeline.' },
  },
}

export const dryRunPipeline: Endpoint = {
  id: 'dryRunPipeline',
  method: 'POST',
  path: '/v1/pipelines/dry-run',
  group,
  summary: 'Try a pipeline on records',
  description:
    'Shows each record before and after every step that takes it. Of a `definition`, or of the stored pipeline `id`; of neither, of all that the tenant has. Nothing is stored.',
  role: 'admin',
  query: NoParameters,
  body: { description: 'What is tried, on what.', content: { [JSON_TYPE]: DryRunBody } },
  responses: {
    200: {
      description: 'What became of each record.',
      content: { [JSON_TYPE]: Type.Object({ records: Type.Array(DryRecordSchema) }, { title: 'DryRunAnswer' }) },
    },
  },
}

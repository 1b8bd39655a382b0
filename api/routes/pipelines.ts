import type { FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { present } from '../../base/assert.ts'
import { WeirError } from '../../base/errors.ts'
import { isTenantName } from '../../base/ids.ts'
import { PIPELINE_DRY_RUN_BYTES_MAX } from '../../base/limits.ts'
import type { DryRecord } from '../../ingest/pipeline/dry-run.ts'
import type { Access } from '../auth.ts'
import type { PipelineAuthor, StoredPipeline } from '../backend.ts'
import { clientSignal } from '../client-signal.ts'
import {
  DryRunBody,
  deletePipeline,
  dryRunPipeline,
  getPipeline,
  listPipelines,
  listPipelineVersions,
  putPipeline,
} from '../contract/pipelines.ts'
import { NoParameters } from '../contract/records.ts'
import { JSON_CONTENT_TYPE } from '../json-parts.ts'
import { ParameterReader, parameterError } from '../parameters.ts'
import type { Route } from '../route.ts'
import type { ServerContext } from '../server-options.ts'

/** What a definition may have is for the compiler to say, with the path of what is wrong. */
const AnyObject = Type.Object({})

/** /v1/pipelines */
export function pipelineRoutes(context: ServerContext): Route[] {
  const { pipelines } = context.backend
  const noParameters = new ParameterReader(NoParameters)
  const definitions = new ParameterReader(AnyObject)
  const dryRuns = new ParameterReader(DryRunBody)

  function begin(request: FastifyRequest): Access {
    noParameters.ofQuery(request)
    return present(request.access, 'access of pipelines')
  }

  async function list(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = begin(request)
    return send(reply, { pipelines: (await pipelines.list(tenant)).map(shown) })
  }

  async function get(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = begin(request)
    const pipeline = await pipelines.get(tenant, idOf(request))
    return send(reply.header('etag', `"${pipeline.version}"`), shown(pipeline))
  }

  async function versions(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = begin(request)
    return send(reply, { versions: (await pipelines.versions(tenant, idOf(request))).map(shown) })
  }

  async function put(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const access = begin(request)
    const definition = definitions.ofJson(request)
    const pipeline = await pipelines.put(access.tenant, idOf(request), definition, authorOf(access, request))
    reply.code(pipeline.version === 1 ? 201 : 200).header('etag', `"${pipeline.version}"`)
    return send(reply, shown(pipeline))
  }

  async function remove(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = begin(request)
    await pipelines.remove(tenant, idOf(request), expectedVersion(request))
    return reply.code(204).send()
  }

  async function tryOut(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const access = begin(request)
    const { id, definition, records } = dryRuns.ofJson(request)
    const texts = records.map((record) => JSON.stringify(record))
    const what = { ...(id === undefined ? {} : { id }), ...(definition === undefined ? {} : { definition }) }
    const author = { mayNameTenants: access.scope === '*' }
    const told = await pipelines.dryRun(access.tenant, what, texts, author, clientSignal(reply))
    const json = `{"records":[${told.map(dryRecordJson).join(',')}]}`
    if (json.length > PIPELINE_DRY_RUN_BYTES_MAX)
      throw new WeirError(
        'result_too_large',
        'The records before and after every step are too much for one answer; send fewer',
      )
    return reply.header('content-type', JSON_CONTENT_TYPE).send(json)
  }

  return [
    { endpoint: listPipelines, handler: list },
    { endpoint: getPipeline, handler: get },
    { endpoint: putPipeline, handler: put },
    { endpoint: deletePipeline, handler: remove },
    { endpoint: listPipelineVersions, handler: versions },
    { endpoint: dryRunPipeline, handler: tryOut },
  ]
}

function authorOf(access: Access, request: FastifyRequest): PipelineAuthor {
  const version = expectedVersion(request)
  return { mayNameTenants: access.scope === '*', ...(version === undefined ? {} : { expectedVersion: version }) }
}

function expectedVersion(request: FastifyRequest): number | undefined {
  const header = request.headers['if-match']
  if (header === undefined || header === '*') return undefined
  const version = /^"?(\d{1,9})"?$/.exec(header)?.[1]
  if (version === undefined) throw parameterError('If-Match', 'must be a version, such as "3"')
  return Number(version)
}

function idOf(request: FastifyRequest): string {
  const { id } = request.params as { id: string }
  if (!isTenantName(id))
    throw parameterError('id', 'must be 1 to 64 letters, digits, `_`, `.` or `-`, beginning with a letter or digit')
  return id
}

function shown({ id, version, updatedMs, definition }: StoredPipeline) {
  return { id, version, updatedAt: new Date(updatedMs).toISOString(), definition }
}

function send(reply: FastifyReply, value: unknown): FastifyReply {
  return reply.header('content-type', JSON_CONTENT_TYPE).send(JSON.stringify(value))
}

/** The records are JSON already, with their numbers as they were. */
function dryRecordJson({ before, after, steps, ...rest }: DryRecord): string {
  const stepJsons = steps.map((step) => {
    const { before: stepBefore, after: stepAfter, ...about } = step
    return `${JSON.stringify(about).slice(0, -1)},"before":${stepBefore},"after":${stepAfter}}`
  })
  const shownAfter = after === undefined ? '' : `,"after":${after}`
  return `${JSON.stringify(rest).slice(0, -1)},"before":${before}${shownAfter},"steps":[${stepJsons.join(',')}]}`
}

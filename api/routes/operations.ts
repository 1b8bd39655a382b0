import type { FastifyReply, FastifyRequest } from 'fastify'
import { HTML_TYPE } from '../contract/common.ts'
import { ENDPOINTS } from '../contract/endpoints.ts'
import {
  getDocs,
  getErrorDocs,
  getHealth,
  getLanding,
  getMetrics,
  getOpenApi,
  getReadiness,
} from '../contract/operations.ts'
import { docsPage, errorsPage } from '../docs-page.ts'
import { ELASTIC_HEADERS, elasticContentType } from '../elastic-words.ts'
import { JSON_CONTENT_TYPE } from '../json-parts.ts'
import { landingFacts, landingPage } from '../landing-page.ts'
import { openApiOf } from '../openapi.ts'
import { PAGE_POLICY } from '../page.ts'
import type { Route } from '../route.ts'
import type { ServerContext } from '../server-options.ts'
import type { StaticFiles } from '../static-files.ts'
import { sendIndex } from '../static-ui.ts'
import { elasticInfoOf } from './elastic-handshake.ts'

/** /healthz, /readyz, /metrics, /openapi.json, /docs, /docs/errors, / */
export function operationRoutes(context: ServerContext, ui: StaticFiles): Route[] {
  const { backend, options, drainSignal } = context
  const { authMode, version, nodeId } = options
  const document = openApiOf(ENDPOINTS, version)
  // Made when first asked for: a worker that starts has better things to do.
  const openApiText = once(() => JSON.stringify(document))
  const docsText = once(() => docsPage(document))
  const errorsText = once(errorsPage)
  // Clients of Elasticsearch ask here who it is that they speak to.
  const facts = landingFacts(version, nodeId)
  const plainFacts = options.elasticAtRoot ? { ...facts, ...elasticInfoOf(nodeId) } : facts

  function sendPage(reply: FastifyReply, text: string): FastifyReply {
    return reply.header('content-type', HTML_TYPE).header('content-security-policy', PAGE_POLICY).send(text)
  }

  function readiness(_request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const reasons = [...backend.status.notReadyReasons()]
    if (drainSignal.aborted && !reasons.includes('draining')) reasons.push('draining')
    const ready = reasons.length === 0
    if (!ready) reply.code(503).header('retry-after', '2')
    reply.header('content-type', JSON_CONTENT_TYPE)
    const lacks = backend.status.lacks()
    const answer = { status: ready ? 'ready' : 'not_ready', reasons, ...(lacks.length === 0 ? {} : { lacks }) }
    return reply.send(JSON.stringify(answer))
  }

  async function metrics(_request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const text = await backend.status.metrics()
    return reply.header('content-type', 'text/plain; version=0.0.4; charset=utf-8').send(text)
  }

  async function landing(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    if (!(request.headers.accept ?? '').includes('text/html')) {
      if (options.elasticAtRoot)
        reply.headers(ELASTIC_HEADERS).header('content-type', elasticContentType(request.headers))
      else reply.header('content-type', JSON_CONTENT_TYPE)
      return reply.send(JSON.stringify(plainFacts))
    }
    const origin = `http://${request.headers.host ?? 'localhost'}`
    return sendIndex(request, reply, ui, () => landingPage(facts, origin, authMode !== 'off'))
  }

  return [
    {
      endpoint: getHealth,
      handler: (_request, reply) => reply.header('content-type', JSON_CONTENT_TYPE).send('{"status":"alive"}'),
    },
    { endpoint: getReadiness, handler: readiness },
    { endpoint: getMetrics, handler: metrics },
    {
      endpoint: getOpenApi,
      handler: (_request, reply) => reply.header('content-type', JSON_CONTENT_TYPE).send(openApiText()),
    },
    { endpoint: getDocs, handler: (_request, reply) => sendPage(reply, docsText()) },
    { endpoint: getErrorDocs, handler: (_request, reply) => sendPage(reply, errorsText()) },
    { endpoint: getLanding, handler: landing },
  ]
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

import { fileURLToPath } from 'node:url'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { assert } from '../base/assert.ts'
import { WeirError } from '../base/errors.ts'
import { authenticate, authorize, authorizeCluster, hasCredential } from './auth.ts'
import { declaresJson } from './body-format.ts'
import type { Endpoint } from './contract/endpoint.ts'
import { ENDPOINTS } from './contract/endpoints.ts'
import { DecodedIngest } from './decoded-ingest.ts'
import { IngestDoor } from './ingest-door.ts'
import type { Route } from './route.ts'
import { agentRoutes } from './routes/agents.ts'
import { alertChannelRoutes } from './routes/alert-channels.ts'
import { alertRoutes } from './routes/alerts.ts'
import { clusterRoutes } from './routes/cluster.ts'
import { datadogRoutes } from './routes/datadog.ts'
import { deadLetterRoutes } from './routes/dead-letters.ts'
import { elasticRoutes } from './routes/elastic.ts'
import { elasticHandshakeRoutes } from './routes/elastic-handshake.ts'
import { hecRoutes } from './routes/hec.ts'
import { ingestRoutes } from './routes/ingest.ts'
import { journaldRoutes } from './routes/journald.ts'
import { keyRoutes } from './routes/keys.ts'
import { lokiRoutes } from './routes/loki.ts'
import { operationRoutes } from './routes/operations.ts'
import { otlpRoutes } from './routes/otlp.ts'
import { pipelineRoutes } from './routes/pipelines.ts'
import { recordRoutes } from './routes/records.ts'
import { searchRoutes } from './routes/search.ts'
import { searchAnalyticsRoutes } from './routes/search-analytics.ts'
import { sessionRoutes } from './routes/session.ts'
import { tailRoutes } from './routes/tail.ts'
import { uploadRoutes } from './routes/uploads.ts'
import type { ServerContext, ServerOptions } from './server-options.ts'
import { StaticFiles } from './static-files.ts'
import { addUi } from './static-ui.ts'

const UI_FOLDER = fileURLToPath(new URL('../web/dist/', import.meta.url))

/** Puts every endpoint of the contract on its path, and the web UI on its own. */
export function addRoutes(app: FastifyInstance, context: ServerContext): void {
  const door = new IngestDoor(context)
  const { backend, options } = context
  const decodedIngest = new DecodedIngest({
    backend: backend.ingest,
    pool: door.pool,
    clock: options.clock,
    linesBytesMax: options.inflatedBytesMax,
  })
  const ingestContext = { ...context, door, decodedIngest }
  const ui = new StaticFiles(options.uiFolder ?? UI_FOLDER)
  const routes: Route[] = [
    ...ingestRoutes(ingestContext),
    ...uploadRoutes(context),
    ...atRootToo(options, [...elasticRoutes(ingestContext), ...elasticHandshakeRoutes(context)]),
    ...hecRoutes(ingestContext),
    ...datadogRoutes(ingestContext),
    ...lokiRoutes(ingestContext),
    ...otlpRoutes(ingestContext),
    ...journaldRoutes(ingestContext),
    ...searchRoutes(context),
    ...searchAnalyticsRoutes(context),
    ...recordRoutes(context),
    ...deadLetterRoutes(ingestContext),
    ...tailRoutes(context),
    ...pipelineRoutes(context),
    ...alertRoutes(context),
    ...alertChannelRoutes(context),
    ...agentRoutes(context),
    ...keyRoutes(context),
    ...clusterRoutes(context),
    ...sessionRoutes(context),
    ...operationRoutes(context, ui),
  ]
  assert(
    routes.every((route) => ENDPOINTS.includes(route.endpoint)) &&
      ENDPOINTS.every((endpoint) => routes.some((route) => route.endpoint === endpoint)),
    'every endpoint of the contract has its handler',
  )
  for (const route of routes.filter((candidate) => !candidate.readsBody)) addRoute(app, context, route)
  app.register(async (scope) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null))
    for (const route of routes.filter((candidate) => candidate.readsBody)) addRoute(scope, context, route)
  })
  refuseOtherMethods(app, routes)
  addUi(app, ui)
}

/** Elasticsearch's routes, at the root as well where that is wished; `/` itself is the landing page's. */
function atRootToo({ elasticAtRoot }: ServerOptions, routes: readonly Route[]): readonly Route[] {
  if (!elasticAtRoot) return routes
  const atRoot = routes.map((route) => ({ ...route, path: route.endpoint.path.slice('/elastic'.length) }))
  return [...routes, ...atRoot.filter(({ path }) => path.length > 1)]
}

function addRoute(app: FastifyInstance, context: ServerContext, route: Route): void {
  const { endpoint, handler, readsBody, errorWords } = route
  app.route({
    method: endpoint.method,
    url: routerPath(pathOf(route)),
    config: { ...(readsBody ? { readsBody } : {}), ...(errorWords === undefined ? {} : { errorWords }) },
    ...(endpoint.role === null ? {} : { onRequest: checkAccess(context, endpoint) }),
    handler: handler as (request: FastifyRequest, reply: FastifyReply) => unknown,
  })
}

function pathOf({ endpoint, path }: Route): string {
  return path ?? endpoint.path
}

function routerPath(path: string): string {
  return path.replace(/\{(\w+)\}/g, ':$1')
}

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE'] as const

/** 405 with Allow on every path for the methods that it does not have; so no path with a parameter takes `/v1/logs/ingest` for an id. */
function refuseOtherMethods(app: FastifyInstance, routes: readonly Route[]): void {
  for (const path of new Set(routes.map(pathOf))) {
    const there = routes.filter((route) => pathOf(route) === path)
    const own: string[] = there.map((route) => route.endpoint.method)
    const errorWords = there[0]?.errorWords
    const allow = [...(own.includes('GET') ? ['HEAD'] : []), ...own, 'OPTIONS'].join(', ')
    app.route({
      method: METHODS.filter((method) => !own.includes(method)),
      url: routerPath(path),
      exposeHeadRoute: !own.includes('GET'),
      config: errorWords === undefined ? {} : { errorWords },
      handler: async (request, reply) => {
        reply.header('allow', allow)
        if (request.method === 'OPTIONS') return reply.code(204).send()
        throw new WeirError('method_not_allowed', `${request.method} is not supported here; ${allow} are`)
      },
    })
  }
}

function checkAccess({ backend, options }: ServerContext, { role, clusterOnly, credentialInBody }: Endpoint) {
  return (request: FastifyRequest, _reply: FastifyReply, done: (error?: Error) => void): void => {
    try {
      if (credentialInBody && options.authMode !== 'off' && isForBody(request)) {
        done()
        return
      }
      const access = authenticate(options.authMode, backend.keys, request.raw.headers)
      if (role !== null) authorize(access, role)
      if (clusterOnly) authorizeCluster(access)
      request.access = access
    } catch (error) {
      done(error as Error)
      return
    }
    done()
  }
}

/** Whether who sends it can be seen in the body only. */
function isForBody({ raw: { headers } }: FastifyRequest): boolean {
  return !hasCredential(headers) && declaresJson(headers['content-type'])
}

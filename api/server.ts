import type { IncomingMessage } from 'node:http'
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import { assert } from '../base/assert.ts'
import { WeirError } from '../base/errors.ts'
import {
  HTTP_CLOSE_GRACE_MS,
  HTTP_HEADERS_BYTES_MAX,
  HTTP_HEADERS_TIMEOUT_MS,
  HTTP_KEEP_ALIVE_MS,
  HTTP_PARAMETERS_BYTES_MAX,
} from '../base/limits.ts'
import type { Backend } from './backend.ts'
import { BodyWatch, type Reading } from './body-reader.ts'
import { elasticError } from './elastic-words.ts'
import { continueBody, deferContinue } from './expect-continue.ts'
import { observeRequests } from './http-metrics.ts'
import { isLoopback, refuseForeignPages } from './origin-guard.ts'
import { parseFormFields } from './query-string.ts'
import { addRoutes } from './routing.ts'
import { answerParserError, sendError } from './send-error.ts'
import type { ServerContext, ServerOptions } from './server-options.ts'
import { isTailUpgrade, serveTailSockets } from './sockets/tail-socket.ts'

export interface HttpServer {
  /** Starts to listen. `port` is the one in use, also where 0 was asked for. */
  listen(): Promise<{ readonly url: string; readonly port: number }>
  /**
   * Refuses ingest, ends what merely waits, and asks clients to reconnect elsewhere; searches still run. Idempotent.
   */
  drain(): void
  /** Drains, stops listening, and waits for requests in progress, at most HTTP_CLOSE_GRACE_MS. Idempotent. */
  close(): Promise<void>
}

/** The HTTP side of one thread of a node: every endpoint, before one `backend`. */
export async function createServer(backend: Backend, options: ServerOptions): Promise<HttpServer> {
  const { clock } = options
  const bodyWatch = new BodyWatch(clock)
  const draining = new AbortController()
  const context: ServerContext = { backend, options, bodyWatch, drainSignal: draining.signal }
  const app = createApp(context)
  await app.ready()
  serveTailSockets(app.server, context)
  deferContinue(app.server, (request, response) => app.routing(request, response))

  function drain(): void {
    if (!draining.signal.aborted) draining.abort(new WeirError('draining', 'The node is shutting down'))
  }

  async function stop(): Promise<void> {
    drain()
    bodyWatch.stop()
    const grace = clock.after(HTTP_CLOSE_GRACE_MS, () => {
      options.logger.warn('closing connections whose requests did not end in time')
      app.server.closeAllConnections()
    })
    try {
      await app.close()
    } finally {
      grace.cancel()
    }
  }

  let stopped: Promise<void> | undefined
  return {
    async listen() {
      const { host, port, reusePort } = options
      await app.listen({ host, port, ...(reusePort ? { reusePort } : {}) })
      const address = app.server.address()
      assert(address !== null && typeof address === 'object', 'a listening TCP server has an address')
      const name = host.includes(':') ? `[${host}]` : host
      return { url: `http://${name}:${address.port}`, port: address.port }
    },
    drain,
    close() {
      stopped ??= stop()
      return stopped
    },
  }
}

function createApp(context: ServerContext): FastifyInstance {
  const { options } = context
  const idPrefix = `${options.nodeId}-${Buffer.from(options.clock.randomBytes(4)).toString('hex')}-`
  let requests = 0
  const app = fastify({
    logger: false,
    exposeHeadRoutes: true,
    bodyLimit: HTTP_PARAMETERS_BYTES_MAX,
    keepAliveTimeout: HTTP_KEEP_ALIVE_MS,
    // Bodies of uploads take as long as they take; all others are bounded by the BodyWatch.
    requestTimeout: 0,
    return503OnClosing: false,
    genReqId: () => idPrefix + (++requests).toString(36),
    routerOptions: { maxParamLength: 4096, querystringParser: parseFormFields },
    http: {
      maxHeaderSize: HTTP_HEADERS_BYTES_MAX,
      headersTimeout: HTTP_HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: HTTP_HEADERS_TIMEOUT_MS / 3,
      // Others, such as h2c of Java's client, are answered in HTTP/1.1.
      shouldUpgradeCallback: isTailUpgrade,
    },
    clientErrorHandler: (error, socket) => answerParserError(error, socket),
    // No hook runs for these.
    frameworkErrors: (error, request, reply) => {
      reply.headers(commonHeaders(options.version))
      return sendError(context, request, reply as FastifyReply, error)
    },
  })
  app.decorateRequest('access', null)
  app.decorateRequest('receivedAtMs', 0)
  app.addHook('onRequest', onRequest(context))
  app.addHook('preParsing', (request, reply, _payload, done) => {
    if (request.routeOptions.config.readsBody !== true) {
      continueBody(request.raw, reply.raw)
      if (!request.raw.complete) boundBody(context.bodyWatch, app, request.raw)
    }
    done()
  })
  if (options.metrics !== undefined) observeRequests(app, options.metrics, options.clock)
  app.setErrorHandler((error, request, reply) => sendError(context, request, reply, error))
  app.setNotFoundHandler((request, reply) => {
    const error = new WeirError('not_found', 'There is nothing at this path')
    return sendError(context, request, reply, error, request.url.startsWith('/elastic/') ? elasticError : undefined)
  })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  addRoutes(app, context)
  return app
}

/** A body that the framework reads, of parameters: it must come in time. */
function boundBody(watch: BodyWatch, app: FastifyInstance, request: IncomingMessage): void {
  const late = Object.assign(new Error('the request did not arrive in time'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' })
  const reading: Reading = {
    idleChecks: Number.NEGATIVE_INFINITY,
    fail: () => app.server.emit('clientError', late, request.socket),
  }
  watch.addBounded(reading)
  const forget = () => watch.delete(reading)
  request.once('end', forget)
  request.once('close', forget)
}

/** What holds for every request, known path or not. */
function onRequest({ options, drainSignal }: ServerContext) {
  const guarded = options.authMode === 'off'
  const loopbackOnly = isLoopback(options.host)
  const { clock } = options
  const headers = commonHeaders(options.version)
  return (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void => {
    request.receivedAtMs = clock.monotonicMs()
    reply.headers(headers)
    if (drainSignal.aborted) reply.header('connection', 'close')
    try {
      if (guarded) refuseForeignPages(request.raw.headers, loopbackOnly)
    } catch (error) {
      done(error as Error)
      return
    }
    done()
  }
}

/** Of every answer. Pages replace the policy by one that admits their own style. */
function commonHeaders(version: string): Readonly<Record<string, string>> {
  return {
    'x-weir-version': version,
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-store',
  }
}

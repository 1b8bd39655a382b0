import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Clock } from '../base/clock.ts'
import type { Counter, Histogram, Metrics } from '../base/metrics.ts'

/** Counts and times of one route. */
interface RouteMetrics {
  readonly seconds: Histogram
  readonly byStatus: Map<number, Counter>
}

const UNKNOWN_ROUTE = 'unknown'

/** Counts every answer by the route (never by what a client put into the path) and its status. */
export function observeRequests(app: FastifyInstance, metrics: Metrics, clock: Clock): void {
  const routes = new Map<string, RouteMetrics>()

  function metricsOf(route: string): RouteMetrics {
    let known = routes.get(route)
    if (known === undefined) {
      known = { seconds: metrics.histogram('httpSeconds', { route }), byStatus: new Map() }
      routes.set(route, known)
    }
    return known
  }

  app.addHook('onResponse', (request: FastifyRequest, reply: FastifyReply, done) => {
    const route = request.routeOptions.url ?? UNKNOWN_ROUTE
    const { seconds, byStatus } = metricsOf(route)
    const status = reply.raw.statusCode
    let counter = byStatus.get(status)
    if (counter === undefined) {
      counter = metrics.counter('httpRequests', { route, status: String(status) })
      byStatus.set(status, counter)
    }
    counter.add(1)
    seconds.observe((clock.monotonicMs() - request.receivedAtMs) / 1000)
    done()
  })

  const connections = metrics.gauge('httpConnections')
  app.server.on('connection', (socket) => {
    connections.add(1)
    socket.once('close', () => connections.add(-1))
  })
}

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WeirError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import { type AgentCounts, renderCounts } from './agent-metrics.ts'
import type { Spool } from './spool.ts'

export interface MetricsPageOptions {
  readonly host: string
  /** 0: a free one, which the log tells. */
  readonly port: number
  readonly counts: AgentCounts
  readonly spool: Spool
  readonly logger: Logger
}

/** `GET /metrics` for Prometheus, and `GET /healthz`. */
export class MetricsPage {
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
  }

  /** Throws invalid_config where the port cannot be listened on. */
  static async open({ host, port, counts, spool, logger }: MetricsPageOptions): Promise<MetricsPage> {
    const server = createServer((request, response) => {
      const path = request.url?.split('?', 1)[0]
      if (path === '/metrics') {
        response.setHeader('content-type', 'text/plain; version=0.0.4; charset=utf-8').end(renderCounts(counts, spool))
      } else if (path === '/healthz') response.end('ok\n')
      else response.writeHead(404).end()
    })
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => {
        reject(new WeirError('invalid_config', `metrics.port ${port} cannot be listened on: ${error.message}`))
      })
      server.listen(port, host, resolve)
    })
    logger.info('showing metrics', { url: `http://${host}:${(server.address() as AddressInfo).port}/metrics` })
    return new MetricsPage(server)
  }

  close(): Promise<void> {
    this.#server.closeAllConnections()
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }
}

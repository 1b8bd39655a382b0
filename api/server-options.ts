import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { AuthMode } from './auth.ts'
import type { Backend } from './backend.ts'
import type { BodyWatch } from './body-reader.ts'

export interface ServerOptions {
  readonly authMode: AuthMode
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  /** Several servers (worker threads) share the port; the kernel spreads connections over them (T1). */
  readonly reusePort: boolean
  readonly bodyBytesMax: number
  readonly inflatedBytesMax: number
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics?: HttpMetrics
  readonly nodeId: string
  readonly version: string
}

/** Where the server reports what it does; called once a request, so it must be cheap. */
export interface HttpMetrics {
  /** `route` is the path of the endpoint with its parameters unnamed of values (`/v1/logs/{id}`), or `unknown`. */
  requestFinished(route: string, method: string, status: number, durationMs: number): void
  /** Bytes of a compressed body, as sent and as inflated. */
  bodyInflated(compressedBytes: number, inflatedBytes: number): void
}

/** What route handlers share. */
export interface ServerContext {
  readonly backend: Backend
  readonly options: ServerOptions
  readonly bodyWatch: BodyWatch
  /** Aborts with `draining` when the server drains: what merely waits ends then. */
  readonly drainSignal: AbortSignal
}

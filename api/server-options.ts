import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Metrics } from '../base/metrics.ts'
import type { AuthMode } from './auth.ts'
import type { Backend } from './backend.ts'
import type { BodyWatch } from './body-reader.ts'
import type { DecodedIngest } from './decoded-ingest.ts'
import type { IngestDoor } from './ingest-door.ts'

export interface ServerOptions {
  readonly authMode: AuthMode
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  /** Several servers (worker threads) share the port; the kernel spreads connections over them (T1). */
  readonly reusePort: boolean
  readonly bodyBytesMax: number
  readonly inflatedBytesMax: number
  /** Of one upload. */
  readonly uploadBytesMax: number
  /** What is below /elastic stands at the root too. */
  readonly elasticAtRoot?: boolean
  /** Where the web UI was built; `web/dist` of the project unless a test says otherwise. */
  readonly uiFolder?: string
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics?: Metrics
  readonly nodeId: string
  readonly version: string
}

/** What route handlers share. */
export interface ServerContext {
  readonly backend: Backend
  readonly options: ServerOptions
  readonly bodyWatch: BodyWatch
  /** Aborts with `draining` when the server drains: what merely waits ends then. */
  readonly drainSignal: AbortSignal
}

/** What the routes of records share beside it. */
export interface IngestContext extends ServerContext {
  readonly door: IngestDoor
  readonly decodedIngest: DecodedIngest
}

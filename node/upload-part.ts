import type { ActorSystem } from '../actors/runtime/actor-system.ts'
import { RESTART_DEFAULT } from '../actors/runtime/supervisor.ts'
import { UploadDesk } from '../actors/upload-desk.ts'
import type { UploadIngest } from '../actors/upload-job.ts'
import { type LookForUploads, UploadKeeper } from '../actors/upload-keeper.ts'
import { UploadLedger } from '../actors/upload-ledger.ts'
import type { Clock } from '../base/clock.ts'
import { DAY_MS, type NodeId } from '../base/ids.ts'
import type { Logger } from '../base/logger.ts'
import type { Metrics } from '../base/metrics.ts'
import type { Registry } from '../cluster/registry.ts'
import type { ObjectStore } from '../storage/object-store/object-store.ts'
import type { Settings } from './config.ts'

export interface UploadPartOptions {
  readonly system: ActorSystem
  readonly settings: Settings
  readonly nodeId: NodeId
  readonly boot: string
  readonly worker: number
  readonly registry: Registry
  readonly objects: ObjectStore
  readonly ingest: UploadIngest
  readonly mayClaim: () => boolean
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
}

/** What a worker has of upload jobs: the desk that takes them in, and the keeper that ingests them. */
export function openUploads(options: UploadPartOptions): UploadDesk {
  const { system, settings, nodeId, boot, worker, objects, ingest, clock, logger, metrics } = options
  const ledger = new UploadLedger(options.registry)
  const claim = { node: nodeId, boot, worker }
  const taken = metrics.counter('uploadBytes')
  const running = metrics.gauge('uploadJobsRunning')
  system.spawn<LookForUploads>(
    'upload-keeper',
    (context) =>
      new UploadKeeper(
        {
          ledger,
          objects,
          ingest,
          mayClaim: options.mayClaim,
          claim,
          inflatedBytesMax: settings['uploads.inflatedBytesMax'],
          keptMs: settings['uploads.keptDays'] * DAY_MS,
          clock,
          logger: logger.child('uploads'),
          onStarted: () => running.set(1),
          onEnded: (outcome) => {
            running.set(0)
            metrics.counter('uploadJobsEnded', { outcome: outcome.replace(' ', '_') }).add(1)
          },
        },
        context.self,
      ),
    { mailboxMax: 4, overflow: 'dropOldest', restart: RESTART_DEFAULT },
  )
  return new UploadDesk({
    ledger,
    objects,
    claim,
    bytesMax: settings['uploads.bytesMax'],
    jobsMax: settings['uploads.jobsMax'],
    clock,
    onBytes: (bytes) => taken.add(bytes),
  })
}

import type { Timer } from '../base/clock.ts'
import { asWeirError, WeirError } from '../base/errors.ts'
import {
  UPLOAD_BEAT_MS,
  UPLOAD_INTAKE_SILENCE_MAX_MS,
  UPLOAD_SILENCE_MAX_MS,
  UPLOADS_KEPT_MAX,
} from '../base/limits.ts'
import { jobOfUploadKey, UPLOADS } from '../storage/object-store/object-keys.ts'
import type { Actor, Message } from './runtime/actor.ts'
import type { ActorRef } from './runtime/actor-ref.ts'
import { hasEnded, type UploadClaim } from './upload-entry.ts'
import { type JobOutcome, UploadJob, type UploadJobOptions } from './upload-job.ts'
import { isSameClaim, type KnownUpload } from './upload-ledger.ts'
import { deleteParts, deleteUpload } from './upload-objects.ts'

/** Look whether there is an upload to ingest, or one to clear away. */
export interface LookForUploads extends Message {
  readonly kind: 'lookForUploads'
}

/** How often objects are looked for that no job knows: a registry that was lost leaves some, and who ends between an entry and its objects. */
const ORPHANS_EVERY_MS = 3_600_000

export interface UploadKeeperOptions extends UploadJobOptions {
  /** Who this worker is. */
  readonly claim: UploadClaim
  /** False while the node drains. */
  readonly mayClaim: () => boolean
  /** Ended jobs are forgotten after so long. */
  readonly keptMs: number
  readonly onStarted?: () => void
  readonly onEnded?: (outcome: JobOutcome) => void
}

interface Seen {
  readonly known: KnownUpload
  /** Monotonic; when the entry changed last, as far as this worker has heard. */
  readonly changedAtMs: number
}

/**
 * Finds the uploads that nobody works on and ingests them, one at a time. One a worker, each with the same view of all jobs; whoever makes the
 * compare-and-set on a job's entry has it. A job whose worker is silent for UPLOAD_SILENCE_MAX_MS, or belongs to an earlier start of this node, is taken
 * over; an upload that will never end is cleared away. Two that work on one job by mistake do no harm: their pieces have the same keys (D3).
 */
export class UploadKeeper implements Actor<LookForUploads> {
  readonly #options: UploadKeeperOptions
  readonly #self: ActorRef<LookForUploads>
  readonly #seen = new Map<string, Seen>()
  #job: UploadJob | undefined
  #running: Promise<void> = Promise.resolve()
  #endWatch: (() => void) | undefined
  #timer: Timer | undefined
  #orphansAtMs: number
  #isStopping = false

  constructor(options: UploadKeeperOptions, self: ActorRef<LookForUploads>) {
    this.#options = options
    this.#self = self
    this.#orphansAtMs = options.clock.monotonicMs() + ORPHANS_EVERY_MS * options.clock.random()
  }

  async started(): Promise<void> {
    const { ledger, clock } = this.#options
    const look = () => this.#self.tell({ kind: 'lookForUploads' })
    this.#endWatch = await ledger.watch((key, known) => {
      this.#changed(key, known)
      look()
    })
    this.#timer = clock.every(UPLOAD_BEAT_MS, look)
  }

  async handle(): Promise<void> {
    if (this.#job === undefined && !this.#isStopping && this.#options.mayClaim()) {
      await this.#attempt(() => this.#claimNext())
    }
    await this.#attempt(() => this.#clearAway())
  }

  /** Where it cannot be done, another was first, or it is tried again in a second. One that fails holds up no other. */
  async #attempt(run: () => Promise<void>): Promise<void> {
    try {
      await run()
    } catch (error) {
      const { code } = asWeirError(error)
      if (code !== 'revision_conflict') this.#options.logger.warn('uploads could not be looked after', { code })
    }
  }

  async stopping(): Promise<void> {
    this.#isStopping = true
    this.#timer?.cancel()
    this.#endWatch?.()
    this.#job?.stop(new WeirError('draining', 'the node is shutting down'))
    await this.#running
  }

  observe(): Readonly<Record<string, unknown>> {
    return { known: this.#seen.size, running: this.#job?.entry.id ?? null }
  }

  #changed(key: string, known: KnownUpload | undefined): void {
    if (known === undefined) this.#seen.delete(key)
    else this.#seen.set(key, { known, changedAtMs: this.#options.clock.monotonicMs() })
    const running = this.#job
    if (running === undefined || !key.endsWith(`/${running.entry.id}`)) return
    const isOurs = known !== undefined && isSameClaim(known.entry.claim, this.#options.claim)
    const isFree = known !== undefined && known.entry.claim === null && known.entry.state !== 'cancelled'
    if (!isOurs && !isFree) running.stop(new WeirError('epoch_fenced', 'the job was ended or taken over'))
  }

  /** The oldest job that waits or was left, of the tenant that has the fewest running. */
  async #claimNext(): Promise<void> {
    const free: KnownUpload[] = []
    const running = new Map<string, number>()
    for (const seen of this.#seen.values()) {
      const { state, tenant } = seen.known.entry
      if (state === 'waiting' || (state === 'running' && this.#isLeft(seen))) free.push(seen.known)
      else if (state === 'running') running.set(tenant, (running.get(tenant) ?? 0) + 1)
    }
    const load = ({ entry }: KnownUpload) => running.get(entry.tenant) ?? 0
    const next = free.sort((a, b) => load(a) - load(b) || (a.entry.id < b.entry.id ? -1 : 1))[0]
    if (next === undefined) return
    const { ledger, clock, claim, onStarted, onEnded } = this.#options
    const claimed = await ledger.change(next, {
      state: 'running',
      claim,
      epoch: next.entry.epoch + 1,
      startedMs: next.entry.startedMs ?? clock.nowMs(),
    })
    const job = new UploadJob(claimed, this.#options)
    this.#job = job
    onStarted?.()
    this.#running = job.run().then((outcome) => {
      this.#job = undefined
      onEnded?.(outcome)
      this.#self.tell({ kind: 'lookForUploads' })
    })
  }

  /** Whoever had it is gone. */
  #isLeft({ known, changedAtMs }: Seen): boolean {
    const { claim } = known.entry
    const { claim: own, clock } = this.#options
    if (claim === null) return true
    if (claim.node === own.node && claim.boot !== own.boot) return true
    const silenceMaxMs = known.entry.state === 'uploading' ? UPLOAD_INTAKE_SILENCE_MAX_MS : UPLOAD_SILENCE_MAX_MS
    return clock.monotonicMs() - changedAtMs > silenceMaxMs
  }

  async #clearAway(): Promise<void> {
    const { ledger, objects, clock, keptMs, claim } = this.#options
    const ended = new Map<string, KnownUpload[]>()
    for (const [key, seen] of [...this.#seen]) {
      const { known } = seen
      const { entry } = known
      if (entry.state === 'uploading' && this.#isLeft(seen)) {
        await this.#attempt(async () => {
          // First the entry: whoever still takes it in, only slowly, must not say that it is durable when its parts are gone.
          await ledger.remove(known)
          await deleteUpload(objects, entry.id)
        })
      } else if (hasEnded(entry.state) && entry.hasParts) {
        if (this.#isLeft(seen)) await this.#attempt(() => this.#deletePartsOf(key, known))
      } else if (hasEnded(entry.state)) {
        const ofTenant = ended.get(entry.tenant) ?? []
        ended.set(entry.tenant, [...ofTenant, known])
      }
    }
    const nowMs = clock.nowMs()
    for (const jobs of ended.values()) {
      jobs.sort((a, b) => (a.entry.id < b.entry.id ? 1 : -1))
      for (const [index, known] of jobs.entries()) {
        if (index < UPLOADS_KEPT_MAX && (known.entry.endedMs ?? nowMs) > nowMs - keptMs) continue
        await this.#attempt(async () => {
          await deleteUpload(objects, known.entry.id)
          await ledger.remove(known)
        })
      }
    }
    if (claim.worker === 0 && clock.monotonicMs() > this.#orphansAtMs) await this.#deleteOrphans()
  }

  async #deletePartsOf(key: string, known: KnownUpload): Promise<void> {
    const { ledger, objects, clock } = this.#options
    await deleteParts(objects, known.entry.id)
    const without = await ledger.change(known, { hasParts: false, claim: null })
    this.#seen.set(key, { known: without, changedAtMs: clock.monotonicMs() })
  }

  async #deleteOrphans(): Promise<void> {
    const { ledger, objects, clock } = this.#options
    this.#orphansAtMs = clock.monotonicMs() + ORPHANS_EVERY_MS
    const found = new Set<string>()
    for await (const key of objects.list(UPLOADS)) found.add(jobOfUploadKey(key) ?? '')
    // An entry is there before any object of it: whoever has none now was not just begun.
    const known = await ledger.ids()
    for (const job of found) if (job !== '' && !known.has(job)) await deleteUpload(objects, job)
  }
}

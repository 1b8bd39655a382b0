import type { Clock } from '../base/clock.ts'
import { asWeirError, WeirError } from '../base/errors.ts'
import type { TenantId } from '../base/ids.ts'
import { isUuidOfTime, uuidOfTime } from '../base/key-time.ts'
import { UPLOADS_AT_ONCE } from '../base/limits.ts'
import type { ObjectStore } from '../storage/object-store/object-store.ts'
import { UPLOAD_KEY_BYTES } from '../storage/upload-part.ts'
import type { JobStatus, RejectsAnswer, RejectsRequest, UploadReject } from './messages/upload.ts'
import { hasEnded, newUploadEntry, statusOf, type UploadClaim } from './upload-entry.ts'
import { UploadIntake } from './upload-intake.ts'
import type { KnownUpload, UploadLedger } from './upload-ledger.ts'
import { deleteParts, readRejectPage } from './upload-objects.ts'

export interface UploadDeskOptions {
  readonly ledger: UploadLedger
  readonly objects: ObjectStore
  readonly claim: UploadClaim
  /** Of one upload, as sent. */
  readonly bytesMax: number
  /** Of one tenant, under way or waiting. */
  readonly jobsMax: number
  readonly clock: Clock
  readonly onBytes?: (bytes: number) => void
}

/** Takes uploads in and tells of their jobs: what HTTP asks, on each worker (a plain object, no mailbox). */
export class UploadDesk {
  readonly #options: UploadDeskOptions
  #underWay = 0

  constructor(options: UploadDeskOptions) {
    this.#options = options
  }

  /** Throws too_many_uploads, and what the registry throws. */
  async begin(tenant: TenantId): Promise<UploadIntake> {
    const { ledger, objects, claim, bytesMax, jobsMax, clock, onBytes } = this.#options
    if (this.#underWay >= UPLOADS_AT_ONCE) {
      throw new WeirError('too_many_uploads', 'This worker takes in as many uploads as it may', {
        max: UPLOADS_AT_ONCE,
      })
    }
    this.#underWay++
    try {
      const open = (await ledger.list(tenant)).filter(({ entry }) => !hasEnded(entry.state)).length
      if (open >= jobsMax) {
        throw new WeirError('too_many_uploads', `${open} uploads are under way or waiting`, { max: jobsMax })
      }
      const key = Buffer.from(clock.randomBytes(UPLOAD_KEY_BYTES))
      const createdMs = clock.nowMs()
      const id = uuidOfTime(createdMs, clock.randomBytes(10))
      const known = await ledger.create(newUploadEntry({ tenant, id, key, createdMs, claim }))
      const onClosed = () => {
        this.#underWay--
      }
      return new UploadIntake(known, key, { ledger, objects, bytesMax, clock, onBytes, onClosed })
    } catch (error) {
      this.#underWay--
      throw error
    }
  }

  /** Newest first. */
  async list(tenant: TenantId): Promise<readonly JobStatus[]> {
    const known = await this.#options.ledger.list(tenant)
    return known.map(({ entry }) => statusOf(entry)).reverse()
  }

  /** Throws not_found. */
  async status(tenant: TenantId, id: string): Promise<JobStatus> {
    return statusOf((await this.#get(tenant, id)).entry)
  }

  /** Throws not_found, and what the object store throws. */
  async rejects(tenant: TenantId, id: string, { offset, limit }: RejectsRequest): Promise<RejectsAnswer> {
    for (let attempt = 0; ; attempt++) {
      const { entry } = await this.#get(tenant, id)
      const rejects: UploadReject[] = []
      let before = 0
      try {
        for (const page of entry.rejectPages) {
          const from = offset + rejects.length - before
          if (from < page.count && rejects.length < limit) {
            const read = await readRejectPage(this.#options.objects, page)
            rejects.push(...read.slice(from, from + limit - rejects.length))
          }
          before += page.count
        }
        return { rejects, rejected: entry.progress.rejected, listed: before }
      } catch (error) {
        // The last page has been written anew under another name.
        if (asWeirError(error).code !== 'not_found' || attempt >= 3) throw error
      }
    }
  }

  /** What has been ingested stays. A job that has ended stays as it is. Throws not_found. */
  async cancel(tenant: TenantId, id: string): Promise<JobStatus> {
    const { ledger, objects, claim, clock } = this.#options
    for (;;) {
      const known = await this.#get(tenant, id)
      if (hasEnded(known.entry.state)) return statusOf(known.entry)
      const cancelled = { key: null, claim, epoch: known.entry.epoch + 1, endedMs: clock.nowMs() }
      try {
        const ended = await ledger.change(known, { ...cancelled, state: 'cancelled' })
        // Whoever works on it hears of it; what is left after a failure here, the keepers find.
        await deleteParts(objects, id)
          .then(() => ledger.changeHeld(ended, { hasParts: false, claim: null }))
          .catch(() => undefined)
        return statusOf(ended.entry)
      } catch (error) {
        if (asWeirError(error).code !== 'revision_conflict') throw error
      }
    }
  }

  async #get(tenant: TenantId, id: string): Promise<KnownUpload> {
    const known = isUuidOfTime(id) ? await this.#options.ledger.get(tenant, id.toLowerCase()) : undefined
    if (known === undefined) throw new WeirError('not_found', 'There is no such job')
    return known
  }
}

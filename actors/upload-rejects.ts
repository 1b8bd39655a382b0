import { UPLOAD_REJECTS_LISTED_MAX, UPLOAD_REJECTS_PAGE, UPLOAD_REJECTS_SHOWN } from '../base/limits.ts'
import type { ObjectStore } from '../storage/object-store/object-store.ts'
import type { UploadReject } from './messages/upload.ts'
import type { RejectPage, UploadEntry } from './upload-entry.ts'
import { putRejectPage, readRejectPage } from './upload-objects.ts'

const REASON_CHARS_MAX = 500

/** What is written of the list. */
export interface WrittenRejects {
  readonly pages: readonly RejectPage[]
  readonly first: readonly UploadReject[]
  /** Objects that are of no use once the pages are in the registry. */
  readonly superseded: readonly string[]
}

/**
 * The list of a job's rejects, in pages of UPLOAD_REJECTS_PAGE, of which only the last one grows: it is written anew with every step of the job, under
 * another name, so that the entry in the registry always names pages that are as it says.
 */
export class RejectList {
  readonly #job: string
  readonly #objects: ObjectStore
  #pages: readonly RejectPage[]
  #first: readonly UploadReject[]
  /** Of the last page, which is not full; undefined: not read yet. */
  #open: UploadReject[] | undefined
  #waiting: UploadReject[] = []
  #listed: number

  constructor(job: string, objects: ObjectStore, entry: Pick<UploadEntry, 'rejectPages' | 'firstRejects'>) {
    this.#job = job
    this.#objects = objects
    this.#pages = entry.rejectPages
    this.#first = entry.firstRejects
    this.#listed = entry.rejectPages.reduce((sum, { count }) => sum + count, 0)
  }

  /** Reads the page that goes on growing. Throws what the object store throws. */
  async load(): Promise<void> {
    if (this.#open !== undefined) return
    const last = this.#pages.at(-1)
    this.#open =
      last === undefined || last.count >= UPLOAD_REJECTS_PAGE ? [] : await readRejectPage(this.#objects, last)
  }

  /** Beyond UPLOAD_REJECTS_LISTED_MAX they are only counted. */
  add(rejects: readonly UploadReject[]): void {
    const taken = rejects.slice(0, UPLOAD_REJECTS_LISTED_MAX - this.#listed)
    for (const reject of taken) this.#waiting.push({ ...reject, reason: reject.reason.slice(0, REASON_CHARS_MAX) })
    this.#listed += taken.length
  }

  /** Writes what is new. Throws what the object store throws; then it is still new. */
  async put(): Promise<WrittenRejects> {
    const open = this.#open
    const count = this.#waiting.length
    if (open === undefined || count === 0) return { pages: this.#pages, first: this.#first, superseded: [] }
    const rejects = [...open, ...this.#waiting.slice(0, count)]
    const isGrowing = open.length > 0
    const superseded = isGrowing ? this.#pages.slice(-1).map(({ key }) => key) : []
    const pages = isGrowing ? this.#pages.slice(0, -1) : [...this.#pages]
    for (let at = 0; at < rejects.length; at += UPLOAD_REJECTS_PAGE) {
      pages.push(
        await putRejectPage(this.#objects, this.#job, pages.length, rejects.slice(at, at + UPLOAD_REJECTS_PAGE)),
      )
    }
    this.#first = [...this.#first, ...this.#waiting.slice(0, UPLOAD_REJECTS_SHOWN - this.#first.length)]
    this.#waiting = this.#waiting.slice(count)
    const rest = rejects.length % UPLOAD_REJECTS_PAGE
    this.#open = rest === 0 ? [] : rejects.slice(-rest)
    this.#pages = pages
    return { pages, first: this.#first, superseded }
  }
}

import { open, rename } from 'node:fs/promises'
import { join } from 'node:path'

/** One request that no node will ever take. */
export interface RejectedRequest {
  readonly status: number
  readonly code: string
  readonly reason: string
  readonly key: string
}

const FILE = 'rejects.ndjson'
const BYTES_MAX = 64 * 1024 * 1024

/**
 * Records that the nodes refused as a whole request, so that they are not among their dead letters: a line that says why, then the records as they
 * were sent. Of what is longer than 64 MiB the newest and the second newest part are kept.
 */
export class RejectsFile {
  readonly path: string
  #adding: Promise<void> = Promise.resolve()

  constructor(directory: string) {
    this.path = join(directory, FILE)
  }

  /** Resolves when the records are on stable storage. */
  add(why: RejectedRequest, records: Buffer): Promise<void> {
    this.#adding = this.#adding.catch(() => undefined).then(() => this.#add(why, records))
    return this.#adding
  }

  async #add(why: RejectedRequest, records: Buffer): Promise<void> {
    const file = await open(this.path, 'a', 0o600)
    try {
      await file.writev([Buffer.from(`${JSON.stringify({ rejectedRequest: why })}\n`), records])
      await file.sync()
      const { size } = await file.stat()
      if (size > BYTES_MAX) await rename(this.path, `${this.path}.1`)
    } finally {
      await file.close()
    }
  }
}

import { readFileSync } from 'node:fs'
import { open, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { assert } from '../base/assert.ts'
import { diskError } from '../base/disk-error.ts'
import { WeirError } from '../base/errors.ts'
import { syncDirectory } from '../base/sync-directory.ts'
import type { Place } from './place.ts'

const FILE = 'cursors.json'
const VERSION = 1

interface Stored {
  readonly version: number
  readonly agentId: string
  /** Batches of the spool up to this number are in `places`. */
  readonly appliedThrough: number
  readonly nextId: number
  readonly places: Readonly<Record<string, Place>>
}

/**
 * Where each source stands, as far as its records are durable in the spool or delivered. Written as one file, whole, in the place of the one before. The
 * batches of the spool carry the places that they lead to, so the file may be older than they are.
 */
export class CursorStore {
  readonly places: Map<string, Place>
  /** Names this shipper; random, made once. */
  readonly agentId: string
  readonly #directory: string
  #nextId: number
  #appliedThrough: number
  #savedThrough: number
  #isDirty = false
  #saving: Promise<void> = Promise.resolve()

  private constructor(directory: string, stored: Stored) {
    this.#directory = directory
    this.places = new Map(Object.entries(stored.places))
    this.agentId = stored.agentId
    this.#nextId = stored.nextId
    this.#appliedThrough = stored.appliedThrough
    this.#savedThrough = stored.appliedThrough
  }

  /** Throws corrupt_data where the file cannot be understood: to go on without it would send everything again. */
  static load(directory: string, newAgentId: () => string): CursorStore {
    const path = join(directory, FILE)
    let text: string
    try {
      text = readFileSync(path, 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw diskError(error, `cannot read ${path}`)
      const store = new CursorStore(directory, {
        version: VERSION,
        agentId: newAgentId(),
        appliedThrough: 0,
        nextId: 1,
        places: {},
      })
      store.#isDirty = true
      return store
    }
    try {
      const stored = JSON.parse(text) as Stored
      if (stored.version !== VERSION) throw new Error(`version ${stored.version} is not known`)
      return new CursorStore(directory, stored)
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      throw new WeirError('corrupt_data', `${path} cannot be read (${why}); remove it to read everything again`)
    }
  }

  /** Batches up to this number are in the file. */
  get savedThrough(): number {
    return this.#savedThrough
  }

  /** Batches up to this number are in `places`. */
  get appliedThrough(): number {
    return this.#appliedThrough
  }

  /** A name for a new source. */
  newId(): string {
    return `f${this.#nextId++}`
  }

  /** Takes over the places that batch `seq` of the spool has made durable; without a number, places that no record led to. */
  apply(places: Readonly<Record<string, Place>>, seq?: number): void {
    for (const [id, place] of Object.entries(places)) {
      this.places.set(id, place)
      const number = Number(id.slice(1))
      if (number >= this.#nextId) this.#nextId = number + 1
    }
    if (seq !== undefined) {
      assert(seq > this.#appliedThrough, 'batches become durable in order')
      this.#appliedThrough = seq
    }
    this.#isDirty = true
  }

  forget(id: string): void {
    if (this.places.delete(id)) this.#isDirty = true
  }

  /** Puts the places on stable storage, where they have changed. Throws storage_unavailable. */
  save(): Promise<void> {
    // One after the other, also after one that failed.
    this.#saving = this.#saving.catch(() => undefined).then(() => this.#save())
    return this.#saving
  }

  async #save(): Promise<void> {
    if (!this.#isDirty) return
    this.#isDirty = false
    const appliedThrough = this.#appliedThrough
    const stored: Stored = {
      version: VERSION,
      agentId: this.agentId,
      appliedThrough,
      nextId: this.#nextId,
      places: Object.fromEntries(this.places),
    }
    const path = join(this.#directory, FILE)
    try {
      const file = await open(`${path}.new`, 'w', 0o600)
      try {
        await file.writeFile(JSON.stringify(stored))
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(`${path}.new`, path)
      syncDirectory(this.#directory)
    } catch (error) {
      this.#isDirty = true
      throw diskError(error, `cannot write ${path}`)
    }
    this.#savedThrough = appliedThrough
  }
}

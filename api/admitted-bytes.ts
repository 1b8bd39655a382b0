import { WeirError } from '../base/errors.ts'
import { ADMISSION_STEP_BYTES } from '../base/limits.ts'
import type { IngestBackend } from './backend.ts'

/** Small enough that a thousand connections that send nothing do not starve the others. */
const FIRST_STEP_BYTES = 16 * 1024

/** Bytes that one request has taken out of the node's budget in flight; `releaseAll` gives back exactly those. */
export class AdmittedBytes {
  readonly #backend: Pick<IngestBackend, 'admit' | 'release'>
  #bytes = 0

  constructor(backend: Pick<IngestBackend, 'admit' | 'release'>) {
    this.#backend = backend
  }

  /**
   * Takes what is missing to `bytes`, in steps that grow with what has come, so that a slow sender holds little more than it has sent;
   * never more than `most`, which is known to be all. Throws overloaded, draining, or body_too_large for what no
   * node of these settings could ever admit; what was taken before stays taken until `releaseAll`.
   */
  cover(bytes: number, most = Number.POSITIVE_INFINITY): void {
    if (bytes <= this.#bytes) return
    const missing = bytes - this.#bytes
    const ahead = Math.min(ADMISSION_STEP_BYTES, Math.max(FIRST_STEP_BYTES, this.#bytes))
    const step = Math.max(missing, Math.min(ahead, most - this.#bytes))
    try {
      this.#admit(step)
    } catch (error) {
      if (this.#isHopeless(error, missing)) throw tooLargeEver()
      if (step === missing) throw error
      this.#admit(missing)
    }
  }

  #admit(bytes: number): void {
    this.#backend.admit(bytes)
    this.#bytes += bytes
  }

  /** True when not even an idle node could admit what the request needs: trying again is no use. */
  #isHopeless(error: unknown, missing: number): boolean {
    if (!(error instanceof WeirError) || error.code !== 'overloaded') return false
    const most = error.details.inFlightBytesMax
    return typeof most === 'number' && this.#bytes + missing > most
  }

  /** Gives back all but `bytes`. */
  shrinkTo(bytes: number): void {
    if (bytes >= this.#bytes) return
    this.#backend.release(this.#bytes - bytes)
    this.#bytes = bytes
  }

  releaseAll(): void {
    this.shrinkTo(0)
  }
}

function tooLargeEver(): WeirError {
  return new WeirError('body_too_large', 'The body, inflated, needs more bytes than the node may have in flight')
}

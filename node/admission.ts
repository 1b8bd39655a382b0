import { WeirError } from '../base/errors.ts'
import type { Gauge } from '../base/metrics.ts'
import { LEVEL_ERROR, LEVEL_INFO } from '../ingest/level.ts'
import type { NodeStatus } from './node-status.ts'

/** Above this share of the budget TRACE and DEBUG are refused, record by record. */
const SHED_DEBUG_AT = 0.6
/** Above this one also INFO and WARN; ERROR and FATAL go in as long as the request itself does. */
const SHED_INFO_AT = 0.85

/** Up to this share upload jobs go on; beyond it they leave the rest to live requests. */
const WAITING_WORK_UNTIL = 0.4

/** Bounds the bytes of requests that a worker holds, and says which records are refused first when they are many. */
export class Admission {
  readonly #bytesMax: number
  readonly #status: NodeStatus
  readonly #gauge: Gauge
  #bytes = 0

  constructor(bytesMax: number, status: NodeStatus, gauge: Gauge) {
    this.#bytesMax = bytesMax
    this.#status = status
    this.#gauge = gauge
  }

  /** Throws overloaded or draining; see IngestBackend. */
  admit(bytes: number): void {
    if (this.#status.isDraining) throw new WeirError('draining', 'the node is shutting down')
    if (this.#bytes + bytes > this.#bytesMax) {
      throw new WeirError('overloaded', 'this worker holds as many bytes of requests as it may', {
        inFlightBytes: this.#bytes,
        inFlightBytesMax: this.#bytesMax,
      })
    }
    this.#bytes += bytes
    this.#gauge.set(this.#bytes)
  }

  release(bytes: number): void {
    this.#bytes -= bytes
    this.#gauge.set(this.#bytes)
  }

  /** Whether so little of the budget is in use that work may be added that can wait. */
  get hasAmpleRoom(): boolean {
    return this.#bytes <= this.#bytesMax * WAITING_WORK_UNTIL
  }

  /** Lowest level that is taken now. */
  levelFloor(): number {
    const share = this.#bytes / this.#bytesMax
    if (share > SHED_INFO_AT) return LEVEL_ERROR
    return share > SHED_DEBUG_AT ? LEVEL_INFO : 0
  }
}

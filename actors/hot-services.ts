import type { Clock } from '../base/clock.ts'
import { type Column, type ColumnSource, FIELD_SERVICE, valueText } from '../base/columns.ts'
import { asWeirError } from '../base/errors.ts'
import type { ShardId, TenantId } from '../base/ids.ts'
import { isTenantName } from '../base/ids.ts'
import type { Logger } from '../base/logger.ts'
import type { SectionRows } from '../storage/section-rows.ts'
import type { SpreadTable } from './spread-table.ts'

/** Rates are means of so much time of the journal. */
const WINDOW_MS = 5000
/** Services of one shard that are counted side by side in a window; a hot one is among the first rows. */
const SERVICES_COUNTED_MAX = 10_000
/** Longer names are not spread: they would not be services but a mistake. */
const SERVICE_BYTES_MAX = 256

export interface HotServicesOptions {
  readonly spread: SpreadTable
  readonly isOwner: (shard: ShardId) => boolean
  /** Records a second that one slot of a service may take. */
  readonly slotRecords: number
  /** Slots that a service may have. */
  readonly slotsMax: number
  readonly clock: Clock
  readonly logger: Logger
}

interface Window {
  readonly startMs: number
  rows: number
  /** Absent while the shard as a whole is not hot. */
  readonly services: ServiceCounts | undefined
}

/**
 * Notices services whose rate exceeds a slot, and spreads them. One a worker; it sees the sections that the worker's shards apply, and
 * proposes for those that this node owns. Time is the journal's, so that neither a replay nor a lag looks like a rate.
 */
export class HotServices {
  readonly #options: HotServicesOptions
  readonly #windows = new Map<ShardId, Window>()

  constructor(options: HotServicesOptions) {
    this.#options = options
  }

  /** Sections of one frame, journalled at `journalMs`, as they are applied. */
  note(shard: ShardId, journalMs: number, sections: readonly SectionRows[]): void {
    let window = this.#windows.get(shard)
    if (window === undefined || journalMs < window.startMs || journalMs - window.startMs >= WINDOW_MS) {
      window = this.#next(shard, window, journalMs)
      this.#windows.set(shard, window)
    }
    for (const { meta, source } of sections) {
      window.rows += source.rowCount
      window.services?.add(meta.tenant, source)
    }
  }

  /** Closes a window. Services are counted in the one that follows a hot one. */
  #next(shard: ShardId, window: Window | undefined, startMs: number): Window {
    const isAdjacent = window !== undefined && startMs >= window.startMs && startMs - window.startMs < 2 * WINDOW_MS
    if (!isAdjacent) return { startMs, rows: 0, services: undefined }
    const allowed = (this.#options.slotRecords * (startMs - window.startMs)) / 1000
    for (const { tenant, service, rows } of window.services?.above(allowed) ?? []) {
      void this.#propose(shard, tenant, service, rows / allowed, startMs)
    }
    return { startMs, rows: 0, services: window.rows > allowed ? new ServiceCounts() : undefined }
  }

  /** `excess`: how many slots the rate of one would fill. Does not reject: what stays hot is proposed again. */
  async #propose(shard: ShardId, tenant: TenantId, service: string, excess: number, journalMs: number): Promise<void> {
    const { spread, slotsMax, isOwner, clock, logger } = this.#options
    if (!isOwner(shard) || !isTenantName(tenant) || Buffer.byteLength(service) > SERVICE_BYTES_MAX) return
    const last = spread.latest(tenant, service)
    // The rate tells nothing of a step before all its slots are in use, and have been for a window.
    if (Math.min(clock.nowMs(), journalMs) < last.fromMs + 2 * WINDOW_MS) return
    const wanted = last.slots * 2 ** Math.ceil(Math.log2(excess))
    const slots = Math.min(wanted, 2 ** Math.floor(Math.log2(slotsMax)))
    if (slots <= last.slots) return
    try {
      if (!(await spread.raise(tenant, service, slots, journalMs))) return
      const rate = Math.round(excess * last.slots * this.#options.slotRecords)
      logger.info('a service is spread over more slots', { tenant, service, slots, recordsPerSecond: rate })
    } catch (error) {
      logger.warn('a hot service could not be spread', { tenant, service, slots, error: asWeirError(error) })
    }
  }
}

/** Rows by tenant and service. */
class ServiceCounts {
  readonly #tenants = new Map<TenantId, Map<string, number>>()
  #size = 0

  add(tenant: TenantId, source: ColumnSource): void {
    const column = source.column(FIELD_SERVICE)
    if (column === undefined) return
    const services = this.#tenants.get(tenant) ?? new Map<string, number>()
    this.#tenants.set(tenant, services)
    for (const [service, rows] of rowsByService(column, source.rowCount)) {
      const before = services.get(service)
      if (before === undefined && this.#size++ >= SERVICES_COUNTED_MAX) continue
      services.set(service, (before ?? 0) + rows)
    }
  }

  *above(rowsMin: number): Generator<{ tenant: TenantId; service: string; rows: number }> {
    for (const [tenant, services] of this.#tenants) {
      for (const [service, rows] of services) if (rows > rowsMin) yield { tenant, service, rows }
    }
  }
}

function rowsByService(column: Column, rowCount: number): Map<string, number> {
  const counts = new Map<string, number>()
  if (column.kind !== 'dictionary') {
    for (let row = 0; row < rowCount; row++) {
      const service = valueText(column, row)
      if (service !== undefined) counts.set(service, (counts.get(service) ?? 0) + 1)
    }
    return counts
  }
  const byCode = new Uint32Array(256)
  const firstRow = new Uint32Array(256)
  for (let row = 0; row < rowCount; row++) {
    const code = column.codes[row]!
    if (byCode[code]!++ === 0) firstRow[code] = row
  }
  for (let code = 1; code < byCode.length; code++) {
    if (byCode[code]! > 0) counts.set(valueText(column, firstRow[code]!) ?? '', byCode[code]!)
  }
  return counts
}

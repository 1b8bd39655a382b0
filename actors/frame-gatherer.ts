import { present } from '../base/assert.ts'
import type { Clock, Timer } from '../base/clock.ts'
import { freeBytes } from '../base/free-bytes.ts'
import type { LaneId, ShardId, TenantId } from '../base/ids.ts'
import { CHUNK_BYTES_MAX, FRAME_BYTES_MAX, FRAME_BYTES_TARGET, FRAME_LINGER_MS } from '../base/limits.ts'
import { encodeFrame } from '../cluster/frame.ts'
import type { FrameSectionInput } from '../cluster/frame-header.ts'
import { encodeGroupedFrame } from '../cluster/grouped-frame.ts'
import type { Journal } from '../cluster/journal.ts'
import { ColumnWriter } from '../ingest/column-writer.ts'
import type { PathTable } from '../ingest/path-table.ts'
import type { KeyedChunk } from '../storage/section-codec.ts'
import { encodeSection } from '../storage/section-codec.ts'

/** A frame takes further chunks until then; what is gathered while one is in flight makes the next one larger, not more of them. */
const GATHER_BYTES_MAX = FRAME_BYTES_MAX - 3 * CHUNK_BYTES_MAX
/** What a row may cost in a frame beyond its own bytes: time, offsets, codes. */
const ROW_OVERHEAD_BYTES = 64
/** Writers keep their buffers between frames; those of idle tenants are let go beyond this many. */
const WRITERS_KEPT_MAX = 256

export interface FrameGathererOptions {
  readonly lane: LaneId
  readonly journal: Journal
  readonly clock: Clock
  readonly paths: PathTable
  readonly compression: 'none' | 'zstd'
  /** Who owns each shard now, where all nodes read frames whose sections are compressed in groups; undefined where each is compressed alone. */
  readonly groupedBy?: () => ((shard: ShardId) => string | undefined) | undefined
  /** Names the next frame, unique for ever (D2). */
  readonly nextFrameId: () => string
  readonly onFrame?: (frame: {
    readonly rows: number
    readonly bytes: number
    readonly sections: number
    readonly tookMs: number
  }) => void
  readonly onFailure?: (error: unknown) => void
}

/** The rows of one (tenant, shard) in the frame that is being gathered. */
export interface GatheredSection {
  readonly tenant: TenantId
  readonly shard: ShardId
  readonly writer: ColumnWriter
  keyed: KeyedChunk[]
  /** When the oldest request among the rows was received. */
  receivedMs: number
}

interface Gathering {
  readonly sections: Map<string, GatheredSection>
  readonly startedMs: number
  readonly durable: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/**
 * Gathers the frames of one (worker, lane) and appends them, one in flight (J2): the next gathers while the previous is not yet
 * acknowledged, at least until it has 512 KiB or 5 ms have passed. All rows of a chunk go into one frame.
 */
export class FrameGatherer {
  readonly #options: FrameGathererOptions
  readonly #writers = new Map<string, ColumnWriter>()
  #gathering: Gathering | undefined
  #inFlight = false
  #linger: Timer | undefined
  #roomWaiters: (() => void)[] = []

  constructor(options: FrameGathererOptions) {
    this.#options = options
  }

  /** Bytes that the rows gathered and not yet handed to the journal will need in a frame, or somewhat more. */
  get byteSize(): number {
    let bytes = 0
    for (const { writer } of this.#gathering?.sections.values() ?? []) {
      bytes += writer.byteSize + writer.rowCount * ROW_OVERHEAD_BYTES
    }
    return bytes
  }

  /** Resolves when the frame being gathered can take another chunk. */
  async room(): Promise<void> {
    while (this.byteSize >= GATHER_BYTES_MAX) {
      await new Promise<void>((resolve) => this.#roomWaiters.push(resolve))
    }
  }

  /** The section that takes rows of (tenant, shard), begun when there is none in this frame. */
  section(tenant: TenantId, shard: ShardId, receivedMs: number): GatheredSection {
    const { sections } = this.#begin()
    const key = `${tenant}/${shard}`
    let section = sections.get(key)
    if (section === undefined) {
      section = { tenant, shard, writer: this.#writer(key), keyed: [], receivedMs }
      sections.set(key, section)
    }
    return section
  }

  /** Sections of the frame being gathered. */
  sections(): Iterable<GatheredSection> {
    return this.#gathering?.sections.values() ?? []
  }

  /** After a chunk: resolves when the frame that holds it is durable; rejects with why the journal did not take it. */
  chunkDone(): Promise<void> {
    const { durable } = this.#begin()
    this.#closeWhenDue()
    return durable
  }

  #begin(): Gathering {
    if (this.#gathering === undefined) {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      promise.catch(() => undefined) // every request of the frame has the promise too; without one nobody need hear
      this.#gathering = {
        sections: new Map(),
        startedMs: this.#options.clock.monotonicMs(),
        durable: promise,
        resolve,
        reject,
      }
    }
    return this.#gathering
  }

  #writer(key: string): ColumnWriter {
    let writer = this.#writers.get(key)
    if (writer === undefined) {
      writer = new ColumnWriter(this.#options.paths)
    } else {
      this.#writers.delete(key)
    }
    this.#writers.set(key, writer) // newest last
    return writer
  }

  #closeWhenDue(): void {
    if (this.#gathering === undefined || this.#inFlight) return
    const ageMs = this.#options.clock.monotonicMs() - this.#gathering.startedMs
    if (this.byteSize >= FRAME_BYTES_TARGET || ageMs >= FRAME_LINGER_MS) {
      void this.#append()
      return
    }
    // Cancelled by the append of this frame, so it never meets another one or one in flight.
    this.#linger ??= this.#options.clock.after(FRAME_LINGER_MS - ageMs, () => void this.#append())
  }

  async #append(): Promise<void> {
    const gathering = present(this.#gathering, 'the frame being gathered')
    const { journal, lane, clock, nextFrameId, onFrame, onFailure } = this.#options
    this.#linger?.cancel()
    this.#linger = undefined
    this.#gathering = undefined
    this.#inFlight = true
    const startedMs = clock.monotonicMs()
    try {
      const { frame, rows, sections } = this.#encode(gathering)
      const bytes = frame.byteLength // none is left when the journal has taken it
      if (sections > 0) {
        await journal.append(lane, nextFrameId(), frame)
        onFrame?.({ rows, bytes, sections, tookMs: clock.monotonicMs() - startedMs })
      }
      gathering.resolve()
    } catch (error) {
      onFailure?.(error)
      gathering.reject(error)
    } finally {
      this.#inFlight = false
      this.#forgetIdleWriters()
      this.#closeWhenDue()
    }
  }

  /** Turns the gathered rows into bytes; the writers are free for the next frame afterwards, also when it fails. */
  #encode(gathering: Gathering): { frame: Uint8Array; rows: number; sections: number } {
    try {
      const gathered = [...gathering.sections.values()].filter(
        ({ writer, keyed }) => writer.rowCount + keyed.length > 0,
      )
      if (gathered.length === 0) return { frame: new Uint8Array(0), rows: 0, sections: 0 }
      const { compression, groupedBy } = this.#options
      const ownerOf = compression === 'zstd' ? groupedBy?.() : undefined
      let encoded = gathered.map((section) => encodeGathered(section, ownerOf === undefined ? compression : 'none'))
      if (ownerOf === undefined && bytesOf(encoded) > FRAME_BYTES_MAX) {
        // Columns that few of the rows have take many times the bytes that were sent, nearly all of them zero.
        encoded = gathered.map((section) => encodeGathered(section, 'zstd'))
      }
      const rows = gathered.reduce((sum, { writer }) => sum + writer.rowCount, 0)
      const frame = ownerOf === undefined ? encodeFrame(encoded) : encodeGroupedFrame(encoded, ownerOf)
      for (const { bytes } of encoded) freeBytes(bytes)
      return { frame, rows, sections: encoded.length }
    } finally {
      for (const { writer } of gathering.sections.values()) writer.reset()
      this.#wakeRoom()
    }
  }

  #wakeRoom(): void {
    const waiters = this.#roomWaiters
    this.#roomWaiters = []
    for (const wake of waiters) wake()
  }

  #forgetIdleWriters(): void {
    if (this.#writers.size <= WRITERS_KEPT_MAX) return
    for (const key of this.#writers.keys()) {
      if (this.#writers.size <= WRITERS_KEPT_MAX) break
      if (this.#gathering?.sections.has(key) !== true) this.#writers.delete(key)
    }
  }
}

function encodeGathered(section: GatheredSection, compression: 'none' | 'zstd'): FrameSectionInput {
  const { tenant, shard, writer, keyed, receivedMs } = section
  const bytes = encodeSection(writer.finish(), { tenant, receivedMs, keyed }, { compression })
  return { shard, tenant, rowCount: writer.rowCount, bytes }
}

function bytesOf(sections: readonly FrameSectionInput[]): number {
  return sections.reduce((sum, { bytes }) => sum + bytes.byteLength, 0)
}

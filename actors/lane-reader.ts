import type { Clock } from '../base/clock.ts'
import { asWeirError } from '../base/errors.ts'
import type { LaneId, Position, ShardId } from '../base/ids.ts'
import { POSITION_ZERO } from '../base/ids.ts'
import type { Logger } from '../base/logger.ts'
import { noteShortLived } from '../base/young-collection.ts'
import type { FrameSection } from '../cluster/frame.ts'
import { readFrame } from '../cluster/frame.ts'
import type { Journal, JournalMessage } from '../cluster/journal.ts'
import type { ApplyFrames, JournalledSection, LaneReaderMessage, ShardHostMessage } from './messages/shard.ts'
import type { Actor, MessageContext } from './runtime/actor.ts'
import type { ActorRef } from './runtime/actor-ref.ts'

/** Frames handed on together; more amortises messages, less wakes the writers sooner. */
const READ_BYTES_MAX = 4 * 1024 * 1024
/** Runs under way at once: one is applied while the next is read. */
const RUNS_IN_FLIGHT_MAX = 2
const APPLY_DEADLINE_MS = 120_000
const RETRY_MS = 200

export interface LaneReaderOptions {
  readonly lane: LaneId
  readonly journal: Journal
  readonly clock: Clock
  readonly logger: Logger
  /** Host of the worker that owns each shard; index by shard. */
  readonly hostOf: (shard: ShardId) => HostAddress
  readonly hosts: readonly HostAddress[]
  readonly onRun?: (run: { readonly frames: number; readonly bytes: number; readonly through: Position }) => void
}

export interface HostAddress {
  readonly ref: ActorRef<ShardHostMessage>
  /** True when the host runs on this thread: then sections are views, nothing is copied. */
  readonly isLocal: boolean
}

/**
 * Reads one lane of the journal once for its node (J2a) and hands each worker the sections of its shards, in order, in runs of frames. A run is
 * handed on only when the run before last is applied everywhere: a slow writer slows the reader, and memory stays bounded.
 */
export class LaneReader implements Actor<LaneReaderMessage> {
  readonly #options: LaneReaderOptions
  /** The last frame that is applied everywhere. */
  #after: Position = POSITION_ZERO
  /** The reading loop that is under way; ended by its controller. */
  #loop: { readonly stop: AbortController; readonly done: Promise<void> } | undefined

  constructor(options: LaneReaderOptions) {
    this.#options = options
  }

  async handle(message: LaneReaderMessage, context: MessageContext): Promise<void> {
    switch (message.kind) {
      case 'startReading':
        await this.#stop()
        this.#start(message.after)
        context.answer(message, undefined)
        return
      case 'stopReading':
        await this.#stop()
        context.answer(message, undefined)
    }
  }

  stopping(): Promise<void> {
    return this.#stop()
  }

  observe(): Readonly<Record<string, unknown>> {
    return { lane: this.#options.lane, after: this.#after }
  }

  #start(after: Position): void {
    this.#after = after
    const stop = new AbortController()
    this.#loop = { stop, done: this.#read(stop.signal) }
  }

  async #stop(): Promise<void> {
    this.#loop?.stop.abort()
    await this.#loop?.done
    this.#loop = undefined
  }

  /** Reads until stopped; any failure is logged and the lane is read again from the last run that was applied. */
  async #read(signal: AbortSignal): Promise<void> {
    const { lane, clock, logger } = this.#options
    while (!signal.aborted) {
      try {
        await this.#pump(signal)
      } catch (error) {
        if (signal.aborted) return
        logger.warn('reading the lane failed; trying again', { lane, error: asWeirError(error) })
        await clock.sleep(RETRY_MS, signal).catch(() => undefined)
      }
    }
  }

  /** Throws what a run failed with, also while no frame comes: then nothing else would make it be tried again. */
  async #pump(signal: AbortSignal): Promise<void> {
    const { journal, lane } = this.#options
    const reader = journal.read(lane, this.#after.sequence)
    const failed = new AbortController()
    const isOver = AbortSignal.any([signal, failed.signal])
    const inFlight: Promise<void>[] = []
    let applied = Promise.resolve()
    let after = this.#after
    try {
      while (!isOver.aborted) {
        const messages = await reader.next(READ_BYTES_MAX, isOver)
        this.#checkGap(after, messages[0]!.position)
        const through = messages[messages.length - 1]!.position
        const handedOn = this.#handOn(messages, after, through, isOver)
        after = through
        applied = Promise.all([applied, handedOn]).then(() => {
          this.#after = through
        })
        applied.catch((error) => failed.abort(error))
        inFlight.push(applied)
        if (inFlight.length >= RUNS_IN_FLIGHT_MAX) await inFlight.shift()
      }
      isOver.throwIfAborted()
    } finally {
      await Promise.allSettled(inFlight)
      await reader.close()
    }
  }

  /** Sequences have no gaps: what is missing was trimmed before every shard had published it (J5), and can be read by nobody. */
  #checkGap(after: Position, first: Position): void {
    if (after.sequence === 0 || first.sequence <= after.sequence + 1) return
    const { lane, logger } = this.#options
    logger.error('frames are missing from the journal; their records are lost', {
      lane,
      after: after.sequence,
      first: first.sequence,
    })
  }

  async #handOn(
    messages: readonly JournalMessage[],
    after: Position,
    through: Position,
    signal: AbortSignal,
  ): Promise<void> {
    const { lane, hosts, onRun } = this.#options
    const perHost = new Map<HostAddress, Map<ShardId, JournalledSection[]>>()
    let bytes = 0
    for (const message of messages) {
      bytes += message.frame.byteLength
      noteShortLived(message.frame.byteLength)
      for (const section of this.#sectionsOf(message)) {
        const host = this.#options.hostOf(section.shard)
        const shards = perHost.get(host) ?? new Map<ShardId, JournalledSection[]>()
        perHost.set(host, shards)
        const sections = shards.get(section.shard) ?? []
        shards.set(section.shard, sections)
        const { position, appendedMs } = message
        sections.push({ position, appendedMs, rowBase: section.rowBase, bytes: section.bytes })
      }
    }
    await Promise.all(
      hosts.map((host) => {
        const shards = perHost.get(host) ?? new Map<ShardId, JournalledSection[]>()
        const [sendable, transfer] = host.isLocal ? [shards, []] : inOneBuffer(shards)
        const run: ApplyFrames = {
          kind: 'applyFrames',
          lane,
          after,
          through,
          shards: [...sendable].map(([shard, sections]) => ({ shard, sections })),
        }
        return host.ref.ask(run, { deadlineMs: APPLY_DEADLINE_MS, signal, transfer })
      }),
    )
    onRun?.({ frames: messages.length, bytes, through })
  }

  /** A frame that fails its checksum can be read by nobody, ever: it is passed over, loudly, rather than stop the lane. */
  #sectionsOf(message: JournalMessage): readonly FrameSection[] {
    try {
      return readFrame(message.frame).sections
    } catch (error) {
      const { lane, logger } = this.#options
      logger.error('a frame of the journal is damaged; its records are lost', { lane, ...message.position, error })
      return []
    }
  }
}

/** Copies the sections into one buffer that can be moved to another thread (S9: only buffers that we allocated whole). */
function inOneBuffer(
  shards: ReadonlyMap<ShardId, readonly JournalledSection[]>,
): [Map<ShardId, JournalledSection[]>, ArrayBuffer[]] {
  let length = 0
  for (const sections of shards.values()) for (const { bytes } of sections) length += aligned(bytes.byteLength)
  const all = new Uint8Array(length)
  const moved = new Map<ShardId, JournalledSection[]>()
  let offset = 0
  for (const [shard, sections] of shards) {
    const copies: JournalledSection[] = []
    for (const section of sections) {
      all.set(section.bytes, offset)
      copies.push({ ...section, bytes: all.subarray(offset, offset + section.bytes.byteLength) })
      offset += aligned(section.bytes.byteLength)
    }
    moved.set(shard, copies)
  }
  return [moved, [all.buffer]]
}

/** Sections begin at multiples of eight, so that their arrays can be read in place. */
function aligned(length: number): number {
  return (length + 7) & ~7
}

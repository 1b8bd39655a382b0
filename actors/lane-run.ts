import type { LaneId, Position, ShardId } from '../base/ids.ts'
import type { Logger } from '../base/logger.ts'
import { noteShortLived } from '../base/young-collection.ts'
import type { FrameSection } from '../cluster/frame.ts'
import { readFrame } from '../cluster/frame.ts'
import type { JournalMessage } from '../cluster/journal.ts'
import type { ApplyFrames, JournalledSection, ShardHostMessage } from './messages/shard.ts'
import type { ActorRef } from './runtime/actor-ref.ts'

const APPLY_DEADLINE_MS = 120_000

export interface HostAddress {
  readonly ref: ActorRef<ShardHostMessage>
  /** True when the host runs on this thread: then sections are views, nothing is copied. */
  readonly isLocal: boolean
}

/** Frames of a lane read together, and the shards they are for. */
export interface LaneRun {
  readonly lane: LaneId
  readonly messages: readonly JournalMessage[]
  /** The frame before the first. */
  readonly after: Position
  readonly through: Position
  readonly members: ReadonlySet<ShardId>
}

/** Hands each host what a run holds for its shards; resolves with the bytes of the frames once all of it is applied. */
export async function handOnRun(
  run: LaneRun,
  hosts: readonly HostAddress[],
  hostOf: (shard: ShardId) => HostAddress,
  logger: Logger,
  signal: AbortSignal,
): Promise<number> {
  const { lane, after, through } = run
  const perHost = new Map<HostAddress, Map<ShardId, JournalledSection[]>>()
  const members = new Map<HostAddress, ShardId[]>()
  for (const shard of run.members) {
    const host = hostOf(shard)
    const own = members.get(host)
    if (own === undefined) members.set(host, [shard])
    else own.push(shard)
  }
  let bytes = 0
  for (const message of run.messages) {
    bytes += message.frame.byteLength
    noteShortLived(message.frame.byteLength)
    for (const section of sectionsOf(message, lane, logger)) {
      if (!run.members.has(section.shard)) continue
      const host = hostOf(section.shard)
      const shards = perHost.get(host) ?? new Map<ShardId, JournalledSection[]>()
      perHost.set(host, shards)
      const sections = shards.get(section.shard) ?? []
      shards.set(section.shard, sections)
      const { position, appendedMs } = message
      sections.push({ position, appendedMs, rowBase: section.rowBase, bytes: section.bytes })
    }
  }
  await Promise.all(
    hosts.map(async (host) => {
      const own = members.get(host)
      if (own === undefined) return
      const shards = perHost.get(host) ?? new Map<ShardId, JournalledSection[]>()
      const [sendable, transfer] = host.isLocal ? [shards, []] : inOneBuffer(shards)
      const message: ApplyFrames = {
        kind: 'applyFrames',
        lane,
        after,
        through,
        members: own,
        shards: [...sendable].map(([shard, sections]) => ({ shard, sections })),
      }
      await host.ref.ask(message, { deadlineMs: APPLY_DEADLINE_MS, signal, transfer })
    }),
  )
  return bytes
}

/** A frame that fails its checksum can be read by nobody, ever: it is passed over, loudly, rather than stop the lane. */
function sectionsOf(message: JournalMessage, lane: LaneId, logger: Logger): readonly FrameSection[] {
  try {
    return readFrame(message.frame).sections
  } catch (error) {
    logger.error('a frame of the journal is damaged; its records are lost', { lane, ...message.position, error })
    return []
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

import { freeBytes, ownCopy } from '../base/free-bytes.ts'
import type { LaneId, Position, ShardId } from '../base/ids.ts'
import type { Logger } from '../base/logger.ts'
import type { FrameView } from '../cluster/frame.ts'
import { readFrame } from '../cluster/frame.ts'
import type { JournalMessage } from '../cluster/journal.ts'
import type { ApplyFrames, JournalledSection, ShardHostMessage } from './messages/shard.ts'
import type { ActorRef } from './runtime/actor-ref.ts'

const APPLY_DEADLINE_MS = 120_000

export interface HostAddress {
  readonly ref: ActorRef<ShardHostMessage>
  /** True when the host runs on this thread: then sections are handed over as they are, not transferred. */
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

/** Of one shard. */
interface GatheredSections {
  rows: number
  readonly sections: JournalledSection[]
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
  const throughMs = run.messages.at(-1)?.appendedMs ?? 0
  const perHost = new Map<HostAddress, Map<ShardId, GatheredSections>>()
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
    const frame = openFrame(message, run, logger)
    for (const section of frame?.sections ?? []) {
      const host = hostOf(section.shard)
      const shards = perHost.get(host) ?? new Map<ShardId, GatheredSections>()
      perHost.set(host, shards)
      const gathered = shards.get(section.shard) ?? { rows: 0, sections: [] }
      shards.set(section.shard, gathered)
      gathered.rows += section.rowCount
      const { position, appendedMs } = message
      // Each in a buffer of its own: the rows stay there until they are cut, and the frame goes now.
      gathered.sections.push({ position, appendedMs, rowBase: section.rowBase, bytes: ownCopy(section.bytes) })
    }
    for (const inflated of frame?.inflated ?? []) freeBytes(inflated)
    freeBytes(message.frame)
  }
  await Promise.all(
    hosts.map(async (host) => {
      const own = members.get(host)
      if (own === undefined) return
      const shards = perHost.get(host) ?? new Map<ShardId, GatheredSections>()
      const transfer = host.isLocal ? [] : buffersOf(shards)
      const message: ApplyFrames = {
        kind: 'applyFrames',
        lane,
        after,
        first: run.messages[0]?.position ?? through,
        through,
        throughMs,
        members: own,
        shards: [...shards].map(([shard, gathered]) => ({ shard, ...gathered })),
      }
      await host.ref.ask(message, { deadlineMs: APPLY_DEADLINE_MS, signal, transfer })
    }),
  )
  return bytes
}

/** A frame, or a group in it, that is damaged can be read by nobody, ever: it is passed over, loudly, rather than stop the lane. */
function openFrame(message: JournalMessage, { lane, members }: LaneRun, logger: Logger): FrameView | undefined {
  try {
    const frame = readFrame(message.frame, (shard) => members.has(shard))
    if (frame.damaged > 0) {
      const details = { lane, ...message.position, sections: frame.damaged }
      logger.error('sections of a frame of the journal are damaged; their records are lost', details)
    }
    return frame
  } catch (error) {
    logger.error('a frame of the journal is damaged; its records are lost', { lane, ...message.position, error })
    return undefined
  }
}

/** What is moved to another thread with the sections (S9: only buffers that we allocated whole). */
function buffersOf(shards: ReadonlyMap<ShardId, GatheredSections>): ArrayBuffer[] {
  return [...shards.values()].flatMap(({ sections }) => sections.map(({ bytes }) => bytes.buffer as ArrayBuffer))
}

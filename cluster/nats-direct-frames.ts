import type { Clock } from '../base/clock.ts'
import { JOURNAL_MESSAGE_BYTES_MAX } from '../base/limits.ts'
import type { NatsLane } from './nats-lane.ts'
import type { LaneStream, StoredFrame } from './nats-stream.ts'

const BATCH_FRAMES_MAX = 64
const BATCH_BYTES_MAX = JOURNAL_MESSAGE_BYTES_MAX
/** Between looks for frames that were not there. */
const LOOK_AGAIN_MS = 100

export interface DirectFramesOptions {
  readonly lane: NatsLane
  readonly stream: LaneStream
  readonly clock: Clock
  /** The sequence to begin with. */
  readonly from: number
  /** Of the stream, and of the lane. It ends when they are others. */
  readonly creationId: string
  readonly generation: number
  readonly signal: AbortSignal
}

/**
 * Frames of a lane, in order, asked for one by one from whichever server has them. That takes a turn for each, but no consumer, and so not the leader
 * of all JetStream, without whom none can be made. A server may be behind, or have a stream that is no more: so what was read is given out only once the leader
 * of the stream has said that it still is the one that it was, and goes so far (J3).
 */
export async function* directFrames(options: DirectFramesOptions): AsyncGenerator<readonly StoredFrame[]> {
  const { lane, stream, clock, creationId, generation, signal } = options
  const isOver = () => signal.aborted || !lane.isReady || lane.entry.generation !== generation
  let from = options.from
  while (!isOver()) {
    const frames = await readSome(stream, from, isOver)
    const last = frames.at(-1)
    if (last === undefined) {
      await clock.sleep(LOOK_AGAIN_MS, signal).catch(() => undefined)
      continue
    }
    const facts = await stream.facts()
    if (isOver() || facts?.creationId !== creationId || facts.lastSequence < last.sequence) return
    from = last.sequence + 1
    yield frames
  }
}

async function readSome(stream: LaneStream, from: number, isOver: () => boolean): Promise<StoredFrame[]> {
  const frames: StoredFrame[] = []
  let bytes = 0
  let next = from
  while (frames.length < BATCH_FRAMES_MAX && bytes < BATCH_BYTES_MAX && !isOver()) {
    // Whoever was asked may have died: the next one is asked the next time.
    const frame = await stream.frameFrom(next).catch(() => undefined)
    if (frame === undefined) break
    frames.push(frame)
    bytes += frame.data.length
    next = frame.sequence + 1
  }
  return frames
}

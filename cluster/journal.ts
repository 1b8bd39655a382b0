import type { LaneId, Position } from '../base/ids.ts'

/**
 * Port: the durable log. A lane is one totally ordered stream of frames (J1, J2). A receipt to a client is sent only after
 * `append` has resolved (J6).
 */
export interface Journal {
  /**
   * Appends one frame; resolves with its position once it is durable (fsynced, or replicated). `frameId` makes a resend of the same frame
   * a no-op that resolves with the first position (D2), within the newest JOURNAL_DEDUPE_FRAMES_MAX frames. Takes the frame: when it is the sole
   * content of its ArrayBuffer, that may be detached as soon as this is called. Throws journal_full, storage_unavailable, and
   * overloaded when JOURNAL_IN_FLIGHT_BYTES_MAX are waiting. After storage_unavailable the frame may or may not have been
   * stored; after the other two it has not.
   */
  append(lane: LaneId, frameId: string, frame: Uint8Array): Promise<Position>
  /**
   * Reads durable frames in order, starting behind `after`, a sequence of `generation` (default: the current one); 0 for the oldest kept. Where
   * a later generation has begun before `after` (J3), its frames are read from their first.
   */
  read(lane: LaneId, after: number, generation?: number): JournalReader
  /**
   * Removes frames up to and including `upTo`, a sequence of `generation` (default: the current one). J5: the caller has read the
   * floors back. Throws storage_unavailable, with nothing removed, when the lane is no longer known to be of that generation (one of the
   * embedded journal keeps its generation while it is open).
   */
  trim(lane: LaneId, upTo: number, generation?: number): Promise<void>
  state(lane: LaneId): Promise<LaneState>
  close(): Promise<void>
}

export interface JournalReader {
  /**
   * The next frames, at least one, at most about `maxBytes` of them; waits until there are some. Rejects with the signal's reason.
   * Frames are freshly allocated and may be transferred.
   */
  next(maxBytes: number, signal: AbortSignal): Promise<readonly JournalMessage[]>
  close(): Promise<void>
}

export interface JournalMessage {
  readonly position: Position
  /** The journal's own time of the append, ms since the epoch. */
  readonly appendedMs: number
  readonly frame: Uint8Array
}

export interface LaneState {
  /** J3: rises when the stream was recreated or restored. */
  readonly generation: number
  /** First sequence of the generation: beyond lastSequence while it has no frame. */
  readonly generationFrom: number
  /** Oldest sequence kept; last + 1 when empty. */
  readonly firstSequence: number
  /** Newest durable sequence; 0 when nothing was ever appended. */
  readonly lastSequence: number
  /** Of the frames that are kept; with what is stored beside each, where the store counts that. */
  readonly bytes: number
  readonly bytesMax: number
}

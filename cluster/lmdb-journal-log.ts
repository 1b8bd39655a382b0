import { open, type RootDatabase } from 'lmdb'
import { assert, present } from '../base/assert.ts'
import { diskError } from '../base/disk-error.ts'
import { WeirError } from '../base/errors.ts'
import type { LaneId } from '../base/ids.ts'
import { JOURNAL_DEDUPE_FRAMES_MAX, JOURNAL_TRIM_FRAMES_MAX } from '../base/limits.ts'
import { makeDurableDirectory, syncDirectory } from '../base/sync-directory.ts'
import type { LaneState } from './journal.ts'
import {
  decodeFrameMeta,
  decodeLaneRecord,
  encodeFrameMeta,
  encodeLaneRecord,
  frameDataKey,
  frameMetaKey,
  generationOf,
  journalRecordKey,
  type LaneRecord,
  laneRecordKey,
  sequenceOfKey,
} from './lmdb-journal-layout.ts'

/**
 * The lanes of an embedded journal in one LMDB environment; the writing side, owned by one thread.
 *
 * Every commit is one LMDB transaction with its own sync, and LMDB shows a transaction to readers only behind that sync. So
 * whatever any thread can read here is durable. Sequences of a lane have no gaps: a failed commit uses none.
 */
export class JournalLog {
  readonly #db: RootDatabase<Uint8Array, Uint8Array>
  readonly #bytesMax: number
  readonly #lanes: Lane[]
  /** D2: newest frame ids → sequence, oldest first; bounded. */
  readonly #sequenceOfId = new Map<string, number>()

  private constructor(db: RootDatabase<Uint8Array, Uint8Array>, bytesMax: number, lanes: Lane[]) {
    this.#db = db
    this.#bytesMax = bytesMax
    this.#lanes = lanes
  }

  /**
   * Opens the journal, creating it when the directory holds none. Throws invalid_config when it was created with another count of
   * lanes (J1), storage_unavailable when the disk refuses, corrupt_data.
   */
  static open(options: JournalLogOptions): JournalLog {
    const { directory, laneCount, bytesMax } = options
    assert(laneCount > 0 && laneCount <= 0xffff, 'a lane number fits 16 bits')
    try {
      makeDurableDirectory(directory)
    } catch (error) {
      throw diskError(error, `making ${directory}`)
    }
    const db = openJournalEnvironment(directory, bytesMax * laneCount)
    try {
      syncDirectory(directory)
      const log = new JournalLog(db, bytesMax, openLanes(db, options))
      log.#recover()
      return log
    } catch (error) {
      void db.close()
      throw diskError(error, `opening the journal in ${directory}`)
    }
  }

  /**
   * Commits frames and trims together; returns, durable, the sequence of each frame: the first one's for a frame whose id is known
   * already. A frame that does not fit its lane gets an error instead; the rest is committed. Throws, with nothing
   * changed, when the disk refuses.
   */
  commit(frames: readonly FrameToAppend[], trims: readonly TrimToDo[]): CommitResult {
    const outcomes: (AppendOutcome | WeirError)[] = []
    const changed = new Map<number, Lane>()
    const newIds = new Map<string, number>()
    const laneOf = (lane: LaneId): Lane => {
      const copy = changed.get(lane) ?? { ...this.#lane(lane) }
      changed.set(lane, copy)
      return copy
    }
    let trimsDone: boolean[] = []
    this.#transact(() => {
      trimsDone = trims.map((trim) => this.#trim(laneOf(trim.lane), trim))
      for (const frame of frames) outcomes.push(this.#put(laneOf(frame.lane), frame, newIds))
    })
    for (const [lane, state] of changed) this.#lanes[lane] = state
    for (const [id, sequence] of newIds) this.#remember(id, sequence)
    return { outcomes, trimsDone }
  }

  state(lane: LaneId): LaneState {
    const { generation, generationFrom, firstSequence, lastSequence, bytes } = this.#lane(lane)
    return { generation, generationFrom, firstSequence, lastSequence, bytes, bytesMax: this.#bytesMax }
  }

  /** What names this stream for good: J3 binds the generation to it. */
  creation(lane: LaneId): LaneCreation {
    const { creationId, createdMs } = this.#lane(lane)
    return { creationId: Buffer.from(creationId).toString('hex'), createdMs }
  }

  /** J3: starts a new generation with the next frame; sequences go on, and what is there keeps its own. */
  raiseGeneration(lane: LaneId, generation: number): void {
    const { generation: previousGeneration, lastSequence } = this.#lane(lane)
    assert(generation > previousGeneration, 'a generation rises')
    const next = { ...this.#lane(lane), generation, previousGeneration, generationFrom: lastSequence + 1 }
    this.#transact(() => this.#db.put(laneRecordKey(lane), encodeLaneRecord(next)))
    this.#lanes[lane] = next
  }

  async close(): Promise<void> {
    await this.#db.close()
  }

  #lane(lane: LaneId): Lane {
    return present(this.#lanes[lane], `lane ${lane}`)
  }

  #put(lane: Lane, frame: FrameToAppend, newIds: Map<string, number>): AppendOutcome | WeirError {
    const id = `${frame.lane}/${frame.frameId}`
    const known = this.#sequenceOfId.get(id) ?? newIds.get(id)
    if (known !== undefined) {
      return { sequence: known, generation: generationOf(lane, known), appendedMs: 0, isNew: false }
    }
    if (lane.bytes + frame.bytes.length > this.#bytesMax) return laneFull(frame, lane, this.#bytesMax)
    const sequence = lane.lastSequence + 1
    const appendedMs = Math.max(frame.appendedMs, lane.lastAppendedMs)
    const meta = encodeFrameMeta({ appendedMs, frameBytes: frame.bytes.length, frameId: frame.frameId })
    this.#db.put(frameDataKey(frame.lane, sequence), frame.bytes)
    this.#db.put(frameMetaKey(frame.lane, sequence), meta)
    lane.lastSequence = sequence
    lane.lastAppendedMs = appendedMs
    lane.bytes += frame.bytes.length
    newIds.set(id, sequence)
    return { sequence, generation: lane.generation, appendedMs, isNew: true }
  }

  /** Removes a bounded number of frames; returns whether the trim is complete. */
  #trim(lane: Lane, trim: TrimToDo): boolean {
    const upTo = Math.min(trim.upTo, lane.lastSequence)
    const end = Math.min(upTo, lane.firstSequence + JOURNAL_TRIM_FRAMES_MAX - 1)
    if (end < lane.firstSequence) return true
    for (let sequence = lane.firstSequence; sequence <= end; sequence++) {
      const meta = this.#db.getBinary(frameMetaKey(trim.lane, sequence))
      if (meta === undefined) throw missingFrame(trim.lane, sequence)
      lane.bytes -= decodeFrameMeta(meta).frameBytes
      this.#db.remove(frameMetaKey(trim.lane, sequence))
      this.#db.remove(frameDataKey(trim.lane, sequence))
    }
    lane.firstSequence = end + 1
    this.#db.put(laneRecordKey(trim.lane), encodeLaneRecord(lane))
    return end === upTo
  }

  #transact(run: () => void): void {
    try {
      // 2: commit before returning. The environment syncs each commit, so behind this line everything is durable (J6).
      this.#db.transactionSync(run, 2)
    } catch (error) {
      throw diskError(error, 'writing to the journal')
    }
  }

  /** Counts what the lanes hold and reads the ids of their newest frames. */
  #recover(): void {
    for (let lane = 0; lane < this.#lanes.length; lane++) {
      const state = this.#lane(lane as LaneId)
      const range = {
        start: frameMetaKey(lane as LaneId, 0),
        end: frameMetaKey(lane as LaneId, Number.MAX_SAFE_INTEGER),
      }
      const newest: [string, number][] = []
      for (const { key, value } of this.#db.getRange(range)) {
        const meta = decodeFrameMeta(value)
        const sequence = sequenceOfKey(key)
        if (sequence !== state.lastSequence + 1) throw missingFrame(lane as LaneId, state.lastSequence + 1)
        state.lastSequence = sequence
        state.lastAppendedMs = meta.appendedMs
        state.bytes += meta.frameBytes
        newest.push([`${lane}/${meta.frameId}`, sequence])
        if (newest.length > 2 * JOURNAL_DEDUPE_FRAMES_MAX) newest.splice(0, JOURNAL_DEDUPE_FRAMES_MAX)
      }
      for (const [id, sequence] of newest) this.#remember(id, sequence)
    }
  }

  #remember(id: string, sequence: number): void {
    this.#sequenceOfId.set(id, sequence)
    if (this.#sequenceOfId.size <= JOURNAL_DEDUPE_FRAMES_MAX) return
    for (const oldest of this.#sequenceOfId.keys()) {
      this.#sequenceOfId.delete(oldest)
      break
    }
  }
}

export interface JournalLogOptions {
  readonly directory: string
  readonly laneCount: number
  /** Of the frames kept in a lane. */
  readonly bytesMax: number
  /** For lanes that do not exist yet. */
  readonly creationId: Uint8Array
  readonly createdMs: number
}

export interface LaneCreation {
  readonly creationId: string
  readonly createdMs: number
}

export interface FrameToAppend {
  readonly lane: LaneId
  readonly frameId: string
  readonly appendedMs: number
  readonly bytes: Uint8Array
}

export interface TrimToDo {
  readonly lane: LaneId
  readonly upTo: number
}

export interface AppendOutcome {
  readonly sequence: number
  readonly generation: number
  readonly appendedMs: number
  /** False for a frame that was there already. */
  readonly isNew: boolean
}

export interface CommitResult {
  /** One a frame, in order. */
  readonly outcomes: readonly (AppendOutcome | WeirError)[]
  /** One a trim: false when frames are left for the next commit. */
  readonly trimsDone: readonly boolean[]
}

interface Lane extends LaneRecord {
  firstSequence: number
  lastSequence: number
  lastAppendedMs: number
  bytes: number
}

/**
 * The environment, with syncing commits. Frames are stored whole, in contiguous pages; those of trimmed frames are reused two commits later
 * (measured with frames of 20 KB to 1.5 MB: the file stays within 1.1 times the most ever kept). Address space is reserved for twice
 * that, so that the map never moves under a reader.
 */
export function openJournalEnvironment(directory: string, bytesMax: number): RootDatabase<Uint8Array, Uint8Array> {
  const options = {
    path: directory,
    encoding: 'binary' as const,
    keyEncoding: 'binary' as const,
    compression: false,
    overlappingSync: false,
    noMemInit: true,
    mapSize: roundUp(2 * bytesMax + MAP_SLACK_BYTES, MAP_UNIT_BYTES),
  }
  try {
    return open<Uint8Array, Uint8Array>(options)
  } catch (error) {
    throw diskError(error, `opening the journal in ${directory}`)
  }
}

const MAP_UNIT_BYTES = 1 << 20
const MAP_SLACK_BYTES = 256 << 20
function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit
}

/** Reads the lane records, writing them first in a new journal. */
function openLanes(db: RootDatabase<Uint8Array, Uint8Array>, options: JournalLogOptions): Lane[] {
  const { laneCount } = options
  const record = db.getBinary(journalRecordKey())
  if (record === undefined) {
    db.transactionSync(() => {
      for (let lane = 0; lane < laneCount; lane++) {
        const { creationId, createdMs } = options
        const born = {
          generation: 1,
          generationFrom: 1,
          previousGeneration: 0,
          creationId,
          createdMs,
          firstSequence: 1,
        }
        db.put(laneRecordKey(lane), encodeLaneRecord(born))
      }
      db.put(journalRecordKey(), Uint8Array.of(JOURNAL_VERSION, laneCount & 0xff, laneCount >> 8))
    }, 2)
  } else if (record[0] !== JOURNAL_VERSION) {
    throw new WeirError('corrupt_data', `the journal has format ${record[0]}, known is ${JOURNAL_VERSION}`)
  } else if (record[1]! + record[2]! * 256 !== laneCount) {
    const created = record[1]! + record[2]! * 256
    throw new WeirError('invalid_config', `the journal was created with ${created} lanes, not ${laneCount}`, {
      created,
      configured: laneCount,
    })
  }
  const lanes: Lane[] = []
  for (let lane = 0; lane < laneCount; lane++) {
    const laneRecord = decodeLaneRecord(present(db.getBinary(laneRecordKey(lane)), `the record of lane ${lane}`))
    lanes.push({ ...laneRecord, lastSequence: laneRecord.firstSequence - 1, lastAppendedMs: 0, bytes: 0 })
  }
  return lanes
}

const JOURNAL_VERSION = 1

function laneFull(frame: FrameToAppend, lane: Lane, bytesMax: number): WeirError {
  const details = { lane: frame.lane, bytes: lane.bytes, bytesMax }
  return new WeirError('journal_full', `lane ${frame.lane} holds ${lane.bytes} of at most ${bytesMax} bytes`, details)
}

function missingFrame(lane: LaneId, sequence: number): WeirError {
  return new WeirError('corrupt_data', `frame ${sequence} of lane ${lane} is missing`, { lane, sequence })
}

import { WeirError } from '../../base/errors.ts'
import type { LaneId, Position } from '../../base/ids.ts'
import { JOURNAL_DEDUPE_FRAMES_MAX } from '../../base/limits.ts'
import { Prng } from '../../base/prng.ts'
import type { Journal, JournalMessage, JournalReader, LaneState } from '../../cluster/journal.ts'

export type JournalCall = 'append' | 'trim' | 'state' | 'next'
/** An error before anything happens, or after it happened: the frame is stored and the answer lost. */
export interface JournalFault {
  readonly when: 'before' | 'after'
  readonly error: WeirError
}

export interface SimulatedJournalOptions {
  readonly laneCount: number
  readonly bytesMax: number
  readonly nowMs: () => number
  readonly seed?: string | number
}

interface Lane {
  generation: number
  generationFrom: number
  frames: JournalMessage[]
  lastSequence: number
  bytes: number
  ids: Map<string, Position>
  waiting: Set<() => void>
}

/**
 * The durable log in memory: never loses what it acknowledged. `connect` gives the Journal of one process; a crash kills the
 * processes, and of the appends that were on their way some prefix is stored, chosen by the seed.
 */
export class SimulatedJournal {
  readonly #options: SimulatedJournalOptions
  readonly #prng: Prng
  readonly #lanes: Lane[]
  /** Asked before each operation. */
  fault: (call: JournalCall, lane: LaneId) => JournalFault | undefined = () => undefined
  /** Awaited between the call and its effect. */
  pause: (call: JournalCall) => Promise<void> = () => Promise.resolve()
  #life = 0
  /** Appends between call and effect, in order. */
  #underway = new Set<() => void>()

  constructor(options: SimulatedJournalOptions) {
    this.#options = options
    this.#prng = new Prng(`journal/${options.seed ?? 0}`)
    this.#lanes = Array.from({ length: options.laneCount }, () => emptyLane(1))
  }

  connect(): Journal {
    const life = this.#life
    return new SimulatedConnection(this, () => life === this.#life)
  }

  /** All connections die; a prefix of the appends on their way is stored all the same. */
  crash(): void {
    this.#life++
    const underway = [...this.#underway]
    this.#underway.clear()
    for (const store of underway.slice(0, this.#prng.between(0, underway.length))) store()
    for (const lane of this.#lanes) this.#wake(lane)
  }

  /** J3: the stream is lost and made anew. */
  recreate(lane: LaneId): void {
    const old = this.lane(lane)
    this.#lanes[lane] = emptyLane(old.generation + 1)
    this.#wake(old)
  }

  /** J3: the stream is an older state of itself, which ends with this frame. */
  restore(lane: LaneId, lastSequence: number): void {
    const { generation, frames } = this.lane(lane)
    const kept = frames.filter(({ position }) => position.sequence <= lastSequence)
    const bytes = kept.reduce((sum, { frame }) => sum + frame.length, 0)
    const generationFrom = lastSequence + 1
    this.#lanes[lane] = { ...emptyLane(generation + 1), generationFrom, frames: kept, lastSequence, bytes }
  }

  lane(lane: LaneId): Lane {
    const found = this.#lanes[lane]
    if (found === undefined) throw new Error(`there is no lane ${lane}`)
    return found
  }

  get options(): SimulatedJournalOptions {
    return this.#options
  }

  async append(lane: LaneId, frameId: string, frame: Uint8Array, isAlive: () => boolean): Promise<Position> {
    const fault = this.fault('append', lane)
    // Taken, as the real one does: a caller that goes on using the buffer finds it empty.
    const owned = takeFrame(frame)
    let position: Position | WeirError | undefined
    const store = (): void => {
      if (fault?.when !== 'before') position = this.#store(lane, frameId, owned)
    }
    this.#underway.add(store)
    await this.pause('append')
    if (!isAlive()) throw gone()
    this.#underway.delete(store)
    store()
    if (position instanceof WeirError) throw position
    if (fault !== undefined) throw fault.error
    return position!
  }

  trim(lane: LaneId, upTo: number): void {
    const state = this.lane(lane)
    const kept = state.frames.findIndex((message) => message.position.sequence > upTo)
    for (const removed of state.frames.splice(0, kept === -1 ? state.frames.length : kept)) {
      state.bytes -= removed.frame.length
    }
  }

  #store(laneId: LaneId, frameId: string, frame: Uint8Array): Position | WeirError {
    const lane = this.lane(laneId)
    const known = lane.ids.get(frameId)
    if (known !== undefined) return known
    if (lane.bytes + frame.length > this.#options.bytesMax) {
      return new WeirError('journal_full', `lane ${laneId} is full`, { lane: laneId })
    }
    const position = { generation: lane.generation, sequence: ++lane.lastSequence }
    const appendedMs = Math.max(this.#options.nowMs(), lane.frames.at(-1)?.appendedMs ?? 0)
    lane.frames.push({ position, appendedMs, frame })
    lane.bytes += frame.length
    lane.ids.set(frameId, position)
    if (lane.ids.size > JOURNAL_DEDUPE_FRAMES_MAX) lane.ids.delete(lane.ids.keys().next().value!)
    this.#wake(lane)
    return position
  }

  #wake(lane: Lane): void {
    for (const wake of [...lane.waiting]) wake()
  }
}

class SimulatedConnection implements Journal {
  readonly #journal: SimulatedJournal
  readonly #isAlive: () => boolean
  readonly #appends = new Set<Promise<void>>()
  #isClosed = false

  constructor(journal: SimulatedJournal, isAlive: () => boolean) {
    this.#journal = journal
    this.#isAlive = () => isAlive() && !this.#isClosed
  }

  async append(lane: LaneId, frameId: string, frame: Uint8Array): Promise<Position> {
    this.#check()
    const append = this.#journal.append(lane, frameId, frame, this.#isAlive)
    const settled = append.then(
      () => {},
      () => {},
    )
    this.#appends.add(settled)
    void settled.then(() => this.#appends.delete(settled))
    return append
  }

  read(lane: LaneId, after: number, generation?: number): JournalReader {
    this.#check()
    const { generation: current, generationFrom } = this.#journal.lane(lane)
    const isCurrent = generation === undefined || generation === current
    return new SimulatedReader(
      this.#journal,
      lane,
      isCurrent ? after : Math.min(after, generationFrom - 1),
      this.#isAlive,
    )
  }

  async trim(lane: LaneId, upTo: number, generation?: number): Promise<void> {
    await this.#guard('trim', lane, () => {
      const current = this.#journal.lane(lane).generation
      if (generation !== undefined && generation !== current) {
        throw new WeirError('storage_unavailable', `lane ${lane} is of generation ${current}`, { lane, generation })
      }
      this.#journal.trim(lane, upTo)
    })
  }

  async state(lane: LaneId): Promise<LaneState> {
    return this.#guard('state', lane, () => {
      const { generation, generationFrom, frames, lastSequence, bytes } = this.#journal.lane(lane)
      const firstSequence = frames[0]?.position.sequence ?? lastSequence + 1
      const { bytesMax } = this.#journal.options
      return { generation, generationFrom, firstSequence, lastSequence, bytes, bytesMax }
    })
  }

  async close(): Promise<void> {
    await Promise.all(this.#appends)
    this.#isClosed = true
  }

  async #guard<T>(call: JournalCall, lane: LaneId, run: () => T): Promise<T> {
    this.#check()
    const fault = this.#journal.fault(call, lane)
    await this.#journal.pause(call)
    this.#check()
    if (fault?.when === 'before') throw fault.error
    const result = run()
    if (fault !== undefined) throw fault.error
    return result
  }

  #check(): void {
    if (!this.#isAlive()) throw gone()
  }
}

class SimulatedReader implements JournalReader {
  readonly #journal: SimulatedJournal
  readonly #lane: LaneId
  readonly #isAlive: () => boolean
  #after: number
  #isClosed = false

  constructor(journal: SimulatedJournal, lane: LaneId, after: number, isAlive: () => boolean) {
    this.#journal = journal
    this.#lane = lane
    this.#after = after
    this.#isAlive = () => isAlive() && !this.#isClosed
  }

  async next(maxBytes: number, signal: AbortSignal): Promise<readonly JournalMessage[]> {
    for (;;) {
      await this.#journal.pause('next')
      signal.throwIfAborted()
      if (!this.#isAlive()) throw gone()
      const fault = this.#journal.fault('next', this.#lane)
      if (fault !== undefined) throw fault.error
      const lane = this.#journal.lane(this.#lane)
      const messages: JournalMessage[] = []
      let bytes = 0
      for (const message of lane.frames) {
        if (message.position.sequence <= this.#after) continue
        if (messages.length > 0 && bytes + message.frame.length > maxBytes) break
        messages.push({ ...message, frame: message.frame.slice() })
        bytes += message.frame.length
        this.#after = message.position.sequence
      }
      if (messages.length > 0) return messages
      await new Promise<void>((resolve) => {
        const done = (): void => {
          lane.waiting.delete(done)
          signal.removeEventListener('abort', done)
          resolve()
        }
        lane.waiting.add(done)
        signal.addEventListener('abort', done, { once: true })
      })
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const { waiting } = this.#journal.lane(this.#lane)
    for (const wake of [...waiting]) wake()
  }
}

function emptyLane(generation: number): Lane {
  return { generation, generationFrom: 1, frames: [], lastSequence: 0, bytes: 0, ids: new Map(), waiting: new Set() }
}

function takeFrame(frame: Uint8Array): Uint8Array {
  const { buffer } = frame
  if (!(buffer instanceof ArrayBuffer) || buffer.byteLength !== frame.length) return frame.slice()
  return new Uint8Array(structuredClone(buffer, { transfer: [buffer] }))
}

function gone(): WeirError {
  return new WeirError('storage_unavailable', 'the journal is closed')
}

import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import { assert } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import { errorFromWire, WeirError } from '../base/errors.ts'
import type { LaneId, Position } from '../base/ids.ts'
import { JOURNAL_IN_FLIGHT_BYTES_MAX, JOURNAL_MESSAGE_BYTES_MAX } from '../base/limits.ts'
import type { Journal, JournalReader, LaneState } from './journal.ts'
import type { JournalLogOptions } from './lmdb-journal-log.ts'
import type {
  FromWriter,
  FromWriterHost,
  LaneBirth,
  ToWriter,
  ToWriterHost,
  WriterAnswer,
} from './lmdb-journal-protocol.ts'
import { LmdbJournalReader } from './lmdb-journal-reader.ts'

/**
 * The journal of a node without JetStream: LMDB in one directory, written by a thread of its own (lmdb-journal-writer.ts), used from
 * any thread through an adapter.
 *
 * Why one writing thread: sequences and commit order are one decision; frames of all threads share a sync; and a durable frame is handed to
 * the reader in memory, where reading it back from LMDB costs as much CPU as writing it did (bench/micro/journal.ts).
 */
export interface LmdbJournalOptions {
  readonly directory: string
  readonly laneCount: number
  /** Bytes of frames a lane keeps; more is journal_full. */
  readonly bytesMax: number
  readonly clock: Clock
}

/** What one adapter needs. Goes to a worker in workerData or a message; its port belongs in the transfer list, and to one adapter. */
export interface LmdbJournalShared {
  readonly port: MessagePort
  readonly directory: string
  readonly laneCount: number
  readonly bytesMax: number
}

/** Owner of the writing thread; lives in the thread that composes the node. */
export interface LmdbJournalHost {
  /** What names each lane, and how far it had come when the journal was opened (J3). */
  readonly lanes: readonly LaneBirth[]
  /** A new share, for one adapter. */
  share(): LmdbJournalShared
  /** J3: frames appended from now on carry this generation, which is higher than the one before. */
  raiseGeneration(lane: LaneId, generation: number): Promise<void>
  /** Commits what is waiting and ends the thread. Close the adapters first: what they wait for afterwards fails. */
  close(): Promise<void>
}

/**
 * Opens the journal in a directory, creating it when absent. Throws storage_unavailable, corrupt_data, and invalid_config when it was
 * created with another count of lanes (J1).
 */
export async function createLmdbJournal(options: LmdbJournalOptions): Promise<LmdbJournalHost> {
  const { directory, laneCount, bytesMax, clock } = options
  const creation = { creationId: clock.randomBytes(16), createdMs: clock.nowMs() }
  const workerData: JournalLogOptions = { directory, laneCount, bytesMax, ...creation }
  const worker = new Worker(new URL('./lmdb-journal-writer.ts', import.meta.url), { workerData, name: 'journal' })
  const opened = await answerOf(worker)
  assert(opened.kind === 'opened', 'the writer reports first that it has opened')
  worker.unref()
  const ask = async (message: ToWriterHost): Promise<void> => {
    worker.ref()
    worker.postMessage(message)
    await answerOf(worker)
    worker.unref()
  }
  return {
    lanes: opened.lanes,
    share() {
      const { port1, port2 } = new MessageChannel()
      worker.postMessage({ kind: 'adapter', port: port2 } satisfies ToWriterHost, [port2])
      return { port: port1, directory, laneCount, bytesMax }
    },
    raiseGeneration: (lane, generation) => ask({ kind: 'raiseGeneration', lane, generation }),
    async close() {
      const exited = new Promise((resolve) => worker.once('exit', resolve))
      await ask({ kind: 'close' })
      worker.ref()
      await exited
    },
  }
}

/** The next report of the writer to its host; rejects when it failed or died. */
function answerOf(worker: Worker): Promise<FromWriterHost> {
  return new Promise((resolve, reject) => {
    const settle = (run: () => void): void => {
      worker.off('message', onMessage)
      worker.off('error', onError)
      worker.off('exit', onExit)
      run()
    }
    const onMessage = (message: FromWriterHost) =>
      settle(() => (message.kind === 'failed' ? reject(errorFromWire(message.error)) : resolve(message)))
    const onError = (error: unknown) => settle(() => reject(writerGone(error)))
    const onExit = () => settle(() => reject(writerGone()))
    worker.on('message', onMessage)
    worker.on('error', onError)
    worker.on('exit', onExit)
  })
}

/** The adapter of this thread. `clock` gives the time of append. */
export function openLmdbJournal(shared: LmdbJournalShared, clock: Clock): Journal {
  return new LmdbJournal(shared, clock)
}

interface Call {
  readonly resolve: (answer: WriterAnswer) => void
  readonly reject: (error: WeirError) => void
  /** Of the frame it carries. */
  readonly bytes: number
}

class LmdbJournal implements Journal {
  readonly #shared: LmdbJournalShared
  readonly #clock: Clock
  readonly #calls = new Map<number, Call>()
  readonly #readers = new Map<number, LmdbJournalReader>()
  #lastCall = 0
  #lastReader = 0
  #bytesInFlight = 0
  #isClosed = false

  constructor(shared: LmdbJournalShared, clock: Clock) {
    this.#shared = shared
    this.#clock = clock
    shared.port.on('message', (message: FromWriter) => this.#receive(message))
    shared.port.on('close', () => this.#fail(writerGone()))
  }

  async append(lane: LaneId, frameId: string, frame: Uint8Array): Promise<Position> {
    this.#checkLane(lane)
    assert(frame.length > 0 && frame.length <= JOURNAL_MESSAGE_BYTES_MAX, 'a frame fits a journal message')
    if (this.#bytesInFlight + frame.length > JOURNAL_IN_FLIGHT_BYTES_MAX) {
      throw new WeirError('overloaded', 'too many frames wait for the journal', { bytes: this.#bytesInFlight })
    }
    const owned = wholeBuffer(frame)
    const appendedMs = this.#clock.nowMs()
    const answer = await this.#call(
      (call) => ({ kind: 'append', call, lane, frameId, appendedMs, frame: owned }),
      owned,
    )
    assert('position' in answer, 'an append is answered by a position')
    return answer.position
  }

  read(lane: LaneId, after: number): JournalReader {
    this.#checkLane(lane)
    assert(!this.#isClosed, 'the journal is open')
    const id = ++this.#lastReader
    const { directory, laneCount, bytesMax } = this.#shared
    const reader = new LmdbJournalReader({
      lane,
      after,
      directory,
      bytesMax: bytesMax * laneCount,
      follow: (sequence) => this.#post({ kind: 'follow', reader: id, lane, after: sequence }),
      consumed: (bytes) => this.#post({ kind: 'consumed', reader: id, bytes }),
      onClose: () => {
        this.#readers.delete(id)
        if (!this.#isClosed) this.#post({ kind: 'unfollow', reader: id })
      },
    })
    this.#readers.set(id, reader)
    return reader
  }

  async trim(lane: LaneId, upTo: number): Promise<void> {
    this.#checkLane(lane)
    assert(Number.isSafeInteger(upTo) && upTo >= 0, 'a sequence is a safe integer')
    await this.#call((call) => ({ kind: 'trim', call, lane, upTo }))
  }

  async state(lane: LaneId): Promise<LaneState> {
    this.#checkLane(lane)
    const answer = await this.#call((call) => ({ kind: 'state', call, lane }))
    assert('state' in answer, 'a question for the state is answered by one')
    return answer.state
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    for (const reader of [...this.#readers.values()]) await reader.close()
    await this.#call((call) => ({ kind: 'leave', call }))
    this.#isClosed = true
    this.#shared.port.close()
  }

  #checkLane(lane: LaneId): void {
    assert(lane >= 0 && lane < this.#shared.laneCount, 'the lane exists')
  }

  #call(message: (call: number) => ToWriter, frame?: Uint8Array<ArrayBuffer>): Promise<WriterAnswer> {
    if (this.#isClosed) return Promise.reject(writerGone())
    const call = ++this.#lastCall
    const bytes = frame === undefined ? 0 : frame.length
    return new Promise((resolve, reject) => {
      this.#calls.set(call, { resolve, reject, bytes })
      this.#bytesInFlight += bytes
      this.#post(message(call), frame === undefined ? [] : [frame.buffer])
    })
  }

  #post(message: ToWriter, transfer: ArrayBuffer[] = []): void {
    this.#shared.port.postMessage(message, transfer)
  }

  #receive(message: FromWriter): void {
    for (const answer of message.answers) {
      const call = this.#calls.get(answer.call)
      assert(call !== undefined, 'an answer belongs to a call')
      this.#calls.delete(answer.call)
      this.#bytesInFlight -= call.bytes
      if ('error' in answer) call.reject(errorFromWire(answer.error))
      else call.resolve(answer)
    }
    for (const { reader, message: frame } of message.handed) this.#readers.get(reader)?.hand(frame)
    for (const reader of message.wake) this.#readers.get(reader)?.wake()
  }

  /** The writing thread is gone: nothing that waits can be answered any more. */
  #fail(error: WeirError): void {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const call of this.#calls.values()) call.reject(error)
    this.#calls.clear()
    for (const reader of [...this.#readers.values()]) reader.fail(error)
  }
}

/** `frame` as the sole content of a buffer that may be transferred; a copy where it is only a part of one (S9). */
function wholeBuffer(frame: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer } = frame
  if (buffer instanceof ArrayBuffer && buffer.byteLength === frame.length) return new Uint8Array(buffer)
  return new Uint8Array(frame)
}

function writerGone(cause?: unknown): WeirError {
  return new WeirError('storage_unavailable', 'the journal is closed', {}, { cause })
}

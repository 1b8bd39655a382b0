import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { present } from '../base/assert.ts'
import { systemClock } from '../base/clock.ts'
import { errorToWire, WeirError } from '../base/errors.ts'
import type { LaneId } from '../base/ids.ts'
import { JOURNAL_COMMIT_BYTES_MAX, JOURNAL_HANDOVER_BYTES_MAX } from '../base/limits.ts'
import { type FrameToAppend, JournalLog, type JournalLogOptions, type TrimToDo } from './lmdb-journal-log.ts'
import type {
  FromWriter,
  FromWriterHost,
  HandedFrame,
  LaneBirth,
  ToWriter,
  ToWriterHost,
  WriterAnswer,
} from './lmdb-journal-protocol.ts'

/**
 * The thread that writes the embedded journal. One writer makes one order per lane and one sync for the frames of all threads: what
 * arrives while a commit is at the disk shares the next one. It blocks in the sync, and nobody else does.
 */

/** A thread that uses the journal. */
interface Adapter {
  readonly port: MessagePort
  /** Gathered for the next message to it. */
  answers: WriterAnswer[]
  handed: HandedFrame[]
  wake: number[]
}

interface PendingAppend extends FrameToAppend {
  readonly adapter: Adapter
  readonly call: number
}

interface PendingTrim extends TrimToDo {
  readonly adapter: Adapter
  readonly call: number
}

/** A reader that has caught up: frames go to it in memory, while it keeps up. */
interface Follower {
  readonly adapter: Adapter
  readonly reader: number
  readonly lane: LaneId
  /** It wants no frame up to this one; beyond the end when a journal was restored from an old copy. */
  readonly after: number
  /** Bytes that may still be handed to it. */
  credit: number
}

class JournalWriter {
  readonly #log: JournalLog
  readonly #adapters = new Set<Adapter>()
  readonly #followers: Follower[] = []
  #appends: PendingAppend[] = []
  #trims: PendingTrim[] = []
  #isScheduled = false

  constructor(log: JournalLog) {
    this.#log = log
  }

  addAdapter(port: MessagePort): void {
    const adapter: Adapter = { port, answers: [], handed: [], wake: [] }
    this.#adapters.add(adapter)
    port.on('message', (message: ToWriter) => this.#receive(adapter, message))
    port.on('close', () => this.#forget(adapter))
  }

  raiseGeneration(lane: LaneId, generation: number): void {
    this.#log.raiseGeneration(lane, generation)
  }

  async close(): Promise<void> {
    while (this.#appends.length > 0 || this.#trims.length > 0) this.#commit()
    for (const adapter of this.#adapters) adapter.port.close()
    await this.#log.close()
  }

  #receive(adapter: Adapter, message: ToWriter): void {
    switch (message.kind) {
      case 'append': {
        const { call, lane, frameId, appendedMs, frame } = message
        this.#appends.push({ adapter, call, lane, frameId, appendedMs, bytes: frame })
        this.#schedule()
        break
      }
      case 'trim':
        this.#trims.push({ adapter, call: message.call, lane: message.lane, upTo: message.upTo })
        this.#schedule()
        break
      case 'state':
        adapter.answers.push({ call: message.call, state: this.#log.state(message.lane) })
        this.#send(adapter)
        break
      case 'follow':
        this.#follow(adapter, message.reader, message.lane, message.after)
        break
      case 'consumed': {
        const follower = this.#followers.find((f) => f.adapter === adapter && f.reader === message.reader)
        if (follower !== undefined) follower.credit += message.bytes
        break
      }
      case 'unfollow':
        this.#unfollow((f) => f.adapter === adapter && f.reader === message.reader)
        break
      case 'leave':
        while (this.#appends.length > 0 || this.#trims.length > 0) this.#commit()
        adapter.answers.push({ call: message.call })
        this.#send(adapter)
        this.#forget(adapter)
        break
    }
  }

  /** Behind the messages that are waiting in the ports, so that they share the commit. */
  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    void systemClock.yieldTurn().then(() => {
      this.#isScheduled = false
      this.#commit()
      if (this.#appends.length > 0 || this.#trims.length > 0) this.#schedule()
    })
  }

  #commit(): void {
    const appends = this.#takeAppends()
    const trims = this.#trims
    this.#trims = []
    try {
      const { outcomes, trimsDone } = this.#log.commit(appends, trims)
      for (let i = 0; i < trims.length; i++) {
        const trim = trims[i]!
        if (trimsDone[i]) trim.adapter.answers.push({ call: trim.call })
        else this.#trims.push(trim)
      }
      for (let i = 0; i < appends.length; i++) {
        const append = appends[i]!
        const outcome = outcomes[i]!
        if (outcome instanceof WeirError) {
          append.adapter.answers.push({ call: append.call, error: errorToWire(outcome) })
          continue
        }
        const position = { generation: outcome.generation, sequence: outcome.sequence }
        append.adapter.answers.push({ call: append.call, position })
        if (outcome.isNew)
          this.#handOver(append.lane, { position, appendedMs: outcome.appendedMs, frame: append.bytes })
      }
    } catch (error) {
      const wire = errorToWire(error)
      for (const { adapter, call } of appends) adapter.answers.push({ call, error: wire })
      for (const { adapter, call } of trims) adapter.answers.push({ call, error: wire })
    }
    for (const adapter of this.#adapters) this.#send(adapter)
  }

  #takeAppends(): PendingAppend[] {
    let bytes = 0
    let count = 0
    for (const append of this.#appends) {
      if (count > 0 && bytes + append.bytes.length > JOURNAL_COMMIT_BYTES_MAX) break
      bytes += append.bytes.length
      count++
    }
    return this.#appends.splice(0, count)
  }

  #follow(adapter: Adapter, reader: number, lane: LaneId, after: number): void {
    const state = this.#log.state(lane)
    if (after < state.lastSequence) {
      adapter.wake.push(reader)
      this.#send(adapter)
    } else {
      this.#followers.push({ adapter, reader, lane, after, credit: JOURNAL_HANDOVER_BYTES_MAX })
    }
  }

  /** Gives a new durable frame to the first follower that has room for it; the others, and one without room, read it from the disk. */
  #handOver(lane: LaneId, message: HandedFrame['message']): void {
    let isTaken = false
    this.#unfollow((follower) => {
      if (follower.lane !== lane || message.position.sequence <= follower.after) return false
      if (!isTaken && follower.credit >= message.frame.length) {
        isTaken = true
        follower.credit -= message.frame.length
        follower.adapter.handed.push({ reader: follower.reader, message })
        return false
      }
      follower.adapter.wake.push(follower.reader)
      return true
    })
  }

  #unfollow(isGone: (follower: Follower) => boolean): void {
    for (let i = 0; i < this.#followers.length; ) {
      if (isGone(this.#followers[i]!)) this.#followers.splice(i, 1)
      else i++
    }
  }

  #send(adapter: Adapter): void {
    const { answers, handed, wake } = adapter
    if (answers.length === 0 && handed.length === 0 && wake.length === 0) return
    adapter.answers = []
    adapter.handed = []
    adapter.wake = []
    const message: FromWriter = { answers, handed, wake }
    const buffers = handed.map(({ message }) => message.frame.buffer as ArrayBuffer)
    adapter.port.postMessage(message, buffers)
  }

  #forget(adapter: Adapter): void {
    this.#adapters.delete(adapter)
    this.#unfollow((follower) => follower.adapter === adapter)
    adapter.port.close()
  }
}

function laneBirths(log: JournalLog, laneCount: number): LaneBirth[] {
  return Array.from({ length: laneCount }, (_, lane) => {
    const { generation, lastSequence } = log.state(lane as LaneId)
    return { ...log.creation(lane as LaneId), generation, lastSequence }
  })
}

function main(host: MessagePort, options: JournalLogOptions): void {
  const report = (message: FromWriterHost): void => host.postMessage(message)
  let writer: JournalWriter
  try {
    const log = JournalLog.open(options)
    writer = new JournalWriter(log)
    report({ kind: 'opened', lanes: laneBirths(log, options.laneCount) })
  } catch (error) {
    report({ kind: 'failed', error: errorToWire(error) })
    host.close()
    return
  }
  host.on('message', async (message: ToWriterHost) => {
    try {
      if (message.kind === 'adapter') writer.addAdapter(message.port)
      else if (message.kind === 'raiseGeneration') writer.raiseGeneration(message.lane, message.generation)
      else await writer.close()
      if (message.kind !== 'adapter') report({ kind: 'done' })
      if (message.kind === 'close') host.close()
    } catch (error) {
      report({ kind: 'failed', error: errorToWire(error) })
    }
  })
}

main(present(parentPort, 'the port of the writer thread'), workerData as JournalLogOptions)

import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { systemClock } from '../../base/clock.ts'
import type { LaneId } from '../../base/ids.ts'
import { createLmdbJournal, type LmdbJournalShared, openLmdbJournal } from '../../cluster/lmdb-journal.ts'

/**
 * The embedded journal: append latency, throughput, and the CPU of all threads together per MB, with the frames read back by a thread of their
 * own (`read`) or not. Each writer thread has one frame in flight (J2). The journal is trimmed behind 64 frames, so the file
 * size shows whether pages are reused.
 *
 *     node bench/micro/journal.ts [--dir .] [--mb 256]
 *
 * The budget: 0.2 µs for a record of 250 bytes, reading included, is 0.84 ms of CPU per MB.
 */
interface WriterTask {
  readonly shared: LmdbJournalShared
  readonly role: 'write' | 'read'
  readonly name: string
  readonly frameBytes: number
  readonly frames: number
  /** Pause between frames: a lightly loaded node. */
  readonly pauseMs: number
  /** Threads that have warmed up; then the start signal. */
  readonly gate: Int32Array
}

const LANE = 0 as LaneId
const MIB = 2 ** 20
const KEPT_FRAMES = 64
/** A thread before the clock starts; the reader's backlog of them is read within it. */
const WARM_UP_FRAMES = 20

async function write(task: WriterTask): Promise<number[]> {
  const journal = openLmdbJournal(task.shared, systemClock)
  const latenciesMs: number[] = []
  for (let i = -WARM_UP_FRAMES; i < task.frames; i++) {
    if (i === 0) {
      latenciesMs.length = 0
      await pass(task.gate)
    }
    const frame = fill(task.frameBytes)
    const startMs = performance.now()
    const { sequence } = await journal.append(LANE, `${task.name}/${i}`, frame)
    latenciesMs.push(performance.now() - startMs)
    if (sequence % KEPT_FRAMES === 0 && sequence > KEPT_FRAMES) await journal.trim(LANE, sequence - KEPT_FRAMES)
    if (task.pauseMs > 0) await systemClock.sleep(task.pauseMs)
  }
  await journal.close()
  return latenciesMs
}

async function read(task: WriterTask): Promise<number[]> {
  const journal = openLmdbJournal(task.shared, systemClock)
  const reader = journal.read(LANE, 0)
  await pass(task.gate)
  for (let seen = 0; seen < task.frames; ) seen += (await reader.next(8 * MIB, AbortSignal.timeout(60_000))).length
  await journal.close()
  return []
}

const CONTENT = systemClock.randomBytes(65_536)

/** What the encoder of frames does: fills a fresh buffer. Its cost is part of the figures and printed apart. */
function fill(frameBytes: number): Uint8Array {
  const frame = new Uint8Array(Buffer.allocUnsafeSlow(frameBytes).buffer)
  for (let at = 0; at < frame.length; at += CONTENT.length) {
    frame.set(CONTENT.subarray(0, Math.min(CONTENT.length, frame.length - at)), at)
  }
  return frame
}

/** Says that this thread is ready and waits until all are. */
async function pass(gate: Int32Array): Promise<void> {
  Atomics.add(gate, 0, 1)
  Atomics.notify(gate, 0)
  const opened = Atomics.waitAsync(gate, 1, 0)
  if (opened.async) await opened.value
}

async function allReady(gate: Int32Array, threads: number): Promise<void> {
  for (;;) {
    const ready = Atomics.load(gate, 0)
    if (ready === threads) return
    const changed = Atomics.waitAsync(gate, 0, ready)
    if (changed.async) await changed.value
  }
}

async function thread(task: WriterTask): Promise<number[]> {
  const worker = new Worker(new URL(import.meta.url), { workerData: task, transferList: [task.shared.port] })
  return new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
}

async function measure(
  directory: string,
  writers: number,
  frameBytes: number,
  mb: number,
  pauseMs: number,
  reads: boolean,
) {
  const host = await createLmdbJournal({ directory, laneCount: 1, bytesMax: 1024 * MIB, clock: systemClock })
  const frames = Math.max(40, Math.min(Math.ceil((mb * MIB) / frameBytes / writers), 2000))
  const gate = new Int32Array(new SharedArrayBuffer(8))
  const task = { frameBytes, frames, pauseMs, gate }
  const threads: Promise<number[]>[] = []
  for (let w = 0; w < writers; w++)
    threads.push(thread({ ...task, shared: host.share(), role: 'write', name: `w${w}` }))
  if (reads)
    threads.push(
      thread({ ...task, frames: (frames + WARM_UP_FRAMES) * writers, shared: host.share(), role: 'read', name: 'r' }),
    )
  await allReady(gate, threads.length)
  const startMs = performance.now()
  const cpuStart = process.cpuUsage()
  Atomics.store(gate, 1, 1)
  Atomics.notify(gate, 1)
  const latenciesMs = (await Promise.all(threads)).flat().sort((a, b) => a - b)
  const wallMs = performance.now() - startMs
  const cpu = process.cpuUsage(cpuStart)
  await host.close()
  const files = await Promise.all((await readdir(directory)).map((file) => stat(join(directory, file))))
  const totalMb = (frames * writers * frameBytes) / MIB
  const at = (share: number): string => latenciesMs[Math.floor((latenciesMs.length - 1) * share)]!.toFixed(2)
  console.log(
    [
      `${writers}`.padStart(7),
      `${frameBytes / 1024}K`.padStart(7),
      (reads ? 'yes' : 'no').padStart(5),
      `${pauseMs}`.padStart(6),
      ((frames * writers) / (wallMs / 1000)).toFixed(0).padStart(9),
      (totalMb / (wallMs / 1000)).toFixed(0).padStart(7),
      at(0.5).padStart(7),
      at(0.95).padStart(7),
      at(1).padStart(7),
      ((cpu.user + cpu.system) / 1000 / totalMb).toFixed(2).padStart(10),
      (((cpu.user + cpu.system) / totalMb / MIB) * 250).toFixed(3).padStart(14),
      (files.reduce((sum, file) => sum + file.size, 0) / MIB).toFixed(0).padStart(8),
    ].join(' '),
  )
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { dir: { type: 'string', default: '.' }, mb: { type: 'string', default: '256' } },
  })
  console.log(
    'writers   frame  read  pause  frames/s    MB/s     p50     p95     max  cpu ms/MB  us/250B record  file MB',
  )
  for (const [writers, frameKib, pauseMs, reads] of CASES) {
    const directory = await mkdtemp(join(values.dir, 'weir-bench-journal-'))
    try {
      await measure(directory, writers, frameKib * 1024, Number(values.mb), pauseMs, reads)
    } finally {
      await rm(directory, { recursive: true })
    }
  }
}

/** Writers, KiB a frame, pause between frames in ms, read back. */
const CASES: readonly (readonly [number, number, number, boolean])[] = [
  [1, 100, 0, false],
  [1, 100, 0, true],
  [2, 100, 0, true],
  [1, 512, 0, false],
  [1, 512, 0, true],
  [2, 512, 0, false],
  [2, 512, 0, true],
  [2, 1024, 0, true],
  [2, 100, 10, true],
  [2, 512, 20, true],
  [2, 1024, 20, true],
]

if (isMainThread) {
  await main()
} else {
  const task = workerData as WriterTask
  parentPort?.postMessage(await (task.role === 'write' ? write(task) : read(task)))
}

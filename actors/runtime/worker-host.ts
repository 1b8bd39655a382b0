import {
  MessageChannel,
  type MessagePort,
  parentPort,
  type ResourceLimits,
  Worker,
  workerData,
} from 'node:worker_threads'
import { assert, present } from '../../base/assert.ts'
import type { Clock } from '../../base/clock.ts'
import { errorFromWire, errorToWire, WeirError, type WireError } from '../../base/errors.ts'
import type { ActorSystem } from './actor-system.ts'

/**
 * Worker threads as members of a mesh: each has an actor system of its own and a direct port to every other one and to the
 * main thread, so that what one worker sends another never passes through a third thread.
 *
 * Start of a worker: the main thread makes one channel to each member there is, gives one end to the newcomer in its workerData and the
 * other to the member ('attach', confirmed by 'attached'), and waits for 'ready'. Stop: 'stop', then the thread ends by itself or at
 * the deadline.
 */
type ToWorker =
  | { readonly kind: 'attach'; readonly peer: string; readonly port: MessagePort }
  | { readonly kind: 'stop'; readonly drainMs: number }

type FromWorker =
  | { readonly kind: 'ready'; readonly value: unknown }
  | { readonly kind: 'failed'; readonly error: WireError }
  | { readonly kind: 'attached'; readonly peer: string }

/** A worker that drains as asked needs a moment more to end; one that is stuck is terminated then. */
const STUCK_GRACE_MS = 500

interface WorkerSeed {
  readonly name: string
  readonly data: unknown
  readonly ports: readonly { readonly peer: string; readonly port: MessagePort }[]
}

export interface WorkerOptions {
  /** Name of the worker's actor system. */
  readonly name: string
  /** The module that calls `hostWorker`. */
  readonly url: URL
  /** Given to it; cloned. */
  readonly data: unknown
  /** Ports in `data` that move to the worker. */
  readonly transfer?: readonly MessagePort[]
  readonly resourceLimits?: ResourceLimits
  /** How long it may take to become ready. */
  readonly startTimeoutMs: number
}

interface WorkerExit {
  readonly name: string
  /** What ended it, when it did not end well. */
  readonly error: WeirError | undefined
  /** True when it was asked to stop. */
  readonly expected: boolean
}

export interface WorkerHandle {
  readonly name: string
  /** What the worker said when it became ready. */
  readonly ready: unknown
  /** Resolves when the thread has ended. Never rejects. */
  readonly exited: Promise<WorkerExit>
  /** Asks it to drain and stop; terminates it when it has not within `drainMs`. */
  stop(drainMs: number): Promise<WorkerExit>
  /** Ends the thread at once. */
  terminate(): Promise<WorkerExit>
}

/** The main thread's side. Workers that die leave the mesh; starting another of the same name replaces one. */
export class WorkerMesh {
  readonly #system: ActorSystem
  readonly #clock: Clock
  readonly #members = new Map<string, Member>()

  constructor(system: ActorSystem, clock: Clock) {
    this.#system = system
    this.#clock = clock
  }

  /**
   * Resolves when the worker is ready and every member can reach it. Rejects with the error its start threw, with deadline_exceeded, or
   * with internal when the thread dies first.
   */
  async start(options: WorkerOptions): Promise<WorkerHandle> {
    const { name } = options
    assert(!this.#members.has(name) && name !== this.#system.name, `no other member is named ${name}`)
    const own = new MessageChannel()
    const seedPorts = [{ peer: this.#system.name, port: own.port2 }]
    const attachments: { member: Member; port: MessagePort }[] = []
    for (const member of this.#members.values()) {
      const channel = new MessageChannel()
      seedPorts.push({ peer: member.name, port: channel.port2 })
      attachments.push({ member, port: channel.port1 })
    }
    const seed: WorkerSeed = { name, data: options.data, ports: seedPorts }
    const member = new Member(this.#clock, options, seed)
    this.#members.set(name, member)
    void member.exited.then(() => {
      if (this.#members.get(name) === member) this.#members.delete(name)
    })
    this.#system.attach(name, own.port1)
    const timeout = new AbortController()
    const late = this.#clock.sleep(options.startTimeoutMs, timeout.signal).then(
      () => Promise.reject(new WeirError('deadline_exceeded', `worker ${name} did not become ready in time`)),
      () => undefined,
    )
    try {
      const reachable = Promise.all(attachments.map(({ member, port }) => member.attach(name, port)))
      await Promise.race([Promise.all([member.ready, reachable]), late])
    } catch (error) {
      await member.terminate()
      throw error
    } finally {
      timeout.abort()
    }
    return member.handle()
  }
}

/** One worker thread as the main thread sees it. */
class Member {
  readonly name: string
  readonly ready: Promise<unknown>
  readonly exited: Promise<WorkerExit>
  readonly #clock: Clock
  readonly #worker: Worker
  readonly #confirmations = new Map<string, () => void>()
  #isExpected = false

  constructor(clock: Clock, options: WorkerOptions, seed: WorkerSeed) {
    this.name = options.name
    this.#clock = clock
    this.#worker = new Worker(options.url, {
      name: options.name,
      workerData: seed,
      transferList: [...seed.ports.map(({ port }) => port), ...(options.transfer ?? [])],
      ...(options.resourceLimits ? { resourceLimits: options.resourceLimits } : {}),
    })
    this.exited = this.#watchExit()
    this.ready = new Promise((resolve, reject) => {
      this.#worker.on('message', (message: FromWorker) => {
        if (message.kind === 'ready') resolve(message.value)
        if (message.kind === 'failed') reject(errorFromWire(message.error))
        if (message.kind === 'attached') this.#confirmations.get(message.peer)?.()
      })
      void this.exited.then(({ error }) => {
        reject(error ?? new WeirError('internal', `worker ${this.name} ended before it was ready`))
      })
    })
  }

  /** Gives the worker a port to `peer`; resolves once it is in use, or when this worker is gone. */
  async attach(peer: string, port: MessagePort): Promise<void> {
    const confirmed = new Promise<void>((resolve) => {
      this.#confirmations.set(peer, resolve)
    })
    this.#worker.postMessage({ kind: 'attach', peer, port } satisfies ToWorker, [port])
    await Promise.race([confirmed, this.exited])
    this.#confirmations.delete(peer)
  }

  async stop(drainMs: number): Promise<WorkerExit> {
    this.#isExpected = true
    this.#worker.postMessage({ kind: 'stop', drainMs } satisfies ToWorker)
    const stuck = this.#clock.after(drainMs + STUCK_GRACE_MS, () => void this.#worker.terminate())
    const exit = await this.exited
    stuck.cancel()
    return exit
  }

  async terminate(): Promise<WorkerExit> {
    this.#isExpected = true
    await this.#worker.terminate()
    return this.exited
  }

  /** Of a worker that is ready. */
  async handle(): Promise<WorkerHandle> {
    return {
      name: this.name,
      ready: await this.ready,
      exited: this.exited,
      stop: (drainMs) => this.stop(drainMs),
      terminate: () => this.terminate(),
    }
  }

  #watchExit(): Promise<WorkerExit> {
    let failure: WeirError | undefined
    this.#worker.on('error', (error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error)
      failure ??= new WeirError('internal', `worker ${this.name} failed: ${reason}`, {}, { cause: error })
    })
    return new Promise((resolve) => {
      this.#worker.once('exit', (exitCode) => {
        if (exitCode !== 0 && !this.#isExpected) {
          failure ??= new WeirError('internal', `worker ${this.name} exited by itself`, { exitCode })
        }
        resolve({ name: this.name, error: failure, expected: this.#isExpected })
      })
    })
  }
}

/** What a worker's start function is given. */
export interface WorkerSide {
  readonly name: string
  /** As passed to WorkerMesh.start; check its shape by a type of your own. */
  readonly data: unknown
  /** Attaches the other members to `system`, those that come later too. Call it once. */
  connect(system: ActorSystem): void
}

export interface HostedWorker {
  /** Passed to WorkerHandle.ready; cloned. */
  readonly ready: unknown
  /** Drains and releases everything; the thread ends afterwards. */
  stop(drainMs: number): Promise<void>
}

/**
 * The worker's side: call it once at the top of the worker's module. `start` resolves when the worker can do its work; what it
 * throws makes WorkerMesh.start reject.
 */
export async function hostWorker(start: (worker: WorkerSide) => Promise<HostedWorker>): Promise<void> {
  const parent = present(parentPort, 'the parent of a worker thread')
  const seed = workerData as WorkerSeed
  const post = (message: FromWorker) => parent.postMessage(message)
  let system: ActorSystem | undefined
  const waiting = [...seed.ports]
  const stopAsked = new Promise<number>((resolve) => {
    parent.on('message', (message: ToWorker) => {
      if (message.kind === 'stop') return resolve(message.drainMs)
      // Until the system is there, the port itself keeps what is sent to it.
      if (system) system.attach(message.peer, message.port)
      else waiting.push(message)
      post({ kind: 'attached', peer: message.peer })
    })
  })
  let hosted: HostedWorker
  try {
    hosted = await start({
      name: seed.name,
      data: seed.data,
      connect(own) {
        assert(system === undefined && own.name === seed.name, 'a worker connects the system that bears its name, once')
        system = own
        for (const { peer, port } of waiting.splice(0)) own.attach(peer, port)
      },
    })
  } catch (error) {
    // The thread stays until it is terminated, so that the message is not lost.
    post({ kind: 'failed', error: errorToWire(error) })
    return
  }
  post({ kind: 'ready', value: hosted.ready })
  await hosted.stop(await stopAsked)
  process.exit(0)
}

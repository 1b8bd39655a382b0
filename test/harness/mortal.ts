import type { Clock, Timer } from '../../base/clock.ts'
import { WeirError } from '../../base/errors.ts'
import type { Registry, RegistryChange } from '../../cluster/registry.ts'

/**
 * The life of a simulated process. When it ends, nothing that the process waits for ever comes, and nothing that it still calls happens:
 * what runs of it stops at its next await, as if the process had been killed.
 */
export class Life {
  #isAlive = true
  /** Runs when the process goes on; undefined while it runs. */
  #held: (() => void)[] | undefined
  readonly #ended = Promise.withResolvers<void>()
  readonly #timers = new Set<Timer>()

  get isAlive(): boolean {
    return this.#isAlive
  }

  /** Resolves when the life is over. */
  get ended(): Promise<void> {
    return this.#ended.promise
  }

  end(): void {
    this.#isAlive = false
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
    this.#held = undefined
    this.#ended.resolve()
  }

  /** The process is stopped, as by SIGSTOP: what it has asked for happens, and it hears of it when it goes on. */
  suspend(): void {
    this.#held ??= []
  }

  /** The process goes on, and believes what it believed. */
  resume(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const run of held) run()
  }

  get isSuspended(): boolean {
    return this.#held !== undefined
  }

  /** Runs `run` at once, or when the process goes on. */
  awake(run: () => void): void {
    if (this.#held === undefined) run()
    else this.#held.push(run)
  }

  /** Resolves at once, or when the process goes on. */
  awakened(): Promise<void> {
    return new Promise((resolve) => this.awake(resolve))
  }

  /** The outcome of `promise`, `delay` later; never, when the life ends before. */
  outlasts<T>(promise: Promise<T>, delay: () => Promise<void> = () => Promise.resolve()): Promise<T> {
    return new Promise((resolve, reject) => {
      const settle = async (deliver: () => void) => {
        await delay()
        this.awake(() => {
          if (this.#isAlive) deliver()
        })
      }
      promise.then(
        (value) => settle(() => resolve(value)),
        (error) => settle(() => reject(error)),
      )
    })
  }

  /** `clock` as the process sees it. */
  clock(clock: Clock): Clock {
    /** What is due while the process is stopped is due when it goes on; a period that passed several times, once. */
    const own = (start: (due: () => void) => Timer, run: () => void, isOnce: boolean): Timer => {
      if (!this.#isAlive) return { cancel() {} }
      let isDue = false
      let isCancelled = false
      const timer = start(() => {
        if (isOnce) this.#timers.delete(timer)
        if (isDue) return
        isDue = true
        this.awake(() => {
          isDue = false
          if (this.#isAlive && !isCancelled) run()
        })
      })
      this.#timers.add(timer)
      return {
        cancel: () => {
          isCancelled = true
          this.#timers.delete(timer)
          timer.cancel()
        },
      }
    }
    return {
      nowMs: () => clock.nowMs(),
      monotonicMs: () => clock.monotonicMs(),
      after: (delayMs, run) => own((due) => clock.after(delayMs, due), run, true),
      every: (periodMs, run) => own((due) => clock.every(periodMs, due), run, false),
      sleep: (delayMs, signal) => this.outlasts(clock.sleep(delayMs, signal)),
      yieldTurn: () => this.outlasts(clock.yieldTurn()),
      randomBytes: (count) => clock.randomBytes(count),
      random: () => clock.random(),
    }
  }
}

/**
 * `port` as a process of this life sees it: its promises settle `delay` after they otherwise would, and not at all once the life
 * is over. `wrap` is applied to whatever else a method returns or resolves to.
 */
export function mortal<T extends object>(
  port: T,
  life: Life,
  delay?: () => Promise<void>,
  wrap: <R>(result: R) => R = (result) => result,
): T {
  return new Proxy(port, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target)
      if (typeof member !== 'function') return member
      return (...args: unknown[]): unknown => {
        if (!life.isAlive) {
          if (isSynchronous(target, name)) throw new WeirError('storage_unavailable', 'the process has ended')
          return new Promise(() => {})
        }
        const result: unknown = member.apply(target, args)
        return result instanceof Promise ? life.outlasts(result.then(wrap), delay) : wrap(result)
      }
    },
  })
}

/** A registry as a process of this life sees it. What a watch tells comes in order, each `newsDelay` after the change; never, when the life ends before. */
export function mortalRegistry(
  registry: Registry,
  life: Life,
  delay: () => Promise<void>,
  newsDelay: () => Promise<void>,
): Registry {
  const own = mortal(registry, life, delay)
  return {
    get: (key) => own.get(key),
    put: (key, value, expected) => own.put(key, value, expected),
    delete: (key, expected) => own.delete(key, expected),
    list: (prefix) => own.list(prefix),
    async watch(prefix, onChange) {
      let isOpened = false
      let news = Promise.resolve()
      const tell = (change: RegistryChange): void => {
        if (!isOpened) {
          onChange(change)
          return
        }
        const due = newsDelay()
        news = news.then(() => life.outlasts(due)).then(() => onChange(change))
      }
      const end = await own.watch(prefix, tell)
      isOpened = true
      return end
    },
    close: () => own.close(),
  }
}

/** Reads of a KeyValueStore return at once. */
function isSynchronous(port: object, name: string | symbol): boolean {
  return 'transact' in port && name !== 'transact' && name !== 'flushed' && name !== 'close'
}

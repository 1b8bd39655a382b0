import { type ReadonlySignal, signal } from '@preact/signals'
import { ApiProblem } from './api-client.ts'

/** What is known of something that is fetched: while it is fetched again, what was there before stays. */
export interface Loaded<T> {
  readonly value: T | undefined
  readonly problem: ApiProblem | undefined
  readonly isLoading: boolean
}

/** Fetches the newest of what is asked for, one at a time: a new request gives the one before up. */
export class Loader<T> {
  readonly #state = signal<Loaded<T>>({ value: undefined, problem: undefined, isLoading: false })
  #running: AbortController | undefined

  get state(): ReadonlySignal<Loaded<T>> {
    return this.#state
  }

  /** Resolves when it is there, has failed (see `problem`) or was given up. Never rejects. */
  async load(fetchIt: (signal: AbortSignal) => Promise<T>): Promise<void> {
    this.#running?.abort()
    const running = new AbortController()
    this.#running = running
    this.#state.value = { ...this.#state.value, isLoading: true }
    try {
      const value = await fetchIt(running.signal)
      if (!running.signal.aborted) this.#state.value = { value, problem: undefined, isLoading: false }
    } catch (error) {
      if (running.signal.aborted) return
      this.#state.value = { value: undefined, problem: problemOf(error), isLoading: false }
    }
  }

  /** Gives up what is being fetched, and forgets what was. */
  clear(): void {
    this.stop()
    this.#state.value = { value: undefined, problem: undefined, isLoading: false }
  }

  /** Gives up what is being fetched. */
  stop(): void {
    this.#running?.abort()
    this.#running = undefined
  }
}

export function problemOf(error: unknown): ApiProblem {
  if (error instanceof ApiProblem) return error
  const detail = error instanceof Error ? error.message : String(error)
  return new ApiProblem(0, { code: 'page_error', title: 'The page failed', detail })
}

import type { MessagePort } from 'node:worker_threads'
import { assert } from '../base/assert.ts'
import { errorFromWire, WeirError, type WireError } from '../base/errors.ts'
import type { LmdbRegistryShared } from './lmdb-registry.ts'
import type { Registry, RegistryChange, RegistryEntry } from './registry.ts'

/** The embedded registry from a thread other than its own: every call goes through a port to the thread that owns it. */
export function openLmdbRegistry(shared: LmdbRegistryShared): Registry {
  return new RemoteRegistry(shared.port)
}

export type RegistryCall =
  | { readonly kind: 'get'; readonly id: number; readonly key: string }
  | {
      readonly kind: 'put'
      readonly id: number
      readonly key: string
      readonly value: Uint8Array
      readonly expected: number
    }
  | { readonly kind: 'delete'; readonly id: number; readonly key: string; readonly expected: number }
  | { readonly kind: 'list'; readonly id: number; readonly prefix: string }
  | { readonly kind: 'watch'; readonly id: number; readonly prefix: string }
  /** Ends the watch that the call `id` began; not answered. */
  | { readonly kind: 'unwatch'; readonly id: number }

export type RegistryReply =
  | { readonly kind: 'result'; readonly id: number; readonly result: RegistryResult }
  | { readonly kind: 'change'; readonly id: number; readonly change: RegistryChange }
  | { readonly kind: 'error'; readonly id: number; readonly error: WireError }

type RegistryResult = RegistryEntry | readonly RegistryEntry[] | number | undefined

class RemoteRegistry implements Registry {
  readonly #port: MessagePort
  readonly #calls = new Map<number, { resolve: (result: RegistryResult) => void; reject: (error: WeirError) => void }>()
  readonly #watches = new Map<number, (change: RegistryChange) => void>()
  #lastId = 0
  #isClosed = false

  constructor(port: MessagePort) {
    this.#port = port
    port.on('message', (reply: RegistryReply) => this.#receive(reply))
    port.on('close', () => this.#fail())
  }

  async get(key: string): Promise<RegistryEntry | undefined> {
    return (await this.#call((id) => ({ kind: 'get', id, key }))) as RegistryEntry | undefined
  }

  async put(key: string, value: Uint8Array, expected: number): Promise<number> {
    // Messages copy the whole buffer behind a view.
    const own = value.slice()
    return (await this.#call((id) => ({ kind: 'put', id, key, value: own, expected }))) as number
  }

  async delete(key: string, expected: number): Promise<void> {
    await this.#call((id) => ({ kind: 'delete', id, key, expected }))
  }

  async list(prefix: string): Promise<readonly RegistryEntry[]> {
    return (await this.#call((id) => ({ kind: 'list', id, prefix }))) as readonly RegistryEntry[]
  }

  async watch(prefix: string, onChange: (change: RegistryChange) => void): Promise<() => void> {
    let watchId = 0
    await this.#call((id) => {
      watchId = id
      this.#watches.set(id, onChange)
      return { kind: 'watch', id, prefix }
    })
    return () => {
      if (this.#watches.delete(watchId) && !this.#isClosed) this.#post({ kind: 'unwatch', id: watchId })
    }
  }

  async close(): Promise<void> {
    this.#fail()
    this.#port.close()
  }

  #call(make: (id: number) => RegistryCall): Promise<RegistryResult> {
    if (this.#isClosed) return Promise.reject(closed())
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject })
      this.#post(make(id))
    })
  }

  #post(call: RegistryCall): void {
    this.#port.postMessage(call)
  }

  #receive(reply: RegistryReply): void {
    if (reply.kind === 'change') {
      this.#watches.get(reply.id)?.(reply.change)
      return
    }
    const call = this.#calls.get(reply.id)
    assert(call !== undefined, 'a reply belongs to a call')
    this.#calls.delete(reply.id)
    if (reply.kind === 'error') call.reject(errorFromWire(reply.error))
    else call.resolve(reply.result)
  }

  #fail(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const { reject } of this.#calls.values()) reject(closed())
    this.#calls.clear()
    this.#watches.clear()
  }
}

function closed(): WeirError {
  return new WeirError('storage_unavailable', 'the registry is closed')
}

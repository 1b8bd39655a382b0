import { WeirError } from '../../base/errors.ts'
import { checkObjectKey } from '../../storage/object-store/object-keys.ts'
import type { ObjectStore } from '../../storage/object-store/object-store.ts'

export type ObjectOperation = 'put' | 'get' | 'size' | 'list' | 'delete'

/**
 * What befalls an operation: an error before anything happens, or after it has happened (the answer got lost), or a get that
 * is cut short to so many bytes.
 */
export type ObjectFault =
  | { readonly kind: 'before'; readonly error: WeirError }
  | { readonly kind: 'after'; readonly error: WeirError }
  | { readonly kind: 'truncate'; readonly length: number }

/** ObjectStore of the simulator and of tests: in memory, with faults, counting what is asked of it. */
export class MemoryObjectStore implements ObjectStore {
  readonly objects = new Map<string, Uint8Array>()
  /** Ranged reads and bytes they returned. */
  gets = 0
  bytesRead = 0
  /** Asked before every operation. */
  fault: (operation: ObjectOperation, key: string) => ObjectFault | undefined = () => undefined
  /** Awaited by every put before its effect; undefined: none waits. */
  pausePut: ((key: string) => Promise<void>) | undefined
  /** The same of every get. */
  pauseGet: ((key: string) => Promise<void>) | undefined

  async put(key: string, bytes: Uint8Array): Promise<void> {
    checkObjectKey(key)
    const fault = this.#faultOf('put', key)
    if (this.pausePut !== undefined) await this.pausePut(key)
    this.objects.set(key, bytes.slice())
    if (fault?.kind === 'after') throw fault.error
  }

  async get(key: string, range?: { readonly offset: number; readonly length?: number }): Promise<Uint8Array> {
    checkObjectKey(key)
    const fault = this.#faultOf('get', key)
    if (this.pauseGet !== undefined) await this.pauseGet(key)
    const object = this.objects.get(key)
    if (object === undefined) throw new WeirError('not_found', 'there is no such object', { key })
    const offset = range?.offset ?? 0
    const start = Math.max(offset < 0 ? object.length + offset : offset, 0)
    let bytes = object.slice(start, range?.length === undefined ? undefined : start + range.length)
    if (fault?.kind === 'after') throw fault.error
    if (fault?.kind === 'truncate') bytes = bytes.slice(0, fault.length)
    this.gets++
    this.bytesRead += bytes.length
    return bytes
  }

  async size(key: string): Promise<number | undefined> {
    checkObjectKey(key)
    this.#faultOf('size', key)
    return this.objects.get(key)?.length
  }

  async *list(prefix: string): AsyncIterable<string> {
    this.#faultOf('list', prefix)
    for (const key of [...this.objects.keys()].sort()) if (key.startsWith(prefix)) yield key
  }

  async delete(key: string): Promise<void> {
    checkObjectKey(key)
    const fault = this.#faultOf('delete', key)
    this.objects.delete(key)
    if (fault?.kind === 'after') throw fault.error
  }

  #faultOf(operation: ObjectOperation, key: string): ObjectFault | undefined {
    const fault = this.fault(operation, key)
    if (fault?.kind === 'before') throw fault.error
    return fault
  }
}

import type { RemoteObjectStore } from '../../storage/object-store/cached.ts'
import { MemoryObjectStore } from './memory-object-store.ts'

/** An ObjectStore in memory that can be held up, as one far away is. */
export class MemoryRemoteStore extends MemoryObjectStore implements RemoteObjectStore {
  /** Every read waits for it. */
  gate: Promise<void> = Promise.resolve()
  /** Ranges that were read, in order. */
  readonly ranges: { readonly key: string; readonly offset: number; readonly length: number | undefined }[] = []

  async read(key: string, range?: { readonly offset: number; readonly length?: number }) {
    this.ranges.push({ key, offset: range?.offset ?? 0, length: range?.length })
    await this.gate
    return { bytes: await super.get(key, range), objectBytes: this.objects.get(key)?.length ?? 0 }
  }

  override async get(key: string, range?: { readonly offset: number; readonly length?: number }): Promise<Uint8Array> {
    return (await this.read(key, range)).bytes
  }

  close(): void {}
}

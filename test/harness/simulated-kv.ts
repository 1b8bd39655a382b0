import { WeirError } from '../../base/errors.ts'
import { Prng } from '../../base/prng.ts'
import type { KeyValueEngine, KeyValueEntry, KeyValueOperation, KeyValueStore } from '../../storage/kv.ts'

export type KeyValueCall = 'open' | 'transact' | 'flushed'
/** An error before anything happens, or after it happened: the caller cannot tell. */
export interface KeyValueFault {
  readonly when: 'before' | 'after'
  readonly error: WeirError
}

/**
 * Stores in memory that forget like a machine without power: what was committed since the last `flushed` survives a crash only as a
 * prefix of transactions, chosen by the seed.
 */
export class SimulatedKeyValueEngine implements KeyValueEngine {
  readonly #prng: Prng
  readonly #disks = new Map<string, Disk>()
  /** Asked before each operation. */
  fault: (call: KeyValueCall, directory: string) => KeyValueFault | undefined = () => undefined
  /** Awaited in the middle of each transaction and flush: where a schedule may interleave others, or crash. */
  pause: (call: KeyValueCall) => Promise<void> = () => Promise.resolve()
  /** Handles of an earlier life are dead. */
  #life = 0

  constructor(seed: string | number = 0) {
    this.#prng = new Prng(`kv/${seed}`)
  }

  async open(directory: string): Promise<KeyValueStore> {
    const fault = this.fault('open', directory)
    if (fault !== undefined) throw fault.error
    const disk = this.#disks.get(directory) ?? { visible: new SortedBytes(), durable: new SortedBytes(), unsynced: [] }
    this.#disks.set(directory, disk)
    const life = this.#life
    return new SimulatedStore(this, directory, disk, () => life === this.#life)
  }

  async list(directory: string): Promise<string[]> {
    const prefix = `${directory}/`
    const names = new Set<string>()
    for (const path of this.#disks.keys()) {
      if (path.startsWith(prefix)) names.add(path.slice(prefix.length).split('/')[0]!)
    }
    return [...names].sort()
  }

  async destroy(directory: string): Promise<void> {
    for (const path of [...this.#disks.keys()]) {
      if (path === directory || path.startsWith(`${directory}/`)) this.#disks.delete(path)
    }
  }

  /** The power fails. Every store keeps what was flushed and some prefix of what was not; all handles are dead. */
  crash(): void {
    this.#life++
    for (const disk of this.#disks.values()) {
      const kept = this.#prng.between(0, disk.unsynced.length)
      for (const operations of disk.unsynced.slice(0, kept)) disk.durable.apply(operations)
      disk.visible = disk.durable.clone()
      disk.unsynced = []
    }
  }

  /** The process dies and the machine lives: nothing committed is lost; all handles are dead. */
  kill(): void {
    this.#life++
  }
}

interface Disk {
  visible: SortedBytes
  durable: SortedBytes
  unsynced: (readonly KeyValueOperation[])[]
}

class SimulatedStore implements KeyValueStore {
  readonly #engine: SimulatedKeyValueEngine
  readonly #directory: string
  readonly #disk: Disk
  readonly #isAlive: () => boolean
  #isClosed = false
  #tail: Promise<unknown> = Promise.resolve()

  constructor(engine: SimulatedKeyValueEngine, directory: string, disk: Disk, isAlive: () => boolean) {
    this.#engine = engine
    this.#directory = directory
    this.#disk = disk
    this.#isAlive = isAlive
  }

  get(key: Uint8Array): Uint8Array | undefined {
    this.#check()
    return this.#disk.visible.get(key)?.slice()
  }

  getView(key: Uint8Array): Uint8Array | undefined {
    return this.get(key)
  }

  *range(from: Uint8Array, to: Uint8Array, options?: { reverse?: boolean; limit?: number }): Generator<KeyValueEntry> {
    for (const key of this.keys(from, to, options)) {
      const value = this.get(key)
      if (value !== undefined) yield { key, value }
    }
  }

  keys(from: Uint8Array, to: Uint8Array, options: { reverse?: boolean; limit?: number } = {}): Iterable<Uint8Array> {
    this.#check()
    const keys = this.#disk.visible.keys(from, to)
    if (options.reverse) keys.reverse()
    return keys.slice(0, options.limit ?? keys.length)
  }

  transact(operations: readonly KeyValueOperation[]): Promise<void> {
    this.#check()
    const copies = operations.map(copyOf)
    return this.#inOrder(async () => {
      const fault = this.#engine.fault('transact', this.#directory)
      await this.#engine.pause('transact')
      this.#check()
      if (fault?.when === 'before') throw fault.error
      if (copies.length > 0) {
        this.#disk.visible.apply(copies)
        this.#disk.unsynced.push(copies)
      }
      if (fault !== undefined) throw fault.error
    })
  }

  flushed(): Promise<void> {
    this.#check()
    return this.#inOrder(async () => {
      const count = this.#disk.unsynced.length
      const fault = this.#engine.fault('flushed', this.#directory)
      await this.#engine.pause('flushed')
      this.#check()
      if (fault?.when === 'before') throw fault.error
      for (const operations of this.#disk.unsynced.splice(0, count)) this.#disk.durable.apply(operations)
      if (fault !== undefined) throw fault.error
    })
  }

  async close(): Promise<void> {
    await this.#tail
    this.#isClosed = true
  }

  #inOrder(run: () => Promise<void>): Promise<void> {
    const done = this.#tail.then(run)
    this.#tail = done.catch(() => {})
    return done
  }

  #check(): void {
    if (this.#isClosed || !this.#isAlive()) {
      throw new WeirError('storage_unavailable', `the store in ${this.#directory} is gone`)
    }
  }
}

function copyOf(operation: KeyValueOperation): KeyValueOperation {
  if (operation.kind === 'delete') return { kind: 'delete', key: operation.key.slice() }
  return { kind: 'put', key: operation.key.slice(), value: operation.value.slice() }
}

/** A map from bytes to bytes, ordered by memcmp: Latin-1 text compares as its bytes do. */
class SortedBytes {
  #keys: string[] = []
  #values = new Map<string, Uint8Array>()

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#values.get(textOf(key))
  }

  keys(from: Uint8Array, to: Uint8Array): Uint8Array[] {
    const start = this.#lowerBound(textOf(from))
    const end = this.#lowerBound(textOf(to))
    return this.#keys.slice(start, Math.max(start, end)).map((key) => new Uint8Array(Buffer.from(key, 'latin1')))
  }

  apply(operations: readonly KeyValueOperation[]): void {
    for (const operation of operations) {
      const key = textOf(operation.key)
      const at = this.#lowerBound(key)
      const isThere = this.#keys[at] === key
      if (operation.kind === 'put') {
        if (!isThere) this.#keys.splice(at, 0, key)
        this.#values.set(key, operation.value)
      } else if (isThere) {
        this.#keys.splice(at, 1)
        this.#values.delete(key)
      }
    }
  }

  clone(): SortedBytes {
    const copy = new SortedBytes()
    copy.#keys = [...this.#keys]
    copy.#values = new Map(this.#values)
    return copy
  }

  #lowerBound(key: string): number {
    let low = 0
    let high = this.#keys.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#keys[middle]! < key) low = middle + 1
      else high = middle
    }
    return low
  }
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}

import type { DictionaryColumn } from '../base/columns.ts'
import { hashBytes } from '../base/hash.ts'
import { DICTIONARY_VALUES_MAX } from '../base/limits.ts'

const SLOTS = 1024

/** Numbers distinct (type, bytes) values from 1 to DICTIONARY_VALUES_MAX in order of first sight. Reusable after `reset`. */
export class DictionaryBuilder {
  /** Code of the value in a slot; 0 when free. */
  readonly #slots = new Uint8Array(SLOTS)
  readonly #hashes = new Int32Array(DICTIONARY_VALUES_MAX + 1)
  readonly #types = new Uint8Array(DICTIONARY_VALUES_MAX + 1)
  readonly #offsets = new Uint32Array(DICTIONARY_VALUES_MAX + 1)
  #bytes = new Uint8Array(4096)
  #count = 0

  get count(): number {
    return this.#count
  }

  reset(): void {
    this.#slots.fill(0)
    this.#count = 0
  }

  /** Code of the value bytes[start, end); 0 when it is new and there is no code left for it. */
  code(type: number, bytes: Uint8Array, start: number, end: number): number {
    const hash = hashBytes(bytes, start, end, type)
    let slot = ((hash ^ (hash >>> 15)) >>> 0) % SLOTS
    for (;;) {
      const code = this.#slots[slot]!
      if (code === 0) break
      if (this.#hashes[code] === hash && this.#types[code] === type && this.#isValue(code, bytes, start, end))
        return code
      slot = (slot + 1) % SLOTS
    }
    if (this.#count === DICTIONARY_VALUES_MAX) return 0
    const code = ++this.#count
    this.#slots[slot] = code
    this.#hashes[code] = hash
    this.#types[code] = type
    this.#keep(code, bytes, start, end)
    return code
  }

  /** The column of `codes` that were given out since `reset`. */
  column(name: string, codes: Uint8Array): DictionaryColumn {
    const count = this.#count
    const end = this.#offsets[count]!
    return {
      kind: 'dictionary',
      name,
      codes,
      types: this.#types.slice(1, count + 1),
      offsets: this.#offsets.slice(0, count + 1),
      bytes: this.#bytes.slice(0, end),
    }
  }

  #isValue(code: number, bytes: Uint8Array, start: number, end: number): boolean {
    const from = this.#offsets[code - 1]!
    if (this.#offsets[code]! - from !== end - start) return false
    const kept = this.#bytes
    for (let i = start, j = from; i < end; i++, j++) if (bytes[i] !== kept[j]) return false
    return true
  }

  #keep(code: number, bytes: Uint8Array, start: number, end: number): void {
    const from = this.#offsets[code - 1]!
    const to = from + end - start
    if (to > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#bytes.length * 2, to))
      grown.set(this.#bytes.subarray(0, from))
      this.#bytes = grown
    }
    this.#bytes.set(bytes.subarray(start, end), from)
    this.#offsets[code] = to
  }
}

import { assert } from '../base/assert.ts'
import { keysOfPath } from '../base/columns.ts'
import { NESTING_DEPTH_MAX, PATH_BYTES_MAX, RECORD_FIELDS_MAX } from '../base/limits.ts'
import {
  ARENA,
  KernelMemory,
  KNOWN,
  NEXT,
  PARENTS,
  PATH_HASHES,
  PATH_SLOTS,
  PATTERN_LENGTHS,
  PATTERN_STARTS,
  SEED,
  SLACK_BYTES,
} from './kernel/kernel-memory.ts'
import { knownCodeOf } from './known-fields.ts'

/** Paths known at a time. Senders that make up keys fill it; then it is emptied between two records. */
const PATHS_MAX = 16_384
const SLOTS = PATHS_MAX * 4
/** Every object on the way to a field is a path too. */
const PATHS_PER_RECORD_MAX = RECORD_FIELDS_MAX * NESTING_DEPTH_MAX + 64
const KEY_BYTES_MAX = 1024 * 1024
const KEY_BYTES_PER_RECORD_MAX = RECORD_FIELDS_MAX * (PATH_BYTES_MAX + 8) + 16 * 1024
/** A longer run of taken slots is an attack or very bad luck; a Map with V8's own seeded hash takes over from there. */
const PROBES_MAX = 24

const RESERVED_PREFIX = '\\@'

export const PATH_ROOT = 0
/** `child` returns it for a path longer than PATH_BYTES_MAX. */
export const PATH_TOO_LONG = -1

/** One step of the key hash; start from `seedOf(parent)`, then one step a byte. */
export const HASH_MULTIPLIER = 0x01000193

// A byte order mark is a character of the key like any other.
const textDecoder = new TextDecoder('utf-8', { ignoreBOM: true })
const textEncoder = new TextEncoder()

/**
 * Numbers for field paths, so that the scanner and the column writers of a thread speak of a field by an integer. A path
 * is (parent path, key); keys are compared byte by byte, so two keys with one hash stay two paths. The hash is seeded:
 * senders cannot aim for collisions.
 *
 * The arrays are public for the scanner's inner loop, which reads them; only this class writes them, except `next`.
 */
export class PathTable {
  /** Memory of this thread's scanner and column writers. */
  readonly memory: KernelMemory
  readonly parents: Int32Array
  /** What the path stands for; see known-fields.ts. */
  readonly known: Uint16Array
  /** Guess: the path that came after this one in the last record. Written by the scanner. */
  readonly next: Int32Array
  /** The path as it stands in most records, `"key":`, in `arena`; length 0 when the key needs escapes. */
  readonly patternStarts: Int32Array
  readonly patternLengths: Int32Array
  readonly arena: Uint8Array
  readonly arenaView: DataView
  /** Rises whenever all numbers given out before have become void. */
  epoch = 1

  readonly #keyLengths = new Int32Array(PATHS_MAX)
  readonly #hashes: Int32Array
  readonly #pathBytes = new Int32Array(PATHS_MAX)
  readonly #slots: Int32Array
  readonly #reserved = new Map<string, number>()
  readonly #crowded = new Map<string, number>()
  readonly #names: string[] = ['']
  readonly #seed: number
  #count = 1
  #arenaUsed = 0

  /** `seed`: any 32-bit number, random in production. */
  constructor(seed: number) {
    this.#seed = seed | 0
    const memory = new KernelMemory()
    this.memory = memory
    this.parents = memory.int32Array(PATHS_MAX)
    this.known = memory.uint16Array(PATHS_MAX)
    this.next = memory.int32Array(PATHS_MAX)
    this.patternStarts = memory.int32Array(PATHS_MAX)
    this.patternLengths = memory.int32Array(PATHS_MAX)
    this.arena = memory.uint8Array(KEY_BYTES_MAX)
    this.arenaView = new DataView(this.arena.buffer, this.arena.byteOffset, this.arena.length + SLACK_BYTES)
    this.#hashes = memory.int32Array(PATHS_MAX)
    this.#slots = memory.int32Array(SLOTS)
    const { words } = memory
    words[SEED] = this.#seed
    words[PARENTS] = this.parents.byteOffset
    words[KNOWN] = this.known.byteOffset
    words[NEXT] = this.next.byteOffset
    words[PATTERN_STARTS] = this.patternStarts.byteOffset
    words[PATTERN_LENGTHS] = this.patternLengths.byteOffset
    words[ARENA] = this.arena.byteOffset
    words[PATH_HASHES] = this.#hashes.byteOffset
    words[PATH_SLOTS] = this.#slots.byteOffset
  }

  get count(): number {
    return this.#count
  }

  seedOf(parent: number): number {
    return (this.#seed ^ Math.imul(parent + 1, 0x9e3779b1)) | 0
  }

  /** Canonical path of a number that `child` or `intern` returned in this epoch. */
  name(path: number): string {
    const name = this.#names[path]
    assert(name !== undefined, 'a path number belongs to the current epoch')
    return name
  }

  /**
   * Number of the field `bytes[start, end)` within `parent`; `hash` is the key's hash. PATH_TOO_LONG when the path is
   * longer than it may be.
   */
  child(parent: number, bytes: Uint8Array, start: number, end: number, hash: number): number {
    const length = end - start
    const mixed = mix(hash)
    let slot = mixed & (SLOTS - 1)
    for (let probe = 0; probe < PROBES_MAX; probe++) {
      const path = this.#slots[slot]!
      if (path === 0) return this.#add(parent, bytes, start, length, hash, slot)
      if (
        this.#hashes[path] === hash &&
        this.parents[path] === parent &&
        this.#keyLengths[path] === length &&
        this.#keyEquals(path, bytes, start, length)
      )
        return path
      slot = (slot + 1) & (SLOTS - 1)
    }
    const name = this.#nameOfChild(parent, bytes, start, end)
    return this.#crowded.get(name) ?? this.#add(parent, bytes, start, length, hash, -1)
  }

  /**
   * Number of a canonical path, or of a column of our own (`\\@…`), which no record's keys lead to. PATH_TOO_LONG when it
   * is longer than PATH_BYTES_MAX.
   */
  intern(name: string): number {
    if (name.startsWith(RESERVED_PREFIX)) return this.#reserve(name)
    let path = PATH_ROOT
    for (const key of keysOfPath(name)) {
      const bytes = textEncoder.encode(key)
      let hash = this.seedOf(path)
      for (const byte of bytes) hash = Math.imul(hash ^ byte, HASH_MULTIPLIER)
      path = this.child(path, bytes, 0, bytes.length, hash)
      if (path === PATH_TOO_LONG) return path
    }
    return path
  }

  #reserve(name: string): number {
    let path = this.#reserved.get(name)
    if (path === undefined) {
      path = this.#count++
      assert(path < PATHS_MAX, 'columns of our own are few')
      this.parents[path] = PATH_ROOT
      this.next[path] = 0
      this.patternLengths[path] = 0
      this.known[path] = 0
      this.#names[path] = name
      this.#reserved.set(name, path)
    }
    return path
  }

  /**
   * Empties the table when the next record may not fit; call it between records only. Returns true when numbers given
   * out before are void.
   */
  makeRoom(): boolean {
    if (this.#count + PATHS_PER_RECORD_MAX <= PATHS_MAX && this.#arenaUsed + KEY_BYTES_PER_RECORD_MAX <= KEY_BYTES_MAX)
      return false
    this.#count = 1
    this.#arenaUsed = 0
    this.#names.length = 1
    this.#crowded.clear()
    this.#reserved.clear()
    this.#slots.fill(0)
    this.next.fill(0)
    this.epoch++
    return true
  }

  #add(parent: number, bytes: Uint8Array, start: number, length: number, hash: number, slot: number): number {
    const name = this.#nameOfChild(parent, bytes, start, start + length)
    const pathBytes = this.#pathBytes[parent]! + length + 1
    if (pathBytes > PATH_BYTES_MAX + 1) return PATH_TOO_LONG
    const path = this.#count
    assert(path < PATHS_MAX, 'room for the paths of a record is made before the record')
    this.#count++
    const at = this.#arenaUsed
    this.arena[at] = 0x22
    let plain = length > 0
    for (let i = 0; i < length; i++) {
      const byte = bytes[start + i]!
      if (byte < 0x20 || byte === 0x22 || byte === 0x5c) plain = false
      this.arena[at + 1 + i] = byte
    }
    this.arena[at + 1 + length] = 0x22
    this.arena[at + 2 + length] = 0x3a
    this.#arenaUsed = at + length + 3
    this.parents[path] = parent
    this.next[path] = 0
    this.patternStarts[path] = at
    this.patternLengths[path] = plain ? length + 3 : 0
    this.known[path] = knownCodeOf(name)
    this.#keyLengths[path] = length
    this.#hashes[path] = hash
    this.#pathBytes[path] = pathBytes
    this.#names[path] = name
    if (slot >= 0) this.#slots[slot] = path
    else this.#crowded.set(name, path)
    return path
  }

  #keyEquals(path: number, bytes: Uint8Array, start: number, length: number): boolean {
    const at = this.patternStarts[path]! + 1
    for (let i = 0; i < length; i++) if (this.arena[at + i] !== bytes[start + i]) return false
    return true
  }

  #nameOfChild(parent: number, bytes: Uint8Array, start: number, end: number): string {
    const key = textDecoder.decode(bytes.subarray(start, end)).replace(/[\\.]/g, '\\$&')
    return parent === PATH_ROOT ? key : `${this.#names[parent]}.${key}`
  }
}

/** Spreads a hash whose low bits depend on the last bytes most. */
function mix(hash: number): number {
  const h = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  return h ^ (h >>> 13)
}

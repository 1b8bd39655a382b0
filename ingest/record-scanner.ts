import { VALUE_BOOLEAN, VALUE_JSON, VALUE_NULL, VALUE_NUMBER, VALUE_STRING } from '../base/columns.ts'
import { NESTING_DEPTH_MAX, RECORD_FIELDS_MAX, VALUE_BYTES_MAX } from '../base/limits.ts'
import {
  BACKSLASH,
  CLOSE_BRACE,
  COLON,
  COMMA,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  SKIP_DEPTH,
  SPACE_IN_DOCUMENT,
  StringDecoder,
  skipLiteral,
  skipNumber,
  ValueSkipper,
} from './json-text.ts'
import { PLACES, RANKS, SCRATCH, SEEN, STAMP } from './kernel/kernel-memory.ts'
import { KNOWN_COUNT, KNOWN_RANK_BITS, KNOWN_RANK_MASK, KNOWN_RANK_OWN, KNOWN_TIMESTAMP } from './known-fields.ts'
import { HASH_MULTIPLIER, PATH_ROOT, PATH_TOO_LONG, type PathTable } from './path-table.ts'
import type { RejectCode } from './reject.ts'
import type { RowStage } from './row-stage.ts'

/** Rank of a known field that no field of the record has. */
export const RANK_NONE = 255

/**
 * Scans one JSON object at a time from a stage's bytes into its fields. No object, string or closure is made for a
 * record.
 *
 * What makes it fast: the path that came after this one in the last record is tried first and compared in words of four
 * bytes; strings are searched for their end in words of four; escapes are decoded only where one occurs.
 */
export class RecordScanner {
  /** After a scan that failed: why, and where (position in the stage's bytes). */
  faultCode: RejectCode = 'invalid_json'
  faultWhat = ''
  faultAt = 0
  /**
   * After a scan: for each known field, the lowest rank among its names that the record has, and its place in the stage;
   * RANK_NONE when it has none.
   */
  readonly ranks: Uint8Array
  readonly places: Int32Array
  /** After a scan: how many fields have a name that is ours, or lost their column to a preferred name. */
  displaced = 0

  readonly #paths: PathTable
  readonly #stage: RowStage
  /** Decoded strings of the record go here; the region holds a whole record. */
  readonly #scratchStart: number
  #scratch = 0
  #space = SPACE_IN_DOCUMENT
  /** Path → number of the record that had it last. */
  readonly #seen: Int32Array
  /** The control block: numbers of records count on from the kernel's. */
  readonly #words: Int32Array
  readonly #decoder = new StringDecoder()
  readonly #skipper = new ValueSkipper()

  constructor(paths: PathTable, stage: RowStage, scratchStart: number) {
    this.#paths = paths
    this.#stage = stage
    this.#scratchStart = scratchStart
    const { memory } = paths
    this.#seen = memory.int32Array(paths.parents.length)
    // The kernel fills eight ranks at once.
    this.ranks = memory.uint8Array(8)
    this.places = memory.int32Array(KNOWN_COUNT)
    this.#words = memory.words
    this.#words[SEEN] = this.#seen.byteOffset
    this.#words[RANKS] = this.ranks.byteOffset
    this.#words[PLACES] = this.places.byteOffset
    this.#words[SCRATCH] = scratchStart
  }

  /** Sets the table of white space between tokens. */
  set space(table: Uint8Array) {
    this.#space = table
  }

  /**
   * Scans the object whose `{` stands at `start`, and returns the position after its `}`, or -1 with `fault*` set. A
   * byte 0 after the last byte of input ends the scan with a fault there.
   */
  scan(start: number): number {
    const stage = this.#stage
    const bytes = stage.bytes
    const view = stage.view
    const stagePaths = stage.paths
    const starts = stage.starts
    const ends = stage.ends
    const types = stage.types
    const paths = this.#paths
    const parents = paths.parents
    const next = paths.next
    const known = paths.known
    const patternStarts = paths.patternStarts
    const patternLengths = paths.patternLengths
    const arenaView = paths.arenaView
    const space = this.#space
    const seen = this.#seen
    const ranks = this.ranks

    ranks.fill(RANK_NONE)
    this.displaced = 0
    this.#scratch = this.#scratchStart
    const record = (this.#words[STAMP]! + 1) | 0
    this.#words[STAMP] = record
    stage.count = 0

    let count = 0
    let depth = 1
    let parent = PATH_ROOT
    let previous = PATH_ROOT
    let isRepeated = false
    let p = start + 1
    while (space[bytes[p]!] === 1) p++
    if (bytes[p] === CLOSE_BRACE) return p + 1

    for (;;) {
      // --- key ---
      let path = next[previous]!
      const last = patternLengths[path]! - 4
      let i = 0
      const pattern = patternStarts[path]!
      if (last >= 0 && parents[path] === parent) {
        while (i < last && view.getInt32(p + i, true) === arenaView.getInt32(pattern + i, true)) i += 4
      }
      if (
        i >= last &&
        last >= 0 &&
        parents[path] === parent &&
        view.getInt32(p + last, true) === arenaView.getInt32(pattern + last, true)
      ) {
        p += last + 4
      } else {
        path = this.#key(p, parent)
        if (path < 0) return -1
        next[previous] = path
        p = this.#keyEnd
      }
      previous = path
      let c = bytes[p]!
      if (c <= 0x20) {
        while (space[c] === 1) c = bytes[++p]!
      }
      if (seen[path] === record) {
        this.#takeBack(path, count)
        isRepeated = true
      }
      seen[path] = record

      // --- value ---
      let type: number
      let from = p
      let to: number
      if (c === QUOTE) {
        from = ++p
        for (;;) {
          const x = view.getInt32(p, true)
          const q = x ^ 0x22222222
          const b = x ^ 0x5c5c5c5c
          const m = (((q - 0x01010101) & ~q) | ((b - 0x01010101) & ~b) | ((x - 0x20202020) & ~x)) & -0x7f7f7f80
          if (m !== 0) {
            p += (31 - Math.clz32(m & -m)) >>> 3
            break
          }
          p += 4
        }
        to = p
        c = bytes[p]!
        if (c === QUOTE) p++
        else {
          if (c !== BACKSLASH) return this.#fault('invalid_json', 'a control character in a string', p)
          const decoder = this.#decoder
          const scratch = this.#scratch
          if (!decoder.decode(bytes, view, from, scratch))
            return this.#fault(
              'invalid_json',
              'an escape that JSON does not know, or a control character',
              decoder.position,
            )
          p = decoder.position
          from = scratch
          to = decoder.end
          this.#scratch = to
        }
        type = VALUE_STRING
      } else if ((c >= 0x30 && c <= 0x39) || c === 0x2d) {
        p = skipNumber(bytes, p)
        if (p < 0) return this.#fault('invalid_json', 'a malformed number', -1 - p)
        to = p
        type = VALUE_NUMBER
      } else if (c === OPEN_BRACE) {
        p++
        while (space[bytes[p]!] === 1) p++
        if (bytes[p] !== CLOSE_BRACE) {
          depth++
          if (depth > NESTING_DEPTH_MAX) return this.#fault('nesting_too_deep', 'an object nested too deep', from)
          parent = path
          continue
        }
        p++
        to = p
        if (to - from > 2) {
          // Its text is `{}`, whatever white space stood in it.
          from = this.#scratch
          bytes[from] = OPEN_BRACE
          bytes[from + 1] = CLOSE_BRACE
          to = from + 2
          this.#scratch = to
        }
        type = VALUE_JSON
      } else if (c === OPEN_BRACKET) {
        const skipper = this.#skipper
        p = skipper.skip(bytes, view, p, depth, space)
        if (p < 0)
          return skipper.fault === SKIP_DEPTH
            ? this.#fault('nesting_too_deep', 'an array or object nested too deep', skipper.faultAt)
            : this.#fault('invalid_json', 'a malformed array', skipper.faultAt)
        to = p
        type = VALUE_JSON
      } else {
        p = skipLiteral(view, bytes, p)
        if (p < 0) return this.#fault('invalid_json', 'a value that is not JSON', from)
        to = p
        type = c === 0x6e ? VALUE_NULL : VALUE_BOOLEAN
        if (type === VALUE_NULL) to = from
      }

      // --- field ---
      if (to - from > VALUE_BYTES_MAX) return this.#fault('value_too_large', 'a value that is too long', from)
      if (count === RECORD_FIELDS_MAX) return this.#fault('too_many_fields', 'one field too many', from)
      stagePaths[count] = path
      starts[count] = from
      ends[count] = to
      types[count] = type
      const code = known[path]!
      if (code !== 0) this.#note(code, count, type)
      count++

      // --- what follows ---
      c = bytes[p]!
      if (c <= 0x20) {
        while (space[c] === 1) c = bytes[++p]!
      }
      while (c === CLOSE_BRACE) {
        p++
        depth--
        if (depth === 0) {
          stage.count = count
          if (isRepeated) this.#noteAgain()
          return p
        }
        parent = parents[parent]!
        c = bytes[p]!
        if (c <= 0x20) {
          while (space[c] === 1) c = bytes[++p]!
        }
      }
      if (c !== COMMA) return this.#fault('invalid_json', 'something other than "," or "}" after a value', p)
      p++
      if (bytes[p]! <= 0x20) {
        while (space[bytes[p]!] === 1) p++
      }
    }
  }

  #keyEnd = 0

  /** Reads the key at `at` and its colon; returns its path, or -1. Sets `#keyEnd` to the position after the colon. */
  #key(at: number, parent: number): number {
    const { bytes, view } = this.#stage
    const paths = this.#paths
    const space = this.#space
    if (bytes[at] !== QUOTE) return this.#fault('invalid_json', 'something other than a key in quotes', at)
    let p = at + 1
    let from = p
    let to: number
    let hash = paths.seedOf(parent)
    let c = bytes[p]!
    while (c !== QUOTE && c !== BACKSLASH && c >= 0x20) {
      hash = Math.imul(hash ^ c, HASH_MULTIPLIER)
      c = bytes[++p]!
    }
    to = p
    if (c === QUOTE) p++
    else {
      if (c !== BACKSLASH) return this.#fault('invalid_json', 'a control character in a key', p)
      const decoder = this.#decoder
      if (!decoder.decode(bytes, view, from, this.#scratch))
        return this.#fault(
          'invalid_json',
          'an escape that JSON does not know, or a control character',
          decoder.position,
        )
      p = decoder.position
      from = this.#scratch
      to = decoder.end
      hash = paths.seedOf(parent)
      for (let i = from; i < to; i++) hash = Math.imul(hash ^ bytes[i]!, HASH_MULTIPLIER)
    }
    while (space[bytes[p]!] === 1) p++
    if (bytes[p] !== COLON) return this.#fault('invalid_json', 'no ":" after a key', p)
    this.#keyEnd = p + 1
    const path = paths.child(parent, bytes, from, to, hash)
    if (path === PATH_TOO_LONG) return this.#fault('path_too_long', 'a field whose path is too long', at)
    return path
  }

  /** Takes note of a field that has a meaning. */
  #note(code: number, place: number, type: number): void {
    const field = (code >> KNOWN_RANK_BITS) - 1
    const rank = code & KNOWN_RANK_MASK
    if (field >= KNOWN_COUNT) {
      this.displaced++
      return
    }
    // An own name always holds its column, so its value is the field's, whatever it is; an alias must bring a scalar.
    if (field === KNOWN_TIMESTAMP) {
      if (type !== VALUE_STRING && type !== VALUE_NUMBER) {
        if (rank === KNOWN_RANK_OWN) this.displaced++
        return
      }
    } else if (rank !== KNOWN_RANK_OWN && (type === VALUE_NULL || type === VALUE_JSON)) return
    const best = this.ranks[field]!
    if (best < KNOWN_RANK_OWN && rank === KNOWN_RANK_OWN) this.displaced++
    if (rank < best) {
      if (rank < KNOWN_RANK_OWN && best === KNOWN_RANK_OWN) this.displaced++
      this.ranks[field] = rank
      this.places[field] = place
    }
  }

  /** The last of equal keys wins: takes back what the record has staged at `path` and below it. */
  #takeBack(path: number, count: number): void {
    const staged = this.#stage.paths
    const parents = this.#paths.parents
    for (let i = 0; i < count; i++) {
      let above = staged[i]!
      while (above > PATH_ROOT && above !== path) above = parents[above]!
      if (above === path) staged[i] = -1
    }
  }

  /** Notes the known fields once more, after some were taken back. */
  #noteAgain(): void {
    const stage = this.#stage
    this.ranks.fill(RANK_NONE)
    this.displaced = 0
    for (let i = 0; i < stage.count; i++) {
      const path = stage.paths[i]!
      if (path >= 0 && this.#paths.known[path] !== 0) this.#note(this.#paths.known[path]!, i, stage.types[i]!)
    }
  }

  #fault(code: RejectCode, what: string, at: number): -1 {
    this.faultCode = code
    this.faultWhat = what
    this.faultAt = at
    return -1
  }
}

import { COLUMN_LEVEL_TEXT, COLUMN_SOURCE_PREFIX, VALUE_NUMBER, VALUE_STRING } from '../base/columns.ts'
import { WeirError } from '../base/errors.ts'
import { PATH_BYTES_MAX, VALUE_BYTES_MAX } from '../base/limits.ts'
import {
  DAYS,
  HIDDEN_PATHS,
  HOST_DEFAULT_END,
  HOST_DEFAULT_START,
  LEVEL_CACHE,
  LEVEL_CACHE_COUNT,
  LEVEL_ENDS,
  LEVEL_FLOOR,
  LEVEL_STARTS,
  LEVEL_TEXT_PATH,
  NAME_ENDS,
  NAME_STARTS,
  NEWEST_MS,
  OLDEST_MS,
  OWN_PATHS,
  RANK_SEVERITY_NUMBER as RANK_SEVERITY,
  RECEIVED_MS,
  SERVICE_DEFAULT_END,
  SERVICE_DEFAULT_START,
  SOURCE_PATHS,
} from './kernel/kernel-memory.ts'
import {
  HIDDEN_NAMES,
  HIDDEN_PREFIX,
  KNOWN_COUNT,
  KNOWN_HIDDEN,
  KNOWN_HOST,
  KNOWN_LEVEL,
  KNOWN_MESSAGE,
  KNOWN_NAMES,
  KNOWN_RANK_BITS,
  KNOWN_RANK_CHOSEN,
  KNOWN_RANK_MASK,
  KNOWN_RANK_OWN,
  KNOWN_SERVICE,
  KNOWN_TIMESTAMP,
  knownCode,
  NAME_SEVERITY_NUMBER,
} from './known-fields.ts'
import {
  detectLevel,
  LEVEL_INFO,
  LEVEL_NAMES,
  LEVEL_UNKNOWN,
  levelOfNumber,
  levelOfSeverityNumber,
  levelOfText,
} from './level.ts'
import { PATH_TOO_LONG, type PathTable } from './path-table.ts'
import { RANK_NONE, type RecordScanner } from './record-scanner.ts'
import type { RejectCode } from './reject.ts'
import type { RowStage } from './row-stage.ts'
import type { ScanOptions } from './scan.ts'
import { TimestampParser } from './timestamp.ts'

const SERVICE_UNKNOWN = 'unknown'
/** Longest default or field name that a request may choose. */
const CHOSEN_BYTES_MAX = PATH_BYTES_MAX
/** Room in the stage for the texts that rows get from us. */
export const RESOLVER_BYTES = 8 * 1024

const RANKS = 1 << KNOWN_RANK_BITS
const RANK_SEVERITY_NUMBER = KNOWN_NAMES[KNOWN_LEVEL]!.indexOf(NAME_SEVERITY_NUMBER) + 1

// Tables of the kernel; see kernel/resolve.as.
const DAYS_CACHED = 16
const LEVELS_CACHED_MAX = 32
const LEVEL_ENTRY_BYTES = 32
const LEVEL_TEXT_BYTES_MAX = 16

const textEncoder = new TextEncoder()

/**
 * Gives a scanned record its row: resolves the known fields (S8), time and level. The texts it adds stand in the stage's
 * bytes too.
 */
export class RecordResolver {
  /** After `resolve`: the value of the service column, in the stage's bytes. */
  serviceStart = 0
  serviceEnd = 0

  readonly #paths: PathTable
  readonly #stage: RowStage
  readonly #time = new TimestampParser()
  #epoch = 0
  #options: ScanOptions | undefined

  /** Paths of the known fields, and of the columns that say by which name they came. */
  readonly #ownPaths: Int32Array
  readonly #sourcePaths: Int32Array
  #levelTextPath = 0
  /** Text of name `rank` of a field, at field × RANKS + rank. */
  readonly #nameStarts: Int32Array
  readonly #nameEnds: Int32Array
  readonly #levelStarts: Int32Array
  readonly #levelEnds: Int32Array
  readonly #fixedBytes: number
  readonly #textsStart: number
  #used: number
  /** The control block of the kernel. */
  readonly #words: Int32Array
  readonly #floats: Float64Array
  /** Defaults of the request; an end of 0 means none. */
  #serviceDefaultStart = 0
  #serviceDefaultEnd = 0
  #hostDefaultStart = 0
  #hostDefaultEnd = 0
  /** Paths that the request prefers, and what they stood for before. */
  #chosen: { readonly path: number; readonly codeBefore: number; readonly start: number; readonly end: number }[] = []

  /** The kernel's tables: days it knows, and levels by their text. */
  readonly #days: Int32Array
  readonly #daysMs: Float64Array
  readonly #levelCache: Uint8Array
  /** `metadata`; then each hidden name and where it moves. */
  readonly #hiddenPaths: Int32Array

  /** Texts of ours go to the RESOLVER_BYTES of the stage from `textsStart` on. */
  constructor(paths: PathTable, stage: RowStage, textsStart: number) {
    this.#paths = paths
    this.#stage = stage
    this.#textsStart = textsStart
    this.#used = textsStart
    const { memory } = paths
    const { words } = memory
    this.#words = words
    this.#floats = memory.floats
    this.#ownPaths = memory.int32Array(KNOWN_COUNT)
    this.#sourcePaths = memory.int32Array(KNOWN_COUNT)
    this.#nameStarts = memory.int32Array(KNOWN_COUNT * RANKS)
    this.#nameEnds = memory.int32Array(KNOWN_COUNT * RANKS)
    this.#levelStarts = memory.int32Array(LEVEL_NAMES.length)
    this.#levelEnds = memory.int32Array(LEVEL_NAMES.length)
    this.#levelCache = memory.uint8Array(LEVELS_CACHED_MAX * LEVEL_ENTRY_BYTES)
    this.#days = memory.int32Array(DAYS_CACHED * 4)
    this.#daysMs = memory.floatsAt(this.#days.byteOffset, DAYS_CACHED * 2)
    this.#days.fill(-1)
    this.#hiddenPaths = memory.int32Array(1 + 2 * HIDDEN_NAMES.length)
    words[HIDDEN_PATHS] = this.#hiddenPaths.byteOffset
    words[OWN_PATHS] = this.#ownPaths.byteOffset
    words[SOURCE_PATHS] = this.#sourcePaths.byteOffset
    words[NAME_STARTS] = this.#nameStarts.byteOffset
    words[NAME_ENDS] = this.#nameEnds.byteOffset
    words[LEVEL_STARTS] = this.#levelStarts.byteOffset
    words[LEVEL_ENDS] = this.#levelEnds.byteOffset
    words[LEVEL_CACHE] = this.#levelCache.byteOffset
    words[LEVEL_CACHE_COUNT] = 0
    words[DAYS] = this.#days.byteOffset
    words[RANK_SEVERITY] = RANK_SEVERITY_NUMBER
    KNOWN_NAMES.forEach((names, field) => {
      names.forEach((name, i) => {
        this.#nameStarts[field * RANKS + i + 1] = this.#used
        this.#nameEnds[field * RANKS + i + 1] = this.#put(name)
      })
    })
    LEVEL_NAMES.forEach((name, level) => {
      this.#levelStarts[level] = this.#used
      this.#levelEnds[level] = this.#put(name)
    })
    this.#fixedBytes = this.#used
  }

  /** Takes over the options of a request; `end` undoes it. Throws invalid_parameter for names that are too long. */
  begin(options: ScanOptions): void {
    this.#options = options
    this.#used = this.#fixedBytes
    this.#serviceDefaultStart = this.#used
    this.#serviceDefaultEnd = this.#putChosen('service', options.serviceDefault ?? SERVICE_UNKNOWN)
    this.#hostDefaultStart = this.#used
    this.#hostDefaultEnd = options.hostDefault === undefined ? 0 : this.#putChosen('host', options.hostDefault)
    if (this.#epoch !== this.#paths.epoch) this.#internOwn()
    for (let field = 0; field < KNOWN_COUNT; field++) this.#nameEnds[field * RANKS + KNOWN_RANK_CHOSEN] = 0
    const words = this.#words
    words[SERVICE_DEFAULT_START] = this.#serviceDefaultStart
    words[SERVICE_DEFAULT_END] = this.#serviceDefaultEnd
    words[HOST_DEFAULT_START] = this.#hostDefaultStart
    words[HOST_DEFAULT_END] = this.#hostDefaultEnd
    words[LEVEL_FLOOR] = options.levelFloor ?? 0
    words[LEVEL_TEXT_PATH] = this.#levelTextPath
    this.#floats[RECEIVED_MS] = options.receivedMs
    this.#floats[OLDEST_MS] = options.oldestMs
    this.#floats[NEWEST_MS] = options.newestMs
    this.#choose('time_field', KNOWN_TIMESTAMP, options.timeField)
    this.#choose('message_field', KNOWN_MESSAGE, options.messageField)
  }

  end(): void {
    if (this.#epoch === this.#paths.epoch)
      for (let i = this.#chosen.length - 1; i >= 0; i--) {
        const { path, codeBefore } = this.#chosen[i]!
        this.#paths.known[path] = codeBefore
      }
    this.#chosen.length = 0
  }

  /** Looks its paths up again if the path table was emptied, and says so; call it before each record. */
  refresh(): boolean {
    if (this.#epoch === this.#paths.epoch) return false
    this.#chosen.length = 0
    this.begin(this.#options!)
    return true
  }

  /** Level of the message in the stage's bytes[start, end), as of a record without a level. */
  levelOf(start: number, end: number): number {
    const level = detectLevel(this.#stage.bytes, start, end)
    return level === LEVEL_UNKNOWN ? LEVEL_INFO : level
  }

  /** Completes the record that `scanner` has staged. Returns why it is refused, or null. */
  resolve(scanner: RecordScanner): RejectCode | null {
    const stage = this.#stage
    const { bytes, starts, ends, types, paths } = stage
    const options = this.#options!
    const ranks = scanner.ranks
    const places = scanner.places

    const sent = stage.count

    // --- level ---
    let level = LEVEL_UNKNOWN
    const levelRank = ranks[KNOWN_LEVEL]!
    if (levelRank === RANK_NONE) {
      level = this.#levelOfMessage(scanner)
      stage.add(this.#ownPaths[KNOWN_LEVEL]!, VALUE_STRING, this.#levelStarts[level]!, this.#levelEnds[level]!)
    } else {
      const i = places[KNOWN_LEVEL]!
      const from = starts[i]!
      const to = ends[i]!
      const type = types[i]!
      if (levelRank === RANK_SEVERITY_NUMBER) level = levelOfSeverityNumber(bytes, from, to)
      else if (type === VALUE_STRING) level = levelOfText(bytes, from, to)
      else if (type === VALUE_NUMBER) level = levelOfNumber(bytes, from, to)
      if (level === LEVEL_UNKNOWN) level = this.#levelOfMessage(scanner)
      else this.#remember(levelRank === RANK_SEVERITY_NUMBER ? type + 16 : type, from, to, level)
      const nameStart = this.#levelStarts[level]!
      const nameEnd = this.#levelEnds[level]!
      let isSame = type === VALUE_STRING && to - from === nameEnd - nameStart
      for (let k = 0; isSame && k < to - from; k++) isSame = bytes[from + k] === bytes[nameStart + k]
      if (!isSame) {
        stage.add(this.#levelTextPath, type, from, to)
        starts[i] = nameStart
        ends[i] = nameEnd
        types[i] = VALUE_STRING
      }
      if (levelRank !== KNOWN_RANK_OWN) this.#rename(KNOWN_LEVEL, levelRank, i)
    }
    if (options.levelFloor !== undefined && level < options.levelFloor) return 'overloaded'

    // --- time ---
    const timeRank = ranks[KNOWN_TIMESTAMP]!
    if (timeRank === RANK_NONE) {
      stage.timeMs = options.receivedMs
      stage.timeNs = 0
    } else {
      const i = places[KNOWN_TIMESTAMP]!
      const time = this.#time
      const isTime =
        types[i] === VALUE_STRING
          ? time.parseText(bytes, starts[i]!, ends[i]!)
          : time.parseNumber(bytes, starts[i]!, ends[i]!)
      if (!isTime) return 'invalid_timestamp'
      if (types[i] === VALUE_STRING && time.day >= 0) {
        const entry = time.day & (DAYS_CACHED - 1)
        this.#days[entry * 4] = time.day
        this.#daysMs[entry * 2 + 1] = time.dayMs
      }
      const ms = time.ms
      if (ms < options.oldestMs || ms > options.newestMs) return 'timestamp_out_of_range'
      stage.timeMs = ms
      stage.timeNs = time.ns
      if (timeRank !== KNOWN_RANK_OWN) this.#rename(KNOWN_TIMESTAMP, timeRank, i)
      paths[i] = -1
    }

    // --- the others ---
    if (scanner.displaced !== 0) this.#moveDisplaced(scanner, sent)
    for (let field = KNOWN_SERVICE; field < KNOWN_COUNT; field++) {
      const rank = ranks[field]!
      if (rank !== RANK_NONE && rank !== KNOWN_RANK_OWN) this.#rename(field, rank, places[field]!)
    }
    if (ranks[KNOWN_SERVICE] !== RANK_NONE) {
      const i = places[KNOWN_SERVICE]!
      this.serviceStart = starts[i]!
      this.serviceEnd = ends[i]!
    } else {
      this.serviceStart = this.#serviceDefaultStart
      this.serviceEnd = this.#serviceDefaultEnd
      stage.add(this.#ownPaths[KNOWN_SERVICE]!, VALUE_STRING, this.serviceStart, this.serviceEnd)
    }
    if (ranks[KNOWN_HOST] === RANK_NONE && this.#hostDefaultEnd !== 0)
      stage.add(this.#ownPaths[KNOWN_HOST]!, VALUE_STRING, this.#hostDefaultStart, this.#hostDefaultEnd)
    return null
  }

  /** Tells the kernel the level of a text; see cachedLevel in kernel/resolve.as. */
  #remember(kind: number, start: number, end: number, level: number): void {
    const cache = this.#levelCache
    const length = end - start
    if (length > LEVEL_TEXT_BYTES_MAX) return
    let count = this.#words[LEVEL_CACHE_COUNT]!
    for (let entry = 0; entry < count; entry++) {
      const at = entry * LEVEL_ENTRY_BYTES
      if (cache[at] !== kind || cache[at + 1] !== length) continue
      let i = 0
      while (i < length && cache[at + 16 + i] === this.#stage.bytes[start + i]) i++
      if (i === length) return
    }
    if (count === LEVELS_CACHED_MAX) count = 0
    const at = count * LEVEL_ENTRY_BYTES
    cache[at] = kind
    cache[at + 1] = length
    cache[at + 2] = level
    cache.set(this.#stage.bytes.subarray(start, end), at + 16)
    this.#words[LEVEL_CACHE_COUNT] = count + 1
  }

  #levelOfMessage(scanner: RecordScanner): number {
    if (scanner.ranks[KNOWN_MESSAGE] === RANK_NONE) return LEVEL_INFO
    const i = scanner.places[KNOWN_MESSAGE]!
    return this.levelOf(this.#stage.starts[i]!, this.#stage.ends[i]!)
  }

  /** Moves the value at `place` to the field's own column and records the name it came by. */
  #rename(field: number, rank: number, place: number): void {
    const stage = this.#stage
    let start = this.#nameStarts[field * RANKS + rank]!
    let end = this.#nameEnds[field * RANKS + rank]!
    if (rank === KNOWN_RANK_CHOSEN) {
      const chosen = this.#chosen.find((one) => one.path === stage.paths[place])
      if (chosen !== undefined) {
        start = chosen.start
        end = chosen.end
      }
    }
    stage.paths[place] = this.#ownPaths[field]!
    stage.add(this.#sourcePaths[field]!, VALUE_STRING, start, end)
  }

  /**
   * Fields that cannot keep their name return under `metadata`: `id`, and what lost its column to a chosen name; among the
   * first `sent` of the stage.
   */
  #moveDisplaced(scanner: RecordScanner, sent: number): void {
    const stage = this.#stage
    for (let i = 0; i < sent; i++) {
      const path = stage.paths[i]!
      if (path < 0) continue
      const code = this.#paths.known[path]!
      const field = (code >> KNOWN_RANK_BITS) - 1
      const isHidden = code === KNOWN_HIDDEN
      const hasLost = !isHidden && (code & KNOWN_RANK_MASK) === KNOWN_RANK_OWN && scanner.places[field] !== i
      const isTimeWithoutMeaning =
        code === knownCode(KNOWN_TIMESTAMP, KNOWN_RANK_OWN) && scanner.ranks[KNOWN_TIMESTAMP] === RANK_NONE
      if (!isHidden && !isTimeWithoutMeaning && (!hasLost || field === KNOWN_COUNT)) continue
      const metadata = this.#paths.intern(HIDDEN_PREFIX.slice(0, -1))
      // `metadata` may be a scalar of the sender's own, or have a field of that name; underscores find a free one.
      const isScalar = this.#isStaged(metadata)
      let name = isScalar ? `_${this.#paths.name(path)}` : HIDDEN_PREFIX + this.#paths.name(path)
      let moved = this.#paths.intern(name)
      while (moved !== PATH_TOO_LONG && this.#isTaken(moved)) {
        name = isScalar ? `_${name}` : `${HIDDEN_PREFIX}_${name.slice(HIDDEN_PREFIX.length)}`
        moved = this.#paths.intern(name)
      }
      stage.paths[i] = moved
    }
  }

  #isStaged(path: number): boolean {
    for (let i = 0; i < this.#stage.count; i++) if (this.#stage.paths[i] === path) return true
    return false
  }

  /** Whether the record has a value at `path` or below it. */
  #isTaken(path: number): boolean {
    const { parents } = this.#paths
    for (let i = 0; i < this.#stage.count; i++) {
      let above = this.#stage.paths[i]!
      while (above > 0 && above !== path) above = parents[above]!
      if (above === path) return true
    }
    return false
  }

  #internOwn(): void {
    this.#epoch = this.#paths.epoch
    KNOWN_NAMES.forEach((names, field) => {
      for (const name of names) this.#paths.intern(name)
      this.#ownPaths[field] = this.#paths.intern(names[0]!)
      this.#sourcePaths[field] = this.#paths.intern(COLUMN_SOURCE_PREFIX + names[0])
    })
    this.#hiddenPaths[0] = this.#paths.intern(HIDDEN_PREFIX.slice(0, -1))
    HIDDEN_NAMES.forEach((name, i) => {
      this.#hiddenPaths[i * 2 + 1] = this.#paths.intern(name)
      this.#hiddenPaths[i * 2 + 2] = this.#paths.intern(HIDDEN_PREFIX + name)
    })
    this.#levelTextPath = this.#paths.intern(COLUMN_LEVEL_TEXT)
  }

  /** Puts a name of the request before all others of the field: as a path, and as a flat key. */
  #choose(parameter: string, field: number, name: string | undefined): void {
    if (name === undefined) return
    const flat = name.replace(/[\\.]/g, '\\$&')
    for (const form of flat === name ? [name] : [name, flat]) {
      const start = this.#used
      const end = this.#putChosen(parameter, form)
      const path = this.#paths.intern(form)
      if (path === PATH_TOO_LONG) throw new WeirError('invalid_parameter', `${parameter} is too long`, { parameter })
      if (path === this.#ownPaths[field]) continue
      if (flat === name) {
        this.#nameStarts[field * RANKS + KNOWN_RANK_CHOSEN] = start
        this.#nameEnds[field * RANKS + KNOWN_RANK_CHOSEN] = end
      }
      this.#chosen.push({ path, codeBefore: this.#paths.known[path]!, start, end })
      this.#paths.known[path] = knownCode(field, KNOWN_RANK_CHOSEN)
    }
  }

  #putChosen(parameter: string, text: string): number {
    const bytes = textEncoder.encode(text)
    if (bytes.length > CHOSEN_BYTES_MAX || bytes.length > VALUE_BYTES_MAX)
      throw new WeirError('invalid_parameter', `${parameter} is longer than ${CHOSEN_BYTES_MAX} bytes`, { parameter })
    return this.#put(text)
  }

  #put(text: string): number {
    const { written } = textEncoder.encodeInto(
      text,
      this.#stage.bytes.subarray(this.#used, this.#textsStart + RESOLVER_BYTES),
    )
    this.#used += written
    return this.#used
  }
}

/**
 * The fast path of the scanner, compiled to WebAssembly (AssemblyScript; see build.ts). It takes the ordinary record from its bytes
 * into the columns and leaves everything else to the TypeScript path, which works on the same memory: whenever it meets
 * something it does not know (a new path, a new service, a full buffer, a fault of any kind) it stops before that record and
 * has changed nothing. So it holds no rule of its own: a record is either written exactly as TypeScript would, or not at all.
 *
 * It allocates nothing. All addresses come from the control block, whose slots are named in kernel-memory.ts.
 */

// Slots of the control block, 4 bytes each; in step with kernel-memory.ts.
const STAMP: usize = 0
const POSITION: usize = 4
const WINDOW_END: usize = 8
const MODE: usize = 12
const LINE: usize = 16
const RECORDS_LEFT: usize = 20
const POSITION_LIMIT: usize = 24
const ACCEPTED: usize = 28
const SCRATCH: usize = 32
const STAGE_PATHS: usize = 36
const STAGE_STARTS: usize = 40
const STAGE_ENDS: usize = 44
const STAGE_TYPES: usize = 48
const PARENTS: usize = 52
const KNOWN: usize = 56
const NEXT: usize = 60
const PATTERN_STARTS: usize = 64
const PATTERN_LENGTHS: usize = 68
const ARENA: usize = 72
const PATH_SLOTS: usize = 76
const PATH_HASHES: usize = 80
const SEEN: usize = 84
const RANKS: usize = 88
const PLACES: usize = 92
const ROUTE_SLOTS: usize = 96
const ROUTE_STARTS: usize = 100
const ROUTE_ENDS: usize = 104
const ROUTE_WRITERS: usize = 108
const ROUTE_NAMES: usize = 112
const OWN_PATHS: usize = 116
const SOURCE_PATHS: usize = 120
const NAME_STARTS: usize = 124
const NAME_ENDS: usize = 128
const LEVEL_STARTS: usize = 132
const LEVEL_ENDS: usize = 136
const LEVEL_TEXT_PATH: usize = 140
const LEVEL_CACHE: usize = 144
const LEVEL_CACHE_COUNT: usize = 148
const SERVICE_DEFAULT_START: usize = 152
const SERVICE_DEFAULT_END: usize = 156
const HOST_DEFAULT_START: usize = 160
const HOST_DEFAULT_END: usize = 164
const LEVEL_FLOOR: usize = 168
const SEED: usize = 172
const DETECTED_LEVEL: usize = 176
const STAGE_COUNT: usize = 180
const RANK_SEVERITY_NUMBER: usize = 184
const CELLS: usize = 188
const DAYS: usize = 192
const DETECT_START: usize = 196
const DETECT_END: usize = 200
const RECORD_START: usize = 204
const RECORD_END: usize = 208
const RECORD_LINES: usize = 212
const RECEIVED_MS: usize = 224
const OLDEST_MS: usize = 232
const NEWEST_MS: usize = 240
const TIME_MS: usize = 248
const TIME_NS: usize = 256
const HIDDEN_PATHS: usize = 260

// Results of `run`.
const STOPPED: i32 = 0
const DETECT: i32 = 1

// Modes.
const MODE_LINES: i32 = 0
const MODE_ARRAY: i32 = 1

// Bounds; in step with base/limits.ts, checked by kernel-memory.ts.
const NESTING_DEPTH_MAX: i32 = 16
const RECORD_FIELDS_MAX: i32 = 256
const VALUE_BYTES_MAX: i32 = 262144
const RECORD_BYTES_MAX: i32 = 1048576
const DICTIONARY_VALUE_BYTES_MAX: i32 = 256
const DICTIONARY_VALUES_MAX: i32 = 255
const PROBES_MAX: i32 = 24
const DICTIONARY_SLOTS: i32 = 512
const PATH_SLOTS_COUNT: i32 = 65536
const ROUTE_SLOTS_COUNT: i32 = 1024
const SLACK_BYTES: i32 = 32

const KNOWN_COUNT: i32 = 7
const KNOWN_TIMESTAMP: i32 = 0
const KNOWN_LEVEL: i32 = 1
const KNOWN_SERVICE: i32 = 2
const KNOWN_MESSAGE: i32 = 3
const KNOWN_HOST: i32 = 4
const RANK_CHOSEN: i32 = 0
const RANK_OWN: i32 = 1
const RANK_NONE: i32 = 255
const RANK_BITS: i32 = 5

const OFFSET_INVALID: i32 = -0x8000

const STRING: i32 = 1
const NUMBER: i32 = 2
const BOOLEAN: i32 = 3
const NULL: i32 = 4
const JSON_TEXT: i32 = 5

// Column block, in step with writer-column.ts.
const COLUMN_ROWS: usize = 0
const COLUMN_ROWS_CAPACITY: usize = 4
const COLUMN_OFFSETS: usize = 8
const COLUMN_BYTES: usize = 12
const COLUMN_BYTES_CAPACITY: usize = 16
const COLUMN_BYTE_LENGTH: usize = 20
const COLUMN_FILLED: usize = 24
const COLUMN_IS_DICTIONARY: usize = 28
const COLUMN_SLOTS: usize = 32
const COLUMN_VALUE_TYPES: usize = 36
const COLUMN_VALUE_OFFSETS: usize = 40
const COLUMN_VALUE_COUNT: usize = 44

// Writer block, in step with column-writer.ts.
const WRITER_ROW_COUNT: usize = 0
const WRITER_ROWS_CAPACITY: usize = 4
const WRITER_TIME_MS: usize = 8
const WRITER_TIME_NS: usize = 12
const WRITER_COLUMNS: usize = 16
const WRITER_COLUMNS_LENGTH: usize = 20
const WRITER_BYTE_SIZE: usize = 24

// @ts-ignore: decorator
@inline
function isSpace(c: i32, mode: i32): bool {
  return c == 0x20 || c == 0x09 || c == 0x0d || (c == 0x0a && mode != MODE_LINES)
}

// @ts-ignore: decorator
@inline
function i32At(base: usize, index: i32): i32 {
  return load<i32>(base + ((<usize>index) << 2))
}

// @ts-ignore: decorator
@inline
function setI32(base: usize, index: i32, value: i32): void {
  store<i32>(base + ((<usize>index) << 2), value)
}

/** Position of the first quote, backslash or control byte. */
// @ts-ignore: decorator
@inline
function skipPlain(from: usize): usize {
  let p = from
  while (true) {
    const v = v128.load(p)
    const m = i8x16.bitmask(
      v128.or(
        v128.or(i8x16.eq(v, i8x16.splat(0x22)), i8x16.eq(v, i8x16.splat(0x5c))),
        i8x16.eq(i8x16.min_u(v, i8x16.splat(0x1f)), v),
      ),
    )
    if (m != 0) return p + <usize>ctz(m)
    p += 16
  }
}

/** Whether `length` bytes are equal; reads up to 15 bytes beyond. */
// @ts-ignore: decorator
@inline
function equals(a: usize, b: usize, length: i32): bool {
  let i: i32 = 0
  while (length - i > 16) {
    if (i8x16.bitmask(i8x16.eq(v128.load(a + i), v128.load(b + i))) != 0xffff) return false
    i += 16
  }
  const mask: i32 = (1 << (length - i)) - 1
  return (i8x16.bitmask(i8x16.eq(v128.load(a + i), v128.load(b + i))) & mask) == mask
}

/** The hash of writer-column.ts: sixteen bytes a step, zeros beyond the end. */
// @ts-ignore: decorator
@inline
function hashValue(type: i32, start: usize, length: i32): i32 {
  const factors = i32x4(0x2c1b3c6d, 0x297a2d39, 0x1b56c4e9, 0x7feb352d)
  const places = i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
  let h: i32 = (length + (type << 9)) * <i32>0x9e3779b1
  let i: i32 = 0
  do {
    let v = v128.load(start + i)
    if (length - i < 16) v = v128.and(v, i8x16.gt_s(i8x16.splat(<i8>(length - i)), places))
    const m = i32x4.mul(v, factors)
    const low = i64x2.extract_lane(m, 0) ^ i64x2.extract_lane(m, 1)
    h = (h ^ <i32>low ^ rotl(<i32>(low >>> 32), 13)) * <i32>0x85ebca6b
    h ^= h >>> 15
    i += 16
  } while (i < length)
  h *= <i32>0xc2b2ae35
  return h ^ (h >>> 16)
}

// @ts-ignore: decorator
@inline
function copy(to: usize, from: usize, length: i32): void {
  for (let i: i32 = 0; i < length; i += 16) v128.store(to + i, v128.load(from + i))
}

/** Number of a known path for the key [from, to) in `parent`; 0 when it is new. */
function findPath(c: usize, parent: i32, from: usize, to: usize): i32 {
  let hash: i32 = load<i32>(c, SEED) ^ ((parent + 1) * <i32>0x9e3779b1)
  for (let p = from; p < to; p++) hash = (hash ^ <i32>load<u8>(p)) * 0x01000193
  const mixed: i32 = (hash ^ (hash >>> 15)) * 0x2c1b3c6d
  let slot: i32 = (mixed ^ (mixed >>> 13)) & (PATH_SLOTS_COUNT - 1)
  const slots: usize = load<i32>(c, PATH_SLOTS)
  const hashes: usize = load<i32>(c, PATH_HASHES)
  const length: i32 = <i32>(to - from)
  for (let probe: i32 = 0; probe < PROBES_MAX; probe++) {
    const path = i32At(slots, slot)
    if (path == 0) return 0
    if (
      i32At(hashes, path) == hash &&
      i32At(load<i32>(c, PARENTS), path) == parent &&
      i32At(load<i32>(c, PATTERN_LENGTHS), path) == length + 3 &&
      equals(load<i32>(c, ARENA) + i32At(load<i32>(c, PATTERN_STARTS), path) + 1, from, length)
    )
      return path
    slot = (slot + 1) & (PATH_SLOTS_COUNT - 1)
  }
  return 0
}

/** End of the number at `p`, or 0. */
function skipNumber(from: usize): usize {
  let p = from
  let c: i32 = load<u8>(p)
  if (c == 0x2d) c = load<u8>(++p)
  if (c == 0x30) c = load<u8>(++p)
  else if (<u32>(c - 0x31) <= 8) {
    do c = load<u8>(++p)
    while (<u32>(c - 0x30) <= 9)
  } else return 0
  if (c == 0x2e) {
    c = load<u8>(++p)
    if (<u32>(c - 0x30) > 9) return 0
    do c = load<u8>(++p)
    while (<u32>(c - 0x30) <= 9)
  }
  if ((c | 0x20) == 0x65) {
    c = load<u8>(++p)
    if (c == 0x2b || c == 0x2d) c = load<u8>(++p)
    if (<u32>(c - 0x30) > 9) return 0
    do c = load<u8>(++p)
    while (<u32>(c - 0x30) <= 9)
  }
  return p
}

/** End of the string whose content begins at `from`, just past its quote; 0 when it is not valid. */
function skipString(from: usize): usize {
  let p = from
  while (true) {
    p = skipPlain(p)
    const c: i32 = load<u8>(p)
    if (c == 0x22) return p + 1
    if (c != 0x5c) return 0
    if (unescaped(load<u8>(p + 1)) != 0) p += 2
    else if (codeUnit(p) >= 0) p += 6
    else return 0
  }
}

// @ts-ignore: decorator
@inline
function hexDigit(c: i32): i32 {
  if (<u32>(c - 0x30) <= 9) return c - 0x30
  const letter = (c | 0x20) - 0x61
  return <u32>letter <= 5 ? letter + 10 : -1
}

/** The code unit of `\\uXXXX` at `p`, or below 0. */
function codeUnit(p: usize): i32 {
  if (load<u16>(p) != 0x755c) return -1
  const a = hexDigit(load<u8>(p, 2))
  const b = hexDigit(load<u8>(p, 3))
  const c = hexDigit(load<u8>(p, 4))
  const d = hexDigit(load<u8>(p, 5))
  return (a | b | c | d) < 0 ? -1 : (a << 12) | (b << 8) | (c << 4) | d
}

/** End of the array at `from`, which stands in an object at `depth`; 0 when it is not valid or too deep. */
function skipArray(from: usize, depth: i32, mode: i32): usize {
  let p = from
  let open: i32 = 0
  // Bit i: the container i levels up is an object.
  let objects: i32 = 0
  while (true) {
    let c: i32 = load<u8>(p)
    let isClosing = false
    if (c == 0x5b || c == 0x7b) {
      open++
      if (depth + open > NESTING_DEPTH_MAX) return 0
      objects = (objects << 1) | (c == 0x7b ? 1 : 0)
      c = load<u8>(++p)
      while (isSpace(c, mode)) c = load<u8>(++p)
      isClosing = c == ((objects & 1) == 1 ? 0x7d : 0x5d)
      if (!isClosing) {
        if ((objects & 1) == 1) {
          p = skipKey(p, mode)
          if (p == 0) return 0
        }
        continue
      }
    } else {
      if (c == 0x22) p = skipString(p + 1)
      else if (c == 0x2d || <u32>(c - 0x30) <= 9) p = skipNumber(p)
      else p = skipLiteral(p)
      if (p == 0) return 0
    }
    while (true) {
      c = load<u8>(p)
      while (isSpace(c, mode)) c = load<u8>(++p)
      if (c == 0x2c && !isClosing) {
        c = load<u8>(++p)
        while (isSpace(c, mode)) c = load<u8>(++p)
        if ((objects & 1) == 1) {
          p = skipKey(p, mode)
          if (p == 0) return 0
        }
        break
      }
      isClosing = false
      if (c != ((objects & 1) == 1 ? 0x7d : 0x5d)) return 0
      p++
      objects >>= 1
      if (--open == 0) return p
    }
  }
}

/** From a key's quote to the first byte of its value, or 0. */
function skipKey(from: usize, mode: i32): usize {
  if (load<u8>(from) != 0x22) return 0
  let p = skipString(from + 1)
  if (p == 0) return 0
  let c: i32 = load<u8>(p)
  while (isSpace(c, mode)) c = load<u8>(++p)
  if (c != 0x3a) return 0
  c = load<u8>(++p)
  while (isSpace(c, mode)) c = load<u8>(++p)
  return p
}

function skipLiteral(p: usize): usize {
  const word = load<i32>(p)
  if (word == 0x65757274 || word == 0x6c6c756e) return p + 4
  if (word == 0x736c6166 && load<u8>(p + 4) == 0x65) return p + 5
  return 0
}

/** The byte that a simple escape stands for, or 0. */
function unescaped(c: i32): i32 {
  switch (c) {
    case 0x22:
    case 0x5c:
    case 0x2f:
      return c
    case 0x62:
      return 8
    case 0x66:
      return 12
    case 0x6e:
      return 10
    case 0x72:
      return 13
    case 0x74:
      return 9
    default:
      return 0
  }
}

let decodedEnd: usize = 0

/** Decodes the string from `from` to `to`; returns the position after its quote, or 0. Sets `decodedEnd`. */
function decode(from: usize, to: usize): usize {
  let p = from
  let out = to
  while (true) {
    const stop = skipPlain(p)
    const length = <i32>(stop - p)
    copy(out, p, length)
    out += length
    p = stop
    const c: i32 = load<u8>(p)
    if (c == 0x22) {
      decodedEnd = out
      return p + 1
    }
    if (c != 0x5c) return 0
    const plain = unescaped(load<u8>(p + 1))
    if (plain != 0) {
      store<u8>(out++, plain)
      p += 2
      continue
    }
    let point = codeUnit(p)
    if (point < 0) return 0
    p += 6
    if (point >= 0xd800 && point <= 0xdfff) {
      const low = point <= 0xdbff ? codeUnit(p) : -1
      if (low >= 0xdc00 && low <= 0xdfff) {
        point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00)
        p += 6
      } else point = 0xfffd
    }
    if (point < 0x80) store<u8>(out++, point)
    else {
      if (point < 0x800) store<u8>(out++, 0xc0 | (point >> 6))
      else {
        if (point < 0x10000) store<u8>(out++, 0xe0 | (point >> 12))
        else {
          store<u8>(out++, 0xf0 | (point >> 18))
          store<u8>(out++, 0x80 | ((point >> 12) & 63))
        }
        store<u8>(out++, 0x80 | ((point >> 6) & 63))
      }
      store<u8>(out++, 0x80 | (point & 63))
    }
  }
}

/** Moves fields of a name that is ours under `metadata`; false when that is taken, in one way or the other. */
function moveHidden(c: usize, stamp: i32): bool {
  const names: usize = load<i32>(c, HIDDEN_PATHS)
  const seen: usize = load<i32>(c, SEEN)
  const paths: usize = load<i32>(c, STAGE_PATHS)
  const metadata = i32At(names, 0)
  const hasMetadata = i32At(seen, metadata) == stamp
  for (let i: i32 = 0, count = load<i32>(c, STAGE_COUNT); i < count; i++) {
    const path = i32At(paths, i)
    if (hasMetadata && path == metadata) return false
    for (let name: i32 = 1; name < 5; name += 2) {
      if (path != i32At(names, name)) continue
      const target = i32At(names, name + 1)
      if (i32At(seen, target) == stamp) return false
      setI32(paths, i, target)
    }
  }
  return true
}

/** Scans the object at `start` into the stage; returns the position after it, or 0 when it is not for this path. */
function scanRecord(c: usize, start: usize): usize {
  const mode = load<i32>(c, MODE)
  const stagePaths: usize = load<i32>(c, STAGE_PATHS)
  const stageStarts: usize = load<i32>(c, STAGE_STARTS)
  const stageEnds: usize = load<i32>(c, STAGE_ENDS)
  const stageTypes: usize = load<i32>(c, STAGE_TYPES)
  const parents: usize = load<i32>(c, PARENTS)
  const known: usize = load<i32>(c, KNOWN)
  const next: usize = load<i32>(c, NEXT)
  const patternStarts: usize = load<i32>(c, PATTERN_STARTS)
  const patternLengths: usize = load<i32>(c, PATTERN_LENGTHS)
  const arena: usize = load<i32>(c, ARENA)
  const seen: usize = load<i32>(c, SEEN)
  const ranks: usize = load<i32>(c, RANKS)
  const places: usize = load<i32>(c, PLACES)
  const stamp = load<i32>(c, STAMP) + 1
  store<i32>(c, stamp, STAMP)
  store<i64>(ranks, -1)

  let scratch: usize = load<i32>(c, SCRATCH)
  let count: i32 = 0
  let hidden: i32 = 0
  let depth: i32 = 1
  let parent: i32 = 0
  let previous: i32 = 0
  let p = start + 1
  let b: i32 = load<u8>(p)
  while (isSpace(b, mode)) b = load<u8>(++p)
  while (true) {
    // --- key ---
    let path = i32At(next, previous)
    const length = i32At(patternLengths, path)
    if (length != 0 && i32At(parents, path) == parent && equals(p, arena + i32At(patternStarts, path), length)) p += length
    else {
      if (b != 0x22) return 0
      const keyEnd = skipPlain(p + 1)
      if (load<u8>(keyEnd) != 0x22) return 0
      path = findPath(c, parent, p + 1, keyEnd)
      if (path == 0) return 0
      p = keyEnd + 1
      b = load<u8>(p)
      while (isSpace(b, mode)) b = load<u8>(++p)
      if (b != 0x3a) return 0
      p++
      setI32(next, previous, path)
    }
    previous = path
    if (i32At(seen, path) == stamp) return 0
    setI32(seen, path, stamp)
    b = load<u8>(p)
    if (b <= 0x20) while (isSpace(b, mode)) b = load<u8>(++p)

    // --- value ---
    let from = p
    let to: usize = 0
    let type: i32 = STRING
    if (b == 0x22) {
      from = p + 1
      p = skipPlain(from)
      to = p
      if (load<u8>(p) == 0x22) p++
      else {
        p = decode(from, scratch)
        if (p == 0) return 0
        from = scratch
        to = decodedEnd
        scratch = to
      }
    } else if (<u32>(b - 0x30) <= 9 || b == 0x2d) {
      p = skipNumber(p)
      if (p == 0) return 0
      to = p
      type = NUMBER
    } else if (b == 0x7b) {
      p++
      b = load<u8>(p)
      while (isSpace(b, mode)) b = load<u8>(++p)
      if (b == 0x7d || ++depth > NESTING_DEPTH_MAX) return 0
      parent = path
      continue
    } else if (b == 0x5b) {
      p = skipArray(p, depth, mode)
      if (p == 0) return 0
      to = p
      type = JSON_TEXT
    } else {
      p = skipLiteral(p)
      if (p == 0) return 0
      to = p
      type = b == 0x6e ? NULL : BOOLEAN
      if (type == NULL) to = from
    }

    // --- field ---
    if (<i32>(to - from) > VALUE_BYTES_MAX || count == RECORD_FIELDS_MAX) return 0
    setI32(stagePaths, count, path)
    setI32(stageStarts, count, <i32>from)
    setI32(stageEnds, count, <i32>to)
    store<u8>(stageTypes + count, type)
    const code: i32 = load<u16>(known + ((<usize>path) << 1))
    if (code != 0) {
      const field = (code >>> RANK_BITS) - 1
      const rank = code & ((1 << RANK_BITS) - 1)
      if (field >= KNOWN_COUNT) hidden++
      else {
        let isFit = rank == RANK_OWN || (type != NULL && type != JSON_TEXT)
        if (field == KNOWN_TIMESTAMP) {
          isFit = type == STRING || type == NUMBER
          if (!isFit && rank == RANK_OWN) return 0
        }
        if (isFit) {
          const best: i32 = load<u8>(ranks + field)
          // An own name that loses its column to a chosen one has to move: a case for the other path.
          if ((rank == RANK_CHOSEN && best == RANK_OWN) || (rank == RANK_OWN && best == RANK_CHOSEN)) return 0
          if (rank < best) {
            store<u8>(ranks + field, rank)
            setI32(places, field, count)
          }
        }
      }
    }
    count++

    // --- what follows ---
    b = load<u8>(p)
    if (b <= 0x20) while (isSpace(b, mode)) b = load<u8>(++p)
    while (b == 0x7d) {
      p++
      if (--depth == 0) {
        store<i32>(c, count, STAGE_COUNT)
        return hidden == 0 || moveHidden(c, stamp) ? p : 0
      }
      parent = i32At(parents, parent)
      b = load<u8>(p)
      if (b <= 0x20) while (isSpace(b, mode)) b = load<u8>(++p)
    }
    if (b != 0x2c) return 0
    b = load<u8>(++p)
    if (b <= 0x20) while (isSpace(b, mode)) b = load<u8>(++p)
  }
}

// @ts-ignore: decorator
@inline
function digit(p: usize): i32 {
  return <i32>load<u8>(p) - 0x30
}

/** Parses an epoch number, integer of any unit or seconds with a fraction; false for other forms. */
function parseEpoch(c: usize, start: usize, end: usize): bool {
  let p = start
  let value: i64 = 0
  while (p < end) {
    const d = digit(p)
    if (<u32>d > 9) break
    if (p - start >= 18) return false
    value = value * 10 + d
    p++
  }
  if (p == start) return false
  const magnitude = <f64>value
  if (p < end) {
    if (load<u8>(p) != 0x2e || magnitude >= 1e11 || end - p > 10 || end - p < 2) return false
    let fraction: i32 = 0
    let count: i32 = 0
    while (++p < end) {
      const d = digit(p)
      if (<u32>d > 9) return false
      fraction = fraction * 10 + d
      count++
    }
    while (count++ < 9) fraction *= 10
    const ms = fraction / 1000000
    store<f64>(c, <f64>(value * 1000 + ms), TIME_MS)
    store<i32>(c, fraction - ms * 1000000, TIME_NS)
    return true
  }
  let ns: i64 = 0
  if (magnitude < 1e11) value *= 1000
  else if (magnitude >= 1e17) {
    ns = value % 1000000
    value /= 1000000
  } else if (magnitude >= 1e14) {
    ns = (value % 1000) * 1000
    value /= 1000
  }
  store<f64>(c, <f64>value, TIME_MS)
  store<i32>(c, <i32>ns, TIME_NS)
  return true
}

/** Minutes east of UTC of `+hh:mm`, `+hhmm` or `+hh` (or `-`), or OFFSET_INVALID. */
function offsetMinutes(start: usize, end: usize): i32 {
  const sign: i32 = load<u8>(start)
  const length = <i32>(end - start)
  if ((sign != 0x2b && sign != 0x2d) || (length != 3 && length != 5 && length != 6)) return OFFSET_INVALID
  if (length == 6 && load<u8>(start, 3) != 0x3a) return OFFSET_INVALID
  const h0 = digit(start + 1)
  const h1 = digit(start + 2)
  const m0 = length == 3 ? 0 : digit(end - 2)
  const m1 = length == 3 ? 0 : digit(end - 1)
  if (<u32>h0 > 9 || <u32>h1 > 9 || <u32>m0 > 9 || <u32>m1 > 9) return OFFSET_INVALID
  const hours = h0 * 10 + h1
  const minutes = m0 * 10 + m1
  if (hours > 23 || minutes > 59) return OFFSET_INVALID
  return sign == 0x2d ? -(hours * 60 + minutes) : hours * 60 + minutes
}

/** Parses the common forms of a timestamp (RFC 3339, epoch numbers); false for all others. */
function parseTime(c: usize, type: i32, start: usize, end: usize): bool {
  const length = <i32>(end - start)
  if (type == NUMBER || length < 19) return parseEpoch(c, start, end)
  if (length > 35) return false
  // One comparison finds any byte that is not a digit where one has to be.
  const head = v128.load(start)
  const digits = i8x16.sub(head, i8x16.splat(0x30))
  if ((i8x16.bitmask(i8x16.le_u(digits, i8x16.splat(9))) & 0xdb6f) != 0xdb6f) return false
  if (load<u8>(start, 4) != 0x2d || load<u8>(start, 7) != 0x2d || load<u8>(start, 13) != 0x3a) return false
  if (load<u8>(start, 16) != 0x3a) return false
  const separator: i32 = load<u8>(start, 10)
  if (separator != 0x54 && separator != 0x20) return false
  const s0 = digit(start + 17)
  const s1 = digit(start + 18)
  if (<u32>s0 > 9 || <u32>s1 > 9) return false
  const year = digit(start) * 1000 + digit(start + 1) * 100 + digit(start + 2) * 10 + digit(start + 3)
  const day = year * 512 + (digit(start + 5) * 10 + digit(start + 6)) * 32 + digit(start + 8) * 10 + digit(start + 9)
  // Only days that the other path has met are known here; entries: day, 0, its start in f64.
  const entry: usize = <usize>load<i32>(c, DAYS) + ((<usize>(day & 15)) << 4)
  if (day != load<i32>(entry)) return false
  const hour = digit(start + 11) * 10 + digit(start + 12)
  const minute = digit(start + 14) * 10 + digit(start + 15)
  const second = s0 * 10 + s1
  if (hour > 23 || minute > 59 || second > 59) return false
  let p = start + 19
  let fraction: i32 = 0
  let count: i32 = 0
  if (p < end && (load<u8>(p) == 0x2e || load<u8>(p) == 0x2c)) {
    p++
    while (p < end) {
      const d = digit(p)
      if (<u32>d > 9) break
      if (++count > 9) return false
      fraction = fraction * 10 + d
      p++
    }
    if (count == 0) return false
    for (let i = count; i < 9; i++) fraction *= 10
  }
  let offset: i32 = 0
  if (p < end && (p != end - 1 || (load<u8>(p) | 0x20) != 0x7a)) {
    offset = offsetMinutes(p, end)
    if (offset == OFFSET_INVALID) return false
  }
  const ms = fraction / 1000000
  const ofDay = (hour * 3600 + (minute - offset) * 60 + second) * 1000 + ms
  store<f64>(c, load<f64>(entry, 8) + <f64>ofDay, TIME_MS)
  store<i32>(c, fraction - ms * 1000000, TIME_NS)
  return true
}

/** Index of the level that the other path has found for this text before, or -1. Entries: kind, length, level, 0, 16 bytes. */
function cachedLevel(c: usize, kind: i32, start: usize, length: i32): i32 {
  if (length > 16) return -1
  const count = load<i32>(c, LEVEL_CACHE_COUNT)
  let entry: usize = load<i32>(c, LEVEL_CACHE)
  for (let i: i32 = 0; i < count; i++) {
    if (<i32>load<u8>(entry, 1) == length && <i32>load<u8>(entry) == kind && equals(entry + 16, start, length))
      return load<u8>(entry, 2)
    entry += 32
  }
  return -1
}

// @ts-ignore: decorator
@inline
function addField(c: usize, path: i32, type: i32, start: i32, end: i32): void {
  const i = load<i32>(c, STAGE_COUNT)
  store<i32>(c, i + 1, STAGE_COUNT)
  setI32(load<i32>(c, STAGE_PATHS), i, path)
  setI32(load<i32>(c, STAGE_STARTS), i, start)
  setI32(load<i32>(c, STAGE_ENDS), i, end)
  store<u8>(load<i32>(c, STAGE_TYPES) + i, type)
}

/** Whether the name that the request chose for the field has one form only, so that it is known which was met. */
function hasName(c: usize, field: i32): bool {
  return i32At(load<i32>(c, NAME_ENDS), field << RANK_BITS) != 0
}

/** Moves the value at `place` to its own column and notes the name it came by. */
function rename(c: usize, field: i32, rank: i32, place: i32): void {
  setI32(load<i32>(c, STAGE_PATHS), place, i32At(load<i32>(c, OWN_PATHS), field))
  const name = (field << RANK_BITS) + rank
  addField(
    c,
    i32At(load<i32>(c, SOURCE_PATHS), field),
    STRING,
    i32At(load<i32>(c, NAME_STARTS), name),
    i32At(load<i32>(c, NAME_ENDS), name),
  )
}

/** Level, when it is known; DETECT when the message has to be looked at; STOPPED with a negative level otherwise. */
let level: i32 = 0

function resolveLevel(c: usize): i32 {
  const ranks: usize = load<i32>(c, RANKS)
  const rank: i32 = load<u8>(ranks + KNOWN_LEVEL)
  const starts: usize = load<i32>(c, STAGE_STARTS)
  const ends: usize = load<i32>(c, STAGE_ENDS)
  level = -1
  if (rank == RANK_NONE) {
    if (load<u8>(ranks + KNOWN_MESSAGE) == RANK_NONE) {
      level = 2
      return STOPPED
    }
    const m = i32At(load<i32>(c, PLACES), KNOWN_MESSAGE)
    store<i32>(c, i32At(starts, m), DETECT_START)
    store<i32>(c, i32At(ends, m), DETECT_END)
    return DETECT
  }
  const i = i32At(load<i32>(c, PLACES), KNOWN_LEVEL)
  const type: i32 = load<u8>(load<i32>(c, STAGE_TYPES) + i)
  const from = i32At(starts, i)
  const kind = rank == load<i32>(c, RANK_SEVERITY_NUMBER) ? type + 16 : type
  level = cachedLevel(c, kind, from, i32At(ends, i) - from)
  return STOPPED
}

/** Completes the stage once the level is known; false when the record is for the other path. */
function resolve(c: usize): bool {
  const ranks: usize = load<i32>(c, RANKS)
  const places: usize = load<i32>(c, PLACES)
  const starts: usize = load<i32>(c, STAGE_STARTS)
  const ends: usize = load<i32>(c, STAGE_ENDS)
  const types: usize = load<i32>(c, STAGE_TYPES)
  if (level < load<i32>(c, LEVEL_FLOOR)) return false
  const nameStart = i32At(load<i32>(c, LEVEL_STARTS), level)
  const nameEnd = i32At(load<i32>(c, LEVEL_ENDS), level)
  const levelRank: i32 = load<u8>(ranks + KNOWN_LEVEL)
  if (levelRank == RANK_NONE) addField(c, i32At(load<i32>(c, OWN_PATHS), KNOWN_LEVEL), STRING, nameStart, nameEnd)
  else {
    const i = i32At(places, KNOWN_LEVEL)
    const from = i32At(starts, i)
    const to = i32At(ends, i)
    const type: i32 = load<u8>(types + i)
    if (type != STRING || to - from != nameEnd - nameStart || !equals(from, nameStart, to - from)) {
      addField(c, load<i32>(c, LEVEL_TEXT_PATH), type, from, to)
      setI32(starts, i, nameStart)
      setI32(ends, i, nameEnd)
      store<u8>(types + i, STRING)
    }
    if (levelRank != RANK_OWN) rename(c, KNOWN_LEVEL, levelRank, i)
  }

  const timeRank: i32 = load<u8>(ranks + KNOWN_TIMESTAMP)
  if (timeRank == RANK_NONE) {
    store<f64>(c, load<f64>(c, RECEIVED_MS), TIME_MS)
    store<i32>(c, 0, TIME_NS)
  } else {
    const i = i32At(places, KNOWN_TIMESTAMP)
    if (!parseTime(c, load<u8>(types + i), i32At(starts, i), i32At(ends, i))) return false
    const ms = load<f64>(c, TIME_MS)
    if (ms < load<f64>(c, OLDEST_MS) || ms > load<f64>(c, NEWEST_MS)) return false
    if (timeRank == RANK_CHOSEN && !hasName(c, KNOWN_TIMESTAMP)) return false
    if (timeRank != RANK_OWN) rename(c, KNOWN_TIMESTAMP, timeRank, i)
    setI32(load<i32>(c, STAGE_PATHS), i, -1)
  }

  for (let field = KNOWN_SERVICE; field < KNOWN_COUNT; field++) {
    const rank: i32 = load<u8>(ranks + field)
    if (rank == RANK_CHOSEN && !hasName(c, field)) return false
    if (rank != RANK_NONE && rank != RANK_OWN) rename(c, field, rank, i32At(places, field))
  }
  if (load<u8>(ranks + KNOWN_SERVICE) == RANK_NONE)
    addField(
      c,
      i32At(load<i32>(c, OWN_PATHS), KNOWN_SERVICE),
      STRING,
      load<i32>(c, SERVICE_DEFAULT_START),
      load<i32>(c, SERVICE_DEFAULT_END),
    )
  if (load<u8>(ranks + KNOWN_HOST) == RANK_NONE && load<i32>(c, HOST_DEFAULT_END) != 0)
    addField(
      c,
      i32At(load<i32>(c, OWN_PATHS), KNOWN_HOST),
      STRING,
      load<i32>(c, HOST_DEFAULT_START),
      load<i32>(c, HOST_DEFAULT_END),
    )
  return true
}

/** Writer of the staged record's service, or 0 when it was not asked for yet. */
function findWriter(c: usize): usize {
  let from: i32
  let to: i32
  if (load<u8>(load<i32>(c, RANKS) + KNOWN_SERVICE) == RANK_NONE) {
    from = load<i32>(c, SERVICE_DEFAULT_START)
    to = load<i32>(c, SERVICE_DEFAULT_END)
  } else {
    const i = i32At(load<i32>(c, PLACES), KNOWN_SERVICE)
    from = i32At(load<i32>(c, STAGE_STARTS), i)
    to = i32At(load<i32>(c, STAGE_ENDS), i)
  }
  const length = to - from
  if (length > 256) return 0
  const slots: usize = load<i32>(c, ROUTE_SLOTS)
  const starts: usize = load<i32>(c, ROUTE_STARTS)
  const ends: usize = load<i32>(c, ROUTE_ENDS)
  const names: usize = load<i32>(c, ROUTE_NAMES)
  let slot = hashValue(0, from, length) & (ROUTE_SLOTS_COUNT - 1)
  while (true) {
    const entry: i32 = load<u16>(slots + ((<usize>slot) << 1))
    if (entry == 0) return 0
    const at = i32At(starts, entry)
    if (i32At(ends, entry) - at == length && equals(from, names + at, length))
      return i32At(load<i32>(c, ROUTE_WRITERS), entry)
    slot = (slot + 1) & (ROUTE_SLOTS_COUNT - 1)
  }
}

/** Appends the staged record to its writer; false, with nothing changed, when some column is not ready for it. */
function append(c: usize, writer: usize, rawBytes: i32): bool {
  const count = load<i32>(c, STAGE_COUNT)
  const paths: usize = load<i32>(c, STAGE_PATHS)
  const starts: usize = load<i32>(c, STAGE_STARTS)
  const ends: usize = load<i32>(c, STAGE_ENDS)
  const types: usize = load<i32>(c, STAGE_TYPES)
  const cells: usize = load<i32>(c, CELLS)
  const row = load<i32>(writer, WRITER_ROW_COUNT)
  const columns: usize = load<i32>(writer, WRITER_COLUMNS)
  const columnsLength = load<i32>(writer, WRITER_COLUMNS_LENGTH)
  if (row >= load<i32>(writer, WRITER_ROWS_CAPACITY)) return false

  // First all is looked up; a cell is its column, and the code or the slot of a new value.
  let cell = cells
  for (let i: i32 = 0; i < count; i++) {
    const path = i32At(paths, i)
    if (path < 0) continue
    if (path >= columnsLength) return false
    const column: usize = i32At(columns, path)
    if (column == 0) return false
    if (row >= load<i32>(column, COLUMN_ROWS_CAPACITY)) return false
    const from: usize = i32At(starts, i)
    const length = i32At(ends, i) - <i32>from
    let code: i32 = -1
    if (load<i32>(column, COLUMN_IS_DICTIONARY) != 0) {
      if (length > DICTIONARY_VALUE_BYTES_MAX) return false
      const type: i32 = load<u8>(types + i)
      const slots: usize = load<i32>(column, COLUMN_SLOTS)
      const offsets: usize = load<i32>(column, COLUMN_VALUE_OFFSETS)
      const valueTypes: usize = load<i32>(column, COLUMN_VALUE_TYPES)
      const values: usize = load<i32>(column, COLUMN_BYTES)
      let slot = hashValue(type, from, length) & (DICTIONARY_SLOTS - 1)
      let probe: i32 = 0
      while (true) {
        code = load<u8>(slots + slot)
        if (code == 0) {
          if (load<i32>(column, COLUMN_VALUE_COUNT) == DICTIONARY_VALUES_MAX) return false
          if (load<i32>(column, COLUMN_BYTE_LENGTH) + length + SLACK_BYTES > load<i32>(column, COLUMN_BYTES_CAPACITY))
            return false
          code = ~slot
          break
        }
        const at = i32At(offsets, code - 1)
        if (
          i32At(offsets, code) - at == length &&
          <i32>load<u8>(valueTypes + code - 1) == type &&
          equals(from, values + at, length)
        )
          break
        if (++probe == PROBES_MAX) return false
        slot = (slot + 1) & (DICTIONARY_SLOTS - 1)
      }
    } else if (load<i32>(column, COLUMN_BYTE_LENGTH) + length + SLACK_BYTES > load<i32>(column, COLUMN_BYTES_CAPACITY))
      return false
    store<i32>(cell, <i32>column)
    store<i32>(cell, code, 4)
    cell += 8
  }

  // Nothing can fail any more.
  cell = cells
  for (let i: i32 = 0; i < count; i++) {
    if (i32At(paths, i) < 0) continue
    const column: usize = load<i32>(cell)
    let code = load<i32>(cell, 4)
    cell += 8
    const rows: usize = load<i32>(column, COLUMN_ROWS)
    const filled = load<i32>(column, COLUMN_FILLED)
    store<i32>(column, row + 1, COLUMN_FILLED)
    for (let absent = filled; absent < row; absent++) store<u8>(rows + absent, 0)
    const isDictionary = load<i32>(column, COLUMN_IS_DICTIONARY) != 0
    if (isDictionary && code > 0) {
      store<u8>(rows + row, code)
      continue
    }
    const from: usize = i32At(starts, i)
    const length = i32At(ends, i) - <i32>from
    const type: i32 = load<u8>(types + i)
    const at = load<i32>(column, COLUMN_BYTE_LENGTH)
    copy(load<i32>(column, COLUMN_BYTES) + at, from, length)
    store<i32>(column, at + length, COLUMN_BYTE_LENGTH)
    if (isDictionary) {
      const slot = ~code
      const value = load<i32>(column, COLUMN_VALUE_COUNT)
      store<u8>(load<i32>(column, COLUMN_VALUE_TYPES) + value, type)
      code = value + 1
      store<i32>(column, code, COLUMN_VALUE_COUNT)
      setI32(load<i32>(column, COLUMN_VALUE_OFFSETS), code, at + length)
      store<u8>(load<i32>(column, COLUMN_SLOTS) + slot, code)
      store<u8>(rows + row, code)
    } else {
      const offsets: usize = load<i32>(column, COLUMN_OFFSETS)
      for (let absent = filled; absent < row; absent++) setI32(offsets, absent + 1, at)
      store<u8>(rows + row, type)
      setI32(offsets, row + 1, at + length)
    }
  }
  store<f64>(<usize>load<i32>(writer, WRITER_TIME_MS) + ((<usize>row) << 3), load<f64>(c, TIME_MS))
  store<i32>(<usize>load<i32>(writer, WRITER_TIME_NS) + ((<usize>row) << 2), load<i32>(c, TIME_NS))
  store<i32>(writer, row + 1, WRITER_ROW_COUNT)
  store<f64>(writer, load<f64>(writer, WRITER_BYTE_SIZE) + <f64>rawBytes, WRITER_BYTE_SIZE)
  return true
}

/**
 * Takes records from POSITION on into the columns, until one is not for this path, or the window or a limit is reached.
 * POSITION is left after the last record taken, before any separator. Returns DETECT when the level of the record in the
 * stage has to be read off [DETECT_START, DETECT_END): the caller sets DETECTED_LEVEL and calls again; otherwise STOPPED.
 */
export function run(c: usize): i32 {
  const mode = load<i32>(c, MODE)
  const windowEnd: usize = load<i32>(c, WINDOW_END)
  const limit: usize = load<i32>(c, POSITION_LIMIT)
  let left = load<i32>(c, RECORDS_LEFT)
  let p: usize = load<i32>(c, POSITION)
  let lines: i32 = 0
  level = load<i32>(c, DETECTED_LEVEL)
  while (left > 0) {
    let start: usize
    let end: usize
    if (level >= 0) {
      // The record stands in the stage; its level is known by now.
      start = load<i32>(c, RECORD_START)
      end = load<i32>(c, RECORD_END)
      lines = load<i32>(c, RECORD_LINES)
      store<i32>(c, -1, DETECTED_LEVEL)
    } else {
      start = p
      lines = 0
      let b: i32 = load<u8>(start)
      while (b == 0x20 || b == 0x09 || b == 0x0d || b == 0x0a) {
        lines += b == 0x0a ? 1 : 0
        b = load<u8>(++start)
      }
      if (mode == MODE_ARRAY) {
        if (b != 0x2c) return STOPPED
        b = load<u8>(++start)
        while (isSpace(b, mode)) b = load<u8>(++start)
      }
      if (b != 0x7b || start >= limit || start >= windowEnd) return STOPPED
      end = scanRecord(c, start)
      if (end == 0 || <i32>(end - start) > RECORD_BYTES_MAX) return STOPPED
      if (mode == MODE_LINES) {
        // The line has to end in this window.
        let after = end
        b = load<u8>(after)
        while (b == 0x20 || b == 0x09 || b == 0x0d) b = load<u8>(++after)
        if (b != 0x0a) return STOPPED
      }
      if (end > windowEnd) return STOPPED
      if (resolveLevel(c) == DETECT) {
        store<i32>(c, <i32>start, RECORD_START)
        store<i32>(c, <i32>end, RECORD_END)
        store<i32>(c, lines, RECORD_LINES)
        return DETECT
      }
      if (level < 0) return STOPPED
    }
    if (!resolve(c)) return STOPPED
    const writer = findWriter(c)
    if (writer == 0) return STOPPED
    if (!append(c, writer, <i32>(end - start))) return STOPPED
    level = -1
    p = end
    left--
    store<i32>(c, <i32>p, POSITION)
    store<i32>(c, left, RECORDS_LEFT)
    store<i32>(c, load<i32>(c, ACCEPTED) + 1, ACCEPTED)
    store<i32>(c, load<i32>(c, LINE) + lines, LINE)
  }
  return STOPPED
}

// Known fields, time and level of the staged record.

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
    if (p - start >= 19) return false
    value = value * 10 + d
    p++
  }
  // Nineteen digits may be more than 63 bits hold.
  if (p == start || value < 0) return false
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

/** Level of a word that a message may name it by, or -1; the words of level.ts. */
function levelOfWord(from: usize, length: i32): i32 {
  let word: u64 = load<u64>(from) | 0x2020202020202020
  if (length < 8) word &= ((<u64>1) << (length << 3)) - 1
  switch (length) {
    case 3:
      if (word == 0x727265) return 4 // err
      return -1
    case 4:
      if (word == 0x6f666e69) return 2 // info
      if (word == 0x6e726177) return 3 // warn
      if (word == 0x74697263) return 5 // crit
      return -1
    case 5:
      if (word == 0x6563617274) return 0 // trace
      if (word == 0x6775626564) return 1 // debug
      if (word == 0x726f727265) return 4 // error
      if (word == 0x6c61746166) return 5 // fatal
      if (word == 0x7472656c61) return 5 // alert
      if (word == 0x6772656d65) return 5 // emerg
      if (word == 0x63696e6170) return 5 // panic
      return -1
    case 6:
      if (word == 0x656369746f6e) return 2 // notice
      if (word == 0x657265766573) return 4 // severe
      return -1
    case 7:
      if (word == 0x676e696e726177) return 3 // warning
      return -1
    case 8:
      if (word == 0x6c61636974697263) return 5 // critical
      return -1
    case 9:
      if (word == 0x636e656772656d65 && (<i32>load<u8>(from, 8) | 0x20) == 0x79) return 5 // emergency
      return -1
    default:
      return -1
  }
}

/** Bit i: byte i of the 64 at `from` belongs to a word (letters, digits, `_`, all that is not ASCII). */
function wordBytes(from: usize): u64 {
  let bits: u64 = 0
  for (let i: i32 = 0; i < 64; i += 16) {
    const v = v128.load(from + i)
    const letters = i8x16.sub(v128.or(v, i8x16.splat(0x20)), i8x16.splat(0x61))
    const digits = i8x16.sub(v, i8x16.splat(0x30))
    const isWord = v128.or(
      v128.or(i8x16.eq(i8x16.min_u(letters, i8x16.splat(25)), letters), i8x16.eq(i8x16.min_u(digits, i8x16.splat(9)), digits)),
      v128.or(i8x16.eq(v, i8x16.splat(0x5f)), i8x16.lt_s(v, i8x16.splat(0))),
    )
    bits |= (<u64>i8x16.bitmask(isWord)) << i
  }
  return bits
}

/** Level that the message [start, end) names, LEVEL_NONE, or LEVEL_DOUBTFUL where it takes more than a look around a word. */
function detect(start: usize, end: usize): i32 {
  let length = <i32>(end - start)
  // A word that begins in the first 100 bytes ends, if it counts, before byte 128.
  if (length > 128) length = 128
  let low = wordBytes(start)
  let high: u64 = length > 64 ? wordBytes(start + 64) : 0
  if (length < 64) low &= ((<u64>1) << length) - 1
  else if (length < 128) high &= ((<u64>1) << (length - 64)) - 1
  let at: i32 = 0
  while (true) {
    // The next run of word bytes at or after `at`.
    let bits = at < 64 ? low >> at : high >> (at - 64)
    if (bits == 0) {
      if (at >= 64 || high == 0) return LEVEL_NONE
      at = 64
      continue
    }
    const from = at + <i32>ctz(bits)
    if (from >= DETECT_BYTES_MAX) return LEVEL_NONE
    let to = from < 64 ? from + <i32>ctz(~(low >> from)) : from + <i32>ctz(~(high >> (from - 64)))
    if (from < 64 && to >= 64) to = 64 + <i32>ctz(~high)
    at = to
    const size = to - from
    if (size >= 3 && size <= 9) {
      const found = levelOfWord(start + from, size)
      if (found >= 0) {
        let isCapitals = true
        for (let i = from; i < to; i++) if (load<u8>(start + i) >= 0x61) isCapitals = false
        if (isCapitals) return found
        const after: i32 = start + to < end ? <i32>load<u8>(start + to) : 0x20
        if (from == 0) {
          if (after == 0x3a) return found
        } else {
          const before: i32 = load<u8>(start + from - 1)
          if (before == 0x5b || before == 0x3c || before == 0x28) {
            if (after == 0x5d || after == 0x3e || after == 0x29) return found
          } else {
            let back = from - 1
            while (back >= 0 && (load<u8>(start + back) == 0x22 || load<u8>(start + back) == 0x20)) back--
            if (back >= 0 && (load<u8>(start + back) == 0x3d || load<u8>(start + back) == 0x3a)) return LEVEL_DOUBTFUL
          }
        }
      }
    }
    if (at >= 128) return LEVEL_NONE
  }
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
      level = LEVEL_INFO
      return STOPPED
    }
    const m = i32At(load<i32>(c, PLACES), KNOWN_MESSAGE)
    store<i32>(c, i32At(starts, m), ASKED_START)
    store<i32>(c, i32At(ends, m), ASKED_END)
    level = detect(i32At(starts, m), i32At(ends, m))
    if (level == LEVEL_DOUBTFUL) return DETECT
    if (level == LEVEL_NONE) level = LEVEL_INFO
    return STOPPED
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

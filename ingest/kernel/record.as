// One record from its bytes into the stage.

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

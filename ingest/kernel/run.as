// The loop over records.

/**
 * Takes records from POSITION on into the columns, until one is not for this path, or the window or a limit is reached.
 * POSITION is left after the last record taken, before any separator. Other results than STOPPED ask for something about
 * the record in the stage; the caller does it, sets PHASE and calls again:
 *
 *     DETECT   the level that the message [ASKED_START, ASKED_END) names, in DETECTED_LEVEL; then PHASE_LEVEL
 *     ROUTE    an entry for the service [ASKED_START, ASKED_END); then PHASE_RESOLVED
 *     APPEND   the row appended to the writer of ROUTE_ENTRY; then PHASE_APPENDED
 */
export function run(c: usize): i32 {
  const mode = load<i32>(c, MODE)
  const windowEnd: usize = load<i32>(c, WINDOW_END)
  const limit: usize = load<i32>(c, POSITION_LIMIT)
  let left = load<i32>(c, RECORDS_LEFT)
  let phase = load<i32>(c, PHASE)
  store<i32>(c, PHASE_NONE, PHASE)
  let p: usize = load<i32>(c, POSITION)
  while (left > 0) {
    let start: usize
    let end: usize
    let lines: i32 = 0
    if (phase != PHASE_NONE) {
      start = load<i32>(c, RECORD_START)
      end = load<i32>(c, RECORD_END)
      lines = load<i32>(c, RECORD_LINES)
      level = load<i32>(c, DETECTED_LEVEL)
    } else {
      start = p
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
      if (end == 0 || <i32>(end - start) > RECORD_BYTES_MAX || end > windowEnd) return STOPPED
      if (mode == MODE_LINES) {
        // The line has to end in this window.
        let after = end
        b = load<u8>(after)
        while (b == 0x20 || b == 0x09 || b == 0x0d) b = load<u8>(++after)
        if (b != 0x0a) return STOPPED
      }
      store<i32>(c, <i32>start, RECORD_START)
      store<i32>(c, <i32>end, RECORD_END)
      store<i32>(c, lines, RECORD_LINES)
      if (resolveLevel(c) == DETECT) return DETECT
      if (level < 0) return STOPPED
    }
    if (phase <= PHASE_LEVEL && !resolve(c)) return STOPPED
    if (phase <= PHASE_RESOLVED) {
      const entry = findRoute(c)
      if (entry < 0) return STOPPED
      if (entry == 0) return ROUTE
      if (!append(c, i32At(load<i32>(c, ROUTE_WRITERS), entry), <i32>(end - start))) {
        store<i32>(c, entry, ROUTE_ENTRY)
        return APPEND
      }
    }
    phase = PHASE_NONE
    p = end
    left--
    store<i32>(c, <i32>p, POSITION)
    store<i32>(c, left, RECORDS_LEFT)
    store<i32>(c, load<i32>(c, ACCEPTED) + 1, ACCEPTED)
    store<i32>(c, load<i32>(c, LINE) + lines, LINE)
  }
  return STOPPED
}

// The loop over records.

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

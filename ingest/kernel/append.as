// The staged record into the columns of its writer.

/** Entry of the staged record's service among the routes; 0 when it was not asked for yet, -1 when it is never kept. */
function findRoute(c: usize): i32 {
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
  if (length > ROUTE_NAME_BYTES_MAX) return -1
  store<i32>(c, from, ASKED_START)
  store<i32>(c, to, ASKED_END)
  const slots: usize = load<i32>(c, ROUTE_SLOTS)
  const starts: usize = load<i32>(c, ROUTE_STARTS)
  const ends: usize = load<i32>(c, ROUTE_ENDS)
  const names: usize = load<i32>(c, ROUTE_NAMES)
  let slot = hashValue(0, from, length) & (ROUTE_SLOTS_COUNT - 1)
  while (true) {
    const entry: i32 = load<u16>(slots + ((<usize>slot) << 1))
    if (entry == 0) return 0
    const at = i32At(starts, entry)
    if (i32At(ends, entry) - at == length && equals(from, names + at, length)) return entry
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

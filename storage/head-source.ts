import type { Bitmap } from '../base/bitmap.ts'
import type { CharMask } from '../base/char-mask.ts'
import { charMaskOfBytes, charMaskOfText, mayHoldChars } from '../base/char-mask.ts'
import type { Column, ColumnSource } from '../base/columns.ts'
import type { ColumnDirectory } from './search-unit.ts'

/** Filters of which a part remembers what they matched. */
const FILTERS_KEPT_MAX = 16
const DIGITS = charMaskOfText('0123456789')

/** One for each part, as long as the part lives. */
const known = new WeakMap<ColumnSource, HeadSource>()

/** The rows of a part of a head with what queries found out about them; a part never changes (storage/head.ts). */
export function headSource(part: ColumnSource): HeadSource {
  let source = known.get(part)
  if (source === undefined) {
    source = new HeadSource(part)
    known.set(part, source)
  }
  return source
}

class HeadSource implements ColumnSource, ColumnDirectory {
  readonly isWhole = true
  readonly rowCount: number
  readonly columnNames: readonly string[]
  readonly #part: ColumnSource
  readonly #chars = new Map<string, CharMask>()
  readonly #matches = new Map<string, Bitmap>()

  constructor(part: ColumnSource) {
    this.#part = part
    this.rowCount = part.rowCount
    this.columnNames = part.columnNames
  }

  get timeMs(): Float64Array {
    return this.#part.timeMs
  }

  get timeNs(): Uint32Array {
    return this.#part.timeNs
  }

  column(name: string): Column | undefined {
    return this.#part.column(name)
  }

  mayHold(name: string, chars: CharMask): boolean {
    let held = this.#chars.get(name)
    if (held === undefined) {
      const column = this.#part.column(name)
      if (column === undefined) return false
      held = charsOf(column, this.rowCount)
      this.#chars.set(name, held)
    }
    return mayHoldChars(held, chars)
  }

  matchesOf(filterKey: string): Bitmap | undefined {
    return this.#matches.get(filterKey)
  }

  keepMatches(filterKey: string, matches: Bitmap): void {
    this.#matches.set(filterKey, matches)
    if (this.#matches.size <= FILTERS_KEPT_MAX) return
    for (const oldest of this.#matches.keys()) if (this.#matches.delete(oldest)) break
  }
}

function charsOf(column: Column, rowCount: number): CharMask {
  if (column.kind === 'integer') return DIGITS
  const count = column.kind === 'dictionary' ? column.types.length : rowCount
  return charMaskOfBytes(column.bytes, column.offsets[0]!, column.offsets[count]!)
}

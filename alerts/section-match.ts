import {
  type BytesColumn,
  type Column,
  type ColumnSource,
  type DictionaryColumn,
  FIELD_LEVEL,
  FIELD_SERVICE,
  VALUE_ABSENT,
  VALUE_NUMBER,
} from '../base/columns.ts'
import { textOf } from '../query/filter-scan.ts'
import { clearRows, keepRows, scratchRows } from './row-scratch.ts'
import { ALL_LEVELS, levelBit, type Matcher, type ServicePlan, type TenantRules, type ValueIndex } from './rule-plan.ts'
import type { MatchSink } from './rule-set.ts'
import { follows, precedes } from './word-table.ts'

/** Rows 0, 1, 2 … of sources, as many as were ever asked for. */
let naturals = Uint32Array.from({ length: 1024 }, (_, i) => i)

function allRows(count: number): Uint32Array {
  if (count > naturals.length) naturals = Uint32Array.from({ length: count * 2 }, (_, i) => i)
  return naturals.subarray(0, count)
}

/** Values of a column by row as small numbers, 0 where it is absent, and what the numbers stand for. */
interface Codes {
  readonly codes: Uint8Array | Uint32Array
  readonly texts: readonly string[]
}

/** One pass of the rules of a tenant over one source that has no overflow. */
export class SectionMatch {
  readonly #rules: TenantRules
  readonly #source: ColumnSource
  readonly #sink: MatchSink
  readonly #members: Uint32Array
  /** Plans of the services there are, and of any; each with its rows (null: all of them). */
  readonly #parts: { readonly plan: ServicePlan; readonly rows: Uint32Array }[] = []
  /** By row: the plan of its service; null where one plan, or none, is everybody's. */
  #planOfRow: ((row: number) => ServicePlan | undefined) | null = null
  #onlyPlan: ServicePlan | undefined
  /** By row: the bit of its level; undefined when no rule asks. */
  #levels: Uint32Array | undefined
  readonly #touched: Matcher[] = []
  #chosen: Uint8Array | undefined

  constructor(rules: TenantRules, source: ColumnSource, rows: Uint32Array | null, sink: MatchSink) {
    this.#rules = rules
    this.#source = source
    this.#sink = sink
    this.#members = rows ?? allRows(source.rowCount)
  }

  /** False, and nothing was handed out, where words are written in a way that only the filters themselves know of. */
  run(): boolean {
    clearRows()
    this.#findPlans()
    if (this.#parts.length === 0) return true
    if (!this.#findWords()) {
      for (const matcher of this.#touched) reset(matcher)
      return false
    }
    for (const { plan, rows } of this.#parts) {
      for (const index of plan.values.values()) this.#findValues(index, rows)
      if (plan.others.length > 0) this.#evaluateAll(plan.others, rows)
      if (plan.byField.size === 0) continue
      for (const name of this.#source.columnNames) {
        const matchers = plan.byField.get(name)
        if (matchers !== undefined) this.#evaluateAll(matchers, rows)
      }
    }
    for (const matcher of this.#touched) {
      const rows = matcher.rows.subarray(0, matcher.rowCount)
      const isSorted = matcher.isSorted
      reset(matcher)
      this.#give(matcher, isSorted ? rows : distinctOf(rows))
    }
    return true
  }

  #findPlans(): void {
    const { general } = this.#rules
    if (!general.isEmpty) this.#parts.push({ plan: general, rows: this.#members })
    if (!this.#rules.namesServices) return
    const column = this.#source.column(FIELD_SERVICE)
    if (column === undefined) return
    const { codes, texts } = codesOf(column)
    const plans = texts.map((text) => this.#rules.planOf(text))
    if (plans.length === 1 && plans[0] === undefined) return
    let only: number | undefined = codes[this.#members[0]!]!
    for (let i = 1; i < this.#members.length; i++) {
      if (codes[this.#members[i]!] === only) continue
      only = undefined
      break
    }
    if (only !== undefined) {
      this.#onlyPlan = only === 0 ? undefined : plans[only - 1]
      if (this.#onlyPlan !== undefined) this.#parts.push({ plan: this.#onlyPlan, rows: this.#members })
      return
    }
    plans.forEach((plan, place) => {
      if (plan === undefined) return
      const rows = this.#rowsOfService(codes, place + 1)
      if (rows.length > 0) this.#parts.push({ plan, rows })
    })
    if (this.#parts.some(({ plan }) => plan !== general)) {
      this.#planOfRow = (row) => {
        const code = codes[row]!
        return code === 0 ? undefined : plans[code - 1]
      }
    }
  }

  #rowsOfService(codes: Codes['codes'], code: number): Uint32Array {
    const members = this.#members
    const rows = scratchRows(members.length)
    let count = 0
    for (let i = 0; i < members.length; i++) if (codes[members[i]!] === code) rows[count++] = members[i]!
    return keepRows(rows, count)
  }

  /** The bit of each row's level. */
  #levelsOfRows(): Uint32Array {
    if (this.#levels !== undefined) return this.#levels
    const column = this.#source.column(FIELD_LEVEL)
    const levels = scratchRows(this.#source.rowCount).fill(0)
    this.#levels = levels
    // A row without a level matches no rule that names one.
    if (column === undefined) return levels
    const { codes, texts } = codesOf(column)
    const bits = Uint8Array.from(['', ...texts], (text, code) => (code === 0 ? 0 : levelBit(text)))
    for (let row = 0; row < levels.length; row++) levels[row] = bits[codes[row]!]!
    return levels
  }

  #hasLevel(matcher: Matcher, row: number): boolean {
    return matcher.levelMask === ALL_LEVELS || (this.#levelsOfRows()[row]! & matcher.levelMask) !== 0
  }

  #take(matcher: Matcher, row: number): void {
    if (!this.#hasLevel(matcher, row)) return
    const count = matcher.rowCount
    if (count === 0) this.#touched.push(matcher)
    else {
      const last = matcher.rows[count - 1]!
      if (last === row) return
      if (last > row) matcher.isSorted = false
      if (count === matcher.rows.length) {
        const grown = new Uint32Array(count * 2)
        grown.set(matcher.rows)
        matcher.rows = grown
      }
    }
    matcher.rows[count] = row
    matcher.rowCount = count + 1
  }

  // --- words

  #findWords(): boolean {
    const plans = this.#parts.map(({ plan }) => plan).filter((plan) => plan.hasWords)
    if (plans.length === 0) return true
    const fields = plans.some((plan) => plan.wordFields === null)
      ? null
      : new Set(plans.flatMap((plan) => [...plan.wordFields!]))
    for (const name of this.#source.columnNames) {
      if (name.startsWith('\\@') || (fields !== null && !fields.has(name))) continue
      const column = this.#source.column(name)
      if (column === undefined || column.kind === 'integer') continue
      const isHidden = column.kind === 'bytes' ? this.#scanBytes(name, column) : this.#scanDictionary(name, column)
      if (isHidden && this.#rules.hasKelvinLetter) return false
    }
    return true
  }

  #scanBytes(name: string, column: BytesColumn): boolean {
    const chosen = this.#chosenRows()
    const { bytes, offsets } = column
    return this.#rules.words.find(bytes, offsets, this.#source.rowCount, (row, word, at) => {
      if (chosen !== null && chosen[row] !== 1) return
      const own = this.#planOfRow === null ? this.#onlyPlan : this.#planOfRow(row)
      this.#tell(own?.words[word], name, row, column, row, at, word)
      this.#tell(this.#rules.general.words[word], name, row, column, row, at, word)
    })
  }

  #scanDictionary(name: string, column: DictionaryColumn): boolean {
    const { codes, bytes, offsets } = column
    const hits: number[] = []
    const isHidden = this.#rules.words.find(bytes, offsets, offsets.length - 1, (index, word, at) => {
      hits.push(index, word, at)
    })
    if (hits.length === 0) return isHidden
    const rowsOf = this.#rowsByCode(codes, offsets.length)
    for (let k = 0; k < hits.length; k += 3) {
      const [index, word, at] = [hits[k]!, hits[k + 1]!, hits[k + 2]!]
      for (let i = rowsOf.starts[index + 1]!; i < rowsOf.starts[index + 2]!; i++) {
        const row = rowsOf.rows[i]!
        const own = this.#planOfRow === null ? this.#onlyPlan : this.#planOfRow(row)
        this.#tell(own?.words[word], name, row, column, index, at, word)
        this.#tell(this.#rules.general.words[word], name, row, column, index, at, word)
      }
    }
    return isHidden
  }

  /** Rows of each code, ascending: those of code c are rows[starts[c]] … */
  #rowsByCode(codes: Uint8Array, codeCount: number): { readonly rows: Uint32Array; readonly starts: Uint32Array } {
    const members = this.#members
    const starts = scratchRows(codeCount + 1).fill(0)
    for (let i = 0; i < members.length; i++) starts[codes[members[i]!]! + 1]!++
    for (let code = 0; code < codeCount; code++) starts[code + 1]! += starts[code]!
    const next = scratchRows(starts.length)
    next.set(starts)
    const rows = scratchRows(members.length)
    for (let i = 0; i < members.length; i++) rows[next[codes[members[i]!]!]!++] = members[i]!
    return { rows, starts }
  }

  /** By row: 1 where it is asked for; null: all are. */
  #chosenRows(): Uint8Array | null {
    if (this.#members.length === this.#source.rowCount) return null
    if (this.#chosen === undefined) {
      this.#chosen = new Uint8Array(this.#source.rowCount)
      for (const row of this.#members) this.#chosen[row] = 1
    }
    return this.#chosen
  }

  /** A row has a word in a field, at byte `at` of value `index`. */
  #tell(
    list: ServicePlan['words'][number],
    field: string,
    row: number,
    { bytes, offsets }: BytesColumn | DictionaryColumn,
    index: number,
    at: number,
    word: number,
  ): void {
    if (list === undefined) return
    for (let i = 0; i < list.length; i++) {
      const { matcher, field: wanted, around } = list[i]!
      if (wanted !== null && wanted !== field) continue
      if (around !== null) {
        const end = at + this.#rules.words.words[word]!.length
        if (!precedes(bytes, offsets[index]!, at, around.before)) continue
        if (!follows(bytes, end, offsets[index + 1]!, around.after)) continue
      }
      this.#take(matcher, row)
    }
  }

  // --- values

  #findValues({ field, byText, byInteger, byNumber }: ValueIndex, rows: Uint32Array): void {
    const column = this.#source.column(field)
    if (column === undefined) return
    switch (column.kind) {
      case 'integer':
        if (byInteger.size === 0) return
        for (let i = 0; i < rows.length; i++) {
          const list = byInteger.get(column.values[rows[i]!]!)
          if (list !== undefined) for (const matcher of list) this.#take(matcher, rows[i]!)
        }
        return
      case 'dictionary': {
        const lists: (readonly Matcher[] | undefined)[] = [undefined]
        let isAny = false
        for (let code = 0; code < column.types.length; code++) {
          const list = matchersOf(column, code, byText, byNumber)
          lists.push(list)
          isAny ||= list !== undefined
        }
        if (!isAny) return
        for (let i = 0; i < rows.length; i++) {
          const list = lists[column.codes[rows[i]!]!]
          if (list !== undefined) for (const matcher of list) this.#take(matcher, rows[i]!)
        }
        return
      }
      case 'bytes':
        for (let i = 0; i < rows.length; i++) {
          const list = matchersOf(column, rows[i]!, byText, byNumber)
          if (list !== undefined) for (const matcher of list) this.#take(matcher, rows[i]!)
        }
    }
  }

  // --- the rest

  /** Matchers without a key, on the rows of their services. */
  #evaluateAll(matchers: readonly Matcher[], rows: Uint32Array): void {
    let byMask: Map<number, Uint32Array> | undefined
    for (const matcher of matchers) {
      let own: Uint32Array | undefined = rows
      if (matcher.levelMask !== ALL_LEVELS) {
        byMask ??= new Map()
        own = byMask.get(matcher.levelMask)
        if (own === undefined) {
          own = this.#rowsOfLevels(rows, matcher.levelMask)
          byMask.set(matcher.levelMask, own)
        }
      }
      if (own.length > 0) this.#give(matcher, own)
    }
  }

  #rowsOfLevels(rows: Uint32Array, mask: number): Uint32Array {
    const levels = this.#levelsOfRows()
    const chosen = scratchRows(rows.length)
    let count = 0
    for (let i = 0; i < rows.length; i++) if ((levels[rows[i]!]! & mask) !== 0) chosen[count++] = rows[i]!
    return keepRows(chosen, count)
  }

  #give(matcher: Matcher, rows: Uint32Array): void {
    const found = matcher.rest === null ? rows : matcher.rest(this.#source, rows)
    if (found.length === 0) return
    for (const term of matcher.terms) this.#sink(term, found)
  }
}

function reset(matcher: Matcher): void {
  matcher.rowCount = 0
  matcher.isSorted = true
}

/** Matchers waiting for a value of a list; undefined where there are none. */
function matchersOf(
  list: DictionaryColumn | BytesColumn,
  index: number,
  byText: ReadonlyMap<string, Matcher[]>,
  byNumber: ReadonlyMap<number, Matcher[]>,
): readonly Matcher[] | undefined {
  const type = list.types[index]!
  if (type === VALUE_ABSENT) return undefined
  const text = textOf(list, index)
  const equal = byText.get(text)
  if (type !== VALUE_NUMBER || byNumber.size === 0) return equal
  const same = byNumber.get(Number(text))
  if (same === undefined || equal === undefined) return equal ?? same
  return [...new Set([...equal, ...same])]
}

function codesOf(column: Column): Codes {
  if (column.kind === 'dictionary') {
    const texts = Array.from(column.types, (_, index) => textOf(column, index))
    return { codes: column.codes, texts }
  }
  const rowCount = column.kind === 'bytes' ? column.types.length : column.values.length
  const codes = new Uint32Array(rowCount)
  const texts: string[] = []
  const known = new Map<string, number>()
  for (let row = 0; row < rowCount; row++) {
    let text: string
    if (column.kind === 'integer') {
      if (Number.isNaN(column.values[row])) continue
      text = String(column.values[row])
    } else {
      if (column.types[row] === VALUE_ABSENT) continue
      text = textOf(column, row)
    }
    let code = known.get(text)
    if (code === undefined) {
      texts.push(text)
      code = texts.length
      known.set(text, code)
    }
    codes[row] = code
  }
  return { codes, texts }
}

function distinctOf(rows: Uint32Array): Uint32Array {
  rows.sort()
  let count = 0
  for (let i = 0; i < rows.length; i++) if (i === 0 || rows[i] !== rows[i - 1]) rows[count++] = rows[i]!
  return rows.subarray(0, count)
}

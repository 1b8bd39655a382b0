import { LEVELS } from '../query/fields.ts'
import { type CompiledFilter, compileFilter } from '../query/filter.ts'
import { type FilterGuard, type GuardKey, guardOf } from './filter-guard.ts'
import { compileRowsTest, type RowsTest } from './row-test.ts'
import { type AlertRule, filtersOf } from './rule.ts'
import { WordTable } from './word-table.ts'

/** One filter of a rule. */
export interface RuleTerm {
  readonly rule: AlertRule
  /** Place of the rule in the list that was compiled. */
  readonly ruleIndex: number
  /** Whether it is what the rule counts, or what a ratio is to. */
  readonly side: 'own' | 'base'
}

/** The rules of one filter, which is evaluated once for all of them. */
export interface Matcher {
  readonly filter: CompiledFilter
  readonly guard: FilterGuard
  readonly terms: RuleTerm[]
  /** Bits of `levelBit`; all where every level may match. */
  readonly levelMask: number
  /** What is left to be asked of rows that the guard lets through; null: nothing. */
  readonly rest: RowsTest | null
  /** The first `rowCount` are rows of the source at hand that have one of the keys; in order unless `isSorted` is false. */
  rows: Uint32Array
  rowCount: number
  isSorted: boolean
}

export const ALL_LEVELS = 0xff
const OTHER_LEVEL = 7

/** The bit of a level, as the column `level` has it. */
export function levelBit(text: string): number {
  const place = LEVELS.indexOf(text.toUpperCase())
  return 1 << (place < 0 ? OTHER_LEVEL : place)
}

/** A matcher that is waiting for a word. */
export interface Awaiting {
  readonly matcher: Matcher
  /** Where the word must stand; null: anywhere. */
  readonly field: string | null
  /** Words that must stand around it in the same value; null: none. */
  readonly around: { readonly before: readonly Uint8Array[]; readonly after: readonly Uint8Array[] } | null
}

/** Matchers waiting for values of one field. */
export interface ValueIndex {
  readonly field: string
  readonly byText: Map<string, Matcher[]>
  /** Of values of integer columns. */
  readonly byInteger: Map<number, Matcher[]>
  /** Of other numbers, where the number matters and not its text. */
  readonly byNumber: Map<number, Matcher[]>
}

/** The matchers of one service (or those of any), by what rows must have for them. */
export class ServicePlan {
  /** By number of the word. */
  readonly words: (Awaiting[] | undefined)[] = []
  /** Fields in which words are waited for; null: all. */
  wordFields: Set<string> | null = new Set()
  hasWords = false
  readonly values = new Map<string, ValueIndex>()
  /** Matchers without a key, by the field that they need. */
  readonly byField = new Map<string, Matcher[]>()
  /** Matchers without a key or a field. */
  readonly others: Matcher[] = []
  isEmpty = true

  constructor(matchers: Iterable<Matcher>, numberOf: ReadonlyMap<string, number>) {
    for (const matcher of matchers) {
      this.isEmpty = false
      const { keys, field } = matcher.guard
      for (const key of keys) this.#await(matcher, key, numberOf)
      if (keys.length > 0) continue
      if (field === null) this.others.push(matcher)
      else push(this.byField, field, matcher)
    }
  }

  #await(matcher: Matcher, key: GuardKey, numberOf: ReadonlyMap<string, number>): void {
    if (key.kind === 'word') {
      const number = numberOf.get(key.word)!
      this.words[number] ??= []
      this.words[number].push({ matcher, field: key.field, around: aroundOf(key) })
      this.hasWords = true
      if (key.field === null) this.wordFields = null
      else this.wordFields?.add(key.field)
      return
    }
    const { field } = key
    const index = this.values.get(field) ?? { field, byText: new Map(), byInteger: new Map(), byNumber: new Map() }
    this.values.set(key.field, index)
    push(index.byText, key.text, matcher)
    const number = numberOfKey(key)
    if (number !== null) push(index.byInteger, number, matcher)
    if (key.number !== null) push(index.byNumber, key.number, matcher)
  }
}

function aroundOf({ before, after }: GuardKey & { kind: 'word' }): Awaiting['around'] {
  if (before.length + after.length === 0) return null
  const bytesOf = (word: string) => Uint8Array.from(word, (c) => c.charCodeAt(0))
  return { before: before.map(bytesOf), after: after.map(bytesOf) }
}

/** The number that integers are compared with. */
function numberOfKey({ text, number }: { readonly text: string; readonly number: number | null }): number | null {
  if (number !== null) return number
  return String(Number(text)) === text ? Number(text) : null
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}

/** Services whose plan is remembered. Those that no rule names share one, so that only names of rules count. */
export class TenantRules {
  readonly words: WordTable
  readonly matchers: readonly Matcher[]
  /** Whether a word that is looked for has the letter that may be written as a Kelvin sign. */
  readonly hasKelvinLetter: boolean
  /** Of the rules that name no service. */
  readonly general: ServicePlan
  readonly #byService = new Map<string, ServicePlan>()

  constructor(rules: readonly { readonly rule: AlertRule; readonly ruleIndex: number }[]) {
    const matchers = new Map<string, Matcher>()
    for (const { rule, ruleIndex } of rules) {
      filtersOf(rule).forEach((filter, i) => {
        const compiled = compileFilter(filter)
        const matcher = matchers.get(compiled.key) ?? matcherOf(compiled, guardOf(filter))
        matchers.set(compiled.key, matcher)
        matcher.terms.push({ rule, ruleIndex, side: i === 0 ? 'own' : 'base' })
      })
    }
    this.matchers = [...matchers.values()]
    const words = new Set<string>()
    const named = new Map<string, Matcher[]>()
    const general: Matcher[] = []
    for (const matcher of this.matchers) {
      for (const key of matcher.guard.keys) if (key.kind === 'word') words.add(key.word)
      const { services } = matcher.guard
      if (services === null) general.push(matcher)
      else for (const service of new Set(services)) push(named, service, matcher)
    }
    this.words = new WordTable([...words])
    this.hasKelvinLetter = this.matchers.some(({ guard }) =>
      guard.keys.some((key) => key.kind === 'word' && [key.word, ...key.before, ...key.after].join().includes('k')),
    )
    const numberOf = new Map(this.words.words.map((word, number) => [word, number]))
    this.general = new ServicePlan(general, numberOf)
    for (const [service, list] of named) this.#byService.set(service, new ServicePlan(list, numberOf))
  }

  /** Undefined where no rule names the service. */
  planOf(service: string): ServicePlan | undefined {
    return this.#byService.get(service)
  }

  get namesServices(): boolean {
    return this.#byService.size > 0
  }
}

function matcherOf(filter: CompiledFilter, guard: FilterGuard): Matcher {
  let levelMask = guard.levels === null ? ALL_LEVELS : 0
  for (const level of guard.levels ?? []) levelMask |= levelBit(level)
  const rest = guard.rest.kind === 'all' ? null : compileRowsTest(guard.rest)
  return { filter, guard, terms: [], levelMask, rest, rows: new Uint32Array(16), rowCount: 0, isSorted: true }
}

import { WeirError } from '../base/errors.ts'
import { durationMs } from '../query/duration.ts'
import { didYouMean } from '../query/errors.ts'

/** An error in the definition of a rule: where it is (`condition/window`), what is wrong, what to write instead. */
function ruleError(path: string, problem: string, hint = ''): WeirError {
  const shown = path.slice(0, 200)
  const message = `\`${shown}\` ${problem}${hint === '' ? '' : `. ${hint}`}`
  return new WeirError('invalid_parameter', message, { parameter: shown, ...(hint === '' ? {} : { hint }) })
}

const STRINGS_HINT = 'Give a string, or a list of strings.'

/**
 * Reads the members of one object of a definition, whatever that is. Each is read by its type; `finish` then throws for those that nobody
 * has asked for. All throw invalid_parameter with the path of the member.
 */
export class DefinitionReader {
  readonly #path: string
  readonly #values: ReadonlyMap<string, unknown>
  readonly #known = new Set<string>()

  /** `path` of the object itself; the empty text for the outermost. */
  constructor(path: string, definition: unknown) {
    if (typeof definition !== 'object' || definition === null || Array.isArray(definition))
      throw ruleError(path === '' ? 'rule' : path, 'must be an object')
    this.#path = path
    this.#values = new Map(Object.entries(definition))
  }

  pathOf(name: string): string {
    return this.#path === '' ? name : `${this.#path}/${name}`
  }

  error(name: string, problem: string, hint?: string): WeirError {
    return ruleError(this.pathOf(name), problem, hint)
  }

  has(name: string): boolean {
    this.#known.add(name)
    return this.#values.get(name) !== undefined
  }

  /** The member as it came; undefined when absent. */
  value(name: string): unknown {
    this.#known.add(name)
    return this.#values.get(name)
  }

  text(name: string, charsMax: number): string | undefined {
    const value = this.value(name)
    if (value === undefined) return undefined
    if (typeof value !== 'string') throw this.error(name, 'must be a string')
    if (value.length > charsMax) throw this.error(name, `is longer than ${charsMax} characters`)
    return value
  }

  requiredText(name: string, charsMax: number): string {
    const text = this.text(name, charsMax)
    if (text === undefined || text.trim() === '')
      throw this.error(name, 'is required', 'Give a string that is not empty.')
    return text
  }

  boolean(name: string, byDefault: boolean): boolean {
    const value = this.value(name)
    if (value === undefined) return byDefault
    if (typeof value !== 'boolean') throw this.error(name, 'must be true or false')
    return value
  }

  oneOf<T extends string>(name: string, values: readonly T[], byDefault: T | undefined): T {
    const value = this.value(name)
    if (value === undefined && byDefault !== undefined) return byDefault
    const found = values.find((known) => known === value)
    const hint = `One of ${values.map((known) => `\`${known}\``).join(', ')}.`
    if (found === undefined) throw this.error(name, value === undefined ? 'is required' : 'is none of its values', hint)
    return found
  }

  /** Strings, none twice; a single string stands for a list of one. Empty when absent. */
  texts(name: string, countMax: number, charsMax: number): string[] {
    const value = this.value(name)
    if (value === undefined) return []
    const list: unknown[] = Array.isArray(value) ? value : [value]
    if (list.length > countMax) throw this.error(name, `has more than ${countMax} members`)
    const texts = list.map((member, i) => {
      const path = Array.isArray(value) ? `${name}/${i}` : name
      if (typeof member !== 'string' || member === '') throw this.error(path, 'must be a string', STRINGS_HINT)
      if (member.length > charsMax) throw this.error(path, `is longer than ${charsMax} characters`)
      return member
    })
    return [...new Set(texts)]
  }

  /** Milliseconds, whole. */
  duration(name: string, minMs: number, maxMs: number, byDefault: number | undefined): number {
    const value = this.value(name)
    if (value === undefined && byDefault !== undefined) return byDefault
    const hint = `A duration of ${durationText(minMs)} to ${durationText(maxMs)}, such as 30s, 5m or 1h30m.`
    if (value === undefined) throw this.error(name, 'is required', hint)
    const ms = typeof value === 'string' ? (value === '0' ? 0 : durationMs(value)) : undefined
    if (ms === undefined || !Number.isInteger(ms)) throw this.error(name, 'is not a duration', hint)
    if (ms < minMs || ms > maxMs) throw this.error(name, `is ${ms < minMs ? 'shorter' : 'longer'} than it may be`, hint)
    return ms
  }

  /** Throws for members that nobody has asked for. */
  finish(what: string): void {
    for (const name of this.#values.keys()) {
      if (this.#known.has(name)) continue
      const meant = didYouMean(name, [...this.#known])
      const hint = meant === null ? `There are ${[...this.#known].join(', ')}.` : `Did you mean \`${meant}\`?`
      throw this.error(name, `is not part of ${what}`, hint)
    }
  }
}

const UNITS: readonly (readonly [string, number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
]

/** `90000` as `1m30s`; the shortest text that parses to the same. */
export function durationText(ms: number): string {
  if (ms === 0) return '0s'
  let rest = ms
  let text = ''
  for (const [unit, unitMs] of UNITS) {
    const count = Math.floor(rest / unitMs)
    if (count > 0) text += `${count}${unit}`
    rest -= count * unitMs
  }
  return rest > 0 ? `${text}${rest}ms` : text
}

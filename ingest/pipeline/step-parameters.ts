import { WeirError } from '../../base/errors.ts'
import { PATH_BYTES_MAX } from '../../base/limits.ts'
import { type FieldPath, fieldPath } from './field-path.ts'

/** An error in the definition of a pipeline: where it is (`steps/2/field`), what is wrong, what to write instead. */
export function definitionError(path: string, problem: string, hint = ''): WeirError {
  const shown = path.slice(0, 200)
  const message = `\`${shown}\` ${problem}${hint === '' ? '' : `. ${hint}`}`
  return new WeirError('invalid_parameter', message, { parameter: shown, ...(hint === '' ? {} : { hint }) })
}

/** `a`, `b` or `c`: for hints. */
export function oneOf(names: readonly string[]): string {
  return names.map((name) => `\`${name}\``).join(', ')
}

/**
 * Reads the parameters of one step out of its definition, whatever that is. Each is read once, by its type; `finish` then throws for those that
 * nobody has asked for. All throw invalid_parameter with the path of the parameter.
 */
export class StepParameters {
  /** Of the step in the definition: `steps/2`. */
  readonly path: string
  readonly #values: ReadonlyMap<string, unknown>
  readonly #read = new Set<string>()

  constructor(path: string, values: object) {
    this.path = path
    this.#values = new Map(Object.entries(values))
  }

  has(name: string): boolean {
    return this.#values.get(name) !== undefined
  }

  /** The parameter as it came; undefined when absent. */
  value(name: string): unknown {
    this.#read.add(name)
    return this.#values.get(name)
  }

  optionalText(name: string, charsMax = 4096): string | undefined {
    const value = this.value(name)
    if (value === undefined) return undefined
    if (typeof value !== 'string') throw this.error(name, 'must be a string')
    if (value.length > charsMax) throw this.error(name, `is longer than ${charsMax} characters`)
    return value
  }

  text(name: string, charsMax?: number): string {
    const text = this.optionalText(name, charsMax)
    if (text === undefined || text === '') throw this.error(name, 'is required', 'Give a string that is not empty.')
    return text
  }

  boolean(name: string, byDefault: boolean): boolean {
    const value = this.value(name)
    if (value === undefined) return byDefault
    if (typeof value !== 'boolean') throw this.error(name, 'must be true or false')
    return value
  }

  /** A number within [min, max]. */
  number(name: string, min: number, max: number, byDefault?: number): number {
    const value = this.value(name) ?? byDefault
    if (typeof value !== 'number' || !(value >= min && value <= max))
      throw this.error(
        name,
        value === undefined ? 'is required' : 'is not such a number',
        `A number from ${min} to ${max}.`,
      )
    return value
  }

  integer(name: string, min: number, max: number, byDefault?: number): number {
    const value = this.number(name, min, max, byDefault)
    if (!Number.isInteger(value)) throw this.error(name, 'must be an integer')
    return value
  }

  choice<const T extends string>(name: string, choices: readonly T[], byDefault?: T): T {
    const value = this.value(name) ?? byDefault
    const choice = choices.find((one) => one === value)
    if (choice === undefined)
      throw this.error(name, value === undefined ? 'is required' : 'is none of its values', `One of ${oneOf(choices)}.`)
    return choice
  }

  optionalField(name: string): FieldPath | undefined {
    const text = this.optionalText(name)
    return text === undefined ? undefined : this.#path(name, text)
  }

  field(name: string, byDefault?: string): FieldPath {
    const text = this.optionalText(name) ?? byDefault
    if (text === undefined) throw this.error(name, 'is required', 'The name of a field, such as `user.name`.')
    return this.#path(name, text)
  }

  /** A list of strings, none of them empty; absent: undefined. */
  optionalTexts(name: string, countMax = 1000): string[] | undefined {
    const value = this.value(name)
    if (value === undefined) return undefined
    if (!Array.isArray(value) || value.length === 0 || value.length > countMax)
      throw this.error(name, 'must be a list', `An array of 1 to ${countMax} strings.`)
    return value.map((one: unknown, i) => {
      if (typeof one !== 'string' || one === '') throw this.error(`${name}/${i}`, 'must be a string that is not empty')
      return one
    })
  }

  optionalFields(name: string): FieldPath[] | undefined {
    return this.optionalTexts(name)?.map((text, i) => this.#path(`${name}/${i}`, text))
  }

  fields(name: string): FieldPath[] {
    const fields = this.optionalFields(name)
    if (fields === undefined) throw this.error(name, 'is required', 'An array of names of fields.')
    return fields
  }

  /** The members of an object parameter, such as names and what they become. */
  entries(name: string, countMax = 1000): [string, unknown][] {
    const value = this.value(name)
    if (value === undefined) throw this.error(name, 'is required', 'An object.')
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw this.error(name, 'must be an object')
    const entries = Object.entries(value)
    if (entries.length === 0 || entries.length > countMax) throw this.error(name, `must have 1 to ${countMax} members`)
    return entries
  }

  /** A path that is part of the parameter `name`. */
  fieldOf(name: string, text: string): FieldPath {
    return this.#path(name, text)
  }

  /** Throws for the first parameter that was not read. */
  finish(): void {
    for (const name of this.#values.keys()) {
      if (!this.#read.has(name))
        throw this.error(name, 'is not a parameter of this step', `There are ${oneOf([...this.#read].sort())}.`)
    }
  }

  error(name: string, problem: string, hint?: string): WeirError {
    return definitionError(`${this.path}/${name}`, problem, hint)
  }

  #path(name: string, text: string): FieldPath {
    const path = fieldPath(text)
    if (path.keys.some((key) => key === ''))
      throw this.error(name, 'has an empty part', 'Write `a.b`, or `a\\.b` for a key with a dot.')
    if (Buffer.byteLength(text) > PATH_BYTES_MAX) throw this.error(name, `is longer than ${PATH_BYTES_MAX} bytes`)
    return path
  }
}

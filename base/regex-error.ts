import { WeirError } from './errors.ts'

/**
 * A regular expression that is malformed, not linear, or too large. `position` and `length` are UTF-16 code units of the
 * expression (a flag's position is behind it, as in `/source/flags`), `hint` says what to write instead.
 */
export class RegexError extends WeirError {
  readonly problem: string
  readonly position: number
  readonly length: number
  readonly hint: string

  constructor(problem: string, position: number, length: number, hint: string) {
    super('invalid_parameter', `${problem} (at position ${position}). ${hint}`, { position, length, hint })
    this.problem = problem
    this.position = position
    this.length = length
    this.hint = hint
  }
}

import { RegexAutomaton } from '../base/regex-automaton.ts'
import { RegexError } from '../base/regex-error.ts'
import { nativeRegex } from '../base/regex-native.ts'
import { compileProgram } from '../base/regex-program.ts'
import { parseRegex, type RegexNode } from '../base/regex-syntax.ts'
import { QuerySyntaxError } from './errors.ts'
import { type LiteralRun, literalRunsOf, SEPARATOR } from './regex-literals.ts'

/** `find`: the match may stand anywhere in the text. `whole`: it must be the whole text. */
export type RegexMode = 'find' | 'whole'

/**
 * A regular expression of a user, which cannot hang the node: `test` and `testBytes` are linear in the text. Where speed
 * counts, `native` scans many short ASCII values at once.
 */
export interface UserRegex {
  /** Does `text` match? */
  test(text: string): boolean
  /** Does the text whose UTF-8 is bytes[start, end) match? Nothing is decoded or allocated. */
  testBytes(bytes: Uint8Array, start: number, end: number): boolean
  /**
   * An equal expression for V8, to be used only on texts that are all ASCII and at most `nativeLengthMax` long: on others
   * it may take for ever, or differ. Null when backtracking could be exponential.
   */
  readonly native: RegExp | null
  /** In characters; 0 when `native` is null. */
  readonly nativeLengthMax: number
}

/**
 * Compiles `source`, in the syntax of RE2, with flags out of `i`, `s`, `m`, `u`. Throws QuerySyntaxError (positions in
 * `source`; a flag's position is behind it as in `/source/flags`) for what is malformed, not linear, or too large.
 */
export function compileUserRegex(source: string, flags: string, mode: RegexMode): UserRegex {
  return asQueryError(() => {
    const parsed = parseRegex(source, flags)
    const node: RegexNode =
      mode === 'find'
        ? parsed
        : { kind: 'cat', of: [{ kind: 'assert', at: 'textBegin' }, parsed, { kind: 'assert', at: 'textEnd' }] }
    const program = compileProgram(node, source.length)
    const automaton = new RegexAutomaton(program)
    const native = nativeRegex(node, program.anchored)
    const nativeLengthMax = native?.lengthMax ?? 0
    const testBytes = (bytes: Uint8Array, start: number, end: number) => {
      try {
        return automaton.test(bytes, start, end)
      } catch (error) {
        throw queryErrorOf(error)
      }
    }
    return {
      native: native?.regex ?? null,
      nativeLengthMax,
      testBytes,
      test(text) {
        const { bytes, length } = encoded(text)
        return testBytes(bytes, 0, length)
      },
    }
  })
}

/** Throws as `compileUserRegex` does, without keeping anything. */
export function checkUserRegex(source: string, flags: string): void {
  asQueryError(() => compileProgram(parseRegex(source, flags), source.length))
}

/**
 * The longest ASCII text, folded to lower case, that the folded text of every match contains; null when there is none.
 * Throws QuerySyntaxError as `compileUserRegex` does.
 */
export function requiredLiteral(source: string, flags: string): string | null {
  let longest = ''
  for (const run of literalRuns(source, flags, 'find')) {
    for (const piece of run.text.split(SEPARATOR)) if (piece.length > longest.length) longest = piece
  }
  return longest === '' ? null : longest
}

/** Texts that every match contains, with what is known of what stands beside them. */
export function literalRuns(source: string, flags: string, mode: RegexMode): readonly LiteralRun[] {
  return asQueryError(() => literalRunsOf(parseRegex(source, flags), mode === 'whole'))
}

/** What is wrong with an expression is wrong with the query that it is part of. */
function asQueryError<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw queryErrorOf(error)
  }
}

function queryErrorOf(error: unknown): unknown {
  if (!(error instanceof RegexError)) return error
  return new QuerySyntaxError(error.problem, error.position, error.length, error.hint)
}

const encoder = new TextEncoder()
const SCRATCH_BYTES = 4096
const scratch = new Uint8Array(SCRATCH_BYTES)

/** The UTF-8 of `text`, in memory that the next call overwrites. */
function encoded(text: string): { bytes: Uint8Array; length: number } {
  if (text.length * 3 > SCRATCH_BYTES) {
    const bytes = encoder.encode(text)
    return { bytes, length: bytes.length }
  }
  return { bytes: scratch, length: encoder.encodeInto(text, scratch).written }
}

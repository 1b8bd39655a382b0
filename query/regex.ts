import { RegexAutomaton } from './regex-automaton.ts'
import { type LiteralRun, literalRunsOf, SEPARATOR } from './regex-literals.ts'
import { nativeRegex } from './regex-native.ts'
import { compileProgram } from './regex-program.ts'
import { parseRegex, type RegexNode } from './regex-syntax.ts'

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
  const parsed = parseRegex(source, flags)
  const node: RegexNode =
    mode === 'find'
      ? parsed
      : { kind: 'cat', of: [{ kind: 'assert', at: 'textBegin' }, parsed, { kind: 'assert', at: 'textEnd' }] }
  const program = compileProgram(node, source.length)
  const automaton = new RegexAutomaton(program)
  const native = nativeRegex(node, program.anchored)
  const nativeLengthMax = native?.lengthMax ?? 0
  return {
    native: native?.regex ?? null,
    nativeLengthMax,
    testBytes: (bytes, start, end) => automaton.test(bytes, start, end),
    test(text) {
      const { bytes, length } = encoded(text)
      return automaton.test(bytes, 0, length)
    },
  }
}

/** Throws as `compileUserRegex` does, without keeping anything. */
export function checkUserRegex(source: string, flags: string): void {
  compileProgram(parseRegex(source, flags), source.length)
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
  return literalRunsOf(parseRegex(source, flags), mode === 'whole')
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

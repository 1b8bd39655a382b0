import { WeirError } from '../../base/errors.ts'
import { EXIT_CONFIG, EXIT_FAILED } from '../exit-status.ts'
import { CommandFailure, RefusedFailure, UsageFailure } from './failures.ts'
import { printable, widthOf } from './printable.ts'
import type { Paint } from './terminal.ts'

export interface ToldFailure {
  /** Lines for the error stream. */
  readonly text: string
  readonly exitStatus: number
}

/** Why a command failed, for the user. Mistakes of the user and states of a node are told without a stack. */
export function failureText(error: unknown, paint: Paint, query?: string): ToldFailure {
  const head = paint('weir:', 'red')
  if (error instanceof RefusedFailure) {
    return { text: `${head} ${refusalText(error, paint, query)}`, exitStatus: error.exitStatus }
  }
  if (error instanceof CommandFailure) {
    const more = error instanceof UsageFailure ? '\nTry weir --help.' : ''
    return { text: `${head} ${linesOf(error.message)}${more}`, exitStatus: error.exitStatus }
  }
  if (!(error instanceof WeirError) || error.code === 'internal') {
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return { text: `${head} ${linesOf(stack)}`, exitStatus: EXIT_FAILED }
  }
  if (error.code !== 'invalid_config') {
    return { text: `${head} ${linesOf(error.message)} (${error.code})`, exitStatus: EXIT_FAILED }
  }
  const problems = error.message.split('\n').map((problem) => `  ${printable(problem)}\n`)
  const text = `${head} the configuration is not valid\n${problems.join('')}Try weir config --explain or weir node --help.`
  return { text, exitStatus: EXIT_CONFIG }
}

/** A problem document: its title, where in the query it is, what it says, what to do. */
function refusalText({ status, problem }: RefusedFailure, paint: Paint, query: string | undefined): string {
  const { title = `the node answers ${status}`, code, detail, hint, position, length = 1, requestId } = problem
  const lines = [`${printable(title)}${code === undefined ? '' : paint(` (${printable(code)})`, 'dim')}`]
  if (query !== undefined && position !== undefined) lines.push(...caretLines(query, position, length, paint))
  // The detail ends with the hint, which has a line of its own here.
  const said = hint !== undefined && detail?.endsWith(hint) ? detail.slice(0, -hint.length).trim() : detail
  if (said && said !== title) lines.push(`  ${printable(said)}`)
  if (hint) lines.push(`  ${printable(hint)}`)
  if (status === 401) lines.push('  Give a key: WEIR_KEY, or --key-file.')
  if (status >= 500 && requestId !== undefined) lines.push(paint(`  request ${printable(requestId)}`, 'dim'))
  return lines.join('\n')
}

/** The line of the query that `position` (UTF-16 units) is in, and below it what is meant. */
function caretLines(query: string, position: number, length: number, paint: Paint): string[] {
  const begin = query.lastIndexOf('\n', position - 1) + 1
  const end = query.indexOf('\n', position)
  const line = query.slice(begin, end < 0 ? query.length : end)
  const before = printable(line.slice(0, position - begin))
  const meant = printable(line.slice(position - begin, position - begin + length))
  const carets = '^'.repeat(Math.max(1, widthOf(meant)))
  return [`  ${printable(line)}`, `  ${' '.repeat(widthOf(before))}${paint(carets, 'red')}`]
}

function linesOf(message: string): string {
  return message.split('\n').map(printable).join('\n  ')
}

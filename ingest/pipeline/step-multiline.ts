import { VALUE_BYTES_MAX } from '../../base/limits.ts'
import { RegexError } from '../../base/regex-error.ts'
import { fieldPath } from './field-path.ts'
import { LineGroups } from './line-groups.ts'
import {
  continuationMachine,
  type LineMachine,
  type LineRule,
  linePattern,
  STACK_TRACES,
  stackTraceMachine,
  startMachine,
} from './parse/stack-traces.ts'
import type { Step, StepKind } from './step.ts'
import type { StepParameters } from './step-parameters.ts'

const HOST = fieldPath('host')
const LINES_MAX = 10_000
const LINES_DEFAULT = 1000
/** Three bytes a character at most: what is joined still fits a value. */
const CHARS_MAX = Math.floor(VALUE_BYTES_MAX / 3)

interface Joined {
  /** State of the machine. */
  at: number
}

/**
 * `{"type":"multiline","preset":"java"}`, or `start` or `continuation` with a regular expression: joins the texts of records that follow each other, such as
 * the lines of a stack trace, for each service and host (and `groupBy`). Within one request only: lines that come in another request begin a
 * record of their own. Records without text pass, and end what was open.
 */
export const multilineStep: StepKind = {
  type: 'multiline',
  onError: 'continue',
  compile(parameters) {
    const field = parameters.field('field', 'message')
    const groupBy = parameters.optionalFields('groupBy') ?? []
    const linesMax = parameters.integer('maxLines', 2, LINES_MAX, LINES_DEFAULT)
    const charsMax = parameters.integer('maxChars', 1, CHARS_MAX, CHARS_MAX)
    const separator = parameters.optionalText('separator', 16) ?? '\n'
    const { heads, next } = machineOf(parameters)
    const forRequest = (): Step => {
      const groups = new LineGroups<Joined>(({ record, pieces }, context) => {
        if (pieces.length > 1) record.setText(field, pieces.join(separator))
        context.emit(record)
      })
      return {
        apply(record, context) {
          let source = `${record.service() ?? ''}\0${record.text(HOST) ?? record.defaults.hostDefault ?? ''}`
          for (const path of groupBy) source += `\0${record.text(path) ?? ''}`
          const line = record.kind(field) === 'string' ? record.text(field) : undefined
          if (line === undefined) {
            groups.close(source, context)
            return 'next'
          }
          const group = groups.get(source)
          if (
            group !== undefined &&
            group.pieces.length < linesMax &&
            group.chars + separator.length + line.length <= charsMax
          ) {
            const rule = ruleOf(next[group.state.at]!, line)
            if (rule !== undefined) {
              group.pieces.push(line)
              group.chars += separator.length + line.length
              group.state.at = rule.to
              return 'drop'
            }
          }
          const head = ruleOf(heads, line)
          if (head === undefined) {
            groups.close(source, context)
            return 'next'
          }
          groups.open(source, record, line, { at: head.to }, context)
          return 'hold'
        },
        end: (context) => groups.closeSome(context),
      }
    }
    return { ...forRequest(), forRequest }
  },
}

function machineOf(parameters: StepParameters): LineMachine {
  const given = ['preset', 'start', 'continuation'].filter((name) => parameters.value(name) !== undefined)
  if (given.length !== 1)
    throw parameters.error(
      given[1] ?? 'preset',
      given.length === 0 ? 'is required' : `stands beside \`${given[0]}\``,
      'Give one of `preset`, `start` and `continuation`.',
    )
  if (given[0] === 'preset') return stackTraceMachine(parameters.choice('preset', STACK_TRACES))
  const name = given[0]!
  const source = parameters.text(name)
  try {
    const test = linePattern(source)
    return name === 'start' ? startMachine(test) : continuationMachine(test)
  } catch (error) {
    if (!(error instanceof RegexError)) throw error
    throw parameters.error(name, `is not a regular expression: ${error.problem} at ${error.position}`, error.hint)
  }
}

function ruleOf(of: readonly LineRule[], line: string): LineRule | undefined {
  return of.find(({ test }) => test(line))
}

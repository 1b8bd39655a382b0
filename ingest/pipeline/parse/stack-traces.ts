import { RegexAutomaton } from '../../../base/regex-automaton.ts'
import { compileProgram } from '../../../base/regex-program.ts'
import { parseRegex } from '../../../base/regex-syntax.ts'

/** A line in a state: where the pattern is found, the line belongs to the record, which is then in another state. */
export interface LineRule {
  readonly test: (line: string) => boolean
  readonly to: number
}

/** What belongs together: `heads` say which lines begin a record, and `next[state]` which lines go on with it. */
export interface LineMachine {
  /** The first that matches gives the state; none: the line stands alone. */
  readonly heads: readonly LineRule[]
  readonly next: readonly (readonly LineRule[])[]
}

const encoder = new TextEncoder()

/** Whether an expression is found in a line, in time linear in the line. Throws RegexError. */
export function linePattern(source: string): (line: string) => boolean {
  const automaton = new RegexAutomaton(compileProgram(parseRegex(source, ''), source.length))
  return (line) => {
    const bytes = encoder.encode(line)
    return automaton.test(bytes, 0, bytes.length)
  }
}

const always = () => true
const isNot = (test: (line: string) => boolean) => (line: string) => !test(line)

function rules(...of: readonly (readonly [source: string, to: number])[]): LineRule[] {
  return of.map(([source, to]) => ({ test: linePattern(source), to }))
}

/** Lines between two that begin a record belong to the first. */
export function startMachine(start: (line: string) => boolean): LineMachine {
  return { heads: [{ test: always, to: 0 }], next: [[{ test: isNot(start), to: 0 }]] }
}

/** Lines that go on belong to the one before them. */
export function continuationMachine(continuation: (line: string) => boolean): LineMachine {
  return { heads: [{ test: always, to: 0 }], next: [[{ test: continuation, to: 0 }]] }
}

export const STACK_TRACES = ['java', 'python', 'go', 'node'] as const

/** Stack traces as the runtime prints them, joined to the line before the first frame. */
export function stackTraceMachine(language: (typeof STACK_TRACES)[number]): LineMachine {
  switch (language) {
    case 'java':
      return continuationMachine(
        linePattern(
          '^\\s+at |^\\s+\\.\\.\\. \\d+ |^\\s*(?:Caused by|Suppressed|Wrapped by): |^\\s+- locked |^\\s+\\[CIRCULAR REFERENCE',
        ),
      )
    case 'node': {
      const frames = rules(['^\\s+at ', 1], ['^\\s+\\S', 1], ['^[}\\]]', 0])
      const thrown = rules(['^\\s', 2], ['^$', 2], ['^\\S*(?:Error|Exception)\\b', 0], ['^Node\\.js v', 0])
      return {
        // A place in the code, under which node prints the line itself, then the error.
        heads: [...rules(['^(?:/|file:|node:|[A-Z]:\\\\).*:\\d+$', 2]), { test: always, to: 0 }],
        next: [rules(['^\\s+at ', 1], ['^\\s+\\[(?:cause|errors)\\]:', 1]), frames, thrown],
      }
    }
    case 'python': {
      const traceback = 'Traceback \\(most recent call last\\):'
      const between = rules(['^$', 2], [`^\\s*${traceback}`, 1], ['^(?:During handling of|The above exception was)', 2])
      return {
        heads: [...rules([traceback, 1]), { test: always, to: 0 }],
        next: [
          rules([`^${traceback}`, 1], ['^  File "', 1]),
          // Frames are indented; the first line that is not names the exception.
          rules(['^\\s', 1], ['^$', 1], ['^\\S', 2]),
          between,
        ],
      }
    }
    case 'go': {
      const head = '(?:^|\\s)(?:panic: |fatal error: |http: panic serving )'
      const panic = rules(
        ['^$', 0],
        ['^\\[signal ', 0],
        ['^\\s*panic: ', 0],
        ['^goroutine \\d+.*:$', 1],
        ['^runtime stack:$', 1],
      )
      const frames = rules(
        ['^$', 0],
        ['^\\s+\\S+:\\d+', 1],
        ['^created by ', 1],
        ['^\\S+\\(.*\\)$', 1],
        ['^\\.\\.\\.', 1],
        ['^goroutine \\d+.*:$', 1],
        ['^exit status \\d', 1],
      )
      return { heads: rules([head, 0]), next: [panic, frames] }
    }
  }
}

import type { Problem } from '../../api/contract/common.ts'
import { EXIT_FAILED, EXIT_UNAUTHORISED, EXIT_UNREACHABLE, EXIT_USAGE } from '../exit-status.ts'

/** A command cannot go on; `message` is for the user, in a line or a few. */
export class CommandFailure extends Error {
  readonly exitStatus: number

  constructor(message: string, exitStatus = EXIT_FAILED, options?: { cause?: unknown }) {
    super(message, options)
    this.exitStatus = exitStatus
  }
}

/** The command line is wrong. */
export class UsageFailure extends CommandFailure {
  constructor(message: string) {
    super(message, EXIT_USAGE)
  }
}

/** No node answers, what answers is none, or it broke off. The same may succeed later. */
export class UnreachableFailure extends CommandFailure {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, EXIT_UNREACHABLE, options)
  }
}

/** The node answers with an error. */
export class RefusedFailure extends CommandFailure {
  readonly status: number
  readonly problem: Partial<Problem>
  /** Milliseconds after which the node asks to be asked again; undefined: it does not say. */
  readonly retryAfterMs: number | undefined

  constructor(status: number, problem: Partial<Problem>, retryAfterMs?: number) {
    const isKey = status === 401 || status === 403
    super(problem.detail ?? problem.title ?? `HTTP status ${status}`, isKey ? EXIT_UNAUTHORISED : EXIT_FAILED)
    this.status = status
    this.problem = problem
    this.retryAfterMs = retryAfterMs
  }

  /** The same request may succeed later. */
  get isPassing(): boolean {
    return this.status === 429 || this.status === 502 || this.status === 503 || this.status === 504
  }
}

/** Nobody reads our output any more, as behind `| head`: the command ends, and nothing is wrong. */
export class OutputClosed extends Error {}

import type { IncomingHttpHeaders } from 'node:http'
import type { WeirError } from '../base/errors.ts'
import type { ProblemDocument } from './problem.ts'

/** An answer that tells of an error in the words of some protocol. */
export interface WordedError {
  readonly status: number
  readonly contentType: string
  readonly text: string
  readonly headers?: Readonly<Record<string, string>>
}

/**
 * Words an error as the clients of a protocol expect it, with a status that makes them send again what may succeed later. `problem` holds what
 * may be told; the error itself may speak of our own insides. Retry-After is set by the caller.
 */
export type ErrorWords = (
  problem: ProblemDocument,
  error: WeirError,
  requestHeaders: IncomingHttpHeaders,
) => WordedError

declare module 'fastify' {
  interface FastifyContextConfig {
    readsBody?: boolean
    errorWords?: ErrorWords
  }
}

import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Access } from './auth.ts'
import type { Endpoint } from './contract/endpoint.ts'
import type { ErrorWords } from './error-words.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Set before any handler of an endpoint with a role. */
    access: Access | null
    /** Monotonic time of the headers, or of the last byte of an ingested body. */
    receivedAtMs: number
  }
}

/** Answers a request: sends by `reply` or returns what to send; throws WeirErrors. */
type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown> | unknown

export interface Route {
  readonly endpoint: Endpoint
  readonly handler: Handler
  /** The handler reads the raw request itself. */
  readonly readsBody?: boolean
  /** How its protocol says what went wrong, whatever and wherever; problem documents when absent. */
  readonly errorWords?: ErrorWords
  /** Where it stands, when not at the endpoint's own path. */
  readonly path?: string
}

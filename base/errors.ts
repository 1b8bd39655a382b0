/**
 * Every operating error of the system, by its stable code. `status` is the HTTP status it maps to, `retryable`
 * says whether the same request may succeed later. docs/errors.md is generated from this catalogue.
 */
export const ERROR_CATALOGUE = {
  // requests that are wrong
  malformed_request: { status: 400, retryable: false, title: 'The bytes are not an HTTP request' },
  invalid_parameter: { status: 400, retryable: false, title: 'A parameter is unknown or malformed' },
  invalid_query: { status: 400, retryable: false, title: 'The query does not parse' },
  invalid_body: { status: 400, retryable: false, title: 'The body cannot be read' },
  nothing_accepted: { status: 400, retryable: false, title: 'No record of the request was accepted' },
  unauthenticated: { status: 401, retryable: false, title: 'A valid credential is required' },
  forbidden: { status: 403, retryable: false, title: 'The credential does not allow this' },
  not_found: { status: 404, retryable: false, title: 'There is no such thing' },
  method_not_allowed: { status: 405, retryable: false, title: 'The method is not supported here' },
  request_timeout: { status: 408, retryable: true, title: 'The request did not arrive in time' },
  conflict: { status: 409, retryable: true, title: 'Another request changed it first' },
  no_other_node: { status: 409, retryable: true, title: 'No other node could take over' },
  body_too_large: { status: 413, retryable: false, title: 'The body is larger than the limit' },
  unsupported_media_type: { status: 415, retryable: false, title: 'The content type or encoding is not supported' },
  headers_too_large: { status: 431, retryable: false, title: 'The header fields are larger than the limit' },
  idempotency_conflict: { status: 422, retryable: false, title: 'The idempotency key was used with another body' },
  // the node is short of something
  overloaded: { status: 429, retryable: true, title: 'The node has as much in flight as it may' },
  too_many_uploads: { status: 429, retryable: true, title: 'As many uploads are under way or waiting as may be' },
  too_many_tails: { status: 429, retryable: true, title: 'The tenant has as many live tails on this node as it may' },
  client_too_slow: { status: 408, retryable: true, title: 'The client did not read what it was sent' },
  result_too_large: { status: 400, retryable: false, title: 'The query needs more memory than it may use' },
  // the node cannot do it now
  draining: { status: 503, retryable: true, title: 'The node is shutting down' },
  storage_unavailable: { status: 503, retryable: true, title: 'The disk or the object store refuses' },
  journal_full: { status: 503, retryable: true, title: 'The journal is full' },
  shard_unavailable: { status: 503, retryable: true, title: 'A shard has no owner that answers' },
  deadline_exceeded: { status: 504, retryable: true, title: 'The time allowed for it has passed' },
  cancelled: { status: 499, retryable: true, title: 'The client went away' },
  // the node found itself wrong
  corrupt_data: { status: 500, retryable: false, title: 'Stored bytes fail their checksum or format check' },
  epoch_fenced: { status: 503, retryable: true, title: 'Another owner has taken the shard' },
  revision_conflict: { status: 409, retryable: true, title: 'The registry entry has another revision' },
  invalid_config: { status: 500, retryable: false, title: 'The configuration is not valid' },
  mailbox_full: { status: 429, retryable: true, title: 'An actor has as many messages waiting as it may' },
  actor_stopped: { status: 503, retryable: true, title: 'The actor has stopped' },
  internal: { status: 500, retryable: false, title: 'An error nobody expected' },
} as const satisfies Record<string, { status: number; retryable: boolean; title: string }>

export type ErrorCode = keyof typeof ERROR_CATALOGUE

export type ErrorDetails = Readonly<Record<string, string | number | boolean | null>>

/** An operating error: expected to happen, named, with the facts needed to act on it. */
export class WeirError extends Error {
  override readonly name = 'WeirError'
  readonly code: ErrorCode
  readonly details: ErrorDetails

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
    this.details = details
  }

  get retryable(): boolean {
    return ERROR_CATALOGUE[this.code].retryable
  }

  get status(): number {
    return ERROR_CATALOGUE[this.code].status
  }
}

/** The WeirError in `error`, or an `internal` one that wraps it. */
export function asWeirError(error: unknown): WeirError {
  if (error instanceof WeirError) return error
  const message = error instanceof Error ? error.message : String(error)
  return new WeirError('internal', message, {}, { cause: error })
}

/** A form of a WeirError that survives msgpack and structured clone; see `errorFromWire`. */
export interface WireError {
  readonly code: ErrorCode
  readonly message: string
  readonly details: ErrorDetails
}

export function errorToWire(error: unknown): WireError {
  const e = asWeirError(error)
  return { code: e.code, message: e.message, details: e.details }
}

/** A code that only a newer node knows becomes `internal`. */
export function errorFromWire({ code, message, details }: WireError): WeirError {
  return new WeirError(Object.hasOwn(ERROR_CATALOGUE, code) ? code : 'internal', message, details)
}

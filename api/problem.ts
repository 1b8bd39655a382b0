import { asWeirError, ERROR_CATALOGUE, WeirError } from '../base/errors.ts'

export const PROBLEM_CONTENT_TYPE = 'application/problem+json; charset=utf-8'

/** Errors whose message speaks of our own insides: the client gets the code, the log gets the rest. */
const INTERNAL_CODES: ReadonlySet<string> = new Set(['internal', 'corrupt_data', 'invalid_config'])
const STANDARD_MEMBERS: ReadonlySet<string> = new Set([
  'type',
  'title',
  'status',
  'code',
  'detail',
  'instance',
  'requestId',
])

export interface ProblemDocument {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly code: string
  readonly detail: string
  readonly instance: string
  readonly requestId: string
  /** Facts of the error: `parameter`, `position`, `length`, `hint` … */
  readonly [extra: string]: string | number | boolean | null
}

/**
 * The RFC 9457 document of an error. `instance` is the path of the request without its query string, which may hold what
 * others should not see in a report.
 */
export function problemOf(error: WeirError, url: string, requestId: string): ProblemDocument {
  const { title, status } = ERROR_CATALOGUE[error.code]
  const hidden = INTERNAL_CODES.has(error.code)
  const extras: Record<string, string | number | boolean | null> = {}
  if (!hidden) {
    for (const [name, value] of Object.entries(error.details)) if (!STANDARD_MEMBERS.has(name)) extras[name] = value
  }
  return {
    type: `/docs/errors#${error.code}`,
    title,
    status,
    code: error.code,
    detail: hidden ? `The log of the node tells more about request ${requestId}.` : error.message,
    instance: pathOfUrl(url),
    requestId,
    ...extras,
  }
}

/** Seconds for Retry-After; undefined where trying again at once, or at all, is no use to name. */
export function retryAfterSeconds(error: WeirError): number | undefined {
  const { status } = error
  if (status !== 429 && status !== 503) return undefined
  const given = error.details.retryAfterMs
  if (typeof given === 'number' && given > 0) return Math.ceil(given / 1000)
  return error.code === 'draining' ? 5 : error.status === 429 ? 1 : 2
}

/** The WeirError that an error of the HTTP framework or of anything else stands for. */
export function errorOfRequest(error: unknown): WeirError {
  if (error instanceof WeirError) return error
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new WeirError('body_too_large', 'The body is larger than parameters may be')
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new WeirError('unsupported_media_type', 'The Content-Type is not a media type')
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new WeirError('invalid_body', 'The body does not have the length that Content-Length says')
    case 'FST_ERR_BAD_URL':
      return new WeirError('malformed_request', 'The path is not a valid URL path')
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return new WeirError('not_found', 'There is nothing at this path')
    case 'ECONNRESET':
    case 'ERR_STREAM_PREMATURE_CLOSE':
      return new WeirError('cancelled', 'The client went away', {}, { cause: error })
    default:
      return asWeirError(error)
  }
}

/** The error that stands for bytes which are no request, as the HTTP parser of Node reports them. */
export function errorOfParser(code: string | undefined): WeirError {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new WeirError('request_timeout', 'The request did not arrive in time')
  if (code === 'HPE_HEADER_OVERFLOW')
    return new WeirError('headers_too_large', 'The header fields are larger than the limit')
  return new WeirError('malformed_request', 'The bytes are not an HTTP/1.1 request')
}

function pathOfUrl(url: string): string {
  const end = url.search(/[?#]/)
  return end < 0 ? url : url.slice(0, end)
}

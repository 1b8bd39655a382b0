import { STATUS_CODES } from 'node:http'
import type { ErrorWords, WordedError } from './error-words.ts'
import { JSON_CONTENT_TYPE } from './json-parts.ts'

/** An answer with errors in the words of Datadog's logs API, version 2. */
export function datadogErrors(status: number, details: readonly string[]): WordedError {
  const title = STATUS_CODES[status] ?? 'Error'
  const errors = details.map((detail) => ({ status: String(status), title, detail }))
  return { status, contentType: JSON_CONTENT_TYPE, text: JSON.stringify({ errors }) }
}

/** Errors as Datadog words them. Its clients send 408, 429 and 5xx again, and drop anything else. */
export const datadogError: ErrorWords = ({ status, detail }) => datadogErrors(status, [detail])

/** The same for calls that are not about logs: texts alone. */
export const datadogPlainError: ErrorWords = ({ status }) => {
  const errors = [status === 401 || status === 403 ? 'Forbidden' : (STATUS_CODES[status] ?? 'Error')]
  // A key that is missing or wrong is 403 there.
  return { status: status === 401 ? 403 : status, contentType: JSON_CONTENT_TYPE, text: JSON.stringify({ errors }) }
}

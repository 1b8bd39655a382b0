import type { IncomingHttpHeaders } from 'node:http'
import type { ErrorWords } from './error-words.ts'

/** Clients of Elasticsearch want to see this on every answer before they believe it. */
export const ELASTIC_HEADERS = { 'x-elastic-product': 'Elasticsearch' }
const ELASTIC_JSON = 'application/json; charset=utf-8'

/** What newer clients send as Accept, and want back: the major version of the API that they were made for. */
const COMPATIBLE = /application\/vnd\.elasticsearch\+(?:x-nd)?json; ?compatible-with=([789])(?!\d)/

const TYPES: Readonly<Record<number, string>> = {
  401: 'security_exception',
  403: 'security_exception',
  404: 'resource_not_found_exception',
  413: 'content_too_long_exception',
  503: 'es_rejected_execution_exception',
}

/** The Content-Type that the client expects of an answer in JSON. */
export function elasticContentType(headers: IncomingHttpHeaders): string {
  const major = COMPATIBLE.exec(headers.accept ?? '')?.[1]
  return major === undefined
    ? ELASTIC_JSON
    : `application/vnd.elasticsearch+json;compatible-with=${major};charset=utf-8`
}

/**
 * Errors as Elasticsearch words them. What is 429 elsewhere is 503 here: of a whole request, the official clients send again 502 to 504 only, and
 * 429 only of single items.
 */
export const elasticError: ErrorWords = ({ status: ours, detail }) => {
  const status = ours === 429 ? 503 : ours
  const cause = { type: TYPES[status] ?? (status < 500 ? 'illegal_argument_exception' : 'exception'), reason: detail }
  return {
    status,
    contentType: ELASTIC_JSON,
    text: JSON.stringify({ error: { root_cause: [cause], ...cause }, status }),
    headers: ELASTIC_HEADERS,
  }
}

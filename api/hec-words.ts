import { CREDENTIAL_MISSING } from './auth.ts'
import type { ErrorWords, WordedError } from './error-words.ts'
import { JSON_CONTENT_TYPE } from './json-parts.ts'

/** The answers of Splunk's HTTP Event Collector: status and text by code. Source: "Troubleshoot HTTP Event Collector" of its manual. */
export const HEC_ANSWERS = {
  0: { status: 200, text: 'Success' },
  2: { status: 401, text: 'Token is required' },
  4: { status: 403, text: 'Invalid token' },
  5: { status: 400, text: 'No data' },
  6: { status: 400, text: 'Invalid data format' },
  8: { status: 500, text: 'Internal server error' },
  9: { status: 503, text: 'Server is busy' },
  10: { status: 400, text: 'Data channel is missing' },
  11: { status: 400, text: 'Invalid data channel' },
  12: { status: 400, text: 'Event field is required' },
  13: { status: 400, text: 'Event field cannot be blank' },
  15: { status: 400, text: 'Error in handling indexed fields' },
  17: { status: 200, text: 'HEC is healthy' },
  18: { status: 503, text: 'HEC is unhealthy, queues are full' },
  23: { status: 503, text: 'Server is shutting down' },
} as const satisfies Readonly<Record<number, { readonly status: number; readonly text: string }>>

export type HecCode = keyof typeof HEC_ANSWERS

/** An answer in HEC's words; `more` comes after its own members. */
export function hecAnswer(code: HecCode, more: Readonly<Record<string, unknown>> = {}): WordedError {
  const { status, text } = HEC_ANSWERS[code]
  return { status, contentType: JSON_CONTENT_TYPE, text: JSON.stringify({ text, code, ...more }) }
}

/**
 * Errors as HEC words them. What is 429 elsewhere is 503 here, "Server is busy": that is the status on which all of its clients send again. Errors
 * that it has no code for keep their status; `detail` says more of all.
 */
export const hecError: ErrorWords = ({ status, code, detail }, error) => {
  const answer = hecAnswer(hecCodeOf(status, code, error.message), { detail })
  const keepsStatus = status === 404 || status === 405 || status === 408 || status === 413 || status === 415
  return keepsStatus ? { ...answer, status } : answer
}

function hecCodeOf(status: number, code: string, message: string): HecCode {
  if (code === 'unauthenticated') return message === CREDENTIAL_MISSING ? 2 : 4
  if (code === 'forbidden') return 4
  if (code === 'draining') return 23
  if (status === 429 || status === 503) return 9
  return status >= 500 ? 8 : 6
}

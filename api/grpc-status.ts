import type { OutgoingHttpHeaders } from 'node:http2'
import type { WeirError } from '../base/errors.ts'
import { rpcStatus } from './otlp-words.ts'
import { problemOf, retryAfterSeconds } from './problem.ts'

/** Of gRPC, https://grpc.io/docs/guides/status-codes/ */
export const GRPC_OK = 0
const GRPC_INVALID_ARGUMENT = 3
const GRPC_RESOURCE_EXHAUSTED = 8
const GRPC_UNIMPLEMENTED = 12
const GRPC_INTERNAL = 13
const GRPC_UNAVAILABLE = 14

/**
 * By status of HTTP. Exporters of OTLP send UNAVAILABLE again, and RESOURCE_EXHAUSTED where it says after how long; so what is too large is
 * INVALID_ARGUMENT. CANCELLED and DEADLINE_EXCEEDED are sent again too.
 */
const CODES: Readonly<Record<number, number>> = {
  400: GRPC_INVALID_ARGUMENT,
  401: 16,
  403: 7,
  404: GRPC_UNIMPLEMENTED,
  408: GRPC_UNAVAILABLE,
  413: GRPC_INVALID_ARGUMENT,
  415: GRPC_UNIMPLEMENTED,
  429: GRPC_RESOURCE_EXHAUSTED,
  499: 1,
  503: GRPC_UNAVAILABLE,
  504: 4,
}

const RETRY_INFO = Buffer.from('type.googleapis.com/google.rpc.RetryInfo')

/** The trailers that tell of an error: its status, what it is about, and after how long to try again where that is of use. */
export function grpcTrailers(error: WeirError): OutgoingHttpHeaders {
  const { status, detail } = problemOf(error, '/', 'none')
  const code = CODES[status] ?? GRPC_INTERNAL
  const retryAfter = retryAfterSeconds(error)
  const trailers = { 'grpc-status': String(code), 'grpc-message': encodeURI(detail.toWellFormed()) }
  if (retryAfter === undefined) return trailers
  return {
    ...trailers,
    'grpc-retry-pushback-ms': String(retryAfter * 1000),
    'grpc-status-details-bin': statusWithRetry(code, detail, retryAfter).toString('base64').replace(/=+$/, ''),
  }
}

/** google.rpc.Status{…, details: 3{Any{type_url: 1, value: 2}}}, of RetryInfo{retry_delay: 1{Duration{seconds: 1}}}; of up to 127 seconds. */
function statusWithRetry(code: number, detail: string, seconds: number): Buffer {
  const delay = Buffer.from([0x0a, 2, 0x08, Math.min(127, seconds)])
  const any = Buffer.concat([
    Buffer.from([0x0a, RETRY_INFO.length]),
    RETRY_INFO,
    Buffer.from([0x12, delay.length]),
    delay,
  ])
  return Buffer.concat([rpcStatus(code, detail), Buffer.from([0x1a, any.length]), any])
}

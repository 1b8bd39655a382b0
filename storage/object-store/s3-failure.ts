import { WeirError } from '../../base/errors.ts'

/** What an answer of an object store, or its absence, means for the request. */
export type S3FailureKind =
  /** There is no such object. */
  | 'absent'
  /** There is no such multipart upload: given up, or completed before. */
  | 'noUpload'
  /** The range lies behind the end of the object. */
  | 'range'
  /** Nobody answered, the answer broke off, or the store asks to come back later. */
  | 'transient'
  | 'credentials'
  | 'bucket'
  | 'region'
  | 'tls'
  /** Anything else that the store will not do, however often it is asked. */
  | 'refused'

export interface S3Failure {
  readonly kind: S3FailureKind
  /** The store's own name of the error, such as SlowDown, or the system's, such as ECONNREFUSED. */
  readonly reason: string
  /** HTTP status; 0 when there was no answer. */
  readonly status: number
}

const BY_NAME: Readonly<Record<string, S3FailureKind>> = {
  NoSuchKey: 'absent',
  NoSuchUpload: 'noUpload',
  InvalidRange: 'range',
  NoSuchBucket: 'bucket',
  PermanentRedirect: 'region',
  TemporaryRedirect: 'region',
  AuthorizationHeaderMalformed: 'region',
  IllegalLocationConstraintException: 'region',
  CredentialsProviderError: 'credentials',
  // A new token or the right time is had by asking again.
  ExpiredToken: 'transient',
  RequestTimeTooSkewed: 'transient',
  // The bytes were damaged on the way.
  BadDigest: 'transient',
  XAmzContentSHA256Mismatch: 'transient',
  XAmzContentChecksumMismatch: 'transient',
  // These come with status 400.
  IncompleteBody: 'transient',
  RequestTimeout: 'transient',
}
const TLS = /^(?:CERT_|ERR_TLS_|ERR_SSL_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/

/** Reads an error of the S3 client. Undefined when it is a mistake of the program, which must not be taken for the store's. */
export function s3Failure(error: unknown): S3Failure | undefined {
  if (!(error instanceof Error)) return undefined
  const { $metadata, code } = error as { $metadata?: { httpStatusCode?: number }; code?: unknown }
  const status = $metadata?.httpStatusCode ?? 0
  const reason = status === 0 && typeof code === 'string' ? code : error.name
  const named = BY_NAME[error.name]
  if (named !== undefined) return { kind: named, reason, status }
  if (status !== 0) return { kind: kindOfStatus(status), reason, status }
  if (TLS.test(reason)) return { kind: 'tls', reason, status }
  const isOurs = error instanceof TypeError || error instanceof RangeError || error.name === 'AssertionError'
  return isOurs ? undefined : { kind: 'transient', reason, status }
}

function kindOfStatus(status: number): S3FailureKind {
  if (status === 404) return 'absent'
  if (status === 416) return 'range'
  if (status === 401 || status === 403) return 'credentials'
  if (status === 301 || status === 307) return 'region'
  // 2xx: what should have followed it broke off, or was not what an object store says.
  if (status < 300 || status === 408 || status === 429 || (status >= 500 && status !== 501)) return 'transient'
  return 'refused'
}

const SENTENCES: Readonly<Record<S3FailureKind, string>> = {
  absent: 'there is no such object',
  noUpload: 'the object store has given up the upload of an object',
  range: 'the object store refuses a range',
  transient: 'the object store does not answer as it should',
  credentials: 'the object store refuses the credentials',
  bucket: 'the bucket does not exist',
  region: 'the bucket is in another region, or at another endpoint',
  tls: 'the certificate of the object store is not trusted',
  refused: 'the object store refuses the request',
}

/** The failure as the error that the port promises: not_found, or storage_unavailable with the reason. */
export function s3Error(failure: S3Failure, key: string, attempts: number, cause: unknown): WeirError {
  const { kind, reason, status } = failure
  if (kind === 'absent') return new WeirError('not_found', SENTENCES.absent, { key })
  const details = { key, kind, reason, status, attempts }
  return new WeirError('storage_unavailable', `${SENTENCES[kind]} (${reason})`, details, { cause })
}

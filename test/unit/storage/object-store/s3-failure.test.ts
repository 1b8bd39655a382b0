import { equal } from 'node:assert/strict'
import { test } from 'node:test'
import { type S3FailureKind, s3Error, s3Failure } from '../../../../storage/object-store/s3-failure.ts'

/** An error as the S3 client throws it. */
function answered(name: string, httpStatusCode: number): Error {
  return Object.assign(new Error('no'), { name, $metadata: { httpStatusCode } })
}

test('a failure is known by the name that the store gives it, else by its status, else by the error of the system', () => {
  const kinds: [Error, S3FailureKind][] = [
    [answered('NoSuchKey', 404), 'absent'],
    [answered('NotFound', 404), 'absent'],
    [answered('NoSuchBucket', 404), 'bucket'],
    [answered('NoSuchUpload', 404), 'noUpload'],
    [answered('InvalidRange', 416), 'range'],
    [answered('SlowDown', 503), 'transient'],
    [answered('InternalError', 500), 'transient'],
    [answered('TooManyRequests', 429), 'transient'],
    [answered('RequestTimeout', 400), 'transient'],
    [answered('BadDigest', 400), 'transient'],
    [answered('ExpiredToken', 400), 'transient'],
    [answered('RequestTimeTooSkewed', 403), 'transient'],
    // A complete answer was begun with 200, and the error followed.
    [answered('InternalError', 200), 'transient'],
    [answered('NotImplemented', 501), 'refused'],
    [answered('SignatureDoesNotMatch', 403), 'credentials'],
    [answered('Unknown', 401), 'credentials'],
    [answered('PermanentRedirect', 301), 'region'],
    [answered('InvalidRequest', 400), 'refused'],
    [Object.assign(new Error('no'), { code: 'ECONNREFUSED' }), 'transient'],
    [Object.assign(new Error('no'), { code: 'ENOTFOUND' }), 'transient'],
    [Object.assign(new Error('no'), { code: 'CERT_HAS_EXPIRED' }), 'tls'],
    [Object.assign(new Error('no'), { name: 'CredentialsProviderError' }), 'credentials'],
  ]
  for (const [error, kind] of kinds) equal(s3Failure(error)?.kind, kind, error.name)
})

test('a mistake of the program is not taken for one of the store', () => {
  equal(s3Failure(new TypeError('x is not a function')), undefined)
  equal(s3Failure('text'), undefined)
})

test('absence is not_found, all else is storage_unavailable with its reason', () => {
  equal(s3Error({ kind: 'absent', reason: 'NoSuchKey', status: 404 }, 'k', 1, undefined).code, 'not_found')
  const error = s3Error({ kind: 'transient', reason: 'SlowDown', status: 503 }, 'k', 5, undefined)
  equal(error.code, 'storage_unavailable')
  equal(error.retryable, true)
  equal(error.details.attempts, 5)
})

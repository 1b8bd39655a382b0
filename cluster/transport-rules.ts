import { assert } from '../base/assert.ts'
import { WeirError } from '../base/errors.ts'
import { TRANSPORT_MESSAGE_BYTES_MAX, TRANSPORT_PAYLOAD_BYTES_MAX } from '../base/limits.ts'

/** What all transports hold their callers to, so that what works on one works on each. */

/** Subjects are made by our own code (subjects.ts): tokens between dots, without spaces and wildcards. */
export function checkSubject(subject: string): void {
  assert(/^[^\s.*>]+(?:\.[^\s.*>]+)*$/.test(subject), `${subject} is no subject`)
}

/** What goes to several subscribers. Throws body_too_large. */
export function checkMessage(subject: string, payload: Uint8Array): void {
  checkLength('body_too_large', subject, payload.length, TRANSPORT_MESSAGE_BYTES_MAX)
}

/** Throws body_too_large. */
export function checkQuestion(subject: string, payload: Uint8Array): void {
  checkLength('body_too_large', subject, payload.length, TRANSPORT_PAYLOAD_BYTES_MAX)
}

/** Throws result_too_large. */
export function checkAnswer(subject: string, payload: Uint8Array): void {
  checkLength('result_too_large', subject, payload.length, TRANSPORT_PAYLOAD_BYTES_MAX)
}

type TooLarge = 'body_too_large' | 'result_too_large'

function checkLength(code: TooLarge, subject: string, bytes: number, bytesMax: number): void {
  if (bytes <= bytesMax) return
  throw new WeirError(code, `${bytes} bytes for ${subject}, at most ${bytesMax}`, { subject, bytes, bytesMax })
}

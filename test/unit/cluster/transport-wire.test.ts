import { deepEqual, equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { WeirError } from '../../../base/errors.ts'
import { TRANSPORT_PAYLOAD_BYTES_MAX } from '../../../base/limits.ts'
import {
  ANSWERED,
  ASKED,
  CANCELLED,
  decodeFailure,
  decodeMessage,
  encodeFailure,
  encodeHeader,
  encodeMessage,
  FAILED,
  GRANTED,
  HEADER_BYTES,
  isAnnounced,
  PIECE,
  REMAINING_MS_MAX,
  TOLD,
  type TransportMessage,
  WORKING,
} from '../../../cluster/transport-wire.ts'

const NONE = new Uint8Array()
const payloads = fc.uint8Array({ maxLength: 300 })
const positions = fc.integer({ min: 1, max: TRANSPORT_PAYLOAD_BYTES_MAX })

/** Messages that a node sends. */
const messages: fc.Arbitrary<TransportMessage> = fc.oneof(
  payloads.map((payload) => ({ kind: TOLD, remainingMs: 0, position: 0, payload })),
  fc.record({
    kind: fc.constant(ASKED),
    remainingMs: fc.integer({ min: 0, max: REMAINING_MS_MAX }),
    position: positions,
    payload: fc.constant(NONE),
  }),
  payloads.map((payload) => ({ kind: ANSWERED, remainingMs: 0, position: payload.length, payload })),
  payloads.map((payload) => ({ kind: FAILED, remainingMs: 0, position: 0, payload })),
  positions.map((position) => ({ kind: GRANTED, remainingMs: 0, position, payload: NONE })),
  fc.record({
    kind: fc.constant(PIECE),
    remainingMs: fc.constant(0),
    position: fc.integer({ min: 0, max: TRANSPORT_PAYLOAD_BYTES_MAX - 300 }),
    payload: fc.uint8Array({ minLength: 1, maxLength: 300 }),
  }),
  fc.constantFrom(CANCELLED, WORKING).map((kind) => ({ kind, remainingMs: 0, position: 0, payload: NONE })),
)

const encode = ({ kind, remainingMs, position, payload }: TransportMessage) =>
  encodeMessage(kind, remainingMs, position, payload)

test('what is sent is read', () => {
  fc.assert(
    fc.property(messages, (message) => {
      const read = decodeMessage(encode(message))
      ok(read !== undefined)
      deepEqual({ ...read, payload: new Uint8Array(read.payload) }, { ...message })
      if (message.kind === ASKED || message.kind === ANSWERED) equal(isAnnounced(read), message.kind === ASKED)
    }),
  )
})

test('any bytes are a message or none, never an error; what is read is within its bounds', () => {
  const mutated = fc
    .record({ message: messages, at: fc.nat(HEADER_BYTES - 1), byte: fc.nat(255), cut: fc.nat(20) })
    .map(({ message, at, byte, cut }) => {
      const bytes = encode(message)
      bytes[at] = byte
      return bytes.subarray(0, Math.max(0, bytes.length - cut))
    })
  fc.assert(
    fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 40 })), (bytes) => {
      const read = decodeMessage(bytes)
      if (read === undefined) return
      const { kind, remainingMs, position, payload } = read
      deepEqual(encode(read), Buffer.from(bytes))
      ok(position <= TRANSPORT_PAYLOAD_BYTES_MAX && remainingMs <= REMAINING_MS_MAX)
      if (kind === PIECE) ok(payload.length > 0 && position + payload.length <= TRANSPORT_PAYLOAD_BYTES_MAX)
      if (kind === ASKED || kind === ANSWERED) ok(payload.length === 0 || payload.length === position)
    }),
    { numRuns: 5000 },
  )
})

test('a header alone is a message without payload', () => {
  deepEqual(encodeHeader(GRANTED, 0, 7), encodeMessage(GRANTED, 0, 7, NONE))
})

test('an error arrives with code, message and details', () => {
  const error = new WeirError('epoch_fenced', 'too old – alt', { epoch: 3, shard: 'a', is: true, none: null })
  const { code, message, details } = failureOf(encodeFailure(error))
  deepEqual({ code, message, details }, { code: error.code, message: error.message, details: error.details })
  equal(failureOf(encodeFailure(new RangeError('oops'))).code, 'internal')
  const long = failureOf(encodeFailure(new WeirError('internal', 'x'.repeat(1e6), { y: 'y'.repeat(1e6) })))
  ok(long.message.length < 1e5)
  deepEqual(long.details, {})
})

test('bytes that hold no error are one that says so', () => {
  const values = fc.oneof(
    fc.uint8Array(),
    fc.json().map((text) => Buffer.from(text)),
    fc
      .record({ code: fc.anything(), message: fc.anything(), details: fc.anything() })
      .map((value) => Buffer.from(JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? 0 : part)))),
  )
  fc.assert(
    fc.property(values, (payload) => {
      ok(failureOf(payload) instanceof WeirError)
    }),
  )
  for (const text of [
    '',
    '{}',
    '{"code":1,"message":"","details":{}}',
    '{"code":"x","message":"","details":{"a":[]}}',
  ]) {
    equal(failureOf(Buffer.from(text)).code, 'corrupt_data')
  }
})

function failureOf(payload: Uint8Array): WeirError {
  return decodeFailure({ kind: FAILED, remainingMs: 0, position: 0, payload })
}

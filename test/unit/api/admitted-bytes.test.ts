import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AdmittedBytes } from '../../../api/admitted-bytes.ts'
import { WeirError } from '../../../base/errors.ts'

test('what is admitted covers what is held, never much more, and is given back to the byte', () => {
  const steps = fc.array(fc.record({ bytes: fc.nat(500_000), shrinks: fc.boolean() }), { maxLength: 20 })
  fc.assert(
    fc.property(steps, fc.option(fc.nat(500_000), { nil: undefined }), (all, most) => {
      let inFlight = 0
      const admitted = new AdmittedBytes({
        admit: (bytes) => {
          assert.ok(bytes > 0)
          inFlight += bytes
        },
        release: (bytes) => {
          inFlight -= bytes
        },
      })
      let held = 0
      for (const { bytes, shrinks } of all) {
        const wanted = Math.min(bytes, most ?? bytes)
        if (shrinks) {
          admitted.shrinkTo(wanted)
          held = Math.min(held, wanted)
        } else {
          admitted.cover(wanted, most)
          held = Math.max(held, wanted)
        }
        assert.ok(inFlight >= held)
        assert.ok(inFlight <= Math.max(most ?? Number.POSITIVE_INFINITY, held))
      }
      admitted.releaseAll()
      assert.equal(inFlight, 0)
    }),
  )
})

test('a sender of nothing holds little of the budget', () => {
  let inFlight = 0
  const admitted = new AdmittedBytes({
    admit: (bytes) => {
      inFlight += bytes
    },
    release: () => {},
  })
  admitted.cover(1, 64 * 1024 * 1024)
  assert.ok(inFlight <= 16 * 1024)
})

test('what could never be admitted is too large; what could be later is not', () => {
  const inFlightBytesMax = 1_000_000
  for (const [others, code] of [
    [0, 'body_too_large'],
    [700_000, 'overloaded'],
  ] as const) {
    let inFlight = others
    const admitted = new AdmittedBytes({
      admit: (bytes) => {
        if (inFlight + bytes > inFlightBytesMax) throw new WeirError('overloaded', 'full', { inFlightBytesMax })
        inFlight += bytes
      },
      release: (bytes) => {
        inFlight -= bytes
      },
    })
    assert.throws(
      () => {
        for (let bytes = 100_000; ; bytes += 100_000) admitted.cover(bytes)
      },
      { code },
    )
    admitted.releaseAll()
    assert.equal(inFlight, others)
  }
})

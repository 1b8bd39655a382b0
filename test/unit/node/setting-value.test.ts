import { deepEqual } from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { SettingSpec } from '../../../node/config.ts'
import { parseSetting, settingText } from '../../../node/setting-value.ts'

const COMMON = { unit: '', description: '' }
const number = (kind: 'integer' | 'bytes' | 'duration'): SettingSpec => ({
  ...COMMON,
  kind,
  default: 0,
  min: 0,
  max: Number.MAX_SAFE_INTEGER,
})

test('a number written as text is read back as the same number', () => {
  fc.assert(
    fc.property(fc.constantFrom('integer', 'bytes', 'duration'), fc.maxSafeNat(), (kind, value) => {
      deepEqual(parseSetting(number(kind), settingText(number(kind), value)), { value })
    }),
  )
})

test('no text makes a number that is not whole, not safe, or out of range', () => {
  fc.assert(
    fc.property(fc.constantFrom('integer', 'bytes', 'duration'), fc.anything(), (kind, raw) => {
      const parsed = parseSetting({ ...number(kind), max: 1_000 } as SettingSpec, raw)
      return (
        'problem' in parsed ||
        (Number.isSafeInteger(parsed.value) && Number(parsed.value) >= 0 && Number(parsed.value) <= 1_000)
      )
    }),
  )
})

test('a secret is never shown', () => {
  deepEqual(settingText({ ...COMMON, kind: 'secret', default: null }, 'hunter2hunter2'), '********')
})

test('the choice off may be written false', () => {
  const mode: SettingSpec = { ...COMMON, kind: 'choice', default: 'off', choices: ['off', 'keys'] }
  deepEqual(parseSetting(mode, false), { value: 'off' })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { detectLevel, LEVEL_NAMES, levelOfNumber, levelOfSeverityNumber, levelOfText } from '../../../ingest/level.ts'
import { bytesOf } from './harness.ts'

const by = (read: (bytes: Uint8Array, start: number, end: number) => number) => (text: string) => {
  const bytes = bytesOf(`x${text}x`)
  return LEVEL_NAMES[read(bytes, 1, bytes.length - 1)]
}

test('names in any case, numbers and brackets are levels', () => {
  const level = by(levelOfText)
  for (const [texts, wanted] of [
    [['TRACE', 'trace', 'Verbose', 'T', 'TRACE3'], 'TRACE'],
    [['debug', 'DBG', 'd', 'DEBUG2', '20', '7'], 'DEBUG'],
    [['Information', 'info', 'notice', 'I', '30', '5', '6', 'inf'], 'INFO'],
    [['Warning', 'WARN', 'wrn', 'w', '40', '4', '[warn]', ' warn '], 'WARN'],
    [['error', 'ERR', 'E', 'severe', '50', '3', 'ERROR4'], 'ERROR'],
    [['FATAL', 'critical', 'crit', 'alert', 'emerg', 'panic', '60', '0', '1', '2'], 'FATAL'],
    [
      [
        '',
        ' ',
        'x',
        'errors',
        'warnin',
        '8',
        '9',
        '70',
        '100',
        '-1',
        '3.5',
        'ERROR5',
        'ünknown',
        '[]',
        'informationals',
      ],
      undefined,
    ],
  ] as const)
    for (const text of texts) assert.equal(level(text), wanted, text)
})

test('numbers are read on the scale of their field', () => {
  assert.deepEqual(['0', '3', '4', '7', '10', '35', '60'].map(by(levelOfNumber)), [
    'FATAL',
    'ERROR',
    'WARN',
    'DEBUG',
    'TRACE',
    'INFO',
    'FATAL',
  ])
  assert.deepEqual(['0', '1', '5', '9', '13', '17', '24', '25', 'x'].map(by(levelOfSeverityNumber)), [
    undefined,
    'TRACE',
    'DEBUG',
    'INFO',
    'WARN',
    'ERROR',
    'FATAL',
    undefined,
    undefined,
  ])
})

test('a level is read off a message only where one is meant', () => {
  const level = by(detectLevel)
  for (const [text, wanted] of [
    ['ERROR something broke', 'ERROR'],
    ['2026-11-21 07:00:00 WARN disk is full', 'WARN'],
    ['2026-11-21 07:00:00,123 [main] DEBUG a.b.C - x', 'DEBUG'],
    ['[error] x', 'ERROR'],
    ['<warn> x', 'WARN'],
    ['ts=1 level=info msg="an error"', 'INFO'],
    ['{"level":"fatal","msg":"x"}', 'FATAL'],
    ['error: no such file', 'ERROR'],
    ['Warning: deprecated', 'WARN'],
    ['PANIC', 'FATAL'],
    ['no error here', undefined],
    ['the info desk', undefined],
    ['TERROR', undefined],
    ['ERROR_CODE', undefined],
    ['result=error', undefined],
    [`${'x'.repeat(120)} ERROR`, undefined],
    ['', undefined],
    ['ÉRROR', undefined],
  ] as const)
    assert.equal(level(text), wanted, text)
})

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { KERNEL_SOURCE_SHA256 } from '../../../../query/kernel/kernel-code.ts'
import { literalOf } from '../../../../query/kernel/literal-search.ts'

test('the code of the kernel was built from its source', () => {
  const source = readFileSync(new URL('../../../../query/kernel/literal.as', import.meta.url), 'utf8')
  assert.equal(
    createHash('sha256').update(source).digest('hex'),
    KERNEL_SOURCE_SHA256,
    'run: node query/kernel/build.ts',
  )
})

const letters = fc.string({ unit: fc.constantFrom(...'abAB_1 @`é'), minLength: 1, maxLength: 6 })
const ascii = letters.map((text) => text.replaceAll('é', '['))

function places(text: string, wanted: string, caseless: boolean): number[] {
  const fold = (s: string) => (caseless ? s.replace(/[A-Z]/g, (c) => c.toLowerCase()) : s)
  const found: number[] = []
  for (let at = 0; at + wanted.length <= text.length; at++) {
    if (fold(text.slice(at, at + wanted.length)) === fold(wanted)) found.push(at)
  }
  return found
}

test('a literal is found wherever it stands, in any case if asked for, and nowhere else', () => {
  fc.assert(
    fc.property(
      fc.array(letters, { maxLength: 30 }),
      ascii,
      fc.boolean(),
      fc.nat(20),
      (parts, wanted, caseless, cut) => {
        const text = [...parts, wanted, ...parts].join('')
        const bytes = Buffer.from(`${'ab'.repeat(cut)}${text}${wanted}`, 'latin1')
        const found = literalOf(wanted, caseless).find(bytes, 2 * cut, 2 * cut + text.length)
        assert.deepEqual(Array.from(found), places(text, wanted, caseless))
      },
    ),
  )
})

test('long literals and long texts are found too', () => {
  for (const length of [255, 256, 257, 1000]) {
    const wanted = 'needle'.repeat(200).slice(0, length)
    const text = Buffer.from(`${'x'.repeat(300_000)}${wanted.toUpperCase()}y`)
    assert.deepEqual(Array.from(literalOf(wanted, true).find(text, 0, text.length)), [300_000])
    assert.deepEqual(Array.from(literalOf(wanted, false).find(text, 0, text.length)), [])
    assert.deepEqual(Array.from(literalOf(wanted, true).find(text, 0, text.length - 2)), [])
  }
})

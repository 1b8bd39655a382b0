import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { KERNEL_SOURCE_SHA256 } from '../../../../alerts/kernel/kernel-code.ts'
import { WordTable } from '../../../../alerts/word-table.ts'
import { naiveTokens } from '../../../harness/oracle.ts'

test('the code of the kernel was built from its source', () => {
  const source = readFileSync(new URL('../../../../alerts/kernel/words.as', import.meta.url), 'utf8')
  const hash = createHash('sha256').update(source).digest('hex')
  assert.equal(hash, KERNEL_SOURCE_SHA256, 'run: node alerts/kernel/build.ts')
})

const word = fc.string({ unit: fc.constantFrom(...'abc_1z'), minLength: 2, maxLength: 20 })
const piece = fc.oneof(
  word,
  word.map((text) => text.toUpperCase()),
  fc.constantFrom(' ', '-', '@', '[', '`', '{', 'é', '\n', '', '日本', '\0'),
)

test('words are found where they stand as whole tokens, in any case, in values of any length', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(word, { minLength: 1, maxLength: 30 }),
      fc.array(fc.array(piece, { maxLength: 30 }), { maxLength: 20 }),
      fc.nat(40),
      (words, texts, lead) => {
        const values = texts.map((pieces) => pieces.join(''))
        const encoded = values.map((text) => Buffer.from(text))
        const bytes = Buffer.concat([Buffer.alloc(lead, 'a'), ...encoded])
        const offsets = new Uint32Array(values.length + 1).fill(lead)
        encoded.forEach((value, i) => {
          offsets[i + 1] = offsets[i]! + value.length
        })
        const found: string[] = []
        new WordTable(words).find(bytes, offsets, values.length, (value, number) =>
          found.push(`${value} ${words[number]}`),
        )
        const wanted = values.flatMap((text, i) =>
          naiveTokens(text)
            .filter((token) => words.includes(token))
            .map((token) => `${i} ${token}`),
        )
        assert.deepEqual(found, wanted)
      },
    ),
    { numRuns: 500 },
  )
})

test('values longer than what is scanned at once are scanned whole', () => {
  const long = `${'x1 '.repeat(200_000)}needle`
  const values = ['needle', long, 'a needle', long, '', 'NEEDLE']
  const bytes = Buffer.from(values.join(''))
  const offsets = new Uint32Array(values.length + 1)
  values.forEach((text, i) => {
    offsets[i + 1] = offsets[i]! + text.length
  })
  const found: number[] = []
  new WordTable(['needle', 'absent']).find(bytes, offsets, values.length, (value) => found.push(value))
  assert.deepEqual(found, [0, 1, 2, 3, 5])
})

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { charMaskOfText } from '../../../base/char-mask.ts'
import { tokenHash } from '../../../base/hash.ts'
import { tokensOfText } from '../../../base/tokenizer.ts'
import { readBlockHeader } from '../../../storage/block-header.ts'
import { openBlock } from '../../../storage/block-reader.ts'
import { bloomMayContain, bloomTermsOfValue } from '../../../storage/bloom.ts'
import { decodeSection } from '../../../storage/section-codec.ts'
import { rowsOf } from './arbitrary-table.ts'

/**
 * Bytes that version 1 wrote, kept for ever: whatever reads them must give what it gave then. The files are never made again; a new
 * version adds a directory.
 */
const DIRECTORY = new URL('../../fixtures/formats/v1/', import.meta.url)

function bytesOf(file: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(file, DIRECTORY)))
}

function jsonOf(file: string) {
  return JSON.parse(readFileSync(new URL(file, DIRECTORY), 'utf8'))
}

for (const file of ['section-plain', 'section-zstd']) {
  test(`${file} of version 1 opens as it did`, () => {
    const expected = jsonOf('section.json')
    const { meta, source } = decodeSection(bytesOf(`${file}.bin`))
    assert.deepEqual(meta, expected.meta)
    assert.deepEqual(
      rowsOf(source).map((row) => JSON.parse(row)),
      expected.rows,
    )
  })
}

for (const file of ['block', 'block-merged']) {
  test(`${file} of version 1 opens as it did, and its filters answer as they did`, () => {
    const { summary, words, rows } = jsonOf(`${file}.json`)
    const reader = openBlock(bytesOf(`${file}.bin`))
    assert.deepEqual(
      rowsOf(reader).map((row) => JSON.parse(row)),
      rows,
    )
    assert.deepEqual(reader.columnNames, summary.columnNames)
    const bloom = bytesOf(`${file}-bloom.bin`)
    for (const word of words) assert(bloomMayContain(bloom, tokenHash(word)), word)
    for (const [, , fields] of rows) {
      for (const [name, , text] of fields) {
        if (name.startsWith('\\@')) continue
        for (const token of tokensOfText(text)) assert(bloomMayContain(bloom, tokenHash(token)), token)
        for (const hash of bloomTermsOfValue(name, text)) assert(bloomMayContain(bloom, hash), `${name}=${text}`)
      }
    }
    assert(!bloomMayContain(bloom, tokenHash('nowhere')))
  })
}

test('a block of version 2 opens as it did, and says the same of the characters of its columns', () => {
  const directory = new URL('../../fixtures/formats/v2/', import.meta.url)
  const bytes = new Uint8Array(readFileSync(new URL('block.bin', directory)))
  const expected = JSON.parse(readFileSync(new URL('block.json', directory), 'utf8'))
  const reader = openBlock(bytes)
  assert.deepEqual(
    rowsOf(reader).map((row) => JSON.parse(row)),
    expected.rows,
  )
  assert.deepEqual(reader.columnNames, expected.columnNames)
  for (const { name, chars } of readBlockHeader(bytes).columns) {
    assert.deepEqual([chars.low, chars.high], expected.chars[name], name)
  }
  for (const [, , fields] of expected.rows) {
    for (const [name, , text] of fields) {
      if (!name.startsWith('\\@')) assert(reader.mayHold?.(name, charMaskOfText(text)), `${name}=${text}`)
    }
  }
})

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import type { BytesColumn } from '../../../base/columns.ts'
import { VALUE_ABSENT, VALUE_STRING } from '../../../base/columns.ts'
import { tokenHash, valueHashOfBytes, valueSeed } from '../../../base/hash.ts'
import { foldTokenBytes, isWord, TOKEN_FOLD } from '../../../base/tokenizer.ts'
import { buildBloom } from '../../../storage/bloom.ts'
import { KERNEL_SOURCE_SHA256 } from '../../../storage/kernel/kernel-code.ts'
import { KERNEL_PARTS } from '../../../storage/kernel/kernel-parts.ts'
import { TokenCollector } from '../../../storage/token-collector.ts'
import { TokenShapes } from '../../../storage/token-shapes.ts'

test('the compiled kernel is that of its source', () => {
  const folder = join(import.meta.dirname, '../../../storage/kernel')
  const source = KERNEL_PARTS.map((part) => readFileSync(join(folder, part), 'utf8')).join('\n')
  const hash = createHash('sha256').update(source).digest('hex')
  assert.equal(hash, KERNEL_SOURCE_SHA256, 'run: node storage/kernel/build.ts')
})

/** Byte by byte, what the kernel does with SIMD. */
class PlainCollector {
  readonly hashes = new Set<number>()
  readonly words = new Set<string>()
  readonly shapes = new TokenShapes()

  addValue(seed: number, bytes: Uint8Array): void {
    for (let start = 0, end = 0; start < bytes.length; start = end + 1) {
      end = start
      while (end < bytes.length && TOKEN_FOLD[bytes[end]!] !== 0) end++
      const token = bytes.subarray(start, end)
      if (end > start)
        this.#addToken(
          token,
          token.every((byte) => byte < 0x80),
        )
    }
    const isIdentifier = /^(?=.*[0-9])[A-Za-z0-9_]{8,}$/.test(Buffer.from(bytes).toString('latin1'))
    if (bytes.length <= 32 && !isIdentifier) this.hashes.add(valueHashOfBytes(seed, bytes, 0, bytes.length))
  }

  #addToken(bytes: Uint8Array, isAscii: boolean): void {
    const out = new Uint8Array(bytes.length * 3)
    const folded = out.subarray(0, foldTokenBytes(bytes, 0, bytes.length, out))
    const token = new TextDecoder('utf-8', { ignoreBOM: true }).decode(folded)
    this.hashes.add(tokenHash(token))
    if (isWord(token)) this.words.add(token)
    else this.shapes.note(folded, 0, folded.length, isAscii)
    if (bytes.length > 3 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf)
      this.#addToken(bytes.subarray(3), false)
  }
}

function columnOf(name: string, values: readonly (Uint8Array | null)[], lead: number): BytesColumn {
  const offsets = new Uint32Array(values.length + 1).fill(lead)
  values.forEach((value, i) => {
    offsets[i + 1] = offsets[i]! + (value?.length ?? 0)
  })
  const types = Uint8Array.from(values, (value) => (value === null ? VALUE_ABSENT : VALUE_STRING))
  const bytes = Buffer.concat([Buffer.alloc(lead, 'x'), ...values.flatMap((value) => value ?? [])])
  return { kind: 'bytes', name, types, offsets, bytes }
}

const utf8 = new TextEncoder()
const piece = fc.oneof(
  fc.stringMatching(/^[a-zA-Z]{0,40}$/),
  fc.stringMatching(/^[0-9a-fA-F_]{0,70}$/),
  fc.stringMatching(/^[ .,:/@[`{]{1,3}$/),
  fc.constantFrom('\ufeffabc', 'Straße', 'ĸKelvinİ', '日本語', 'a'.repeat(32), 'a'.repeat(33), 'q'.repeat(34), 'é9'),
  fc.string({ unit: 'binary', maxLength: 12 }),
)
const value = fc.oneof(
  { weight: 5, arbitrary: fc.array(piece, { maxLength: 8 }).map((pieces) => utf8.encode(pieces.join(''))) },
  { weight: 3, arbitrary: fc.uint8Array({ maxLength: 90 }) },
  { weight: 2, arbitrary: fc.stringMatching(/^[a-z0-9_]{0,3}$/).map((text) => utf8.encode(text)) },
  { weight: 1, arbitrary: fc.constant(null) },
)

test('the kernel finds in any bytes what is found byte by byte', () => {
  const collector = new TokenCollector()
  const seed = valueSeed('field') || 1
  const columns = fc.array(fc.tuple(fc.array(value, { maxLength: 40 }), fc.nat({ max: 70 })), { maxLength: 4 })
  fc.assert(
    fc.property(columns, (lists) => {
      const plain = new PlainCollector()
      collector.reset()
      for (const [values, lead] of lists) {
        for (const each of values) if (each !== null) plain.addValue(seed, each)
        collector.addColumn(columnOf('field', values, lead), values.length)
      }
      const hashes = collector.hashes()
      assert.equal(new Set(hashes).size, hashes.length)
      assert.deepEqual([...hashes].sort(), [...plain.hashes].sort())
      assert.deepEqual(collector.words(), [...plain.words].sort())
      assert.deepEqual(collector.shapes(), plain.shapes.finish())
      assert.deepEqual(collector.bloom(), buildBloom(collector.hashes()))
    }),
    { numRuns: 1000 },
  )
})

test('the kernel makes room for many hashes, for long values and for many rows, and keeps what it had', () => {
  const collector = new TokenCollector()
  const seed = valueSeed('field') || 1
  for (let round = 0; round < 2; round++) {
    collector.reset()
    const plain = new PlainCollector()
    const long = Array.from({ length: 30_000 }, (_, i) => (i * 7919).toString(36)).join(' ')
    for (const values of [
      Array.from({ length: 20_000 }, (_, i) => utf8.encode(`n${i}`)),
      [utf8.encode(long), utf8.encode('z9'.repeat(150_000)), new Uint8Array(0)],
      Array.from({ length: 9000 }, (_, i) => Uint8Array.of(97 + (i % 26))),
    ]) {
      for (const each of values) plain.addValue(seed, each)
      collector.addColumn(columnOf('field', values, 3), values.length)
    }
    assert.deepEqual(new Set(collector.hashes()), plain.hashes)
    assert.deepEqual(collector.words(), [...plain.words].sort())
    assert.deepEqual(collector.shapes(), plain.shapes.finish())
    assert.deepEqual(collector.bloom(), buildBloom(collector.hashes()))
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { compressSync } from 'snappy'
import { inflateSnappy, snappyLength } from '../../../../ingest/protocols/snappy.ts'

function inflated(block: Uint8Array): Buffer {
  const source = Buffer.from(block)
  const target = Buffer.alloc(snappyLength(source), 0xee)
  for (const steps = inflateSnappy(source, target); steps.next().done !== true; );
  return target
}

test('blocks of every kind of element are inflated', () => {
  const vectors: [string, string][] = [
    ['00', ''],
    ['0100' + '61', 'a'],
    // A literal, then copies that reach into what they write: one byte of offset, two, four.
    ['0a' + '04' + '6162' + '11' + '02', 'ababababab'],
    ['0a' + '04' + '6162' + '1e' + '0200', 'ababababab'],
    ['0a' + '04' + '6162' + '1f' + '02000000', 'ababababab'],
    // Literals whose length stands in one byte and in two.
    ['03' + 'f0' + '02' + '616263', 'abc'],
    ['03' + 'f4' + '0200' + '616263', 'abc'],
  ]
  for (const [hex, text] of vectors) assert.equal(inflated(Buffer.from(hex, 'hex')).toString(), text, hex)
})

test('what the reference implementation has compressed comes back', () => {
  const word = fc.constantFrom('level=info ', 'a', 'order ', '\u0000', 'ü', 'x'.repeat(100), 'abcdefghij'.repeat(30))
  fc.assert(
    fc.property(fc.array(fc.oneof(word, fc.string()), { maxLength: 300 }), (words) => {
      const plain = Buffer.from(words.join(''))
      assert.deepEqual(inflated(compressSync(plain)), plain)
    }),
    { numRuns: 300 },
  )
  const large = Buffer.from(Array.from({ length: 200_000 }, (_, i) => `record ${i * 7919} of many `).join(''))
  assert.ok(inflated(compressSync(large)).equals(large))
})

test('a block that is cut off, too long, or reaches outside of itself is refused', () => {
  const bad = [
    '',
    '80',
    'ffffffffff7f',
    '01',
    '0100',
    '0200' + '61',
    '00' + '0061',
    '02' + '0061' + '0062' + '0063',
    '05' + '0061' + '01',
    '05' + '0061' + '0100',
    '05' + '0061' + '0102',
    '05' + '0061' + '0e0000',
    '05' + '0061' + '0e02',
    '05' + '0061' + '0f01000000' + '00',
    '05' + 'f0',
    '05' + 'fcffffffff' + '61',
    '05' + 'f4' + '00',
  ] // prettier-ignore
  for (const hex of bad) assert.throws(() => inflated(Buffer.from(hex, 'hex')), { code: 'invalid_body' }, hex)
})

test('any bytes inflate to what they declare, or are refused', () => {
  const block = compressSync(Buffer.from('some words, some words, and some other words '.repeat(20)))
  const damaged = fc.tuple(fc.nat(block.length - 1), fc.nat(255)).map(([at, byte]) => {
    const bytes = Buffer.from(block)
    bytes[at] = byte
    return bytes
  })
  fc.assert(
    fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 100 })), (bytes) => {
      try {
        if (snappyLength(bytes) < 100_000) inflated(bytes)
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'invalid_body')
      }
    }),
    { numRuns: 3000 },
  )
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { packedLength, packHexValues, unpackHex } from '../../../storage/hex-packing.ts'

const forms = fc.constantFrom(
  '################################',
  '#########',
  '########-####-4###-###a-############',
  'req-0x######_v1',
  '#'.repeat(128),
  'ab#c##d####ef#',
)
const values = fc.tuple(forms, fc.integer({ min: 16, max: 600 }), fc.infiniteStream(fc.nat({ max: 15 })))

test('identifiers are packed two digits a byte, high half first, and come back', () => {
  fc.assert(
    fc.property(values, ([form, count, digits]) => {
      const texts = Array.from({ length: count }, () => form.replace(/#/g, () => digits.next().value!.toString(16)))
      const bytes = new TextEncoder().encode(texts.join(''))
      const packed = packHexValues(bytes, form.length, count)
      if (packed === undefined) return // Too few places differ.
      assert.deepEqual(unpackHex(packed.template, packed.packed, count), bytes)
      const plain = texts.map((text) => {
        const own = [...packed.template.places].map((place) => text[place]).join('')
        return own.length % 2 === 0 ? own : `${own}0`
      })
      assert.equal(Buffer.from(packed.packed).toString('hex'), plain.join(''))
      assert.equal(packed.packed.length, packedLength(packed.template) * count)
    }),
    { numRuns: 150 },
  )
})

test('a value unlike the others, wherever it stands, is never packed into something else', () => {
  const other = fc.constantFrom('G', 'F', '-', '/', ':', '`', 'g', '\u0000', 'z')
  fc.assert(
    fc.property(fc.nat({ max: 5000 }), fc.nat({ max: 35 }), other, (row, place, character) => {
      const texts = Array.from({ length: 5001 }, (_, i) => {
        const hex = (Math.imul(i + 1, 0x9e3779b1) >>> 0).toString(16).padStart(8, '0').repeat(4)
        return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
      })
      texts[row] = texts[row]!.slice(0, place) + character + texts[row]!.slice(place + 1)
      const bytes = new TextEncoder().encode(texts.join(''))
      const packed = packHexValues(bytes, 36, texts.length)
      if (packed !== undefined) assert.deepEqual(unpackHex(packed.template, packed.packed, texts.length), bytes)
    }),
    { numRuns: 60 },
  )
})

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { readFrame } from '../../../cluster/frame.ts'

/** C9: frames that versions wrote, kept for ever: whatever reads them must give what it gave then. The files are never made again. */
for (const version of ['v1', 'v2']) {
  test(`a frame of ${version} opens as it did`, () => {
    const directory = new URL(`../../fixtures/formats/${version}/`, import.meta.url)
    const { sections, damaged } = readFrame(new Uint8Array(readFileSync(new URL('frame.bin', directory))))
    const read = sections.map(({ bytes, ...section }) => ({
      ...section,
      length: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    }))
    const expected = JSON.parse(readFileSync(new URL('frame.json', directory), 'utf8'))
    assert.deepEqual(read.map(sorted), expected.map(sorted))
    assert.equal(damaged, 0)
  })
}

function sorted(section: object): unknown {
  return Object.fromEntries(Object.entries(section).sort(([a], [b]) => (a < b ? -1 : 1)))
}

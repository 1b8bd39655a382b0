import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openPart, PartSealer, UPLOAD_KEY_BYTES } from '../../../storage/upload-part.ts'

const KEY = Buffer.alloc(UPLOAD_KEY_BYTES, 7)

function sealed(): Uint8Array {
  const sealer = new PartSealer('job', KEY, 3, 100)
  for (const text of ['card 4111 ', '1111 1111 ', '1111']) sealer.add(Buffer.from(text))
  assert.equal(sealer.length, 24)
  return sealer.seal()
}

test('a part opens as what was sealed, and shows nothing of it before', () => {
  const part = sealed()
  assert.equal(openPart('job', KEY, 3, part).toString(), 'card 4111 1111 1111 1111')
  assert.ok(!Buffer.from(part).includes('4111'))
})

test('another key, number or job, and any changed byte, is corrupt', () => {
  const part = sealed()
  assert.throws(() => openPart('job', Buffer.alloc(UPLOAD_KEY_BYTES, 8), 3, part), { code: 'corrupt_data' })
  assert.throws(() => openPart('job', KEY, 4, part), { code: 'corrupt_data' })
  assert.throws(() => openPart('jobs', KEY, 3, part), { code: 'corrupt_data' })
  for (let at = 0; at < part.length; at++) {
    const changed = Buffer.from(part)
    changed[at]! ^= 1
    assert.throws(() => openPart('job', KEY, 3, changed), { code: 'corrupt_data' }, `byte ${at}`)
  }
  assert.throws(() => openPart('job', KEY, 3, part.subarray(0, -1)), { code: 'corrupt_data' })
  assert.throws(() => openPart('job', KEY, 3, part.subarray(0, 3)), { code: 'corrupt_data' })
})

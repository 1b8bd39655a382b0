import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { ShardId, TenantId } from '../../../base/ids.ts'
import { encodeFrame, type FrameSectionInput, readFrame } from '../../../cluster/frame.ts'

const section: fc.Arbitrary<FrameSectionInput> = fc.record(
  {
    shard: fc.integer({ min: 0, max: 5 }).map((shard) => shard as ShardId),
    tenant: fc
      .oneof(
        fc.constantFrom('default', 'acme', 'acme!dead'),
        fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
      )
      .map((tenant) => tenant as TenantId),
    rowCount: fc.integer({ min: 0, max: 100_000 }),
    bytes: fc.uint8Array({ maxLength: 60 }),
  },
  { noNullPrototype: true },
)
const sections = fc.array(section, { minLength: 1, maxLength: 12 })

const EXAMPLE: FrameSectionInput[] = [
  { shard: 3 as ShardId, tenant: 'acme' as TenantId, rowCount: 10, bytes: new Uint8Array([1, 2, 3]) },
  { shard: 5 as ShardId, tenant: 'default' as TenantId, rowCount: 7, bytes: new Uint8Array([4]) },
  { shard: 3 as ShardId, tenant: 'default' as TenantId, rowCount: 2, bytes: new Uint8Array([]) },
]

describe('frame', () => {
  it('readFrame(encodeFrame(x)) = x', () => {
    fc.assert(
      fc.property(sections, (input) => {
        const read = readFrame(encodeFrame(input)).sections
        assert.deepEqual(
          read.map(({ shard, tenant, rowCount, bytes }) => ({
            shard,
            tenant,
            rowCount,
            bytes: Uint8Array.from(bytes),
          })),
          input,
        )
      }),
    )
  })

  it('J2: sections begin on 8-byte boundaries, and the frame is a buffer of its own', () => {
    fc.assert(
      fc.property(sections, (input) => {
        const frame = encodeFrame(input)
        assert.equal(frame.buffer.byteLength, frame.length)
        for (const { bytes } of readFrame(frame).sections) {
          assert.equal(bytes.byteOffset % 8, 0)
          assert.equal(bytes.buffer, frame.buffer)
        }
      }),
    )
  })

  it('J3: rows of a shard are numbered through the frame', () => {
    const bases = readFrame(encodeFrame(EXAMPLE)).sections.map(({ shard, rowBase }) => [shard, rowBase])
    assert.deepEqual(bases, [
      [3, 0],
      [5, 0],
      [3, 10],
    ])
  })

  it('a frame that starts within a larger buffer is read alike', () => {
    const frame = encodeFrame(EXAMPLE)
    const larger = new Uint8Array(frame.length + 13)
    larger.set(frame, 5)
    const read = readFrame(larger.subarray(5, 5 + frame.length)).sections
    assert.deepEqual(Uint8Array.from(read[0]!.bytes), EXAMPLE[0]!.bytes)
  })

  it('any damage to header or directory, and any cut, is corrupt_data', () => {
    const frame = encodeFrame(EXAMPLE)
    const firstSection = readFrame(frame).sections[0]!.bytes.byteOffset
    const directoryEnd = 24 + new DataView(frame.buffer).getUint32(8, true)
    assert.ok(directoryEnd <= firstSection)
    for (let byte = 0; byte < directoryEnd; byte++) {
      for (const flip of [0x01, 0x80]) {
        const damaged = frame.slice()
        damaged[byte]! ^= flip
        assert.throws(() => readFrame(damaged), { code: 'corrupt_data' }, `byte ${byte}`)
      }
    }
    for (let length = 0; length < frame.length; length++) {
      assert.throws(() => readFrame(frame.subarray(0, length)), { code: 'corrupt_data' }, `cut to ${length}`)
    }
  })

  it('bytes that are no frame are corrupt_data, never another error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) =>
        assert.throws(() => readFrame(bytes), { code: 'corrupt_data' }),
      ),
    )
  })
})

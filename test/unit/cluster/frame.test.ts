import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import type { ShardId, TenantId } from '../../../base/ids.ts'
import { encodeFrame, readFrame } from '../../../cluster/frame.ts'
import type { FrameSectionInput } from '../../../cluster/frame-header.ts'
import { encodeGroupedFrame } from '../../../cluster/grouped-frame.ts'

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

describe('a frame of groups', () => {
  const ownerOf = (shard: ShardId) => (shard === 0 ? undefined : `node-${shard % 3}`)
  const copied = ({ shard, tenant, rowCount, bytes }: FrameSectionInput) => ({
    shard,
    tenant,
    rowCount,
    bytes: Uint8Array.from(bytes),
  })
  /** Some so long that owners have groups of their own, some that nothing can compress. */
  const anySections = fc.array(
    fc.tuple(section, fc.integer({ min: 0, max: 40_000 }), fc.boolean()).map(([short, length, isNoise]) => {
      const bytes = new Uint8Array(Buffer.alloc(length, short.bytes.length > 0 ? short.bytes : 'x'))
      let state = length
      for (let i = 0; isNoise && i < length; i++) {
        state = (state * 1103515245 + 12345) >>> 0
        bytes[i] = state >>> 16
      }
      return { ...short, bytes }
    }),
    { minLength: 1, maxLength: 12 },
  )

  it('gives the sections back, in their order, with their rows numbered', () => {
    fc.assert(
      fc.property(anySections, (input) => {
        const { sections: read, damaged } = readFrame(encodeGroupedFrame(input, ownerOf))
        assert.deepEqual(read.map(copied), input)
        assert.equal(damaged, 0)
        assert.deepEqual(
          read.map(({ rowBase }) => rowBase),
          readFrame(encodeFrame(input)).sections.map(({ rowBase }) => rowBase),
        )
        for (const { bytes } of read) assert.equal(bytes.byteOffset % 8, 0)
      }),
      { numRuns: 50 },
    )
  })

  it('J2: opens only what holds something for the reader', () => {
    const input = [1, 2, 3, 4, 5].map((shard) => ({
      ...EXAMPLE[0]!,
      shard: shard as ShardId,
      bytes: new Uint8Array(40_000),
    }))
    const frame = encodeGroupedFrame(input, ownerOf)
    const all = readFrame(frame)
    assert.deepEqual([all.sections.length, all.inflated.length], [5, 3])
    const own = readFrame(frame, (shard) => ownerOf(shard) === 'node-1')
    assert.deepEqual(
      own.sections.map(({ shard }) => shard),
      [1, 4],
    )
    assert.deepEqual(
      own.inflated.map(({ length }) => length),
      [80_000],
    )
    assert.deepEqual(readFrame(frame, () => false).inflated, [])
  })

  it('keeps small owners together, and large ones in groups that are not too long', () => {
    const small = [1, 2, 3].map((shard) => ({ ...EXAMPLE[0]!, shard: shard as ShardId, bytes: new Uint8Array(3000) }))
    assert.equal(readFrame(encodeGroupedFrame(small, ownerOf)).inflated.length, 1)
    const large = Array.from({ length: 10 }, () => ({ ...EXAMPLE[0]!, bytes: new Uint8Array(200_000) }))
    assert.equal(readFrame(encodeGroupedFrame(large, ownerOf)).inflated.length, 5)
  })

  it('any damage to header or directory, and any cut, is corrupt_data', () => {
    const frame = encodeGroupedFrame(EXAMPLE, ownerOf)
    const directoryEnd = 24 + new DataView(frame.buffer).getUint32(8, true)
    for (let byte = 0; byte < directoryEnd; byte++) {
      const damaged = frame.slice()
      damaged[byte]! ^= 0x10
      assert.throws(() => readFrame(damaged), { code: 'corrupt_data' }, `byte ${byte}`)
    }
    for (let length = 0; length < frame.length; length++) {
      assert.throws(() => readFrame(frame.subarray(0, length)), { code: 'corrupt_data' }, `cut to ${length}`)
    }
  })

  it('a damaged group takes no other with it', () => {
    const input = [1, 2].map((shard) => ({ ...EXAMPLE[0]!, shard: shard as ShardId, bytes: new Uint8Array(40_000) }))
    const frame = encodeGroupedFrame(input, ownerOf)
    const directoryEnd = 24 + new DataView(frame.buffer).getUint32(8, true)
    const first = Math.ceil(directoryEnd / 8) * 8
    frame.fill(0xff, first, first + 8)
    const { sections: read, damaged } = readFrame(frame)
    assert.deepEqual([damaged, read.map(({ shard }) => shard)], [1, [2]])
  })

  it('a hostile directory with a good checksum is corrupt_data, and allocates nothing it only claims', () => {
    const frame = encodeGroupedFrame([{ ...EXAMPLE[0]!, bytes: new Uint8Array(40_000) }], ownerOf)
    const forge = (at: number, value: number): Uint8Array => {
      const forged = frame.slice()
      const view = new DataView(forged.buffer)
      view.setUint32(at, value, true)
      view.setUint32(16, 0, true)
      view.setUint32(16, crc32(forged.subarray(0, 24 + view.getUint32(8, true))), true)
      return forged
    }
    const group = 24
    const entry = group + 16
    for (const [at, value] of [
      [20, 2 ** 28],
      [group, 4],
      [group + 4, 2 ** 31],
      [group + 8, 2 ** 32 - 1],
      [group + 12, 7],
      [entry + 8, 4],
      [entry + 12, 40_001],
    ] as const) {
      assert.throws(() => readFrame(forge(at, value)), { code: 'corrupt_data' }, `${value} at ${at}`)
    }
    assert.equal(readFrame(forge(group + 8, 60_000_000)).damaged, 1)
  })
})

import { WeirError } from '../../base/errors.ts'
import { DECODE_SLICE_BYTES } from '../../base/limits.ts'

/** The length is a varint of at most five bytes. */
const LENGTH_BYTES_MAX = 5
/** Below it, a loop is faster than a call. */
const SHORT_COPY_BYTES = 32

/**
 * The inflated length that a snappy block declares. The sender wrote it: to be checked against a limit before anything is inflated.
 * Throws invalid_body.
 */
export function snappyLength(source: Uint8Array): number {
  let length = 0
  for (let i = 0; i < LENGTH_BYTES_MAX; i++) {
    const byte = source[i]
    if (byte === undefined) break
    length += (byte & 0x7f) * 2 ** (7 * i)
    if (byte < 0x80) return length
  }
  throw corrupt()
}

/**
 * Inflates a snappy block (raw, without frames; google/snappy, format_description.txt) into `target`, which has just the length that the block
 * declares, and so comes out of a pool. Yields once in a while (T2). Throws invalid_body for anything but a whole block of that length.
 */
export function* inflateSnappy(source: Buffer, target: Buffer): Generator<void, void> {
  const sourceEnd = source.length
  const targetEnd = target.length
  const sourceView = new DataView(source.buffer, source.byteOffset, source.length)
  const view = new DataView(target.buffer, target.byteOffset, target.length)
  let p = 0
  while (source[p]! >= 0x80) p++
  p++
  let out = 0
  let pauseAt = DECODE_SLICE_BYTES
  while (p < sourceEnd) {
    if (p + out >= pauseAt) {
      pauseAt = p + out + DECODE_SLICE_BYTES
      yield
    }
    const tag = source[p++]!
    const kind = tag & 3
    let length = tag >> 2
    if (kind === 0) {
      if (length >= 60) {
        const bytes = length - 59
        if (sourceEnd - p < bytes) throw corrupt()
        length = source.readUIntLE(p, bytes)
        p += bytes
      }
      length++
      if (length > sourceEnd - p || length > targetEnd - out) throw corrupt()
      if (length > SHORT_COPY_BYTES) source.copy(target, out, p, p + length)
      else if (out + length + 3 <= targetEnd && p + length + 3 <= sourceEnd) {
        for (let i = 0; i < length; i += 4) view.setInt32(out + i, sourceView.getInt32(p + i, true), true)
      } else for (let i = 0; i < length; i++) target[out + i] = source[p + i]!
      p += length
      out += length
      continue
    }
    let offset: number
    if (kind === 1) {
      if (p >= sourceEnd) throw corrupt()
      offset = ((tag & 0xe0) << 3) | source[p++]!
      length = (length & 7) + 4
    } else {
      const bytes = kind === 2 ? 2 : 4
      if (sourceEnd - p < bytes) throw corrupt()
      offset = source[p]! | (source[p + 1]! << 8)
      if (kind === 3) offset += source[p + 2]! * 0x1_0000 + source[p + 3]! * 0x100_0000
      p += bytes
      length++
    }
    if (offset === 0 || offset > out || length > targetEnd - out) throw corrupt()
    let from = out - offset
    const end = out + length
    if (offset >= 4 && end + 3 <= targetEnd) {
      // Four bytes a step, up to three too many, which what follows writes again. What is copied may reach into what the copy writes.
      for (; out < end; out += 4, from += 4) view.setInt32(out, view.getInt32(from, true), true)
      out = end
    } else while (out < end) target[out++] = target[from++]!
  }
  if (out !== targetEnd) throw corrupt()
}

function corrupt(): WeirError {
  return new WeirError('invalid_body', 'The body is not a snappy block')
}

import type { Prng } from '../../base/prng.ts'

/** Of a mutated request. */
const BYTES_MAX = 512 * 1024
const CHANGES_MAX = 6
const RUN_BYTES_MAX = 64
const REPEATS_MAX = 2000

/** What parsers trip over, of every kind of text and length. */
const PIECES: readonly Buffer[] = [
  ...[
    '"',
    '\\',
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '\n',
    '\r\n',
    '\0',
    ' ',
    '<',
    '>',
    '=',
    '@',
    '-',
    '1 ',
    'null',
    'true',
    '{}',
    '[]',
  ],
  ...[
    '\\u0000',
    '\\ud800',
    '\\u',
    '""',
    '{"',
    '":',
    '[[[[[[[[',
    '{"a":{"a":',
    '__proto__',
    'timestamp',
    'message',
    'service',
  ],
  ...[
    '-1',
    '0',
    '007',
    '1e400',
    '-0.0',
    '9007199254740993',
    '18446744073709551616',
    '1e-400',
    '99999999999999999999999',
  ],
  ...[
    '{"create":{}}',
    '{"logs":[',
    '<999>',
    '<13>',
    '1 2026-02-30T25:61:61Z',
    'NaN',
    '{"event":',
    '[a@1 b="',
    'MESSAGE\n',
  ],
].map((text) => Buffer.from(text))
const BYTES: readonly Buffer[] = [
  [0xff, 0xfe],
  [0xc0, 0x80],
  [0xed, 0xa0, 0x80],
  [0xf4, 0x90, 0x80, 0x80],
  [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xdd, 0xff, 0xff, 0xff, 0xff],
  [0xdf, 0x7f, 0xff, 0xff, 0xff],
  [0xc6, 0xff, 0xff, 0xff, 0xff],
  [0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0x00, 0xff, 0xff, 0xff, 0xff],
  [0x0a, 0x00],
  [0xe2, 0x80, 0xa8],
].map((bytes) => Buffer.from(bytes))

/** A request that differs a little, or a lot, from a real one; `other` is another real one, of which it may take a part. */
export function mutated(sample: Buffer, other: Buffer, prng: Prng): Buffer {
  let bytes: Buffer = Buffer.from(sample)
  for (let left = prng.between(1, CHANGES_MAX); left > 0; left--) {
    bytes = prng.pick(CHANGES)(bytes, prng, other).subarray(0, BYTES_MAX)
    if (bytes.length === 0) return bytes
  }
  return bytes
}

type Change = (bytes: Buffer, prng: Prng, other: Buffer) => Buffer

const CHANGES: readonly Change[] = [
  flipBits,
  changeNumber,
  insertPiece,
  insertPiece,
  removeRun,
  repeatRun,
  moveRun,
  cutOff,
  splice,
]

function flipBits(bytes: Buffer, prng: Prng): Buffer {
  for (let left = prng.between(1, 8); left > 0; left--) {
    const at = prng.below(bytes.length)
    bytes[at] = bytes[at]! ^ (1 << prng.below(8))
  }
  return bytes
}

/** Lengths and counts: of a byte, of text, or big-endian. */
function changeNumber(bytes: Buffer, prng: Prng): Buffer {
  const at = prng.below(bytes.length)
  switch (prng.below(4)) {
    case 0:
      bytes[at] = prng.pick([0, 1, 0x7f, 0x80, 0xff, (bytes[at]! + 1) & 0xff, (bytes[at]! - 1) & 0xff])
      return bytes
    case 1:
      if (at + 4 <= bytes.length)
        bytes.writeUInt32BE(prng.pick([0, 1, 0x7fffffff, 0x80000000, 0xffffffff, bytes.length]), at)
      return bytes
    case 2:
      if (at + 8 <= bytes.length)
        bytes.writeBigUInt64LE(prng.pick([0n, 2n ** 63n, 2n ** 64n - 1n, BigInt(bytes.length)]), at)
      return bytes
    default: {
      const digits = /\d+/.exec(bytes.toString('latin1', at))
      if (digits === null) return bytes
      const text = prng.pick(['0', '-1', '99999999999999999999', '1.5', String(Number(digits[0]) + 1)])
      return joined(
        bytes.subarray(0, at + digits.index),
        Buffer.from(text),
        bytes.subarray(at + digits.index + digits[0].length),
      )
    }
  }
}

function insertPiece(bytes: Buffer, prng: Prng): Buffer {
  const at = prng.below(bytes.length + 1)
  return joined(bytes.subarray(0, at), prng.pick(prng.chance(0.7) ? PIECES : BYTES), bytes.subarray(at))
}

function removeRun(bytes: Buffer, prng: Prng): Buffer {
  const [from, to] = runOf(bytes, prng)
  return joined(bytes.subarray(0, from), bytes.subarray(to))
}

/** Nests what opens, and makes long what is short. */
function repeatRun(bytes: Buffer, prng: Prng): Buffer {
  const [from, to] = runOf(bytes, prng)
  const times = Math.min(
    prng.chance(0.2) ? REPEATS_MAX : prng.between(1, 5),
    Math.ceil(BYTES_MAX / Math.max(1, to - from)),
  )
  const run = Buffer.alloc((to - from) * times, bytes.subarray(from, to))
  return joined(bytes.subarray(0, from), run, bytes.subarray(from))
}

function moveRun(bytes: Buffer, prng: Prng): Buffer {
  const [from, to] = runOf(bytes, prng)
  const rest = joined(bytes.subarray(0, from), bytes.subarray(to))
  const at = prng.below(rest.length + 1)
  return joined(rest.subarray(0, at), bytes.subarray(from, to), rest.subarray(at))
}

function cutOff(bytes: Buffer, prng: Prng): Buffer {
  return prng.chance(0.3) ? bytes.subarray(0, prng.below(bytes.length) + 1) : bytes
}

function splice(bytes: Buffer, prng: Prng, other: Buffer): Buffer {
  if (other.length === 0) return bytes
  return joined(bytes.subarray(0, prng.below(bytes.length)), other.subarray(prng.below(other.length)))
}

function runOf(bytes: Buffer, prng: Prng): readonly [from: number, to: number] {
  const from = prng.below(bytes.length)
  return [from, Math.min(bytes.length, from + prng.between(1, RUN_BYTES_MAX))]
}

function joined(...parts: readonly Buffer[]): Buffer {
  return Buffer.concat(parts)
}

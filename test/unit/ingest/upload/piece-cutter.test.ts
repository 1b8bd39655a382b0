import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UPLOAD_PIECE_BYTES } from '../../../../base/limits.ts'
import { Prng } from '../../../../base/prng.ts'
import { PieceCutter } from '../../../../ingest/upload/piece-cutter.ts'
import { detectLayout, type FileLayout } from '../../../../ingest/upload/upload-format.ts'

const HEAD_BYTES = 64 * 1024
const room = { acquire: (bytes: number) => Buffer.alloc(bytes), release: () => undefined }

interface Cut {
  readonly number: number
  readonly start: number
  readonly end: number
  readonly text: string
  readonly isLongRecord: boolean
}

/** Cuts the file from a place on, fed in chunks as `chunkBytes` says. */
function cut(file: Buffer, layout: FileLayout, chunkBytes: () => number, from?: Cut): Cut[] {
  const offset = from === undefined ? layout.start : from.end
  const cutter = new PieceCutter(layout, room, { offset, number: from === undefined ? 0 : from.number + 1 })
  const pieces: Cut[] = []
  const take = (
    from: Iterable<{ number: number; start: number; end: number; bytes: Buffer; isLongRecord: boolean }>,
  ) => {
    for (const { bytes, ...piece } of from) {
      const { number, start, end, isLongRecord } = piece
      pieces.push({ number, start, end, isLongRecord, text: bytes.toString('latin1') })
    }
  }
  for (let at = offset; at < file.length; ) {
    const end = Math.min(file.length, at + chunkBytes())
    take(cutter.push(file.subarray(at, end)))
    at = end
  }
  take(cutter.end())
  return pieces
}

function records(count: number, bytes: number): object[] {
  const filler = 'x"\\{}[],;\n'.repeat(bytes / 10)
  return Array.from({ length: count }, (_, uid) => ({ uid, tags: [{ a: [1, uid] }], message: `${filler}${uid}` }))
}

const csvField = (text: string) => `"${text.replaceAll('"', '""')}"`
const MANY = records(12_000, 300)
/** One record is larger than a piece is meant to be, another than a record may be. */
const LARGE = [
  ...records(40, 50_000),
  { uid: 40, message: 'y'.repeat(1_045_000) },
  { uid: 41, message: 'z'.repeat(3_000_000) },
  ...MANY.slice(0, 3000),
]

const lines = (all: readonly object[]) => Buffer.from(all.map((record) => `${JSON.stringify(record)}\n`).join(''))
const FORMATS: Readonly<Record<string, (all: readonly object[]) => Buffer>> = {
  ndjson: lines,
  'an array': (all) => Buffer.from(JSON.stringify(all)),
  'an array over many lines': (all) => Buffer.from(`\n ${JSON.stringify(all, null, 2)}\n\n`),
  'an envelope': (all) => Buffer.from(`{ "logs" : ${JSON.stringify(all)} }\n`),
  'objects over many lines': (all) => Buffer.from(all.map((record) => `${JSON.stringify(record, null, 1)}\n`).join('')),
  csv: (all) =>
    Buffer.from(
      `uid,message\r\n${all.map((r) => `${(r as { uid: number }).uid},${csvField((r as { message: string }).message)}\r\n`).join('')}`,
    ),
}

for (const [name, encode] of Object.entries(FORMATS)) {
  for (const [what, all] of Object.entries({ 'many records': MANY, 'large records': LARGE })) {
    test(`${name} of ${what} is cut alike however it arrives, and from any piece on`, () => {
      const file = encode(all)
      const layout = detectLayout(file.subarray(0, HEAD_BYTES), { name: name === 'csv' ? 'a.csv' : '', type: '' })
      const whole = cut(file, layout, () => file.length)
      assert.ok(whole.length >= 4)
      const prng = new Prng(7)
      assert.deepEqual(
        cut(file, layout, () => 1 + prng.below(300_000)),
        whole,
      )
      assert.deepEqual(
        cut(file, layout, () => 65_536),
        whole,
      )
      for (const piece of whole) {
        assert.deepEqual(
          cut(file, layout, () => 100_001, piece),
          whole.slice(piece.number + 1),
        )
      }
      for (const { start, end, isLongRecord } of whole) {
        assert.ok(end - start <= UPLOAD_PIECE_BYTES || isLongRecord || end - start < 1_050_000)
      }
    })

    if (name === 'csv') continue
    test(`${name} of ${what}: the pieces hold every record once, in order`, () => {
      const file = encode(all)
      const layout = detectLayout(file.subarray(0, HEAD_BYTES), { name: '', type: '' })
      const found: unknown[] = []
      let long = 0
      for (const { text, isLongRecord } of cut(file, layout, () => 200_000)) {
        if (isLongRecord) long++
        else if (layout.kind === 'ndjson')
          found.push(
            ...text
              .trim()
              .split('\n')
              .map((line) => JSON.parse(line)),
          )
        else if (layout.kind === 'json-objects')
          found.push(...JSON.parse(`[${text.replaceAll(/\n\}\n(?=\{)/g, '\n},\n')}]`))
        else found.push(...(JSON.parse(text).logs ?? JSON.parse(text)))
      }
      assert.equal(long, what === 'large records' ? 1 : 0)
      assert.deepEqual(
        found,
        all.filter((record) => JSON.stringify(record).length < 1_060_000),
      )
    })
  }
}

test('what is only white space, or the end of an array, is no piece', () => {
  for (const text of ['', '\n\n  \n', '[]', ' [ \n ] ', '{"logs":[]}']) {
    const file = Buffer.from(text)
    const layout = detectLayout(file, { name: 'a.json', type: '' })
    assert.deepEqual(
      cut(file, layout, () => 1),
      [],
      text,
    )
  }
})

test('an array that breaks off is a piece that says so', () => {
  const file = Buffer.from('[{"a":1},')
  const [piece] = cut(file, detectLayout(file, { name: '', type: '' }), () => 3)
  assert.equal(piece?.text, '[{"a":1},')
})

test('a value of JSON without an end is given up after a while', () => {
  const file = Buffer.alloc(80 * 1024 * 1024, 'x')
  file.write('[{"a":"')
  assert.throws(() => cut(file, detectLayout(file.subarray(0, 100), { name: '', type: '' }), () => 1_000_000), {
    code: 'invalid_body',
  })
})

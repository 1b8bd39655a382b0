import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SyslogFramer } from '../../../../ingest/protocols/syslog-framing.ts'

const MAX = 32

/** Messages of a stream that comes in chunks of so many bytes; `!` after those that were cut. */
function framed(stream: string, chunkBytes: number): string[] {
  const messages: string[] = []
  const framer = new SyslogFramer(MAX, (bytes, start, end, isCut) => {
    messages.push(bytes.toString('latin1', start, end) + (isCut ? '!' : ''))
  })
  const bytes = Buffer.from(stream, 'latin1')
  for (let p = 0; p < bytes.length; p += chunkBytes) {
    framer.feed(Buffer.from(bytes.subarray(p, p + chunkBytes)))
    assert.ok(framer.heldBytes <= MAX + chunkBytes + 12)
  }
  framer.end()
  return messages
}

function framedAnyhow(stream: string, expected: readonly string[]): void {
  for (const chunkBytes of [1, 2, 3, 7, 16, 1000])
    assert.deepEqual(framed(stream, chunkBytes), expected, `${chunkBytes}`)
}

test('lines and counted messages are told apart one by one', () => {
  framedAnyhow('<1>a\n6 <2>b\nc<3>d\r\n\n4 <4>e\n5 <5>ff<6>end', [
    '<1>a',
    '<2>b\nc',
    '<3>d\r',
    '<4>e',
    '<5>ff',
    '<6>end',
  ])
})

test('a number that is no count begins a line', () => {
  framedAnyhow('12 apples\n0 <1>x\n1234567890123 <1>\n7\n', ['12 apples', '0 <1>x', '1234567890123 <1>', '7'])
})

test('what is left when the connection ends is a message', () => {
  framedAnyhow('<1>a', ['<1>a'])
  framedAnyhow('10 <1>abc', ['<1>abc'])
  framedAnyhow('10', ['10'])
  framedAnyhow('10 ', ['10 '])
  framedAnyhow('<1>a\n', ['<1>a'])
  framedAnyhow('', [])
})

test('of a message that is too long the beginning is taken, and the next is found', () => {
  const long = 'x'.repeat(MAX + 50)
  const cut = `<1>${'x'.repeat(MAX - 3)}!`
  framedAnyhow(`<1>${long}\n<2>b\n`, [cut, '<2>b'])
  framedAnyhow(`${long.length + 3} <1>${long}4 <2>b`, [cut, '<2>b'])
  framedAnyhow(`999999999 <1>${long}`, [cut])
  framedAnyhow(`<1>${'x'.repeat(MAX - 3)}\n`, [`<1>${'x'.repeat(MAX - 3)}`])
})

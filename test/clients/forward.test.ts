import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { pack } from 'msgpackr'
import { shareNode } from '../harness/shared-node.ts'
import { waitUntil } from '../harness/weir-client.ts'

const shared = await shareNode({ 'forward.port': 0 })
const weir = shared.client()
const COUNT = 100
const BAD = [3, 50, 99]

/** Sends messages, waits for so many bytes of answers, and closes. */
async function exchange(messages: readonly Buffer[], answerBytes: number): Promise<Buffer> {
  const socket = connect(shared.node.ports.forward, '127.0.0.1')
  let answers = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    answers = Buffer.concat([answers, chunk])
  })
  await once(socket, 'connect')
  for (const message of messages) socket.write(message)
  await waitUntil(
    () => answers.length >= answerBytes,
    () => `${answerBytes} bytes of answers have come, not ${answers.length}`,
  )
  socket.destroy()
  return answers
}

test('a chunk that is sent again is answered again and stored once; its bad events are dead letters', async () => {
  const startMs = Date.now() - 60_000
  const events = Array.from({ length: COUNT }, (_, i) =>
    pack([(startMs + i) / 1000, BAD.includes(i) ? `bad ${i}` : { message: `event ${i}`, at: { step: i } }]),
  )
  const chunk = Buffer.from('a chunk of test!').toString('base64')
  const message = pack(['shop.web', gzipSync(Buffer.concat(events)), { compressed: 'gzip', size: COUNT, chunk }])
  const ack = pack({ ack: chunk })
  assert.deepEqual(await exchange([message, message], ack.length * 2), Buffer.concat([ack, ack]))
  assert.deepEqual(await exchange([message], ack.length), ack)
  const found = await weir.found(COUNT - BAD.length, { service: 'shop.web' })
  assert.deepEqual(
    found.map((record) => [record.message, record.tag, record.at]),
    events.flatMap((_, i) => (BAD.includes(i) ? [] : [[`event ${i}`, 'shop.web', { step: i }]])),
  )
  await waitUntil(
    async () => {
      const { deadLetters } = await weir.json('/v1/dead-letters')
      return (
        (deadLetters as { protocol: string }[]).filter(({ protocol }) => protocol === 'forward').length === BAD.length
      )
    },
    () => 'the bad events are dead letters, once',
  )
})

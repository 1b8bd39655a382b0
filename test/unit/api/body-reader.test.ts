import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import test from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { BodyWatch, bodyChunks } from '../../../api/body-reader.ts'
import { readMultipart } from '../../../api/multipart.ts'
import { systemClock } from '../../../base/clock.ts'
import { WeirError } from '../../../base/errors.ts'

const MIB = 1024 * 1024

function gc(): void {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
}

/** Sends `mib` MiB as the body of one request to `take`, which must read all of it. */
async function sendMany(mib: number, before: string, after: string, take: (message: IncomingMessage) => Promise<void>) {
  const { promise: taken, resolve, reject } = Promise.withResolvers<void>()
  const server = createServer((message, response) => {
    take(message).then(resolve, reject)
    taken.catch(() => undefined).finally(() => response.end())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const headers = { 'content-type': 'multipart/form-data; boundary=edge' }
  const sent = request({ port, host: '127.0.0.1', method: 'POST', headers })
  try {
    sent.write(before)
    const bytes = Buffer.alloc(MIB)
    for (let i = 0; i < mib; i++) if (!sent.write(bytes)) await once(sent, 'drain')
    sent.end(after)
    const [response] = await once(sent, 'response')
    response.resume()
    await taken
  } finally {
    sent.destroy()
    server.close()
  }
}

test('a body of any length is read without keeping what was read', async () => {
  const watch = new BodyWatch(systemClock)
  let grown = 0
  try {
    gc()
    const { arrayBuffers } = process.memoryUsage()
    await sendMany(192, '', '', async (message) => {
      let length = 0
      for await (const chunk of bodyChunks(message, watch, new AbortController().signal)) {
        length += chunk.length
        if (length < 180 * MIB) continue
        gc()
        await systemClock.yieldTurn()
        gc()
        grown = process.memoryUsage().arrayBuffers - arrayBuffers
        length = -1e9
      }
    })
  } finally {
    watch.stop()
  }
  assert.ok(grown > 0 && grown < 96 * MIB, `${Math.round(grown / MIB)} MiB of 192 are kept`)
})

test('a form of any length is read without keeping what was read, and ends with what stops it', async () => {
  const watch = new BodyWatch(systemClock)
  const begin = '--edge\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n'
  try {
    let length = 0
    await sendMany(8, begin, '\r\n--edge--\r\n', async (message) => {
      const files = {
        beginFile() {},
        async write(bytes: Buffer) {
          length += bytes.length
        },
      }
      await readMultipart(message.headers, bodyChunks(message, watch, new AbortController().signal), files, new Set())
    })
    assert.equal(length, 8 * MIB)
    await sendMany(1, begin, '', async (message) => {
      const stop = new AbortController()
      const files = {
        beginFile() {},
        async write() {
          stop.abort(new WeirError('draining', 'the node is shutting down'))
        },
      }
      const reading = readMultipart(message.headers, bodyChunks(message, watch, stop.signal), files, new Set())
      await assert.rejects(reading, { code: 'draining' })
      message.resume()
    })
  } finally {
    watch.stop()
  }
})

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { checksum } from '../../base/checksum.ts'
import { WeirError } from '../../base/errors.ts'
import { TRANSPORT_MESSAGE_BYTES_MAX, TRANSPORT_PAYLOAD_BYTES_MAX } from '../../base/limits.ts'
import type { Transport } from '../../cluster/transport.ts'

export interface TransportSubject {
  /** A transport that can reach all others of this subject; the same one again where there is only one node. */
  join(): Promise<Transport>
  /** Resolves once all who joined know of every subscription, and of every end of one, that there is now. */
  settle(): Promise<void>
  release(): Promise<void>
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (payload: Uint8Array): string => new TextDecoder().decode(payload)
const LONG = { deadlineMs: 10_000 }

/** What every Transport must do. */
export function transportContract(open: () => Promise<TransportSubject>): void {
  type Run = (a: Transport, b: Transport, settle: () => Promise<void>) => Promise<void>
  const holds = (property: string, run: Run) =>
    it(property, async () => {
      const subject = await open()
      try {
        await run(await subject.join(), await subject.join(), () => subject.settle())
      } finally {
        await subject.release()
      }
    })

  const gather = async (answers: AsyncIterable<Uint8Array>): Promise<string[]> => {
    const texts: string[] = []
    for await (const answer of answers) texts.push(text(answer))
    return texts.sort()
  }

  holds('a request is answered by what its handler returns', async (a, b, settle) => {
    b.subscribe('echo', async (payload) => bytes(`<${text(payload)}>`))
    await settle()
    assert.equal(text(await a.request('echo', bytes('hi'), LONG)), '<hi>')
  })

  holds('a payload belongs to its receiver', async (a, b, settle) => {
    b.subscribe('scribble', async (payload) => payload.fill(0))
    await settle()
    const payload = bytes('mine')
    await a.request('scribble', payload, LONG)
    assert.equal(text(payload), 'mine')
  })

  holds('an error of the handler is the error of the request, code and details', async (a, b, settle) => {
    b.subscribe('fail', async () => {
      throw new WeirError('epoch_fenced', 'too old', { epoch: 3 })
    })
    await settle()
    const error = { code: 'epoch_fenced', message: 'too old', details: { epoch: 3 } }
    await assert.rejects(a.request('fail', bytes(''), LONG), error)
  })

  holds('a request that nobody subscribes to fails at once', async (a) => {
    await assert.rejects(a.request('none', bytes(''), LONG), { code: 'shard_unavailable' })
  })

  holds('a request without an answer ends at its deadline', async (a, b, settle) => {
    b.subscribe('silent', () => new Promise(() => {}))
    await settle()
    await assert.rejects(a.request('silent', bytes(''), { deadlineMs: 5 }), { code: 'deadline_exceeded' })
  })

  holds('a request ends when its caller gives up, with the reason', async (a, b, settle) => {
    b.subscribe('silent', () => new Promise(() => {}))
    await settle()
    const giveUp = new AbortController()
    const request = a.request('silent', bytes(''), { ...LONG, signal: giveUp.signal })
    giveUp.abort(new Error('given up'))
    await assert.rejects(request, { message: 'given up' })
  })

  holds('the handler of a request that ends without its answer is told to stop', async (a, b, settle) => {
    const giveUp = new AbortController()
    const stopped = new Map<string, () => void>()
    const stops = ['late', 'unwanted'].map((name) => new Promise<void>((resolve) => stopped.set(name, resolve)))
    b.subscribe('silent', (payload, signal) => {
      signal.addEventListener('abort', () => stopped.get(text(payload))?.(), { once: true })
      if (text(payload) === 'unwanted') giveUp.abort(new Error('given up'))
      return new Promise(() => {})
    })
    await settle()
    const request = a.request('silent', bytes('unwanted'), { ...LONG, signal: giveUp.signal })
    await assert.rejects(request, { message: 'given up' })
    await assert.rejects(a.request('silent', bytes('late'), { deadlineMs: 100 }), { code: 'deadline_exceeded' })
    await Promise.all(stops)
  })

  holds('a publication reaches every subscriber of its subject and no other', async (a, b, settle) => {
    const seen: string[] = []
    const arrived = new Promise<void>((resolve) => {
      const note = (name: string) => async (payload: Uint8Array) => {
        seen.push(`${name} ${text(payload)}`)
        if (seen.length === 2) resolve()
        return undefined
      }
      a.subscribe('news', note('a'))
      b.subscribe('news', note('b'))
      b.subscribe('other', note('c'))
    })
    await settle()
    a.publish('news', bytes('1'))
    await arrived
    assert.deepEqual(seen.sort(), ['a 1', 'b 1'])
  })

  holds('a subscription that has ended gets nothing', async (a, b, settle) => {
    const end = b.subscribe('k', async () => bytes('old'))
    await settle()
    end()
    await settle()
    await assert.rejects(a.request('k', bytes(''), LONG), { code: 'shard_unavailable' })
    b.subscribe('k', async () => bytes('new'))
    await settle()
    assert.equal(text(await a.request('k', bytes(''), LONG)), 'new')
  })

  holds('a request to many has the answers of all, until there are enough', async (a, b, settle) => {
    a.subscribe('ask', async () => bytes('1'))
    b.subscribe('ask', async () => bytes('2'))
    b.subscribe('ask', async () => bytes('3'))
    await settle()
    assert.deepEqual(await gather(a.requestMany('ask', bytes(''), { ...LONG, expected: 3 })), ['1', '2', '3'])
    assert.equal((await gather(a.requestMany('ask', bytes(''), { ...LONG, expected: 2 }))).length, 2)
    assert.deepEqual(await gather(a.requestMany('none', bytes(''), { ...LONG, expected: 2 })), [])
  })

  holds(
    'a request to many ends at its deadline with the answers it has; a failed subscriber is one less',
    async (a, b, settle) => {
      a.subscribe('ask', async () => bytes('1'))
      b.subscribe('ask', () => new Promise(() => {}))
      b.subscribe('ask', async () => {
        throw new WeirError('internal', 'broken')
      })
      await settle()
      assert.deepEqual(await gather(a.requestMany('ask', bytes(''), { deadlineMs: 300, expected: 3 })), ['1'])
    },
  )

  holds('questions and answers may be large, many at once', async (a, b, settle) => {
    const large = (size: number, seed: number): Uint8Array => {
      const payload = new Uint8Array(size)
      for (let i = 0; i < size; i++) payload[i] = (i * seed) >> 3
      return payload
    }
    b.subscribe('check', async (payload) => bytes(`${payload.length} ${checksum(payload)}`))
    b.subscribe('fill', async (payload) => large(Number(text(payload)), 7))
    await settle()
    const sizes = [0, 1, 256 * 1024, 256 * 1024 + 1, 1_000_000, 5_000_001]
    const asked = sizes.map(async (size) => {
      const payload = large(size, size)
      assert.equal(text(await a.request('check', payload, LONG)), `${size} ${checksum(payload)}`)
      const answer = await a.request('fill', bytes(`${size}`), LONG)
      assert.ok(Buffer.from(answer).equals(large(size, 7)))
    })
    await Promise.all(asked)
    const answers: Uint8Array[] = []
    for await (const answer of a.requestMany('fill', bytes('600000'), { ...LONG, expected: 1 })) answers.push(answer)
    assert.deepEqual(answers, [large(600_000, 7)])
  })

  holds('what is too large is refused, with the limit', async (a, b, settle) => {
    b.subscribe('large', async () => new Uint8Array(TRANSPORT_PAYLOAD_BYTES_MAX + 1))
    await settle()
    const publication = new Uint8Array(TRANSPORT_MESSAGE_BYTES_MAX + 1)
    const isRefusal = ({ code, details }: WeirError) =>
      code === 'body_too_large' && details.bytesMax === TRANSPORT_MESSAGE_BYTES_MAX
    assert.throws(() => a.publish('large', publication), isRefusal)
    await assert.rejects(gather(a.requestMany('large', publication, { ...LONG, expected: 1 })), isRefusal)
    const question = a.request('large', new Uint8Array(TRANSPORT_PAYLOAD_BYTES_MAX + 1), LONG)
    await assert.rejects(question, { code: 'body_too_large' })
    await assert.rejects(a.request('large', bytes(''), LONG), { code: 'result_too_large' })
  })

  holds('a transport that is closed sends nothing and ends what waits', async (a, b, settle) => {
    b.subscribe('silent', () => new Promise(() => {}))
    await settle()
    const request = assert.rejects(a.request('silent', bytes(''), LONG), { code: 'draining' })
    await a.close()
    await request
    assert.throws(() => a.publish('news', bytes('')), { code: 'draining' })
  })
}

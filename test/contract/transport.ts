import assert from 'node:assert/strict'
import { it } from 'node:test'
import { WeirError } from '../../base/errors.ts'
import type { Transport } from '../../cluster/transport.ts'

export interface TransportSubject {
  /** A transport that can reach all others of this subject; the same one again where there is only one node. */
  join(): Transport
  release(): Promise<void>
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (payload: Uint8Array): string => new TextDecoder().decode(payload)
const LONG = { deadlineMs: 10_000 }

/** What every Transport must do. */
export function transportContract(open: () => Promise<TransportSubject>): void {
  const holds = (property: string, run: (a: Transport, b: Transport) => Promise<void>) =>
    it(property, async () => {
      const subject = await open()
      try {
        await run(subject.join(), subject.join())
      } finally {
        await subject.release()
      }
    })

  const gather = async (answers: AsyncIterable<Uint8Array>): Promise<string[]> => {
    const texts: string[] = []
    for await (const answer of answers) texts.push(text(answer))
    return texts.sort()
  }

  holds('a request is answered by what its handler returns', async (a, b) => {
    b.subscribe('echo', async (payload) => bytes(`<${text(payload)}>`))
    assert.equal(text(await a.request('echo', bytes('hi'), LONG)), '<hi>')
  })

  holds('a payload belongs to its receiver', async (a, b) => {
    b.subscribe('scribble', async (payload) => payload.fill(0))
    const payload = bytes('mine')
    await a.request('scribble', payload, LONG)
    assert.equal(text(payload), 'mine')
  })

  holds('an error of the handler is the error of the request, code and details', async (a, b) => {
    b.subscribe('fail', async () => {
      throw new WeirError('epoch_fenced', 'too old', { epoch: 3 })
    })
    await assert.rejects(a.request('fail', bytes(''), LONG), { code: 'epoch_fenced', details: { epoch: 3 } })
  })

  holds('a request that nobody subscribes to fails at once', async (a) => {
    await assert.rejects(a.request('none', bytes(''), LONG), { code: 'shard_unavailable' })
  })

  holds('a request without an answer ends at its deadline', async (a, b) => {
    b.subscribe('silent', () => new Promise(() => {}))
    await assert.rejects(a.request('silent', bytes(''), { deadlineMs: 5 }), { code: 'deadline_exceeded' })
  })

  holds('a request ends when its caller gives up, with the reason', async (a, b) => {
    b.subscribe('silent', () => new Promise(() => {}))
    const giveUp = new AbortController()
    const request = a.request('silent', bytes(''), { ...LONG, signal: giveUp.signal })
    giveUp.abort(new Error('given up'))
    await assert.rejects(request, { message: 'given up' })
  })

  holds('the handler of a request that ends without its answer is told to stop', async (a, b) => {
    const stopped: Promise<void>[] = []
    b.subscribe('silent', (_payload, signal) => {
      stopped.push(new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true })))
      return new Promise(() => {})
    })
    const giveUp = new AbortController()
    const request = a.request('silent', bytes(''), { ...LONG, signal: giveUp.signal })
    await assert.rejects(a.request('silent', bytes(''), { deadlineMs: 5 }), { code: 'deadline_exceeded' })
    giveUp.abort(new Error('given up'))
    await assert.rejects(request, { message: 'given up' })
    assert.equal(stopped.length, 2)
    await Promise.all(stopped)
  })

  holds('a publication reaches every subscriber of its subject and no other', async (a, b) => {
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
    a.publish('news', bytes('1'))
    await arrived
    assert.deepEqual(seen.sort(), ['a 1', 'b 1'])
  })

  holds('a subscription that has ended gets nothing', async (a, b) => {
    const end = b.subscribe('k', async () => bytes('old'))
    end()
    await assert.rejects(a.request('k', bytes(''), LONG), { code: 'shard_unavailable' })
    b.subscribe('k', async () => bytes('new'))
    assert.equal(text(await a.request('k', bytes(''), LONG)), 'new')
  })

  holds('a request to many has the answers of all, until there are enough', async (a, b) => {
    a.subscribe('ask', async () => bytes('1'))
    b.subscribe('ask', async () => bytes('2'))
    b.subscribe('ask', async () => bytes('3'))
    assert.deepEqual(await gather(a.requestMany('ask', bytes(''), { ...LONG, expected: 3 })), ['1', '2', '3'])
    assert.equal((await gather(a.requestMany('ask', bytes(''), { ...LONG, expected: 2 }))).length, 2)
    assert.deepEqual(await gather(a.requestMany('none', bytes(''), { ...LONG, expected: 2 })), [])
  })

  holds(
    'a request to many ends at its deadline with the answers it has; a failed subscriber is one less',
    async (a, b) => {
      a.subscribe('ask', async () => bytes('1'))
      b.subscribe('ask', () => new Promise(() => {}))
      b.subscribe('ask', async () => {
        throw new WeirError('internal', 'broken')
      })
      assert.deepEqual(await gather(a.requestMany('ask', bytes(''), { deadlineMs: 20, expected: 3 })), ['1'])
    },
  )

  holds('a transport that is closed sends nothing and ends what waits', async (a, b) => {
    b.subscribe('silent', () => new Promise(() => {}))
    const request = assert.rejects(a.request('silent', bytes(''), LONG), { code: 'draining' })
    await a.close()
    await request
    assert.throws(() => a.publish('news', bytes('')), { code: 'draining' })
  })
}

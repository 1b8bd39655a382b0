import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import type { KeyValueEngine, KeyValueOperation, KeyValueStore } from '../../storage/kv.ts'

export interface KeyValueSubject {
  readonly engine: KeyValueEngine
  /** A directory that does not exist yet, for stores and directories of them. */
  readonly directory: string
  release(): Promise<void>
}

const bytes = (...values: number[]): Uint8Array => new Uint8Array(values)
const put = (key: Uint8Array, value: Uint8Array): KeyValueOperation => ({ kind: 'put', key, value })
const del = (key: Uint8Array): KeyValueOperation => ({ kind: 'delete', key })

/** What every KeyValueEngine must do (S10). */
export function keyValueContract(open: () => Promise<KeyValueSubject>): void {
  const holds = (property: string, run: (store: KeyValueStore, subject: KeyValueSubject) => Promise<void>) =>
    it(property, async () => {
      const subject = await open()
      try {
        const store = await subject.engine.open(`${subject.directory}/store`)
        await run(store, subject)
        await store.close()
      } finally {
        await subject.release()
      }
    })

  holds('S10: a transaction is visible once it has resolved, and a value is the reader’s own', async (store) => {
    const value = bytes(1, 2, 3)
    await store.transact([put(bytes(7), value), put(bytes(8), bytes())])
    const read = store.get(bytes(7))!
    assert.deepEqual(read, value)
    assert.deepEqual(store.get(bytes(8)), bytes())
    read[0] = 99
    assert.deepEqual(store.get(bytes(7)), value)
    assert.equal(store.get(bytes(9)), undefined)
  })

  holds('S9: a view shows the value until the next call', async (store) => {
    const long = new Uint8Array(400_000).map((_, i) => (i * 7) & 0xff)
    await store.transact([put(bytes(1), long), put(bytes(2), bytes(5))])
    assert.deepEqual(Uint8Array.from(store.getView(bytes(1))!), long)
    assert.deepEqual(Uint8Array.from(store.getView(bytes(2))!), bytes(5))
    assert.equal(store.getView(bytes(3)), undefined)
  })

  holds('S2: several large values and their small companions are applied together', async (store) => {
    const values = [0, 1, 2].map((n) => new Uint8Array(400_000).fill(n + 1))
    await store.transact([put(bytes(9), bytes(1)), ...values.map((value, i) => put(bytes(1, i), value)), del(bytes(9))])
    for (const [i, value] of values.entries()) assert.deepEqual(store.get(bytes(1, i)), value)
    assert.equal(store.get(bytes(9)), undefined)
  })

  holds('transactions asked for at once are applied in the order of the calls', async (store) => {
    const all = Array.from({ length: 50 }, (_, i) =>
      store.transact([put(bytes(1), bytes(i)), put(bytes(2, i), bytes(i))]),
    )
    await Promise.all(all)
    assert.deepEqual(store.get(bytes(1)), bytes(49))
    assert.equal([...store.keys(bytes(2), bytes(3))].length, 50)
  })

  holds('a range is ordered by memcmp, half-open, and cut by its limit', async (store) => {
    const keys = [bytes(1), bytes(1, 0), bytes(1, 255), bytes(2), bytes(2, 1), bytes(128), bytes(255, 255)]
    await store.transact([...keys].reverse().map((key, i) => put(key, bytes(i))))
    const between = (from: Uint8Array, to: Uint8Array, options?: object) =>
      [...store.keys(from, to, options)].map((k) => [...k])
    assert.deepEqual(
      between(bytes(0), bytes(255, 255, 255)),
      keys.map((k) => [...k]),
    )
    assert.deepEqual(between(bytes(1, 0), bytes(2, 1)), [[1, 0], [1, 255], [2]])
    assert.deepEqual(between(bytes(1, 0), bytes(2, 1), { reverse: true }), [[2], [1, 255], [1, 0]])
    assert.deepEqual(between(bytes(1), bytes(200), { limit: 2 }), [[1], [1, 0]])
    assert.deepEqual(between(bytes(1), bytes(200), { reverse: true, limit: 2 }), [[128], [2, 1]])
    assert.deepEqual(between(bytes(3), bytes(4)), [])
    assert.deepEqual(
      [...store.range(bytes(2), bytes(3))],
      [
        { key: bytes(2), value: bytes(3) },
        { key: bytes(2, 1), value: bytes(2) },
      ],
    )
  })

  holds('what was committed is there when the store is opened again', async (store, { engine, directory }) => {
    await store.transact([put(bytes(1), bytes(2))])
    await store.flushed()
    await store.close()
    const again = await engine.open(`${directory}/store`)
    assert.deepEqual(again.get(bytes(1)), bytes(2))
    await again.close()
  })

  holds(
    'stores are listed by name, and destroyed alone or with their directory',
    async (store, { engine, directory }) => {
      for (const name of ['7/2026-01-01', '7/2026-01-02', '9/2026-01-01']) {
        const day = await engine.open(`${directory}/days/${name}`)
        await day.transact([put(bytes(1), bytes(1))])
        await day.close()
      }
      assert.deepEqual(await engine.list(`${directory}/days`), ['7', '9'])
      assert.deepEqual(await engine.list(`${directory}/days/7`), ['2026-01-01', '2026-01-02'])
      assert.deepEqual(await engine.list(`${directory}/none`), [])
      await engine.destroy(`${directory}/days/7/2026-01-01`)
      assert.deepEqual(await engine.list(`${directory}/days/7`), ['2026-01-02'])
      await engine.destroy(`${directory}/days/7`)
      assert.deepEqual(await engine.list(`${directory}/days`), ['9'])
      const anew = await engine.open(`${directory}/days/7/2026-01-01`)
      assert.equal(anew.get(bytes(1)), undefined)
      await anew.close()
      assert.equal(store.get(bytes(1)), undefined)
    },
  )

  holds('it holds what a sorted map holds, whatever is done to it', async (store) => {
    const key = fc.uint8Array({ minLength: 1, maxLength: 3, max: 3 })
    const operation = fc.oneof(
      fc.record({ kind: fc.constant('put' as const), key, value: fc.uint8Array({ maxLength: 20 }) }),
      fc.record({ kind: fc.constant('delete' as const), key }),
    )
    const model = new Map<string, Uint8Array>()
    const batches = fc.sample(fc.array(operation, { minLength: 1, maxLength: 8 }), { numRuns: 40, seed: 1 })
    for (const batch of batches) {
      await store.transact(batch)
      for (const op of batch) {
        if (op.kind === 'put') model.set(Buffer.from(op.key).toString('hex'), op.value)
        else model.delete(Buffer.from(op.key).toString('hex'))
      }
      const expected = [...model].sort(([a], [b]) => (a < b ? -1 : 1))
      const actual = [...store.range(bytes(0), bytes(255))].map((e) => [Buffer.from(e.key).toString('hex'), e.value])
      assert.deepEqual(actual, expected)
    }
  })
}

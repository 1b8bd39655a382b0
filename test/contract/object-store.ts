import assert from 'node:assert/strict'
import { it } from 'node:test'
import { WeirError } from '../../base/errors.ts'
import type { ObjectStore } from '../../storage/object-store/object-store.ts'

/** What every ObjectStore must do. `open` gives an empty store; the suite releases it with the function returned. */
export function objectStoreContract(open: () => Promise<{ store: ObjectStore; release: () => Promise<void> }>): void {
  const holds = (property: string, run: (store: ObjectStore) => Promise<void>) =>
    it(property, async () => {
      const { store, release } = await open()
      try {
        await run(store)
      } finally {
        await release()
      }
    })

  const bytes = (...values: number[]) => new Uint8Array(values)
  const hasCode = (code: string) => (error: unknown) => error instanceof WeirError && error.code === code

  holds('an object comes back as it was put', async (store) => {
    const object = new Uint8Array(300_000).map((_, i) => (i * 31) & 0xff)
    await store.put('v1/0/a.seg', object)
    assert.deepEqual(await store.get('v1/0/a.seg'), object)
    assert.equal(await store.size('v1/0/a.seg'), object.length)
  })

  holds('an empty object is an object', async (store) => {
    await store.put('empty', bytes())
    assert.deepEqual(await store.get('empty'), bytes())
    assert.equal(await store.size('empty'), 0)
  })

  holds('a range is cut at the ends of the object; a negative offset counts from its end', async (store) => {
    await store.put('k', bytes(0, 1, 2, 3, 4, 5, 6, 7))
    assert.deepEqual(await store.get('k', { offset: 2, length: 3 }), bytes(2, 3, 4))
    assert.deepEqual(await store.get('k', { offset: 5 }), bytes(5, 6, 7))
    assert.deepEqual(await store.get('k', { offset: 6, length: 100 }), bytes(6, 7))
    assert.deepEqual(await store.get('k', { offset: -3 }), bytes(5, 6, 7))
    assert.deepEqual(await store.get('k', { offset: -3, length: 2 }), bytes(5, 6))
    assert.deepEqual(await store.get('k', { offset: -100 }), bytes(0, 1, 2, 3, 4, 5, 6, 7))
    assert.deepEqual(await store.get('k', { offset: 8, length: 1 }), bytes())
    assert.deepEqual(await store.get('k', { offset: 100 }), bytes())
    assert.deepEqual(await store.get('k', { offset: 3, length: 0 }), bytes())
  })

  holds('what was read is the reader’s own', async (store) => {
    await store.put('k', bytes(1, 2, 3))
    const first = await store.get('k')
    first[0] = 99
    assert.equal(first.buffer.byteLength, first.byteLength, 'its buffer can be transferred')
    assert.deepEqual(await store.get('k'), bytes(1, 2, 3))
  })

  holds('what is absent is not found, and deleting it is no error', async (store) => {
    await assert.rejects(store.get('v1/none'), hasCode('not_found'))
    await assert.rejects(store.get('none', { offset: 0, length: 1 }), hasCode('not_found'))
    assert.equal(await store.size('v1/none'), undefined)
    await store.delete('v1/none')
  })

  holds('a deleted object is gone', async (store) => {
    await store.put('v1/k', bytes(1))
    await store.get('v1/k')
    await store.delete('v1/k')
    await assert.rejects(store.get('v1/k'), hasCode('not_found'))
    assert.equal(await store.size('v1/k'), undefined)
  })

  holds('the same key may be put twice, also at the same time', async (store) => {
    const object = new Uint8Array(100_000).fill(7)
    await Promise.all([store.put('v1/k', object), store.put('v1/k', object), store.put('v1/k', object)])
    assert.deepEqual(await store.get('v1/k'), object)
  })

  holds('list gives the keys that begin with a prefix, ascending', async (store) => {
    const keys = ['v1/1/2026-01-02/b.seg', 'v1/1/2026-01-02/a.seg', 'v1/10/x', 'v1/1/manifest/m', 'v2/y', 'z']
    for (const key of keys) await store.put(key, bytes(1))
    const listed = async (prefix: string) => Array.fromAsync(store.list(prefix))
    assert.deepEqual(await listed(''), [...keys].sort())
    assert.deepEqual(await listed('v1/1/'), keys.filter((key) => key.startsWith('v1/1/')).sort())
    assert.deepEqual(await listed('v1/1'), keys.filter((key) => key.startsWith('v1/1')).sort())
    assert.deepEqual(await listed('v1/1/2026-01-02/a'), ['v1/1/2026-01-02/a.seg'])
    assert.deepEqual(await listed('none/'), [])
    assert.deepEqual(await listed('v1/1/2026-01-02/a.seg/'), [])
  })

  holds('concurrent reads of many objects give each its own bytes', async (store) => {
    const count = 300
    for (let i = 0; i < count; i++) await store.put(`many/${i}`, bytes(i & 0xff, i >> 8))
    const read = await Promise.all(Array.from({ length: count }, (_, i) => store.get(`many/${i}`)))
    for (let i = 0; i < count; i++) assert.deepEqual(read[i], bytes(i & 0xff, i >> 8))
  })

  for (const key of [
    '',
    '/',
    'a//b',
    '../x',
    'a/../b',
    'a/.',
    '.hidden',
    'a/.tmp',
    '/etc/passwd',
    'a/',
    'a\\b',
    'a\0b',
    'ä',
  ]) {
    holds(`${JSON.stringify(key)} is not a key`, async (store) => {
      await assert.rejects(store.put(key, bytes(1)), hasCode('invalid_parameter'))
      await assert.rejects(store.get(key), hasCode('invalid_parameter'))
      await assert.rejects(store.size(key), hasCode('invalid_parameter'))
      await assert.rejects(store.delete(key), hasCode('invalid_parameter'))
    })
  }
}

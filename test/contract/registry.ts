import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Prng } from '../../base/prng.ts'
import type { Registry, RegistryChange } from '../../cluster/registry.ts'

export interface RegistrySubject {
  /** Every call gives another connection, as another thread or node would have. */
  connect(): Promise<Registry>
  /** All connections end and the registry is opened again. */
  restart(): Promise<void>
  release(): Promise<void>
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : new TextDecoder().decode(value)

/** Resolves once `isTrue` holds; looks after every turn. */
async function until(isTrue: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!isTrue()) {
    assert.ok(performance.now() < deadline, `in time: ${isTrue}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** What every Registry must do. */
export function registryContract(open: () => Promise<RegistrySubject>): void {
  const holds = (
    property: string,
    run: (registry: Registry, other: Registry, subject: RegistrySubject) => Promise<void>,
  ) =>
    it(property, async () => {
      const subject = await open()
      try {
        await run(await subject.connect(), await subject.connect(), subject)
      } finally {
        await subject.release()
      }
    })

  holds('an entry is read as it was written, from everywhere', async (registry, other) => {
    const revision = await registry.put('shard/7', bytes('seven'), 0)
    assert.ok(revision > 0)
    for (const reader of [registry, other]) {
      const entry = await reader.get('shard/7')
      assert.deepEqual(entry, { key: 'shard/7', value: bytes('seven'), revision })
      entry!.value[0] = 0
    }
    assert.equal(text((await other.get('shard/7'))?.value), 'seven', 'what was read is the reader’s own')
    assert.equal(await registry.get('shard/8'), undefined)
  })

  holds('C2: a write succeeds only on the revision it names', async (registry, other) => {
    const first = await registry.put('k', bytes('1'), 0)
    await assert.rejects(other.put('k', bytes('x'), 0), { code: 'revision_conflict' })
    await assert.rejects(other.put('k', bytes('x'), first + 1), { code: 'revision_conflict' })
    const second = await other.put('k', bytes('2'), first)
    assert.ok(second > first)
    await assert.rejects(registry.put('k', bytes('x'), first), { code: 'revision_conflict' })
    assert.equal(text((await registry.get('k'))?.value), '2')
  })

  holds('C2: of writers that race, one wins each revision', async (registry, other) => {
    const connections = [registry, other]
    const won: number[] = []
    await Promise.all(
      connections.flatMap((connection) =>
        Array.from({ length: 10 }, async () => {
          for (let wins = 0; wins < 3; ) {
            const entry = await connection.get('counter')
            const count = entry === undefined ? 0 : Number(text(entry.value))
            try {
              won.push(await connection.put('counter', bytes(`${count + 1}`), entry?.revision ?? 0))
              wins++
            } catch (error) {
              assert.equal((error as { code?: string }).code, 'revision_conflict')
            }
          }
        }),
      ),
    )
    assert.equal(text((await registry.get('counter'))?.value), '60')
    assert.equal(new Set(won).size, 60)
  })

  holds('a deletion names its revision too, and a key made again goes on rising', async (registry, other) => {
    const first = await registry.put('k', bytes('1'), 0)
    await assert.rejects(other.delete('k', first + 5), { code: 'revision_conflict' })
    await other.delete('k', first)
    assert.equal(await registry.get('k'), undefined)
    await assert.rejects(registry.put('k', bytes('x'), first), { code: 'revision_conflict' })
    assert.ok((await registry.put('k', bytes('2'), 0)) > first)
  })

  holds('a list has what begins with its prefix, by key', async (registry, other) => {
    for (const key of ['shard/2', 'shard/10', 'shar', 'key/1', 'shards']) await registry.put(key, bytes(key), 0)
    const keys = async (prefix: string) => (await other.list(prefix)).map((entry) => entry.key)
    assert.deepEqual(await keys('shard/'), ['shard/10', 'shard/2'])
    assert.deepEqual(await keys('shard'), ['shard/10', 'shard/2', 'shards'])
    assert.deepEqual(await keys('none'), [])
  })

  holds('a value of 1 MiB fits', async (registry, other) => {
    const value = new Uint8Array(1 << 20).fill(3)
    await registry.put('large', value, 0)
    assert.deepEqual((await other.get('large'))?.value, value)
  })

  holds('a watch tells what is there, then every change in order, and ends', async (registry, other) => {
    const start = await registry.put('shard/1', bytes('a'), 0)
    await registry.put('else', bytes('x'), 0)
    for (const watcher of [registry, other]) {
      const seen: [string, string | undefined][] = []
      const revisions: number[] = []
      const end = await watcher.watch('shard/', (change: RegistryChange) => {
        seen.push([change.key, text(change.value)])
        revisions.push(change.revision)
      })
      const current = (await registry.get('shard/1'))!
      assert.deepEqual(seen, [['shard/1', text(current.value)]], 'what is there has been told when watch resolves')
      const second = await registry.put('shard/1', bytes('b'), current.revision)
      await other.put('else', bytes('y'), (await other.get('else'))!.revision)
      const third = await other.put('shard/2', bytes('c'), 0)
      await registry.delete('shard/2', third)
      await until(() => seen.length === 4)
      assert.deepEqual(seen.slice(1), [
        ['shard/1', 'b'],
        ['shard/2', 'c'],
        ['shard/2', undefined],
      ])
      for (let i = 1; i < revisions.length; i++) assert.ok(revisions[i]! > revisions[i - 1]!)
      end()
      const last = await registry.put('shard/1', bytes('d'), second)
      await watcher.get('shard/1')
      assert.equal(seen.length, 4)
      assert.ok(last > start)
    }
  })

  holds('an entry may be empty, and its key of any characters', async (registry, other) => {
    const keys = ['tenant!dead/a.b', '.', 'a..b', '=2E', 'x y\tz', '*', '>', 'größe/日本', '$', '#'.repeat(512)]
    for (const key of keys) await registry.put(key, bytes(''), 0)
    const seen: string[] = []
    const end = await other.watch('', ({ key, value }) => seen.push(`${key}${text(value)}`))
    end()
    assert.deepEqual(seen.sort(), [...keys].sort())
    assert.deepEqual(
      (await other.list('')).map(({ key }) => key),
      [...keys].sort(),
    )
    for (const key of keys) assert.equal(text((await other.get(key))?.value), '')
  })

  holds('watches end one by one, also in the middle of a change', async (registry, other) => {
    const seen: string[] = []
    const ends: (() => void)[] = []
    for (const name of ['a', 'b', 'c']) {
      const watch = ({ key }: RegistryChange) => {
        seen.push(`${name} ${key}`)
        if (name === 'a' && key === '2') ends[1]!()
      }
      ends.push(await registry.watch('', watch))
    }
    await other.put('1', bytes('x'), 0)
    await until(() => seen.length === 3)
    await other.put('2', bytes('x'), 0)
    await until(() => seen.length === 5)
    ends[0]!()
    await other.put('3', bytes('x'), 0)
    await until(() => seen.length === 6)
    assert.deepEqual(seen, ['a 1', 'b 1', 'c 1', 'a 2', 'c 2', 'c 3'])
  })

  holds('of many writes, deletions among them, the watches hear what is left', async (registry, other) => {
    const prng = new Prng('registry')
    const heard = [registry, other].map(() => new Map<string, number>())
    const revisions = [registry, other].map(() => new Map<string, number>())
    for (const [i, watcher] of [registry, other].entries()) {
      await watcher.watch('', ({ key, value, revision }) => {
        assert.ok(revision > (revisions[i]!.get(key) ?? 0), 'in order')
        revisions[i]!.set(key, revision)
        if (value === undefined) heard[i]!.delete(key)
        else heard[i]!.set(key, revision)
      })
    }
    const left = new Map<string, number>()
    for (let i = 0; i < 100; i++) {
      const writer = prng.chance(0.5) ? registry : other
      const key = `k/${prng.below(5)}`
      const revision = left.get(key) ?? 0
      if (revision > 0 && prng.chance(0.3)) {
        await writer.delete(key, revision)
        left.delete(key)
      } else left.set(key, await writer.put(key, bytes(`${i}`), revision))
    }
    const sorted = (map: Map<string, number>) => JSON.stringify([...map].sort())
    await until(() => heard.every((map) => sorted(map) === sorted(left)))
    assert.deepEqual(
      (await other.list('')).map(({ key, revision }) => [key, revision]),
      [...left].sort(),
    )
  })

  holds('a registry that is closed refuses', async (registry, other) => {
    await registry.put('k', bytes('1'), 0)
    await registry.close()
    await registry.close()
    const calls = [
      () => registry.get('k'),
      () => registry.put('l', bytes('1'), 0),
      () => registry.list(''),
      () => registry.watch('', () => {}),
    ]
    for (const call of calls) await assert.rejects(async () => call(), { code: 'storage_unavailable' })
    void other
  })

  holds('what was written is there after a restart, with its revision', async (registry, other, subject) => {
    const first = await registry.put('kept', bytes('1'), 0)
    const gone = await other.put('gone', bytes('2'), 0)
    await other.delete('gone', gone)
    await subject.restart()
    const again = await subject.connect()
    assert.deepEqual(await again.list(''), [{ key: 'kept', value: bytes('1'), revision: first }])
    assert.ok((await again.put('gone', bytes('3'), 0)) > gone)
  })
}

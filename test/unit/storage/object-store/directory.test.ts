import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { systemClock } from '../../../../base/clock.ts'
import { WeirError } from '../../../../base/errors.ts'
import { openDirectoryObjectStore } from '../../../../storage/object-store/directory.ts'
import { diskError } from '../../../../storage/object-store/disk-error.ts'

let root = ''
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'weir-directory-'))
})
after(() => rm(root, { recursive: true }))

const isUnavailable = (error: unknown) => error instanceof WeirError && error.code === 'storage_unavailable'
const openFiles = async () => (await readdir('/proc/self/fd')).length

describe('the directory object store', () => {
  it('shows nothing of a put that died before its rename', async () => {
    const place = join(root, 'killed')
    // A child whose rename never happens: it is killed there, as by a crash.
    const child = `
      import fs from 'node:fs'
      import { systemClock } from ${JSON.stringify(new URL('../../../../base/clock.ts', import.meta.url).href)}
      import { openDirectoryObjectStore } from ${JSON.stringify(new URL('../../../../storage/object-store/directory.ts', import.meta.url).href)}
      fs.promises.rename = () => process.kill(process.pid, 'SIGKILL')
      const store = await openDirectoryObjectStore(${JSON.stringify(place)}, systemClock)
      await store.put('v1/0/2026-01-01/x.seg', new Uint8Array(100000))`
    const result = spawnSync(process.execPath, ['--input-type=module', '-e', child], { encoding: 'utf8' })
    assert.equal(result.signal, 'SIGKILL', result.stderr)
    assert.equal((await readdir(join(place, '.tmp'))).length, 1, 'it died between write and rename')
    const store = await openDirectoryObjectStore(place, systemClock)
    try {
      assert.deepEqual(await Array.fromAsync(store.list('')), [])
      assert.equal(await store.size('v1/0/2026-01-01/x.seg'), undefined)
    } finally {
      store.close()
    }
  })

  it('sweeps old temporary files when it opens, and leaves those of a put that may be going on', async () => {
    const place = join(root, 'swept')
    const first = await openDirectoryObjectStore(place, systemClock)
    first.close()
    await writeFile(join(place, '.tmp', 'old'), 'x')
    await writeFile(join(place, '.tmp', 'new'), 'x')
    const yesterday = new Date(Date.now() - 86_400_000)
    await utimes(join(place, '.tmp', 'old'), yesterday, yesterday)
    const second = await openDirectoryObjectStore(place, systemClock)
    second.close()
    assert.deepEqual(await readdir(join(place, '.tmp')), ['new'])
  })

  it('leaves no temporary file behind when a put fails', async () => {
    const place = join(root, 'refused')
    const store = await openDirectoryObjectStore(place, systemClock)
    try {
      await store.put('a', new Uint8Array(1))
      // `a` is a file, so no object can be below it.
      await assert.rejects(store.put('a/b', new Uint8Array(1)), (e) => e instanceof WeirError)
      await assert.rejects(store.put('a/b/c', new Uint8Array(1)), (e) => e instanceof WeirError)
      assert.deepEqual(await readdir(join(place, '.tmp')), [])
    } finally {
      store.close()
    }
  })

  it('says storage_unavailable when its directory has gone, and when a file system refuses', async () => {
    const place = join(root, 'gone')
    const store = await openDirectoryObjectStore(place, systemClock)
    try {
      await rm(place, { recursive: true })
      await assert.rejects(store.put('k', new Uint8Array(10)), isUnavailable)
    } finally {
      store.close()
    }
    for (const errno of ['ENOSPC', 'EROFS', 'EACCES', 'EIO', 'EMFILE', 'EDQUOT']) {
      assert.ok(isUnavailable(diskError(Object.assign(new Error('refused'), { code: errno }), 'k', 'write')), errno)
    }
    assert.equal(diskError(new TypeError('a bug'), 'k', 'write').code, 'internal')
  })

  it('keeps a bounded number of files open', async () => {
    const store = await openDirectoryObjectStore(join(root, 'many'), systemClock)
    const before = await openFiles()
    try {
      for (let i = 0; i < 400; i++) {
        await store.put(`k/${i}`, new Uint8Array([i]))
        await store.get(`k/${i}`)
      }
      assert.ok((await openFiles()) - before <= 260)
    } finally {
      store.close()
    }
    assert.ok((await openFiles()) <= before, 'all are closed with the store')
  })

  it('reads whole an object that is deleted while it is read', async () => {
    const store = await openDirectoryObjectStore(join(root, 'race'), systemClock)
    try {
      const object = new Uint8Array(4 << 20).fill(3)
      await store.put('k', object)
      const reading = store.get('k')
      await store.delete('k')
      assert.deepEqual(await reading, object)
      assert.equal(await stat(join(root, 'race', 'k')).catch(() => 'gone'), 'gone')
    } finally {
      store.close()
    }
  })
})

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, readdir, rm, symlink } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { lockDataDirectory } from '../../../node/data-lock.ts'

const directories: string[] = []
async function directory(name = 'data'): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), `weir-lock-${name}-`))
  directories.push(made)
  return made
}
after(async () => {
  for (const made of directories) await rm(made, { recursive: true })
})

describe('the lock of a data directory', () => {
  it('is had by one node at a time, by whatever name it calls the directory', async () => {
    const data = await directory()
    const link = join(await directory(), 'link')
    await symlink(data, link)
    const lock = await lockDataDirectory(data)
    await assert.rejects(lockDataDirectory(data), { code: 'invalid_config' })
    await assert.rejects(lockDataDirectory(link), { code: 'invalid_config' })
    await lock.release()
    const next = await lockDataDirectory(link)
    await next.release()
    assert.deepEqual(await readdir(data), [])
  })

  it('is seen from a container that shares only the directory', async () => {
    const data = await directory()
    // Such a node is known by its socket in the directory alone.
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(join(data, 'node.lock'), resolve))
    await assert.rejects(lockDataDirectory(data), { code: 'invalid_config' })
    await new Promise((resolve) => server.close(resolve))
    await (await lockDataDirectory(data)).release()
  })

  it('of a node that was killed is free, however long the path of the directory', async () => {
    const data = await directory('x'.repeat(150))
    const first = await lockDataDirectory(data)
    await first.release()
    // What a killed node leaves: a socket that nobody answers on.
    const code = `process.chdir(${JSON.stringify(data)}); require('net').createServer().listen('node.lock', () => process.kill(process.pid, 'SIGKILL'))`
    spawnSync(process.execPath, ['-e', code])
    assert.deepEqual(await readdir(data), ['node.lock'])
    await (await lockDataDirectory(data)).release()
  })
})

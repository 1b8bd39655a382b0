import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { systemClock } from '../../../base/clock.ts'
import { loadConfig } from '../../../node/config-load.ts'
import { nodeIdentity } from '../../../node/node-identity.ts'

let directory: string
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'weir-identity-'))
})
after(() => rm(directory, { recursive: true }))

const settingsOf = (dataDir: string, nodeId?: string) => {
  const flags = [
    { name: 'data.dir', value: dataDir },
    ...(nodeId === undefined ? [] : [{ name: 'node.id', value: nodeId }]),
  ]
  return loadConfig({ cwd: directory, env: {}, flags }).settings
}

describe('the name of a node', () => {
  it('is made once and stays with its data directory', async () => {
    const settings = settingsOf(directory)
    const name = await nodeIdentity(settings, systemClock)
    assert.match(name, /^node-[0-9a-f]{8}$/)
    assert.equal(await nodeIdentity(settings, systemClock), name)
  })

  it('is what node.id says, where that is set', async () => {
    const settings = settingsOf(directory, 'mine')
    assert.equal(await nodeIdentity(settings, systemClock), 'mine')
  })

  it('cannot be kept where there is no directory, and says so', async () => {
    const settings = settingsOf(join(directory, 'absent'))
    await assert.rejects(nodeIdentity(settings, systemClock), /storage_unavailable|cannot be kept/)
  })
})

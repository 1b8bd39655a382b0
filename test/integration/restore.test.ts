import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { NodeProcess, type NodeSettings, runNodeToEnd } from '../harness/node-process.ts'
import { WeirClient } from '../harness/weir-client.ts'

const KEY = 'an-admin-key-for-this-test'
const RECORDS = 3000

const directory = mkdtempSync(join(tmpdir(), 'weir-restore-'))
after(() => rmSync(directory, { recursive: true, force: true }))

const uids = (from: number) => Array.from({ length: RECORDS }, (_, i) => `u${from + i}`)
const settingsAt = (data: string): NodeSettings => ({
  'data.dir': join(directory, data),
  'objects.dir': join(directory, 'objects'),
  'auth.mode': 'keys',
  'auth.adminKey': KEY,
  shards: 8,
  workers: 1,
  'log.level': 'error',
})

async function withNode<T>(settings: NodeSettings, use: (client: WeirClient) => Promise<T>): Promise<T> {
  const node = await NodeProcess.start(settings)
  const client = new WeirClient(node.url, { authorization: `Bearer ${KEY}` })
  try {
    return await use(client)
  } finally {
    client.close()
    assert.equal(await node.stop(), 0)
  }
}

async function restore(settings: NodeSettings): Promise<{ readonly status: number | null; readonly text: string }> {
  const { status, stdout, stderr } = await runNodeToEnd(settings, { command: 'restore' })
  return { status, text: stdout + stderr }
}

const ingest = (client: WeirClient, from: number) =>
  client.ingest(uids(from).map((uid, i) => ({ uid, service: `s${i % 9}`, message: `order ${uid} was shipped` })))

describe('a cluster whose registry and journal are lost (C10)', { timeout: 120_000 }, () => {
  it('is not begun anew beside what it has published', async () => {
    await withNode(settingsAt('first'), async (client) => {
      await ingest(client, 0)
      await client.http.send('/v1/keys', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ name: 'reader', tenant: 'default', roles: ['read'] }),
      })
    })
    const { status, stderr } = await runNodeToEnd(settingsAt('second'))
    assert.equal(status, 1)
    assert.match(stderr, /the registry is empty, but the object store is not.*weir restore/)
  })

  it('comes back from the object store, and goes on', async () => {
    const settings = settingsAt('second')
    const { status, text } = await restore(settings)
    assert.equal(status, 0, text)
    assert.match(text, new RegExp(`segments with ${RECORDS} records`))
    await withNode(settings, async (client) => {
      await client.found(RECORDS, { limit: 1 })
      const { keys } = await client.json('/v1/keys')
      assert(keys.some(({ name }: { name: string }) => name === 'reader'))
      await ingest(client, RECORDS)
      await client.found(2 * RECORDS, { limit: 1 })
      assert.deepEqual((await client.uids()).sort(), [...uids(0), ...uids(RECORDS)].sort())
    })
  })

  it('comes back a second time, also from a disk that had a part of it', async () => {
    const settings = settingsAt('third')
    // The shards' own files survived, as of the first life.
    cpSync(join(directory, 'first', 'shards'), join(directory, 'third', 'shards'), { recursive: true })
    const { status, text } = await restore(settings)
    assert.equal(status, 0, text)
    await withNode(settings, async (client) => {
      await client.found(2 * RECORDS, { limit: 1 })
      assert.deepEqual((await client.uids()).sort(), [...uids(0), ...uids(RECORDS)].sort())
    })
  })

  it('is not filled twice', async () => {
    const { status, text } = await restore(settingsAt('third'))
    assert.equal(status, 1)
    assert.match(text, /only an empty one is filled/)
  })

  it('is not restored with other counts than it was created with', async () => {
    const { status, text } = await restore({ ...settingsAt('fourth'), shards: 16 })
    assert.notEqual(status, 0)
    assert.match(text, /shards is 16, but the cluster was created with 8/)
  })
})

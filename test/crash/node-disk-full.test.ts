import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Prng } from '../../base/prng.ts'
import { NodeProcess, type NodeSettings } from '../harness/node-process.ts'
import { WeirClient, waitUntil } from '../harness/weir-client.ts'

const MAIN = fileURLToPath(new URL('../../node/main.ts', import.meta.url))
const BATCH = 500
const SENDERS = 4
/** Records of random text, so that nothing makes them small. */
const PADDING = 600

let directory: string
const running = new Set<NodeProcess>()
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'weir-node-full-'))
})
after(async () => {
  for (const node of running) await node.kill()
  await rm(directory, { recursive: true })
})

async function start(name: string, settings: NodeSettings = {}): Promise<NodeProcess> {
  const node = await NodeProcess.start({
    'data.dir': join(directory, name),
    workers: 2,
    'log.level': 'fatal',
    ...settings,
  })
  running.add(node)
  return node
}

/** What a file of the process may grow to; needs no privilege, unlike a file system of its own. */
function limitFiles(node: NodeProcess, bytes: number | 'unlimited'): void {
  const run = spawnSync('prlimit', ['--pid', String(node.pid), `--fsize=${bytes}:unlimited`], { encoding: 'utf8' })
  assert.equal(run.error, undefined, 'this test needs prlimit: apt-get install util-linux')
  assert.equal(run.status, 0, run.stderr)
}

async function sizeOfJournal(name: string): Promise<number> {
  const folder = join(directory, name, 'journal')
  const files = await readdir(folder)
  return Math.max(...(await Promise.all(files.map(async (file) => (await stat(join(folder, file))).size))))
}

function batchOf(number: number): { readonly uids: string[]; readonly text: string } {
  const prng = new Prng(`full/${number}`)
  const uids = Array.from({ length: BATCH }, (_, i) => `u${number}-${i}`)
  const lines = uids.map((uid) => JSON.stringify({ uid, service: `s${number % 7}`, message: prng.hex(PADDING) }))
  return { uids, text: lines.join('\n') }
}

interface Stream {
  readonly acknowledged: Set<string>
  next: number
}

type Refusal = { readonly status: number; readonly code: string; readonly retryAfter: string | undefined }

/** Sends batch after batch from several connections until one is refused; gives that answer. */
async function sendUntilRefused(client: WeirClient, stream: Stream): Promise<Refusal> {
  let refusal: Refusal | undefined
  const sender = async () => {
    while (refusal === undefined) {
      const number = stream.next++
      const { uids, text } = batchOf(number)
      const answer = await client.ingestText(text, { 'idempotency-key': `b${number}` })
      if (answer.status === 200) for (const uid of uids) stream.acknowledged.add(uid)
      else if (answer.status !== 429) {
        refusal ??= { status: answer.status, code: answer.json().code, retryAfter: answer.headers['retry-after'] }
      }
    }
  }
  await Promise.all(Array.from({ length: SENDERS }, sender))
  return refusal!
}

/** Sends until it is taken again, then some more. */
async function sendAgain(client: WeirClient, stream: Stream): Promise<void> {
  for (let taken = 0; taken < 5; ) {
    const number = stream.next++
    const { uids, text } = batchOf(number)
    await waitUntil(
      async () => (await client.ingestText(text, { 'idempotency-key': `b${number}` })).status === 200,
      () => 'records are taken again',
    )
    for (const uid of uids) stream.acknowledged.add(uid)
    taken++
  }
}

/** Everything acknowledged is found, and keyed records once; what was refused may have been stored all the same (D1). */
async function checkAll(client: WeirClient, stream: Stream): Promise<void> {
  const uidsFound = async () => {
    const found: string[] = []
    let cursor: string | null = null
    do {
      const page: { logs: { uid: string }[]; nextCursor: string | null } = await client.search({
        query: '*',
        from: 0,
        to: 'now+1d',
        limit: 10_000,
        fields: 'uid',
        ...(cursor === null ? {} : { cursor }),
      })
      for (const { uid } of page.logs) found.push(uid)
      cursor = page.nextCursor
    } while (cursor !== null)
    return found
  }
  let found: string[] = []
  await waitUntil(
    async () => {
      found = await uidsFound()
      const distinct = new Set(found)
      return [...stream.acknowledged].every((uid) => distinct.has(uid))
    },
    () => `all of ${stream.acknowledged.size} acknowledged records are found, not ${found.length}`,
  )
  assert.equal(new Set(found).size, found.length, 'nothing is there twice')
}

describe('a node whose disk takes no more', { timeout: 180_000 }, () => {
  it('refuses with the reason, goes on answering searches, and takes records again without a restart', async () => {
    const node = await start('full')
    const client = new WeirClient(node.url)
    const stream: Stream = { acknowledged: new Set(), next: 0 }
    await client.ingest([{ uid: 'first', service: 's', message: 'before it is full' }])
    await client.found(1)
    limitFiles(node, (await sizeOfJournal('full')) + 3_000_000)
    const refusal = await sendUntilRefused(client, stream)
    assert.deepEqual([refusal.status, refusal.code], [503, 'storage_unavailable'])
    assert.ok(refusal.retryAfter !== undefined)
    assert.ok(stream.acknowledged.size > 0, 'it took some before')
    assert.equal((await client.get('/healthz')).status, 200)
    await client.found(1, { query: '"before it is full"' })
    limitFiles(node, 'unlimited')
    await sendAgain(client, stream)
    stream.acknowledged.add('first')
    await checkAll(client, stream)
    client.close()
    // And what is on the disk is whole.
    await node.kill()
    const again = await start('full')
    const after = new WeirClient(again.url)
    await checkAll(after, stream)
    after.close()
    assert.equal(await again.stop(), 0)
  })

  it('refuses to start where no data directory can be made, saying so', async () => {
    const file = join(directory, 'file')
    await writeFile(file, '')
    const run = spawnSync(process.execPath, [MAIN, `--data.dir=${file}/data`], { encoding: 'utf8', timeout: 60_000 })
    assert.equal(run.status, 1)
    assert.match(
      run.stderr,
      /^weir: the data directory .* cannot be made: a part of the path is not a directory \(storage_unavailable\)$/m,
    )
  })
})

describe('a node whose journal is full', { timeout: 180_000 }, () => {
  it('refuses with journal_full, and takes records again when its segments can be published', async () => {
    const objects = join(directory, 'objects')
    const node = await start('journal', { 'journal.bytesMax': 64 * 2 ** 20, 'objects.dir': objects })
    const client = new WeirClient(node.url)
    const stream: Stream = { acknowledged: new Set(), next: 0 }
    // What a node puts there at its start must not come in between.
    await waitUntil(
      () =>
        readdir(join(objects, 'v1', 'registry')).then(
          (names) => names.length > 0,
          () => false,
        ),
      () => 'the registry has been copied',
    )
    // The place where segments go is gone: nothing can be published, so nothing of the journal be let go.
    await rename(objects, `${objects}-away`)
    await writeFile(objects, 'not a directory')
    const refusal = await sendUntilRefused(client, stream)
    assert.deepEqual([refusal.status, refusal.code], [503, 'journal_full'])
    assert.ok(refusal.retryAfter !== undefined)
    await rm(objects)
    await rename(`${objects}-away`, objects)
    await sendAgain(client, stream)
    await checkAll(client, stream)
    client.close()
    assert.equal(await node.stop(), 0)
  })
})

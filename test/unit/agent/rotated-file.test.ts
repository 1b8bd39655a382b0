import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { type FilePlace, markOf } from '../../../agent/place.ts'
import { fileHolds, findRotated, mayBeRotated, rotationsOf } from '../../../agent/rotated-file.ts'

const CONTENT = Buffer.from(Array.from({ length: 100 }, (_, i) => `line ${i} of a file\n`).join(''))
const OFFSET = 500

describe('a rotated file', () => {
  let directory: string
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'weir-rotated-'))
  })
  after(() => rmSync(directory, { recursive: true, force: true }))

  const place = (): FilePlace => ({
    kind: 'file',
    input: 'x',
    path: join(directory, 'app.log'),
    device: '1',
    inode: '1',
    offset: OFFSET,
    changedMs: 0,
    head: markOf(CONTENT.subarray(0, OFFSET)),
    tail: markOf(CONTENT.subarray(OFFSET - 64, OFFSET)),
    state: 'lost',
    sinceMs: 0,
  })

  it('has a longer name', () => {
    const names = [
      'app.log.1',
      'app.log-20261121.gz',
      'app-2026-11-21.log',
      'app.log',
      'web.log.1',
      'application.log',
      'app.lo',
    ]
    assert.deepEqual(
      names.filter((name) => mayBeRotated(join('/var', name), '/var/app.log')),
      ['app.log.1', 'app.log-20261121.gz', 'app-2026-11-21.log'],
    )
    assert.equal(mayBeRotated('/other/app.log.1', '/var/app.log'), false)
  })

  it('is known by what it holds, copied or compressed, and is no other that begins alike', async () => {
    const other = Buffer.from(CONTENT)
    other.write('another line', OFFSET - 40)
    writeFileSync(join(directory, 'app.log'), 'new\n')
    writeFileSync(join(directory, 'app.log.1'), other)
    assert.equal(await findRotated(place(), async () => false), undefined)
    for (const [name, bytes] of [
      ['app.log.2', CONTENT],
      ['app.log.2.gz', gzipSync(CONTENT)],
      ['app.log.2.zst', zstdCompressSync(CONTENT)],
    ] as const) {
      const path = join(directory, name)
      writeFileSync(path, bytes)
      assert.equal(await findRotated(place(), async () => false), path)
      assert.equal(await findRotated(place(), async ({ path: found }) => found === path), undefined)
      rmSync(path)
    }
    // Compressed by half.
    writeFileSync(join(directory, 'app.log.3.gz'), gzipSync(CONTENT).subarray(0, 40))
    assert.equal(await fileHolds(join(directory, 'app.log.3.gz'), place()), false)
  })

  it('of a time between is found by its name and its time, oldest first', async () => {
    for (const [i, name] of [
      'app.log.6',
      'app.log.5',
      'app.log.4',
      'app-error.log',
      'app.log.old',
      'app.2026-11-21.log',
    ].entries()) {
      writeFileSync(join(directory, name), 'x\n')
      utimesSync(join(directory, name), 1000 + i, 1000 + i)
    }
    const found = await rotationsOf(join(directory, 'app.log'), 1_001_000)
    const names = found.map(({ path }) => basename(path)).filter((name) => !/[123]$|gz$/.test(name))
    assert.deepEqual(names, ['app.log.5', 'app.log.4', 'app.2026-11-21.log'])
  })
})

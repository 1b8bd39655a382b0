import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { causeOfFailedCommit, diskError } from '../../../base/disk-error.ts'
import { WeirError } from '../../../base/errors.ts'
import { makeDurableDirectory } from '../../../base/sync-directory.ts'

const withCode = (code: string | number): Error => Object.assign(new Error('refused'), { code })

it('what the operating system refuses is storage_unavailable and retryable, by name or by number', () => {
  for (const [code, errno] of [
    ['ENOSPC', 'ENOSPC'],
    [28, 'ENOSPC'],
    [-30, 'EROFS'],
    [27, 'EFBIG'],
    ['EACCES', 'EACCES'],
  ] as const) {
    const error = diskError(withCode(code), 'writing x')
    assert.deepEqual([error.code, error.details, error.retryable], ['storage_unavailable', { errno }, true])
    assert.match(error.message, /^writing x: /)
  }
})

it('another error is internal, and a WeirError stays what it is', () => {
  assert.equal(diskError(withCode('ENOENT'), 'x').code, 'internal')
  assert.equal(diskError(withCode(-30798), 'x').code, 'internal')
  assert.equal(diskError('text', 'x').code, 'internal')
  const error = new WeirError('corrupt_data', 'bad')
  assert.equal(diskError(error, 'x'), error)
})

it('the cause of a failed commit is what its promise rejects with', async () => {
  const cause = withCode(28)
  const commitError = Promise.reject(cause)
  assert.equal(await causeOfFailedCommit(Object.assign(new Error('Commit failed'), { commitError })), cause)
  assert.equal(await causeOfFailedCommit(cause), cause)
})

it('a directory is made with those above it; one that is there is left alone; a file in its place is an error', () => {
  const root = mkdtempSync(join(tmpdir(), 'weir-directory-'))
  try {
    makeDurableDirectory(join(root, 'a/b/c'))
    writeFileSync(join(root, 'a/b/c/file'), 'x')
    makeDurableDirectory(join(root, 'a/b/c'))
    assert.deepEqual(readdirSync(join(root, 'a/b/c')), ['file'])
    assert.throws(() => makeDurableDirectory(join(root, 'a/b/c/file/d')), { code: 'ENOTDIR' })
  } finally {
    rmSync(root, { recursive: true })
  }
})

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'

const FILLER = fileURLToPath(new URL('../harness/disk-filler.ts', import.meta.url))
/** What a file may grow to until the test lifts the limit; needs no privilege, unlike a file system of its own. */
const LIMIT_BYTES = 3_000_000

function prlimit(...args: string[]): void {
  const run = spawnSync('prlimit', args, { encoding: 'utf8' })
  assert.equal(run.error, undefined, 'this test needs prlimit: apt-get install util-linux')
  assert.equal(run.status, 0, run.stderr)
}

describe('a disk that takes no more', { timeout: 60_000 }, () => {
  for (const what of ['journal', 'kv', 'registry']) {
    it(`${what}: is refused as storage_unavailable, loses nothing, and works again in the same process`, async () => {
      const directory = await mkdtemp(join(tmpdir(), 'weir-full-'))
      const args = [
        `--fsize=${LIMIT_BYTES}:unlimited`,
        process.execPath,
        FILLER,
        '--what',
        what,
        '--dir',
        join(directory, 'd'),
      ]
      const child = spawn('prlimit', args, { stdio: ['pipe', 'pipe', 'pipe'] })
      let noise = ''
      child.stderr.on('data', (chunk) => {
        noise += chunk
      })
      const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
      child.once('error', () => assert.fail('this test needs prlimit: apt-get install util-linux'))
      const lines: string[] = []
      try {
        for await (const line of createInterface({ input: child.stdout })) {
          lines.push(line)
          if (lines.length === 2) {
            prlimit('--pid', `${child.pid}`, '--fsize=unlimited')
            child.stdin.write('there is space\n')
          }
        }
        assert.equal(await exited, 0, noise)
        // A write that was cut short is reported as EIO.
        for (const line of lines.slice(0, 2)) assert.match(line, /^refused storage_unavailable (EFBIG|EIO)$/)
        assert.match(lines[2]!, /^kept \d+$/)
        assert.ok(Number(lines[2]!.slice(5)) > 30, 'it wrote before and behind the refusal')
      } finally {
        child.kill('SIGKILL')
        await rm(directory, { recursive: true })
      }
    })
  }
})

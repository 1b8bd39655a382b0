import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { AgentProcess, agentConfig } from '../harness/agent-process.ts'
import { debianPrograms } from '../harness/debian-programs.ts'
import { shareNode } from '../harness/shared-node.ts'

const run = promisify(execFile)
const shared = await shareNode()
const ENTRIES = 500

/** Entries in export format, of the last minutes. */
function exported(from: number, count: number): string {
  const startUs = BigInt(Date.now() - 120_000) * 1000n
  return Array.from({ length: count }, (_, n) => {
    const i = from + n
    return [
      `__REALTIME_TIMESTAMP=${startUs + BigInt(i)}`,
      `__MONOTONIC_TIMESTAMP=${1000 + i}`,
      '_BOOT_ID=0123456789abcdef0123456789abcdef',
      `PRIORITY=${i % 2 === 0 ? 6 : 3}`,
      'SYSLOG_IDENTIFIER=cron',
      '_HOSTNAME=web-1',
      ...(i % 2 === 0 ? ['_SYSTEMD_UNIT=shop.service'] : []),
      `MESSAGE=entry ${i} ü`,
      '',
      '',
    ].join('\n')
  }).join('')
}

test('the shipper reads a journal, and goes on after the last entry that it has sent', async (t) => {
  const { root, libraryPath } = debianPrograms('systemd-journal-remote', ['systemd-journal-remote', 'libmicrohttpd12'])
  const remote = join(root, 'lib/systemd/systemd-journal-remote')
  const directory = mkdtempSync(join(tmpdir(), 'weir-agent-journald-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const journal = join(directory, 'journal')
  mkdirSync(journal)
  const env = { ...process.env, LD_LIBRARY_PATH: libraryPath }
  const write = async (name: string, from: number, count: number) => {
    writeFileSync(join(directory, `${name}.export`), exported(from, count))
    await run(remote, ['-o', join(journal, `${name}.journal`), join(directory, `${name}.export`)], { env })
  }
  const client = shared.client({})
  t.after(() => client.close())
  const config = agentConfig(directory, {
    data: { dir: 'data' },
    nodes: { urls: [shared.node.url] },
    inputs: [{ type: 'journald', directory: journal }],
  })
  const ship = async () => {
    const agent = new AgentProcess(config, { flags: ['--once'] })
    assert.equal(await agent.exited, 0, agent.stderr)
  }
  await write('first', 0, ENTRIES)
  await ship()
  await ship()
  await write('second', ENTRIES, 1)
  await ship()
  const found = await client.found(ENTRIES + 1)
  assert.deepEqual(
    found.map(({ message, service, level, host }) => [message, service, level, host]),
    Array.from({ length: ENTRIES + 1 }, (_, i) => [
      `entry ${i} ü`,
      i % 2 === 0 ? 'shop' : 'cron',
      i % 2 === 0 ? 'INFO' : 'ERROR',
      'web-1',
    ]),
  )
})

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { debianPrograms } from '../harness/debian-programs.ts'
import { shareNode } from '../harness/shared-node.ts'

const run = promisify(execFile)
const shared = await shareNode()
const ENTRIES = 1000
const DEADLINE_MS = 60_000

/** Entries in export format, of the last minutes. */
function exported(): { readonly text: Buffer; readonly messages: readonly string[]; readonly startUs: bigint } {
  const startUs = BigInt(Date.now() - 120_000) * 1000n
  const messages = Array.from({ length: ENTRIES }, (_, i) =>
    i % 10 === 3 ? `lines of ${i}\n\tat once ü` : `entry ${i}`,
  )
  const text = Buffer.concat(
    messages.map((message, i) => {
      const bytes = Buffer.from(message)
      const length = Buffer.alloc(8)
      length.writeBigUInt64LE(BigInt(bytes.length))
      return Buffer.concat([
        Buffer.from(`__REALTIME_TIMESTAMP=${startUs + BigInt(i)}\n__MONOTONIC_TIMESTAMP=${1000 + i}\n`),
        Buffer.from(`_BOOT_ID=0123456789abcdef0123456789abcdef\nPRIORITY=${i % 8}\nSYSLOG_IDENTIFIER=cron-${i % 3}\n`),
        Buffer.from(`_HOSTNAME=web-1\n${i % 2 === 0 ? '_SYSTEMD_UNIT=shop.service\n' : ''}MESSAGE\n`),
        length,
        bytes,
        Buffer.from('\n\n'),
      ])
    }),
  )
  return { text, messages, startUs }
}

test('systemd-journal-upload sends a journal, which is there once although it comes twice', async (t) => {
  const { root, libraryPath } = debianPrograms('systemd-journal-remote', ['systemd-journal-remote', 'libmicrohttpd12'])
  const [upload, remote] = ['upload', 'remote'].map((name) => join(root, `lib/systemd/systemd-journal-${name}`)) as [
    string,
    string,
  ]
  const directory = mkdtempSync(join(tmpdir(), 'weir-journald-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const options = { cwd: directory, env: { ...process.env, LD_LIBRARY_PATH: libraryPath }, timeout: DEADLINE_MS }
  const { text, messages, startUs } = exported()
  writeFileSync(join(directory, 'entries.export'), text)
  await run(remote, ['-o', join(directory, 'entries.journal'), join(directory, 'entries.export')], options)
  const client = shared.client({})
  t.after(() => client.close())
  const send = () =>
    run(
      upload,
      [
        `--url=${shared.node.url}/journald`,
        `--file=${join(directory, 'entries.journal')}`,
        `--save-state=${join(directory, 'state')}`,
        '--follow=no',
      ],
      options,
    )
  await send()
  const found = await client.found(ENTRIES)
  assert.deepEqual(
    found.map(({ message }) => message),
    messages,
  )
  for (const [i, record] of found.entries()) {
    const atUs = startUs + BigInt(i)
    assert.equal(BigInt(Date.parse(record.timestamp)), atUs / 1000n)
    assert.ok(
      record.timestamp.replace(/0*Z$/, '').endsWith(
        String(atUs % 1_000_000n)
          .padStart(6, '0')
          .replace(/0+$/, ''),
      ),
    )
    assert.equal(record.level, ['FATAL', 'FATAL', 'FATAL', 'ERROR', 'WARN', 'INFO', 'INFO', 'DEBUG'][i % 8])
    assert.equal(record.service, i % 2 === 0 ? 'shop' : `cron-${i % 3}`)
    assert.equal(record.host, 'web-1')
    assert.equal(record.SYSLOG_IDENTIFIER, `cron-${i % 3}`)
    assert.ok(record.__CURSOR.length > 0)
  }
  // Without its state it sends all again, and that is the same upload.
  rmSync(join(directory, 'state'))
  await send()
  await client.ingest([{ message: 'marker' }])
  await client.found(1, { query: 'marker' })
  await client.found(ENTRIES + 1)
})

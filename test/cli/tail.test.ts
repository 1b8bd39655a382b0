import { deepEqual, equal, match } from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { CliProcess } from '../harness/cli-process.ts'
import { cliTenants } from '../harness/cli-tenant.ts'
import { NodeProcess } from '../harness/node-process.ts'
import { shareNode } from '../harness/shared-node.ts'
import { WeirClient, waitUntil } from '../harness/weir-client.ts'

const shared = await shareNode()

const tenant = cliTenants(shared, 'tail')

function messages(out: string): string[] {
  return out
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line).message)
}

test('the newest are printed, then those that come, until Ctrl-C', async () => {
  const { client, env } = tenant()
  await client.ingest([{ message: 'old 1' }, { message: 'old 2' }, { message: 'old 3' }])
  await client.found(3)
  const cli = CliProcess.start(['tail', '-n', '2', 'old', 'OR', 'new'], { env })
  await waitUntil(
    () => messages(cli.out).length === 2,
    () => `the newest are printed: ${cli.out} ${cli.error}`,
  )
  await client.ingest([{ message: 'new 4' }, { message: 'other' }])
  await waitUntil(
    () => messages(cli.out).length === 3,
    () => `what comes is printed: ${cli.out} ${cli.error}`,
  )
  deepEqual(messages(cli.out), ['old 2', 'old 3', 'new 4'])
  cli.signal('SIGINT')
  const { status, error } = await cli.end()
  deepEqual([status, error], [130, ''])
})

test('on a terminal it prints lines, and Ctrl-C ends it', async () => {
  const { client, env } = tenant()
  const cli = CliProcess.onTty(['query', '--follow', '-s', 'shop'], { env })
  await client.ingest([{ service: 'shop', level: 'WARN', message: 'low \x1b[2Jstock' }])
  await waitUntil(
    () => cli.out.includes('stock'),
    () => `the record is printed: ${cli.out}`,
  )
  match(cli.out, /WARN.*shop.* low \\x1b\[2Jstock\r\n/)
  cli.type('\x03')
  equal((await cli.end()).status, 130)
})

test('when the node goes away it goes on where it stopped, without a gap or a repeat', async (t) => {
  const data = mkdtempSync(join(tmpdir(), 'weir-tail-'))
  let node = await NodeProcess.start({ workers: 1, 'data.dir': data })
  const { port } = node
  t.after(async () => {
    await node.kill()
    rmSync(data, { recursive: true })
  })
  const cli = CliProcess.start(['tail', '-n', '0'], { env: { WEIR_URL: node.url } })
  t.after(() => cli.signal('SIGKILL'))
  const send = async (message: string) => {
    const client = new WeirClient(node.url)
    await client.ingest([{ message }])
    client.close()
  }
  const printed = (count: number) =>
    waitUntil(
      () => messages(cli.out).length >= count,
      () => `${count} are printed: ${cli.out} ${cli.error}`,
    )
  await waitUntil(
    async () => {
      await send('probe')
      return cli.out.includes('probe')
    },
    () => 'it follows',
  )
  const probes = messages(cli.out).length
  await send('before')
  await printed(probes + 1)
  const seen = messages(cli.out).length
  await node.kill()
  await waitUntil(
    () => /no node answers|broke off/.test(cli.error),
    () => `it says so: ${cli.error}`,
  )
  node = await NodeProcess.start({ workers: 1, 'data.dir': data, 'http.port': port })
  await send('after 1')
  await send('after 2')
  await printed(seen + 2)
  deepEqual(messages(cli.out).slice(-3), ['before', 'after 1', 'after 2'])
  match(cli.error, /answers again/)
  cli.signal('SIGINT')
  equal((await cli.end()).status, 130)
})

test('a first request that is refused ends it', async () => {
  const { env } = tenant()
  equal((await CliProcess.run(['tail', 'a ('], { env })).status, 1)
  equal((await CliProcess.run(['tail', '--url', 'http://127.0.0.1:1'], { env })).status, 6)
})

import { deepEqual, equal, match } from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
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

test('thousands of records that come at once are each printed once', async () => {
  const { client, env } = tenant()
  const cli = CliProcess.start(['tail', '-n', '0', '--fields', 'uid'], { env })
  await waitUntil(
    async () => {
      await client.ingest([{ uid: 'probe' }])
      return cli.out.includes('probe')
    },
    () => `it follows: ${cli.error}`,
  )
  const records = Array.from({ length: 5000 }, (_, i) => ({ uid: `u${i}` }))
  for (let i = 0; i < records.length; i += 500) await client.ingest(records.slice(i, i + 500))
  const uids = () => [...cli.out.matchAll(/"uid":"(u\d+)"/g)].map(([, uid]) => uid)
  await waitUntil(
    () => uids().length >= 5000,
    () => `all are printed, not ${uids().length}: ${cli.error}`,
  )
  cli.signal('SIGINT')
  await cli.end()
  equal(uids().length, 5000)
  equal(new Set(uids()).size, 5000)
})

test('what a broken connection shows again is printed once, and what was left out is told', async (t) => {
  const log = (id: number) => `data: {"type":"log","log":{"id":"${id}","message":"m ${id}","n":9007199254740993}}\n\n`
  const subscribed = 'retry: 1000\nid: c1\ndata: {"type":"subscribed","cursor":"c1"}\n\n'
  const streams = [
    subscribed + log(1) + log(2),
    `${subscribed + log(1) + log(2) + log(3)}id: c2\n\ndata: {"type":"dropped","count":7}\n\n`,
    `${subscribed + log(4)}data: {"type":"error","final":true,"code":"draining","status":503,"retryable":true,"detail":"it drains","cursor":"c9"}\n\n`,
    `${subscribed}data: {"type":"error","final":true,"code":"forbidden","status":403,"title":"Not allowed"}\n\n`,
  ]
  const cursors: (string | null)[] = []
  const server = createServer((request, response) => {
    if (!request.headers.accept?.includes('event-stream')) {
      response.end('{"logs":[],"cursor":"c0","coverage":{"complete":true,"shards":1,"answered":1,"missing":[]}}')
      return
    }
    cursors.push(new URL(request.url!, 'http://x').searchParams.get('cursor'))
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(streams[cursors.length - 1]!, () => request.socket.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const { status, out, error } = await CliProcess.run(['tail', '--url', url])
  equal(status, 5, error)
  deepEqual(messages(out), ['m 1', 'm 2', 'm 3', 'm 4'])
  match(out, /"n":9007199254740993\}\n/)
  deepEqual(cursors, ['c0', 'c0', 'c2', 'c9'])
  match(error, /7 records were left out/)
  match(error, /broke off/)
  match(error, /it drains; trying again/)
})

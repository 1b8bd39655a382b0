import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { CliProcess } from '../harness/cli-process.ts'
import { cliTenants } from '../harness/cli-tenant.ts'
import { shareNode } from '../harness/shared-node.ts'

const shared = await shareNode()
const tenant = cliTenants(shared, 'upload')
const directory = mkdtempSync(join(tmpdir(), 'weir-upload-'))
after(() => rmSync(directory, { recursive: true }))

function file(name: string, content: string | Uint8Array): string {
  const path = join(directory, name)
  writeFileSync(path, content)
  return path
}

test('files are uploaded with progress, and their job is followed to its end', async () => {
  const { client, env } = tenant()
  const lines = Array.from({ length: 20_000 }, (_, i) => `{"uid":"${i}","message":"${'m'.repeat(150)}"}\n`).join('')
  const files = [
    file('a.ndjson', lines),
    file('b.csv.gz', gzipSync('uid,message\nx,one\ny,two\n')),
    file('we"ird\nname.txt', 'plain\n'),
    file('empty.txt', ''),
  ]
  const { status, out } = await CliProcess.runOnTty(['upload', ...files, '-s', 'shop'], { env })
  equal(status, 0, out)
  match(out, /\[=* *\] \d+ % {2}.* of .*B/)
  match(out, /job [0-9a-f-]{36}, received in/)
  match(out, /done: 20,003 records stored/)
  equal((await client.search({ service: 'shop', total: 'exact', limit: 1 })).total, 20_003)
  const jobs = await CliProcess.runOnTty(['jobs', 'list'], { env })
  match(jobs.out, /JOB +STATE +CREATED +DONE +SIZE +ACCEPTED +REJECTED +FILES/)
  match(jobs.out, /[0-9a-f-]{36} +done .* 100 % .* 20,003 +0 +a\.ndjson/)
})

test('standard input is uploaded too, and a job can be asked about afterwards', async () => {
  const { client, env } = tenant()
  const input = '{"a":1}\n{bad}\n{"b":2}\n'
  const uploaded = await CliProcess.run(['upload', '--detach', '--name', 'in.ndjson'], { env, input })
  equal(uploaded.status, 0, uploaded.error)
  const id = uploaded.out.trim()
  const followed = await CliProcess.run(['jobs', 'get', id, '-f'], { env })
  equal(followed.status, 1)
  match(followed.error, /in\.ndjson, record 2: .* \(invalid_json\)\ndone: 2 records stored, 1 rejected/)
  await client.found(2)
  equal(JSON.parse((await CliProcess.run(['jobs', 'get', id], { env })).out).rejected, 1)
  const rejects = await CliProcess.run(['jobs', 'rejects', id], { env })
  deepEqual(JSON.parse(rejects.out).code, 'invalid_json')
  match((await CliProcess.run(['jobs', 'cancel', id], { env })).error, /done; 2 records stay/)
  equal((await CliProcess.run(['jobs', 'get', 'none'], { env })).status, 1)
})

test('a file that cannot be read is told, and a node that is away', async () => {
  const { env } = tenant()
  const absent = await CliProcess.run(['upload', join(directory, 'absent')], { env })
  equal(absent.status, 1)
  match(absent.error, /absent cannot be read: ENOENT/)
  equal((await CliProcess.run(['upload', directory], { env })).status, 1)
  equal((await CliProcess.run(['upload', '--url', 'http://127.0.0.1:1'], { env, input: 'x\n' })).status, 6)
})

test('bench measures a node that is named, and no other', async () => {
  const { client, env } = tenant()
  equal((await CliProcess.run(['bench'])).status, 2)
  const argv = ['bench', '--duration', '1s', '--connections', '2', '--batch', '50', '--services', '2']
  const { status, out, error } = await CliProcess.run([...argv, '--rate', '2000'], { env })
  equal(status, 0, error)
  const result = JSON.parse(out)
  ok(result.records >= 500 && result.records <= 2100, out)
  equal(result.records, result.requests * 50)
  ok(result.receiptMs.p50 > 0 && result.receiptMs.max >= result.receiptMs.p99, out)
  await client.found(result.records, { limit: 1 }).catch(() => undefined)
  equal((await client.search({ total: 'exact', limit: 1, from: 0 })).total, result.records)
  const shown = await CliProcess.runOnTty(argv, { env })
  match(shown.out, /records +[\d,]+ in .* s, .*B\r\nrate +[\d,]+ records\/s, .*\r\nreceipts +p50 .* max .* ms\r\n/)
})

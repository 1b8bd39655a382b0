import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { CliProcess } from '../harness/cli-process.ts'
import { cliTenants } from '../harness/cli-tenant.ts'
import { shareNode } from '../harness/shared-node.ts'
import { waitUntil } from '../harness/weir-client.ts'

const ADMIN = 'weir_admin-key-of-these-tests'
const shared = await shareNode()
const guarded = await shareNode({ 'auth.mode': 'keys', 'auth.adminKey': ADMIN })
const tenant = cliTenants(shared, 'operate')
const directory = mkdtempSync(join(tmpdir(), 'weir-operate-'))
after(() => rmSync(directory, { recursive: true }))

function file(name: string, content: string): string {
  const path = join(directory, name)
  writeFileSync(path, content)
  return path
}

test('a trace is shown across services', async () => {
  const { client, env } = tenant()
  const beginMs = Date.now() - 60_000
  const at = (ms: number) => new Date(beginMs + ms).toISOString()
  await client.ingest([
    { traceId: 't-1', timestamp: at(0), service: 'gateway', message: 'in' },
    { traceId: 't-1', timestamp: at(40), service: 'shop', level: 'ERROR', message: 'failed \x1b[2J' },
    { traceId: 't-1', timestamp: at(100), service: 'gateway', message: 'out' },
    { traceId: 't-2', timestamp: at(50), message: 'other' },
  ])
  await client.found(4)
  const shown = await CliProcess.runOnTty(['trace', 't-1'], { env: { ...env, NO_COLOR: '1' } })
  equal(shown.status, 0)
  match(shown.out, /trace t-1: 3 records in 100 ms, from /)
  match(shown.out, /gateway +2 +0 +\+0 ms +\+100 ms +={30}\r\n/)
  match(shown.out, /shop +1 +1 +\+40 ms +\+40 ms +=\r\n/)
  match(shown.out, / \+40 ms ERROR shop failed \\x1b\[2J\r\n/)
  const piped = await CliProcess.run(['trace', 't-1'], { env })
  deepEqual(
    piped.out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).message),
    ['in', 'failed \x1b[2J', 'out'],
  )
  equal((await CliProcess.run(['trace', 'none'], { env })).status, 1)
  equal((await CliProcess.run(['trace', 'none', '--fail-empty'], { env })).status, 3)
})

test('keys are made, listed, used and revoked; a key that may not is told so', async () => {
  const admin = { WEIR_URL: guarded.node.url, WEIR_KEY: ADMIN }
  const made = await CliProcess.run(['keys', 'create', 'reader', '--role', 'read', '--of', 'acme'], { env: admin })
  equal(made.status, 0, made.error)
  match(made.out, /^weir_[\w-]+\n$/)
  const id = /^key (\S+);/.exec(made.error)![1]!
  const listed = await CliProcess.runOnTty(['keys', 'list'], { env: admin })
  match(listed.out, /ID +NAME +TENANT +ROLES +CREATED/)
  match(listed.out, new RegExp(`${id} +reader +acme +read `))
  ok(!listed.out.includes(made.out.trim()))
  const keyFile = file('reader.key', made.out)
  const reader = ['--url', guarded.node.url, '--key-file', keyFile]
  equal((await CliProcess.run(['query', ...reader])).status, 0)
  const refused = await CliProcess.run(['send', ...reader], { input: 'x\n' })
  equal(refused.status, 5)
  match(refused.error, /The credential does not allow this \(forbidden\)/)
  const none = await CliProcess.run(['query', '--url', guarded.node.url])
  equal(none.status, 5)
  match(none.error, /Give a key: WEIR_KEY, or --key-file\./)
  equal((await CliProcess.run(['query', '--url', guarded.node.url], { env: { WEIR_KEY: 'weir_wrong' } })).status, 5)
  equal((await CliProcess.run(['keys', 'revoke', id], { env: admin })).status, 0)
  await waitUntil(
    async () => (await CliProcess.run(['query', ...reader])).status === 5,
    () => 'the key is void',
  )
  equal((await CliProcess.run(['keys', 'create', 'x'], { env: admin })).status, 2)
})

test('a pipeline is tried, applied from YAML, shown, changed and deleted', async () => {
  const { client, env } = tenant()
  const yaml = file('shop.yaml', 'services: [shop]\nsteps:\n  - type: rename\n    fields: { usr: user }\n')
  const input = '{"service":"shop","usr":"u1"}\n{"service":"other","usr":"u2"}\n'
  const tried = await CliProcess.run(['pipelines', 'dry-run', '-f', yaml], { env, input })
  equal(tried.status, 0, tried.error)
  const [first, second] = tried.out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  deepEqual([first.after.user, second.after?.user], ['u1', undefined])
  equal((await CliProcess.run(['pipelines', 'apply', 'shop', '-f', yaml, '--if-version', '0'], { env })).status, 0)
  const again = await CliProcess.run(['pipelines', 'apply', 'shop', '-f', yaml, '--if-version', '0'], { env })
  equal(again.status, 1)
  match(again.error, /\(conflict\)/)
  match((await CliProcess.runOnTty(['pipelines', 'list'], { env })).out, /shop +1 +\S+ +shop +rename/)
  equal(JSON.parse((await CliProcess.run(['pipelines', 'get', 'shop'], { env })).out).services[0], 'shop')
  await waitUntil(
    async () => {
      await client.ingest([{ service: 'shop', usr: 'u3' }])
      return (await client.search({ query: 'user:u3' })).logs.length > 0
    },
    () => 'it is in force',
  )
  const bad = await CliProcess.run(['pipelines', 'apply', 'shop', '-f', '-'], {
    env,
    input: '{"steps":[{"type":"renam"}]}',
  })
  equal(bad.status, 1)
  match(bad.error, /renam/)
  const broken = await CliProcess.run(['pipelines', 'apply', 'shop', '-f', file('broken.yaml', 'steps: [')], { env })
  match(broken.error, /broken\.yaml: /)
  equal((await CliProcess.run(['pipelines', 'delete', 'shop'], { env })).status, 0)
  equal((await CliProcess.run(['pipelines', 'get', 'shop'], { env })).status, 1)
})

test('dead letters are listed and replayed', async () => {
  const { client, env } = tenant()
  const old = new Date(Date.now() - 40 * 86_400_000).toISOString()
  await client.ingestText(`{"message":"kept"}\n{bad \x1b[2J}\n{"timestamp":"${old}","message":"old"}\n`)
  await waitUntil(
    async () => (await CliProcess.run(['dead-letters', 'list'], { env })).out.split('\n').length === 3,
    () => 'two letters are listed',
  )
  const shown = await CliProcess.runOnTty(['dead-letters', 'list'], { env })
  match(shown.out, /ID +RECEIVED +PROTOCOL +CODE +REASON +RAW/)
  match(shown.out, /invalid_json/)
  ok(!shown.out.includes('\x1b[2J'))
  const one = await CliProcess.run(['dead-letters', 'list', '--code', 'timestamp_out_of_range'], { env })
  equal(JSON.parse(one.out).code, 'timestamp_out_of_range')
  equal((await CliProcess.run(['dead-letters', 'list', '--code', 'none', '--fail-empty'], { env })).status, 3)
  equal((await CliProcess.run(['dead-letters', 'replay'], { env })).status, 2)
  const replayed = await CliProcess.run(['dead-letters', 'replay', '--all'], { env })
  equal(replayed.status, 1)
  match(replayed.error, /0 replayed, 2 stay/)
})

test('the cluster and its agents are shown', async () => {
  const { env } = tenant()
  const cluster = await CliProcess.runOnTty(['cluster', 'status'], { env })
  match(cluster.out, /1 node, 32 shards/)
  ok(JSON.parse((await CliProcess.run(['cluster', 'status'], { env })).out).shards.length === 32)
  const id = JSON.parse((await CliProcess.run(['cluster', 'status'], { env })).out).nodeId
  const drained = await CliProcess.run(['cluster', 'drain', id], { env })
  deepEqual([drained.status, /\(no_other_node\)/.test(drained.error)], [1, true])
  equal((await CliProcess.run(['agents', 'list'], { env })).out, '')
  equal((await CliProcess.run(['agents', 'revoke', 'none'], { env })).status, 1)
  const registered = await tenantAgent(env)
  match(
    (await CliProcess.runOnTty(['agents', 'list'], { env })).out,
    new RegExp(`${registered} +web-1 +production +1\\.0`),
  )
  equal((await CliProcess.run(['agents', 'revoke', registered], { env })).status, 0)
})

async function tenantAgent(env: Readonly<Record<string, string>>): Promise<string> {
  const client = shared.client({ 'x-scope-orgid': env.WEIR_TENANT! })
  const answer = await client.http.send('/v1/agents/register', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ organizationName: 'acme', environment: 'production', agentVersion: '1.0', host: 'web-1' }),
  })
  equal(answer.status, 201, answer.text)
  return answer.json().clientId
}

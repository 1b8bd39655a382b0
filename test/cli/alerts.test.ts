import { equal, match, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { CliProcess } from '../harness/cli-process.ts'
import { cliTenants } from '../harness/cli-tenant.ts'
import { shareNode } from '../harness/shared-node.ts'
import { waitUntil } from '../harness/weir-client.ts'

const shared = await shareNode()
const tenant = cliTenants(shared, 'alerts')

const RULES = `id: errors
name: Shop \u202eerrors
query: level:ERROR
condition: { count: ">2", window: 1m, groupBy: [service] }
severity: P1
channels: []
---
name: Quiet Disk!
query: disk
condition: { count: ">1000", window: 5m }
severity: P2
channels: []
`

test('rules are applied from YAML, twice the same, shown and deleted', async () => {
  const { env } = tenant()
  const applied = await CliProcess.run(['alerts', 'rules', 'apply', '-f', '-'], { env, input: RULES })
  equal(applied.status, 0, applied.error)
  match(applied.error, /^errors is in force, revision 1\nquiet-disk is in force, revision 1\n$/)
  equal((await CliProcess.run(['alerts', 'rules', 'apply', '-f', '-'], { env, input: RULES })).status, 0)
  const listed = await CliProcess.runOnTty(['alerts', 'rules', 'list'], { env })
  match(listed.out, /ID +NAME +SEVERITY +ENABLED +REVISION/)
  match(listed.out, /errors +Shop \\u202eerr\S* +P1 +yes/)
  match(listed.out, /quiet-disk +Quiet Disk! +P2 +yes/)
  const got = await CliProcess.run(['alerts', 'rules', 'get', 'errors'], { env })
  equal(JSON.parse(got.out).id, 'errors')
  const again = await CliProcess.run(['alerts', 'rules', 'apply', '-f', '-'], { env, input: got.out })
  equal(again.status, 0, again.error)
  const wrong = await CliProcess.run(['alerts', 'rules', 'apply', '-f', '-'], {
    env,
    input: '{"name":"x","condition":{"count":"many"}}',
  })
  equal(wrong.status, 1)
  const file =
    '{"tenant":"x","rules":[{"id":"of-file","name":"F","query":"a","condition":{"count":">1","window":"1m"},"severity":"P2","channels":[]}]}'
  match(
    (await CliProcess.run(['alerts', 'rules', 'apply', '-f', '-'], { env, input: file })).error,
    /^of-file is in force, revision 1\n/,
  )
  equal((await CliProcess.run(['alerts', 'rules', 'delete', 'of-file'], { env })).status, 0)
  match(wrong.error, /condition/)
  equal((await CliProcess.run(['alerts', 'rules', 'apply'], { env })).status, 2)
  equal((await CliProcess.run(['alerts', 'rules', 'delete', 'errors', 'quiet-disk'], { env })).status, 0)
  equal((await CliProcess.run(['alerts', 'rules', 'list'], { env })).out, '')
  equal((await CliProcess.run(['alerts', 'rules', 'get', 'errors'], { env })).status, 1)
})

test('what fires is listed, with its state, and acknowledged', async () => {
  const { client, env } = tenant()
  equal((await CliProcess.run(['alerts', 'rules', 'apply', '-f', '-'], { env, input: RULES })).status, 0)
  equal((await CliProcess.run(['alerts', 'events', '--fail-empty'], { env })).status, 3)
  await client.ingest(Array.from({ length: 10 }, () => ({ level: 'ERROR', service: 'shop', message: 'boom' })))
  let event: { readonly id: string; readonly group: { readonly service: string } } | undefined
  await waitUntil(
    async () => {
      const { out } = await CliProcess.run(['alerts', 'events', '--state', 'firing'], { env })
      if (out !== '') event = JSON.parse(out.split('\n')[0]!)
      return event !== undefined
    },
    () => 'the rule fires',
    40_000,
  )
  equal(event!.group.service, 'shop')
  const acked = await CliProcess.run(['alerts', 'ack', event!.id, '--by', 'me', '--comment', 'looking'], { env })
  equal(acked.status, 0, acked.error)
  const shown = await CliProcess.runOnTty(['alerts', 'events', '--rule', 'errors', '--since', '1h'], { env })
  match(shown.out, /EVENT +FIRED +RESOLVED +SEVERITY/)
  ok(shown.out.includes(event!.id), shown.out)
  match(shown.out, /ack by me/)
  const status = await CliProcess.run(['alerts', 'rules', 'status', 'errors', '-o', 'table'], { env })
  match(status.out, /service=shop +firing /)
})

test('silences are made of matchers, listed and ended', async () => {
  const { env } = tenant()
  const argv = [
    'alerts',
    'silences',
    'create',
    'service=shop*',
    'severity!=P0',
    '--for',
    '30m',
    '--comment',
    'deploy',
    '--by',
    'me',
  ]
  const made = await CliProcess.run(argv, { env })
  equal(made.status, 0, made.error)
  const id = made.out.trim()
  match((await CliProcess.runOnTty(['alerts', 'silences', 'list'], { env })).out, /yes .*service=shop\* severity!=P0/)
  equal((await CliProcess.run(['alerts', 'silences', 'create', 'shop'], { env })).status, 2)
  equal((await CliProcess.run(['alerts', 'silences', 'create', 'a=b', '--from', 'now'], { env })).status, 2)
  equal((await CliProcess.run(['alerts', 'silences', 'delete', id], { env })).status, 0)
  equal((await CliProcess.run(['alerts', 'silences', 'delete', id], { env })).status, 1)
})

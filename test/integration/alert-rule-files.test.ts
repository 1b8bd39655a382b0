import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { errorRecords, eventsWhen } from '../harness/alert-client.ts'
import { shareNode } from '../harness/shared-node.ts'
import { waitUntil } from '../harness/weir-client.ts'

const directory = mkdtempSync(join(tmpdir(), 'weir-rules-'))
const FILE = `
tenant: files
rules:
  - id: errors
    query: 'level:ERROR'
    condition: { count: '>2', window: 1m }
    severity: P2
  - id: more
    query: 'level:ERROR'
    condition: { count: '>3', window: 1m }
    severity: P2
`
writeFileSync(join(directory, 'shop.yaml'), FILE)
const shared = await shareNode({ workers: 2, 'alerts.rulesDir': directory })
test.after(() => rmSync(directory, { recursive: true, force: true }))

test('rules of files are in force when the node starts', async () => {
  const client = shared.client({ 'x-scope-orgid': 'files' })
  await waitUntil(
    async () => (await client.json('/v1/alerts/rules')).rules.length === 2,
    () => 'the rules of the file are there',
  )
  await client.ingest(errorRecords(3))
  const [event] = await eventsWhen(client, 'file.errors', ({ length }) => length > 0)
  assert.equal(event.rule.name, 'errors')
})

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { startRsyslog } from '../harness/debian-daemon.ts'
import { shareNode } from '../harness/shared-node.ts'

const shared = await shareNode({ 'compat.elasticAtRoot': true })
const LINES = 500

test("rsyslog's omelasticsearch sends the lines of a file, in order", async (t) => {
  const lines = Array.from({ length: LINES }, (_, i) => `order ${i} "placed" by C:\\users\\ü`)
  const fileIn = (directory: string) => join(directory, 'app.log')
  const rsyslog = startRsyslog(t, (directory) => {
    writeFileSync(fileIn(directory), `${lines.join('\n')}\n`)
    return `global(workDirectory="${directory}")
module(load="imfile")
module(load="omelasticsearch")
template(name="doc" type="list") {
  constant(value="{\\"@timestamp\\":\\"") property(name="timereported" dateFormat="rfc3339")
  constant(value="\\",\\"level\\":\\"") property(name="syslogseverity-text")
  constant(value="\\",\\"host\\":\\"") property(name="hostname" format="json")
  constant(value="\\",\\"service\\":\\"") property(name="programname" format="json")
  constant(value="\\",\\"message\\":\\"") property(name="msg" format="json")
  constant(value="\\"}")
}
input(type="imfile" file="${fileIn(directory)}" tag="shop" severity="warning")
action(type="omelasticsearch" server="127.0.0.1" serverport="${shared.node.port}" template="doc" searchType=""
       searchIndex="logs-syslog-default" bulkmode="on" action.resumeRetryCount="-1")
`
  })
  const found = await shared
    .client()
    .found(LINES, { service: 'shop' })
    .catch((error: Error) => assert.fail(`${error.message}\n${rsyslog.said()}`))
  assert.deepEqual(
    found.map(({ message }) => message),
    lines,
  )
  for (const record of found) {
    assert.equal(record.level, 'WARN')
    assert.equal(record._index, 'logs-syslog-default')
    assert.ok(record.host.length > 0)
  }
})

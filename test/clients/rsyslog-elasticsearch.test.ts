import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { debianPrograms } from '../harness/debian-programs.ts'
import { shareNode } from '../harness/shared-node.ts'

const shared = await shareNode({ 'compat.elasticAtRoot': true })
const LINES = 500

test("rsyslog's omelasticsearch sends the lines of a file, in order", async (t) => {
  const packages = ['rsyslog', 'rsyslog-elasticsearch', 'libestr0', 'libfastjson4', 'liblognorm5', 'libcurl4']
  const { root, libraryPath } = debianPrograms('rsyslog-elasticsearch', packages)
  const directory = mkdtempSync(join(tmpdir(), 'weir-rsyslog-'))
  const file = join(directory, 'app.log')
  const lines = Array.from({ length: LINES }, (_, i) => `order ${i} "placed" by C:\\users\\ü`)
  writeFileSync(file, `${lines.join('\n')}\n`)
  const config = join(directory, 'rsyslog.conf')
  writeFileSync(
    config,
    `global(workDirectory="${directory}")
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
input(type="imfile" file="${file}" tag="shop" severity="warning")
action(type="omelasticsearch" server="127.0.0.1" serverport="${shared.node.port}" template="doc" searchType=""
       searchIndex="logs-syslog-default" bulkmode="on" action.resumeRetryCount="-1")
`,
  )
  const args = ['-n', '-f', config, '-i', join(directory, 'pid'), '-M', join(libraryPath, 'rsyslog')]
  const rsyslog = spawn(join(root, 'usr/sbin/rsyslogd'), args, {
    env: { ...process.env, LD_LIBRARY_PATH: libraryPath },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  rsyslog.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  const ended = new Promise((resolve) => rsyslog.once('close', resolve))
  t.after(async () => {
    rsyslog.kill('SIGKILL')
    await ended
    rmSync(directory, { recursive: true, force: true })
  })
  const found = await shared
    .client()
    .found(LINES, { service: 'shop' })
    .catch((error: Error) => assert.fail(`${error.message}\n${said}`))
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

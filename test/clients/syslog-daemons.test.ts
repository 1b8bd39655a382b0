import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Daemon, startRsyslog, startSyslogNg } from '../harness/debian-daemon.ts'
import { shareNode } from '../harness/shared-node.ts'
import type { Found } from '../harness/weir-client.ts'

const shared = await shareNode({ 'syslog.port': 0 })
const { syslog } = shared.node.ports
const weir = shared.client()
const LINES = 500

const lines = Array.from({ length: LINES }, (_, i) => `order ${i} "placed" [by] C:\\users\\ü`)

function logFile(directory: string): string {
  const file = join(directory, 'app.log')
  writeFileSync(file, `${lines.join('\n')}\n`)
  return file
}

/** All lines, with what the daemon says of them; in order where the way keeps it. */
async function foundLines(service: string, daemon: Daemon): Promise<readonly Found[]> {
  const found = await weir
    .found(LINES, { service })
    .catch((error: Error) => assert.fail(`${error.message}\n${daemon.said()}`))
  assert.deepEqual(
    found.map(({ message }) => message),
    lines,
  )
  for (const { host, timestamp } of found) {
    assert.ok(host.length > 0)
    assert.ok(Math.abs(Date.now() - Date.parse(timestamp)) < 120_000, timestamp)
  }
  return found
}

for (const [name, target] of [
  ['tcp', 'protocol="tcp" TCP_Framing="octet-counted"'],
  ['tcp-lines', 'protocol="tcp"'],
  ['udp', 'protocol="udp"'],
] as const) {
  test(`rsyslog's omfwd sends the lines of a file by ${name}, in order`, async (t) => {
    const daemon = startRsyslog(
      t,
      (directory) => `global(workDirectory="${directory}")
module(load="imfile")
input(type="imfile" file="${logFile(directory)}" tag="rsyslog-${name}" severity="warning" facility="local3")
action(type="omfwd" target="127.0.0.1" port="${syslog}" ${target} template="RSYSLOG_SyslogProtocol23Format"
       action.resumeRetryCount="-1")
`,
    )
    for (const { level, facility } of await foundLines(`rsyslog-${name}`, daemon)) {
      assert.deepEqual([level, facility], ['WARN', 'local3'])
    }
  })
}

for (const [name, destination] of [
  ['syslog', `syslog("127.0.0.1" transport("tcp") port(${syslog}))`],
  ['network', `network("127.0.0.1" transport("tcp") port(${syslog}))`],
  ['udp', `syslog("127.0.0.1" transport("udp") port(${syslog}))`],
] as const) {
  test(`syslog-ng sends the lines of a file by its driver ${name}, in order`, async (t) => {
    const daemon = startSyslogNg(
      t,
      (directory) => `@version: 3.38
options { keep-hostname(yes); };
source lines { file("${logFile(directory)}" flags(no-parse) program-override("syslog-ng-${name}") default-priority(err)); };
destination weir { ${destination}; };
log { source(lines); destination(weir); };
`,
    )
    for (const { level } of await foundLines(`syslog-ng-${name}`, daemon)) assert.equal(level, 'ERROR')
  })
}

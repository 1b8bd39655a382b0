import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { compressSync } from 'snappy'
import { startRsyslog, startSyslogNg } from '../harness/debian-daemon.ts'
import { HttpClient } from '../harness/http-client.ts'
import { bytesField, fixed64Field, varintField } from '../harness/protobuf-writer.ts'
import { shareNode } from '../harness/shared-node.ts'
import type { Found } from '../harness/weir-client.ts'

const KEY = 'weir_the-key-of-these-agents'
const shared = await shareNode({
  'auth.mode': 'keys',
  'auth.adminKey': KEY,
  'syslog.port': 0,
  'syslog.tenant': 'default',
  'forward.port': 0,
  'forward.tenant': 'default',
})
const weir = shared.client({ authorization: `Bearer ${KEY}` })
const { url, ports } = shared.node
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const run = promisify(execFile)
const nowMs = Date.now() - 60_000
const iso = new Date(nowMs).toISOString()

/** The configuration on a page, as it stands there. */
function configOf(page: string, block = 0): string {
  const blocks = [...readFileSync(join(ROOT, 'docs/agents', page), 'utf8').matchAll(/^```\w*\n(.*?)^```$/gms)]
  return blocks[block]?.[1] ?? assert.fail(`${page} has no such block`)
}

/** The same, for this node. */
function ownConfig(page: string): string {
  return configOf(page).replaceAll('http://weir:9347', url).replaceAll('weir_YOUR_KEY', KEY)
}

/** What stands in the first group of `pattern` in a configuration. */
function said(config: string, pattern: RegExp): string {
  return pattern.exec(config)?.[1] ?? assert.fail(`the page says nothing like ${pattern}`)
}

function bearer(config: string, pattern: RegExp): Readonly<Record<string, string>> {
  return { authorization: said(config, pattern).replace('weir_YOUR_KEY', KEY) }
}

function pathOf(address: string): string {
  const { host, pathname } = new URL(address)
  assert.equal(host, 'weir:9347')
  return pathname
}

async function found(query: string): Promise<Found> {
  const [record] = await weir.found(1, { query })
  return record ?? assert.fail(query)
}

interface Replay {
  readonly path: string
  /** Of the page, and of the agent itself. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  readonly status?: number
}

async function replay({ path, headers, body, status = 200 }: Replay): Promise<string> {
  const http = new HttpClient(url)
  try {
    const answer = await http.send(path, { method: 'POST', headers, body })
    assert.equal(answer.status, status, answer.text)
    return answer.text
  } finally {
    http.close()
  }
}

test('every page is linked from the list, and tested here', () => {
  const list = readFileSync(join(ROOT, 'docs/agents/README.md'), 'utf8')
  const own = readFileSync(fileURLToPath(import.meta.url), 'utf8')
  const pages = [...list.matchAll(/\]\(([a-z0-9-]+\.md)\)/g)].map(([, page]) => page!)
  assert.ok(pages.length >= 14)
  // The shipper has tests of its own.
  for (const page of pages) if (page !== 'weir-agent.md') assert.ok(own.includes(`'${page}'`), page)
})

test('Fluent Bit', async () => {
  const config = configOf('fluent-bit.md')
  const output = config.slice(config.indexOf('[OUTPUT]'))
  assert.deepEqual([said(output, /host +(\S+)/), said(output, /port +(\S+)/)], ['weir', '9347'])
  assert.equal(said(output, /compress +(\S+)/), 'gzip')
  const key = said(output, /json_date_key +(\S+)/)
  const lines = [1, 2].map((n) => `{"${key}":"${iso.replace('Z', '000Z')}","log":"fb ${n}","service":"fluent-bit"}`)
  for (const type of ['application/json', 'application/x-ndjson']) {
    await replay({
      path: said(output, /uri +(\S+)/),
      headers: {
        ...bearer(output, /header +Authorization (.+)/),
        'content-type': type,
        'content-encoding': 'gzip',
        'user-agent': 'Fluent-Bit',
      },
      body: gzipSync(`${lines.join('\n')}\n`),
    })
  }
  const records = await weir.found(4, { service: 'fluent-bit' })
  assert.deepEqual(records.map(({ message }) => message).sort(), ['fb 1', 'fb 1', 'fb 2', 'fb 2'])
  assert.equal(Date.parse(records[0]?.timestamp), nowMs)
})

test('Filebeat', async () => {
  const config = configOf('filebeat.md')
  const path = pathOf(said(config, /hosts: \["(.+?)"\]/))
  const key = said(config, /api_key: "(.+)"/).replace('weir_YOUR_KEY', KEY)
  const headers = {
    authorization: `ApiKey ${Buffer.from(key).toString('base64')}`,
    accept: 'application/json',
    'user-agent': 'Elastic-filebeat/8.15.0 (linux; amd64)',
  }
  const http = new HttpClient(url)
  const hello = await http.get(`${path}/`, headers)
  http.close()
  assert.equal(hello.headers['x-elastic-product'], 'Elasticsearch')
  assert.match(hello.json().version.number, /^[89]\./)
  const document = { '@timestamp': iso, message: 'fb', host: { name: 'web-1' }, service: { name: 'filebeat' } }
  const text = await replay({
    path: `${path}/_bulk`,
    headers: {
      ...headers,
      'content-type': 'application/vnd.elasticsearch+json; compatible-with=8',
      'content-encoding': 'gzip',
    },
    body: gzipSync(`{"create":{"_index":"filebeat-8.15.0"}}\n${JSON.stringify(document)}\n`),
  })
  assert.equal(JSON.parse(text).errors, false)
  const record = await found('service:filebeat')
  assert.deepEqual([record.message, record.host], ['fb', 'web-1'])
})

test('Vector', async () => {
  const config = configOf('vector.md')
  assert.match(config, /method: newline_delimited/)
  await replay({
    path: pathOf(said(config, /uri: (\S+)/)),
    headers: {
      authorization: `Bearer ${said(config, /strategy: bearer, token: (\S+) /).replace('weir_YOUR_KEY', KEY)}`,
      'content-type': 'application/x-ndjson',
      'content-encoding': said(config, /compression: (\S+)/),
      'user-agent': 'Vector/0.40.0',
    },
    body: gzipSync(
      `{"file":"/var/log/app/a.log","host":"web-1","message":"v","service":"vector","timestamp":"${iso}"}\n`,
    ),
  })
  const record = await found('service:vector')
  assert.deepEqual([record.message, record.host], ['v', 'web-1'])
})

test('OpenTelemetry Collector', async () => {
  const config = configOf('otel-collector.md')
  assert.match(config, /endpoint: weir:4317/)
  const attribute = (key: string, value: string) =>
    bytesField(1, bytesField(1, key), bytesField(2, bytesField(1, value)))
  const record = bytesField(2, fixed64Field(1, BigInt(nowMs) * 1_000_000n), bytesField(5, bytesField(1, 'oc')))
  await replay({
    path: `${pathOf(said(config, /endpoint: (http\S+)/))}/v1/logs`,
    headers: {
      ...bearer(config, /authorization: "(.+?)"/),
      'content-type': 'application/x-protobuf',
      'content-encoding': said(config, /compression: (\S+)/),
      'user-agent': 'OpenTelemetry Collector Contrib/0.110.0 (linux/amd64)',
    },
    body: gzipSync(bytesField(1, bytesField(1, attribute('service.name', 'collector')), bytesField(2, record))),
  })
  assert.equal((await found('service:collector')).message, 'oc')
})

test('Alloy and Promtail', async () => {
  const config = configOf('alloy.md')
  const time = bytesField(1, varintField(1, Math.floor(nowMs / 1000)), varintField(2, (nowMs % 1000) * 1e6))
  const labels = '{filename="/var/log/app/a.log", service="alloy"}'
  await replay({
    path: pathOf(said(config, /url += "(.+?)"/)),
    headers: {
      authorization: `Bearer ${said(config, /bearer_token = "(.+?)"/).replace('weir_YOUR_KEY', KEY)}`,
      'content-type': 'application/x-protobuf',
      'user-agent': 'Alloy/v1.4.0 (linux; docker)',
    },
    body: compressSync(bytesField(1, bytesField(1, labels), bytesField(2, time, bytesField(2, 'al')))),
    status: 204,
  })
  const record = await found('service:alloy')
  assert.deepEqual([record.message, record.filename, Date.parse(record.timestamp)], ['al', '/var/log/app/a.log', nowMs])
})

test('Logstash', async () => {
  const config = configOf('logstash.md')
  assert.equal(said(config, /format => "(.+?)"/), 'json_batch')
  const event = {
    '@timestamp': iso,
    '@version': '1',
    message: 'ls',
    host: { name: 'web-1' },
    service: { name: 'logstash' },
  }
  await replay({
    path: pathOf(said(config, /url => "(.+?)"/)),
    headers: {
      ...bearer(config, /"Authorization" => "(.+?)"/),
      'content-type': 'application/json',
      'content-encoding': 'gzip',
      'user-agent': 'Manticore 0.9.1',
    },
    body: gzipSync(JSON.stringify([event])),
  })
  const record = await found('service:logstash')
  assert.deepEqual([record.message, record.host], ['ls', 'web-1'])
})

test('rsyslog', async (t) => {
  const config = configOf('rsyslog.md')
  assert.match(config, /target="weir" port="5514"/)
  const daemon = startRsyslog(t, (directory) => {
    writeFileSync(join(directory, 'app.log'), 'first\nsecond\n')
    return `global(workDirectory="${directory}")\n${config}`
      .replace('/var/log/app/app.log', join(directory, 'app.log'))
      .replace('tag="app"', 'tag="page-of-rsyslog"')
      .replace('target="weir" port="5514"', `target="127.0.0.1" port="${ports.syslog}"`)
  })
  await syslogFound('page-of-rsyslog', daemon)
})

test('syslog-ng', async (t) => {
  const config = configOf('syslog-ng.md')
  assert.match(config, /syslog\("weir" transport\("tcp"\) port\(5514\)\)/)
  const daemon = startSyslogNg(t, (directory) => {
    writeFileSync(join(directory, 'app.log'), 'first\nsecond\n')
    return config
      .replace('/var/log/app/app.log', join(directory, 'app.log'))
      .replace('program-override("app")', 'program-override("page-of-syslog-ng")')
      .replace('"weir"', '"127.0.0.1"')
      .replace('port(5514)', `port(${ports.syslog})`)
  })
  await syslogFound('page-of-syslog-ng', daemon)
})

async function syslogFound(service: string, daemon: { said(): string }): Promise<void> {
  const records = await weir.found(2, { service }).catch((error) => assert.fail(`${error.message}\n${daemon.said()}`))
  assert.deepEqual(
    records.map(({ message }) => message),
    ['first', 'second'],
  )
}

test('systemd-journal-upload', async () => {
  const config = configOf('systemd-journal-upload.md')
  const entry = `__CURSOR=s=1;i=1\n__REALTIME_TIMESTAMP=${nowMs}000\n_SYSTEMD_UNIT=journal-page.service\nMESSAGE=ju\n\n`
  await replay({
    path: `${pathOf(said(config, /^URL=(\S+)/m))}/upload`,
    // What the proxy adds, which the page speaks of.
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/vnd.fdo.journal' },
    body: Buffer.from(entry),
  })
  assert.equal((await found('service:journal-page')).message, 'ju')
})

test('Docker', async () => {
  const [fluentd, syslog] = [0, 1].map((block) => JSON.parse(configOf('docker.md', block)))
  assert.deepEqual([fluentd['log-driver'], syslog['log-driver']], ['fluentd', 'syslog'])
  assert.equal(fluentd['log-opts']['fluentd-address'], 'tcp://weir:24224')
  assert.equal(syslog['log-opts']['syslog-address'], 'tcp://weir:5514')
  assert.equal(syslog['log-opts']['syslog-format'], 'rfc5424micro')
  assert.equal(fluentd['log-opts'].tag, '{{.Name}}')
  const text = (value: string) =>
    Buffer.concat([
      value.length < 32 ? Buffer.of(0xa0 + value.length) : Buffer.of(0xd9, value.length),
      Buffer.from(value),
    ])
  const time = Buffer.alloc(10)
  time.writeUInt16BE(0xd700)
  time.writeUInt32BE(Math.floor(nowMs / 1000), 2)
  time.writeUInt32BE((nowMs % 1000) * 1e6, 6)
  const id = 'c'.repeat(64)
  const fields = ['container_id', id, 'container_name', '/shop', 'source', 'stdout', 'log', 'by fluentd'].map(text)
  // [tag, EventTime, {…}, {}]
  await sendTo(
    ports.forward,
    Buffer.concat([Buffer.of(0x94), text('docker-shop'), time, Buffer.of(0x84), ...fields, Buffer.of(0x80)]),
  )
  const forwarded = await found('service:"docker-shop"')
  assert.deepEqual(
    [forwarded.message, forwarded.container_name, forwarded.source, Date.parse(forwarded.timestamp)],
    ['by fluentd', '/shop', 'stdout', nowMs],
  )
  const micro = iso.replace('Z', '000Z')
  await sendTo(ports.syslog, Buffer.from(`<30>1 ${micro} host docker-page 4711 docker-page - by syslog\n`))
  const logged = await found('service:docker-page')
  assert.deepEqual([logged.message, logged.host, logged.level], ['by syslog', 'host', 'INFO'])
})

async function sendTo(port: number, bytes: Buffer): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.end(bytes)
  await once(socket.resume(), 'close')
}

/** Runs the program on a page, with more lines behind it. */
async function runProgram(t: TestContext, page: string, service: string, more = ''): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'weir-page-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'))
  const isPython = page.startsWith('python')
  const file = join(directory, isPython ? 'page.py' : 'page.mjs')
  const program = ownConfig(page).replace(/(['"])app\1/, `'${service}'`)
  assert.ok(program.includes(KEY) && program.includes(url), 'the page has its placeholders')
  writeFileSync(file, `${program}\n${more}`)
  await run(isPython ? 'python3' : process.execPath, [file], { timeout: 30_000 })
}

test('pino', async (t) => {
  await runProgram(t, 'pino.md', 'page-of-pino', 'transport.end()')
  const { message } = await found('service:"page-of-pino"')
  assert.deepEqual([JSON.parse(message).msg, JSON.parse(message).order], ['order placed', 'o-17'])
})

test('winston', async (t) => {
  await runProgram(t, 'winston.md', 'page-of-winston', 'await transport.close()')
  assert.match((await found('service:"page-of-winston"')).message, /^order placed \{.*"order":"o-17"/)
})

test('Python logging', async (t) => {
  await runProgram(t, 'python-logging.md', 'page-of-python')
  const record = await found('service:"page-of-python"')
  assert.deepEqual(
    [record.message, record.level, record.order, record.logger],
    ['order placed', 'INFO', 'o-17', 'root'],
  )
})

test('Log4j', async () => {
  const config = configOf('log4j.md')
  const properties = [...config.matchAll(/<Property name="(.+?)" value="(.+?)"\/>/g)].map(([, name, value]) => [
    name,
    value,
  ])
  const headers: Record<string, string> = Object.fromEntries(properties)
  const event = { '@timestamp': iso, 'ecs.version': '1.2.0', 'log.level': 'WARN', message: 'l4j', 'log.logger': 'a.B' }
  await replay({
    path: pathOf(said(config, /url="(.+?)"/)),
    headers: {
      authorization: headers.Authorization!.replace('weir_YOUR_KEY', KEY),
      'x-service-id': headers['X-Service-Id']!.replace('app', 'page-of-log4j'),
      'content-type': 'application/json; charset=UTF-8',
    },
    body: Buffer.from(`${JSON.stringify(event)}\n`),
  })
  const record = await found('service:"page-of-log4j"')
  assert.deepEqual([record.message, record.level], ['l4j', 'WARN'])
})

import assert from 'node:assert/strict'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { gzipSync, zstdDecompressSync } from 'node:zlib'
import { AgentProcess, agentConfig } from '../harness/agent-process.ts'
import { NodeProcess } from '../harness/node-process.ts'
import { type Found, WeirClient, waitUntil } from '../harness/weir-client.ts'

describe('the shipper', () => {
  let directory: string
  let node: NodeProcess
  let client: WeirClient
  let runs = 0
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'weir-agent-'))
    node = await NodeProcess.start({ 'log.level': 'error', workers: 1 })
    client = new WeirClient(node.url)
  })
  after(async () => {
    client.close()
    await node.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  /** Runs it once over these inputs, in a data directory of its own. */
  async function shipOnce(config: object, stdin?: string): Promise<AgentProcess> {
    const own = join(directory, `run${runs++}`)
    mkdirSync(own)
    const path = agentConfig(own, { data: { dir: 'data' }, nodes: { urls: [node.url] }, host: 'web-1', ...config })
    const agent = new AgentProcess(path, { flags: ['--once'], stdin: stdin === undefined ? 'ignore' : 'pipe' })
    if (stdin !== undefined) agent.child.stdin!.end(stdin)
    assert.equal(await agent.exited, 0, agent.stderr)
    return agent
  }

  const shipped = (service: string, count: number): Promise<Found[]> => client.found(count, { service })

  it('keeps JSON as it is, makes other lines messages, and says where they come from', async () => {
    const log = join(directory, 'mixed.log')
    const lines = [
      '{"@timestamp":"2026-11-20T10:00:00Z","app":"own","n":12345678901234567890}',
      'plain "text"\twith é',
      '',
      '{"broken":',
      '{"message":"json","file":"mine"}',
      'no end',
    ]
    writeFileSync(log, Buffer.concat([Buffer.from(lines.join('\n')), Buffer.from([0x20, 0xff])]))
    await shipOnce({ inputs: [{ paths: [log], service: 'mixed', fields: { env: 'test' } }] })
    const [own] = await shipped('own', 1)
    assert.equal(own?.timestamp, '2026-11-20T10:00:00.000Z')
    const found = await shipped('mixed', 4)
    assert.deepEqual(
      found.map(({ message }) => message),
      ['plain "text"\twith é', '{"broken":', 'json', 'no end \ufffd'],
    )
    assert.deepEqual(
      found.map(({ file }) => file),
      [log, log, 'mine', log],
    )
    for (const { host, env } of found) assert.deepEqual({ host, env }, { host: 'web-1', env: 'test' })
    assert.equal(found[0]?.offset, Buffer.byteLength(lines[0]!) + 1)
  })

  it('joins the lines of stack traces and of container runtimes, and names the container', async () => {
    const pod = join(directory, 'pods/prod_web-1_0-a/shop')
    mkdirSync(pod, { recursive: true })
    const cri = (second: number, stream: string, tag: string, text: string) =>
      `2026-11-20T10:00:0${second}.5Z ${stream} ${tag} ${text}\n`
    const log =
      cri(1, 'stdout', 'P', 'first ') +
      cri(1, 'stderr', 'F', 'Error: oh no') +
      cri(2, 'stdout', 'F', 'half') +
      cri(2, 'stderr', 'F', '    at f (x.js:1)') +
      cri(3, 'stdout', 'F', '{"message":"in json","level":"WARN"}') +
      cri(4, 'stderr', 'F', 'Error: again')
    writeFileSync(join(pod, '0.log'), log)
    await shipOnce({
      inputs: [{ type: 'kubernetes', paths: [join(directory, 'pods/*/*/*.log')], multiline: { continuation: '^\\s' } }],
    })
    const found = await shipped('shop', 4)
    assert.deepEqual(
      found.map(({ timestamp, message, stream, level }) => [timestamp, message, stream, level]),
      [
        ['2026-11-20T10:00:01.500Z', 'first half', 'stdout', 'INFO'],
        ['2026-11-20T10:00:01.500Z', 'Error: oh no\n    at f (x.js:1)', 'stderr', 'ERROR'],
        ['2026-11-20T10:00:03.500Z', 'in json', 'stdout', 'WARN'],
        ['2026-11-20T10:00:04.500Z', 'Error: again', 'stderr', 'ERROR'],
      ],
    )
    assert.deepEqual(found[0]?.kubernetes, { namespace: 'prod', pod: 'web-1', podUid: '0-a', container: 'shop' })
  })

  it("reads Docker's files, joining what was cut", async () => {
    const id = 'b2'.repeat(32)
    mkdirSync(join(directory, id))
    writeFileSync(join(directory, id, 'config.v2.json'), '{"Name":"/cart","Config":{"Image":"cart:1"}}')
    const entry = (log: string) =>
      `${JSON.stringify({ log, stream: 'stdout', time: '2026-11-20T11:00:00.000000001Z' })}\n`
    writeFileSync(join(directory, id, `${id}-json.log`), entry('one ') + entry('line\n') + entry('{"n":1}\r\n'))
    await shipOnce({ inputs: [{ type: 'docker', paths: [join(directory, id, '*-json.log')] }] })
    const found = await shipped('cart', 2)
    assert.deepEqual(
      found.map(({ message, n }) => message ?? n),
      ['one line', 1],
    )
    assert.deepEqual(found[0]?.container, { id, name: 'cart', image: 'cart:1' })
  })

  it('hides secrets before they reach a disk', async () => {
    const log = join(directory, 'secrets.log')
    const card = '4111 1111 1111 1111'
    writeFileSync(log, `paid with ${card} today\n{"message":"login","password":"hunter2-secret"}\nroom 12\n`)
    // So that it stays in the spool.
    const own = join(directory, 'secrets')
    mkdirSync(own)
    const config = (url: string) =>
      agentConfig(own, {
        data: { dir: 'data' },
        nodes: { urls: [url] },
        batch: { linger: '20ms', compression: 'none' },
        inputs: [{ paths: [log], service: 'secrets', mask: true }],
      })
    const first = new AgentProcess(config('http://127.0.0.1:1'))
    const spool = join(own, 'data/spool')
    await waitUntil(
      () => existsSync(spool) && readdirSync(spool).length > 0,
      () => `it is in the spool\n${first.stderr}`,
    )
    assert.equal(await first.stop(), 0, first.stderr)
    const kept = readdirSync(spool).map((name) => readFileSync(join(spool, name), 'latin1'))
    assert.match(kept.join(), /paid with/)
    assert.doesNotMatch(kept.join(), /4111|hunter2/)
    const second = new AgentProcess(config(node.url))
    const found = await shipped('secrets', 3)
    assert.deepEqual(
      found.map(({ message }) => message),
      [`paid with ${'*'.repeat(card.length)} today`, 'login', 'room 12'],
    )
    assert.equal(await second.stop(), 0, second.stderr)
  })

  it('reads pipes and compressed files, and of long lines the beginning', async () => {
    const old = join(directory, 'old.log.gz')
    writeFileSync(old, gzipSync('a\nb\nc'))
    const agent = await shipOnce(
      {
        inputs: [
          { type: 'stdin', service: 'pipe', lineBytesMax: 1024 },
          { paths: [old], service: 'packed' },
        ],
      },
      `one\n${'x'.repeat(3000)}\nlast`,
    )
    const piped = await shipped('pipe', 3)
    assert.deepEqual(
      piped.map(({ message, truncated }) => [message.length, truncated]),
      [
        [3, undefined],
        [1024, true],
        [4, undefined],
      ],
    )
    assert.deepEqual(
      (await shipped('packed', 3)).map(({ message }) => message),
      ['a', 'b', 'c'],
    )
    assert.match(agent.stderr, /"recordsDelivered":6/)
  })

  it('follows a file from where it stood when it was last running, and shows its metrics', async () => {
    const own = join(directory, 'followed')
    mkdirSync(own)
    const log = join(own, 'app.log')
    writeFileSync(log, 'one\ntwo\nthr')
    const config = agentConfig(own, {
      data: { dir: 'data' },
      nodes: { urls: ['http://127.0.0.1:1', node.url] },
      batch: { linger: '20ms' },
      files: { poll: '20ms', scan: '100ms' },
      metrics: { port: 0 },
      inputs: [{ paths: [log], service: 'followed' }],
    })
    const first = new AgentProcess(config)
    await shipped('followed', 2)
    const url = /"url":"([^"]+\/metrics)"/.exec(first.stderr)?.[1]
    assert.match(await (await fetch(url!)).text(), /^weir_agent_lines_read_total 2$/m)
    const second = new AgentProcess(config)
    assert.equal(await second.exited, 78)
    assert.match(second.stderr, /in use by another shipper/)
    assert.equal(await first.stop(), 0, first.stderr)
    appendFileSync(log, 'ee\nfour\n')
    const third = new AgentProcess(config)
    const found = await shipped('followed', 4)
    assert.deepEqual(
      found.map(({ message }) => message),
      ['one', 'two', 'three', 'four'],
    )
    assert.equal(await third.stop(), 0, third.stderr)
  })

  it('registers itself, is one of the fleet, and does what it is told from afar', async () => {
    const adminKey = 'an-admin-key-for-tests'
    const guarded = await NodeProcess.start({ 'log.level': 'error', 'auth.mode': 'keys', 'auth.adminKey': adminKey })
    const admin = new WeirClient(guarded.url, { authorization: `Bearer ${adminKey}`, 'x-scope-orgid': 'acme' })
    try {
      const key = await admin.http.post('/v1/keys', { name: 'enrol', tenant: 'acme', roles: ['enrol'] })
      const own = join(directory, 'fleet')
      mkdirSync(own)
      const log = join(own, 'app.log')
      writeFileSync(log, 'one\n')
      const config = agentConfig(own, {
        data: { dir: 'data' },
        nodes: { urls: [guarded.url], enrolKey: key.json().key },
        batch: { linger: '20ms' },
        files: { poll: '20ms', scan: '100ms' },
        fleet: { organization: 'Acme', heartbeat: '1s' },
        inputs: [{ paths: [log], service: 'fleet' }],
      })
      const first = new AgentProcess(config)
      await admin.found(1, { service: 'fleet' })
      const fleet = async () => (await admin.json('/v1/agents')).agents
      await waitUntil(
        async () => (await fleet())[0]?.heartbeat?.recordsDelivered === 1,
        () => `it is heard of\n${first.stderr}`,
      )
      const [{ clientId }] = await fleet()
      const put = (body: object) =>
        admin.http.send(`/v1/agents/${clientId}/config`, {
          method: 'PUT',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
        })
      await put({ isPaused: true })
      await waitUntil(
        async () => (await fleet())[0]?.heartbeat?.configVersion === 1,
        () => 'it has taken over the configuration',
      )
      appendFileSync(log, 'two\n')
      assert.equal(await first.stop(), 0, first.stderr)
      // It remembers that it pauses, and who it is.
      const second = new AgentProcess(config)
      await waitUntil(
        async () => (await fleet())[0]?.heartbeat?.linesRead === 0,
        () => 'the second one is heard of',
      )
      assert.equal((await admin.found(1, { service: 'fleet' })).length, 1)
      await put({})
      await admin.found(2, { service: 'fleet' })
      assert.equal((await fleet()).length, 1)
      assert.equal(await second.stop(), 0, second.stderr)
    } finally {
      admin.close()
      await guarded.kill()
    }
  })

  it('does as the answers of nodes say, and loses nothing', async () => {
    /** By idempotency key: the lines that were taken. */
    const taken = new Map<string, string[]>()
    const attempts: { status: number; atMs: number }[] = []
    const answer = (status: number, response: ServerResponse, body: object, headers = {}) => {
      attempts.push({ status, atMs: performance.now() })
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
    }
    const server = createServer((request: IncomingMessage, response: ServerResponse) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const raw = Buffer.concat(chunks)
        const body = request.headers['content-encoding'] === 'zstd' ? zstdDecompressSync(raw) : raw
        const lines = body.toString().trimEnd().split('\n')
        if (attempts.length === 0) return answer(429, response, {}, { 'retry-after': '1' })
        if (attempts.length === 1) {
          attempts.push({ status: 0, atMs: performance.now() })
          request.socket.destroy()
          return
        }
        if (lines.length > 3) return answer(413, response, { code: 'body_too_large' })
        if (lines.some((line) => line.includes('poison')))
          return answer(400, response, { code: 'invalid_body', detail: 'no' })
        taken.set(request.headers['idempotency-key'] as string, lines)
        return answer(200, response, { accepted: lines.length, rejected: 0, errors: [] })
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    try {
      const log = join(directory, 'answers.log')
      const messages = Array.from({ length: 10 }, (_, i) => (i === 7 ? 'poison' : `line ${i}`))
      writeFileSync(log, `${messages.join('\n')}\n`)
      const { port } = server.address() as AddressInfo
      await shipOnce({ nodes: { urls: [`http://127.0.0.1:${port}`] }, inputs: [{ paths: [log] }] })
      const rejects = join(directory, `run${runs - 1}`, 'data/rejects.ndjson')
      assert.ok(existsSync(rejects))
      const [why, ...records] = readFileSync(rejects, 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line))
      assert.equal(why.rejectedRequest.code, 'invalid_body')
      const all = [...[...taken.values()].flat().map((line) => JSON.parse(line)), ...records].map(
        ({ message }) => message,
      )
      assert.deepEqual(all.sort(), [...messages].sort())
      assert.ok(attempts[1]!.atMs - attempts[0]!.atMs >= 990, 'Retry-After is kept to')
    } finally {
      server.close()
    }
  })

  it('stops reading where the spool is full, and goes on when a node takes records', async () => {
    const own = join(directory, 'full')
    mkdirSync(own)
    const log = join(own, 'app.log')
    // Text that does not compress.
    const line = () => Array.from({ length: 20 }, () => Math.random().toString(36)).join('')
    const lines = Array.from({ length: 4000 }, line)
    writeFileSync(log, `${lines.join('\n')}\n`)
    const config = (url: string) =>
      agentConfig(own, {
        data: { dir: 'data' },
        nodes: { urls: [url] },
        spool: { bytesMax: '128KiB' },
        batch: { bytesMax: '64KiB', linger: '20ms' },
        inputs: [{ paths: [log], service: 'full' }],
      })
    const stuck = new AgentProcess(config('http://127.0.0.1:1'))
    await waitUntil(
      () => stuck.stderr.includes('the spool is full'),
      () => `it is full\n${stuck.stderr}`,
    )
    assert.equal(await stuck.stop(), 0, stuck.stderr)
    const free = new AgentProcess(config(node.url))
    const found = await client.found(lines.length, { service: 'full', limit: 10_000 })
    assert.deepEqual(
      found.map(({ message }) => message),
      lines,
    )
    assert.equal(await free.stop(), 0, free.stderr)
  })
})

import { deepEqual, equal, ok } from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../../base/clock.ts'
import { natsBinary, natsVersion } from '../../harness/nats-binary.ts'
import { NatsServers } from '../../harness/nats-server.ts'

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test('a nats-server is found and new enough', () => {
  const [major, minor] = natsVersion(natsBinary())!
  ok(major! > 2 || minor! >= 10)
})

test('three servers form a cluster, survive the death of one, and are gone at the end', async () => {
  const servers = await NatsServers.start(3)
  const pids = servers.names.map((_, i) => servers.pid(i))
  try {
    equal(new Set(servers.urls).size, 3)
    deepEqual(servers.names, ['n0', 'n1', 'n2'])
    await servers.kill(1)
    ok(!isAlive(pids[1]!))
    await servers.restart(1)
    pids.push(servers.pid(1))
    equal(servers.log(1).split('Server is ready').length, 3)
  } finally {
    await servers.stop()
  }
  deepEqual(pids.filter(isAlive), [])
})

test('servers end with the process that started them, however that ends', async () => {
  const harness = fileURLToPath(new URL('../../harness/nats-server.ts', import.meta.url))
  const script = `
    const { NatsServers } = await import(${JSON.stringify(harness)})
    const servers = await NatsServers.start(1)
    console.log(servers.pid(0) + ' ' + servers.directory)
    await new Promise(() => setInterval(() => {}, 1000))`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  const [pid, directory] = [Number(line.split(' ')[0]), line.slice(line.indexOf(' ') + 1)]
  ok(isAlive(pid))
  child.kill('SIGKILL')
  const deadline = systemClock.monotonicMs() + 10_000
  while (isAlive(pid)) {
    ok(systemClock.monotonicMs() < deadline, 'the server has ended in time')
    await systemClock.sleep(10)
  }
  rmSync(directory, { recursive: true })
})

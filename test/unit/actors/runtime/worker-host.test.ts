import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { ActorRef } from '../../../../actors/runtime/actor-ref.ts'
import { ActorSystem } from '../../../../actors/runtime/actor-system.ts'
import { WorkerMesh } from '../../../../actors/runtime/worker-host.ts'
import { systemClock } from '../../../../base/clock.ts'
import { WeirError } from '../../../../base/errors.ts'
import { silentLogger } from '../../../../base/logger.ts'
import type { EchoData, EchoMessage } from './echo-worker.ts'

const IN_TIME = { deadlineMs: 10_000 }
const code = (expected: string) => (error: unknown) => error instanceof WeirError && error.code === expected

async function setUp(context: TestContext, workers: Record<string, EchoData>) {
  const system = new ActorSystem({ name: 'main', clock: systemClock, logger: silentLogger, onEscalate() {} })
  const mesh = new WorkerMesh(system, systemClock)
  const start = (name: string, data: EchoData = {}, startTimeoutMs = 10_000) =>
    mesh.start({ name, url: new URL('./echo-worker.ts', import.meta.url), data, startTimeoutMs })
  const handles = await Promise.all(Object.entries(workers).map(([name, data]) => start(name, data)))
  context.after(async () => {
    await Promise.all(handles.map((handle) => handle.terminate()))
    await system.stop(0)
  })
  const echo = (name: string): ActorRef<EchoMessage> => system.ref(`${name}/echo`)
  return { system, handles, start, echo }
}

test('a buffer moves to the worker and back without being copied or kept', async (context) => {
  const { echo } = await setUp(context, { w0: {} })
  const bytes = new Uint8Array(1 << 20).map((_, i) => i)
  const sent = bytes.slice()
  const answer = echo('w0').ask({ kind: 'mirror', bytes: sent }, { ...IN_TIME, transfer: [sent.buffer] })
  await Promise.resolve()
  equal(sent.buffer.detached, true)
  deepEqual(await answer, bytes)
})

test('many questions of one turn each get their own answer', async (context) => {
  const { echo, system } = await setUp(context, { w0: {} })
  const questions = Array.from({ length: 5_000 }, (_, i) => {
    const bytes = new Uint8Array(new Uint32Array([i]).buffer)
    return echo('w0').ask({ kind: 'mirror', bytes }, { ...IN_TIME, transfer: [bytes.buffer] })
  })
  const answers = await Promise.all(questions)
  ok(answers.every((bytes, i) => new Uint32Array(bytes.buffer)[0] === i))
  const peer = system.observe().peers[0]!
  equal(peer.asked, 0)
  ok(peer.backlog < 1024 + 1, 'the worker acknowledges what it took in')
})

test('workers reach each other directly, those started later too', async (context) => {
  const { echo, start, handles } = await setUp(context, { w0: {}, w1: {} })
  equal(await echo('w0').ask({ kind: 'forward', to: 'w1/echo' }, IN_TIME), 'w1')
  handles.push(await start('w2'))
  equal(await echo('w0').ask({ kind: 'forward', to: 'w2/echo' }, IN_TIME), 'w2')
  equal(await echo('w2').ask({ kind: 'forward', to: 'w1/echo' }, IN_TIME), 'w1')
})

test('an error keeps its code and details on its way through threads', async (context) => {
  const { echo } = await setUp(context, { w0: {} })
  await rejects(echo('w0').ask({ kind: 'refuse' }, IN_TIME), (error: WeirError) => {
    deepEqual([error.code, error.message, error.details], ['not_found', 'no such shard', { shard: 7 }])
    return true
  })
})

test('a deadline and a cancellation reach the handler on the other thread', async (context) => {
  const { echo } = await setUp(context, { w0: {} })
  const controller = new AbortController()
  const hanging = echo('w0').ask({ kind: 'hang' }, { ...IN_TIME, signal: controller.signal })
  const cancelled = rejects(hanging, code('cancelled'))
  await rejects(echo('w0').ask({ kind: 'hang' }, { deadlineMs: 20 }), code('deadline_exceeded'))
  controller.abort()
  await cancelled
  equal(await echo('w0').ask({ kind: 'cancelledCount' }, IN_TIME), 2)
})

test('when a worker dies, what it was asked fails, its end is told, and another takes its name', async (context) => {
  const { echo, handles, start } = await setUp(context, { w0: {}, w1: {} })
  const direct = rejects(echo('w1').ask({ kind: 'hang' }, IN_TIME), code('actor_stopped'))
  echo('w1').tell({ kind: 'die' })
  const exit = await handles[1]!.exited
  await direct
  deepEqual([exit.name, exit.expected, exit.error?.details.exitCode], ['w1', false, 3])
  await rejects(echo('w1').ask({ kind: 'whoAreYou' }, IN_TIME), code('actor_stopped'))
  handles.push(await start('w1'))
  equal(await echo('w0').ask({ kind: 'forward', to: 'w1/echo' }, IN_TIME), 'w1')
})

test('a stray rejection ends the worker and says why', async (context) => {
  const { echo, handles } = await setUp(context, { w0: { throwLater: true } })
  echo('w0').tell({ kind: 'die' })
  const exit = await handles[0]!.exited
  match(exit.error!.message, /a stray rejection/)
})

test('a worker that cannot start rejects with its reason, one that hangs with the deadline', async (context) => {
  const { start } = await setUp(context, {})
  await rejects(start('w0', { failWith: 'the disk is read-only' }), (error: WeirError) => {
    deepEqual([error.code, error.message], ['storage_unavailable', 'the disk is read-only'])
    return true
  })
  await rejects(start('w1', { neverReady: true }, 300), code('deadline_exceeded'))
})

test('a stopped worker drains and exits by itself; one that hangs is terminated', async (context) => {
  const { handles, echo } = await setUp(context, { w0: {}, w1: { ignoreStop: true } })
  deepEqual(handles[0]!.ready, { pid: process.pid, name: 'w0' })
  equal(await echo('w0').ask({ kind: 'whoAreYou' }, IN_TIME), 'w0')
  const exits = await Promise.all([handles[0]!.stop(5_000), handles[1]!.stop(10)])
  deepEqual(
    exits.map(({ name, error, expected }) => [name, error, expected]),
    [
      ['w0', undefined, true],
      ['w1', undefined, true],
    ],
  )
})

test('a message that cannot be cloned fails alone', async (context) => {
  const { echo } = await setUp(context, { w0: {} })
  const bytes = new Uint8Array(4)
  const moved = echo('w0').ask({ kind: 'mirror', bytes }, { ...IN_TIME, transfer: [bytes.buffer] })
  const bad = { kind: 'mirror', bytes: (() => 0) as unknown as Uint8Array } as const
  const unsendable = rejects(echo('w0').ask(bad, IN_TIME), code('internal'))
  const good = echo('w0').ask({ kind: 'whoAreYou' }, IN_TIME)
  await unsendable
  equal(await good, 'w0')
  equal((await moved).length, 4)
  await rejects(echo('w0').ask({ kind: 'answerBadly' }, IN_TIME), code('internal'))
})

import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { systemClock } from '../../base/clock.ts'
import { silentLogger } from '../../base/logger.ts'
import { NatsConnection } from '../../cluster/nats-connection.ts'
import { openNatsTransport } from '../../cluster/nats-transport.ts'
import { NatsServers } from '../../test/harness/nats-server.ts'

/**
 * What a question to another thread costs over NATS on loopback: `node bench/micro/transport.ts`. CPU of both threads, without that of the
 * server.
 */
const LIMITS = { deadlineMs: 60_000 }
const KIB = 1024

async function open(url: string) {
  const connection = await NatsConnection.open({ servers: [url], name: 'bench' }, systemClock)
  return { connection, transport: await openNatsTransport({ connection, clock: systemClock, logger: silentLogger }) }
}

async function answer(url: string): Promise<void> {
  const { transport } = await open(url)
  transport.subscribe(
    'fill',
    async (payload) => new Uint8Array(Number(new TextDecoder().decode(payload.subarray(0, 12)))),
  )
}

async function measure(name: string, rounds: number, run: () => Promise<unknown>): Promise<void> {
  const tookMs: number[] = []
  const before = process.cpuUsage()
  for (let i = 0; i < rounds; i++) {
    const startMs = systemClock.monotonicMs()
    await run()
    tookMs.push(systemClock.monotonicMs() - startMs)
  }
  const { user, system } = process.cpuUsage(before)
  tookMs.sort((a, b) => a - b)
  const at = (share: number) => (tookMs[Math.floor(rounds * share)] ?? 0).toFixed(2)
  const cpuMs = ((user + system) / 1000 / rounds).toFixed(2)
  console.log(`${name.padEnd(28)} best ${at(0)} ms, median ${at(0.5)}, p99 ${at(0.99)}; CPU ${cpuMs} ms`)
}

async function main(): Promise<void> {
  const servers = await NatsServers.start(1)
  const url = servers.urls[0]!
  const worker = new Worker(new URL(import.meta.url), { workerData: url })
  const { connection, transport } = await open(url)
  const ask = (questionBytes: number, answerBytes: number) => {
    const question = new Uint8Array(questionBytes)
    question.set(new TextEncoder().encode(`${answerBytes}`.padStart(12)))
    return () => transport.request('fill', question, LIMITS)
  }
  const isThere = () =>
    ask(12, 0)().then(
      () => true,
      () => false,
    )
  while (!(await isThere())) await systemClock.sleep(10)
  await measure('1 KiB and back, cold', 2000, ask(KIB, KIB))
  await measure('1 KiB and back', 5000, ask(KIB, KIB))
  const most = 5000
  let asked = 0
  const startMs = systemClock.monotonicMs()
  const loop = async (): Promise<void> => {
    while (asked++ < most) await ask(KIB, KIB)()
  }
  await Promise.all(Array.from({ length: 64 }, loop))
  console.log(`64 at once: ${Math.round((most / (systemClock.monotonicMs() - startMs)) * 1000)} a second`)
  for (const kib of [64, 256, 1024, 4096, 10_240]) await measure(`answer of ${kib} KiB`, 50, ask(12, kib * KIB))
  await measure('question of 4096 KiB', 50, ask(4096 * KIB, 1))
  await transport.close()
  await connection.close()
  await worker.terminate()
  await servers.stop()
}

if (isMainThread) await main()
else await answer(workerData as string)

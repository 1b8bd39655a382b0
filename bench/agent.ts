import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AgentProcess, agentConfig } from '../test/harness/agent-process.ts'

/**
 * What the shipper needs for a million lines that are there at once: lines for a second of CPU (all its threads), and its highest resident memory. A node that
 * takes everything stands in for the others. Budgets: 150,000 lines a second of CPU, 100 MiB.
 *
 * Run: node bench/agent.ts [lines]
 */
const LINES = Number(process.argv[2] ?? 1_000_000)
const WRITE_CHARS = 1_000_000
const RATE_MIN = 150_000
const PEAK_MIB_MAX = 100

const KINDS: Readonly<Record<string, (i: number) => string>> = {
  json: (i) =>
    `{"timestamp":"2026-11-21T22:10:11.${String(i % 1000).padStart(3, '0')}Z","level":"INFO","service":"checkout","message":"order ${i} was placed for 12.50 EUR","userId":"u_${i % 5000}","latency_ms":${i % 700}}\n`,
  plain: (i) =>
    `2026-11-21 22:10:11,${String(i % 1000).padStart(3, '0')} INFO [main] com.example.shop.Checkout - order ${i} was placed for 12.50 EUR by user u_${i % 5000} with a "quoted" text\n`,
  container: (i) =>
    `2026-11-21T22:10:11.${String(i % 1000).padStart(3, '0')}456789Z stdout F order ${i} was placed for 12.50 EUR by user u_${i % 5000}\n`,
}

const node = createServer((request, response) => {
  request.resume()
  request.on('end', () => response.end('{"accepted":1,"rejected":0,"errors":[]}'))
})
await new Promise<void>((resolve) => node.listen(0, '127.0.0.1', resolve))
const url = `http://127.0.0.1:${(node.address() as AddressInfo).port}`
let isWithin = true
for (const [kind, line] of Object.entries(KINDS)) {
  const directory = mkdtempSync(join(tmpdir(), 'weir-agent-bench-'))
  const log = join(directory, 'app.log')
  writeLines(log, line)
  const wrapper = kind === 'container' ? 'container' : 'none'
  const inputs = [{ paths: [log], service: 'shop', wrapper }]
  const config = agentConfig(directory, { data: { dir: 'data' }, nodes: { urls: [url] }, inputs })
  const beganMs = performance.now()
  const agent = new AgentProcess(config, { flags: ['--once'] })
  if ((await agent.exited) !== 0) throw new Error(agent.stderr)
  const tookS = (performance.now() - beganMs) / 1000
  const rate = LINES / (agent.cpuMs / 1000)
  const peakMib = agent.peakBytes / 2 ** 20
  isWithin &&= rate >= RATE_MIN && peakMib <= PEAK_MIB_MAX
  console.log(
    `${kind.padEnd(10)} ${rate.toFixed(0)} lines a second of CPU, ${(LINES / tookS).toFixed(0)} a second, peak ${peakMib.toFixed(0)} MiB`,
  )
  rmSync(directory, { recursive: true, force: true })
}
node.close()
process.exitCode = isWithin ? 0 : 1

function writeLines(path: string, line: (i: number) => string): void {
  const file = openSync(path, 'w')
  let text = ''
  for (let i = 0; i < LINES; i++) {
    text += line(i)
    if (text.length < WRITE_CHARS && i < LINES - 1) continue
    writeSync(file, text)
    text = ''
  }
  closeSync(file)
}

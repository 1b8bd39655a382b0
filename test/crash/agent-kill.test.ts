import assert from 'node:assert/strict'
import {
  appendFileSync,
  copyFileSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import { systemClock } from '../../base/clock.ts'
import { AgentProcess, agentConfig } from '../harness/agent-process.ts'
import { NodeProcess } from '../harness/node-process.ts'
import { WeirClient } from '../harness/weir-client.ts'

/** The whole show: AGENT_LINES=1000000 AGENT_OUTAGE_MS=60000. */
const LINES = Number(process.env.AGENT_LINES ?? 40_000)
const OUTAGE_MS = Number(process.env.AGENT_OUTAGE_MS ?? 2000)
const ROTATIONS = 20
const STEPS = 200
const STEP_LINES = LINES / STEPS
const WAIT_MAX_MS = 20_000 + LINES / 10
const RSS_MAX = 100 * 1024 * 1024

describe('the shipper, its nodes and its files, killed and rotated', () => {
  let directory: string
  /** To be ended also where the test fails. */
  const children: { kill(): Promise<unknown> }[] = []
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'weir-agent-'))
  })
  after(async () => {
    for (const child of children) await child.kill()
    rmSync(directory, { recursive: true, force: true })
  })

  it('ships every line exactly once, in bounded memory', async () => {
    const logs = join(directory, 'logs')
    await mkdir(logs)
    const log = join(logs, 'app.log')
    writeFileSync(log, '')
    const settings = { 'data.dir': join(directory, 'node'), workers: 1, 'log.level': 'error' }
    let node = await NodeProcess.start(settings)
    children.push(node)
    const { port, url } = node
    const startNode = async () => {
      node = await NodeProcess.start({ ...settings, 'http.port': port })
      children.push(node)
    }
    const config = agentConfig(directory, {
      data: { dir: join(directory, 'agent') },
      nodes: { urls: [url] },
      batch: { linger: '200ms' },
      files: { poll: '50ms', scan: '200ms', rotateWait: '1s' },
      inputs: [{ paths: [log], service: 'shop' }],
    })
    const startAgent = () => {
      const started = new AgentProcess(config)
      children.push(started)
      return started
    }
    let agent = startAgent()
    let peakBytes = 0
    const killAgent = async () => {
      await agent.kill()
      peakBytes = Math.max(peakBytes, agent.peakBytes)
    }

    let written = 0
    let rotated = 0
    let kept: string | undefined
    const writeStep = () => {
      let text = ''
      for (let i = 0; i < STEP_LINES; i++) {
        text += `{"uid":"u${written}","message":"order ${written} was placed for 12.50 EUR in the shop of the north","level":"INFO"}\n`
        written++
      }
      appendFileSync(log, text)
    }
    /** By turns: renamed; copied and truncated; renamed and compressed. */
    const rotate = () => {
      const old = `${log}.${++rotated}`
      if (rotated % 3 === 1) copyFileSync(log, old)
      else renameSync(log, old)
      if (rotated % 3 === 1) truncateSync(log, 0)
      else writeFileSync(log, '')
      if (rotated % 3 === 0) {
        writeFileSync(`${old}.gz`, gzipSync(readFileSync(old)))
        rmSync(old)
      }
    }
    const client = new WeirClient(url)
    for (let step = 0; step < STEPS; step++) {
      writeStep()
      // What is rotated away before a shipper has run for the first time is not its to find.
      if (step === 0) await client.found(STEP_LINES, { limit: 1 })
      if ((step + 1) % (STEPS / ROTATIONS) === 0) rotate()
      if (step === 45 || step === 133) await killAgent()
      if (step === 52 || step === 142) agent = startAgent()
      if (step === 70 || step === 160) await node.kill()
      if (step === 75 || step === 165) await startNode()
      if (step === 100) {
        kept = `${written}`
        await node.kill()
        await systemClock.sleep(OUTAGE_MS)
      }
      if (step === 105) await startNode()
      // A writer of some thousand lines a second, while the others work.
      await systemClock.sleep(20)
    }
    assert.ok(kept !== undefined && written === LINES)

    const endMs = performance.now() + WAIT_MAX_MS
    for (;;) {
      const { total } = await client.search({ query: '*', from: 0, to: 'now+2d', limit: 1, total: 'exact' })
      if (total >= LINES) break
      if (performance.now() > endMs) {
        const came = new Set(await client.uids())
        const missing = Array.from({ length: LINES }, (_, i) => `u${i}`).filter((uid) => !came.has(uid))
        const lines = STEP_LINES * (STEPS / ROTATIONS)
        const files = new Set(missing.map((uid) => 1 + Math.floor(Number(uid.slice(1)) / lines)))
        assert.fail(
          `${total} of ${LINES} lines came, ${missing.length} are missing of files ${[...files]}\n${agent.stderr}`,
        )
      }
      await systemClock.sleep(200)
    }
    assert.equal(await agent.stop(), 0, agent.stderr)
    peakBytes = Math.max(peakBytes, agent.peakBytes)
    const uids = await client.uids()
    assert.equal(new Set(uids).size, LINES, agent.stderr)
    assert.equal(uids.length, LINES)
    client.close()
    await node.stop()
    console.log(`${LINES} lines, ${rotated} rotations; the shipper's peak: ${(peakBytes / 2 ** 20).toFixed(0)} MiB`)
    assert.ok(peakBytes <= RSS_MAX, `the shipper took ${peakBytes} bytes`)
  })
})

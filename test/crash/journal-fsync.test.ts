import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { fileURLToPath } from 'node:url'

const APPENDER = fileURLToPath(new URL('../harness/journal-appender.ts', import.meta.url))
const CALLS = 'openat,write,writev,pwrite64,pwritev,pwritev2,fsync,fdatasync,msync'
const FRAMES = 5

interface Call {
  readonly name: string
  /** What strace prints between the parentheses, file descriptors followed by their path. */
  readonly args: string
  readonly result: string
}

/** Calls in the order in which they completed. One that was interrupted by another thread's is put together from its two halves. */
function completedCalls(trace: string): Call[] {
  const begun = new Map<string, string>()
  const calls: Call[] = []
  for (const line of trace.split('\n')) {
    const [, thread, text] = /^(\d+) +(.*)$/.exec(line) ?? []
    if (thread === undefined || text === undefined) continue
    const [, head] = /^(.*) <unfinished \.\.\.>$/.exec(text) ?? []
    if (head !== undefined) {
      begun.set(thread, head)
      continue
    }
    const [, tail] = /^<\.\.\. \w+ resumed>(.*)$/.exec(text) ?? []
    const whole = tail === undefined ? text : `${begun.get(thread) ?? ''}${tail}`
    const [, name, args, result] = /^(\w+)\((.*)\) += (.*)$/.exec(whole) ?? []
    if (name !== undefined) calls.push({ name, args: args!, result: result! })
  }
  return calls
}

it('J6: the frame, then a sync, then the page that makes it current, synced too, and only then the receipt', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'weir-fsync-'))
  try {
    const trace = join(directory, 'trace')
    const command = [process.execPath, APPENDER, '--dir', join(directory, 'journal'), '--count', `${FRAMES}`]
    const flags = ['-f', '-y', '-s', '64', '-e', `trace=${CALLS}`, '-o', trace]
    const run = spawnSync('strace', [...flags, ...command, '--inFlight', '1'], { encoding: 'utf8' })
    if (run.error !== undefined) {
      assert.fail(`this test needs strace: apt-get install strace (${run.error.message})`)
    }
    assert.equal(run.status, 0, run.stderr)

    const calls = completedCalls(await readFile(trace, 'utf8'))
    const isData = (call: Call): boolean => call.args.includes('data.mdb')
    const descriptors = calls.filter((call) => call.name === 'openat' && isData(call) && call.args.includes('O_DSYNC'))
    const synced = descriptors.map((call) => `${/^\d+/.exec(call.result)?.[0]}<`)
    assert.equal(synced.length, 1, 'the page that makes a commit current goes through a descriptor of its own')
    const isCurrentPage = (call: Call): boolean => call.name === 'pwrite64' && call.args.startsWith(synced[0]!)

    let from = calls.findIndex((call) => call.name === 'write' && call.args.includes('"append 0/0'))
    assert.ok(from >= 0)
    for (let frame = 0; frame < FRAMES; frame++) {
      const receipt = calls.findIndex((call) => call.name === 'write' && call.args.includes(`"acked 0/${frame} `))
      assert.ok(receipt > from, 'receipts come one by one')
      const between = calls.slice(from, receipt).filter(isData)
      const lastData = between.findLastIndex((call) => /^p?writev?(64|2)?$/.test(call.name) && !isCurrentPage(call))
      const sync = between.findIndex(
        (call, i) => i > lastData && /^f(data)?sync$/.test(call.name) && call.result === '0',
      )
      const current = between.findIndex((call, i) => i > sync && isCurrentPage(call))
      assert.ok(lastData >= 0, 'the frame was written')
      assert.ok(sync > lastData, 'a sync of the data file has completed behind the last write of the frame')
      assert.ok(
        current > sync && !between[current]!.result.startsWith('-1'),
        'the page that makes it current is on the disk',
      )
      from = receipt
    }
  } finally {
    await rm(directory, { recursive: true })
  }
})

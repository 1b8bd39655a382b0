import { deepEqual, equal, ok } from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { WeirError } from '../../../base/errors.ts'
import { createLogger } from '../../../base/logger.ts'

function setUp(level: 'debug' | 'warn' | 'silent') {
  const lines: Record<string, unknown>[] = []
  const logger = createLogger({ level, fields: { node: 'n1' }, write: (line) => lines.push(JSON.parse(line)) })
  return { lines, logger }
}

test('a line is one JSON object with level, time, component, message and fields', () => {
  const { lines, logger } = setUp('debug')
  logger.child('shard-writer', { thread: 'w0' }).info('block cut', { rows: 8192 })
  const { timestamp, ...rest } = lines[0]!
  deepEqual(rest, {
    level: 'INFO',
    node: 'n1',
    component: 'shard-writer',
    thread: 'w0',
    rows: 8192,
    message: 'block cut',
  })
  ok(!Number.isNaN(Date.parse(timestamp as string)))
})

test('lines below the level are not written, and can be asked about beforehand', () => {
  const { lines, logger } = setUp('warn')
  logger.info('no')
  logger.child('x').debug('no')
  logger.warn('yes')
  equal(lines.length, 1)
  deepEqual([logger.writes('info'), logger.writes('error')], [false, true])
  equal(setUp('silent').logger.writes('fatal'), false)
})

test('an operating error is logged by code and details, any other with its stack', () => {
  const { lines, logger } = setUp('debug')
  const cause = new Error('EROFS')
  logger.error('append failed', { error: new WeirError('storage_unavailable', 'read-only', { path: '/d' }, { cause }) })
  logger.error('bug', { error: new TypeError('undefined is not a function') })
  const [operating, bug] = lines.map(({ error }) => error as Record<string, unknown>)
  deepEqual([operating!.code, operating!.details, operating!.stack], ['storage_unavailable', { path: '/d' }, undefined])
  equal((operating!.cause as Record<string, unknown>).message, 'EROFS')
  ok(String(bug!.stack).includes('logger.test.ts'))
})

test('the last line before an exit is not lost, from a worker thread either, and goes to standard error', () => {
  const module = new URL('../../../base/logger.ts', import.meta.url).href
  const script = `
    import { isMainThread, Worker } from 'node:worker_threads'
    import { createLogger } from ${JSON.stringify(module)}
    if (isMainThread) {
      const code = 'import(' + JSON.stringify(${JSON.stringify(module)}) + ").then((m) => { m.createLogger({ level: 'info' }).info('from the worker'); process.exit(0) })"
      new Worker(code, { eval: true }).on('exit', () => { createLogger({ level: 'info' }).fatal('the end'); process.exit(3) })
    }`
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
  })
  const lines = stderr.trim().split('\n')
  deepEqual([status, stdout], [3, ''])
  deepEqual(
    lines.map((line) => JSON.parse(line).message),
    ['from the worker', 'the end'],
  )
})

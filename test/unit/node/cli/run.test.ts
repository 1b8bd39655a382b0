import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { WeirError } from '../../../../base/errors.ts'
import { parseSettingFlags } from '../../../../node/cli/setting-flags.ts'
import type { LoadedConfig } from '../../../../node/config-load.ts'
import { runInProcess } from '../../../harness/cli-in-process.ts'

async function run(argv: string[], env: Record<string, string> = {}, failure?: unknown) {
  const started: LoadedConfig[] = []
  const end = await runInProcess(argv, {
    env,
    start: async (config) => {
      if (failure) throw failure
      started.push(config)
      return 0
    },
  })
  return { ...end, started }
}

test('without a command the node starts with the flags given, in any of their forms', async () => {
  const { status, started } = await run(['--demo', '--http.port', '9000', '--retention-days=3', '--syslog.port', '-1'])
  const { settings, sources } = started[0]!
  equal(status, 0)
  deepEqual(
    [settings.demo, settings['http.port'], settings['retention.days'], settings['syslog.port']],
    [true, 9000, 3, -1],
  )
  equal(sources.demo, '--demo')
})

test('a switch does not swallow the command behind it', () => {
  const explain = { command: 'config', flags: [{ name: 'demo', value: true }] }
  deepEqual(parseSettingFlags(['--demo', 'config', '--explain'], 'node'), explain)
  deepEqual(parseSettingFlags(['--explain', '--demo'], 'config'), explain)
  deepEqual(parseSettingFlags(['start', '--x=a=b'], 'node'), { command: 'node', flags: [{ name: 'x', value: 'a=b' }] })
})

test('config --explain prints each setting with its source and masks secrets', async () => {
  const env = { WEIR_AUTH_ADMIN_KEY: 'a-very-secret-admin-key', WEIR_HTTP_PORT: '9000' }
  const { status, out, started } = await run(['config', '--explain', '--shards', '4'], env)
  equal(status, 0)
  equal(started.length, 0)
  ok(!out.includes('a-very-secret'))
  match(out, /^http\.port +9000 +TCP port +9347 +WEIR_HTTP_PORT$/m)
  match(out, /^shards +4 +shards +32 +--shards$/m)
  match(out, /^auth\.adminKey +\*{8} .*WEIR_AUTH_ADMIN_KEY$/m)
  match(out, /^limits\.headsBytes +64MiB +bytes a worker +64MiB +default$/m)
  match(out, /^objects\.dir +\/data\/objects +directory +<data\.dir>\/objects +derived$/m)
})

test('mistakes of the user are told in lines without a stack, each kind with its exit status', async () => {
  const usage = await run(['strat'])
  deepEqual([usage.status, usage.error], [2, 'weir: unknown command strat; did you mean start?\nTry weir --help.\n'])
  equal((await run(['-x'])).status, 2)
  equal((await run(['config', 'more'])).status, 2)
  const config = await run(['--http.prot', '1'], { WEIR_SHARDS: 'x' })
  equal(config.status, 78)
  match(
    config.error,
    /not valid\n {2}command line: unknown setting --http\.prot; did you mean --http\.port\?\n {2}WEIR_SHARDS: /,
  )
  const operating = await run([], {}, new WeirError('storage_unavailable', 'the data directory is read-only'))
  deepEqual([operating.status, operating.error], [1, 'weir: the data directory is read-only (storage_unavailable)\n'])
  for (const { error } of [usage, config, operating]) ok(!error.includes('    at '))
  const bug = await run([], {}, new TypeError('a bug'))
  equal(bug.status, 1)
  match(bug.error, /TypeError: a bug\n +at /)
})

test('help and version go to standard output', async () => {
  match((await run(['node', '--help'])).out, /--http\.port <value> +WEIR_HTTP_PORT/)
  match((await run(['--help'])).out, /^ {2}query +Find records/m)
  deepEqual([(await run(['-v'])).out, (await run(['-v'])).status], ['weir 1.2.3\n', 0])
})

import { deepEqual, equal, match, throws } from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { WeirError } from '../../../base/errors.ts'
import { conflicts, environmentName, flagName, isLoopback, SETTING_KEYS, settingSpec } from '../../../node/config.ts'
import { type GivenFlag, loadConfig } from '../../../node/config-load.ts'

function folder(context: TestContext, yaml?: string): string {
  const cwd = mkdtempSync(join(tmpdir(), 'weir-config-'))
  context.after(() => rmSync(cwd, { recursive: true }))
  if (yaml !== undefined) writeFileSync(join(cwd, 'weir.yaml'), yaml)
  return cwd
}

const flag = (name: string, value: string | true): GivenFlag => ({ name, value })

function problemsOf(cwd: string, env: Record<string, string> = {}, flags: GivenFlag[] = []): string[] {
  let problems: string[] = []
  throws(
    () => loadConfig({ cwd, env, flags }),
    (error) => {
      problems = (error as WeirError).message.split('\n')
      return error instanceof WeirError && error.code === 'invalid_config' && error.details.problems === problems.length
    },
  )
  return problems
}

test('without anything given, the defaults hold and derived values are filled in', (context) => {
  const cwd = folder(context)
  const { settings, sources, file, warnings } = loadConfig({ cwd, env: {}, flags: [] })
  deepEqual(
    [settings['http.host'], settings['http.port'], settings.shards, settings['auth.mode'], settings['nats.url']],
    ['127.0.0.1', 9347, 32, 'off', null],
  )
  equal(settings['data.dir'], join(cwd, 'data'))
  equal(settings['objects.dir'], join(cwd, 'data', 'objects'))
  equal(settings.workers, availableParallelism())
  deepEqual([sources['http.port'], sources['objects.dir'], file, warnings], ['default', 'derived', undefined, []])
})

test('flags win over the environment, the environment over the file, the file over defaults', (context) => {
  const cwd = folder(context, 'http:\n  port: 1001\nshards: 4\nretention.days: 7\nlog:\n  level: warn\n')
  const env = { WEIR_HTTP_PORT: '1002', WEIR_SHARDS: '8', HOME: '/root' }
  const { settings, sources, file } = loadConfig({ cwd, env, flags: [flag('http-port', '1003')] })
  deepEqual(
    [settings['http.port'], settings.shards, settings['retention.days'], settings['log.level']],
    [1003, 8, 7, 'warn'],
  )
  deepEqual(
    [sources['http.port'], sources.shards, sources['retention.days'], sources['log.level'], file],
    ['--http-port', 'WEIR_SHARDS', 'weir.yaml line 4', 'weir.yaml line 6', 'weir.yaml'],
  )
})

test('the file may be named by a flag or the environment, and must then be there', (context) => {
  const cwd = folder(context, 'shards: 4')
  writeFileSync(join(cwd, 'other.yaml'), 'shards: 5')
  equal(loadConfig({ cwd, env: {}, flags: [flag('config', 'other.yaml')] }).settings.shards, 5)
  equal(loadConfig({ cwd, env: { WEIR_CONFIG: 'other.yaml' }, flags: [] }).settings.shards, 5)
  deepEqual(problemsOf(cwd, {}, [flag('config', 'none.yaml')]), ['none.yaml: there is no such file'])
})

test('an unknown name is an error wherever it stands, with the name that was meant', (context) => {
  const cwd = folder(context, 'http:\n  prot: 1\nshard: 3\n')
  deepEqual(problemsOf(cwd, { WEIR_HTP_PORT: '1' }, [flag('retention.day', '3'), flag('zzzzzzzz', '1')]), [
    'weir.yaml line 2: unknown setting http.prot; did you mean http.port?',
    'weir.yaml line 3: unknown setting shard; did you mean shards?',
    'environment: unknown setting WEIR_HTP_PORT; did you mean WEIR_HTTP_PORT?',
    'command line: unknown setting --retention.day; did you mean --retention.days?',
    'command line: unknown setting --zzzzzzzz',
  ])
})

test('the environment of commands, of Kubernetes services, and empty variables do not count', (context) => {
  const env = {
    WEIR_URL: 'http://x',
    WEIR_KEY: 'k',
    WEIR_HTTP_PORT: '',
    WEIR_SERVICE_HOST: '10.0.0.1',
    WEIR_SERVICE_PORT_HTTP: '80',
    WEIR_PORT: 'tcp://10.0.0.1:80',
    WEIR_PORT_80_TCP_ADDR: '10.0.0.1',
  }
  equal(loadConfig({ cwd: folder(context), env, flags: [] }).settings['http.port'], 9347)
})

test('a wrong value is told with its source, its key and what would be right', (context) => {
  const cwd = folder(context, 'http:\n  port: eighty\ndemo: maybe\nlimits:\n  headsBytes: 3 parsecs\n')
  deepEqual(
    problemsOf(cwd, { WEIR_SHARDS: '0', WEIR_AUTH_MODE: 'on' }, [flag('drain.timeoutMs', '2h'), flag('workers', true)]),
    [
      '--workers needs a value',
      'weir.yaml line 2: http.port must be a port number',
      'WEIR_SHARDS: shards must be from 1 to 4096',
      'WEIR_AUTH_MODE: auth.mode must be one of off, keys, oidc',
      '--drain.timeoutMs: drain.timeoutMs must be from 0 to 10m',
      'weir.yaml line 3: demo must be true or false',
      'weir.yaml line 5: limits.headsBytes must be a number of bytes such as 1048576 or 64MiB',
    ],
  )
})

test('a file that is not YAML, not a map, or says a thing twice is refused with the line', (context) => {
  match(problemsOf(folder(context, 'http: [1\n'))[0]!, /^weir\.yaml line 2: /)
  deepEqual(problemsOf(folder(context, '- a')), ['weir.yaml: the file must be a map of settings'])
  deepEqual(problemsOf(folder(context, 'http: 80')), ['weir.yaml: http must be a map of settings'])
  deepEqual(problemsOf(folder(context, 'http:\n  port: 1\nhttp.port: 2')), [
    'weir.yaml line 3: http.port was given before, at weir.yaml line 2',
  ])
  match(problemsOf(folder(context, 'shards: 1\nshards: 2'))[0]!, /^weir\.yaml line 2: .*unique/)
})

test('an empty file and empty sections are no settings', (context) => {
  for (const yaml of ['', '# nothing\n', 'http:\n', 'http:\n  port:\nshards: ~\n']) {
    equal(loadConfig({ cwd: folder(context, yaml), env: {}, flags: [] }).settings['http.port'], 9347)
  }
})

test('sizes and times may carry their unit', (context) => {
  const env = {
    WEIR_LIMITS_HEADS_BYTES: '128 MiB',
    WEIR_DRAIN_TIMEOUT_MS: '1.5s',
    WEIR_JOURNAL_BYTES_MAX: '1073741824',
  }
  const { settings } = loadConfig({ cwd: folder(context), env, flags: [] })
  deepEqual(
    [settings['limits.headsBytes'], settings['drain.timeoutMs'], settings['journal.bytesMax']],
    [128 * 2 ** 20, 1_500, 2 ** 30],
  )
})

test('X2: without authentication only loopback addresses are served, unless the network is said to be closed', (context) => {
  const cwd = folder(context)
  const env = { WEIR_HTTP_HOST: '0.0.0.0' }
  match(problemsOf(cwd, env)[0]!, /http\.host 0\.0\.0\.0 .* auth\.mode is off/)
  loadConfig({ cwd, env: { ...env, WEIR_AUTH_MODE: 'keys' }, flags: [] })
  loadConfig({ cwd, env: { ...env, WEIR_AUTH_ALLOW_INSECURE_NETWORK: 'true' }, flags: [] })
  for (const host of ['127.0.0.1', '127.9.9.9', 'localhost', '::1', '[::1]']) equal(isLoopback(host), true, host)
  for (const host of ['0.0.0.0', '::', '10.0.0.1', '127.0.0.1.evil.example', 'example.org']) {
    equal(isLoopback(host), false, host)
  }
})

test('what this version cannot do is refused where silence would mislead, and warned of elsewhere', (context) => {
  const cwd = folder(context)
  match(problemsOf(cwd, { WEIR_AUTH_MODE: 'oidc' })[0]!, /API keys only/)
  const env = { WEIR_FORWARD_PORT: '-1', WEIR_AUTH_ADMIN_KEY: 'short' }
  const { warnings } = loadConfig({ cwd, env, flags: [] })
  equal(warnings.length, 1)
  match(warnings.join(), /auth\.adminKey is short/)
})

test('nodes of a cluster have one place for what is published', (context) => {
  const cwd = folder(context)
  match(problemsOf(cwd, { WEIR_NATS_URL: 'nats://a' })[0]!, /nats\.url without s3\.bucket/)
  for (const place of [{ WEIR_S3_BUCKET: 'logs' }, { WEIR_OBJECTS_DIR: '/srv/segments' }]) {
    const { settings } = loadConfig({ cwd, env: { WEIR_NATS_URL: 'nats://a,nats://b', ...place }, flags: [] })
    equal(settings['nats.url'], 'nats://a,nats://b')
  }
})

test('names of clusters that NATS has no room for are refused', (context) => {
  match(problemsOf(folder(context), { WEIR_CLUSTER_NAME: 'two words' })[0]!, /cluster\.name/)
})

test('limits that exclude each other are refused', (context) => {
  const { settings } = loadConfig({ cwd: folder(context), env: {}, flags: [] })
  deepEqual(conflicts(settings), [])
  equal(conflicts({ ...settings, 'limits.inFlightBytes': 1024 }).length, 1)
})

test('every setting has its own name in the environment and on the command line, and a default it would accept', () => {
  equal(new Set(SETTING_KEYS.map(environmentName)).size, SETTING_KEYS.length)
  equal(new Set(SETTING_KEYS.map(flagName)).size, SETTING_KEYS.length)
  equal(environmentName('auth.allowInsecureNetwork'), 'WEIR_AUTH_ALLOW_INSECURE_NETWORK')
  equal(environmentName('s3.accessKeyId'), 'WEIR_S3_ACCESS_KEY_ID')
  equal(flagName('drain.timeoutMs'), 'drain-timeout-ms')
  for (const key of SETTING_KEYS) {
    const spec = settingSpec(key)
    match(spec.description, /^[A-Z].*\.$/s, key)
    if ('min' in spec && spec.default !== null) equal(spec.default >= spec.min && spec.default <= spec.max, true, key)
  }
})

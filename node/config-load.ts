import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import { isMap, isScalar, LineCounter, type Pair, parseDocument } from 'yaml'
import { WeirError } from '../base/errors.ts'
import {
  conflicts,
  environmentName,
  flagName,
  SETTING_KEYS,
  type SettingKey,
  type Settings,
  settingSpec,
} from './config.ts'
import { didYouMean } from './did-you-mean.ts'
import { parseSetting, type SettingValue } from './setting-value.ts'

/** A setting given on the command line: the text behind its name; `true` for a name alone. */
export interface GivenFlag {
  /** As typed, without the dashes. */
  readonly name: string
  readonly value: string | true
}

export interface ConfigInput {
  readonly flags: readonly GivenFlag[]
  readonly env: Readonly<Record<string, string | undefined>>
  /** Relative paths start here; weir.yaml is looked for here. */
  readonly cwd: string
}

export interface LoadedConfig {
  readonly settings: Settings
  /** Where the value of each setting comes from: `default`, `derived`, `weir.yaml line 3`, `WEIR_HTTP_PORT`, `--http.port`. */
  readonly sources: Readonly<Record<SettingKey, string>>
  /** The file that was read, if there was one. */
  readonly file: string | undefined
  /** Settings that have no effect in this version, and other things to say once. */
  readonly warnings: readonly string[]
}

const FILE_DEFAULT = 'weir.yaml'
/** Read by the commands that talk to a node, not by the node. */
const ENVIRONMENT_OF_COMMANDS = ['WEIR_URL', 'WEIR_KEY', 'WEIR_CONFIG']
/** What Kubernetes sets in every container for a service named `weir`. */
const ENVIRONMENT_OF_KUBERNETES = /^WEIR_(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$/
const ADMIN_KEY_CHARACTERS_MIN = 16
/** Paths that are relative to where the node is started, when given. */
const FILES = [
  's3.caFile',
  'nats.credentialsFile',
  'nats.nkeyFile',
  'nats.caFile',
  'nats.certFile',
  'nats.keyFile',
  'syslog.certFile',
  'syslog.keyFile',
  'syslog.clientCaFile',
  'alerts.caFile',
  'otlpGrpc.certFile',
  'otlpGrpc.keyFile',
  'otlpGrpc.clientCaFile',
] as const

interface Given {
  readonly raw: unknown
  readonly source: string
}

/**
 * The settings of the node: defaults, overridden by weir.yaml (or the file that --config or WEIR_CONFIG names), by the
 * environment, by flags. Throws invalid_config with every problem on a line of its own.
 */
export function loadConfig(input: ConfigInput): LoadedConfig {
  const problems: string[] = []
  const given = new Map<SettingKey, Given>()
  const flags = input.flags.filter((flag) => flag.name !== 'config')
  const file = readFile(input, problems)
  if (file) readYaml(file.name, file.text, given, problems)
  readEnvironment(input.env, given, problems)
  readFlags(flags, given, problems)

  const values: Partial<Record<SettingKey, SettingValue | null>> = {}
  const sources: Partial<Record<SettingKey, string>> = {}
  const warnings: string[] = []
  for (const key of SETTING_KEYS) {
    const spec = settingSpec(key)
    const own = given.get(key)
    values[key] = spec.default
    sources[key] = spec.default === null && spec.derived ? 'derived' : 'default'
    if (!own) continue
    const parsed = parseSetting(spec, own.raw)
    if ('problem' in parsed) {
      problems.push(`${own.source}: ${key} ${parsed.problem}`)
      continue
    }
    values[key] = parsed.value
    sources[key] = own.source
    if (spec.later && parsed.value !== -1) warnings.push(`${key} has no effect: ${spec.later}`)
  }
  const settings = derive(values as Settings, input.cwd)
  // Conflicts of values that are wrong by themselves would only confuse.
  if (problems.length === 0) problems.push(...conflicts(settings))
  if (problems.length > 0) {
    throw new WeirError('invalid_config', problems.join('\n'), { problems: problems.length })
  }
  const adminKey = settings['auth.adminKey']
  if (adminKey !== null && adminKey.length < ADMIN_KEY_CHARACTERS_MIN) {
    warnings.push(`auth.adminKey is short: use at least ${ADMIN_KEY_CHARACTERS_MIN} characters`)
  }
  return { settings, sources: sources as Record<SettingKey, string>, file: file?.name, warnings }
}

function derive(values: Settings, cwd: string): Settings {
  const dataDir = resolve(cwd, values['data.dir'])
  const objectsDir = values['objects.dir'] as string | null
  return {
    ...values,
    'data.dir': dataDir,
    'objects.dir': objectsDir === null ? join(dataDir, 'objects') : resolve(cwd, objectsDir),
    ...Object.fromEntries(FILES.flatMap((key) => (values[key] === null ? [] : [[key, resolve(cwd, values[key])]]))),
    workers: (values.workers as number | null) ?? availableParallelism(),
  }
}

function readFile(input: ConfigInput, problems: string[]): { name: string; text: string } | undefined {
  const flag = input.flags.findLast(({ name }) => name === 'config')?.value
  if (flag === true) problems.push('--config needs the name of a file')
  const named = typeof flag === 'string' ? flag : input.env.WEIR_CONFIG || undefined
  const name = named ?? FILE_DEFAULT
  try {
    return { name, text: readFileSync(resolve(input.cwd, name), 'utf8') }
  } catch (error) {
    const isAbsent = (error as NodeJS.ErrnoException).code === 'ENOENT'
    if (!isAbsent || named !== undefined)
      problems.push(`${name}: ${isAbsent ? 'there is no such file' : String(error)}`)
    return undefined
  }
}

function readYaml(name: string, text: string, given: Map<SettingKey, Given>, problems: string[]): void {
  const lineCounter = new LineCounter()
  const document = parseDocument(text, { lineCounter, prettyErrors: false })
  const where = (offset: number | undefined) => `${name} line ${lineCounter.linePos(offset ?? 0).line}`
  for (const error of document.errors) problems.push(`${where(error.pos[0])}: ${error.message}`)
  if (document.errors.length > 0 || document.contents === null) return
  const walk = (node: unknown, prefix: string): void => {
    if (!isMap(node)) {
      problems.push(`${name}: ${prefix === '' ? 'the file' : prefix} must be a map of settings`)
      return
    }
    for (const { key, value } of node.items as Pair[]) {
      const path = `${prefix}${prefix === '' ? '' : '.'}${isScalar(key) ? String(key.value) : '?'}`
      const source = where(isScalar(key) ? key.range?.[0] : undefined)
      if (isKey(path)) {
        const raw = isScalar(value) ? value.value : value
        if (raw !== null && raw !== undefined) give(given, problems, path, { raw, source })
      } else if (SETTING_KEYS.some((known) => known.startsWith(`${path}.`))) {
        if (!isScalar(value) || value.value !== null) walk(value, path)
      } else problems.push(unknown(source, path, SETTING_KEYS))
    }
  }
  walk(document.contents, '')
}

/** A key may be written nested and dotted in one file; then the file contradicts itself. */
function give(given: Map<SettingKey, Given>, problems: string[], key: SettingKey, value: Given): void {
  const earlier = given.get(key)
  if (earlier) problems.push(`${value.source}: ${key} was given before, at ${earlier.source}`)
  given.set(key, value)
}

function readEnvironment(env: ConfigInput['env'], given: Map<SettingKey, Given>, problems: string[]): void {
  const keys = new Map(SETTING_KEYS.map((key) => [environmentName(key), key]))
  for (const [name, raw] of Object.entries(env)) {
    if (!name.startsWith('WEIR_') || ENVIRONMENT_OF_COMMANDS.includes(name)) continue
    const key = keys.get(name)
    // An empty variable is how compose files and unit files say "unset".
    if (key) {
      if (raw !== undefined && raw !== '') given.set(key, { raw, source: name })
    } else if (!ENVIRONMENT_OF_KUBERNETES.test(name)) problems.push(unknown('environment', name, [...keys.keys()]))
  }
}

function readFlags(flags: readonly GivenFlag[], given: Map<SettingKey, Given>, problems: string[]): void {
  const keys = new Map<string, SettingKey>()
  for (const key of SETTING_KEYS) keys.set(key, key).set(flagName(key), key)
  for (const { name, value } of flags) {
    const key = keys.get(name)
    if (!key) {
      problems.push(
        unknown(
          'command line',
          `--${name}`,
          SETTING_KEYS.map((known) => `--${known}`),
        ),
      )
    } else if (value === true && settingSpec(key).kind !== 'boolean') problems.push(`--${name} needs a value`)
    else given.set(key, { raw: value, source: `--${name}` })
  }
}

function isKey(text: string): text is SettingKey {
  return (SETTING_KEYS as readonly string[]).includes(text)
}

function unknown(source: string, name: string, known: readonly string[]): string {
  const near = didYouMean(name, known)
  return `${source}: unknown setting ${name}${near ? `; did you mean ${near}?` : ''}`
}

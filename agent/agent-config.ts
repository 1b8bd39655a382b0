import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname, isAbsolute, resolve } from 'node:path'
import { WeirError } from '../base/errors.ts'
import { VALUE_BYTES_MAX } from '../base/limits.ts'
import { LOG_LEVELS, type LogLevel } from '../base/logger.ts'
import type { Compression } from './batcher.ts'
import type { MultilineRule } from './grouped-lines.ts'
import type { MaskSettings } from './line-mask.ts'
import type { LineWrapper } from './line-wrapper.ts'
import { ConfigProblems, type MapReader, readYaml } from './yaml-reader.ts'

/** Settings of an input that reads lines. */
export interface LineSettings {
  /** Service of records that name none. */
  readonly service: string | undefined
  readonly host: string
  readonly fields: Readonly<Record<string, unknown>>
  readonly format: 'auto' | 'plain'
  readonly offsets: boolean
  readonly lineBytesMax: number
  /** What is hidden before anything is written to a disk. */
  readonly mask: MaskSettings | undefined
}

export interface FileSettings extends LineSettings {
  readonly type: 'file'
  /** `container`: lines are wrapped by a container runtime, and paths say which container it is. */
  readonly wrapper: LineWrapper
  readonly multiline: MultilineRule | undefined
  readonly name: string
  readonly paths: readonly string[]
  readonly exclude: readonly string[]
  readonly readFrom: 'beginning' | 'end'
}

export interface StdinSettings extends LineSettings {
  readonly type: 'stdin'
  readonly name: string
  readonly multiline: MultilineRule | undefined
}

export interface JournaldSettings extends LineSettings {
  readonly type: 'journald'
  readonly name: string
  readonly units: readonly string[]
  readonly directory: string | undefined
  readonly readFrom: 'beginning' | 'end'
}

export type InputSettings = FileSettings | StdinSettings | JournaldSettings

export interface AgentConfig {
  readonly dataDir: string
  readonly nodes: {
    readonly urls: readonly URL[]
    readonly key: string | undefined
    /** A key with the role `enrol`: the shipper registers itself. */
    readonly enrolKey: string | undefined
    readonly ca: string | undefined
    readonly timeoutMs: number
    readonly concurrency: number
  }
  readonly batch: { readonly bytesMax: number; readonly lingerMs: number; readonly compression: Compression }
  readonly spoolBytesMax: number
  readonly inputs: readonly InputSettings[]
  readonly files: {
    readonly pollMs: number
    readonly scanEveryMs: number
    readonly rotateWaitMs: number
    readonly lostSearchMs: number
    readonly flushMs: number
  }
  /** Where metrics are shown; undefined: nowhere. */
  readonly metrics: { readonly host: string; readonly port: number } | undefined
  readonly fleet: {
    readonly organization: string
    readonly environment: string | undefined
    readonly heartbeatMs: number
  }
  readonly host: string
  /** What the file says itself is not set from afar. */
  readonly isLocal: { readonly logLevel: boolean; readonly bytesMax: boolean; readonly lingerMs: boolean }
  readonly logLevel: LogLevel
}

export interface ConfigSource {
  readonly file: string
  readonly cwd: string
  readonly environment: Readonly<Record<string, string | undefined>>
}

const KIB = 1024
const MIB = 1024 * KIB
const DAY_MS = 86_400_000
const INPUT_TYPES = ['file', 'kubernetes', 'docker', 'stdin', 'journald'] as const
const DEFAULT_PATHS: Readonly<Record<string, readonly string[]>> = {
  kubernetes: ['/var/log/pods/*/*/*.log'],
  docker: ['/var/lib/docker/containers/*/*-json.log'],
}

/** Reads the shipper's configuration. Throws invalid_config with every problem on a line of its own. */
export function loadAgentConfig({ file, cwd, environment }: ConfigSource): AgentConfig {
  const path = resolve(cwd, file)
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const isAbsent = (error as NodeJS.ErrnoException).code === 'ENOENT'
    throw new WeirError('invalid_config', `${file}: ${isAbsent ? 'there is no such file' : String(error)}`)
  }
  const problems = new ConfigProblems(file)
  const top = readYaml(text, problems, environment)
  const config = problems.list.length > 0 ? undefined : read(top, dirname(path))
  if (config === undefined || problems.list.length > 0) {
    throw new WeirError('invalid_config', problems.list.join('\n'), { problems: problems.list.length })
  }
  return config
}

function read(top: MapReader, directory: string): AgentConfig {
  const at = (path: string) => (isAbsolute(path) ? path : resolve(directory, path))
  const data = top.map('data')
  const nodes = top.map('nodes')
  const batch = top.map('batch')
  const spool = top.map('spool')
  const files = top.map('files')
  const metrics = top.map('metrics')
  const fleet = top.map('fleet')
  const log = top.map('log')
  const host = top.text('host') ?? hostname()
  const fields = top.values('fields')
  const inputs = top.maps('inputs')
  const config: AgentConfig = {
    dataDir: at(data.text('dir') ?? 'weir-agent-data'),
    nodes: {
      urls: urlsOf(nodes),
      key: secretOf(nodes, 'key', at),
      enrolKey: secretOf(nodes, 'enrolKey', at),
      ca: fileText(nodes, 'caFile', at),
      timeoutMs: nodes.duration('timeout', 60_000, 100, 600_000),
      concurrency: nodes.integer('concurrency', 2, 1, 16),
    },
    batch: {
      bytesMax: batch.bytes('bytesMax', 512 * KIB, 4 * KIB, 16 * MIB),
      lingerMs: batch.duration('linger', 1000, 1, 60_000),
      compression: batch.choice('compression', ['zstd', 'gzip', 'none'], 'zstd'),
    },
    spoolBytesMax: spool.bytes('bytesMax', 1024 * MIB, 64 * KIB, 2 ** 50),
    inputs: inputs.flatMap((input, i) => inputOf(input, i, { host, fields, at })),
    files: {
      pollMs: files.duration('poll', 1000, 10, 60_000),
      scanEveryMs: files.duration('scan', 5000, 10, 3_600_000),
      rotateWaitMs: files.duration('rotateWait', 30_000, 0, DAY_MS),
      lostSearchMs: files.duration('lostSearch', 60_000, 0, DAY_MS),
      flushMs: files.duration('flush', 5000, 10, 3_600_000),
    },
    metrics: metrics.has('port')
      ? { host: metrics.text('host') ?? '127.0.0.1', port: metrics.integer('port', 0, 0, 65_535) }
      : undefined,
    fleet: {
      organization: fleet.text('organization') ?? 'default',
      environment: fleet.text('environment'),
      heartbeatMs: fleet.duration('heartbeat', 60_000, 1000, 3_600_000),
    },
    host,
    isLocal: { logLevel: log.has('level'), bytesMax: batch.has('bytesMax'), lingerMs: batch.has('linger') },
    logLevel: log.choice('level', LOG_LEVELS, 'info'),
  }
  if (config.inputs.length === 0 && inputs.length === 0) top.problem('inputs', 'must name something to read')
  if (config.nodes.key !== undefined && config.nodes.enrolKey !== undefined) {
    nodes.problem('enrolKey', 'and key cannot both be given')
  }
  const names = config.inputs.map(({ name }) => name)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) top.problem('inputs', `has two inputs named ${twice}`)
  if (config.inputs.filter(({ type }) => type === 'stdin').length > 1) top.problem('inputs', 'may have one stdin')
  for (const map of [top, data, nodes, batch, spool, files, metrics, fleet, log, ...inputs]) map.finish()
  return config
}

function inputOf(
  input: MapReader,
  number: number,
  common: { host: string; fields: Readonly<Record<string, unknown>>; at: (path: string) => string },
): readonly InputSettings[] {
  const type = input.choice('type', INPUT_TYPES, 'file')
  const name = input.text('name') ?? `${type}-${number + 1}`
  const lines: LineSettings = {
    service: input.text('service'),
    host: input.text('host') ?? common.host,
    fields: { ...common.fields, ...input.values('fields') },
    format: input.choice('format', ['auto', 'plain'], 'auto'),
    offsets: input.boolean('offsets', true),
    mask: maskOf(input),
    lineBytesMax: input.bytes('lineBytesMax', VALUE_BYTES_MAX, 1 * KIB, VALUE_BYTES_MAX),
  }
  const readFrom = input.choice('readFrom', ['beginning', 'end'], 'beginning')
  if (type === 'journald') {
    const directory = input.text('directory')
    const at = directory === undefined ? undefined : common.at(directory)
    return [{ type, name, ...lines, offsets: false, units: input.texts('units'), directory: at, readFrom }]
  }
  const multiline = multilineOf(input)
  if (type === 'stdin') return [{ type, name, ...lines, multiline }]
  const given = input.texts('paths').map(common.at)
  const paths = given.length > 0 ? given : (DEFAULT_PATHS[type] ?? [])
  if (paths.length === 0) input.problem('paths', 'must name files, such as /var/log/*.log')
  const exclude = input.texts('exclude').map(common.at)
  const wrapper = type === 'file' ? input.choice('wrapper', ['none', 'container'], 'none') : 'container'
  return [{ type: 'file', name, paths, exclude, readFrom, wrapper, multiline, ...lines }]
}

/** `true`, or a map with `detectors` and `patterns`. */
function maskOf(input: MapReader): MaskSettings | undefined {
  if (!input.has('mask')) return undefined
  if (!input.isMap('mask')) return input.boolean('mask', false) ? { detectors: undefined, patterns: [] } : undefined
  const map = input.map('mask')
  const patterns = map.texts('patterns')
  const settings = {
    detectors: map.has('detectors') ? map.texts('detectors') : patterns.length > 0 ? [] : undefined,
    patterns,
  }
  map.finish()
  return settings
}

function multilineOf(input: MapReader): MultilineRule | undefined {
  if (!input.has('multiline')) return undefined
  const map = input.map('multiline')
  const start = ruleOf(map, 'start')
  const continuation = ruleOf(map, 'continuation')
  if ((start === undefined) === (continuation === undefined)) {
    map.problem('start', 'or continuation must be given, and not both')
  }
  const linesMax = map.integer('linesMax', 1000, 2, 100_000)
  map.finish()
  return {
    linesMax,
    ...(start === undefined ? {} : { start }),
    ...(continuation === undefined ? {} : { continuation }),
  }
}

function ruleOf(map: MapReader, name: string): RegExp | undefined {
  const source = map.text(name)
  if (source === undefined) return undefined
  try {
    return new RegExp(source)
  } catch (error) {
    return map.problem(name, `is no regular expression: ${(error as Error).message}`)
  }
}

function urlsOf(nodes: MapReader): readonly URL[] {
  const texts = nodes.texts('urls')
  if (texts.length === 0) nodes.problem('urls', 'must name a node, such as http://127.0.0.1:9347')
  return texts.flatMap((text) => {
    const url = URL.canParse(text) ? new URL(text) : undefined
    if (url !== undefined && /^https?:$/.test(url.protocol) && url.username === '' && url.search === '') return [url]
    nodes.problem('urls', `has ${text}, which is not the address of a node such as https://logs.example.org:9347`)
    return []
  })
}

/** A secret that is written there, or in the file that `<name>File` names. */
function secretOf(map: MapReader, name: string, at: (path: string) => string): string | undefined {
  const inline = map.text(name)
  const fromFile = fileText(map, `${name}File`, at)?.trim()
  if (inline !== undefined && fromFile !== undefined) map.problem(name, `and ${name}File cannot both be given`)
  const secret = inline ?? fromFile
  if (secret !== undefined && !/^[\x21-\x7e]+$/.test(secret))
    map.problem(name, 'must be printable ASCII without spaces')
  return secret
}

function fileText(map: MapReader, name: string, at: (path: string) => string): string | undefined {
  const path = map.text(name)
  if (path === undefined) return undefined
  try {
    return readFileSync(at(path), 'utf8')
  } catch (error) {
    return map.problem(name, `names a file that cannot be read: ${(error as Error).message}`)
  }
}

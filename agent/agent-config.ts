import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname, isAbsolute, resolve } from 'node:path'
import { WeirError } from '../base/errors.ts'
import { VALUE_BYTES_MAX } from '../base/limits.ts'
import { LOG_LEVELS, type LogLevel } from '../base/logger.ts'
import type { Compression } from './batcher.ts'
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
}

export interface FileSettings extends LineSettings {
  readonly type: 'file'
  readonly name: string
  readonly paths: readonly string[]
  readonly exclude: readonly string[]
  readonly readFrom: 'beginning' | 'end'
}

export interface StdinSettings extends LineSettings {
  readonly type: 'stdin'
  readonly name: string
}

export type InputSettings = FileSettings | StdinSettings

export interface AgentConfig {
  readonly dataDir: string
  readonly nodes: {
    readonly urls: readonly URL[]
    readonly key: string | undefined
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
const INPUT_TYPES = ['file', 'stdin'] as const

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
  const log = top.map('log')
  const host = top.text('host') ?? hostname()
  const fields = top.values('fields')
  const inputs = top.maps('inputs')
  const config: AgentConfig = {
    dataDir: at(data.text('dir') ?? 'weir-agent-data'),
    nodes: {
      urls: urlsOf(nodes),
      key: secretOf(nodes, 'key', at),
      ca: fileText(nodes, 'caFile', at),
      timeoutMs: nodes.duration('timeout', 60_000, 100, 600_000),
      concurrency: nodes.integer('concurrency', 2, 1, 16),
    },
    batch: {
      bytesMax: batch.bytes('bytesMax', 1 * MIB, 4 * KIB, 16 * MIB),
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
    logLevel: log.choice('level', LOG_LEVELS, 'info'),
  }
  if (config.inputs.length === 0 && inputs.length === 0) top.problem('inputs', 'must name something to read')
  const names = config.inputs.map(({ name }) => name)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) top.problem('inputs', `has two inputs named ${twice}`)
  if (config.inputs.filter(({ type }) => type === 'stdin').length > 1) top.problem('inputs', 'may have one stdin')
  for (const map of [top, data, nodes, batch, spool, files, log, ...inputs]) map.finish()
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
    lineBytesMax: input.bytes('lineBytesMax', VALUE_BYTES_MAX, 1 * KIB, VALUE_BYTES_MAX),
  }
  if (type === 'stdin') return [{ type, name, ...lines }]
  const paths = input.texts('paths').map(common.at)
  if (paths.length === 0) input.problem('paths', 'must name files, such as /var/log/*.log')
  const exclude = input.texts('exclude').map(common.at)
  return [
    { type, name, paths, exclude, readFrom: input.choice('readFrom', ['beginning', 'end'], 'beginning'), ...lines },
  ]
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

import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** Older ones lose acknowledged messages or drop settings that the journal needs. */
const VERSION_MIN = [2, 10, 23] as const
/** Debian's newest suite; its package needs nothing of the machine but a kernel. */
const SUITE_DEFAULT = 'sid'
const SOURCES = '/etc/apt'

let found: string | undefined

/**
 * Path of a nats-server that is new enough: the one that NATS_SERVER names, else that of the PATH, else the one in the cache, else the package of
 * a newer Debian suite (NATS_SERVER_SUITE), fetched by apt from the machine's own mirror and unpacked into the cache; nothing is
 * installed. Throws with what to do when there is none.
 */
export function natsBinary(): string {
  found ??= findBinary()
  return found
}

/** Version of a nats-server, such as [2, 15, 1]; undefined when there is none at `path`. */
export function natsVersion(path: string): readonly number[] | undefined {
  const run = spawnSync(path, ['--version'], { encoding: 'utf8' })
  const match = /v(\d+)\.(\d+)\.(\d+)/.exec(`${run.stdout}`)
  return match === null ? undefined : match.slice(1).map(Number)
}

function findBinary(): string {
  const named = process.env.NATS_SERVER
  if (named !== undefined) {
    if (!isNewEnough(named)) throw instructions(`NATS_SERVER names ${named}, which is not one`)
    return named
  }
  if (isNewEnough('nats-server')) return 'nats-server'
  const suite = process.env.NATS_SERVER_SUITE ?? SUITE_DEFAULT
  const cached = join(cacheDirectory(), `nats-server-${suite}`)
  if (!existsSync(cached)) fetchPackage(suite, cached)
  if (!isNewEnough(cached)) throw instructions(`the suite ${suite} has an older one; remove ${cached}`)
  return cached
}

function isNewEnough(path: string): boolean {
  const version = natsVersion(path)
  if (version === undefined) return false
  const at = VERSION_MIN.findIndex((part, i) => part !== version[i])
  return at === -1 || version[at]! > VERSION_MIN[at]!
}

function cacheDirectory(): string {
  return join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'weir')
}

/** Leaves the program of the package at `target`. Several processes may do so at once: each works in a directory of its own. */
function fetchPackage(suite: string, target: string): void {
  const mirror = debianMirror()
  if (mirror === undefined) throw instructions(`${SOURCES} names no mirror of Debian`)
  mkdirSync(cacheDirectory(), { recursive: true })
  const directory = mkdtempSync(join(cacheDirectory(), 'fetch-'))
  try {
    for (const part of ['lists/partial', 'cache/archives/partial'])
      mkdirSync(join(directory, part), { recursive: true })
    writeFileSync(join(directory, 'sources.list'), `deb ${mirror} ${suite} main\n`)
    const options = {
      'Dir::Etc::sourcelist': join(directory, 'sources.list'),
      'Dir::Etc::sourceparts': '/dev/null',
      'Dir::State::Lists': join(directory, 'lists'),
      'Dir::Cache': join(directory, 'cache'),
      'Acquire::Languages': 'none',
      'APT::Sandbox::User': '',
    }
    const apt = ['-qq', ...Object.entries(options).map(([name, value]) => `-o${name}=${value}`)]
    run(directory, 'apt-get', [...apt, 'update'])
    run(directory, 'apt-get', [...apt, 'download', 'nats-server'])
    const archive = readdirSync(directory).find((name) => name.endsWith('.deb'))
    if (archive === undefined) throw instructions(`apt brought no package from ${suite}`)
    run(directory, 'dpkg', ['-x', archive, 'unpacked'])
    const program = ['usr/sbin', 'usr/bin']
      .map((folder) => join(directory, 'unpacked', folder, 'nats-server'))
      .find((path) => existsSync(path))
    if (program === undefined) throw instructions(`${archive} has no nats-server in it`)
    copyFileSync(program, join(directory, 'ready'))
    chmodSync(join(directory, 'ready'), 0o755)
    renameSync(join(directory, 'ready'), target)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** The mirror of Debian that this machine uses, in either format of apt's sources. */
function debianMirror(): string | undefined {
  const folder = join(SOURCES, 'sources.list.d')
  const files = [
    join(SOURCES, 'sources.list'),
    ...(existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : []),
  ]
  const text = files.map((path) => (existsSync(path) ? readFileSync(path, 'utf8') : '')).join('\n')
  return /^(?:URIs:\s*|deb\s+(?:\[[^\]]*\]\s+)?)([a-z]+:\/\/\S+\/debian\/?)(?:\s|$)/m.exec(text)?.[1]
}

function run(directory: string, command: string, args: readonly string[]): void {
  const done: SpawnSyncReturns<string> = spawnSync(command, args, { cwd: directory, encoding: 'utf8' })
  if (done.status === 0) return
  const reason = done.error?.message ?? done.stderr.trim().split('\n').slice(-3).join(' ')
  throw instructions(`${command} ${args.at(-1)} failed: ${reason}`)
}

function instructions(reason: string): Error {
  return new Error(
    `these tests need nats-server ${VERSION_MIN.join('.')} or later (${reason}). Install one, from a newer Debian suite or from the project's ` +
      'releases, and put it on the PATH or name it in NATS_SERVER',
  )
}

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** Programs of Debian packages, unpacked and not installed. */
export interface DebianPrograms {
  /** What stands for `/` in them. */
  readonly root: string
  /** For the environment of a program: where its libraries are. */
  readonly libraryPath: string
}

/**
 * Unpacks packages of the machine's own Debian into the cache, where they stay under `name`; each names what the program needs beyond a bare
 * system. Throws with what to do when apt does not bring them.
 */
export function debianPrograms(name: string, packages: readonly string[]): DebianPrograms {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'weir')
  const root = join(cache, `debian-${name}`)
  if (!existsSync(root)) {
    mkdirSync(cache, { recursive: true })
    const directory = mkdtempSync(join(cache, 'fetch-'))
    try {
      run(directory, 'apt-get', ['-qq', '-oAPT::Sandbox::User=', 'download', ...packages])
      for (const file of readdirSync(directory)) run(directory, 'dpkg', ['-x', file, 'unpacked'])
      // Another process may have been first.
      if (!existsSync(root)) renameSync(join(directory, 'unpacked'), root)
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  }
  const libraries = join(root, 'usr', 'lib')
  const machine = readdirSync(libraries).find((entry) => entry.endsWith('-linux-gnu'))
  if (machine === undefined) throw new Error(`${root} holds no libraries; remove it`)
  return { root, libraryPath: join(libraries, machine) }
}

function run(directory: string, command: string, args: readonly string[]): void {
  const done = spawnSync(command, args, { cwd: directory, encoding: 'utf8' })
  if (done.status === 0) return
  const reason = done.error?.message ?? done.stderr.trim().split('\n').slice(-3).join(' ')
  throw new Error(`this test needs Debian packages (${command} ${args.join(' ')}: ${reason}); try apt-get update`)
}
